"""The server's own log: one file beside the cluster, bounded; it knows why a server did not start."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

__all__ = ["ServerLog"]

_LARGEST = 16_000_000  # bytes; one older file of that size is kept
_ERROR = re.compile(r"(?:PANIC|FATAL|ERROR|error):\s+(.*)")


class ServerLog:
    """Opened for appending by whoever runs a program of the server's, so that it may be emptied in place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> int:
        """A file descriptor for the standard output and error of a program."""
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def size(self) -> int:
        """Bytes; 0 if there is none yet."""
        return self._path.stat().st_size if self._path.exists() else 0

    def last_error(self, since: int) -> str:
        """What the last line of an error says, of those written after the first `since` bytes."""
        if not self._path.exists():
            return "its log is gone"
        with self._path.open("rb") as file:
            file.seek(since)
            text = file.read(1_000_000).decode(errors="replace")
        found = _ERROR.findall(text) or [" ".join(text.split())[-300:]]  # some have no level: a missing pg_control
        return f"{found[-1].strip()} ({self._path})"

    def bound(self) -> None:
        """Past the limit: set the lines aside and begin anew, under a server that goes on writing."""
        if self.size() > _LARGEST:
            shutil.copyfile(self._path, self._path.with_suffix(".log.1"))
            os.truncate(self._path, 0)
