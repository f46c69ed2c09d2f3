"""An operator that writes octets of its own, for what `payk.smpp` would never write."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

__all__ = ["Talk", "answer_to", "raw_operator", "read_pdu"]

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_pdu(reader: asyncio.StreamReader) -> bytes:
    """One PDU of the link."""
    head = await reader.readexactly(4)
    return head + await reader.readexactly(int.from_bytes(head, "big") - 4)


def answer_to(request: bytes, command_id: int | None = None, status: int = 0, body: bytes = b"\0") -> bytes:
    """A response under the request's sequence number; of the request's own kind if no `command_id` is given."""
    kind = int.from_bytes(request[4:8], "big") | 0x80000000 if command_id is None else command_id
    head = b"".join(number.to_bytes(4, "big") for number in (16 + len(body), kind, status))
    return head + request[12:16] + body


@asynccontextmanager
async def raw_operator(talk: Talk) -> AsyncIterator[int]:
    """Runs `talk` on each connection, which is closed after it; gives the port."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(OSError, EOFError):
            await talk(reader, writer)
        writer.close()

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)  # so that what is not read is felt soon
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(serve, sock=listener)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
