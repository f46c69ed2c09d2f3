"""What the load consists of: bodies of requests, scripts that make wrk send them, and backlogs put into the store."""

from __future__ import annotations

import json
from dataclasses import replace
from math import gcd
from pathlib import Path
from typing import Final

from bench.rig import BANK, SENDER
from payk.domain.message import Priority, SmsType
from payk.store.accept import NewMessage, insert_messages
from payk.store.database import Database

__all__ = ["TEXT", "bulk_body", "bulks", "polls", "single_body", "singles", "store_backlog"]

TEXT: Final = "Ваш код подтверждения: 48213"

_BULK_PER_INSERT: Final = 5_000

_HEAD: Final = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-Api-Key"] = "{key}"
"""

_SINGLES: Final = (
    _HEAD
    + """
local sent = 0
function request()
    sent = sent + 1
    return wrk.format(nil, nil, nil, string.format('{body}', sent % 10000000, sent))
end
"""
)

_BULKS: Final = (
    _HEAD
    + """
local file = io.open("{file}", "rb")
wrk.body = file:read("*a")
file:close()
"""
)

_POLLS: Final = """
wrk.headers["X-Api-Key"] = "{key}"
local asked = 0
function request()
    asked = asked + {stride}
    return wrk.format("GET", "/api/v1/sms/" .. string.format("%d", {first} + asked % {count}))
end
"""


def single_body(phone: str, sms_type: SmsType, client_message_id: str | None = None, label: str | None = None) -> str:
    """A single message as integrators write it."""
    members = {"PhoneNumber": phone, "Text": TEXT, "SenderAddress": SENDER, "Priority": 1, "SmsType": int(sms_type)}
    if client_message_id is not None:
        members["ClientMessageId"] = client_message_id
    if label is not None:
        members["SmsLabel"] = label
    return json.dumps(members, ensure_ascii=False)


def bulk_body(count: int, prefix: str, label: str, sender: str = SENDER) -> bytes:
    """A mailing of so many messages."""
    items = [json.loads(single_body(f"{prefix}90{number:07d}", SmsType.BATCH, label=label)) for number in range(count)]
    return json.dumps([item | {"SenderAddress": sender} for item in items], ensure_ascii=False).encode()


def singles(folder: Path, prefix: str, run: str, key: str = BANK) -> Path:
    """A script that sends single messages, each to a number and with a ClientMessageId of its own; `run` names them."""
    body = single_body(f"{prefix}90%07d", SmsType.COMMON, f"{run}-%d", "codes")
    return _script(folder, "singles", _SINGLES.format(key=key, body=body))


def bulks(folder: Path, count: int, prefix: str) -> Path:
    """A script that sends one mailing again and again."""
    body = folder / f"bulk-{count}.json"
    body.write_bytes(bulk_body(count, prefix, "mailing"))
    return _script(folder, f"bulks-{count}", _BULKS.format(key=BANK, file=body))


def polls(folder: Path, first: int, count: int) -> Path:
    """A script that asks for the status of messages all over the range of ids."""
    stride = next(stride for stride in range(count * 5 // 8, 2 * count) if gcd(stride, count) == 1)
    return _script(folder, "polls", _POLLS.format(key=BANK, first=first, count=count, stride=stride))


async def store_backlog(
    db: Database,
    count: int,
    *,
    client_id: int,
    queue_id: int,
    prefix: str,
    sms_type: SmsType = SmsType.BATCH,
    label: str | None = None,
    sender: str = SENDER,
) -> None:
    """Put messages into the store by the verb that the doors use, in bulks."""
    message = NewMessage(client_id, "", sender, TEXT, sms_type, Priority.NORMAL, queue_id, parts=1, label=label)
    for start in range(0, count, _BULK_PER_INSERT):
        numbers = range(start, min(start + _BULK_PER_INSERT, count))
        await insert_messages(db, [replace(message, phone=f"{prefix}90{number:07d}") for number in numbers], timeout=60)


def _script(folder: Path, name: str, text: str) -> Path:
    file = folder / f"{name}.lua"
    file.write_text(text)
    return file
