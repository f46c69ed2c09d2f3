"""Is the peer still there: enquire_link and the inactivity timer of one bound session (SMPP 3.4 section 2.8, 7.2).

Any octets prove life. After ``enquire_interval`` seconds of silence (or that often anyway, if the link wants it) the
peer is asked; a question with silence for ``enquire_timeout`` seconds is a miss and is repeated; ``enquire_misses``
in a row, or ``inactivity`` seconds of silence, are death.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["Liveness", "Verdict"]


class Verdict(Enum):
    ALIVE = "alive"
    ASK = "ask"
    """Send an enquire_link and call `Liveness.asked`."""
    DEAD = "dead"


class Liveness:
    __slots__ = (
        "_always",
        "_asked_at",
        "_asked_last",
        "_heard_at",
        "_heard_since",
        "_inactivity",
        "_interval",
        "_misses",
        "_misses_allowed",
        "_timeout",
    )

    def __init__(
        self, *, interval: float, always: bool, timeout: float, misses: int, inactivity: float, now: float
    ) -> None:
        """``interval`` 0: never ask."""
        self._interval = interval
        self._always = always
        self._timeout = timeout
        self._misses_allowed = misses
        self._inactivity = inactivity
        self._heard_at = now
        self._heard_since = False
        self._asked_at: float | None = None
        self._asked_last = now
        self._misses = 0

    def heard(self, now: float) -> None:
        self._heard_at = now
        self._heard_since = True

    def asked(self, now: float) -> None:
        self._asked_at = self._asked_last = now
        self._heard_since = False

    def answered(self) -> None:
        """The enquire_link has its response."""
        self._asked_at = None
        self._misses = 0

    def verdict(self, now: float) -> Verdict:
        if now >= self._heard_at + self._inactivity:
            return Verdict.DEAD
        if self._asked_at is not None:
            if now < self._asked_at + self._timeout:
                return Verdict.ALIVE
            self._asked_at = None
            if self._heard_since:
                self._misses = 0
                return Verdict.ALIVE
            self._misses += 1
            return Verdict.DEAD if self._misses >= self._misses_allowed else Verdict.ASK
        if self._interval and now >= self._ask_at():
            return Verdict.ASK
        return Verdict.ALIVE

    def next_deadline(self) -> float:
        """When `verdict` may say something else than alive."""
        deadline = self._heard_at + self._inactivity
        if self._asked_at is not None:
            return min(deadline, self._asked_at + self._timeout)
        if self._interval:
            return min(deadline, self._ask_at())
        return deadline

    def _ask_at(self) -> float:
        return (self._asked_last if self._always else self._heard_at) + self._interval
