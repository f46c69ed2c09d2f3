"""How fast a link may submit: the rate of its contract, and the pauses the operator asks for. Times in seconds."""

from __future__ import annotations

import math
from typing import Final

from payk.smpp import CommandStatus

__all__ = ["ThrottlePause", "TokenBucket"]

_BURST: Final = 0.05  # seconds' worth of submits that may leave at once after idleness
_EPSILON: Final = 1e-6  # of a token: what floating point loses
_UNLIMITED: Final = 1 << 30


class TokenBucket:
    """At most `rate` submits a second; None = no limit, 0 = none at all."""

    def __init__(self, rate: float | None, now: float) -> None:
        self._rate = rate
        self._tokens = self._burst
        self._filled_at = now

    @property
    def _burst(self) -> float:
        return max(1.0, (self._rate or 0.0) * _BURST)

    def set_rate(self, rate: float | None, now: float) -> None:
        self._fill(now)
        self._rate = rate
        self._tokens = min(self._tokens, self._burst)

    def available(self, at: float) -> int:
        """Submits that may leave at a moment, now or soon."""
        if self._rate is None:
            return _UNLIMITED
        return int(self._tokens_at(at) + _EPSILON) if self._rate > 0 else 0

    def take(self, now: float) -> bool:
        """Take the token of one submit; False, and nothing taken, if there is none."""
        if self._rate is None:
            return True
        if self.available(now) < 1:
            return False
        self._fill(now)
        self._tokens -= 1
        return True

    def ready_at(self, count: int, now: float) -> float:
        """When the `count`-th submit from now may leave; infinity if never."""
        if self._rate is None:
            return now
        if self._rate <= 0:
            return math.inf
        return now + max(0.0, count - self._tokens_at(now)) / self._rate

    def _tokens_at(self, moment: float) -> float:
        return min(self._burst, self._tokens + max(0.0, moment - self._filled_at) * (self._rate or 0.0))

    def _fill(self, now: float) -> None:
        self._tokens = self._tokens_at(now)
        self._filled_at = max(now, self._filled_at)


# First and longest pause after a refusal; the operator's queue takes longer to empty than its rate window.
_THROTTLED: Final = (1.0, 30.0)
_QUEUE_FULL: Final = (5.0, 180.0)


class ThrottlePause:
    """The pause after a submit was refused with ESME_RTHROTTLED, ESME_RMSGQFUL or what the link counts as such."""

    def __init__(self) -> None:
        self.until = -math.inf
        """No new submit before this moment."""
        self._repeats = 0

    def refused(self, command_status: int, *, written_at: float, now: float) -> bool:
        """Pause, twice as long as the last time.

        False, and nothing new, if the submit was written before the last pause ended: its refusal belongs to that.
        """
        if written_at < self.until:
            return False
        first, longest = _QUEUE_FULL if command_status == CommandStatus.ESME_RMSGQFUL else _THROTTLED
        self.until = now + min(longest, first * (1 << min(self._repeats, 16)))
        self._repeats += 1
        return True

    def accepted(self, *, written_at: float) -> None:
        """The operator takes messages again, if this one was written after the pause."""
        if written_at >= self.until:
            self._repeats = 0
