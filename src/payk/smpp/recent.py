"""How often something happened lately."""

from __future__ import annotations

from collections import deque

__all__ = ["Recent"]


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
