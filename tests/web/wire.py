"""The way to the database, where tests can cut it: a relay on a Unix socket in front of the real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from enum import Enum, auto
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["State", "Wire", "wire_to"]


class State(Enum):
    """What the relay does."""

    OPEN = auto()
    CUT = auto()
    """Nobody gets through, and who was is thrown out."""
    SILENT = auto()
    """Connections stay and carry nothing."""
    LOSE_COMMIT = auto()
    """The server commits, and the relay is CUT before anybody hears of it."""


class Wire:
    """A relay to the server of `dsn`; `self.dsn` leads through it."""

    def __init__(self, dsn: str, folder: Path) -> None:
        parts = urlsplit(dsn)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self._host = query.get("host") or parts.hostname or "127.0.0.1"
        self._port = int(query.get("port") or parts.port or 5432)
        self._path = folder / ".s.PGSQL.5432"
        self._writers: set[asyncio.StreamWriter] = set()
        self._state = State.OPEN
        self._opened = asyncio.Event()
        self._opened.set()
        user = unquote(parts.username or "postgres")
        secret = f":{parts.password}" if parts.password else ""
        self.dsn = f"postgresql://{user}{secret}@{parts.path}?host={folder}&port=5432"

    def become(self, state: State) -> None:
        """Change what the relay does from now on."""
        self._state = state
        if state is State.SILENT:
            self._opened.clear()
        else:
            self._opened.set()
        if state is State.CUT:
            for writer in list(self._writers):
                writer.transport.abort()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen while the block runs."""
        server = await asyncio.start_unix_server(self._accept, self._path)
        try:
            yield
        finally:
            self.become(State.CUT)
            server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._state is State.CUT:
            writer.transport.abort()
            return
        server_reader, server_writer = await self._connect()
        self._writers |= {writer, server_writer}
        await asyncio.gather(
            self._carry(reader, server_writer, outward=True), self._carry(server_reader, writer, outward=False)
        )
        self._writers -= {writer, server_writer}

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._host.startswith("/"):
            return await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
        return await asyncio.open_connection(self._host, self._port)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, outward: bool) -> None:
        with contextlib.suppress(OSError):
            while octets := await reader.read(65_536):
                await self._opened.wait()
                if self._state is State.LOSE_COMMIT and not outward and octets.startswith(b"C\0\0\0\x0bCOMMIT\0"):
                    self.become(State.CUT)
                    return
                writer.write(octets)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def wire_to(dsn: str, folder: Path) -> AsyncIterator[Wire]:
    """A relay that runs while the block does."""
    wire = Wire(dsn, folder)
    async with wire.running():
        yield wire
