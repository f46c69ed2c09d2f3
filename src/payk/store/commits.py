"""Whether a COMMIT that was never confirmed took place: the database remembers the fate of its transactions.

It does so while the server lives in which the transaction ran. After a crash, or a failover, its id may be another's:
then the caller looks for what the transaction would have written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from payk.store.database import Connection, Database
from payk.store.errors import OutcomeUnknown, StoreError, StoreRefused
from payk.store.queries import sql

__all__ = ["transaction_mark", "was_committed"]

ONE_LOOK = 5.0
"""Seconds for one look at the database; the next one may find it back."""
PAUSE = 0.1
PATIENCE = 1.0
"""Seconds that a transaction still open is left alone: its COMMIT may be on its way."""


async def transaction_mark(connection: Connection) -> str:
    """Names the transaction that this connection is in, for `was_committed`."""
    return str(await connection.fetchval(sql("commits.transaction_mark")))


async def was_committed(
    db: Database, mark: str, deadline: float | None, *, is_there: Callable[[Connection], Awaitable[bool]]
) -> bool:
    """Look a transaction up, again and again while the database is away; in another life of the server ask `is_there`.

    Raises OutcomeUnknown when no answer is to be had before `deadline` (of the event loop's clock; None = however long
    it takes).
    """
    loop = asyncio.get_running_loop()
    end_at = loop.time() + PATIENCE
    while deadline is None or loop.time() < deadline:
        patience = ONE_LOOK if deadline is None else min(ONE_LOOK, max(deadline - loop.time(), 0.05))
        try:
            async with db.transaction(patience) as connection:
                status = await connection.fetchval(sql("commits.transaction_status"), mark)
                committed = await is_there(connection) if status == "elsewhere" else status == "committed"
                if committed:
                    # A server whose synchronous standby is away shows as committed what it would lose with itself.
                    await connection.execute(sql("commits.write_nothing"))
                elif status == "in progress" and loop.time() > end_at:
                    await connection.execute(sql("commits.end_backend"), mark)
            if status != "in progress":
                return committed
        except StoreRefused:
            return False  # a server that took over without this transaction has never heard of it
        except StoreError:
            pass
        await asyncio.sleep(PAUSE)
    raise OutcomeUnknown
