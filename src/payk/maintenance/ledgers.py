"""Entries of the ledgers of prepaid clients that are older than they are kept go; the balances stand apart."""

from __future__ import annotations

from payk.logs import get_logger
from payk.store.balances import prune_ledgers
from payk.store.database import Database

__all__ = ["run_once"]

log = get_logger("maintenance")

BATCH = 2_000


async def run_once(db: Database, days: int) -> int:
    """Drop entries of more than `days` ago, a batch at a time; returns 0, for one round drops all of it."""
    after: int | None = 0
    dropped = 0
    while after is not None:
        after, gone = await prune_ledgers(db, days, after=after, limit=BATCH)
        dropped += gone
    if dropped:
        log.info("old entries of ledgers dropped", rows=dropped)
    return 0
