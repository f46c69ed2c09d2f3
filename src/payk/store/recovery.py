"""`payk recover`: going on after a restore, or after a failover that lost commits (payk.store.continuity).

What waited at the end of the history that this database knows may have been sent after it: it is set aside, and people
release it or give it up. Ids go on above all that may have been given away meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from payk.domain.message import MessageState, SmsType
from payk.domain.receipt import ReceiptWait
from payk.domain.states import is_final
from payk.store.arrays import array_literal, columns
from payk.store.database import Connection, Database
from payk.store.ending import Cause, Endings, OnEnded, ending
from payk.store.queries import sql
from payk.store.wakeups import Flow

__all__ = ["AtRisk", "Choice", "Counts", "at_risk", "give_up", "ids_ahead", "open_line", "release"]

LEAST_AHEAD = 1_000_000
MOST_AHEAD = 100_000_000
BATCH = 2_000
LONG = 600.0
"""Seconds that a statement over a whole queue may take."""

_OPEN = (MessageState.NONE, MessageState.ENROUTE, MessageState.ACCEPTED)


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Messages of one type and label that may have been sent already. Times are UTC, of their acceptance."""

    sms_type: SmsType
    label: str | None
    messages: int
    oldest: datetime
    newest: datetime
    expired: int
    """Those among them that are too late to be sent."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the messages that are set aside; None = any. Ages in seconds since their acceptance."""

    sms_type: SmsType | None = None
    label: str | None = None
    younger_than: float | None = None
    older_than: float | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of released messages."""

    queued: int = 0
    known_sent: int = 0
    """An operator is known to have all of it: only its receipts are awaited."""
    unknown: int = 0
    """Given up, or too late to be sent: nobody knows whether they were."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.queued + other.queued, self.known_sent + other.known_sent, self.unknown + other.unknown)


def ids_ahead(gap: float, drawn: int, during: float) -> int:
    """How many ids to pass over, for those that may have been given away in the `gap` seconds since the newest message.

    `drawn` ids were given away in `during` seconds before; twice that rate is allowed for.
    """
    rate = drawn / max(during, 1.0)
    return int(min(max(LEAST_AHEAD, 2 * rate * gap), MOST_AHEAD))


async def at_risk(db: Database, *, known: bool) -> list[AtRisk]:
    """What is set aside; on a line that is not known also what would be."""
    async with db.transaction(LONG) as connection:
        await connection.execute("set local statement_timeout = 0")
        rows = await connection.fetch(sql("recovery.aside" if known else "recovery.at_risk"))
    return [AtRisk(SmsType(row[0]), *row[1:]) for row in rows]


async def open_line(db: Database, ahead: int | None) -> tuple[int, int]:
    """Set aside what may have been sent, move ids ahead and make the present line known, all in one transaction.

    Returns how many messages were set aside, and the id above which ids go on. Messages taken from now on are sent.
    """
    async with db.transaction(LONG) as connection:
        await connection.execute("set local statement_timeout = 0")
        await connection.execute(sql("recovery.take_turns"))
        [ids] = await connection.fetch(sql("recovery.ids"))
        above = ids["highest"] + (ids_ahead(ids["gap"], ids["drawn"], ids["during"]) if ahead is None else ahead)
        await connection.execute(sql("recovery.move_ids"), above)
        await connection.execute(sql("upkeep.ensure_partitions"))
        count = await connection.fetchval(sql("recovery.set_aside"))
        await connection.execute(sql("recovery.know_line"))
    return count, above


async def release(db: Database, choice: Choice, wait: ReceiptWait, on_ended: OnEnded | None = None) -> Counts:
    """Send what was chosen: it returns to the queue. What is too late to be sent becomes Unknown; `on_ended` is told of
    that."""
    total = Counts()
    last = 0
    while True:
        async with ending(db, Cause.GIVEN_UP, on_ended, why="too late to be sent") as (connection, endings):
            rows = await _choose(connection, choice, last)
            done, flows = await _release(connection, endings, rows, wait)
        db.wakeups.add(flows)
        total += done
        if len(rows) < BATCH:
            return total
        last = rows[-1]["message_id"]


async def give_up(db: Database, choice: Choice, on_ended: OnEnded | None = None) -> Counts:
    """Send nothing of what was chosen: it becomes Unknown, which a late receipt still corrects. `on_ended` is told."""
    total = Counts()
    last = 0
    while True:
        async with ending(db, Cause.GIVEN_UP, on_ended, why="set aside, and given up") as (connection, endings):
            rows = await _choose(connection, choice, last)
            if rows:
                await endings.finish(rows, MessageState.UNKNOWN, only=_OPEN)
                await connection.execute(sql("recovery.deal_with"), [row["message_id"] for row in rows], False)
        total += Counts(unknown=len(rows))
        if len(rows) < BATCH:
            return total
        last = rows[-1]["message_id"]


async def _choose(connection: Connection, choice: Choice, above: int) -> list[asyncpg.Record]:
    return await connection.fetch(
        sql("recovery.choose"),
        above,
        BATCH,
        choice.sms_type,
        choice.label,
        choice.younger_than,
        choice.older_than,
    )


async def _release(
    connection: Connection, endings: Endings, rows: Sequence[asyncpg.Record], wait: ReceiptWait
) -> tuple[Counts, list[tuple[Flow, int]]]:
    """Deal with a batch; what became of it, and what is in the queue again."""
    if not rows:
        return Counts(), []
    late = [row for row in rows if row["late"] and row["left"] and not is_final(MessageState(row["state"]))]
    open_ones = [row for row in rows if not row["late"] and not is_final(MessageState(row["state"]))]
    again = [row for row in open_ones if row["left"]]
    if late:
        await endings.finish(late, MessageState.UNKNOWN, only=_OPEN)
    flows = []
    if again:
        left = [(row["message_id"], _left(row)) for row in again]
        back = await connection.fetch(sql("recovery.put_back"), *columns(left))
        flows = [(Flow(*row[:5]), row[5]) for row in back]
    sent = [row["message_id"] for row in rows if not row["left"] and not is_final(MessageState(row["state"]))]
    if sent:
        await connection.execute(sql("upkeep.await_receipts"), sent, wait.wait, wait.grace)
    await connection.execute(sql("recovery.deal_with"), [row["message_id"] for row in rows], True)
    return Counts(len(again), len(rows) - len(again) - len(late), len(late)), flows


def _left(row: asyncpg.Record) -> str | None:
    """The parts to send; None = all."""
    return None if len(row["left"]) == row["parts"] else array_literal(row["left"])
