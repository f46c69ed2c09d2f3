"""GSM 03.38, the 7-bit alphabet of SMS (3GPP TS 23.038): text to septets and back, unpacked and packed.

Unpacked means one septet per octet, as SMPP carries it; a character of the extension table takes two (ESC and a code).
Texts are written in the default alphabet only; national shift tables are understood when reading.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

from payk.text.errors import UnencodableError
from payk.text.gsm_tables import DEFAULT_ALPHABET, DEFAULT_EXTENSION, LOCKING_SHIFT, SINGLE_SHIFT

__all__ = ["CR", "ESC", "LF", "decode", "encode", "foreign", "is_encodable", "pack", "try_encode", "unpack"]

LF: Final = 0x0A
CR: Final = 0x0D
ESC: Final = 0x1B

_ENCODING: Final = {
    **{ord(character): chr(septet) for septet, character in enumerate(DEFAULT_ALPHABET) if septet != ESC},
    **{ord(character): chr(ESC) + chr(septet) for septet, character in DEFAULT_EXTENSION.items()},
}
_NOT_ONE: Final = 0xFF
_OF_ASCII: Final = bytes(
    [ord(septets) if len(septets := _ENCODING.get(code, "")) == 1 else _NOT_ONE for code in range(256)]
)
"""The septet of each ASCII character, `_NOT_ONE` for those that have none or two."""
_FOREIGN: Final = re.compile("[^" + re.escape("".join(map(chr, _ENCODING))) + "]")
_SEVEN_BITS: Final = bytes(octet & 0x7F for octet in range(256))
_ESCAPE_OR_RUN: Final = re.compile(rb"\x1b(.?)|[^\x1b]+", re.DOTALL)


def is_encodable(text: str) -> bool:
    """Whether every character of `text` is in the default alphabet or its extension."""
    return _FOREIGN.search(text) is None


def foreign(text: str) -> Iterator[tuple[int, str]]:
    """Position and character, in order, of everything in `text` that is neither in the alphabet nor its extension."""
    return ((match.start(), match[0]) for match in _FOREIGN.finditer(text))


def encode(text: str) -> bytes:
    """`text` as unpacked septets. Raises UnencodableError that names the first character outside the alphabet."""
    octets = try_encode(text)
    if octets is None:
        position, outsider = next(foreign(text))
        raise UnencodableError(outsider, position, "GSM 03.38")
    return octets


def try_encode(text: str) -> bytes | None:
    """`text` as unpacked septets; None if a character is neither in the alphabet nor its extension."""
    if text.isascii():  # most texts are, and nearly all of them are one septet a character
        octets = text.encode("ascii").translate(_OF_ASCII)
        if _NOT_ONE not in octets:
            return octets
    return text.translate(_ENCODING).encode("ascii") if _FOREIGN.search(text) is None else None


def decode(octets: bytes, *, locking: int | None = None, single: int | None = None) -> str:
    """The text of unpacked septets; never fails, bit 7 is ignored.

    `locking` and `single` are national language identifiers from the UDH; a language without a table here reads as the
    default one. An escaped code that its table does not hold gives the main table's character; ESC ESC, and an ESC at
    the end, give a space (TS 23.038 section 6.2.1.1).
    """
    main = DEFAULT_ALPHABET if locking is None else LOCKING_SHIFT.get(locking, DEFAULT_ALPHABET)
    shift = DEFAULT_EXTENSION if single is None else SINGLE_SHIFT.get(single, DEFAULT_EXTENSION)
    codes = octets.translate(_SEVEN_BITS)
    if ESC not in codes:
        return codecs.charmap_decode(codes, "strict", main)[0]
    pieces: list[str] = []
    for match in _ESCAPE_OR_RUN.finditer(codes):
        escaped: bytes | None = match[1]
        if escaped is None:
            pieces.append(codecs.charmap_decode(match[0], "strict", main)[0])
        elif escaped in (b"", b"\x1b"):
            pieces.append(" ")
        else:
            pieces.append(shift.get(escaped[0], main[escaped[0]]))
    return "".join(pieces)


def pack(codes: bytes, *, fill_bits: int = 0) -> bytes:
    """Septets packed into octets, the first septet in the lowest bits (TS 23.038 section 6.1.2.1).

    `fill_bits` zero bits go first: what a UDH leaves up to the next septet border (0-6). Seven spare bits at the end
    are filled with CR, for zeros would read as '@' (section 6.1.2.3.1).
    """
    if not codes:
        return b""
    packed = bytearray()
    held, bits = 0, fill_bits
    for code in codes:
        held |= (code & 0x7F) << bits
        bits += 7
        if bits >= 8:
            packed.append(held & 0xFF)
            held >>= 8
            bits -= 8
    if bits == 1:
        held |= CR << 1
    if bits:
        packed.append(held)
    return bytes(packed)


def unpack(octets: bytes, *, fill_bits: int = 0, count: int | None = None) -> bytes:
    """The septets packed in `octets`, one per octet; the first `fill_bits` bits carry none.

    `count` is their number, where the carrier tells it. Without it all that fit are taken, save a CR in the last seven
    bits: it is the filling of `pack`.
    """
    codes = bytearray()
    held, bits = 0, 0
    for octet in octets:
        held |= octet << bits
        bits += 8
        if fill_bits:
            held >>= fill_bits
            bits -= fill_bits
            fill_bits = 0
        while bits >= 7:
            codes.append(held & 0x7F)
            held >>= 7
            bits -= 7
    if count is not None:
        return bytes(codes[:count])
    if not bits and codes.endswith(b"\r"):
        codes.pop()
    return bytes(codes)
