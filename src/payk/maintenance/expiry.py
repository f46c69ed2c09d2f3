"""Messages that could not be handed over within their ExpiresIn end as Expired."""

from __future__ import annotations

from payk.domain.receipt import ReceiptWait
from payk.metrics.catalogue import MESSAGES_EXPIRED
from payk.outcome_log import OutcomeLog
from payk.store.database import Database
from payk.store.upkeep import expire

__all__ = ["run_once"]

BATCH = 1_000


async def run_once(db: Database, wait: ReceiptWait, outcome_log: OutcomeLog) -> int:
    """Expire what is late; returns how many."""
    expired = await expire(db, BATCH, wait, outcome_log.on_ended)
    MESSAGES_EXPIRED.add(amount=expired)
    return expired
