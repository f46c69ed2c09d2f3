"""What is counted of the outcomes of submits, a batch at a time, by operator and lane."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

from payk.domain.directory import CurrentDirectory
from payk.domain.message import Lane
from payk.domain.outcome import Accepted, PartOutcome, Refused, Uncertain
from payk.metrics.catalogue import ANSWERED_AFTER, OUTCOMES, POSSIBLE_DUPLICATES, SUBMITTED_AFTER
from payk.store.outcomes import Recorded

__all__ = ["LANES", "count_outcomes"]

LANES: Final = {int(lane): lane.name.lower() for lane in Lane}


def count_outcomes(records: Iterable[tuple[Recorded, float | None]], directory: CurrentDirectory) -> None:
    """Count what was recorded; each with the seconds from its claim to its last submit_sm, None = none was written."""
    name_of = directory.value.operator_name
    submitted: dict[tuple[int, int], list[float]] = defaultdict(list)
    answered: dict[tuple[int, int], list[float]] = defaultdict(list)
    became: Counter[tuple[int, int, str]] = Counter()
    twice: Counter[int] = Counter()
    for record, written in records:
        claim, place = record.claim, (record.operator_id, record.claim.flow.lane)
        for outcome in record.outcomes:
            became[*place, _name(outcome)] += 1
        if written is None:
            continue
        if claim.try_number == 1:
            submitted[place].append(claim.waited + written)
        last = record.outcomes[-1]
        if isinstance(last, Accepted | Refused):
            answered[place].append(record.age)
        if claim.uncertain_count and any(isinstance(outcome, Accepted | Uncertain) for outcome in record.outcomes):
            twice[record.operator_id] += 1
    for (operator_id, lane), seconds in submitted.items():
        SUBMITTED_AFTER.observe(seconds, name_of(operator_id), LANES[lane])
    for (operator_id, lane), seconds in answered.items():
        ANSWERED_AFTER.observe(seconds, name_of(operator_id), LANES[lane])
    for (operator_id, lane, name), count in became.items():
        OUTCOMES.add(name_of(operator_id), LANES[lane], name, amount=count)
    for operator_id, count in twice.items():
        POSSIBLE_DUPLICATES.add(name_of(operator_id), amount=count)


def _name(outcome: PartOutcome) -> str:
    match outcome:
        case Accepted():
            return "accepted"
        case Refused(kind=kind):
            return kind.name.lower()
        case Uncertain():
            return "uncertain"
        case _:
            return "unsent"
