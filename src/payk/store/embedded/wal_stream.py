"""The write-ahead log of the embedded database, streamed into the folder of its backups for as long as Payk runs.

pg_receivewal does it, with a replication slot, so that nothing is missed while no Payk runs. Whoever supervises the
server supervises it too. Where its folder cannot be written for long, the server drops what the slot would keep
(max_slot_wal_keep_size) rather than fill its own disk; then only a new base backup helps, and the log says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from payk.logs import get_logger
from payk.store.embedded.errors import EmbeddedError
from payk.store.embedded.place import Place
from payk.store.embedded.programs import connection_options, program

__all__ = ["SLOT", "WalStream", "read_folder", "write_folder"]

SLOT = "payk_backup"

_LOOK = 0.5  # s between two looks at the folder's name and at the program
_SETTLED = 3.0  # s of life after which the stream counts as working
_RETRY = 2.0  # s before it is started again

log = get_logger("store")


def read_folder(place: Place) -> Path | None:
    """The folder that the log of this database is streamed into, None = nowhere."""
    record = place.base / "wal-folder"
    try:
        return Path(record.read_text(encoding="utf-8").rstrip("\n"))
    except FileNotFoundError:
        return None


def write_folder(place: Place, folder: Path | None) -> None:
    """Stream it there from now on; the process that supervises the server follows."""
    record = place.base / "wal-folder"
    if folder is None:
        record.unlink(missing_ok=True)
        return
    new = record.with_name("wal-folder.new")
    new.write_text(f"{folder}\n", encoding="utf-8")
    new.rename(record)


class WalStream:
    """`ours()` = whether this process supervises the server."""

    def __init__(self, place: Place, ours: Callable[[], bool]) -> None:
        self._place = place
        self._ours = ours
        self._broken = False

    async def run(self) -> None:
        """Keep the stream up until cancelled."""
        while True:
            folder = read_folder(self._place) if self._ours() else None
            if folder is None:
                await asyncio.sleep(_LOOK)
                continue
            try:
                reason = await self._stream(folder)
            except OSError as error:
                reason = f"{error.filename or folder}: {error.strerror}"
            except EmbeddedError as error:
                reason = str(error)
            if reason is not None:
                if not self._broken:
                    log.error("the log is not streamed to the backup folder", folder=str(folder), reason=reason)
                self._broken = True
                await asyncio.sleep(_RETRY)

    async def _stream(self, folder: Path) -> str | None:
        """Run the program until it ends, or until it is not wanted any more; why it ended by itself."""
        sockets = self._place.socket_folder()
        if sockets is None:
            return "the server has no socket yet"
        folder.mkdir(mode=0o700, exist_ok=True)
        options = [
            *connection_options(sockets),
            "--slot",
            SLOT,
            "--synchronous",
            "--no-loop",
            "--directory",
            str(folder),
        ]
        child = await asyncio.create_subprocess_exec(
            program("pg_receivewal"),
            *options,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.defpath, "LANG": "C"},
            start_new_session=True,
        )
        try:
            return await self._watch(child, folder)
        finally:
            await _end(child)

    async def _watch(self, child: asyncio.subprocess.Process, folder: Path) -> str | None:
        assert child.stderr is not None
        words = asyncio.ensure_future(child.stderr.read(10_000))
        began = asyncio.get_running_loop().time()
        try:
            while child.returncode is None:
                await asyncio.wait([words], timeout=_LOOK)
                if not self._ours() or read_folder(self._place) != folder:
                    return None
                if self._broken and asyncio.get_running_loop().time() - began > _SETTLED:
                    self._broken = False
                    log.info("the log is streamed to the backup folder again", folder=str(folder))
            told = (await words).decode(errors="replace").splitlines()
            return told[0] if told else f"it ended with exit code {child.returncode}"
        finally:
            words.cancel()


async def _end(child: asyncio.subprocess.Process) -> None:
    """Let it finish what it is writing; not for long."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            async with asyncio.timeout(3):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()
