"""Messages whose final receipt did not come in time end as Unknown. A late receipt still corrects them."""

from __future__ import annotations

from payk.outcome_log import OutcomeLog
from payk.store.database import Database
from payk.store.upkeep import give_up_unanswered

__all__ = ["run_once"]

BATCH = 1_000


async def run_once(db: Database, outcome_log: OutcomeLog) -> int:
    """Give up what is overdue; returns how many."""
    return await give_up_unanswered(db, BATCH, outcome_log.on_ended)
