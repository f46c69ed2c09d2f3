"""The running server of one cluster: found or launched, waited for, ended.

The server is in a session of its own, so the terminal's Ctrl-C does not reach it: we end it, after our own work. If
we are killed it lives on, and the next run finds it: by its pid file, and by the folder that its process works in,
because a process number alone may have passed to somebody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil

from payk.store.embedded.errors import EmbeddedError
from payk.store.embedded.place import Place
from payk.store.embedded.server_log import ServerLog

__all__ = ["Postmaster"]

_POLL = 0.02  # s
_START = 300.0  # s; after a crash the server first reads its log again, up to max_wal_size of it
_FAST = 6.0  # s for a clean shutdown, then
_IMMEDIATE = 6.0  # s for one that needs recovery later (the server kills what hangs after 5 s itself), then SIGKILL
_STATE_LINE = 7  # of postmaster.pid


class Postmaster:
    """One running postmaster, a child of ours or of a Payk that is gone."""

    def __init__(self, data: Path, process: psutil.Process, child: subprocess.Popen[bytes] | None = None) -> None:
        self._data = data
        self._process = process
        self._child = child

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    def find(cls, data: Path) -> Postmaster | None:
        """The server that runs on this cluster, if any."""
        try:
            pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            if process.cwd() != str(data) or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except (OSError, ValueError, psutil.Error):
            return None
        return cls(data, process)

    @classmethod
    def launch(cls, place: Place, binaries: Path, configuration: Path) -> Postmaster:
        """Start a server on a cluster that `find` found none on. It is not ready yet."""
        _disown_pid_file(place.data)
        _clear_sockets(place)
        command = [str(binaries / "postgres"), "-D", str(place.data), "-c", f"config_file={configuration}"]
        log = ServerLog(place.log).open()
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **place.as_account(),
            )
        finally:
            os.close(log)
        return cls(place.data, psutil.Process(child.pid), child)

    def is_running(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        with contextlib.suppress(psutil.Error):
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        return False

    def is_ready(self) -> bool:
        """Whether it takes connections, by its own account."""
        with contextlib.suppress(OSError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return len(lines) > _STATE_LINE and lines[0] == str(self.pid) and lines[_STATE_LINE].strip() == "ready"
        return False

    async def ready(self, log: ServerLog, since: int) -> None:
        """Wait until it takes connections. `since` is the size of its log before the start."""
        deadline = time.monotonic() + _START
        while not self.is_ready():
            if not self.is_running():
                raise EmbeddedError(f"the database server does not start: {log.last_error(since)}")
            if time.monotonic() > deadline:
                raise EmbeddedError(f"the database server is not ready after {_START:.0f} s: {log.last_error(since)}")
            await asyncio.sleep(_POLL)

    async def end(self) -> None:
        """Shut it down and wait; harder where it does not obey. When this returns no process of the server is left."""
        family = self._family()
        for harder, seconds in ((signal.SIGINT, _FAST), (signal.SIGQUIT, _IMMEDIATE)):
            self._signal(harder)
            if await self._gone(seconds):
                break
        else:
            family = {*family, *self._family()}
            self._signal(signal.SIGKILL)
            await self._gone(_IMMEDIATE)
        await asyncio.to_thread(_sweep, family)

    def _signal(self, number: signal.Signals) -> None:
        if self.is_running():
            with contextlib.suppress(psutil.NoSuchProcess):
                self._process.send_signal(number)

    def _family(self) -> set[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            return set(self._process.children(recursive=True))
        return set()

    async def _gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL)
        return True


def _sweep(family: set[psutil.Process]) -> None:
    """The postmaster's own processes end with it; whichever has not is killed."""
    _, left = psutil.wait_procs(family, timeout=1)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=5)


def _disown_pid_file(data: Path) -> None:
    """Make a pid file that a crash has left harmless.

    PostgreSQL takes a live process of that number for a rival and does not start, even if the number, after a restart
    of the machine, belongs to the server of another home. It excepts its own parent: so write our number there. To
    remove the file would be wrong: it also names the shared memory, by which PostgreSQL tells that processes of the
    old server live.
    """
    with contextlib.suppress(FileNotFoundError):
        file = os.open(data / "postmaster.pid", os.O_RDWR | os.O_NOFOLLOW)
        with os.fdopen(file, "r+") as pid_file:
            _, rest = [*pid_file.read().split("\n", 1), ""][:2]
            pid_file.seek(0)
            pid_file.write(f"{os.getpid()}\n{rest}")
            pid_file.truncate()


def _clear_sockets(place: Place) -> None:
    """Remove what a crash has left of the socket: its lock, too, passes for a rival's. The folder is ours alone."""
    folder = place.socket_folder()
    if folder is not None:
        for left in folder.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)
