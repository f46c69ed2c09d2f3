"""Messages that another centre sent: what became of them, read-only. payk.store.statuses answers for them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payk.domain.imported import ImportedMessage
from payk.domain.message import MessageState
from payk.store.database import Database
from payk.store.holds import client_numbers
from payk.store.queries import sql

__all__ = ["Added", "add_imported", "client_ids", "drop_imported", "first_message_id", "read_imported"]

_DROPPED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a batch."""

    added: int
    completed: int
    """Stored before without a final state, which they have now."""
    known: int
    """Stored just so before."""
    different: tuple[int, ...]
    """Ids that are stored otherwise; nothing was overwritten."""


async def first_message_id(db: Database) -> int:
    """The first id that this centre gives away; those of other centres lie below."""
    async with db.connection() as connection:
        return int(await connection.fetchval(sql("imported.first_message_id")))


async def client_ids(db: Database) -> dict[str, int]:
    """Every client by its name."""
    async with db.connection() as connection:
        return await client_numbers(connection)


async def add_imported(db: Database, messages: Sequence[ImportedMessage], *, dry_run: bool = False) -> Added:
    """Add messages, no id twice, and complete those that were not finished; with `dry_run` only say what would be.

    Adding them again changes nothing.
    """
    columns: list[Sequence[Any]] = list(zip(*messages, strict=True)) or [()] * len(ImportedMessage._fields)
    async with db.transaction(timeout=30.0) as connection:
        added = 0 if dry_run else await connection.fetchval(sql("imported.add"), *columns)
        if added == len(messages):
            return Added(added, 0, 0, ())
        completed = 0 if dry_run else await connection.fetchval(sql("imported.complete"), *columns)
        unlike = await connection.fetch(sql("imported.compare"), *columns)
    different = tuple(row["message_id"] for row in unlike if not (row["unknown"] or row["unfinished"]))
    if dry_run:
        added = sum(row["unknown"] for row in unlike)
        completed = sum(row["unfinished"] for row in unlike)
    return Added(added, completed, len(messages) - added - completed - len(different), different)


async def read_imported(db: Database, message_id: int) -> tuple[str, ImportedMessage] | None:
    """A message of another centre, behind the name of its client; None where there is none."""
    async with db.connection() as connection:
        row = await connection.fetchrow(sql("imported.read"), message_id)
    if row is None:
        return None
    state = MessageState(row["state"])
    return row["client"], ImportedMessage(message_id, row["client_id"], state, row["submitted_at"], row["done_at"])


async def drop_imported(
    db: Database, before: datetime, *, after: int = 0, patience: float = math.inf
) -> tuple[int, int | None]:
    """Drop those that were submitted before that time, of ids above `after`, ten thousand at a time.

    Returns how many, and above which id to go on where it took longer than `patience` seconds; None where it is done.
    """
    began = time.monotonic()
    last: int | None = after
    dropped = 0
    while last is not None and (last == after or time.monotonic() - began < patience):
        async with db.connection(timeout=30.0) as connection:
            [row] = await connection.fetch(sql("imported.drop"), last, _DROPPED_AT_ONCE, before)
        last, dropped = row["last"], dropped + row["dropped"]
    return dropped, last
