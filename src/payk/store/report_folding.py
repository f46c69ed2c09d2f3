"""Adding up what changed: differences that every transaction left behind become the counts that reports are read from.

What is folded is taken away in the same transaction, so each difference is counted exactly once, in whatever order
transactions end. Messages from before there were reports are counted slice by slice, from the newest back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

import asyncpg

from payk.domain.latency import written
from payk.store.arrays import columns
from payk.store.database import Connection, Database, affected
from payk.store.errors import StoreBusy
from payk.store.queries import sql

__all__ = ["BATCH", "LABELS", "Labels", "count_earlier", "drop_empty", "drop_unused_keys", "fold", "prune_reports"]

BATCH: Final = 20_000
"""Differences that are folded at a time."""
SLICE: Final = 20_000
"""Messages from before that are counted at a time."""
EARLIER_WAIT: Final = 0.2
"""Seconds that counting them waits for whoever is changing some; nobody shall wait behind it for longer."""
ROWS: Final = 10_000
"""Rows that are dropped at a time."""


@dataclass(frozen=True, slots=True)
class Labels:
    """How many labels are told apart a day; all others are counted as one. A client's first ones always are."""

    of_all: int = 100_000
    of_client: int = 1_000


LABELS: Final = Labels()


class _Key(NamedTuple):
    client_id: int
    queue_id: int
    operator_id: int
    sms_type: int
    sender: str
    label: str
    other: bool


_BINS: Final = ("submit_bin", "deliver_bin")
_Place = TypeVar("_Place", bound=tuple[object, ...])
_DayLabel = tuple[date, int, str]
"""Day of UTC, client, label."""


async def fold(db: Database, labels: Labels = LABELS, *, batch: int = BATCH, patience: float | None = None) -> int:
    """Add up to `batch` differences to the counts; returns how many.

    While another one folds it waits, StoreBusy after `patience` seconds.
    """
    async with db.transaction(timeout=30.0, lock_wait=patience) as connection:
        await connection.execute(sql("reports.fold_lock"))
        rows = await connection.fetch(sql("reports.take_deltas"), batch)
        if rows:
            await _add(connection, rows, labels)
    return sum(row["deltas"] for row in rows)


async def _add(connection: Connection, rows: Sequence[asyncpg.Record], labels: Labels) -> None:
    told_apart = await _told_apart(connection, rows, labels)
    keys = [_key(row, told_apart) for row in rows]
    numbers = await _numbers(connection, keys)
    counts: Counter[tuple[datetime, int, int]] = Counter()
    parts: Counter[tuple[datetime, int, int]] = Counter()
    prices: Counter[tuple[datetime, int, int]] = Counter()
    times: defaultdict[tuple[datetime, int], tuple[Counter[int], Counter[int]]] = defaultdict(
        lambda: (Counter(), Counter())
    )
    failures: Counter[tuple[datetime, int, int, str]] = Counter()
    due: Counter[tuple[int, str, datetime]] = Counter()
    left: Counter[tuple[int, str, datetime]] = Counter()
    for row, key in zip(rows, keys, strict=True):
        bucket, state, messages = row["bucket"], row["state"], row["messages"]
        number = numbers[key]
        place = (bucket, number, state)
        counts[place] += messages
        parts[place] += row["parts"]
        prices[place] += row["price"]
        for kind, column in enumerate(_BINS):
            if row[column] is not None:
                times[bucket, number][kind][row[column]] += messages
        if row["reason"] is not None:
            failures[bucket, number, state, row["reason"]] += messages
        if row["label"]:
            if row["due"] is not None:
                due[row["client_id"], row["label"], row["due"]] += messages
            # What ended without a submit is no pace; between two states of what was submitted they come to nothing.
            if row["paced"] is not None:
                left[row["client_id"], row["label"], row["paced"]] += messages
    changed: list[tuple[object, ...]] = [
        (*place, count, parts[place], prices[place], "0", "0")
        for place, count in counts.items()
        if count or parts[place] or prices[place]
    ]
    for (bucket, number), histograms in times.items():
        submit_times, deliver_times = map(written, histograms)
        if (submit_times, deliver_times) != ("0", "0"):
            changed.append((bucket, number, 0, 0, 0, 0, submit_times, deliver_times))
    await _write(connection, "reports.add_counts", changed)
    await _write(connection, "reports.add_failures", _flat(failures))
    await _write(connection, "reports.add_due", _flat(due))
    await _write(connection, "reports.add_pace", _flat(left))


def _flat(counter: Counter[_Place]) -> list[tuple[object, ...]]:
    return [(*place, count) for place, count in counter.items() if count]


