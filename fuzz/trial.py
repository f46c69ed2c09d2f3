"""One input through one target: what came of it, how long it took, whether it came back at all."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from fuzz.broken import Broken
from fuzz.finding import fault_of
from fuzz.target import Target

__all__ = ["HANG", "Hang", "Slow", "attempt", "same_fault", "watched"]

HANG: Final = 10.0
"""CPU seconds after which an input is given up; a slow one is told sooner."""

_TIMES: Final = 2
"""An input that seems slow is tried so many times more; the quickest counts."""


class Hang(Broken):
    """The target does not come back."""


class Slow(Broken):
    """The target took too long for the length of its input."""


@contextmanager
def watched() -> Iterator[None]:
    """Lets `attempt` end an input that hangs. In the main thread only."""
    before = signal.signal(signal.SIGPROF, _give_up)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def attempt(target: Target, octets: bytes, *, hang: float = HANG) -> str:
    """What came of it. Raises whatever the target raises, `Hang`, or `Slow`."""
    signal.setitimer(signal.ITIMER_PROF, hang)
    try:
        outcome, seconds = _timed(target, octets)
        limit = target.limit(octets)
        if seconds > limit:
            seconds = min(seconds, *(_timed(target, octets)[1] for _ in range(_TIMES)))
            if seconds > limit:
                raise Slow("time in proportion to the length")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return outcome


def same_fault(target: Target, octets: bytes, error: BaseException, *, hang: float = HANG) -> bool:
    """Whether these octets show the same fault."""
    try:
        attempt(target, octets, hang=hang)
    except Exception as other:  # noqa: BLE001 (whatever the target raises is compared)
        return fault_of(other) == fault_of(error)
    return False


def _timed(target: Target, octets: bytes) -> tuple[str, float]:
    begin = time.thread_time()
    outcome = target.run(octets)
    return outcome, time.thread_time() - begin


def _give_up(signum: int, frame: FrameType | None) -> None:
    raise Hang("every input comes to an end")
