"""Whether an operator that is bound also takes messages: judged by what became of those it was given lately.

Only what is its own fault counts against it: no answer, refusals for the moment, throttling, a link that it takes away.
Refusals of a number, a sender or a text count neither for it nor against it. Where somebody asks for it, receipts that
do not come in time count as well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from payk.domain.outcome import Accepted, PartOutcome, RefusalKind, Refused, Uncertain

__all__ = [
    "RECEIPTS_OVER",
    "RECEIPT_DELAY_MAX",
    "RESULTS_OVER",
    "Receipts",
    "Results",
    "Standing",
    "carrier",
    "failed",
    "judge",
    "state_name",
]

RESULTS_OVER: Final = 30
"""Seconds that results are counted over."""
RECEIPTS_OVER: Final = 300
"""Seconds of messages whose receipts are counted."""
RECEIPT_DELAY_MAX: Final = 240
"""Seconds: the longest time within which receipts are in time."""
ENOUGH: Final = 20
"""Results without which an operator is not found sick."""
LOOKS: Final = 3
"""Looks in a row that must see trouble."""
PROBES: Final = 5
"""Results without which one that is sick does not return."""
PAUSE: Final = 60.0
"""Seconds that an operator is probed at least before it returns; longer than results are remembered."""
LONGEST_PAUSE: Final = 1_800.0
"""What they double up to, of an operator that falls sick again within this time after it returned; and after which one
that nothing was left to probe with is tried with all of its traffic."""

_FAULTS: Final = frozenset(
    {RefusalKind.TEMPORARY, RefusalKind.TEMPORARY_TWICE, RefusalKind.THROTTLED, RefusalKind.LINK}
)


@dataclass(frozen=True, slots=True)
class Results:
    """Messages of one client, or of all, of the last 30 seconds: taken, and failed by the operator's own fault."""

    good: int = 0
    failed: int = 0

    @property
    def share(self) -> float:
        """Of those that failed, 0 to 1."""
        return self.failed / max(1, self.good + self.failed)


@dataclass(frozen=True, slots=True)
class Receipts:
    """Messages of one part that were taken in the five minutes before the last `delay` seconds, and how many of their
    final receipts came within that time. `wanted` is the share below which there is trouble; 0 = there is none."""

    taken: int = 0
    in_time: int = 0
    wanted: float = 0.0
    delay: int = 60

    @property
    def share(self) -> float:
        """Of those that came in time; 1 where nothing was taken."""
        return self.in_time / self.taken if self.taken else 1.0


NO_RECEIPTS: Final = Receipts()


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an operator from look to look."""

    since: datetime
    sick: bool = False
    reason: str = ""
    trouble: int = 0
    """Looks in a row that saw trouble."""
    pause: float = 0.0
    """Seconds that it is probed at least, while it is sick; else what they were last time."""


def failed(outcomes: Sequence[PartOutcome]) -> bool | None:
    """Whether a message failed by its operator's own fault; None where its outcome says nothing of the operator."""
    taken = None
    for outcome in outcomes:
        match outcome:
            case Uncertain():
                return True
            case Refused(kind=kind) if kind in _FAULTS:
                return True
            case Accepted():
                taken = False
    return taken


def judge(
    standing: Standing,
    results: Mapping[int, Results],
    refused: float,
    now: datetime,
    *,
    watched: bool = True,
    receipts: Receipts = NO_RECEIPTS,
) -> Standing:
    """How an operator stands after one more look at its results by client_id, and at its receipts; `refused` is the
    share of failed ones from which there is trouble. A standing with another `sick` is a shift, its `reason` says why.
    """
    if not watched:
        if standing.sick:
            return Standing(now, reason="it is not watched any more")
        return replace(standing, trouble=0)
    total = Results(sum(each.good for each in results.values()), sum(each.failed for each in results.values()))
    if standing.sick:
        return _probed(standing, total, refused, receipts, now)
    reason = _trouble(results, total, refused) or _trouble_of_receipts(receipts)
    if not reason:
        return replace(standing, trouble=0)
    if standing.trouble + 1 < LOOKS:
        return replace(standing, trouble=standing.trouble + 1)
    again = standing.pause > 0 and now - standing.since < timedelta(seconds=LONGEST_PAUSE)
    pause = min(2 * standing.pause, LONGEST_PAUSE) if again else PAUSE
    return Standing(now, True, reason, 0, pause)


def _trouble(results: Mapping[int, Results], total: Results, refused: float) -> str:
    if total.good + total.failed < ENOUGH or total.share < refused or _of_one_client(results, total, refused):
        return ""
    return f"{total.failed} of {total.good + total.failed} messages in {RESULTS_OVER} s refused or not answered"


def _trouble_of_receipts(receipts: Receipts) -> str:
    if receipts.taken < ENOUGH or receipts.share >= receipts.wanted:
        return ""
    return f"receipts of {receipts.in_time} of {receipts.taken} messages came within {receipts.delay} s"


def _probed(standing: Standing, total: Results, refused: float, receipts: Receipts, now: datetime) -> Standing:
    age = (now - standing.since).total_seconds()
    count = total.good + total.failed
    if age < standing.pause:
        return standing
    if count >= PROBES:
        if total.share > refused / 2 or (receipts.taken >= PROBES and receipts.share < receipts.wanted):
            return standing
        reason = f"{total.good} of {count} messages in {RESULTS_OVER} s taken"
    elif age >= LONGEST_PAUSE:
        reason = "nothing was left to probe it with"
    else:
        return standing
    return Standing(now, False, reason, 0, standing.pause)


def _of_one_client(results: Mapping[int, Results], total: Results, refused: float) -> bool:
    """Whether the trouble is one client's, while others have none."""
    if len(results) < 2:
        return False
    worst = max(results.values(), key=lambda each: each.failed)
    return Results(total.good - worst.good, total.failed - worst.failed).share < refused


def carrier(operators: Sequence[int], carrying: Collection[int], sick: Collection[int]) -> int | None:
    """Who of a queue's operators takes its messages: the first that carries and is not sick; if all that carry are
    sick, the first of them. None: nobody carries."""
    first = None
    for operator in operators:
        if operator in carrying:
            if operator not in sick:
                return operator
            first = operator if first is None else first
    return first


def state_name(sick: bool) -> str:
    """As people read it."""
    return "sick" if sick else "healthy"
