"""HTTP/1.1 as the clients of a load need it: lean, and exact about whether a request was on its way."""

from __future__ import annotations

import asyncio
import json
from typing import Any

__all__ = ["ClosedDoor", "Door", "NoAnswer"]

CONNECT_WITHIN = 2.0


class ClosedDoor(Exception):
    """No connection could be made: the request was never on its way."""


class NoAnswer(Exception):
    """The request was on its way, and its answer never came."""


_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Door:
    """An API process; `port` is where it listens now. Connections are kept and shared."""

    def __init__(self, name: str, key: str) -> None:
        self.name = name
        self.port = 0
        self._headers = f"Host: 127.0.0.1\r\nX-Api-Key: {key}\r\n".encode()
        self._idle: list[tuple[int, _Connection]] = []

    async def post(self, path: str, body: bytes, *, timeout: float) -> tuple[int, Any]:
        """Status and content. ClosedDoor, NoAnswer."""
        head = b"POST %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (path.encode(), self._headers, len(body))
        return await self._exchange(head + body, timeout)

    async def get(self, path: str, *, timeout: float) -> tuple[int, Any]:
        """As `post`."""
        return await self._exchange(b"GET %b HTTP/1.1\r\n%b\r\n" % (path.encode(), self._headers), timeout)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        for _, (_, writer) in self._idle:
            writer.close()
        self._idle.clear()

    async def _exchange(self, request: bytes, timeout: float) -> tuple[int, Any]:
        port, connection = await self._connection()
        reader, writer = connection
        whole = False
        try:
            async with asyncio.timeout(timeout):
                writer.write(request)
                status, content, kept = await _answer(reader)
            whole = kept
        except (OSError, asyncio.IncompleteReadError) as error:  # a TimeoutError is an OSError
            raise NoAnswer from error
        finally:
            if whole:
                self._idle.append((port, connection))
            else:
                writer.transport.abort()
        return status, content

    async def _connection(self) -> tuple[int, _Connection]:
        while self._idle:
            port, connection = self._idle.pop()
            if port == self.port and not connection[0].at_eof() and not connection[1].is_closing():
                return port, connection
            connection[1].transport.abort()
        port = self.port
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                return port, await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            raise ClosedDoor from error


async def _answer(reader: asyncio.StreamReader) -> tuple[int, Any, bool]:
    """Status, content, and whether the connection may be used again."""
    head = await reader.readuntil(b"\r\n\r\n")
    headers = head.lower()
    start = headers.index(b"content-length:") + len(b"content-length:")
    body = await reader.readexactly(int(headers[start : headers.index(b"\r\n", start)]))
    return int(head[9:12]), json.loads(body), b"connection: close" not in headers
