"""smpp34's server for the length of a block: what it heard, and what it is told to answer.

Its Python binding takes every bind, whatever the password, so it is no witness of refused ones.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import smpp34

from tests.links.smsc import Watch

__all__ = ["ForeignServer", "foreign_server"]


def accept_all(server: ForeignServer, submit: smpp34.SubmitSmEvent) -> None:
    """Take every message, with ids id-1, id-2, id-3 ... in the order in which smpp34 hands them out."""
    submit.accept(f"id-{len(server.submits)}")


class ForeignServer:
    def __init__(self, port: int) -> None:
        self.port = port
        self.watch = Watch()
        self.on_submit: Callable[[ForeignServer, smpp34.SubmitSmEvent], None] = accept_all
        self.esmes: list[smpp34.Esme] = []
        """Binds, in the order of their arrival."""
        self.submits: list[smpp34.SubmitSmEvent] = []
        self.unbound: list[str] = []
        """Session ids of those that have left."""

    @property
    def receiver(self) -> smpp34.Esme:
        return next(esme for esme in self.esmes if esme.can_receive)

    async def listen(self, server: smpp34.Server) -> None:
        """Until it is stopped."""
        while True:
            try:
                event = await server.next()
            except smpp34.SmppError:
                return
            if isinstance(event, smpp34.Esme):
                self.esmes.append(event)
            elif isinstance(event, smpp34.SubmitSmEvent):
                self.submits.append(event)
                self.on_submit(self, event)
            else:
                self.unbound.append(event.session_id)
            self.watch.changed()


@asynccontextmanager
async def foreign_server() -> AsyncIterator[ForeignServer]:
    server, here = await _started()
    listening = asyncio.create_task(here.listen(server))
    try:
        yield here
    finally:
        await server.stop()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _started() -> tuple[smpp34.Server, ForeignServer]:
    """It cannot be asked which port it took, so it is given one that was free a moment ago."""
    for attempt in range(10):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = smpp34.Server("127.0.0.1", port, system_id="foreign")
        try:
            await server.start()
        except smpp34.SmppError:
            if attempt == 9:
                raise
        else:
            return server, ForeignServer(port)
    raise AssertionError
