"""Files of reports that are made and not passed on yet, in a bounded room.

A small one is in memory, a larger one on the disk without a name: whatever ends the process, nothing is left of it.
"""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from collections.abc import Hashable, Iterator
from threading import Lock
from typing import Any, Final

from payk.domain.errors import Code
from payk.domain.report import ReportRefused
from payk.web.problems import Problem

__all__ = ["Spool", "SpooledFile"]

OF_ONE: Final = 512 * 2**20
"""Octets of the files of one asker."""
OF_ALL: Final = 4 * OF_ONE
"""Octets of all files of a site."""
IN_MEMORY: Final = 2**16
"""Octets of a file that are kept in memory, and that each file counts for at least."""
CHUNK: Final = 2**16
"""Octets that are passed on at a time."""
RETRY_AFTER: Final = 30
"""Seconds after which there may be room again."""


class Spool:
    """The room: `of_one` octets for one asker, `of_all` together. Files may be written to in any thread."""

    def __init__(self, of_one: int | None = None, of_all: int | None = None) -> None:
        self._of_one = of_one or OF_ONE
        self._of_all = of_all or OF_ALL
        self._taken: Counter[Hashable] = Counter()
        self._lock = Lock()

    def file(self, who: Hashable) -> SpooledFile:
        """A new file. Raises as SpooledFile.write."""
        return SpooledFile(self, who)

    def take(self, who: Hashable, octets: int, own: int) -> None:
        """Room for so many octets more of a file that has `own` so far."""
        with self._lock:
            if own + octets > self._of_one:
                rule = f"a report of more than {self._of_one:,} octets; group by less, or ask for less time"
                raise ReportRefused("GroupBy", rule)
            if self._taken[who] + octets > self._of_one:
                detail = f"Reports that you have not taken yet fill the {self._of_one:,} octets there are for yours."
                raise Problem(Code.RATE_LIMIT_EXCEEDED, f"{detail} Take them first.", retry_after=RETRY_AFTER)
            if self._taken.total() + octets > self._of_all:
                detail = "Reports that others have not taken yet fill the room there is. Repeat it later."
                raise Problem(Code.SERVICE_UNAVAILABLE, detail, retry_after=RETRY_AFTER)
            self._taken[who] += octets

    def give_back(self, who: Hashable, octets: int) -> None:
        """The file with so many octets is gone."""
        with self._lock:
            self._taken[who] -= octets
            if not self._taken[who]:
                del self._taken[who]


class SpooledFile(io.RawIOBase):
    """A file that is written once, read once and then gone; at the latest with its last reference."""

    def __init__(self, spool: Spool, who: Hashable) -> None:
        self._spool = spool
        self._who = who
        self._taken = self._written = 0
        self._take(IN_MEMORY)
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed with this one

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, octets: Any) -> int:
        """Take octets. Raises ReportRefused where the file is too large, and Problem where there is no room for it."""
        self._written += len(octets)
        if self._written > self._taken:
            self._take(self._written - self._taken)
        try:
            return self._file.write(octets)
        except OSError as error:
            detail = "There is no room on the disk for the file of this report. Repeat it later."
            raise Problem(Code.SERVICE_UNAVAILABLE, detail, retry_after=RETRY_AFTER) from error

    def _take(self, octets: int) -> None:
        self._spool.take(self._who, octets, self._taken)
        self._taken += octets

    def octets(self) -> Iterator[bytes]:
        """All that was written; its end is that of the file."""
        with self:
            self._file.seek(0)
            while chunk := self._file.read(CHUNK):
                yield chunk

    def close(self) -> None:
        """Leave nothing of it."""
        if not self.closed:
            super().close()
            if self._taken:
                self._spool.give_back(self._who, self._taken)
                self._taken = 0
            if hasattr(self, "_file"):
                self._file.close()
