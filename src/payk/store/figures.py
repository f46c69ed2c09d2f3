"""How much room a centre has left, for those who watch it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from payk.store.database import Database
from payk.store.queries import sql

__all__ = ["Room", "room"]


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of what is finite."""

    ids_used: float
    """Share of all message ids that was given away."""
    partition_ids: Mapping[str, float]
    """By table how many ids beyond the last one have a partition."""
    partition_seconds: Mapping[str, float]
    """By table for how many seconds to come there are partitions."""
    low_balances: int
    """Clients with less than was asked for."""
    report_differences: int
    """Rows that are not folded into reports yet; counted up to 100,000."""
    database_bytes: int
    """What the database takes of the server's disk, indexes included, its write-ahead log not."""


async def room(db: Database, clients: Collection[int], least: int) -> Room:
    """`clients`: whose balances are looked at, by client_id; `least` in 1/10,000 of the currency unit."""
    async with db.connection() as connection:
        return Room(
            await connection.fetchval(sql("figures.ids_used")),
            {row[0]: row[1] for row in await connection.fetch(sql("figures.partition_ids"))},
            {row[0]: row[1] for row in await connection.fetch(sql("figures.partition_seconds"))},
            await connection.fetchval(sql("figures.low_balances"), sorted(clients), least),
            await connection.fetchval(sql("figures.report_differences")),
            await connection.fetchval(sql("figures.database_bytes")),
        )
