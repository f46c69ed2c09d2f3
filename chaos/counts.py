"""Whether the counts of reports are those of the messages: what was folded and what was not yet, against a scan.

All that a report tells is compared, in buckets of all three widths: messages and parts by state, failures by reason,
price, and the histograms of both times, bin by bin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import asyncpg

from payk.domain.latency import histogram

__all__ = ["wrong_counts"]

_SPANS: Final = {
    0: ("quarter of an hour", timedelta(minutes=15)),
    1: ("hour", timedelta(hours=1)),
    2: ("day", timedelta(days=1)),
}
_START: Final = datetime(2000, 1, 1, tzinfo=UTC)
_STATES: Final = range(9)
_KEY: Final = "client_id, queue_id, operator_id, sms_type, sender, label"

_COUNTS: Final = f"""
select span, began, {_KEY}, {", ".join(f"m{state}, p{state}" for state in _STATES)}, price,
       submit_times::text as submit_times, deliver_times::text as deliver_times
from payk.report_count join payk.report_key using (key_id)
"""
_FAILURES: Final = f"""
select span, began, {_KEY}, state, reason, messages from payk.report_failure join payk.report_key using (key_id)
"""
_UNFOLDED: Final = f"""
select bucket, {_KEY}, state, submit_bin, deliver_bin, reason, sum(messages)::bigint as messages,
       sum(parts)::bigint as parts, sum(price)::bigint as price
from (
    select bucket, client_id, queue_id, coalesce(operator_id, 0) as operator_id, sms_type, sender,
           coalesce(label, '') as label, state, submit_bin, deliver_bin, reason, messages, parts, price
    from payk.report_delta
    union all
    select payk.report_bucket(accepted_at), client_id, queue_id, coalesce(operator_id, 0), sms_type, sender,
           coalesce(label, ''), state, payk.report_submit_bin(accepted_at, scheduled_at, submitted_at),
           payk.report_deliver_bin(state, submitted_at, done_at), payk.report_reason(state, reason),
           -1, -parts, case when charged_on is null then 0 else -charged end
    from payk.message
) d
group by bucket, {_KEY}, state, submit_bin, deliver_bin, reason
"""
"""Differences that are not folded yet, and all messages with the opposite sign."""


class _Figure(NamedTuple):
    """One number of the reports. `place`: what it is grouped by; `what` it counts, such as the parts of a state."""

    span: int
    began: datetime
    place: tuple[object, ...]
    what: str


async def wrong_counts(dsn: str) -> list[str]:
    """Where they differ, one line each; all messages must have been told apart by their labels."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            counts = await connection.fetch(_COUNTS)
            failures = await connection.fetch(_FAILURES)
            unfolded = await connection.fetch(_UNFOLDED)
    finally:
        await connection.close()
    differences: Counter[_Figure] = Counter()
    for row in counts:
        for what, count in _of_count(row):
            differences[_Figure(row["span"], row["began"], _place(row), what)] += count
    for row in failures:
        what = _failure(row["state"], row["reason"])
        differences[_Figure(row["span"], row["began"], _place(row), what)] += row["messages"]
    for row in unfolded:
        for what, count in _of_difference(row):
            for span, (_, width) in _SPANS.items():
                began = row["bucket"] - (row["bucket"] - _START) % width
                differences[_Figure(span, began, _place(row), what)] += count
    return [_line(figure, count) for figure, count in sorted(differences.items()) if count]


def _place(row: asyncpg.Record) -> tuple[object, ...]:
    return tuple(row[name] for name in _KEY.split(", "))


def _of_count(row: asyncpg.Record) -> Iterator[tuple[str, int]]:
    for state in _STATES:
        yield f"messages in state {state}", row[f"m{state}"]
        yield f"parts in state {state}", row[f"p{state}"]
    yield "price", row["price"]
    for times in ("submit", "deliver"):
        for number, count in histogram(row[f"{times}_times"]).items():
            yield f"{times} times of bin {number}", count


def _of_difference(row: asyncpg.Record) -> Iterator[tuple[str, int]]:
    yield f"messages in state {row['state']}", row["messages"]
    yield f"parts in state {row['state']}", row["parts"]
    yield "price", row["price"]
    for times in ("submit", "deliver"):
        if row[f"{times}_bin"] is not None:
            yield f"{times} times of bin {row[f'{times}_bin']}", row["messages"]
    if row["reason"] is not None:
        yield _failure(row["state"], row["reason"]), row["messages"]


def _failure(state: int, reason: str) -> str:
    return f"failures of state {state} for {reason!r}"


def _line(figure: _Figure, count: int) -> str:
    name, _ = _SPANS[figure.span]
    return f"{name} from {figure.began:%Y-%m-%d %H:%M}: {figure.what}: {count:+}"
