"""One request at a time, for what is not load."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from bench.figure import CannotRun

__all__ = ["Connection", "connect", "post"]

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(url: str) -> Connection:
    """A connection to the host and port of `url`."""
    where = urlsplit(url)
    return await asyncio.open_connection(where.hostname, where.port)


async def post(connection: Connection, path: str, key: str, body: bytes) -> bytes:
    """The body of the answer. Raises CannotRun where it is not 200."""
    reader, writer = connection
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nX-Api-Key: {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    status = await reader.readline()
    length = 0
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    answer = await reader.readexactly(length)
    if b" 200 " not in status:
        raise CannotRun(f"POST {path} was refused: {answer.decode(errors='replace')[:200]}")
    return answer
