"""Many appointments, one timer of the event loop: a timer each would cost more than all the rest of a message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final

__all__ = ["Agenda"]

_GRAIN: Final = 0.002
"""Seconds between two rings under load; what falls due in between waits for the next."""


class Agenda:
    """Calls of the same instant are made in the order in which they were added."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._order = count()
        self._timer: asyncio.Handle | None = None
        self._rings_at = 0.0  # not asked of the timer: uvloop's handle of a near one cannot tell

    def add(self, delay: float, action: Callable[[Any], None], argument: Any) -> None:
        """Call ``action(argument)`` in ``delay`` seconds."""
        due = self._loop.time() + delay
        heappush(self._calls, (due, next(self._order), action, argument))
        if self._timer is None or due < self._rings_at:
            self._ring_at(due)

    def clear(self) -> list[tuple[Callable[[Any], None], Any]]:
        """Drop all appointments; they are returned, earliest first."""
        left = [(action, argument) for _, _, action, argument in sorted(self._calls)]
        self._calls.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return left

    def _ring_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = moment
        self._timer = self._loop.call_at(moment, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._loop.time()
        try:
            while self._calls and self._calls[0][0] <= now:
                _, _, action, argument = heappop(self._calls)
                action(argument)
        finally:
            if self._calls:
                self._ring_at(max(self._calls[0][0], now + _GRAIN))
