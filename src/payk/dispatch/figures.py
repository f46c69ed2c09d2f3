"""What is counted of receipts, a batch at a time; and how links stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.receipt import ReceiptReport
from payk.links import Link
from payk.links.backoff import Trouble
from payk.links.status import BindStatus
from payk.metrics.catalogue import (
    LINK_BINDS,
    LINK_THROTTLED,
    LINK_THROTTLED_SUBMITS,
    LINK_WINDOW,
    LINK_WINDOW_USED,
    OUTCOMES,
    POSSIBLE_DUPLICATES,
    RECEIPTS,
    RECEIPTS_PARKED,
)
from payk.metrics.family import Labels, Readings
from payk.store.outcome_figures import LANES
from payk.store.receipts import Settled, count_matched

__all__ = ["count_receipts", "read_links"]

_BIND_STATES: Final = ("bound", "refused", "down", "opening")


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
