"""Partitions are made before they are needed."""

from __future__ import annotations

from payk.store.database import Database
from payk.store.upkeep import ensure_partitions

__all__ = ["run_once"]


async def run_once(db: Database) -> int:
    """Make what is needed soon; returns 0, for there is never a second round to do."""
    await ensure_partitions(db)
    return 0
