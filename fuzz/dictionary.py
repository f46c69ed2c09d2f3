"""Octets that mean something to one of the targets; mutations put them in anywhere."""

from __future__ import annotations

from typing import Final

from payk.smpp import CommandId, Tag

__all__ = ["INTERESTING_OCTETS", "RECEIPT_TOKENS", "TEXT_TOKENS", "TOKENS"]

INTERESTING_OCTETS: Final = bytes(
    (0x00, 0x01, 0x02, 0x04, 0x0A, 0x0D, 0x10, 0x1B, 0x20, 0x3A, 0x40, 0x7F, 0x80, 0xFE, 0xFF)
)

_LABELS: Final = (
    b"id:",
    b"sub:",
    b"dlvrd:",
    b"submit date:",
    b"done date:",
    b"stat:",
    b"err:",
    b"text:",
    b"Text:",
    b"ID:",
)
_WORDS: Final = (
    b"DELIVRD",
    b"UNDELIV",
    b"EXPIRED",
    b"ACCEPTD",
    b"UNKNOWN",
    b"REJECTD",
    b"ENROUTE",
    b"DND_REJECTED",
    b"BADSTAT",
)
_BLANKS: Final = (b" ", b"\0", b"\0\0", b"\t", b"\r\n", b"\x0b", b"\x1c", b"\x85", b"\xa0", b"-", b":")
_VALUES: Final = (
    b"0123456789",
    b"000",
    b"21b",
    b"0000000000",
    b"201506201641",
    b"180711070003912+",
    b"000002000000000R",
)
_TEXT: Final = (b"\x1b", b"\x1be", b"\x1b\x1b", b"\xfe\xff", b"\xff\xfe", b"\xd8\x3d\xde\x00", b"\xd8\x00", b"\xdc\x00")
_UDH: Final = (
    b"\x05\x00\x03\x07\x02\x01",
    b"\x06\x08\x04\x01\x00\x02\x01",
    b"\x03\x24\x01\x01",
    b"\x03\x25\x01\x03",
    b"\x00",
)
_NUMBERS: Final = (
    b"\0\0\0\x10",
    b"\0\0\0\x0f",
    b"\0\x01\x11\x70",
    b"\0\x01\x11\x71",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
)
_TAGS: Final = tuple(int(tag).to_bytes(2, "big") for tag in Tag)
_TLVS: Final = (
    b"\x04\x27\x00\x01\x02",
    b"\x04\x27\x00\x00",
    b"\x00\x1e\x00\x05id-1\0",
    b"\x00\x1e\x00\x413005\0",
    b"\x04\x23\x00\x03\x03\x00\x01",
    b"\x04\x24\x00\x00",
    b"\x04\x24\xff\xff",
    b"\x02\x0c\x00\x02\x01\x00",
    b"\x14\x03\x00\x02ab",
)
_COMMANDS: Final = tuple(int(command).to_bytes(4, "big") for command in CommandId)

RECEIPT_TOKENS: Final[tuple[bytes, ...]] = _LABELS + _WORDS + _BLANKS + _VALUES
TEXT_TOKENS: Final[tuple[bytes, ...]] = _TEXT + _UDH
TOKENS: Final[tuple[bytes, ...]] = RECEIPT_TOKENS + TEXT_TOKENS + _NUMBERS + _TAGS + _TLVS + _COMMANDS
