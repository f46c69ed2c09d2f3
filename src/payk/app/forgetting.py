"""`payk forget`: everything of one number, erased, or exported."""

from __future__ import annotations

import asyncio
import json
import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from payk.app.opening import StartError, opened
from payk.app.secrets import unlocked
from payk.domain.address import NATIONAL_DIGITS, normalise_phone
from payk.domain.errors import Rejection
from payk.domain.message import MessageState, SmsType
from payk.logs import mask
from payk.sealing import SealError, TextSeal
from payk.settings import Settings
from payk.store.database import Database
from payk.store.forgetting import end_open, erase, find_known, open_messages
from payk.store.migrations import check_schema

__all__ = ["forget"]

PATIENCE: Final = 15.0
"""Seconds that messages in the hands of a process get to be answered by the operator."""


async def forget(settings: Settings, number: str, *, export: Path | None, force: bool) -> None:
    """Erase what is known of a number; or, with `export`, write it to a file and erase nothing.

    StartError where messages to it are on their way, unless `force`: then they are ended first.
    """
    try:
        phone = normalise_phone(number)
    except Rejection as error:
        raise StartError(error.detail) from error
    async with opened(settings) as (db, _):
        await check_schema(db)
        if export is not None:
            count = await _export(db, TextSeal(await unlocked(settings, db)), phone, export)
            print(f"{count} lines on {mask(phone)} were written to {export}; nothing was erased")
            return
        known = await open_messages(db, phone)
        if known.open and not force:
            raise StartError(
                f"{known.open} messages to {mask(phone)} are still on their way; wait until they are final, or end them"
                " with --force: what was not handed over is Deleted, what was is Unknown"
            )
        if known.open:
            await _end(db, phone, known.highest)
        counts = await erase(db, phone, known.highest, _ways_to_write(phone))
    print(f"forgotten: {mask(phone)}, in {', '.join(f'{count} {what}' for what, count in counts.items())}")


async def _end(db: Database, phone: str, highest: int) -> None:
    """End what is on its way, what a process has in its hands once it let go of it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        ended = await end_open(db, phone, highest)
        print(f"ended: {ended} messages")
        left = (await open_messages(db, phone)).open
        if not left:
            return
        if time.monotonic() > deadline:
            raise StartError(
                f"{left} messages to {mask(phone)} are being handed over, or came meanwhile; nothing was erased yet:"
                " repeat it"
            )
        await asyncio.sleep(0.5)


async def _export(db: Database, texts: TextSeal, phone: str, file: Path) -> int:
    """Write a line of JSON on each thing that is known of a number; how many. The file must not be there yet."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StartError(f"{file}: {error.strerror}") from error
    count = 0
    with os.fdopen(descriptor, "w", encoding="utf-8") as lines:
        async for kind, row in find_known(db, phone, _ways_to_write(phone)):
            if kind == "message":
                row |= {"text": _text(texts, row), "sms_type": SmsType(row["sms_type"]).name.capitalize()}
            if row.get("state") is not None:
                row["state"] = MessageState(row["state"]).label
            lines.write(json.dumps({"kind": kind} | row, ensure_ascii=False, default=_plain) + "\n")
            count += 1
    return count


def _text(texts: TextSeal, row: dict[str, Any]) -> str | None:
    """A message's text; "" where it was wiped, None where no key of ours opens it."""
    stored: str = row["text"]
    if row["sms_type"] != SmsType.OTP:
        return stored
    try:
        return texts.open(stored, row["number"])
    except SealError:
        return None


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} in an export")


def _ways_to_write(phone: str) -> list[str]:
    """The digits by which an operator may mean this number: with the country code, 00 before it, or without."""
    ways = [phone, f"00{phone}"]
    for country, digits in NATIONAL_DIGITS.items():
        if phone.startswith(country) and len(phone) == len(country) + digits:
            ways += [phone[len(country) :], f"0{phone[len(country) :]}"]
    return ways
