"""Messages that were claimed and may not be sent yet go where they wait for their time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from payk.store.arrays import columns
from payk.store.database import Database
from payk.store.queries import sql

__all__ = ["hold_claimed"]


async def hold_claimed(db: Database, incarnation: int, openings: Mapping[int, datetime]) -> int:
    """Stage claimed messages until their opening; returns how many. What time they had to be sent begins then anew.

    Raises StoreUnavailable: they stay claimed. One whose claim was taken away is left alone.
    """
    async with db.connection() as connection:
        return int(
            await connection.fetchval(sql("holding.hold_claimed"), incarnation, *columns(sorted(openings.items())))
        )
