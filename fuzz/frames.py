"""Frames made from the tables of `payk.smpp.layout`, by no encoder of ours: strings too long, lengths that lie.

Most are right in most of their fields, for a frame that is wrong at its first field shows nothing of the others.
"""

from __future__ import annotations

import struct
from random import Random
from typing import Final

from fuzz.corpus import receipt_texts
from payk.smpp.layout import LAYOUTS, Field, Kind, Layout
from payk.smpp.tlv import TLV_TABLE, TlvKind

__all__ = ["frame_of", "random_frame", "with_right_length"]

_HEADER_SIZE: Final = 16
_TAGS: Final = tuple(int(tag) for tag in TLV_TABLE)
_STATUSES: Final = (0, 0, 0, 0, 0x01, 0x0D, 0x14, 0x45, 0x58, 0x22, 0x400, 0xFFFFFFFF)


def frame_of(command_id: int, body: bytes, *, status: int = 0, sequence_number: int = 1) -> bytes:
    """Header and body; the length is right."""
    return struct.pack(">IIII", _HEADER_SIZE + len(body), command_id, status, sequence_number) + body


def with_right_length(frame: bytes) -> bytes:
    """The same octets with a true command_length, if there is a header."""
    return len(frame).to_bytes(4, "big") + frame[4:] if len(frame) >= _HEADER_SIZE else frame


def random_frame(random: Random, layout: Layout | None = None) -> bytes:
    """A frame of one kind, of any if none is given."""
    layout = layout or random.choice(LAYOUTS)
    body = b"".join([_field(random, field) for field in layout.fields])
    if layout.takes_tlvs or not random.randrange(20):
        body += _tlvs(random)
    if not random.randrange(15):
        body = body[: random.randrange(len(body) + 1)]
    if not random.randrange(20):
        body += random.randbytes(random.randrange(4))
    number = random.choice((0, 1, 2, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
    return frame_of(int(layout.pdu.command_id), body, status=random.choice(_STATUSES), sequence_number=number)


def _field(random: Random, field: Field) -> bytes:
    match field.kind:
        case Kind.OCTET:
            return random.randbytes(1) if random.randrange(3) else b"\0"
        case Kind.TEXT:
            return _string(random, field.sent, field.accepted)
        case Kind.TIME:
            return random.choice(
                (b"\0", b"261124101559000+\0", b"000002000000000R\0", b"2611241015\0", b"x" * 17 + b"\0")
            )
        case Kind.MESSAGE:
            return _message(random)
        case Kind.DESTINATIONS:
            count = random.choice((0, 1, 1, 2, 3, 255))
            return bytes((count if random.randrange(15) else random.randrange(256),)) + b"".join(
                [_destination(random) for _ in range(count)]
            )
        case Kind.UNSUCCESS:
            count = random.choice((0, 0, 1, 2, 255))
            entries = [random.randbytes(2) + _string(random, 21, 21) + random.randbytes(4) for _ in range(count)]
            return bytes((count if random.randrange(15) else random.randrange(256),)) + b"".join(entries)


def _string(random: Random, sent: int, accepted: int) -> bytes:
    """With its NUL, as a rule; of the lengths around what we send and accept."""
    length = random.choice((0, 0, 1, 5, sent - 2, sent - 1, sent, min(accepted, 80) - 1, min(accepted, 80)))
    alphabet = random.choice((b"0123456789", b"AlifBank", bytes(range(1, 256))))
    return bytes(random.choices(alphabet, k=max(0, length))) + (b"\0" if random.randrange(25) else b"")


def _message(random: Random) -> bytes:
    text = random.choice(
        (b"", b"hello", random.choice(receipt_texts())[:255], random.randbytes(random.choice((1, 140, 160, 254, 255))))
    )
    return bytes((len(text) if random.randrange(15) else random.randrange(256),)) + text


def _destination(random: Random) -> bytes:
    match random.randrange(8):
        case 0:
            return b"\2" + _string(random, 21, 21)
        case 1:
            return random.randbytes(1) + _string(random, 21, 21)
        case _:
            return b"\1" + random.randbytes(2) + _string(random, 21, 21)


def _tlvs(random: Random) -> bytes:
    return b"".join([_tlv(random) for _ in range(random.choice((0, 0, 1, 1, 2, 3, 6)))])


def _tlv(random: Random) -> bytes:
    tag = random.choice(_TAGS) if random.randrange(6) else random.randrange(0x10000)
    kind = TLV_TABLE.get(tag)
    if kind is None or not random.randrange(8):
        value = random.randbytes(random.randrange(8))
    elif kind.kind is TlvKind.C_OCTETS:
        value = _string(random, min(kind.largest, 20), min(kind.largest, 66))
    else:
        value = random.randbytes(random.choice((kind.smallest, min(kind.largest, 12))))
    length = len(value) if random.randrange(12) else random.choice((0, len(value) + 1, 0x41, 0xFFFF))
    return struct.pack(">HH", tag, length) + value
