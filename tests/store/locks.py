"""Who waits while a test holds a lock in the store."""

from __future__ import annotations

import asyncio

from payk.store.database import Database

__all__ = ["until_somebody_waits"]

_WAITS = """select exists (
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')"""


async def until_somebody_waits(db: Database) -> None:
    """Until a transaction of this database waits for a lock of another one."""
    async with db.connection() as connection:
        while not await connection.fetchval(_WAITS):
            await asyncio.sleep(0.005)
