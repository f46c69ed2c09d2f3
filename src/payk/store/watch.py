"""The engine that watches the database from this process: it looks once a second and writes down what it makes of it.

A look asks the database for its clock, and for nothing else; what that means is payk.store.conditions' to say. That a
disk is full is seen by whoever was refused, so the database of this process remembers it; from then on a look asks for
something that needs room too, until that works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from payk.clock import Clock
from payk.logs import get_logger
from payk.store.conditions import Answer, Conditions, Look
from payk.store.database import Connection, Database
from payk.store.errors import StoreError
from payk.store.queries import sql

__all__ = ["DatabaseWatch"]

log = get_logger("store")

PERIOD = 1.0
"""Seconds between two looks."""
PATIENCE = 2.0
"""Seconds for an answer; a network that swallows it says nothing."""


class DatabaseWatch:
    """Look once, before anybody needs the database's clock (Database.now); then run beside the engines.

    `disk_is_full` tells of a server that does not answer whether that is for want of room, where one can know.
    """

    def __init__(self, db: Database, clock: Clock, disk_is_full: Callable[[], bool] = lambda: False) -> None:
        self._db = db
        self._clock = clock
        self._disk_is_full = disk_is_full
        self._conditions = Conditions()
        self._looked_at = clock.monotonic()
        self.round_trip: float | None = None
        """Seconds that the last look took; None where it got no answer."""

    @property
    def warnings(self) -> list[str]:
        """What lasts, in words."""
        return self._conditions.warnings

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(PERIOD)

    async def look(self) -> None:
        """One look, and the lines that follow from it."""
        before, self._looked_at = self._looked_at, self._clock.monotonic()
        at, wall = self._looked_at, self._clock.now().timestamp()
        answer, error, has_room = None, "", False
        try:
            async with self._db.connection(PATIENCE) as connection:
                answer = await self._ask(connection)
            if self._conditions.disk_full:
                has_room = await self._finds_room()
        except StoreError as failed:
            error = self._db.why_away or str(failed)
        self.round_trip = None if answer is None else answer.round_trip
        unreachable = answer is None and self._db.away
        look = Look(
            at,
            wall,
            answer,
            error=error,
            unreachable=unreachable,
            disk_full=self._db.was_full_since(before) or (unreachable and self._disk_is_full()),
            has_room=has_room,
        )
        if answer is not None and answer.tells_time:
            self._db.tell_time(answer.clock, at=answer.at)
        for line in self._conditions.see(look):
            log.log(line.level, line.event, **line.fields)

    async def _ask(self, connection: Connection) -> Answer:
        asked = self._clock.monotonic()
        told = await connection.fetchval(sql("watch.tell_time"))
        round_trip = self._clock.monotonic() - asked
        return Answer(asked + round_trip / 2, round_trip, told)

    async def _finds_room(self) -> bool:
        async with self._db.transaction(PATIENCE) as connection:
            await connection.execute("set local work_mem = '64kB'")
            await connection.execute(sql("watch.need_room"))
        return True
