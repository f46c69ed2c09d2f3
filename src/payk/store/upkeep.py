"""The verbs of time: staged messages become ready, late ones expire, unanswered ones become Unknown, old rows go."""

from __future__ import annotations

from payk.domain.message import MessageState
from payk.domain.receipt import ReceiptWait
from payk.store.database import Database, affected
from payk.store.ending import Cause, OnEnded, ending
from payk.store.leaving import drop_partitions
from payk.store.queries import sql
from payk.store.wakeups import Flow

__all__ = ["ensure_partitions", "expire", "give_up_unanswered", "prune", "stage_due"]


async def stage_due(db: Database, limit: int) -> int:
    """Put staged messages whose time has come into the queue; returns how many."""
    async with db.transaction() as connection:
        rows = await connection.fetch(sql("upkeep.stage_due"), limit)
    db.wakeups.add((Flow(*row[:5]), row[5]) for row in rows)
    return len(rows)


async def expire(db: Database, limit: int, wait: ReceiptWait, on_ended: OnEnded | None = None) -> int:
    """End messages that were not handed over in time; returns how many. `on_ended` is told of them.

    Parts that an operator has, or may have, are not touched: their receipts are awaited.
    """
    count = 0
    for query in ("upkeep.expired_waiting", "upkeep.expired_staged"):
        async with ending(db, Cause.LATE, on_ended, why="not sent in time") as (connection, endings):
            rows = await connection.fetch(sql(query), limit)
            if not rows:
                continue
            await endings.finish(rows, MessageState.EXPIRED, only=(MessageState.NONE,))
            ids = [row["message_id"] for row in rows]
            await connection.execute(sql("upkeep.drop_unsent"), ids)
            await connection.execute(sql("upkeep.await_receipts"), ids, wait.wait, wait.grace)
            count += len(rows)
    return count


async def give_up_unanswered(db: Database, limit: int, on_ended: OnEnded | None = None) -> int:
    """Messages whose final receipt did not come in time become Unknown; returns how many rows were dealt with.

    `on_ended` is told of them.
    """
    async with ending(db, Cause.UNANSWERED, on_ended, why="no receipt") as (connection, endings):
        rows = await connection.fetch(sql("upkeep.unanswered"), limit)
        if rows:
            open_states = (MessageState.NONE, MessageState.ENROUTE, MessageState.ACCEPTED)
            await endings.finish(rows, MessageState.UNKNOWN, only=open_states)
            await connection.execute(
                sql("upkeep.stop_awaiting"), [row["due"] for row in rows], [row["message_id"] for row in rows]
            )
    return len(rows)


async def ensure_partitions(db: Database) -> int:
    """Make the partitions that are needed soon; returns how many."""
    async with db.connection(timeout=60.0) as connection:
        return int(await connection.fetchval(sql("upkeep.ensure_partitions")))


async def prune(db: Database) -> dict[str, int]:
    """Drop what nobody asks for any more; returns counts by kind."""
    async with db.connection() as connection:
        old = [tuple(row) for row in await connection.fetch(sql("upkeep.old_partitions"))]
    left = await drop_partitions(db, old)
    async with db.connection(timeout=60.0) as connection:
        parked = await connection.execute(sql("upkeep.prune_parked"))
        unnamed = await connection.execute(sql("upkeep.prune_unnamed"))
        processes = await connection.execute(sql("upkeep.prune_processes"))
        usage = await connection.execute(sql("charging.prune_usage"))
        set_aside = await connection.execute(sql("recovery.prune"))
        holds = await connection.execute(sql("holds.prune"))
        shifts = await connection.execute(sql("health.prune_shifts"))
    return {
        "partitions": len(left.dropped),
        "parked": affected(parked),
        "unnamed": affected(unnamed),
        "processes": affected(processes),
        "usage": affected(usage),
        "set_aside": affected(set_aside),
        "holds": affected(holds),
        "shifts": affected(shifts),
    }


async def prune_kept_answers(db: Database, limit: int) -> int:
    """Drop answers to repeated requests whose time is over, `limit` of them; returns how many."""
    async with db.connection() as connection:
        return affected(await connection.execute(sql("upkeep.prune_kept_answers"), limit))


async def prune_number_use(db: Database, limit: int) -> int:
    """Drop counts of messages to numbers that no limit looks at any more, `limit` of them; returns how many."""
    async with db.connection() as connection:
        return affected(await connection.execute(sql("charging.prune_number_use"), limit))
