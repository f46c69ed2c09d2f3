"""A wire tap: what two peers say to each other, PDU by PDU, passed on octet for octet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from payk.smpp import Framer, Pdu, decode
from payk.smpp.framing import BOUND_LIMIT
from tests.links.smsc import Watch

__all__ = ["Tap", "tapped"]


class Tap:
    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.port = 0
        self.from_client: list[bytes] = []
        self.from_server: list[bytes] = []

    def seen(self, kind: type[Any], frames: list[bytes]) -> list[Any]:
        """The PDUs of this kind."""
        return [pdu for pdu in self.pdus(frames) if isinstance(pdu, kind)]

    @staticmethod
    def pdus(frames: list[bytes]) -> list[Pdu]:
        """All of them; nothing in them is odd to us."""
        oddities: list[str] = []
        pdus = [decode(frame, oddities) for frame in frames]
        assert oddities == []
        return pdus

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frames: list[bytes]) -> None:
        framer = Framer(BOUND_LIMIT)
        try:
            while octets := await reader.read(65_536):
                frames += framer.feed(octets)
                self.watch.changed()
                writer.write(octets)
                await writer.drain()
        except OSError:
            pass  # one of the two is gone: so is the other soon
        finally:
            writer.close()


@asynccontextmanager
async def tapped(port: int, watch: Watch) -> AsyncIterator[Tap]:
    """A tap before the server on `port`; connect to `Tap.port` instead."""
    tap = Tap(watch)
    directions: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        directions.add(asyncio.create_task(tap.carry(reader, back, tap.from_client)))
        directions.add(asyncio.create_task(tap.carry(there, writer, tap.from_server)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    tap.port = server.sockets[0].getsockname()[1]
    try:
        yield tap
    finally:
        server.close()
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        await asyncio.sleep(0)  # the loop lets go of what was closed
