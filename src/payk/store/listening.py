"""LISTEN on a connection of its own, for as long as the process lives; a lost connection is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from payk.logs import get_logger
from payk.store.database import Database
from payk.store.errors import StoreError

__all__ = ["listen"]

log = get_logger("store")

PROBE = 5.0
"""Seconds between proofs that the connection is alive: a network that swallows it says nothing."""


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
        connection.add_termination_listener(lambda *_: lost.set())
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
