"""LISTEN on a connection of its own, for as long as the process lives, and the NOTIFY of wake-ups on the other side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from payk.logs import get_logger
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.queries import sql
from payk.store.wakeups import QUEUE_CHANNEL

__all__ = ["listen", "tell"]

log = get_logger("store")

TELL_PAUSE = 0.005
"""Seconds between two wake-ups of one process: each costs the database a commit."""
TELL_PACE = 0.020
"""The same where no one-time password waits: a dispatcher claims no more often."""
PROBE = 5.0
"""Seconds between proofs that the connection is alive: a network that swallows it says nothing."""


async def tell(db: Database) -> None:
    """Send the wake-ups of this process until cancelled. A database that is away loses wake-ups, never messages."""
    while True:
        payload = await db.wakeups.take()
        try:
            async with db.connection(timeout=2.0) as connection:
                await connection.execute(sql("claims.wake"), QUEUE_CHANNEL, payload)
        except StoreError:
            await asyncio.sleep(0.2)
        await asyncio.sleep(TELL_PAUSE)
        await db.wakeups.urgent(TELL_PACE - TELL_PAUSE)


def _set(event: asyncio.Event, *_: object) -> None:
    event.set()


async def listen(db: Database, channel: str, on_payload: Callable[[str], None], on_gap: Callable[[], None]) -> None:
    """Call `on_payload` for every NOTIFY on `channel` until cancelled.

    `on_gap` is called whenever notifications may have been missed: at the start and after every reconnect.
    """
    while True:
        try:
            connection = await db.dedicated()
        except StoreError:
            await asyncio.sleep(0.3)
            continue
        lost = asyncio.Event()
        connection.add_termination_listener(partial(_set, lost))
        try:
            await connection.add_listener(
                channel, lambda _connection, _pid, _channel, payload: on_payload(str(payload))
            )
            on_gap()
            while not lost.is_set():
                try:
                    async with asyncio.timeout(PROBE):
                        await lost.wait()
                except TimeoutError:
                    await connection.execute("select 1", timeout=2.0)
        except Exception as error:  # noqa: BLE001 - whatever ends this connection, the next one is tried
            log.warning("listening connection lost", channel=channel, error=str(error) or type(error).__name__)
            await asyncio.sleep(0.3)
        finally:
            connection.terminate()
