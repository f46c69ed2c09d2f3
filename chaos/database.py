"""The database: the embedded PostgreSQL, restarted when it dies, and the way to it, which can be cut amid a COMMIT."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from chaos.relay import Network, Relay
from payk.store.embedded import EmbeddedPostgres
from payk.store.embedded.place import SYSTEM_STATE

__all__ = ["CommitCut", "DatabaseNetwork", "DatabaseServer", "Loss", "database_server"]

SILENT_FOR = 8.0
"""Seconds that a connection stays whose COMMIT gets no answer; a client of the centre is answered before."""
_COMMIT = b"Q\x00\x00\x00\x0bcommit\x00"  # the simple query of asyncpg
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


class Loss(StrEnum):
    """What happens to a COMMIT that is cut."""

    UNSENT = "not sent on"
    """The connection ends, and the server never sees it."""
    UNANSWERED = "answers lost"
    """The server gets it and acts; its answer is lost with the connection."""
    SILENT = "answers lost, connections half-open"
    """The server gets it and acts; no answer comes, and the connection stays for a while."""


class CommitCut:
    """Cuts the next COMMITs of one process."""

    def __init__(self, pid: int, loss: Loss, *, times: int) -> None:
        self.pid = pid
        self.loss = loss
        self.met = 0
        self.done = asyncio.Event()
        """All of them were met."""
        self._times = times

    def meet(self) -> None:
        """One has come."""
        self.met += 1
        if self.met == self._times:
            self.done.set()


class DatabaseNetwork(Network):
    """Listens in a folder as a server does; every connection is known by the process that made it."""

    def __init__(self, dsn: str, folder: Path) -> None:
        super().__init__()
        parts = urlsplit(dsn)
        query = parse_qs(parts.query)
        self._server_socket = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
        self._socket = folder / ".s.PGSQL.5432"
        self.dsn = urlunsplit(parts._replace(query=f"host={quote(str(folder))}&port=5432"))
        self.commit_cut: CommitCut | None = None
        self.isolated: set[int] = set()
        """Processes whose new connections are silent."""

    async def listen(self) -> asyncio.AbstractServer:
        return await asyncio.get_running_loop().create_unix_server(lambda: DatabaseRelay(self), str(self._socket))

    async def connect(self, protocol: Callable[[], asyncio.Protocol]) -> asyncio.BaseTransport:
        transport, _ = await asyncio.get_running_loop().create_unix_connection(protocol, self._server_socket)
        return transport

    async def isolate(self, pid: int, seconds: float) -> int:
        """As `silence`, for a process that gets no other connection meanwhile."""
        self.isolated.add(pid)
        try:
            return await self.silence(lambda relay: relay.pid == pid, seconds)
        finally:
            self.isolated.discard(pid)
            self.cut(lambda relay: relay.pid == pid and relay.silent)


class DatabaseRelay(Relay):
    """A connection of a process to the database."""

    def __init__(self, network: DatabaseNetwork) -> None:
        super().__init__(network)
        self._database = network
        self._lost: Loss | None = None
        self.pid = 0

    def opened(self) -> None:
        octets = self.socket().getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        self.pid = _CREDENTIALS.unpack(octets)[0]
        self.silent = self.pid in self._database.isolated

    def from_client(self, data: bytes) -> bytes:
        cut = self._database.commit_cut
        if cut is None or cut.pid != self.pid or cut.done.is_set() or _COMMIT not in data or self.silent:
            return data
        cut.meet()
        if cut.loss is Loss.UNSENT:
            self.cut()
            return b""
        self._lost = cut.loss
        return data

    def from_server(self, data: bytes) -> bytes:
        if self._lost is Loss.UNANSWERED:
            self.cut()
        elif self._lost is Loss.SILENT and not self.silent:
            self.silent = True
            asyncio.get_running_loop().call_later(SILENT_FOR, self.cut)
        return b"" if self._lost else data


class DatabaseServer:
    """The server itself. `dsn` leads straight to it, `network.dsn` over the network that faults strike."""

    def __init__(self, embedded: EmbeddedPostgres, network: DatabaseNetwork) -> None:
        self._embedded = embedded
        self.network = network

    @property
    def dsn(self) -> str:
        return self._embedded.dsn

    @property
    def pid(self) -> int | None:
        """Of the postmaster, while it runs."""
        return self._embedded.pid

    def kill(self) -> None:
        """As a crash of the server would."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGKILL)

    async def supervise(self) -> None:
        """Restart it whenever it dies."""
        await self._embedded.supervise()


@asynccontextmanager
async def database_server(home: Path) -> AsyncIterator[DatabaseServer]:
    """A server with a new database, fsync on. In the end both are gone."""
    embedded = EmbeddedPostgres(home)
    with tempfile.TemporaryDirectory(prefix="payk-net-") as folder:
        try:
            network = DatabaseNetwork(await embedded.start(), Path(folder))
            listener = await network.listen()
            try:
                yield DatabaseServer(embedded, network)
            finally:
                listener.close()
                network.cut(lambda _: True)
        finally:
            await embedded.stop()
            _remove(home)


def _remove(home: Path) -> None:
    """The home, and as root its database, which lies elsewhere then."""
    if os.geteuid() == 0 and (home / "database-id").exists():
        shutil.rmtree(SYSTEM_STATE / (home / "database-id").read_text().strip(), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
