"""What is counted of outcomes and receipts, a batch at a time, by operator and lane."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.message import Lane
from payk.domain.outcome import Accepted, PartOutcome, Refused, Uncertain
from payk.domain.receipt import ReceiptReport
from payk.links import Link
from payk.links.backoff import Trouble
from payk.links.status import BindStatus
from payk.metrics.catalogue import (
    ANSWERED_AFTER,
    LINK_BINDS,
    LINK_THROTTLED,
    LINK_THROTTLED_SUBMITS,
    LINK_WINDOW,
    LINK_WINDOW_USED,
    OUTCOMES,
    POSSIBLE_DUPLICATES,
    RECEIPTS,
    RECEIPTS_PARKED,
    SUBMITTED_AFTER,
)
from payk.metrics.family import Labels, Readings
from payk.store.outcomes import Recorded
from payk.store.receipts import Settled, count_matched

__all__ = ["LANES", "count_outcomes", "count_receipts", "read_links"]

_BIND_STATES: Final = ("bound", "refused", "down", "opening")
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


def count_receipts(
    reports: Sequence[ReceiptReport], settled: Sequence[Settled], directory: CurrentDirectory, now: datetime
) -> None:
    """Count what became of receipts; those that turned out to be messages of subscribers are none."""
    name_of = directory.value.operator_name
    parked: Counter[int] = Counter()
    for report, one in zip(reports, settled, strict=True):
        if one.message_id is None and not report.by_text_alone:
            parked[report.operator_id] += 1
    count_matched(reports, settled, directory, now)
    for operator_id, count in parked.items():
        RECEIPTS_PARKED.add(name_of(operator_id), amount=count)


def read_links(links: Iterable[Link], directory: Directory) -> Readings:
    """How `links` stand."""
    binds: dict[Labels, float] = {}
    window: dict[Labels, float] = {}
    used: dict[Labels, float] = {}
    throttled: dict[Labels, float] = {}
    submits: dict[Labels, float] = {}
    for link in links:
        pace, statuses = link.pace, link.binds
        place = directory.operator_name(link.settings.operator_id), link.settings.name
        binds |= {(*place, state): 0 for state in _BIND_STATES}
        for status in statuses:
            binds[*place, _bind_state(status)] += 1
        window[place] = link.settings.window * sum(status.bound for status in statuses)
        used[place] = sum(status.in_flight for status in statuses)
        throttled[place] = pace.rate != pace.contract
        submits[place] = pace.throttled
        POSSIBLE_DUPLICATES.add(place[0], amount=0)
        RECEIPTS_PARKED.add(place[0], amount=0)
        RECEIPTS.add(place[0], "delivered", amount=0)
        for lane in LANES.values():
            OUTCOMES.add(place[0], lane, "accepted", amount=0)
    return {
        LINK_BINDS: binds,
        LINK_WINDOW: window,
        LINK_WINDOW_USED: used,
        LINK_THROTTLED: throttled,
        LINK_THROTTLED_SUBMITS: submits,
    }


def _bind_state(status: BindStatus) -> str:
    if status.bound:
        return "bound"
    if status.trouble is None:
        return "opening"
    return "refused" if status.trouble is Trouble.REFUSED else "down"


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
