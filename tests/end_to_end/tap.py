"""A tap between links and their operator: what each session said, PDU by PDU, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from payk.smpp import Framer, Pdu, decode
from payk.smpp.framing import BOUND_LIMIT

__all__ = ["Tap", "TappedSession", "tapped"]


@dataclass
class TappedSession:
    """One connection of a link. Times are seconds of the epoch."""

    said: list[tuple[float, Pdu]] = field(default_factory=list)
    """By the link."""
    heard: list[tuple[float, Pdu]] = field(default_factory=list)
    """By the operator."""
    ended_at: float | None = None

    def said_after(self, at: float) -> list[Pdu]:
        """What the link said from then on."""
        return [pdu for when, pdu in self.said if when > at]

    def first(self, kind: type[Any]) -> float | None:
        """When the link or the operator said the first of these."""
        return min((when for when, pdu in self.said + self.heard if isinstance(pdu, kind)), default=None)

    def count(self, kind: type[Any]) -> int:
        """How many of these the link has said."""
        return sum(isinstance(pdu, kind) for _, pdu in self.said)


@dataclass
class Tap:
    """`port` leads through it; sessions in the order in which they began."""

    port: int = 0
    sessions: list[TappedSession] = field(default_factory=list)

    async def until(self, condition: Callable[[], object], within: float = 20.0) -> None:
        """For what is seen a moment later."""
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def tapped(port: int) -> AsyncIterator[Tap]:
    """A tap before the operator on `port`."""
    tap = Tap()
    carriers: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        session = TappedSession()
        tap.sessions.append(session)
        carriers.add(asyncio.create_task(carry(reader, back, session.said, session)))
        carriers.add(asyncio.create_task(carry(there, writer, session.heard, session)))

    async def carry(
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        into: list[tuple[float, Pdu]],
        session: TappedSession,
    ) -> None:
        framer = Framer(BOUND_LIMIT)
        try:
            while octets := await reader.read(65_536):
                into += [(time.time(), decode(frame)) for frame in framer.feed(octets)]
                writer.write(octets)
                await writer.drain()
        except OSError:
            pass  # one of the two is gone: so is the other soon
        finally:
            session.ended_at = session.ended_at or time.time()
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    tap.port = server.sockets[0].getsockname()[1]
    try:
        yield tap
    finally:
        server.close()
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
