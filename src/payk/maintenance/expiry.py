"""Messages that could not be handed over within their ExpiresIn end as Expired."""

from __future__ import annotations

from payk.domain.receipt import ReceiptWait
from payk.store.database import Database
from payk.store.upkeep import expire

__all__ = ["run_once"]

BATCH = 1_000


async def run_once(db: Database, wait: ReceiptWait) -> int:
    """Expire what is late; returns how many."""
    return await expire(db, BATCH, wait)
