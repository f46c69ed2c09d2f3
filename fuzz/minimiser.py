"""Cutting an input down to what its fault needs: pieces taken out, ever smaller ones, then octets made plain."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

__all__ = ["minimise"]

_PLAIN: Final = (0x00, 0x41)


def minimise(octets: bytes, shows: Callable[[bytes], bool], repair: Callable[[bytes], bytes], seconds: float) -> bytes:
    """The shortest that was found in that time; ``shows`` tells whether octets still have the fault.

    ``repair`` puts outer lengths right; both the repaired and the raw octets are tried.
    """
    until = time.monotonic() + seconds

    def better(candidate: bytes, best: bytes) -> bytes | None:
        for variant in dict.fromkeys((repair(candidate), candidate)):
            if variant != best and len(variant) <= len(best) and time.monotonic() < until and shows(variant):
                return variant
        return None

    best = octets
    width = max(1, len(best) // 2)
    while True:
        start, shorter = 0, False
        while start < len(best) and time.monotonic() < until:
            found = better(best[:start] + best[start + width :], best)
            if found is not None and len(found) < len(best):
                best, shorter = found, True
            else:
                start += width
        if not shorter and width == 1:
            break
        if time.monotonic() >= until:
            return best
        width = max(1, width // 2) if not shorter else min(width, max(1, len(best)))
    return _plain(best, better)


def _plain(best: bytes, better: Callable[[bytes, bytes], bytes | None]) -> bytes:
    for place in range(len(best)):
        for octet in _PLAIN:
            if best[place] == octet:
                break
            found = better(best[:place] + bytes((octet,)) + best[place + 1 :], best)
            if found is not None and len(found) == len(best):
                best = found
                break
    return best
