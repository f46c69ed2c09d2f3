"""How often something happened lately."""

from __future__ import annotations

from collections import deque

__all__ = ["Recent", "Tally"]


class Recent:
    """Tells when ``limit`` things have happened within ``span`` seconds."""

    __slots__ = ("_span", "_times")

    def __init__(self, limit: int, span: float = 60.0) -> None:
        self._times: deque[float] = deque(maxlen=limit)
        self._span = span

    def add(self, now: float) -> bool:
        """True if this was one too many."""
        times = self._times
        times.append(now)
        return len(times) == times.maxlen and now - times[0] < self._span

    def quiet_at(self) -> float:
        """When the oldest of them is ``span`` seconds old."""
        return self._times[0] + self._span


class Tally:
    """Lets few of many lines into the log: one every ``span`` seconds, which stands for those since the last."""

    __slots__ = ("_count", "_quiet_until", "_span")

    def __init__(self, span: float = 10.0) -> None:
        self._span = span
        self._count = 0
        self._quiet_until = float("-inf")

    def add(self, now: float) -> int:
        """How many things the line stands for, this one included; 0: no line now."""
        self._count += 1
        if now < self._quiet_until:
            return 0
        count, self._count = self._count, 0
        self._quiet_until = now + self._span
        return count
