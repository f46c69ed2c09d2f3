"""Receipts that nobody knew when they came are tried again: after 1 s, 2 s, 4 s ... for 72 hours."""

from __future__ import annotations

from payk.domain.directory import CurrentDirectory
from payk.domain.receipt import ReceiptWait
from payk.outcome_log import OutcomeLog
from payk.store.database import Database
from payk.store.receipts import parked_due, settle_parked

__all__ = ["run_once"]

BATCH = 500


async def run_once(db: Database, directory: CurrentDirectory, wait: ReceiptWait, outcome_log: OutcomeLog) -> int:
    """Try what is due; returns how many were matched."""
    due = await parked_due(db, BATCH)
    if not due:
        return 0
    settled = await settle_parked(db, due, directory, wait, outcome_log.received if outcome_log.on else None)
    return sum(1 for one in settled if one.message_id is not None)
