"""Operators that are bound and take no messages are found, and found again when they do."""

from __future__ import annotations

from payk.domain.health import state_name
from payk.logs import get_logger
from payk.store.database import Database
from payk.store.health import look

__all__ = ["run_once"]

log = get_logger("maintenance")


async def run_once(db: Database) -> int:
    """Look once; returns 0, for the next look is worth something only when time has passed."""
    for shift in await look(db):
        if shift.to_state == state_name(True):
            log.warning("operator is sick", operator=shift.operator, reason=shift.reason, **shift.figures)
        else:
            log.info("operator is healthy again", operator=shift.operator, reason=shift.reason, **shift.figures)
    return 0
