"""A network between Payk and PostgreSQL that can be slow, or cut, at a word of ours or at one of the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from enum import Enum, auto
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

__all__ = ["Cut", "Network", "network_to"]


class Cut(Enum):
    """What happens when a client sends the awaited word."""

    BEFORE = auto()
    """The connection ends, and the server never sees the word."""
    AFTER = auto()
    """The server gets it and acts; its answer is lost with the connection."""
    SILENCE = auto()
    """The server gets it and acts; no answer comes, and the connection stays."""


class Network:
    """`dsn` leads through it. One word at a time is awaited, and met once."""

    def __init__(self, target: str, folder: Path) -> None:
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        self._host = query.get("host", [parts.hostname or "127.0.0.1"])[0]
        self._port = int(query.get("port", [parts.port or 5432])[0])
        user = parts.netloc.rpartition("@")[0]
        self.dsn = urlunsplit(
            parts._replace(netloc=f"{user}@" if user else "", query=f"host={quote(str(folder))}&port=5432")
        )
        self._socket = folder / ".s.PGSQL.5432"
        self._server: asyncio.Server | None = None
        self._word = b""
        self._cut = Cut.BEFORE
        self._writers: set[asyncio.StreamWriter] = set()
        self.delay = 0.0
        """Seconds that every answer takes longer, so every round trip does."""
        self.met = asyncio.Event()
        """Set once the awaited word came by, and in the case of `AFTER` and `SILENCE` was answered."""

    async def up(self) -> None:
        """Connections can be made from now on."""
        self._server = await asyncio.start_unix_server(self._carry, self._socket)

    async def down(self) -> None:
        """Cut every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    def on(self, word: str, cut: Cut) -> None:
        """Do this when a client sends the statement `word` as it stands (begin, commit), or one that holds it."""
        self.met.clear()
        self._word, self._cut = word.encode(), cut

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._host.startswith("/"):
            upstream = await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
        else:
            upstream = await asyncio.open_connection(self._host, self._port)
        lost = asyncio.Event()
        ends = (writer, upstream[1])
        self._writers.update(ends)
        try:
            await asyncio.gather(
                self._there(reader, upstream[1], lost, ends), self._back(upstream[0], writer, lost, ends)
            )
        finally:
            self._writers.difference_update(ends)
            for end in ends:
                end.transport.abort()

    async def _there(
        self,
        reader: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
        lost: asyncio.Event,
        ends: tuple[asyncio.StreamWriter, ...],
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if self._word and self._word in data:
                    self._word = b""
                    if self._cut is Cut.BEFORE:
                        self.met.set()
                        break
                    lost.set()
                upstream.write(data)
        for end in ends:
            end.transport.abort()

    async def _back(
        self,
        upstream: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        lost: asyncio.Event,
        ends: tuple[asyncio.StreamWriter, ...],
    ) -> None:
        on_their_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        bearer = asyncio.create_task(_bear(on_their_way, writer))
        try:
            with contextlib.suppress(OSError):
                while data := await upstream.read(65_536):
                    if lost.is_set():
                        self.met.set()
                        if self._cut is Cut.AFTER:
                            break
                        continue
                    on_their_way.put_nowait((asyncio.get_running_loop().time() + self.delay, data))
            if not writer.transport.is_closing():
                await on_their_way.join()
        finally:
            bearer.cancel()
        for end in ends:
            end.transport.abort()


async def _bear(answers: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    """Hand answers on in order, each when it is due."""
    while True:
        due, data = await answers.get()
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        writer.write(data)
        answers.task_done()


@contextlib.asynccontextmanager
async def network_to(dsn: str) -> AsyncIterator[Network]:
    """A network to the server of `dsn`, up."""
    with tempfile.TemporaryDirectory(prefix="payk-net-") as folder:
        network = Network(dsn, Path(folder))
        await network.up()
        try:
            yield network
        finally:
            await network.down()
