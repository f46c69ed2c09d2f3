"""EmbeddedPostgres: the server of one home, from its first start to its stop.

Any number of Payks may use the database of one home at a time. One of them supervises it: it has started the server
or found one that a killed run had left, restarts it when it dies, and stops it when it leaves as the last. The others
merely use it; one that runs `supervise` succeeds a supervisor that has gone.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import asyncpg

from payk.logs import get_logger
from payk.store.embedded.cluster import DATABASE, PORT, USER, initialise, install_binaries, write_configuration
from payk.store.embedded.errors import EmbeddedError
from payk.store.embedded.locks import Locks
from payk.store.embedded.place import Place
from payk.store.embedded.postmaster import Postmaster
from payk.store.embedded.server_log import ServerLog
from payk.store.embedded.strays import stop_strays
from payk.store.embedded.wal_stream import WalStream

__all__ = ["EmbeddedPostgres", "running_dsn"]

_WATCH = 0.2  # s between two looks at the server
_CALM = 10.0  # s of life after which a death counts as the first again: what cannot live dies sooner
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # s before a server that keeps dying is started again
_ROOM = 32_000_000  # bytes: a segment of its log has 16 MB
_ATTACH = 60.0  # s for another process to have its server ready
_ANSWER = 10.0  # s for one connection

_T = TypeVar("_T")
log = get_logger("store")


class EmbeddedPostgres:
    """The embedded database of one home.

    `settings` go on top of `cluster.SETTINGS`, e.g. {"shared_buffers": "1GB"}. After `start` or `attach_or_start`,
    `dsn` serves asyncpg in any process of our account; it stays the same through restarts of the server.
    """

    def __init__(self, home: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.home = home.resolve()
        self.dsn = ""
        self._settings = dict(settings or {})
        self._joined: tuple[Place, Locks] | None = None
        self._postmaster: Postmaster | None = None
        self._stream: WalStream | None = None

    @property
    def pid(self) -> int | None:
        """The postmaster's process, while we know it to run."""
        return self._postmaster.pid if self._postmaster and self._postmaster.is_running() else None

    @property
    def supervises(self) -> bool:
        """Whether the server is ours to restart and to stop, or another process's."""
        return self._joined is not None and self._joined[1].supervises

    def disk_is_full(self) -> bool:
        """Whether its disk lacks the room for another segment of its log; without it no server starts after a crash."""
        if self._joined is not None:
            with suppress(OSError):
                return shutil.disk_usage(self._joined[0].base).free < _ROOM
        return False

    async def start(self) -> str:
        """Start the server, or take over one that a killed run has left; the DSN. We are its supervisor then.

        Raises EmbeddedError, also if another Payk supervises the database of this home.
        """
        try:
            place, locks = await self._join()
            if not locks.try_supervise():
                raise EmbeddedError(f"Payk is already running with {self.home} (process {locks.supervisor()})")
            return await self._bring_up(place)
        except BaseException as error:
            await self.stop()
            raise _in_one_line(error, self.home) from error

    async def attach_or_start(self) -> str:
        """Use the server that another Payk supervises, or else `start` one; the DSN. Raises EmbeddedError."""
        try:
            place, locks = await self._join()
            deadline = time.monotonic() + _ATTACH
            while time.monotonic() < deadline:
                if locks.try_supervise():
                    return await self._bring_up(place)
                if locks.try_use() and await self._attach(place):
                    return self.dsn
                await asyncio.sleep(_WATCH / 4)
            raise EmbeddedError(f"process {locks.supervisor()} holds {self.home}, but its database does not answer")
        except BaseException as error:
            await self.stop()
            raise _in_one_line(error, self.home) from error

    async def supervise(self) -> None:
        """Watch the server until cancelled: restart it when it dies, succeed a supervisor that has gone."""
        assert self._joined is not None, "start or attach_or_start first"
        place, locks = self._joined
        pause = 0.0
        seen = time.monotonic()
        while True:
            await asyncio.sleep(_WATCH)
            if not locks.supervises and not locks.try_supervise():
                continue
            now = time.monotonic()
            if self._postmaster is not None and self._postmaster.is_running():
                ServerLog(place.log).bound()
                if now - seen > _CALM:
                    pause = 0.0
                continue
            log.warning("database_ended", home=str(self.home), pause=pause)
            await self._pause(pause)
            pause = min(max(_FIRST_PAUSE, 2 * pause), _LONGEST_PAUSE)
            try:
                await self._bring_up(place)
                log.info("database_restarted", home=str(self.home), pid=self.pid)
            except (EmbeddedError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.error("database_not_restarted", home=str(self.home), reason=str(error))
            seen = time.monotonic()

    async def stream_wal(self) -> None:
        """Stream the log into the folder of the backups, if there is one, while we supervise; until cancelled."""
        assert self._joined is not None, "start or attach_or_start first"
        place, locks = self._joined
        self._stream = WalStream(place, lambda: self.dsn, lambda: locks.supervises)
        await self._stream.run()

    @property
    def place(self) -> Place:
        """Where it lives."""
        assert self._joined is not None, "start or attach_or_start first"
        return self._joined[0]

    async def _pause(self, seconds: float) -> None:
        """Wait; where the disk was full, no longer than it is."""
        end = time.monotonic() + seconds
        was_full = self.disk_is_full()
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(_WATCH, left))
            if was_full and not self.disk_is_full():
                return

    async def stop(self) -> bool:
        """Leave. If nobody else uses the server it is shut down, and no process of it is left: True then.

        May be called twice, and after a start that failed.
        """
        if self._joined is None:
            return False
        place, locks = self._joined
        try:
            last = locks.try_leave()
            if last:
                running = self._postmaster or Postmaster.find(place.data)
                if running is not None:
                    await running.end()
                place.remove_socket_folder()
            return last
        finally:
            if self._stream is not None:
                await self._stream.end()
            locks.release()
            self._joined = self._postmaster = self._stream = None

    async def _join(self) -> tuple[Place, Locks]:
        if self._joined is not None:
            raise RuntimeError("started already")
        place = await _in_thread(lambda: Place.prepare(self.home))
        self._joined = place, Locks(place.base)
        if place.as_root:
            await stop_strays()
        return self._joined

    async def _bring_up(self, place: Place) -> str:
        """As the supervisor: a server that runs what is installed, with the settings of now, and holds our database."""
        binaries, configuration, changed = await _in_thread(lambda: self._prepare(place))
        running = Postmaster.find(place.data)
        if running is not None and changed:  # left by an older Payk, or with other settings
            await running.end()
            running = None
        server_log = ServerLog(place.log)
        since = server_log.size()
        self._postmaster = running or Postmaster.launch(place, binaries, configuration)
        await self._postmaster.ready(server_log, since)
        self.dsn = _dsn(place)
        await self._make_database()
        return self.dsn

    def _prepare(self, place: Place) -> tuple[Path, Path, bool]:
        binaries = install_binaries(place)
        initialise(place, binaries)
        configuration, changed = write_configuration(place, place.make_socket_folder(), self._settings)
        return binaries, configuration, changed

    async def _attach(self, place: Place) -> bool:
        running = Postmaster.find(place.data)
        if running is None or not running.is_ready():
            return False
        self.dsn = _dsn(place)
        try:
            await (await asyncpg.connect(self.dsn, timeout=_ANSWER)).close()
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False  # it is starting, or stopping
        self._postmaster = running
        return True

    async def _make_database(self) -> None:
        try:
            connection = await asyncpg.connect(self.dsn, timeout=_ANSWER)
        except asyncpg.InvalidCatalogNameError:
            connection = await asyncpg.connect(self.dsn, database="postgres", timeout=_ANSWER)
            await connection.execute(f"CREATE DATABASE {DATABASE}")
        await connection.close()


def running_dsn(home: Path) -> str | None:
    """The DSN of the server that runs on a home, None where none does. Makes, starts and waits for nothing."""
    place = Place.present(home)
    running = None if place is None else Postmaster.find(place.data)
    return None if place is None or running is None or not running.is_ready() else _dsn(place)


def _dsn(place: Place) -> str:
    return f"postgresql://{USER}@/{DATABASE}?host={quote(str(place.socket_folder()))}&port={PORT}"


def _in_one_line(error: BaseException, home: Path) -> BaseException:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return EmbeddedError(f"the database of {home} cannot be had: {where}{error.strerror or error}")
    if isinstance(error, asyncpg.PostgresError):
        return EmbeddedError(f"the database of {home} refuses us: {error}")
    return error


async def _in_thread(work: Callable[[], _T]) -> _T:
    """In a thread, and if we are cancelled not before it is done: what it makes must be whole when locks are let go."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
