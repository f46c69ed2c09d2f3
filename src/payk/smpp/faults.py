"""What the peer of one session does wrong: errors, which are counted, and oddities, which are tolerated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from payk.smpp.recent import Recent

__all__ = ["Faults"]

_ERRORS_BEFORE_BIND: Final = 3
_STRAY_NACKS_A_MINUTE: Final = 3
_ODDITIES_TOLD: Final = 100


class Faults:
    """``errors_per_minute`` are too many once bound; before, three are."""

    __slots__ = ("_before_bind", "_errors", "_stray_nacks", "_told")

    def __init__(self, errors_per_minute: int) -> None:
        self._before_bind = 0
        self._errors = Recent(errors_per_minute)
        self._stray_nacks = Recent(_STRAY_NACKS_A_MINUTE)
        self._told: set[str] = set()

    def count(self, now: float, *, bound: bool) -> str | None:
        """One more error: why the session ends by it, or None."""
        if bound:
            return "too many errors" if self._errors.add(now) else None
        self._before_bind += 1
        return "too many errors before the bind" if self._before_bind >= _ERRORS_BEFORE_BIND else None

    def count_stray_nack(self, now: float) -> str | None:
        """That error was a generic_nack to no request of ours: why the session ends by it, or None.

        The peer could not follow our stream, perhaps; a new connection begins a new one.
        """
        return "too many generic_nack to no request" if self._stray_nacks.add(now) else None

    def news(self, command: str, oddities: Iterable[str]) -> Iterator[str]:
        """The oddities of one PDU that are to be told: each kind once, a hundred kinds at most."""
        for oddity in oddities:
            if len(self._told) == _ODDITIES_TOLD:
                return
            description = f"{command}: {oddity}"
            if description not in self._told:
                self._told.add(description)
                yield description
