"""The verbs of time: staged messages become ready, late ones expire, unanswered ones become Unknown, old rows go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import asyncpg

from payk.domain.failure import by_ending
from payk.domain.message import MessageState
from payk.domain.receipt import ReceiptWait
from payk.domain.states import advance, fold, is_final
from payk.store.arrays import array_literal, columns
from payk.store.charging import refund
from payk.store.database import Connection, Database
from payk.store.leaving import drop_partitions
from payk.store.queries import sql
from payk.store.wakeups import Flow
from payk.value import value

__all__ = ["Overdue", "ensure_partitions", "expire", "finish", "give_up_unanswered", "prune", "stage_due"]


_UNSENT = (MessageState.EXPIRED, MessageState.DELETED)
"""Endings of messages that nobody was to send any more."""


@value
class Overdue:
    """A message whose time was over, as the log tells of it."""

    message_id: int
    client_id: int
    operator_id: int | None
    """Of its last submit."""
    request_id: str | None
    phone: str
    parts: int
    way: float
    """Seconds since it was accepted."""
    became: MessageState


async def stage_due(db: Database, limit: int) -> int:
    """Put staged messages whose time has come into the queue; returns how many."""
    async with db.transaction() as connection:
        rows = await connection.fetch(sql("upkeep.stage_due"), limit)
    db.wakeups.add((Flow(*row[:5]), row[5]) for row in rows)
    return len(rows)


async def expire(
    db: Database, limit: int, wait: ReceiptWait, on_ended: Callable[[Sequence[Overdue]], None] | None = None
) -> int:
    """End messages that were not handed over in time; returns how many. `on_ended` is told of them.

    Parts that an operator has, or may have, are not touched: their receipts are awaited.
    """
    count = 0
    for query in ("upkeep.expired_waiting", "upkeep.expired_staged"):
        async with db.transaction() as connection:
            rows = await connection.fetch(sql(query), limit)
            if not rows:
                continue
            states = await finish(connection, rows, MessageState.EXPIRED, only=(MessageState.NONE,))
            ids = [row["message_id"] for row in rows]
            await connection.execute(sql("upkeep.drop_unsent"), ids)
            await connection.execute(sql("upkeep.await_receipts"), ids, wait.wait, wait.grace)
            count += len(rows)
        if on_ended is not None:
            on_ended(_overdue(rows, states))
    return count


def _overdue(rows: Sequence[asyncpg.Record], states: Mapping[int, MessageState]) -> list[Overdue]:
    return [
        Overdue(
            row["message_id"],
            row["client_id"],
            row["operator_id"],
            row["request_id"],
            row["phone"],
            row["parts"],
            row["way"],
            states[row["message_id"]],
        )
        for row in rows
        if row["message_id"] in states
    ]


async def give_up_unanswered(
    db: Database, limit: int, on_ended: Callable[[Sequence[Overdue]], None] | None = None
) -> int:
    """Messages whose final receipt did not come in time become Unknown; returns how many rows were dealt with.

    `on_ended` is told of them.
    """
    states: Mapping[int, MessageState] = {}
    async with db.transaction() as connection:
        rows = await connection.fetch(sql("upkeep.unanswered"), limit)
        if rows:
            open_states = (MessageState.NONE, MessageState.ENROUTE, MessageState.ACCEPTED)
            states = await finish(connection, rows, MessageState.UNKNOWN, only=open_states)
            await connection.execute(
                sql("upkeep.stop_awaiting"), [row["due"] for row in rows], [row["message_id"] for row in rows]
            )
    if on_ended is not None and rows:
        on_ended(_overdue(rows, states))
    return len(rows)


async def finish(
    connection: Connection, rows: Sequence[asyncpg.Record], ending: MessageState, *, only: tuple[MessageState, ...]
) -> dict[int, MessageState]:
    """End messages, and parts of messages, that are in one of the states `only`; `rows` are locked, with states.

    What was charged of those of which no part was handed over is given back. Returns what became of those that were not
    final.
    """
    unsent: set[int] = set()
    became: dict[int, MessageState] = {}
    changes: list[tuple[object, ...]] = []
    for row in rows:
        state = MessageState(row["state"])
        array = None
        new = ending if state in only else state
        if ending in _UNSENT and state is MessageState.NONE and not any(row["part_states"] or ()):
            unsent.add(row["message_id"])
        if row["part_states"] is not None:
            parts = [MessageState(part) for part in row["part_states"]]
            parts = [ending if part in only else part for part in parts]
            array = array_literal(parts)
            folded = fold(parts)
            new = folded if is_final(folded) else advance(state, folded)
        if not is_final(state):
            became[row["message_id"]] = new
            reason = by_ending(ending) if new is ending else None  # else a part that failed before says why
            changes.append((row["message_id"], int(state), int(new), array, is_final(new), reason))
    if changes:
        charged = await connection.fetchval(sql("upkeep.finish"), *columns(changes))
        await refund(connection, sorted(unsent.intersection(charged)))
    return became


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
        "parked": _affected(parked),
        "unnamed": _affected(unnamed),
        "processes": _affected(processes),
        "usage": _affected(usage),
        "set_aside": _affected(set_aside),
        "holds": _affected(holds),
        "shifts": _affected(shifts),
    }


async def prune_kept_answers(db: Database, limit: int) -> int:
    """Drop answers to repeated requests whose time is over, `limit` of them; returns how many."""
    async with db.connection() as connection:
        return _affected(await connection.execute(sql("upkeep.prune_kept_answers"), limit))


async def prune_number_use(db: Database, limit: int) -> int:
    """Drop counts of messages to numbers that no limit looks at any more, `limit` of them; returns how many."""
    async with db.connection() as connection:
        return _affected(await connection.execute(sql("charging.prune_number_use"), limit))


def _affected(tag: str) -> int:
    return int(tag.rsplit(" ", 1)[-1])
