"""The counts of reports: what changed is added to them, messages of before are counted, and old counts go."""

from __future__ import annotations

from payk.logs import get_logger
from payk.store.database import Database
from payk.store.report_folding import BATCH, count_earlier, drop_empty, fold, prune_reports

__all__ = ["count_earlier_once", "fold_once", "tidy_once"]

log = get_logger("maintenance")


async def fold_once(db: Database) -> int:
    """Add what changed to the counts; returns 1 where there may be more of it."""
    return int(await fold(db) >= BATCH)


async def count_earlier_once(db: Database) -> int:
    """Count a slice of the messages that are older than the reports; returns 1 while there are more."""
    return await count_earlier(db)


async def tidy_once(db: Database, days: int) -> int:
    """Drop counts that came to nothing, and those older than `days`; returns 0, for one round drops all of it."""
    empty = await drop_empty(db)
    old = await prune_reports(db, days)
    if old:
        log.info("old counts dropped", rows=old, empty=empty)
    return 0
