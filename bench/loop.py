"""Loops that are measured round by round, so that a neighbour on the machine slows all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Final

from bench.figure import Figure, Reading

__all__ = ["Loop", "measure"]

_ROUNDS: Final = 12
_CHUNK: Final = 200  # operations between two looks at the clock


@dataclass(frozen=True, slots=True)
class Loop:
    """``run`` does an operation so many times; the figure is how often it is done in a second."""

    figure: Figure
    run: Callable[[int], None]


def measure(loops: Sequence[Loop], seconds: float) -> list[Reading]:
    """All loops take turns in every round; ``seconds`` is for all rounds of all loops together."""
    share = seconds / _ROUNDS / len(loops)
    rounds = [[_rate(loop.run, share) for loop in loops] for _ in range(_ROUNDS)]
    of_loops = zip(*rounds, strict=True)
    return [Reading(loop.figure, max(rates), median(rates)) for loop, rates in zip(loops, of_loops, strict=True)]


def _rate(run: Callable[[int], None], seconds: float) -> float:
    done = 0
    start = perf_counter()
    while True:
        run(_CHUNK)
        done += _CHUNK
        elapsed = perf_counter() - start
        if elapsed >= seconds:
            return done / elapsed
