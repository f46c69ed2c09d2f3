"""Forgetting a number: what is on its way to it is ended, where that is meant, and then all of it is erased; or what is
known of it is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from payk.domain.access import Actor
from payk.domain.address import ways_to_write
from payk.domain.audit import AuditEntry
from payk.domain.message import MessageState, SmsType
from payk.logs import mask
from payk.registry.errors import ChangeRefused, ForceRequired
from payk.sealing import SealError
from payk.store.audit import record
from payk.store.database import Database
from payk.store.ending import OnEnded
from payk.store.forgetting import end_open, erase, find_known, open_messages

__all__ = ["Forgotten", "forget", "known"]

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
    there = await open_messages(db, phone)
    if there.open and not force:
        why = f"{there.open} messages to {mask(phone)} are still on their way: wait until they are final, or have"
        raise ForceRequired([f"{why} them ended; what was not handed over is Deleted, what was is Unknown."])
    detail = {"messages": there.messages, "on_their_way": there.open}
    await record(db, [AuditEntry(actor, "number.forget", "number", mask(phone), detail)])
    ended = await _end(db, phone, there.highest, on_ended) if there.open else 0
    return Forgotten(ended, await erase(db, phone, there.highest, ways_to_write(phone)))


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


async def known(db: Database, phone: str, opens: Callable[[str, str], str]) -> AsyncIterator[dict[str, Any]]:
    """All that is known of a number in its normal form, thing by thing, each with its `kind`. That somebody asked is to
    be recorded by the caller. `opens` makes the text of what is stored and the number (payk.sealing.TextSeal.open)."""
    async for kind, row in find_known(db, phone, ways_to_write(phone)):
        told = {"kind": kind, **row}
        if kind == "message":
            told |= {"text": _text(opens, row), "sms_type": SmsType(row["sms_type"]).name.capitalize()}
        if row.get("state") is not None:
            told["state"] = MessageState(row["state"]).label
        yield told


def _text(opens: Callable[[str, str], str], row: Mapping[str, Any]) -> str | None:
    """A message's text; "" where it was wiped, None where no key of ours opens it."""
    stored: str = row["text"]
    if row["sms_type"] != SmsType.OTP:
        return stored
    try:
        return opens(stored, row["number"])
    except SealError:
        return None
