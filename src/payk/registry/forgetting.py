"""Forgetting a number: what is on its way to it is ended, where that is meant, and then all of it is erased."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from payk.domain.access import Actor
from payk.domain.address import ways_to_write
from payk.domain.audit import AuditEntry
from payk.logs import mask
from payk.registry.errors import ChangeRefused, ForceRequired
from payk.store.audit import record
from payk.store.database import Database
from payk.store.ending import OnEnded
from payk.store.forgetting import end_open, erase, open_messages

__all__ = ["Forgotten", "forget"]

PATIENCE: Final = 15.0
"""Seconds that messages in the hands of a process get to be answered by the operator."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was ended, and in how much of what the number was erased."""

    ended: int
    counts: Mapping[str, int]


async def forget(db: Database, phone: str, on_ended: OnEnded | None = None, *, actor: Actor, force: bool) -> Forgotten:
    """Erase what is known of a number in its normal form; it is in the audit log, masked, before anything is done.
    `on_ended` is told of the messages that were ended for it.

    Raises ForceRequired (messages to it are on their way, and without `force` are not ended), ChangeRefused (some are
    being handed over all the time: nothing was erased yet), StoreError.
    """
    known = await open_messages(db, phone)
    if known.open and not force:
        why = f"{known.open} messages to {mask(phone)} are still on their way: wait until they are final, or have"
        raise ForceRequired([f"{why} them ended; what was not handed over is Deleted, what was is Unknown."])
    detail = {"messages": known.messages, "on_their_way": known.open}
    await record(db, [AuditEntry(actor, "number.forget", "number", mask(phone), detail)])
    ended = await _end(db, phone, known.highest, on_ended) if known.open else 0
    return Forgotten(ended, await erase(db, phone, known.highest, ways_to_write(phone)))


async def _end(db: Database, phone: str, highest: int, on_ended: OnEnded | None) -> int:
    """End what is on its way, what a process has in its hands once it let go of it; how many."""
    deadline = time.monotonic() + PATIENCE
    ended = 0
    while True:
        ended += await end_open(db, phone, highest, on_ended)
        left = (await open_messages(db, phone)).open
        if not left:
            return ended
        if time.monotonic() > deadline:
            raise ChangeRefused(
                f"{left} messages to {mask(phone)} are being handed over, or came meanwhile; nothing was erased yet:"
                " repeat it."
            )
        await asyncio.sleep(0.5)
