"""Octets as findings.txt writes them: hexadecimal, and `(00*65535)` for what repeats, so that lines stay short."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["read", "written"]

_PERIODS: Final = range(1, 17)
_WORTH: Final = 40
"""Octets of a repetition that is worth its brackets."""
_PIECE: Final = re.compile(r"\(([0-9a-f]+)\*(\d+)\)|([0-9a-f]+)")


def written(octets: bytes) -> str:
    """ "-" for none."""
    pieces: list[str] = []
    start = plain = 0
    while start < len(octets):
        period, times = _repetition(octets, start)
        if not times:
            start += 1
            continue
        pieces.append(octets[plain:start].hex())
        pieces.append(f"({octets[start : start + period].hex()}*{times})")
        start = plain = start + period * times
    pieces.append(octets[plain:].hex())
    return "".join(pieces) or "-"


def read(text: str) -> bytes:
    """The octets of such a line."""
    if text == "-":
        return b""
    pieces = list(_PIECE.finditer(text))
    if "".join(piece[0] for piece in pieces) != text:
        raise ValueError(f"no octets: {text[:80]}")
    return b"".join(
        bytes.fromhex(piece[3]) if piece[3] else bytes.fromhex(piece[1]) * int(piece[2]) for piece in pieces
    )


def _repetition(octets: bytes, start: int) -> tuple[int, int]:
    """The shortest period from here on, and how often it comes; 0 times if that is not worth it."""
    for period in _PERIODS:
        unit = octets[start : start + period]
        if not octets.startswith(unit * 2, start):
            continue
        times = 2
        while octets.startswith(unit, start + period * times) and start + period * times < len(octets):
            times += 1
        if period * times >= _WORTH:
            return period, times
    return 0, 0
