"""The verbs of retention: which partitions of messages may be dropped, and what they leave behind in other tables.

A partition goes as a whole, with its receipts, when its newest message is old enough and every one in it is finished.
Nothing that is finished is sent or changed again (but Unknown, by a receipt), so what was read once need not be again:
each message is read once for this, after the retention, in short statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payk.store.database import Connection, Database, affected
from payk.store.queries import sql

__all__ = [
    "Kept",
    "Partition",
    "forget",
    "gaps",
    "is_old",
    "oldest_kept",
    "partitions",
    "prune_gone",
    "prune_inbound",
    "tell",
    "what_keeps",
]

STRETCH = 20_000
"""Messages that are read by one statement: some 20 ms."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition of messages or receipts; it holds the ids from `low` to below `high`."""

    name: str
    parent: str
    low: int
    high: int
    past: bool = True
    """The present id lies behind it."""
    pending: bool = False
    """It is being detached: queries do not see it any more."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Why an old partition stays: the place where this message is found, such as "staged"."""

    place: str
    message_id: int


async def oldest_kept(db: Database, days: int) -> datetime:
    """Messages accepted before this may go: after `days`, and longer where a client's repeats are recognised longer."""
    async with db.connection() as connection:
        found: datetime = await connection.fetchval(sql("retention.oldest_kept"), days)
    return found


async def partitions(db: Database) -> list[Partition]:
    """All partitions, by their ids."""
    async with db.connection() as connection:
        return [Partition(*row) for row in await connection.fetch(sql("retention.partitions"))]


async def is_old(db: Database, partition: Partition, before: datetime) -> bool:
    """Whether its newest message, give or take, was accepted before that time. Reads a thousand rows."""
    async with db.connection() as connection:
        newest = await connection.fetchval(sql("retention.newest"), partition.low, partition.high)
    return newest is not None and newest < before


async def what_keeps(db: Database, partition: Partition, before: datetime) -> Kept | None:
    """A message that an old partition must stay for; None = it may go."""
    async with db.connection() as connection:
        waits = await connection.fetchrow(sql("retention.what_waits"), partition.low, partition.high)
        if waits is not None:
            return Kept(*waits)
        read = await connection.fetchval(sql("retention.finished_below"), partition.low)
    unfinished = await _read_on(db, partition, read or partition.low, before)
    if unfinished is not None:
        return Kept("message", unfinished)
    async with db.connection(timeout=60.0) as connection:
        awaits = await connection.fetchval(sql("retention.awaits"), partition.low, partition.high)
    return None if awaits is None else Kept("awaiting", awaits)


async def _read_on(db: Database, partition: Partition, first: int, before: datetime) -> int | None:
    """The first message from id `first` on that is not finished. How far it came is remembered."""
    while True:
        async with db.connection() as connection:
            [found] = await connection.fetch(sql("retention.read_on"), first, partition.high, STRETCH, before)
            unfinished: int | None = found["unfinished"]
            if found["last"] is None:
                return None
            first = found["last"] + 1 if unfinished is None else unfinished
            await connection.execute(sql("retention.was_read"), partition.low, first)
        if unfinished is not None:
            return unfinished


async def tell(db: Database, partition: Partition) -> bool:
    """Whether the log is to say what keeps it, which it does once a day."""
    async with db.connection() as connection:
        return await connection.fetchval(sql("retention.tell"), partition.low) is not None


async def forget(db: Database, partition: Partition) -> None:
    """What was known of a partition that is gone."""
    async with db.connection() as connection:
        await connection.execute(sql("retention.forget"), partition.low)


def gaps(kept: Sequence[Partition]) -> list[tuple[int, int]]:
    """Ranges of ids, from and to below, of which no message is there any more; `kept` are those of messages, by ids."""
    found, end = [], 0
    for partition in kept:
        if partition.low > end:
            found.append((end, partition.low))
        end = partition.high
    return found


async def prune_gone(db: Database, ids: tuple[int, int], limit: int) -> int:
    """Drop `limit` rows each of what messages with these ids left in other tables; returns how many."""
    async with db.connection() as connection:
        return sum(
            [
                await _prune(connection, query, *ids, limit)
                for query in ("retention.prune_uncertain", "retention.prune_refusals")
            ]
        )


async def prune_inbound(db: Database, before: datetime, limit: int) -> int:
    """Drop up to `limit` messages of subscribers that came before that time; returns how many."""
    async with db.connection() as connection:
        return await _prune(connection, "retention.prune_inbound", before, limit)


async def _prune(connection: Connection, query: str, *arguments: object) -> int:
    return affected(await connection.execute(sql(query), *arguments))
