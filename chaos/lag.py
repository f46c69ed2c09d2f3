"""How late our own event loop is: what it read late was not written late."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Sequence

__all__ = ["LagMeter", "earliest", "worst"]

TICK = 0.02
NOTICEABLE = 0.01


class LagMeter:
    """Notes the times, from and to, in which nothing was read."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    async def run(self) -> None:
        while True:
            began = time.time()
            await asyncio.sleep(TICK)
            now = time.time()
            if now - began > TICK + NOTICEABLE:
                self.spans.append((began, now))


def earliest(spans: Sequence[tuple[float, float]], read_at: float) -> float:
    """When octets that were read at this time can have arrived at the earliest. `spans` are in order."""
    place = bisect_right(spans, (read_at, float("inf")))
    if place:
        began, ended = spans[place - 1]
        if read_at <= ended + TICK:
            return began
    return read_at - TICK - NOTICEABLE


def worst(spans: Sequence[tuple[float, float]]) -> float:
    """The longest of them, in seconds."""
    return max((ended - began for began, ended in spans), default=0.0)
