"""Whether a COMMIT that was never confirmed took place: the database remembers the fate of its transactions."""

from __future__ import annotations

import asyncio

from payk.store.database import Connection, Database
from payk.store.errors import OutcomeUnknown, StoreError, StoreRefused
from payk.store.queries import sql

__all__ = ["transaction_id", "was_committed"]

ONE_LOOK = 5.0
"""Seconds for one look at the database; the next one may find it back."""
PAUSE = 0.1


async def transaction_id(connection: Connection) -> str:
    """The id of the transaction that this connection is in, for `was_committed`."""
    return str(await connection.fetchval(sql("commits.transaction_id")))


async def was_committed(db: Database, xid: str, deadline: float | None) -> bool:
    """Look a transaction up, again and again while the database is away.

    Raises OutcomeUnknown when no answer is to be had before `deadline` (of the event loop's clock; None = however long
    it takes).
    """
    loop = asyncio.get_running_loop()
    while deadline is None or loop.time() < deadline:
        patience = ONE_LOOK if deadline is None else min(ONE_LOOK, max(deadline - loop.time(), 0.05))
        try:
            async with db.connection(patience) as connection:
                status = await connection.fetchval(sql("commits.transaction_status"), xid)
            if status in ("committed", "aborted"):
                return bool(status == "committed")
        except StoreRefused:
            return False  # a server that took over without this transaction has never heard of it
        except StoreError:
            pass
        await asyncio.sleep(PAUSE)
    raise OutcomeUnknown
