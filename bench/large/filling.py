"""Millions of messages: rows as the doors and the dispatcher would have left them, written by SQL as fast as it goes.

A partition is taken off, filled without its indexes, given them back and attached again. Its definitions are those
that the product gave it; only that pages of indexes are fuller than those that grew.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from bench.figure import CannotRun
from bench.rig import SENDER
from bench.traffic import TEXT
from payk.domain.message import Lane, MessageState, SmsType, label_key
from payk.store.database import Database
from payk.store.retention import Partition, partitions
from payk.store.upkeep import ensure_partitions

__all__ = ["DAYS", "LABELS", "Stock", "fill", "partitions_of_messages"]

DAYS: Final = 30
LABELS: Final = 50
"""What was delivered came in evenly over so many days until now, under so many labels by turns."""

_SESSION: Final = """
set statement_timeout = 0;
set idle_in_transaction_session_timeout = 0;
set synchronous_commit = off;
set maintenance_work_mem = '512MB'
"""

_KEYS: Final = """
select conname, pg_get_constraintdef(oid) as definition from pg_constraint
where conrelid = $1::text::regclass and contype = 'p'
"""

_FILLFACTOR: Final = """
select option_value from pg_class, pg_options_to_table(reloptions)
where oid = $1::text::regclass and option_name = 'fillfactor'
"""
_GONE_ITS_WAY: Final = 55
"""Percent of its pages that a partition fills once each message had its two updates: they were left room for them."""

_INDEXES: Final = """
select c.relname, pg_get_indexdef(c.oid) as definition from pg_index i join pg_class c on c.oid = i.indexrelid
where i.indrelid = $1::text::regclass and not i.indisprimary
order by c.relname
"""

# 7919131 has no factor in common with ten millions: each number comes once in so many messages, far from the one before
_MESSAGES: Final = """
insert into {partition} (message_id, accepted_at, submitted_at, done_at, operator_id, state, label, client_id, queue_id,
                         sms_type, priority, parts, phone, sender, text)
select id, {way}, 1, {queue_id}, {sms_type}, 1, 1, '{prefix}90' || lpad((id * 7919131 % 10000000)::text, 7, '0'),
       '{sender}', '{text}'
from generate_series({low}::bigint, {high}::bigint - 1) id,
     lateral (select now() - {days} * ({border} - id) / {delivered} as moment)
"""

_WAITS: Final = f"now(), null, null, null, {MessageState.NONE:d}, '{{label}}'"
_DELIVERED: Final = f"""
moment, least(now(), moment + id % 7 * interval '1 s'), least(now(), moment + (id % 7 + id % 61) * interval '1 s'), 1,
{MessageState.DELIVERED:d},
'mailing ' || id % {LABELS}
"""

_WAITING: Final = """
insert into waiting (message_id, client_id, label_key, queue_id, lane, rank)
select id, 1, {label_key}, {queue_id}, {lane}, 1 from generate_series({low}::bigint, {high}::bigint - 1) id
"""


@dataclass(frozen=True, slots=True)
class Stock:
    """Batch messages of the first client: `delivered` of them, and behind them `queued`, in one flow of `queue_id`
    under `label`.
    """

    delivered: int
    queued: int
    queue_id: int
    prefix: str
    label: str


async def fill(db: Database, stock: Stock) -> range:
    """Store them, those that wait from the beginning of a partition on; the ids of all. The next id comes behind them.

    What autovacuum and a checkpoint would do with them in time is done.
    """
    await ensure_partitions(db)
    border = (await partitions_of_messages(db))[-1].low
    ids = range(border - stock.delivered, border + stock.queued)
    async with db.connection() as connection:
        await connection.execute("select setval('message_id', $1, false)", ids.stop)
    await ensure_partitions(db)
    known = await partitions_of_messages(db)
    try:
        async with asyncio.TaskGroup() as group:
            for partition in known:
                low, high = max(partition.low, ids.start), min(partition.high, ids.stop)
                if low < high:
                    group.create_task(_fill_partition(db, partition, low, high, border, stock))
            group.create_task(_fill_queue(db, border, ids.stop, stock))
    except ExceptionGroup as failed:
        raise CannotRun(f"the messages could not be stored: {failed.exceptions[0]}") from failed
    await _checkpoint(db)
    return ids


async def partitions_of_messages(db: Database) -> list[Partition]:
    """In the order of their ids."""
    return [partition for partition in await partitions(db) if partition.parent == "message"]


async def _fill_partition(db: Database, partition: Partition, low: int, high: int, border: int, stock: Stock) -> None:
    connection = await _session(db)
    name = partition.name
    try:
        with _told(f"{high - low:,} rows of {name}"):
            await connection.execute(f"alter table message detach partition {name}")
            keys, indexes = await connection.fetch(_KEYS, name), await connection.fetch(_INDEXES, name)
            async with connection.transaction():
                for key in keys:
                    await connection.execute(f"alter table {name} drop constraint {key['conname']}")
                for index in indexes:
                    await connection.execute(f"drop index {index['relname']}")
                room = await connection.fetchval(_FILLFACTOR, name)
                if low < border:
                    await connection.execute(f"alter table {name} set (fillfactor = {_GONE_ITS_WAY})")
                way = _WAITS.format(label=stock.label) if low >= border else _DELIVERED
                await connection.execute(
                    _MESSAGES.format(
                        partition=name, way=way, queue_id=stock.queue_id, sms_type=int(SmsType.BATCH),
                        prefix=stock.prefix, sender=SENDER, text=TEXT, low=low, high=high, border=border,
                        days=f"interval '{DAYS} days'", delivered=stock.delivered,
                    )
                )  # fmt: skip
                await connection.execute(f"alter table {name} set (fillfactor = {room})")
        with _told(f"indexes of {name}"):
            async with connection.transaction():
                for key in keys:
                    await connection.execute(f"alter table {name} add constraint {key['conname']} {key['definition']}")
                for index in indexes:
                    await connection.execute(index["definition"])
                bounds = f"from ({partition.low}) to ({partition.high})"
                await connection.execute(f"alter table message attach partition {name} for values {bounds}")
            await connection.execute(f"vacuum (analyze) {name}")
    finally:
        connection.terminate()


async def _fill_queue(db: Database, low: int, high: int, stock: Stock) -> None:
    connection = await _session(db)
    try:
        with _told(f"{high - low:,} rows of waiting"):
            await connection.execute(
                _WAITING.format(
                    label_key=label_key(stock.label), queue_id=stock.queue_id, lane=int(Lane.BATCH), low=low, high=high
                )
            )
            await connection.execute("vacuum (analyze) waiting")
    finally:
        connection.terminate()


async def _checkpoint(db: Database) -> None:
    connection = await _session(db)
    try:
        with _told("checkpoint"):
            await connection.execute("checkpoint")
    finally:
        connection.terminate()


async def _session(db: Database) -> asyncpg.Connection:
    connection = await db.dedicated()
    await connection.execute(_SESSION)
    return connection


@contextmanager
def _told(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    sys.stderr.write(f"{what}: {time.monotonic() - began:.0f} s\n")
