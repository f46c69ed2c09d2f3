"""How a duty is kept: one process holds its lease and runs it at its interval; the others stand by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from payk.logs import get_logger
from payk.metrics.catalogue import DUTY_FAILURES
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.incarnation import Incarnation
from payk.store.processes import lease_duty

__all__ = ["Duty", "keep"]

log = get_logger("maintenance")

LEISURE = 10.0
"""Of the time that a round took in vain."""
AGAIN = 60.0
"""Seconds after which a round that failed is tried again at the latest, whatever the interval, however long it took."""


@dataclass(frozen=True, slots=True)
class Duty:
    """Something that must be done again and again, by one process at a time."""

    name: str
    interval: float
    """Seconds between two rounds that found nothing left to do."""
    run_once: Callable[[], Awaitable[int]]
    """Does one round; returns how much it did. A positive number asks for another round at once."""


async def keep(duty: Duty, db: Database, incarnation: Incarnation) -> None:
    """Do a duty whenever this process holds its lease, until cancelled.

    Rounds that found nothing, and took long, are followed by pauses that are longer still: looking at what must stay as
    it is, such as a million messages that are held beyond their ExpiresIn, is not what a database is there for. Two in
    a row say so; one may have been slow for something else, as the first is, while all duties begin.
    """
    loop = asyncio.get_running_loop()
    DUTY_FAILURES.add(duty.name, amount=0)
    before = 0.0
    while True:
        done, failed, began = 0, False, loop.time()
        try:
            if incarnation.held() and await lease_duty(db, incarnation.number, duty.name):
                done = await duty.run_once()
        except StoreError as error:
            DUTY_FAILURES.add(duty.name)
            failed = True
            if not db.away:  # of that the watch tells (payk.store.watch)
                log.warning("duty failed", duty=duty.name, error=str(error))
        except Exception:  # a defect in one duty must not stop the others
            DUTY_FAILURES.add(duty.name)
            failed = True
            log.exception("duty failed", duty=duty.name)
        took = loop.time() - began
        pause = 0.0 if done > 0 else max(duty.interval, LEISURE * min(took, before))
        await asyncio.sleep(min(pause, AGAIN) if failed else pause)
        before = took
