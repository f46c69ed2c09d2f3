"""Holds and cancels: rules over what waits, each dealt with in slices that go on after whatever ends a process.

A hold moves nothing: dispatchers pass over what it covers. When it is released, the ExpiresIn of what it held moves on
by as long as it was held; a cancel deletes what it covers first. Both walk over the queue by message id, and how far
they came is committed with each slice, under a lock on the rule: any process may do the next one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

import asyncpg

from payk.domain.hold import Hold, Selection, held_for
from payk.domain.message import MessageState, SmsType, label_keys
from payk.domain.receipt import ReceiptWait
from payk.store.arrays import columns
from payk.store.database import Connection, Database
from payk.store.ending import Cause, Endings, OnEnded, ending
from payk.store.queries import sql
from payk.store.wakeups import Flow

__all__ = [
    "Cancelled",
    "Counts",
    "Step",
    "cancel_messages",
    "cancel_some",
    "client_numbers",
    "count_under_label",
    "count_waiting",
    "counts",
    "holds_in_force",
    "is_suspended",
    "labels_held",
    "link_owners",
    "operator_numbers",
    "part_labels",
    "place_hold",
    "read_holds",
    "release_hold",
    "settle_some",
    "unfinished_holds",
    "unsettled_of",
]

WINDOW: Final = 5_000
"""Messages that one slice looks at."""
MOST_SEEN: Final = 1_000_000
"""Messages that are looked at to count those that are meant."""
FOLLOWED: Final = 1.5
"""Seconds until no dispatcher claims what was held just now, and what it had claimed is sent or back. A cancel walks
once at once and once after that."""

OVER: Final = -1
"""Where a walk of a cancel came to its end."""


class Step(Enum):
    """What a slice leaves to be done."""

    MORE = "more"
    LATER = "later"
    """More, but not before a moment has passed."""
    DONE = "done"


class Cancelled(Enum):
    """What became of a message that was to be cancelled."""

    NOW = "now"
    BEFORE = "before"
    """It was Deleted already."""
    TOO_LATE = "too late"
    """It is final, or a part of it is with an operator, or on its way there. What is left of it is not sent."""
    UNKNOWN = "unknown"
    """The client has no such message."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Messages that a cancel deleted, and those that it came too late for."""

    cancelled: int
    too_late: int
    done: bool


def _hold(row: asyncpg.Record) -> Hold:
    hold_id, client_id, label, sms_type, operator_id, placed_at, released_at, author, reason, cancels = row[:10]
    selection = Selection(client_id, label, None if sms_type is None else SmsType(sms_type), operator_id)
    return Hold(hold_id, selection, placed_at, released_at, author, reason, cancels)


async def client_numbers(connection: Connection) -> dict[str, int]:
    """Every client by name."""
    return {row[0]: row[1] for row in await connection.fetch(sql("holds.client_numbers"))}


async def operator_numbers(connection: Connection) -> dict[str, int]:
    """Every operator by name."""
    return {row[0]: row[1] for row in await connection.fetch(sql("holds.operator_numbers"))}


async def link_owners(connection: Connection) -> dict[str, str]:
    """The operator of every link, both by name."""
    return {row[0]: row[1] for row in await connection.fetch(sql("holds.link_owners"))}


async def holds_in_force(connection: Connection) -> list[Hold]:
    """The holds that stand, in the order in which they were placed."""
    return [_hold(row) for row in await connection.fetch(sql("holds.in_force"))]


async def is_suspended(connection: Connection, client_id: int) -> bool:
    """Whether people suspended a client: nothing of it leaves, as if a hold covered all of it."""
    return bool(await connection.fetchval(sql("holds.is_suspended"), client_id))


async def read_holds(db: Database) -> list[Hold]:
    """The same on a connection of its own."""
    async with db.connection(timeout=2.0) as connection:
        return await holds_in_force(connection)


async def place_hold(
    connection: Connection, selection: Selection, *, author: str, reason: str = "", cancels: bool = False
) -> Hold:
    """Hold messages back, within a change of the registry; with `cancels` also delete what was accepted so far."""
    row = await connection.fetchrow(
        sql("holds.place"),
        selection.client_id,
        selection.label,
        None if selection.label_keys is None else sorted(selection.label_keys),
        selection.sms_type,
        selection.operator_id,
        cancels,
        author,
        reason,
    )
    assert row is not None  # it was just inserted
    return Hold(row[0], selection, row[1], None, author, reason, cancels)


async def release_hold(connection: Connection, hold_id: int) -> datetime | None:
    """Let go what a hold keeps, within a change of the registry; None if it does not stand."""
    released: datetime | None = await connection.fetchval(sql("holds.release"), hold_id)
    return released


async def unfinished_holds(db: Database) -> list[int]:
    """Holds with slices left to be done."""
    async with db.connection() as connection:
        return [row[0] for row in await connection.fetch(sql("holds.unfinished"))]


