"""What a data_coding says about the octets of a message, and the text of those octets whatever they hold."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from payk.text import gsm, ucs2

__all__ = ["Alphabet", "alphabet_of", "decode_user_data"]


class Alphabet(StrEnum):
    """How the octets of a message are to be read."""

    GSM = "gsm"
    ASCII = "ascii"
    LATIN1 = "latin1"
    CYRILLIC = "cyrillic"
    HEBREW = "hebrew"
    UCS2 = "ucs2"
    BINARY = "binary"


# SMPP 3.4 section 5.2.19. The Japanese and Korean sets (5, 10, 13, 14) and pictograms (9) have no reader here.
_SMPP_VALUES: Final = {
    0x00: Alphabet.GSM,
    0x01: Alphabet.ASCII,
    0x02: Alphabet.BINARY,
    0x03: Alphabet.LATIN1,
    0x04: Alphabet.BINARY,
    0x06: Alphabet.CYRILLIC,
    0x07: Alphabet.HEBREW,
    0x08: Alphabet.UCS2,
}

# Octets past 0x7F are no ASCII; peers that send them under its name mean Latin-1, which also shows binary one to one.
_CODECS: Final = {
    Alphabet.ASCII: "latin-1",
    Alphabet.LATIN1: "latin-1",
    Alphabet.CYRILLIC: "iso8859-5",
    Alphabet.HEBREW: "iso8859-8",
    Alphabet.BINARY: "latin-1",
}


def alphabet_of(data_coding: int) -> Alphabet:
    """The alphabet of a data_coding octet (0-255): SMPP's own values, above them the groups of 3GPP TS 23.038.

    The meaning of 0, 1 and 2 is a habit of each operator; a link that differs says so in its settings.
    """
    if data_coding < 0x10:
        return _SMPP_VALUES.get(data_coding, Alphabet.BINARY)
    if data_coding >= 0xF0:
        return Alphabet.BINARY if data_coding & 0x04 else Alphabet.GSM
    if data_coding >= 0xE0:
        return Alphabet.UCS2
    if data_coding >= 0x80:
        return Alphabet.GSM
    if data_coding & 0x20:  # compressed
        return Alphabet.BINARY
    return (Alphabet.GSM, Alphabet.BINARY, Alphabet.UCS2, Alphabet.GSM)[data_coding >> 2 & 3]


def decode_user_data(octets: bytes, alphabet: Alphabet, locking: int | None = None, single: int | None = None) -> str:
    """The text of a message's octets (without UDH); never fails.

    `locking` and `single` are the national language identifiers of the UDH elements 0x25 and 0x24: they belong to the
    7-bit alphabet, also where data_coding says ASCII. What no store can keep is replaced: NUL becomes U+FFFD.
    """
    shifted = locking is not None or single is not None
    if alphabet is Alphabet.GSM or (shifted and alphabet is Alphabet.ASCII):
        return gsm.decode(octets, locking=locking, single=single)
    text = ucs2.decode(octets) if alphabet is Alphabet.UCS2 else octets.decode(_CODECS[alphabet], "replace")
    return text.replace("\0", "\ufffd")
