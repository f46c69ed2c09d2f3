"""Rates that all processes share: how many tokens a process keeps of each, and when it draws more.

The bucket of a rate stands in the database (payk.store.rates) and is the only source of tokens, so whatever processes
do, no more is ever let through than it filled. Each process keeps a small allowance of tokens drawn ahead: as much as
its own demand of the last moments asks for, so that one that is idle keeps next to nothing and gives it back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from payk.domain.limits import Limits

__all__ = ["Allowance", "Rate", "RateKind", "otp_rate", "pace_of", "request_rate"]

AHEAD: Final = 0.2
"""Seconds of its demand that a process draws ahead."""
SHARE: Final = 0.5
"""The most of a bucket that a process draws ahead."""
CREDIT: Final = 0.05
"""Seconds of the rate, one token at least, spent ahead of the draw while the bucket is not known to be out."""
PAUSE: Final = 0.02
"""The least seconds between two draws from a bucket that had less than was asked for."""
IDLE: Final = 1.0
"""Seconds without use after which an allowance is given back."""
_SHORTEST: Final = 0.01
"""Seconds over which demand is measured at least."""
_NEARLY: Final = 1e-6
"""Of a token: sums of fractions are not exact."""


class RateKind(IntEnum):
    """What is counted; numbers of the table shared_rate."""

    REQUESTS = 1
    PACE = 2
    OTP = 3


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens a second, and how many the bucket holds when it is full."""

    per_second: float
    burst: float


def request_rate(limits: Limits) -> Rate:
    """Of requests: the bucket holds one second's worth, one request at least."""
    return Rate(limits.requests_per_second, max(1.0, limits.requests_per_second))


def pace_of(limits: Limits) -> Rate:
    """Of messages that leave: a quarter of a second's worth, for a pace is to be even."""
    return Rate(limits.pace, max(1.0, limits.pace / 4))


def otp_rate(limits: Limits) -> Rate:
    """Of one-time passwords: one minute's worth."""
    return Rate(limits.otp_per_minute / 60, max(1.0, limits.otp_per_minute))


class Allowance:
    """The tokens of one bucket that this process holds. `now` is by Clock.monotonic; tokens may be fractions."""

    __slots__ = ("_ask_at", "_full", "_missing", "_seen", "_seen_at", "_since", "_used_at", "_wanted", "held", "rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self.held = 0.0
        """Below zero: what was spent on credit and is still to be drawn."""
        self._full = True
        """Whether the last draw brought all that was asked for, or there was none yet."""
        self._missing = 0.0
        """The most that a take was short of since the last draw."""
        self._wanted = 0.0
        """Asked for here since `_since`, whether it was there or not."""
        self._since = now - IDLE
        self._ask_at = now
        self._used_at = now
        self._seen = rate.burst
        """What the bucket held at `_seen_at`, as far as is known."""
        self._seen_at = now

    def change(self, rate: Rate) -> None:
        """The rate was configured anew; what is held beyond it is dropped."""
        self.rate = rate
        self.held = min(self.held, rate.burst)
        self._seen = min(self._seen, rate.burst)
        self._full = True

    def at_hand(self) -> int:
        """Whole tokens that can be taken at once."""
        credit = max(1.0, self.rate.per_second * CREDIT) if self._full else 0.0
        return max(0, math.floor(self.held + credit + _NEARLY))

    def take(self, count: int, now: float) -> int:
        """Take up to `count` tokens; how many."""
        taken = min(count, self.at_hand())
        self.held -= taken
        self._used_at = now
        self._missing = max(self._missing, count - taken)
        self._wanted += taken
        return taken

    def look(self, least: int, now: float) -> int:
        """Whole tokens that can be taken at once; where they are fewer than `least`, more are to be drawn."""
        there = self.at_hand()
        self._used_at = now
        self._missing = max(self._missing, least - there)
        return there

    def put_back(self, count: float) -> None:
        """Tokens that were taken and not used; below zero a debt that was not paid."""
        self.held += count

    def is_out(self, now: float) -> bool:
        """Whether the bucket had less than was asked for, and to ask again is too early."""
        return not self._full and now < self._ask_at

    def runs_low(self, now: float) -> bool:
        """Whether it is time to draw."""
        return now >= self._ask_at and (self._missing > 0 or self.held < self._level(now) / 2)

    def ask(self, now: float) -> float:
        """How many tokens to draw now. Begins a new measure of the demand."""
        wanted = self._level(now) + self._missing - self.held
        self._wanted, self._since = 0.0, now
        self._missing = 0.0
        return max(0.0, min(wanted, self.rate.burst - min(0.0, self.held)))

    def answered(self, asked: float, granted: float, left: float, now: float) -> None:
        """A draw of `asked` brought `granted`, and left `left` in the bucket."""
        self.held += granted
        self._seen, self._seen_at = left, now
        self._full = granted >= asked - _NEARLY
        if not self._full:
            self._ask_at = now + max(PAUSE, (1.0 - self.held) / self.rate.per_second)

    def wait(self, now: float) -> float:
        """Seconds until a token can be had, were nobody else to take it."""
        return max(0.0, self._ask_at - now, (1.0 - self.held - self._in_bucket(now)) / self.rate.per_second)

    def remaining(self, now: float) -> float:
        """Tokens held and in the bucket, as far as is known here."""
        return min(self.rate.burst, max(0.0, self.held + self._in_bucket(now)))

    def is_idle(self, now: float) -> bool:
        """Whether it was not used for IDLE seconds: what is held is given back, and a debt is paid."""
        return now >= self._used_at + IDLE

    def give_up(self) -> float:
        """All that is held, which it is not any more; below zero a debt."""
        held, self.held = self.held, 0.0
        return held

    def _level(self, now: float) -> float:
        demand = self._wanted / max(now - self._since, _SHORTEST)
        return min(max(1.0, demand * AHEAD), max(1.0, self.rate.burst * SHARE))

    def _in_bucket(self, now: float) -> float:
        return min(self.rate.burst, self._seen + (now - self._seen_at) * self.rate.per_second)