async def unsettled_of(connection: Connection, author: str) -> int:
    """How many holds of an author were released and are not settled yet."""
    return int(await connection.fetchval(sql("holds.unsettled_of"), author))


async def labels_held(db: Database) -> list[int]:
    """Holds in force on a label."""
    async with db.connection() as connection:
        return [hold.hold_id for hold in await holds_in_force(connection) if hold.selection.label is not None]


async def count_waiting(db: Database, selection: Selection, most: int) -> tuple[int, bool]:
    """How many messages wait, now or for later, that are covered and not claimed; about `most` at most, and whether
    these are all."""
    count, above, seen = 0, 0, 0
    while True:
        async with db.connection() as connection:
            window = await connection.fetchrow(
                sql("holds.window"),
                above,
                None,
                WINDOW,
                selection.client_id,
                None if selection.label_keys is None else sorted(selection.label_keys),
                selection.sms_type,
                selection.operator_id,
                False,
            )
            assert window is not None  # it is one row whatever there is
            count += await _with_label(connection, window["message_ids"] or [], selection.label)
        seen += WINDOW
        if window["upto"] is None:
            return count, True
        if count >= most or seen >= MOST_SEEN:
            return count, False
        above = window["upto"]


async def count_under_label(db: Database, client_id: int, label: str, *, timeout: float = 10.0) -> int:
    """How many messages of a client with a label wait, now or for later, and are not claimed; MOST_SEEN at most.

    Of a queue of 200,000 it takes some 200 ms, and looks at no other client's messages in the queue.
    """
    async with db.connection(timeout) as connection:
        return int(
            await connection.fetchval(
                sql("holds.count_under_label"), client_id, sorted(label_keys(label)), label, MOST_SEEN
            )
        )


async def counts(db: Database, hold_id: int) -> Counts | None:
    """How a cancel stands; None for an unknown one."""
    async with db.connection() as connection:
        row = await connection.fetchrow(sql("holds.counts"), hold_id)
    return None if row is None else Counts(*row)


async def settle_some(db: Database, hold_id: int) -> Step:
    """Move the ExpiresIn of a slice of what a released hold kept on by as long as it was kept."""
    async with db.transaction() as connection:
        turn = await connection.fetchrow(sql("holds.turn"), hold_id, FOLLOWED)
        if turn is None or turn["released_at"] is None:
            return Step.DONE
        hold = _hold(turn)
        window = await _window(connection, turn, expiring=True)
        if window["message_ids"]:
            rows = await connection.fetch(sql("holds.released_between"), hold.placed_at, hold.released_at, hold.hold_id)
            await _extend(connection, hold, [_hold(row) for row in rows], window)
        if window["upto"] is None:
            await connection.execute(sql("holds.settle"), hold_id)
            return Step.DONE
        await connection.execute(sql("holds.advance"), hold_id, window["upto"], 0, 0, False)
    return Step.MORE


async def _window(
    connection: Connection,
    turn: asyncpg.Record,
    *,
    above: int | None = None,
    upto: int | None = None,
    expiring: bool = False,
) -> asyncpg.Record:
    """The next messages that a rule covers, above where its walk came to or another id."""
    row = await connection.fetchrow(
        sql("holds.window"),
        turn["walked_to"] if above is None else above,
        upto,
        WINDOW,
        turn["client_id"],
        turn["label_keys"],
        turn["sms_type"],
        turn["operator_id"],
        expiring,
    )
    assert row is not None  # it is one row whatever there is
    return row


async def _extend(connection: Connection, hold: Hold, others: Sequence[Hold], window: asyncpg.Record) -> None:
    """Other transactions speak of a message after they locked its record, so it does not move meanwhile."""
    where = {
        message_id: place
        for message_id, *place in zip(
            window["message_ids"],
            window["client_ids"],
            window["lanes"],
            window["label_keys"],
            window["operators"],
            window["dues"],
            strict=True,
        )
    }
    moved: list[tuple[int, timedelta]] = []
    for row in await connection.fetch(sql("holds.lock_messages"), list(where), None):
        *place, due = where[row["message_id"]]
        since = row["since"] if due is None else max(row["since"], due)  # before that it waited for something else
        by = held_for(hold, since, [other for other in others if other.selection.covers(*place)])
        if by:
            moved.append((row["message_id"], by))
    if moved:
        given = columns(moved)
        found = [row[0] for row in await connection.fetch(sql("holds.extend_staged"), *given)]
        found += [row[0] for row in await connection.fetch(sql("holds.extend_waiting"), *given)]
        await connection.execute(sql("holds.extend_messages"), *given, found)


