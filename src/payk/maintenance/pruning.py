"""What nobody asks for any more is dropped: old keys, receipts that were never claimed, ended incarnations."""

from __future__ import annotations

from payk.logs import get_logger
from payk.store.database import Database
from payk.store.upkeep import prune

__all__ = ["run_once"]

log = get_logger("maintenance")


async def run_once(db: Database) -> int:
    """Drop what is old; returns 0, for one round drops all of it."""
    counts = await prune(db)
    if any(counts.values()):
        log.info("pruned", **counts)
    return 0
