"""Connections on which the next transaction has begun already."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg

__all__ = ["BegunAhead"]

KEEP = 0.1
"""Seconds that such a connection waits for its verb. It holds neither locks nor a snapshot."""

Connection = asyncpg.pool.PoolConnectionProxy


class BegunAhead:
    """Keeps them for KEEP seconds, the one used last on top; `end` is awaited for those that nobody came for."""

    def __init__(self, end: Callable[[Connection], Awaitable[None]]) -> None:
        self._end = end
        self._kept: list[tuple[Connection, asyncio.TimerHandle]] = []
        self._ending: set[asyncio.Future[None]] = set()

    def take(self) -> Connection | None:
        """One that is open still, None if there is none."""
        while self._kept:
            connection, timer = self._kept.pop()
            timer.cancel()
            try:
                if not connection.is_closed():
                    return connection
            except asyncpg.InterfaceError:  # the pool has taken a lost connection back already
                continue
            self._let_go(connection)
        return None

    def keep(self, connection: Connection) -> None:
        """For whoever comes next."""
        timer = asyncio.get_running_loop().call_later(KEEP, self._nobody_came_for, connection)
        self._kept.append((connection, timer))

    async def end(self) -> None:
        """End all of them."""
        while (connection := self.take()) is not None:
            self._let_go(connection)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _nobody_came_for(self, connection: Connection) -> None:
        self._kept = [kept for kept in self._kept if kept[0] is not connection]
        self._let_go(connection)

    def _let_go(self, connection: Connection) -> None:
        ending = asyncio.ensure_future(self._end(connection))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
