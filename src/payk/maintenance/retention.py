"""Messages that are older than the retention go, a partition at a time, with all that they left behind.

A partition stays as long as one message in it is not finished: one that is scheduled far ahead, or set aside. The log
says so once a day.
"""

from __future__ import annotations

from datetime import datetime

from payk.logs import get_logger
from payk.store.database import Database
from payk.store.leaving import drop_partitions
from payk.store.retention import (
    Partition,
    forget,
    gaps,
    is_old,
    oldest_kept,
    partitions,
    prune_gone,
    prune_inbound,
    tell,
    what_keeps,
)

__all__ = ["run_once"]

log = get_logger("maintenance")

BATCH = 1_000


async def run_once(db: Database, days: int) -> int:
    """Drop what was accepted more than `days` ago; 0 = nothing ever. Returns 0, for one round drops all of it."""
    if not days:
        return 0
    before = await oldest_kept(db, days)
    old = await _old_messages(db, before)
    await _drop(db, old)
    # Receipts after their messages: one that comes for a message whose receipts have no place would be asked for again
    # and again.
    left = await partitions(db)
    messages = [partition for partition in left if partition.parent == "message"]
    kept = {partition.low for partition in messages}
    orphans = [each for each in left if each.parent == "receipt" and each.past and each.low not in kept]
    await _drop(db, orphans)
    rows = 0
    for ids in gaps(messages):
        while pruned := await prune_gone(db, ids, BATCH):
            rows += pruned
    while pruned := await prune_inbound(db, before, BATCH):
        rows += pruned
    if rows:
        log.info("rows older than the retention dropped", rows=rows)
    return 0


async def _old_messages(db: Database, before: datetime) -> list[Partition]:
    """Partitions of messages that may go."""
    found = []
    for partition in await partitions(db):
        if partition.parent != "message" or not partition.past or partition.pending:
            continue
        if not await is_old(db, partition, before):
            continue
        kept = await what_keeps(db, partition, before)
        if kept is None:
            found.append(partition)
        elif await tell(db, partition):
            log.warning(
                "a partition is older than the retention and stays for a message that is not finished",
                partition=partition.name,
                message_id=kept.message_id,
                found_in=kept.place,
            )
    return found


async def _drop(db: Database, old: list[Partition]) -> None:
    left = await drop_partitions(db, [(partition.name, partition.parent) for partition in old])
    for partition in old:
        if partition.parent == "message" and partition.name in left.dropped:
            await forget(db, partition)
    if left.dropped:
        log.info("partitions dropped", partitions=list(left.dropped))
    if left.in_use:
        log.info("partitions are still read and will be dropped later", partitions=list(left.in_use))
