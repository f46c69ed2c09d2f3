"""Who of the Payks on one home supervises the server, and who merely uses it.

The supervisor holds one file alone, from start to stop; everybody who uses the server, the supervisor too, shares
another. Whoever leaves and gets both alone is the last, and turns the server off. Locks go with their process,
however it ends. They are always taken in this order, so nobody who holds the first can find the second held alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

__all__ = ["Locks"]


class Locks:
    """Nobody waits here: callers poll."""

    def __init__(self, base: Path) -> None:
        self._supervisor = _Lock(base / "supervisor.lock")
        self._users = _Lock(base / "users.lock")
        self.supervises = False

    def try_supervise(self) -> bool:
        """Become the supervisor, and so a user."""
        if not self._supervisor.try_alone():
            return False
        self._supervisor.sign()
        self.supervises = self._users.try_shared()
        return self.supervises

    def try_use(self) -> bool:
        """Become a user; False while the last one turns the server off."""
        return self._users.try_shared()

    def try_leave(self) -> bool:
        """Whether we are the last, who turns the server off, and then `release`s. Else: `release`."""
        return self._supervisor.try_alone() and self._users.try_alone()

    def release(self) -> None:
        self.supervises = False
        self._users.release()
        self._supervisor.release()

    def supervisor(self) -> str:
        """For a message: the process that supervises, or did last."""
        return self._supervisor.signature()


class _Lock:
    """An flock(2) on a file of our own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def try_alone(self) -> bool:
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        return self._try(fcntl.LOCK_SH)

    def sign(self) -> None:
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def signature(self) -> str:
        with contextlib.suppress(OSError):
            return self._path.read_text().strip()
        return ""

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _try(self, kind: int) -> bool:
        """Also from shared to alone; where that fails, what we held is gone."""
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        return True
