"""Reading reports: counts by whatever they are grouped by, one row at a time, and how a label stands.

Rows come out of the database in one go, under one snapshot, and are to be taken at once: whoever passes them on to a
slow reader puts them down first.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import asyncpg

from payk.domain.failure import FAILED
from payk.domain.hold import Hold
from payk.domain.latency import histogram, percentiles
from payk.domain.message import MessageState, SmsType, label_keys
from payk.domain.report import Dimension, Period, ReportAsked, ReportRefused, ranges
from payk.store.arrays import columns
from payk.store.database import Connection, Database
from payk.store.errors import StoreBusy
from payk.store.holds import holds_in_force, is_suspended
from payk.store.queries import sql
from payk.store.report_folding import BATCH, fold
from payk.store.report_routes import RouteRows, route_rows
from payk.store.search import ID_SLACK

__all__ = [
    "SHARES",
    "Failure",
    "LabelProgress",
    "LabelSeen",
    "Latency",
    "ReportRow",
    "counted_since",
    "label_progress",
    "read_report",
    "recent_labels",
]

SHARES: Final = (0.5, 0.95, 0.99)
"""Of which percentiles are told."""
ROWS_MAX: Final = 500_000
"""Rows of a report."""
LOOKS_MAX: Final = 100_000
"""Messages of a label that are looked at one by one, where counts do not tell it apart from others."""
KEYS_MAX: Final = 20_000
"""Keys of a filter whose counts are looked for key by key; for more, all counts of the time are gone through."""
PREFETCH: Final = 2_000
"""Rows that come at a time."""
FOLD_PATIENCE: Final = 1.0
"""Seconds that the progress of a label waits for whoever folds just now."""
_DIMENSIONS: Final = {
    Dimension.CLIENT: "client",
    Dimension.SMS_LABEL: "label",
    Dimension.SENDER_ADDRESS: "sender",
    Dimension.SMS_TYPE: "type",
    Dimension.OPERATOR: "operator",
    Dimension.ROUTE: "route",
}
_PLACE: Final = 8
"""Columns that say of what a row is."""
_STATES: Final = tuple(MessageState)
_COUNTS: Final = frozenset(f"m{int(state)}" for state in MessageState)
_Row = asyncpg.Record | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles in seconds, as SHARES lists them; None where there was nothing to be timed. At most 5 % off."""

    to_submit: tuple[float | None, ...]
    """From the moment it might be sent to its last submit."""
    to_delivered: tuple[float | None, ...]
    """From that to the receipt."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why messages failed."""

    state: MessageState
    reason: str
    """"" = unknown."""
    messages: int


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One row of a report; of what it is not grouped by it says None."""

    period: Period | None
    client: str | None
    label: str | None
    other_labels: bool
    """It stands for all labels beyond those that are told apart on their days."""
    sender: str | None
    sms_type: SmsType | None
    operator: str | None
    route: str | None
    messages: Mapping[MessageState, int]
    """By state, each of them."""
    parts: Mapping[MessageState, int]
    price: int
    """In 1/10,000 of the currency unit."""
    latency: Latency
    failures: tuple[Failure, ...]

    @property
    def total(self) -> int:
        """All messages."""
        return sum(self.messages.values())

    @property
    def delivery_rate(self) -> float | None:
        """Delivered of those that came to an end; None where none did."""
        ended = sum(
            count
            for state, count in self.messages.items()
            if state not in (MessageState.NONE, MessageState.ENROUTE, MessageState.ACCEPTED)
        )
        return self.messages[MessageState.DELIVERED] / ended if ended else None


@dataclass(frozen=True, slots=True)
class LabelProgress:
    """How the messages of a label stand; each is one of scheduled, held, queued, submitted, delivered, failed."""

    planned: int
    """All of them."""
    parts: int
    scheduled: int
    """To be sent at a later minute."""
    held: int
    """They might go, and somebody holds them back."""
    queued: int
    submitted: int
    """With an operator, which did not say yet what became of them, or just being handed over."""
    delivered: int
    failed: int
    failures: tuple[Failure, ...]
    rate: float
    """Messages that were submitted, a second, over the last minutes, or since the first one or the last hold."""
    last_due: datetime | None
    """The last minute at which some become due."""
    ends_at: datetime | None
    """When the last one, scheduled ones too, will have left at this rate: `last_due` at the earliest.

    None where nothing moves, nothing is left or some are held.
    """
    other_labels: bool = False
    """On some of its days counts do not tell it apart: its messages of these days that are stored are counted."""
    at_least: bool = False
    """It has more messages than are looked at for that, and stands for LOOKS_MAX of them."""


@dataclass(frozen=True, slots=True)
class LabelSeen:
    """A label and its messages of late."""

    client: str
    label: str
    messages: int
    delivered: int
    failed: int
    last_at: datetime
    """The day (UTC) of its newest message."""


@dataclass(slots=True)
class _Names:
    """What ids stand for."""

    clients: dict[int, str] = field(default_factory=dict)
    operators: dict[int, str] = field(default_factory=dict)
    routes: RouteRows = field(default_factory=lambda: RouteRows({}, {}))
    """Where the report is asked for them."""


class _Side:
    """A query whose rows belong to those of the counts, in the same order: read along with them, and kept nowhere."""

    def __init__(self, rows: AsyncIterator[asyncpg.Record]) -> None:
        self._rows = rows
        self._ahead: asyncpg.Record | None = None

    async def of(self, row: asyncpg.Record) -> list[asyncpg.Record]:
        """The rows that belong to it; rows are asked for in their order."""
        place, found = _place(row), list[asyncpg.Record]()
        while True:
            if self._ahead is None:
                self._ahead = await anext(self._rows, None)
            if self._ahead is None or (its := _place(self._ahead)) > place:
                return found
            if its == place:
                found.append(self._ahead)
            self._ahead = None


def _place(row: asyncpg.Record) -> tuple[Any, ...]:
    """Of what a row is, in the order of the queries; what it is not grouped by is null in all rows."""
    return tuple(value for value in tuple(row)[:_PLACE] if value is not None)


async def read_report(
    db: Database, asked: ReportAsked, periods: Sequence[Period], *, timeout: float = 30.0
) -> AsyncGenerator[ReportRow, None]:
    """The rows of a report, by period and then by what else it is grouped by.

    What is being handed over is Enroute, as its status is told. What changed within the last seconds is not counted yet
    (payk.store.report_folding). Raises ReportRefused for an operator or route that is not there, for a label that is
    not told apart on some of its days, and for more than ROWS_MAX rows, and StoreUnavailable.
    """
    # Refused between the transactions and behind them: what is raised amid one costs its connection.
    async with db.transaction(timeout) as connection:
        await connection.execute(sql("reports.plan_anew"))
        names = await _names(connection)
        if asked.route is not None or Dimension.ROUTE in asked.group_by:
            names.routes = await route_rows(connection, names.operators)
        is_beyond = await _is_beyond(connection, asked)
    if is_beyond is not False:
        raise ReportRefused(
            "SmsLabel",
            f"on some of these days it {'is' if is_beyond else 'may be'} counted among other labels; see how it stands,"
            " or its messages",
        )
    filters = _filters(asked, names)
    async with db.transaction(timeout) as connection:
        await connection.execute(sql("reports.snapshot"))
        await connection.execute(sql("reports.plan_anew"))
        arguments = await _arguments(connection, asked, periods, filters, names.routes)
        claimed = await _claimed(connection, asked, periods, filters, names.routes)
        failures = _Side(aiter(connection.cursor(sql("reports.read_failures"), *arguments, prefetch=PREFETCH)))
        rows = 0
        async for row in connection.cursor(sql("reports.read_counts"), *arguments, prefetch=PREFETCH):
            rows = row["rows"]
            if rows > ROWS_MAX:
                break
            on_its_way = claimed.get(tuple(row)[:_PLACE], _NONE_CLAIMED)
            yield _row(row, asked, periods, names, await failures.of(row), on_its_way)
    if rows > ROWS_MAX:
        raise ReportRefused("GroupBy", f"more than {ROWS_MAX:,} rows; group by less, or ask for less time")


async def _names(connection: Connection) -> _Names:
    names = _Names()
    of = {"client": names.clients, "operator": names.operators}
    for kind, number, name in await connection.fetch(sql("reports.names")):
        of[kind][number] = name
    return names


async def _is_beyond(connection: Connection, asked: ReportAsked) -> bool | None:
    """Whether the label that is asked for is on some of its days counted among others; None where nobody knows, for
    that was to be found among more than LOOKS_MAX messages.
    """
    if not asked.label:
        return False
    given = (asked.client_id, asked.label, asked.begins, asked.ends, LOOKS_MAX, ID_SLACK)
    found: bool | None = await connection.fetchval(sql("reports.is_beyond"), *given)
    return found


def _filters(asked: ReportAsked, names: _Names) -> tuple[object, ...]:
    """Those of the queries."""
    operator = _number("Operator", asked.operator, names.operators)
    routes = None
    if asked.route is not None:
        routes = names.routes.queues(tuple(name.strip() for name in asked.route.split(",")))
        if not routes:
            raise ReportRefused("Route", "no route has these operators and no others")
    return (asked.client_id, asked.label, asked.sender, asked.sms_type, operator, routes)


async def _arguments(
    connection: Connection,
    asked: ReportAsked,
    periods: Sequence[Period],
    filters: tuple[object, ...],
    routes: RouteRows,
) -> tuple[object, ...]:
    """Of the queries that read counts."""
    given = columns((int(r.span), r.low, r.high) for r in ranges(periods))
    keys: list[int] | None = None
    if any(value is not None for value in filters):
        chosen = await connection.fetchrow(sql("reports.choose_keys"), *filters, KEYS_MAX)
        assert chosen is not None  # it is one row
        keys = chosen["keys"] if chosen["looked_at"] <= KEYS_MAX else None
    else:
        await connection.execute(sql("reports.join_at_once"))
    return (*given, _begins(periods), keys, list(_grouped(asked)), *filters, *columns(routes.merged(), width=2))


def _begins(periods: Sequence[Period]) -> list[datetime]:
    return [period.begins.astimezone(UTC) for period in periods]


def _grouped(asked: ReportAsked) -> set[str]:
    """By what it is grouped beside time, as the queries name it."""
    return {_DIMENSIONS[dimension] for dimension in asked.group_by if dimension in _DIMENSIONS}


class _Claimed(NamedTuple):
    """What is being handed over."""

    messages: int
    parts: int


_NONE_CLAIMED: Final = _Claimed(0, 0)


async def _claimed(
    connection: Connection,
    asked: ReportAsked,
    periods: Sequence[Period],
    filters: tuple[object, ...],
    routes: RouteRows,
) -> dict[tuple[Any, ...], _Claimed]:
    """What is being handed over, by the columns that say of what a row is."""
    rows = await connection.fetch(sql("reports.read_claimed"), asked.begins, asked.ends, *filters)
    begins, grouped = _begins(periods), _grouped(asked)
    found: dict[tuple[Any, ...], _Claimed] = {}
    for bucket, client_id, label, other, sender, sms_type, operator_id, queue_id, messages, parts in rows:
        place = (
            bisect_right(begins, bucket) - 1,
            client_id if "client" in grouped else None,
            label if "label" in grouped else None,
            other and "label" in grouped,
            sender if "sender" in grouped else None,
            sms_type if "type" in grouped else None,
            operator_id if "operator" in grouped else None,
            routes.row_of.get(queue_id, queue_id) if "route" in grouped else None,
        )
        before = found.get(place, _NONE_CLAIMED)
        found[place] = _Claimed(before.messages + messages, before.parts + parts)
    return found


def _number(field: str, name: str | None, names: Mapping[int, str]) -> int | None:
    if name is None:
        return None
    number = next((number for number, known in names.items() if known == name), None)
    if number is None:
        raise ReportRefused(field, f"there is no {field.lower()} of this name")
    return number


def _row(
    row: asyncpg.Record,
    asked: ReportAsked,
    periods: Sequence[Period],
    names: _Names,
    failures: Sequence[asyncpg.Record],
    claimed: _Claimed,
) -> ReportRow:
    period, client_id, label, other, sender, sms_type, operator_id, queue_id, *counts, _ = row
    counts[:19] = [max(count, 0) for count in counts[:19]]  # below zero until what they were before is counted
    for none, moved in ((0, claimed.messages), (9, claimed.parts)):
        moved = min(moved, counts[none])  # what was just taken in is not counted yet
        counts[none], counts[none + 1] = counts[none] - moved, counts[none + 1] + moved
    return ReportRow(
        None if asked.period is None else periods[period],
        None if client_id is None else names.clients.get(client_id, f"#{client_id}"),
        label or None,
        other,
        sender,
        None if sms_type is None else SmsType(sms_type),
        names.operators.get(operator_id) if operator_id else None,
        None if queue_id is None else ", ".join(names.routes.names.get(queue_id, ())) or None,
        dict(zip(_STATES, counts[:9], strict=True)),
        dict(zip(_STATES, counts[9:18], strict=True)),
        counts[18],
        Latency(*(tuple(percentiles(histogram(times), SHARES)) for times in counts[19:21])),
        tuple(Failure(MessageState(f["state"]), f["reason"], f["messages"]) for f in failures),
    )


async def counted_since(db: Database) -> datetime | None:
    """When the oldest message that is counted was accepted, while older ones are still to be counted; else None."""
    async with db.connection() as connection:
        row = await connection.fetchrow(sql("reports.counted_from"), 1)
    assert row is not None  # it is one row
    return None if row["counted_from"] == 0 else row["counted_since"] or db.now()


async def label_progress(db: Database, client_id: int, label: str, *, timeout: float = 10.0) -> LabelProgress | None:
    """How a label of a client stands, with all that happened up to now; None where it has no messages.

    Raises StoreUnavailable.
    """
    await _fold_all(db, timeout / 2)
    async with db.transaction(timeout) as connection:
        await connection.execute(sql("reports.snapshot"))
        counts = await connection.fetch(sql("reports.label_counts_of"), client_id, label)
        beyond = await connection.fetch(sql("reports.label_beyond"), client_id, label, LOOKS_MAX)
        keys = sorted(label_keys(label))
        claimed = await connection.fetch(sql("reports.label_claimed_of"), client_id, label, keys)
        failures = await connection.fetch(sql("reports.label_failures_of"), client_id, label)
        due = await connection.fetchrow(sql("reports.label_due_of"), client_id, label)
        pace = await connection.fetchrow(sql("reports.label_pace_of"), client_id, label)
        holds = [hold for hold in await holds_in_force(connection) if _holds(hold, client_id, label)]
        all_held = await is_suspended(connection, client_id) or any(map(_covers_all, holds))
        later = 0
        if due is not None and due["messages"] and holds and not all_held:
            named = columns((hold.selection.sms_type, hold.selection.operator_id) for hold in holds)
            later = await connection.fetchval(sql("reports.label_due_held"), client_id, label, keys, *named)
    assert due is not None and pace is not None  # each is one row
    found = [row for row in beyond if row["messages"]]
    stand = _with_claimed([*map(_at_least_none, counts), *map(_as_counts, found)], claimed)
    progress = _progress(db, stand, _with_those_of(failures, found), due, pace, holds, later, all_held=all_held)
    at_least = beyond[0]["looked_at"] > LOOKS_MAX
    return progress and replace(progress, other_labels=at_least or bool(found), at_least=at_least)


def _at_least_none(row: asyncpg.Record) -> dict[str, Any]:
    """A row of counts, none of which is below zero, as they are while what messages became is counted before them."""
    return {name: max(value, 0) if name in _COUNTS else value for name, value in row.items()}


def _as_counts(found: asyncpg.Record) -> dict[str, Any]:
    """Messages that were looked at, as a row of counts."""
    states = {f"m{int(state)}": found["messages"] if state == found["state"] else 0 for state in _STATES}
    return {**states, **{name: found[name] for name in ("sms_type", "operator_id", "parts")}}


def _with_claimed(counts: list[dict[str, Any]], claimed: Sequence[asyncpg.Record]) -> list[dict[str, Any]]:
    """The same counts, with what is being handed over as Enroute, where it is counted as None."""
    left = {(row["sms_type"], row["operator_id"]): row["messages"] for row in claimed}
    for row in counts:
        place = (row["sms_type"], row["operator_id"])
        moved = min(left.get(place, 0), row["m0"])
        if moved:
            left[place] -= moved
            row |= {"m0": row["m0"] - moved, "m1": row["m1"] + moved}
    return counts


def _with_those_of(counted: Sequence[asyncpg.Record], found: Sequence[asyncpg.Record]) -> tuple[Failure, ...]:
    """Failures that are counted, and of messages that were looked at; the most frequent one first."""
    failures: Counter[tuple[int, str]] = Counter()
    for row in (*counted, *found):
        if row["state"] in FAILED:
            failures[row["state"], row["reason"]] += row["messages"]
    ordered = sorted(failures.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Failure(MessageState(state), reason, messages) for (state, reason), messages in ordered)


async def _fold_all(db: Database, seconds: float) -> None:
    """Add up what changed so far, unless that takes longer: then the answer is as of a moment ago."""
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        while asyncio.get_running_loop().time() < deadline and await fold(db, patience=FOLD_PATIENCE) == BATCH:
            pass
    except StoreBusy:
        return


def _holds(hold: Hold, client_id: int, label: str) -> bool:
    selection = hold.selection
    return selection.client_id in (None, client_id) and selection.label in (None, label)


def _progress(
    db: Database,
    counts: Sequence[_Row],
    failures: tuple[Failure, ...],
    due: asyncpg.Record,
    pace: asyncpg.Record,
    holds: Collection[Hold],
    later: int,
    *,
    all_held: bool,
) -> LabelProgress | None:
    """`later`: how many of the scheduled ones are covered by the holds, where these name types or operators.
    `all_held`: nothing of the label leaves, whatever they name.
    """
    states = {state: sum(row[f"m{int(state)}"] for row in counts) for state in _STATES}
    planned = sum(states.values())
    if planned == 0:
        return None
    waiting = states[MessageState.NONE]
    scheduled = min(due["messages"], waiting)
    held = waiting - scheduled
    if not all_held:
        covered = sum(row["m0"] for row in counts if any(_covers(hold, row) for hold in holds))
        held = min(held, max(0, covered - later))  # counts may lag behind what is staged
    queued = waiting - scheduled - held
    submitted = states[MessageState.ENROUTE] + states[MessageState.ACCEPTED]
    delivered = states[MessageState.DELIVERED]
    seconds = max(pace["seconds"] or 0.0, 5.0)
    rate = pace["messages"] / seconds
    now = db.now()
    ends_at = None
    if rate and not held and (left := queued + scheduled):
        ends_at = now + timedelta(seconds=left / rate)
        if scheduled and due["last"] is not None:
            ends_at = max(ends_at, due["last"])
    return LabelProgress(
        planned,
        sum(row["parts"] for row in counts),
        scheduled,
        held,
        queued,
        submitted,
        delivered,
        planned - waiting - submitted - delivered,
        failures,
        rate,
        due["last"],
        ends_at,
    )


def _covers_all(hold: Hold) -> bool:
    """Whether a hold that may concern a label covers all of it."""
    return hold.selection.sms_type is None and hold.selection.operator_id is None


def _covers(hold: Hold, row: _Row) -> bool:
    selection = hold.selection
    return selection.sms_type in (None, row["sms_type"]) and selection.operator_id in (None, row["operator_id"])


async def recent_labels(
    db: Database, client_id: int | None, since: datetime, limit: int, *, timeout: float = 10.0
) -> list[LabelSeen]:
    """The labels of a client (None = of all) that had messages on days (UTC) since then, newest first.

    Of a day that has more than there is room for, those that had most messages on it.
    """
    async with db.transaction(timeout) as connection:
        await connection.execute(sql("reports.snapshot"))
        await connection.execute(sql("reports.plan_anew"))
        names = await _names(connection)
        last = await _last_days(connection, client_id, _whole_days(since, db.now()), limit)
        totals = await connection.fetch(sql("reports.label_totals"), *columns(last, width=2), since)
    days = list(last.items())
    seen = [
        LabelSeen(names.clients.get(client, ""), label, row["messages"], row["delivered"], row["failed"], day)
        for row in totals
        for (client, label), day in [days[row["place"]]]
    ]
    return sorted(seen, key=lambda each: (-each.last_at.timestamp(), -each.messages, each.client, each.label))


def _whole_days(since: datetime, until: datetime) -> list[datetime]:
    """The beginnings of days (UTC) from `since` to `until`, the last one first."""
    last = until.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [last - timedelta(days=back) for back in range((last - since) // timedelta(days=1) + 1)]


async def _last_days(
    connection: Connection, client_id: int | None, days: Iterable[datetime], limit: int
) -> dict[tuple[int, str], datetime]:
    """The last of these days (the newest one first) for labels by client and name, until there are `limit`."""
    found: dict[tuple[int, str], datetime] = {}
    for day in days:
        for client, label in await connection.fetch(sql("reports.labels_on"), client_id, day.date(), limit):
            if len(found) < limit:
                found.setdefault((client, label), day)
        if len(found) == limit:
            break
    return found
