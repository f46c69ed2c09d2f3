"""What nobody asks for any more is dropped: old keys and answers, receipts never claimed, ended incarnations."""

from __future__ import annotations

from payk.logs import get_logger
from payk.store.database import Database
from payk.store.upkeep import prune, prune_kept_answers, prune_number_use

__all__ = ["run_once"]

log = get_logger("maintenance")

BATCH = 2_000
"""Kept answers that are dropped at a time: those to bulks are large."""


COUNTS = 10_000
"""Counts of messages to numbers that are dropped at a time."""


async def run_once(db: Database) -> int:
    """Drop what is old; returns 0, for one round drops all of it."""
    counts = await prune(db) | {"kept_answers": 0, "number_use": 0}
    while dropped := await prune_kept_answers(db, BATCH):
        counts["kept_answers"] += dropped
    while dropped := await prune_number_use(db, COUNTS):
        counts["number_use"] += dropped
    if any(counts.values()):
        log.info("pruned", **counts)
    return 0
