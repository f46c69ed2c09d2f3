"""How partitions leave: detached while readers and writers go on, then dropped.

Detaching waits for everybody who reads the parent; it gives up soon, and the next round goes on from there. Only what
was marked by us is dropped: a partition that somebody detached by hand is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from payk.store.database import Connection, Database
from payk.store.errors import StoreBusy
from payk.store.queries import sql

__all__ = ["Left", "drop_partitions"]

PATIENCE = "2s"
"""How long a step waits for a reader. A dump that reads the whole night must not hold the round up."""


@dataclass(frozen=True, slots=True)
class Left:
    """What one round did, by the names of partitions."""

    dropped: tuple[str, ...] = ()
    in_use: tuple[str, ...] = ()
    """Somebody still reads them, or they wait behind one of their parent's; the next round tries again."""


async def drop_partitions(db: Database, partitions: Sequence[tuple[str, str]]) -> Left:
    """Drop these (name, parent), and whatever an earlier round could not finish. Nothing while another process does."""
    async with db.connection(timeout=60.0) as turn:
        if not await turn.fetchval(sql("leaving.take_turns")):
            return Left()
        if partitions:
            names, parents = zip(*partitions, strict=True)
            await turn.execute(sql("leaving.mark"), names, parents)
        decided = {name for name, _ in partitions}
        dropped, in_use = [], []
        busy_parents: set[str] = set()
        for row in await turn.fetch(sql("leaving.stages")):
            name, parent = row["name"], row["parent"]
            if row["attached"] and not row["pending"] and name not in decided:
                await turn.execute(sql("leaving.unmark"), name)  # the rule is another one by now
            elif row["attached"] and not row["pending"] and (parent in busy_parents or row["behind_another"]):
                in_use.append(name)
            elif await _gone(db, row):
                await turn.execute(sql("leaving.unmark"), name)
                dropped.append(name)
            else:
                in_use.append(name)
                busy_parents.add(parent)
        await turn.fetchval(sql("leaving.turn_over"))
    return Left(tuple(dropped), tuple(in_use))


async def _gone(db: Database, row: asyncpg.Record) -> bool:
    """Take a partition all the way from where it is; False where somebody is in the way."""
    try:
        async with db.connection(timeout=60.0) as connection:
            await connection.execute(f"set lock_timeout = '{PATIENCE}'")
            await _drop(connection, row)
            await connection.execute("reset lock_timeout")
    except StoreBusy:
        return False  # the connection is closed, and its lock_timeout with it
    return True


async def _drop(connection: Connection, row: asyncpg.Record) -> None:
    name, parent = row["name"], row["parent"]
    if row["pending"]:
        await connection.execute(f'alter table "{parent}" detach partition "{name}" finalize')
    elif row["attached"]:
        # Dropped at once it would wait for a long reader, and every insert would wait behind it.
        await connection.execute(f'alter table "{parent}" detach partition "{name}" concurrently')
    if row["there"]:
        await connection.execute(f'drop table "{name}"')
