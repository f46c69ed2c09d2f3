"""An exported audit log, walked line by line along its hashes: which line was changed, taken out or put in.

It takes the lines as they come and keeps three of them, so a file may be of any size. What was cut off at the beginning
or at the end leaves a whole chain: the first and the last entry are told, and an anchor shows the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from payk.domain.audit import FIRST_HASH, MEMBERS, exported_hash

__all__ = ["LONGEST_LINE", "FileVerdict", "walk"]

LONGEST_LINE: Final = 64 * 1024 * 1024
"""Octets. The longest entries are differences of files with 100,000 senders, some megabytes."""


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """What a walk along a file found."""

    count: int
    """Entries that were looked at, and are whole."""
    first: int = 0
    """The first entry; 0 = there is none."""
    last: int = 0
    hash: str = FIRST_HASH.hex()
    """Of the last entry, in hex."""
    line: int | None = None
    """The line that was changed or put in, or that something was taken out before, from 1; None = all is whole."""
    why: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing was found."""
        return self.line is None


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    sequence: int
    previous: str
    hash: str
    whole: bool
    """Whether its hash is that of what it says."""

    def follows(self, other: _Line | None) -> bool:
        return self.whole and other is not None and self.sequence == other.sequence + 1 and self.previous == other.hash


class _Broken(Exception):
    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.number, self.why = number, why


def walk(lines: Iterable[bytes], *, anchor: tuple[int, str] | None = None) -> FileVerdict:
    """Look at every line, as `payk audit export` writes them, and end at the first that is not as it should be.

    `anchor`: number and hash (hex) of an entry, kept elsewhere, that must be in it.
    """
    first: _Line | None = None
    before: tuple[_Line | None, _Line | None] = (None, None)
    anchored, count = anchor is None, 0
    rest = _parsed(lines)
    broken: int | None = None
    why = ""
    try:
        for line in rest:
            if before[1] is None:
                _check_first(line)
                first = line
            elif not line.whole or not line.follows(before[1]):
                _tell(before[0], before[1], line, _next_whole(rest))
            if anchor is not None and anchor[0] == line.sequence:
                if anchor[1] != line.hash:
                    raise _Broken(line.number, f"the anchor has another hash for entry {line.sequence}")
                anchored = True
            before, count = (before[1], line), count + 1
        if anchor is not None and not anchored:
            raise _Broken(count + 1, f"entry {anchor[0]}, which the anchor names, is not in it")
    except _Broken as found:
        broken, why = found.number, found.why
    if first is None or before[1] is None:
        return FileVerdict(count, line=broken, why=why)
    return FileVerdict(count, first.sequence, before[1].sequence, before[1].hash, broken, why)


def _check_first(line: _Line) -> None:
    if not line.whole or (line.sequence == 1) is not (line.previous == FIRST_HASH.hex()):
        raise _Broken(line.number, f"entry {line.sequence} was changed")


def _tell(two_before: _Line | None, before: _Line, line: _Line, following: _Line | None) -> NoReturn:
    """Why a line is not whole, or does not follow the one before it."""
    put_in = "entry {} was put in, or stands in a wrong place"
    if following is not None and following.follows(before):
        raise _Broken(line.number, put_in.format(line.sequence))
    if not line.whole:
        raise _Broken(line.number, f"entry {line.sequence} was changed")
    if line.follows(two_before):
        raise _Broken(before.number, put_in.format(before.sequence))
    if line.sequence <= before.sequence:
        raise _Broken(line.number, put_in.format(line.sequence))
    if line.sequence > before.sequence + 1:
        missing = (before.sequence + 1, line.sequence - 1)
        were = f"entry {missing[0]} was" if missing[0] == missing[1] else f"entries {missing[0]} to {missing[1]} were"
        raise _Broken(line.number, f"{were} removed before it")
    changed = before if following is None or following.follows(line) else line
    raise _Broken(changed.number, f"entry {changed.sequence} was changed, with its hash")


def _next_whole(lines: Iterator[_Line]) -> _Line | None:
    try:
        return next(lines, None)
    except _Broken:
        return None


def _parsed(lines: Iterable[bytes]) -> Iterator[_Line]:
    for number, line in enumerate(lines, 1):
        yield _line(number, line)


def _line(number: int, written: bytes) -> _Line:
    try:
        row = json.loads(written, object_pairs_hook=_once) if len(written) <= LONGEST_LINE else None
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict) or set(row) != set(MEMBERS):
        raise _Broken(number, "it is no entry of an audit log")
    if type(row["sequence"]) is not int or not 0 < row["sequence"] < 2**63:
        raise _Broken(number, "its entry was changed: it has no number")
    whole = exported_hash(row).hex() == row["hash"]
    return _Line(number, row["sequence"], row["previous_hash"], row["hash"], whole)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object each of whose members stands in it once: of two a reader might show the other."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found
