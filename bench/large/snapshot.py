"""A transaction that somebody forgot to end: nothing that was deleted since can be cleared away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from bench.figure import CannotRun
from payk.store.database import Database

__all__ = ["Snapshot", "snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`waiting` is how many messages waited when it was taken."""

    connection: asyncpg.Connection
    waiting: int

    async def look(self) -> None:
        """Raises CannotRun where it is not what it was, so that a figure may be behind none."""
        try:
            waiting = await self.connection.fetchval("select count(*) from waiting")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise CannotRun(f"the old snapshot was lost: {error}") from error
        if waiting != self.waiting:
            raise CannotRun("the old snapshot sees what came after it")


@asynccontextmanager
async def snapshot(db: Database) -> AsyncIterator[Snapshot]:
    """Held open until the end of the block."""
    connection = await db.dedicated()
    try:
        await connection.execute("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0")
        await connection.execute("begin isolation level repeatable read")
        yield Snapshot(connection, await connection.fetchval("select count(*) from waiting"))
    finally:
        connection.terminate()
