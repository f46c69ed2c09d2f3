"""The verbs of forgetting a number: end what is on its way, erase, or tell all that is known of it.

Everything is done some rows at a time, and is begun again where it was broken off: what was erased is not found again.
Ids, states, times, sender and label of messages stay, so that an id still answers and statistics do not change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any, Final, NamedTuple

from payk.domain.message import MessageState
from payk.store.database import Database, affected
from payk.store.ending import Cause, OnEnded, ending
from payk.store.queries import sql

__all__ = ["Known", "end_open", "erase", "find_known", "open_messages"]

BATCH: Final = 1_000
SLICE: Final = 500
"""Rows of a table without an index by number that one statement looks at; an answer to a bulk may have a megabyte."""
LONG: Final = 600.0
"""Seconds that the count of all messages to a number may take."""
_OPEN: Final = (MessageState.NONE, MessageState.ENROUTE, MessageState.ACCEPTED)

_OF_MESSAGES: Final = (
    ("submit", "forgetting.export_submits"),
    ("uncertain", "forgetting.export_uncertain"),
    ("refusal", "forgetting.export_refusals"),
    ("receipt", "forgetting.export_receipts"),
)


_Key = tuple[int | bytes, ...]


class _Walked(NamedTuple):
    """A table that has no index by number: it is gone through by its primary key, a slice by statements of its own."""

    kind: str
    """Of its rows in an export."""
    erased: str
    """What is counted of them."""
    first: _Key
    """A key before all others."""
    slice: str
    export: str
    erase: str
    written: bool
    """Whether a number stands in it as operators wrote it: then it is looked for in the ways in which they may."""

    def number(self, phone: str, written: Collection[str]) -> str | list[str]:
        """By what its statements look for a number."""
        return list(written) if self.written else phone


_WALKED: Final = (
    _Walked(
        *("parked receipt", "parked_receipts", (0,)),
        *("forgetting.parked_slice", "forgetting.export_parked", "forgetting.erase_parked"),
        written=True,
    ),
    _Walked(
        *("inbound", "inbound", (0,)),
        *("forgetting.inbound_slice", "forgetting.export_inbound", "forgetting.erase_inbound"),
        written=True,
    ),
    _Walked(
        *("answer", "answers", (0, b"")),
        *("forgetting.answer_slice", "forgetting.export_answers", "forgetting.redact_answers"),
        written=False,
    ),
)
"""Tables with a number that no message and no index leads to. Who adds one adds it here, or below and to erase."""
_BY_NUMBER: Final = ("count", "forgetting.export_counts"), ("block", "forgetting.export_blocks")
"""The same that have an index by it. A block is told and not erased: it would get messages again."""


class Known(NamedTuple):
    """How much there is of a number."""

    open: int
    """Messages that are not final."""
    messages: int
    highest: int
    """The highest id of a message to it: those that come later are none of this."""


async def open_messages(db: Database, phone: str) -> Known:
    """How much there is of a number."""
    async with db.transaction(LONG) as connection:
        await connection.execute("set local statement_timeout = 0")
        row = await connection.fetchrow(sql("forgetting.open_messages"), phone)
    assert row is not None  # it is one row of counts
    return Known(*row)


async def end_open(db: Database, phone: str, highest: int, on_ended: OnEnded | None = None) -> int:
    """End the messages to a number: what was not handed over is Deleted, what was is Unknown; how many were ended.
    `on_ended` is told of them.

    Those in the hands of a process stay: nobody knows yet whether they are sent.
    """
    ended, above = 0, 0
    while True:
        async with ending(db, Cause.FORGOTTEN, on_ended, why="its number is forgotten", timeout=60.0) as (
            connection,
            endings,
        ):
            found = await connection.fetch(sql("forgetting.find_open"), phone, highest, above, BATCH)
            ids = [row["message_id"] for row in found]
            if not ids:
                return ended
            await connection.execute(sql("upkeep.drop_unsent"), ids)
            rows = await connection.fetch(sql("forgetting.lock_open"), ids)
            ended += len(rows)
            await endings.finish(rows, MessageState.DELETED, only=(MessageState.NONE,))
            due = [row for row in rows if row["due"] is not None]
            await connection.execute(
                sql("upkeep.stop_awaiting"), [row["due"] for row in due], [row["message_id"] for row in due]
            )
            await connection.execute(sql("recovery.deal_with"), ids, False)
            rows = await connection.fetch(sql("forgetting.lock_open"), ids)
            await endings.finish(rows, MessageState.UNKNOWN, only=_OPEN)
        above = ids[-1]


async def erase(db: Database, phone: str, highest: int, written: Collection[str]) -> dict[str, int]:
    """Erase a number from final messages up to id `highest` and from all else; how much of what.

    `written`: the ways in which operators may write it.
    """
    counts = {"messages": 0}
    while True:
        async with db.transaction(60.0) as connection:
            rows = await connection.fetch(sql("forgetting.erase_messages"), phone, highest, BATCH)
            ids = [row["message_id"] for row in rows]
            if not ids:
                break
            await connection.execute(sql("forgetting.erase_uncertain"), ids)
            await connection.execute(sql("forgetting.erase_unnamed"), ids)
        counts["messages"] += len(ids)
    async with db.connection(60.0) as connection:
        counts["counts"] = affected(await connection.execute(sql("forgetting.erase_counts"), phone))
    for table in _WALKED:
        counts[table.erased] = 0
        async for behind, last in _slices(db, table):
            async with db.connection(60.0) as connection:
                tag = await connection.execute(sql(table.erase), table.number(phone, written), *behind, *last)
            counts[table.erased] += affected(tag)
    return counts


async def find_known(db: Database, phone: str, written: Collection[str]) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """All that is known of a number, row by row, each with its kind. Texts are as they are stored."""
    above = 0
    while True:
        async with db.connection(60.0) as connection:
            messages = await connection.fetch(sql("forgetting.export_messages"), phone, above, BATCH)
            ids = [row["message_id"] for row in messages]
            details = [(kind, await connection.fetch(sql(query), ids)) for kind, query in _OF_MESSAGES] if ids else []
        if not ids:
            break
        above = ids[-1]
        for kind, rows in [("message", messages), *details]:
            for row in rows:
                yield kind, dict(row)
    for table in _WALKED:
        async for behind, last in _slices(db, table):
            async with db.connection(60.0) as connection:
                rows = await connection.fetch(sql(table.export), table.number(phone, written), *behind, *last)
            for row in rows:
                yield table.kind, dict(row)
    for kind, query in _BY_NUMBER:
        async with db.connection(60.0) as connection:
            rows = await connection.fetch(sql(query), phone)
        for row in rows:
            yield kind, dict(row)


async def _slices(db: Database, table: _Walked) -> AsyncIterator[tuple[_Key, _Key]]:
    """A table from end to end: slice by slice the key behind which it begins, and its last one."""
    above = table.first
    while True:
        async with db.connection(60.0) as connection:
            row = await connection.fetchrow(sql(table.slice), *above, SLICE)
        if row is None:
            return
        last = tuple(row)
        yield above, last
        above = last
