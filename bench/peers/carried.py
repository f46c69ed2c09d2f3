"""What a system carries end to end, by one definition for all systems."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from bench.figure import CannotRun
from bench.rig import Operator
from bench.wrk import Load

__all__ = ["WARM_UP", "Carried", "carry", "end_to_end_rate"]

WARM_UP: Final = 3.0  # seconds
_SETTLED: Final = 0.3  # of the load; what comes before is no steady state
_STEADY: Final = 0.97  # receipts per message taken, in a state that lasts
_PATIENCE: Final = 240.0  # seconds for what is under way to end
_LOOK: Final = 0.5

Loading = Callable[[float], Awaitable[Load]]
"""Sends single messages for so many seconds."""


@dataclass(frozen=True, slots=True)
class Carried:
    """Messages a second: taken while the load lasted, and from request to final receipt. Seconds that the rest took."""

    accepted: float
    end_to_end: float
    drain: float


async def carry(operator: Operator, load: Loading, seconds: float) -> Carried:
    """Load a system that submits to `operator`, and wait until every message has its receipt. Raises CannotRun."""
    before = (await operator.ask("counts"))["confirmed"]
    warm = await load(WARM_UP)
    first = await _confirmed(operator, before + warm.answered)
    began = time.monotonic()
    loading = asyncio.ensure_future(load(seconds))
    try:
        await asyncio.sleep(_SETTLED * seconds)
        early, early_at = await operator.ask("counts"), time.monotonic()
        await asyncio.sleep(max(0.0, began + 0.98 * seconds - time.monotonic()))
        late, late_at = await operator.ask("counts"), time.monotonic()
        done = await loading
    finally:
        loading.cancel()
    last = await _confirmed(operator, first["confirmed"] + done.answered)
    return Carried(
        done.rate,
        end_to_end_rate(
            accepted=done.rate,
            confirmed=(late["confirmed"] - early["confirmed"]) / (late_at - early_at),
            whole=done.answered / (last["last_confirmed_at"] - began),
        ),
        max(0.0, last["last_confirmed_at"] - began - done.seconds),
    )


def end_to_end_rate(*, accepted: float, confirmed: float, whole: float) -> float:
    """The lower of two rates of a state that could last; `whole` where more is taken than is carried, for then most of
    the carrying is done once the load is over.
    """
    return min(confirmed, accepted) if confirmed >= _STEADY * accepted else whole


async def _confirmed(operator: Operator, messages: int) -> dict[str, Any]:
    """What the operator counted once so many receipts are confirmed and nothing more comes.

    A system may rest for a while with messages in its queue, so it is not enough that nothing comes.
    """
    deadline = time.monotonic() + _PATIENCE
    before = -1
    while True:
        counts = await operator.ask("counts")
        if messages <= counts["confirmed"] == counts["submits"] == before:
            return counts
        if time.monotonic() > deadline:
            raise CannotRun(f"{messages - counts['confirmed']} messages have no receipt after {_PATIENCE:.0f} s")
        before = counts["submits"]
        await asyncio.sleep(_LOOK)
