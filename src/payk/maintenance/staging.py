"""Scheduled messages, and those that wait for another try, enter the queue when they are due."""

from __future__ import annotations

from payk.store.database import Database
from payk.store.upkeep import stage_due

__all__ = ["run_once"]

BATCH = 2_000


async def run_once(db: Database) -> int:
    """Stage what is due; returns how many."""
    return await stage_due(db, BATCH)
