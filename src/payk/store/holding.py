"""Messages that were claimed and may not be sent yet go where they wait for their time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from payk.store.arrays import columns
from payk.store.database import Database
from payk.store.queries import sql

__all__ = ["Held", "hold_claimed"]


class Held(NamedTuple):
    """Messages that are staged now, and claimed ones of which something was sent before: they are not held."""

    held: list[int]
    begun: list[int]


async def hold_claimed(db: Database, incarnation: int, openings: Mapping[int, datetime]) -> Held:
    """Stage claimed messages until their opening; what time they had to be sent begins then anew.

    Raises StoreUnavailable: they stay claimed. One whose claim was taken away is left alone.
    """
    async with db.connection() as connection:
        row = await connection.fetchrow(sql("holding.hold_claimed"), incarnation, *columns(sorted(openings.items())))
    assert row is not None  # it is one row whatever there is
    return Held(*row)
