"""What a link did in the last minutes, counted by the second: how much, how fast, and what was refused.

Counting costs a message a few additions; what is asked once a second is summed up then.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Figures", "LinkFigures", "Spread"]

RATE_OVER: Final = 10
"""Seconds that a rate is taken over."""
LATENCY_OVER: Final = 60
"""Seconds that latencies are taken over."""
REFUSALS_OVER: Final = 300
"""Seconds that refusals are counted over."""
_STEPS: Final = 8
"""Of a factor e between two marks of a latency: each is 13 % above the one before."""
_UNIT: Final = 0.001


@dataclass(frozen=True, slots=True)
class Spread:
    """Half of the times were below `median`, 99 of 100 below `p99`; seconds, right within 7 %. None where there are
    none."""

    median: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class LinkFigures:
    """What a link did lately, in one process."""

    submit_rate: float
    """submit_sm a second, over the last 10 s."""
    receipt_rate: float
    """deliver_sm and data_sm a second, over the last 10 s."""
    submit_latency: Spread
    """From submit_sm to its answer, over the last minute."""
    receipt_latency: Spread
    """From submit_sm to the final receipt of each part, matched when it came, in the last minute."""
    refusals: dict[str, int]
    """Refused in the last 5 minutes, by kind: throttled, temporary, permanent, number, link; and uncertain ones."""


@dataclass(slots=True)
class _Second:
    at: int
    submits: int = 0
    deliveries: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    receipts: Counter[int] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)


class Figures:
    """Counts by the second. Times are of one monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._seconds: deque[_Second] = deque([_Second(-1)], maxlen=REFUSALS_OVER)

    def _at(self, now: float) -> _Second:
        last = self._seconds[-1]
        second = int(now)
        if last.at >= second:
            return last
        last = _Second(second)
        self._seconds.append(last)
        return last

    def submitted(self, now: float) -> None:
        """A submit_sm was written."""
        self._at(now).submits += 1

    def answered(self, latency: float, now: float) -> None:
        """A submit_sm was answered."""
        self._at(now).answers[_mark(latency)] += 1

    def refused(self, kind: str, now: float) -> None:
        """A part was refused, or not answered."""
        self._at(now).refusals[kind] += 1

    def delivered(self, now: float) -> None:
        """The operator sent something by itself."""
        self._at(now).deliveries += 1

    def received(self, ages: Iterable[float], now: float) -> None:
        """Final receipts came so many seconds after the submits."""
        self._at(now).receipts.update(map(_mark, ages))

    def summary(self, now: float) -> LinkFigures:
        """What there was until now. The second that is under way counts for no rate."""
        present = int(now)
        lately = [second for second in self._seconds if present - RATE_OVER <= second.at < present]
        minute = [second for second in self._seconds if second.at >= present - LATENCY_OVER]
        refusals: Counter[str] = Counter()
        for second in self._seconds:
            if second.at >= present - REFUSALS_OVER:
                refusals += second.refusals
        return LinkFigures(
            sum(second.submits for second in lately) / RATE_OVER,
            sum(second.deliveries for second in lately) / RATE_OVER,
            _spread(second.answers for second in minute),
            _spread(second.receipts for second in minute),
            dict(sorted(refusals.items())),
        )


def _mark(seconds: float) -> int:
    return int(math.log(max(0.0, seconds) / _UNIT + 1.0) * _STEPS)


def _spread(counts: Iterable[Counter[int]]) -> Spread:
    marks: Counter[int] = Counter()
    for count in counts:
        marks.update(count)
    total = marks.total()
    return Spread(_below(marks, total * 0.5), _below(marks, total * 0.99)) if total else Spread()


def _below(marks: Counter[int], share: float) -> float:
    seen = 0
    for mark, count in sorted(marks.items()):
        seen += count
        if seen >= share:
            return (math.exp((mark + 0.5) / _STEPS) - 1.0) * _UNIT
    raise AssertionError  # the last one reaches every share
