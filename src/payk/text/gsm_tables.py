"""The character tables of 3GPP TS 23.038 (GSM 03.38): default alphabet, extension, national shift tables.

A main table is a string of 128 characters, indexed by septet; ESC (0x1B) holds its own place and is never looked up.
A shift table holds what follows ESC: septet -> character. No table for Cyrillic exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

__all__ = ["DEFAULT_ALPHABET", "DEFAULT_EXTENSION", "LOCKING_SHIFT", "SINGLE_SHIFT", "NationalLanguage"]


class NationalLanguage(IntEnum):
    """National language identifier: the value of the UDH elements 0x24 (single shift) and 0x25 (locking shift)."""

    TURKISH = 1
    SPANISH = 2
    PORTUGUESE = 3


def _changed(table: str, changes: Mapping[int, str]) -> str:
    return "".join(changes.get(septet, character) for septet, character in enumerate(table))


# Section 6.2.1, sixteen septets a row.
DEFAULT_ALPHABET: Final = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)

# Section 6.2.1.1.
DEFAULT_EXTENSION: Final[dict[int, str]] = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}

# Annex A.3. Spanish has no locking table.
LOCKING_SHIFT: Final[Mapping[int, str]] = {
    NationalLanguage.TURKISH: _changed(
        DEFAULT_ALPHABET,
        {0x04: "€", 0x07: "ı", 0x0B: "Ğ", 0x0C: "ğ", 0x1C: "Ş", 0x1D: "ş", 0x40: "İ", 0x60: "ç"},
    ),
    NationalLanguage.PORTUGUESE: (
        "@£$¥êéúíóç\nÔô\rÁá"
        "Δ_ªÇÀ∞^\\€Ó|\x1bÂâÊÉ"
        " !\"#º%&'()*+,-./"
        "0123456789:;<=>?"
        "ÍABCDEFGHIJKLMNO"
        "PQRSTUVWXYZÃÕÚÜ§"
        "~abcdefghijklmno"
        "pqrstuvwxyzãõ`üà"
    ),
}

# Annex A.2. Each of the three holds the default extension too.
SINGLE_SHIFT: Final[Mapping[int, Mapping[int, str]]] = {
    NationalLanguage.TURKISH: DEFAULT_EXTENSION
    | {0x47: "Ğ", 0x49: "İ", 0x53: "Ş", 0x63: "ç", 0x67: "ğ", 0x69: "ı", 0x73: "ş"},
    NationalLanguage.SPANISH: DEFAULT_EXTENSION
    | {0x09: "ç", 0x41: "Á", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú", 0x61: "á", 0x69: "í", 0x6F: "ó", 0x75: "ú"},
    NationalLanguage.PORTUGUESE: DEFAULT_EXTENSION
    | {0x05: "ê", 0x09: "ç", 0x0B: "Ô", 0x0C: "ô", 0x0E: "Á", 0x0F: "á", 0x12: "Φ", 0x13: "Γ", 0x15: "Ω"}
    | {0x16: "Π", 0x17: "Ψ", 0x18: "Σ", 0x19: "Θ", 0x1F: "Ê", 0x41: "À", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú"}
    | {0x5B: "Ã", 0x5C: "Õ", 0x61: "Â", 0x69: "í", 0x6F: "ó", 0x75: "ú", 0x7B: "ã", 0x7C: "õ", 0x7F: "â"},
}
