"""When each API key was used last, to a few seconds: written now and then, however many requests came."""

from __future__ import annotations

import asyncio

from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.registry import note_key_use

__all__ = ["keep_key_use"]

INTERVAL = 5.0
"""Seconds between two notes."""


async def keep_key_use(db: Database, used_keys: set[int]) -> None:
    """Note the keys that are put into `used_keys`, and take them out, until cancelled."""
    while True:
        await asyncio.sleep(INTERVAL)
        if not used_keys:
            continue
        noted = set(used_keys)
        used_keys.clear()
        try:
            await note_key_use(db, sorted(noted))
        except StoreError:
            used_keys |= noted
