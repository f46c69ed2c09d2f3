"""The write-ahead log of the embedded database, streamed into the folder of its backups for as long as Payk runs.

pg_receivewal does it, with a replication slot, so that nothing is missed while no Payk runs. Whoever supervises the
server supervises it too. Where its folder cannot be written for long, the server drops what the slot would keep
(max_slot_wal_keep_size) rather than fill its own disk; then only a new base backup helps, and the log says so.

A folder holds one stream without a gap: pg_receivewal goes on where the files of its folder end, whatever the slot
says. So whoever makes the slot anew makes a folder anew (backup.py), and nobody else makes one: where it is gone, a
disk is not mounted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import asyncpg

from payk.logs import get_logger
from payk.store.embedded.errors import EmbeddedError
from payk.store.embedded.place import Place
from payk.store.embedded.programs import ENVIRONMENT, connection_options, program

__all__ = ["SLOT", "WalStream", "end_reading", "read_folder", "write_folder"]

SLOT = "payk_backup"

_SEGMENT = 16 * 1024 * 1024  # bytes of a file of the log
_LOOK = 0.5  # s between two looks at the folder's name and at the program
_SETTLED = 3.0  # s of life after which the stream counts as working
_RETRY = 2.0  # s before it is started again
_PATIENCE = 2.0  # s for it to end
_ANSWER = 10.0  # s for one connection

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


async def end_reading(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Nobody reads from the slot any more: with its connection pg_receivewal ends, that of a killed Payk too."""
    await connection.fetch(
        "select pg_terminate_backend(active_pid, 5000) from pg_replication_slots"
        " where slot_name = $1 and active_pid is not null",
        SLOT,
    )


class WalStream:
    """`dsn()` reaches the server; `ours()` = whether this process supervises it."""

    def __init__(self, place: Place, dsn: Callable[[], str], ours: Callable[[], bool]) -> None:
        self._place = place
        self._dsn = dsn
        self._ours = ours
        self._child: asyncio.subprocess.Process | None = None
        self._broken = False

    async def run(self) -> None:
        """Keep the stream up until cancelled. The program outlives that: the server's shutdown sends it the rest."""
        while True:
            folder = read_folder(self._place) if self._ours() else None
            if folder is None:
                await asyncio.sleep(_LOOK)
                continue
            try:
                reason = await self._stream(folder)
            except (EmbeddedError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                reason = str(error) or "the server does not answer"  # TimeoutError has no words
            if reason is not None:
                if not self._broken:
                    log.error("the log is not streamed to the backup folder", folder=str(folder), reason=reason)
                self._broken = True
                await asyncio.sleep(_RETRY)

    async def end(self) -> None:
        """End the program, which may finish what it is writing; not for long."""
        child, self._child = self._child, None
        if child is None or child.returncode is not None:
            return
        for end in (child.terminate, child.kill):
            with contextlib.suppress(ProcessLookupError):
                end()
            with contextlib.suppress(TimeoutError):  # even a killed one waits for a disk that does not answer
                await asyncio.wait_for(child.wait(), _PATIENCE)
                return

    async def _stream(self, folder: Path) -> str | None:
        """Run the program until it ends, or until it is not wanted any more; why it ended by itself."""
        sockets = self._place.socket_folder()
        if sockets is None:
            return "the server has no socket yet"
        await self._end_another()
        await asyncio.to_thread(_remove_unfilled, folder)
        reading = ["--slot", SLOT, "--synchronous", "--no-loop", "--directory", str(folder)]
        self._child = await asyncio.create_subprocess_exec(
            program("pg_receivewal"),
            *connection_options(sockets),
            *reading,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=ENVIRONMENT,
            start_new_session=True,
        )
        reason = await self._watch(self._child, folder)
        await self.end()
        return reason

    async def _end_another(self) -> None:
        """Of a Payk that was killed: only one may read from the slot."""
        connection = await asyncpg.connect(self._dsn(), timeout=_ANSWER)
        try:
            await end_reading(connection)
        finally:
            connection.terminate()

    async def _watch(self, child: asyncio.subprocess.Process, folder: Path) -> str | None:
        assert child.stderr is not None
        words = asyncio.ensure_future(child.stderr.read())
        began = asyncio.get_running_loop().time()
        try:
            while not words.done():
                await asyncio.wait([words], timeout=_LOOK)
                if not self._ours() or read_folder(self._place) != folder:
                    return None
                if self._broken and asyncio.get_running_loop().time() - began > _SETTLED:
                    self._broken = False
                    log.info("the log is streamed to the backup folder again", folder=str(folder))
            told = words.result().decode(errors="replace").splitlines()
            return told[0] if told else f"it ended with exit code {await child.wait()}"
        finally:
            words.cancel()


def _remove_unfilled(folder: Path) -> None:
    """A file is filled with zeros first. Killed amid that, or out of disk, the program would not take it up again."""
    for path in folder.glob("*.partial"):
        if path.stat().st_size not in (0, _SEGMENT):
            path.unlink()  # the slot keeps what it was for
