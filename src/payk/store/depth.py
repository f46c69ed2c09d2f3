"""How many messages wait: a count of the queue and of what is staged for later."""

from __future__ import annotations

from payk.store.database import Database
from payk.store.queries import sql

__all__ = ["queue_depth"]


async def queue_depth(db: Database, timeout: float) -> int:
    """Messages that were taken and not handed over yet, those being handed over included. Raises StoreError."""
    async with db.connection(timeout) as connection:
        return int(await connection.fetchval(sql("depth.queue_depth")))
