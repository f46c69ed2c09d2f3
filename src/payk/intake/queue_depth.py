"""How many messages wait, as this process knows it, and whether there is a place for more."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from payk.clock import Clock
from payk.domain.message import SmsType
from payk.domain.queue_limit import QueueLimit
from payk.logs import get_logger
from payk.store.database import Database
from payk.store.depth import queue_depth
from payk.store.errors import StoreError

__all__ = ["QueueDepth"]

log = get_logger("intake")

INTERVAL = 0.5
"""Seconds between two counts."""

COUNTING_SHARE = 0.02
"""Of the time that may be spent on counting: a long queue is counted less often."""

PATIENCE = 25.0
"""Seconds for one count."""


class QueueDepth:
    """The last count of the queue, and what this process took since; what others took shows in the next count.

    While nothing is known, as with the database away, nobody is refused: the store itself says what it cannot take.
    """

    def __init__(self, db: Database, limit: QueueLimit, clock: Clock) -> None:
        self._db = db
        self._limit = limit
        self._clock = clock
        self._counted: int | None = None
        self._taken = 0
        """Stored since the last count began: a count holds all that was stored before."""
        self._admitted = 0
        """Of which it is not known yet whether they are stored."""
        self._filling = False

    def admit(self, messages: int, sms_types: Collection[SmsType]) -> None:
        """Keep places for the messages of a request, until `settle`. Raises QueueFull."""
        if self._counted is not None:
            self._limit.check(self._counted + self._taken + self._admitted + messages, sms_types)
        self._admitted += messages

    def settle(self, messages: int, *, stored: int) -> None:
        """Give the places of a request back, but for the messages that are stored, or may be."""
        self._admitted -= messages
        self._taken += stored

    def warnings(self) -> list[str]:
        """What is worth knowing."""
        if not self._filling or self._counted is None:
            return []
        return [f"the queue is filling: {self._counted:,} messages wait, of {self._limit.most:,} that may"]

    async def run(self) -> None:
        """Count again and again, until cancelled."""
        while True:
            began = self._clock.monotonic()
            await self.count()
            took = self._clock.monotonic() - began
            await asyncio.sleep(max(INTERVAL, took / COUNTING_SHARE - took))

    async def count(self) -> None:
        """Count once; where that fails nothing is known any more."""
        before = self._taken
        try:
            self._counted = await queue_depth(self._db, PATIENCE)
        except StoreError as error:
            if self._counted is not None:
                log.warning("the queue cannot be counted", reason=str(error))
            self._counted = None
            return
        self._taken -= before
        self._tell(self._counted)

    def _tell(self, depth: int) -> None:
        """A line when the queue begins to fill, and one when it has drained."""
        filling = self._limit.is_filling(depth, was=self._filling)
        if filling is not self._filling:
            self._filling = filling
            tell = log.warning if filling else log.info
            tell("the queue is filling" if filling else "the queue has drained", messages=depth, most=self._limit.most)
