"""User data headers: writing those of long messages, reading any (3GPP TS 23.040 sections 9.2.3.24, .24.1, .24.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from payk.smpp.errors import LocalError

__all__ = ["Concatenation", "UserData", "concatenation_8bit", "concatenation_16bit", "parse_udh"]

_CONCATENATION_8BIT: Final = 0x00
_CONCATENATION_16BIT: Final = 0x08


@dataclass(frozen=True, slots=True)
class Concatenation:
    """Which part of which long message this is. ``number`` counts from 1 to ``total``."""

    reference: int
    total: int
    number: int


@dataclass(frozen=True, slots=True)
class UserData:
    """A short message taken apart. ``elements`` are pairs of identifier and octets, ``text`` is what follows them."""

    elements: tuple[tuple[int, bytes], ...]
    concatenation: Concatenation | None
    text: bytes


def concatenation_8bit(reference: int, total: int, number: int) -> bytes:
    """``05 00 03 RR TT SS``. `LocalError` unless reference is one octet and 1 <= number <= total <= 255."""
    return b"\x05\x00\x03" + _part(reference, 1, total, number)


def concatenation_16bit(reference: int, total: int, number: int) -> bytes:
    """``06 08 04 RRRR TT SS``. `LocalError` unless reference is two octets and 1 <= number <= total <= 255."""
    return b"\x06\x08\x04" + _part(reference, 2, total, number)


def _part(reference: int, width: int, total: int, number: int) -> bytes:
    if not (0 <= reference < 1 << 8 * width and 1 <= number <= total <= 0xFF):
        raise LocalError(f"no part of a long message: reference {reference}, {number} of {total}")
    return reference.to_bytes(width, "big") + bytes((total, number))


def parse_udh(short_message: bytes) -> UserData | None:
    """Take a message with a user data header apart; None if the header is none: deliver it raw then.

    It is none if its length or an element's reaches beyond it, or if a concatenation has the wrong size, no parts, or a
    number outside 1 to its total.
    """
    if not short_message or short_message[0] >= len(short_message):
        return None
    end = 1 + short_message[0]
    elements: list[tuple[int, bytes]] = []
    start = 1
    while start < end:
        if start + 2 > end or start + 2 + short_message[start + 1] > end:
            return None
        value_end = start + 2 + short_message[start + 1]
        elements.append((short_message[start], short_message[start + 2 : value_end]))
        start = value_end
    concatenation: Concatenation | None = None
    for identifier, value in elements:
        if identifier in (_CONCATENATION_8BIT, _CONCATENATION_16BIT):
            concatenation = _concatenation(value, 3 if identifier == _CONCATENATION_8BIT else 4)
            if concatenation is None:
                return None
    return UserData(tuple(elements), concatenation, short_message[end:])


def _concatenation(value: bytes, size: int) -> Concatenation | None:
    if len(value) != size:
        return None
    total, number = value[-2], value[-1]
    if not 1 <= number <= total:
        return None
    return Concatenation(int.from_bytes(value[:-2], "big"), total, number)
