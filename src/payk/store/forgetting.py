"""The verbs of forgetting a number: end what is on its way, erase, or tell all that is known of it.

Everything is done some rows at a time, and is begun again where it was broken off: what was erased is not found again.
Ids, states, times, sender and label of messages stay, so that an id still answers and statistics do not change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any, Final, NamedTuple

from payk.domain.message import MessageState
from payk.store.database import Database
from payk.store.ending import Cause, OnEnded, ending
from payk.store.queries import sql

__all__ = ["Known", "end_open", "erase", "find_known", "open_messages"]

BATCH: Final = 1_000
SCAN: Final = 600.0
"""Seconds for a look through a table that has no index by number."""
_OPEN: Final = (MessageState.NONE, MessageState.ENROUTE, MessageState.ACCEPTED)

_ERASE_BESIDE: Final = (("parked_receipts", "forgetting.erase_parked"), ("inbound", "forgetting.erase_inbound"))
_ERASE_BY_NUMBER: Final = ("counts", "forgetting.erase_counts"), ("answers", "forgetting.redact_answers")
_OF_MESSAGES: Final = (
    ("submit", "forgetting.export_submits"),
    ("uncertain", "forgetting.export_uncertain"),
    ("refusal", "forgetting.export_refusals"),
    ("receipt", "forgetting.export_receipts"),
)
_BESIDE: Final = ("parked receipt", "forgetting.export_parked"), ("inbound", "forgetting.export_inbound")
"""Tables with a number that no message leads to, as operators wrote it: the queries take the ways in which they may.
Who adds one adds it here and to _ERASE_BESIDE, or below and to _ERASE_BY_NUMBER."""
_BY_NUMBER: Final = (
    ("count", "forgetting.export_counts"),
    ("answer", "forgetting.export_answers"),
    ("block", "forgetting.export_blocks"),
)
"""The same with a number in its normal form. A block is told and not erased: it would get messages again."""


class Known(NamedTuple):
    """How much there is of a number."""

    open: int
    """Messages that are not final."""
    messages: int
    highest: int
    """The highest id of a message to it: those that come later are none of this."""


async def open_messages(db: Database, phone: str) -> Known:
    """How much there is of a number."""
    async with db.connection(SCAN) as connection:
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
    for what, query, number in (
        *((what, query, list(written)) for what, query in _ERASE_BESIDE),
        *((what, query, phone) for what, query in _ERASE_BY_NUMBER),
    ):
        async with db.connection(SCAN) as connection:
            tag = await connection.execute(sql(query), number)
        counts[what] = int(tag.rsplit(" ", 1)[-1])
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
    for kind, query, number in (
        *((kind, query, list(written)) for kind, query in _BESIDE),
        *((kind, query, phone) for kind, query in _BY_NUMBER),
    ):
        async with db.connection(SCAN) as connection:
            rows = await connection.fetch(sql(query), number)
        for row in rows:
            yield kind, dict(row)
