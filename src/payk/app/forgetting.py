"""`payk forget`: everything of one number, erased, or exported."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from payk.app.ending import ends_told
from payk.app.local import local_actor
from payk.app.opening import StartError, opened
from payk.app.secrets import unlocked
from payk.domain.address import normalise_phone, ways_to_write
from payk.domain.audit import AuditEntry
from payk.domain.errors import Rejection
from payk.domain.message import MessageState, SmsType
from payk.logs import mask
from payk.registry.forgetting import forget as forget_number
from payk.sealing import SealError, TextSeal
from payk.settings import Settings
from payk.store.audit import record
from payk.store.database import Database
from payk.store.forgetting import find_known
from payk.store.migrations import check_schema

__all__ = ["forget"]


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
            entry = AuditEntry(local_actor(), "number.export", "number", mask(phone))
            await record(db, [entry])
            count = await _export(db, TextSeal(await unlocked(settings, db)), phone, export)
            print(f"{count} lines on {mask(phone)} were written to {export}; nothing was erased")
            return
        async with ends_told(db) as told:
            done = await forget_number(db, phone, told, actor=local_actor(), force=force)
    if done.ended:
        print(f"ended: {done.ended} messages")
    print(f"forgotten: {mask(phone)}, in {', '.join(f'{count} {what}' for what, count in done.counts.items())}")


async def _export(db: Database, texts: TextSeal, phone: str, file: Path) -> int:
    """Write a line of JSON on each thing that is known of a number; how many. The file must not be there yet."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StartError(f"{file}: {error.strerror}") from error
    count = 0
    with os.fdopen(descriptor, "w", encoding="utf-8") as lines:
        async for kind, row in find_known(db, phone, ways_to_write(phone)):
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
