"""All targets, by name."""

from __future__ import annotations

from typing import Final

from fuzz.codec import CODEC
from fuzz.receipt import RECEIPT, RECEIPT_TEXT
from fuzz.session import SESSION
from fuzz.stream import STREAM
from fuzz.target import Target
from fuzz.text import TIME, UDH, USER_DATA

__all__ = ["TARGETS"]

TARGETS: Final[dict[str, Target]] = {
    target.name: target for target in (CODEC, STREAM, SESSION, RECEIPT, RECEIPT_TEXT, USER_DATA, UDH, TIME)
}
