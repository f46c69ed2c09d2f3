"""How long to wait before a bind is tried again.

delay = uniform(low, high) * min(cap, base * 2^n), where n counts the same trouble since the bind held for a minute.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum
from random import Random
from typing import Final, NamedTuple

__all__ = ["SETTLED", "Backoff", "Trouble"]

SETTLED: Final = 60.0
"""Seconds a bind must have held for its troubles to be forgotten."""


class Trouble(Enum):
    """Why a bind is down."""

    BROKEN = "broken"
    """No connection, no answer to bind, system error, session lost."""
    STILL_BOUND = "still bound"
    """ESME_RALYBND: the operator still holds a session that we lost, often for 2 minutes."""
    REFUSED = "refused"
    """The operator does not want this account, password, address or type. Somebody must act; we go on trying, for a
    mistake of the operator's ends without telling us."""
    UNBOUND = "unbound"
    """The operator sent unbind: it restarts, or wants us gone for a moment."""


class _Row(NamedTuple):
    """Seconds, and the range of the random factor."""

    base: float
    cap: float
    low: float = 0.5
    high: float = 1.0


_ROWS: Final = {
    Trouble.BROKEN: _Row(1, 60),
    Trouble.STILL_BOUND: _Row(60, 300, 1.0, 1.1),  # never earlier than a minute, never later than 330 s
    Trouble.REFUSED: _Row(60, 900),
    Trouble.UNBOUND: _Row(10, 10),
}


class Backoff:
    """The waits of one bind."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._counts: Counter[Trouble] = Counter()

    def delay(self, trouble: Trouble, *, held: float = 0.0) -> float:
        """Seconds to wait after `trouble` ended a bind that was up for `held` seconds (0 = it never was)."""
        if held >= SETTLED:
            self._counts.clear()
        row = _ROWS[trouble]
        count = self._counts[trouble]
        self._counts[trouble] += 1
        longest = min(row.cap, row.base * (1 << min(count, 16)))
        return longest * self._random.uniform(row.low, row.high)