async def part_labels(db: Database, hold_id: int, above: int) -> int | None:
    """Look at a slice of what a hold on a label keeps, above a message id, for other labels that share its key: these
    wait under their other key from now on, and go. Returns how far this looked; None = to the end.
    """
    async with db.transaction() as connection:
        turn = await connection.fetchrow(sql("holds.turn"), hold_id, FOLLOWED)
        if turn is None or turn["released_at"] is not None or turn["label"] is None:
            return None
        window = await _window(connection, turn, above=above)
        upto: int | None = window["upto"]
        strangers = await connection.fetch(sql("holds.strangers"), window["message_ids"] or [], turn["label"])
        if not strangers:
            return upto
        await connection.fetch(sql("holds.lock_messages"), [row["message_id"] for row in strangers], None)
        given = columns([(row["message_id"], _other_key(row["label"], turn["label_keys"])) for row in strangers])
        await connection.execute(sql("holds.part_staged"), *given)
        flows = await connection.fetch(sql("holds.part_waiting"), *given)
    db.wakeups.add((Flow(*row[:5]), row[5]) for row in flows)
    return upto


def _other_key(label: str | None, held: Collection[int]) -> int:
    return next((key for key in label_keys(label) if key not in held), label_keys(label)[1])


async def cancel_some(
    db: Database, hold_id: int, wait: ReceiptWait, on_ended: OnEnded | None = None, *, timeout: float = 10.0
) -> Step:
    """Delete a slice of what a cancel covers; `on_ended` is told of it. When it is DONE the hold is to be released."""
    async with ending(db, Cause.CANCELLED, on_ended, timeout=timeout) as (connection, endings):
        turn = await connection.fetchrow(sql("holds.turn"), hold_id, FOLLOWED)
        if turn is None or turn["released_at"] is not None:
            return Step.DONE
        if turn["walked_to"] == OVER and turn["first"]:
            if turn["too_early"]:
                return Step.LATER
            await connection.execute(sql("holds.advance"), hold_id, 0, 0, 0, True)
            return Step.MORE
        if turn["walked_to"] == OVER:
            return Step.DONE
        window = await _window(connection, turn, upto=turn["cancels_to"])
        claimed = await _with_label(connection, window["claimed"] or [], turn["label"])
        cancelled, later = 0, 0
        if window["message_ids"]:
            endings.why = f"hold {hold_id} by {turn['author']}"
            rows = await connection.fetch(sql("holds.lock_messages"), window["message_ids"], turn["label"])
            cancelled = len(await _drop(connection, endings, rows, wait))
            later = len(rows) - cancelled
        # What the second walk finds to delete the first one had found claimed.
        too_late = claimed + later if turn["first"] else -cancelled
        upto, over = window["upto"], window["upto"] is None
        await connection.execute(sql("holds.advance"), hold_id, OVER if over else upto, cancelled, too_late, False)
        return Step.MORE if turn["first"] or not over else Step.DONE


async def _with_label(connection: Connection, message_ids: Sequence[int], label: str | None) -> int:
    if label is None or not message_ids:
        return len(message_ids)
    return int(await connection.fetchval(sql("holds.with_label"), message_ids, label))


async def _drop(
    connection: Connection, endings: Endings, rows: Sequence[asyncpg.Record], wait: ReceiptWait
) -> list[int]:
    """Send nothing more of these messages, whose records are locked, but for what is claimed; those that are Deleted.

    Parts that an operator has, or may have, are not touched: their receipts are awaited.
    """
    ids = [row["message_id"] for row in rows]
    dropped = {row[0] for row in await connection.fetch(sql("holds.drop_staged"), ids)}
    dropped |= {row[0] for row in await connection.fetch(sql("holds.drop_waiting"), ids)}
    gone = [row for row in rows if row["message_id"] in dropped]
    if gone:
        await endings.finish(gone, MessageState.DELETED, only=(MessageState.NONE,))
        await connection.execute(sql("upkeep.await_receipts"), sorted(dropped), wait.wait, wait.grace)
    return [row["message_id"] for row in gone if row["state"] == MessageState.NONE]


async def cancel_messages(
    db: Database,
    client_id: int,
    message_ids: Sequence[int],
    wait: ReceiptWait,
    on_ended: OnEnded | None = None,
    *,
    timeout: float = 10.0,
) -> Mapping[int, Cancelled]:
    """Delete messages of a client that no operator can have; what became of each, in one transaction. `on_ended` is
    told of those of which nothing more is sent.
    """
    async with ending(db, Cause.CANCELLED, on_ended, why="by its client", timeout=timeout) as (connection, endings):
        rows = await connection.fetch(sql("holds.lock_chosen"), client_id, sorted(set(message_ids)))
        now = set(await _drop(connection, endings, [row for row in rows if not _is_done(row)], wait))
    states = {row["message_id"]: row["state"] for row in rows}

    def became(message_id: int) -> Cancelled:
        if message_id in now:
            return Cancelled.NOW
        if message_id not in states:
            return Cancelled.UNKNOWN
        return Cancelled.BEFORE if states[message_id] == MessageState.DELETED else Cancelled.TOO_LATE

    return {message_id: became(message_id) for message_id in message_ids}


def _is_done(row: asyncpg.Record) -> bool:
    return row["state"] not in (MessageState.NONE, MessageState.ENROUTE, MessageState.ACCEPTED)