async def _write(connection: Connection, query: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        await connection.execute(sql(query), *columns(rows))


def _key(row: asyncpg.Record, told_apart: set[_DayLabel]) -> _Key:
    label = row["label"] or ""
    other = label != "" and (_day(row["bucket"]), row["client_id"], label) not in told_apart
    return _Key(
        row["client_id"],
        row["queue_id"],
        row["operator_id"] or 0,
        row["sms_type"],
        row["sender"],
        "" if other else label,
        other,
    )


def _day(bucket: datetime) -> date:
    return bucket.astimezone(UTC).date()


async def _told_apart(connection: Connection, rows: Iterable[asyncpg.Record], labels: Labels) -> set[_DayLabel]:
    """Which labels of these differences have a place of their own, on which days.

    Whoever has one keeps it, and whoever got none that day never gets one: counts only grow. So the differences of one
    message go to one place, whenever they come.
    """
    wanted = sorted({(_day(row["bucket"]), row["client_id"], row["label"]) for row in rows if row["label"]})
    if not wanted:
        return set()
    found = await connection.fetch(sql("reports.labels_known"), *columns(wanted))
    known: set[_DayLabel] = {(row[0], row[1], row[2]) for row in found}
    new = [each for each in wanted if each not in known]
    if not new:
        return known
    counts: Counter[tuple[date, int]] = Counter()
    days, clients = sorted({day for day, _, _ in new}), sorted({client for _, client, _ in new} | {0})
    for day, client, count in await connection.fetch(sql("reports.label_counts"), days, clients):
        counts[day, client] = count
    added: list[_DayLabel] = []
    for day, client, label in new:
        if counts[day, 0] < labels.of_all or counts[day, client] < labels.of_client:
            added.append((day, client, label))
            counts.update([(day, 0), (day, client)])
    if added:
        await connection.execute(sql("reports.add_labels"), *columns(added))
        more = Counter([(day, client) for day, client, _ in added] + [(day, 0) for day, _, _ in added])
        await connection.execute(sql("reports.add_label_counts"), *columns(_flat(more)))
    return known | set(added)


async def _numbers(connection: Connection, keys: Iterable[_Key]) -> dict[_Key, int]:
    wanted = list(dict.fromkeys(keys))
    given = columns(wanted)
    found = await connection.fetch(sql("reports.find_keys"), *given)
    if len(found) < len(wanted):
        missing = set(range(len(wanted))).difference(row["place"] for row in found)
        await connection.execute(sql("reports.add_keys"), *columns(wanted[place] for place in sorted(missing)))
        found = await connection.fetch(sql("reports.find_keys"), *given)
    return {wanted[row["place"]]: row["key_id"] for row in found}


async def count_earlier(db: Database, size: int = SLICE) -> int:
    """Count a slice of the messages from before there were reports; returns 1 while there are more, else 0."""
    async with db.connection() as connection:
        row = await connection.fetchrow(sql("reports.counted_from"), size)
    assert row is not None  # it is one row
    if row["counted_from"] == 0:
        return 0
    try:
        async with db.transaction(timeout=30.0, lock_wait=EARLIER_WAIT) as connection:
            await connection.execute(sql("reports.earlier_lock"))
            row = await connection.fetchrow(sql("reports.counted_from"), size)
            assert row is not None  # it is one row
            if row["counted_from"] > 0:
                await connection.execute(sql("reports.count_slice"), row["next_from"], row["counted_from"])
                await connection.execute(sql("reports.move_start"), row["next_from"])
    except StoreBusy:
        return 0  # in the next round
    return 1 if row["next_from"] > 0 else 0


async def drop_empty(db: Database, age: timedelta = timedelta(days=1)) -> int:
    """Drop counts that came to nothing, of three days before `age` ago; and minutes that are over. Returns how many."""
    before = db.now() - age
    dropped = 0
    for kind in ("failures", "counts"):
        dropped += await _in_steps(db, f"reports.drop_empty_{kind}", before)
    async with db.connection(timeout=30.0) as connection:
        for query in ("reports.prune_due", "reports.prune_pace"):
            dropped += affected(await connection.execute(sql(query)))
    return dropped


async def prune_reports(db: Database, days: int) -> int:
    """Drop counts of messages that were accepted more than `days` ago; returns how many rows.

    Those of messages that are still open stay, and the labels of their days with them: what becomes of such a message
    is counted where it is.
    """
    dropped = 0
    for kind in ("failures", "counts"):  # failures without counts would belong to no row
        dropped += await _in_steps(db, f"reports.prune_{kind}", days)
    async with db.connection(timeout=30.0) as connection:
        await connection.execute(sql("reports.prune_labels"), days)
        await connection.execute(sql("reports.prune_label_counts"), days)
    await drop_unused_keys(db)
    return dropped


async def drop_unused_keys(db: Database) -> int:
    """Drop the keys that nothing is counted under; returns how many.

    All keys are looked at, a few at a time, and whoever folds waits only where some are dropped: they may be in use
    again since they were looked at, so that is seen once more.
    """
    dropped = 0
    last: int | None = 0
    while last is not None:
        async with db.transaction(timeout=30.0) as connection:
            await connection.execute(sql("reports.plan_anew"))
            row = await connection.fetchrow(sql("reports.unused_keys"), last, ROWS)
        assert row is not None  # it is one row
        last = row["last"]
        if row["unused"]:
            async with db.transaction(timeout=30.0) as connection:
                await connection.execute(sql("reports.fold_lock"))
                await connection.execute(sql("reports.plan_anew"))
                dropped += affected(await connection.execute(sql("reports.prune_keys"), row["unused"]))
    return dropped


async def _in_steps(db: Database, query: str, limit: object) -> int:
    dropped = 0
    while True:
        async with db.transaction(timeout=30.0) as connection:
            await connection.execute(sql("reports.fold_lock"))  # who folds changes the same rows
            count = affected(await connection.execute(sql(query), limit, ROWS))
        dropped += count
        if count < ROWS:
            return dropped
