"""The connection of a client, on which nothing is written unasked.

A transport of the event loop keeps what the system does not take, and writes it whenever the peer reads again: also
when the process has stood still meanwhile, before any other code of ours runs. Whoever may write only as long as it
holds a lease cannot use that. A wire writes by itself, past the transport, which only reads: what the system does not
take waits here, and at each try its protocol is asked whether it still may be written.
"""

from __future__ import annotations

import asyncio
import ssl
from socket import socket
from typing import Any, Generic, Protocol, TypeVar, cast

from payk.smpp_connection.tls import Tls

__all__ = ["Wire", "WireProtocol"]


class WireProtocol(Protocol):
    """As `asyncio.Protocol`; writing is paused while anything waits, and resumes when nothing does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...

    def data_received(self, data: bytes) -> None: ...

    def eof_received(self) -> object: ...

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def may_write(self) -> bool:
        """Asked before each write. If not, the connection is aborted, and what waits is never written."""


P = TypeVar("P", bound=WireProtocol)


class Wire(asyncio.Transport, asyncio.Protocol, Generic[P]):
    """The protocol of the loop's transport, and to its own protocol the transport. `ready`: TLS is agreed upon."""

    def __init__(self, protocol: P, tls: Tls | None) -> None:
        super().__init__()
        self.protocol = protocol
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._socket: socket | None = None  # the transport's, under a number of our own
        self._waiting = bytearray()
        self._closing = False
        self._made = False  # the protocol was told of the connection
        self._failure: Exception | None = None
        self.ready: asyncio.Future[None] = self._loop.create_future()

    # To the protocol: asyncio.Transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default if self._transport is None else self._transport.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return len(self._waiting)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._tls is None:
            self._send(data)
            return
        try:
            self._send(self._tls.seal(data))
        except ssl.SSLError as exc:
            self._fail(exc)

    def is_closing(self) -> bool:
        return self._closing or self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        """When what waits is written."""
        if self._closing:
            return
        self._closing = True
        if self._tls is not None:
            self._send(self._tls.farewell())
        if not self._waiting and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self._closing = True
        self._drop()
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    # To the loop: asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._socket = transport.get_extra_info("socket").dup()
        self._socket.setblocking(False)
        if self._tls is None:
            self._begin()
        else:
            self._receive_sealed(b"")

    def data_received(self, data: bytes) -> None:
        if self._tls is None:
            self.protocol.data_received(data)
        else:
            self._receive_sealed(data)

    def eof_received(self) -> bool:
        if self._made:
            self.protocol.eof_received()
        else:
            self._fail(ConnectionResetError("closed by the peer before TLS was agreed upon"))
        return True  # who closes is the protocol, when it has written its last

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._drop()
        self._transport = None
        reason = self._failure or exc
        if not self.ready.done():
            self.ready.set_exception(reason or ConnectionResetError("connection lost"))
            self.ready.exception()  # nobody need wait for it any more
        if self._made:
            self.protocol.connection_lost(reason)

    # TLS

    def _receive_sealed(self, sealed: bytes) -> None:
        assert self._tls is not None
        try:
            opened = self._tls.open(sealed)
        except ssl.SSLError as exc:
            self._send(self._tls.data_to_send())  # the peer is told what it did
            self._fail(exc)
            return
        self._send(self._tls.data_to_send())
        if self._tls.established and not self._made:
            self._begin()
        if opened:
            self.protocol.data_received(opened)
        if self._tls.ended and self._made:
            self.protocol.eof_received()

    def _begin(self) -> None:
        self._made = True
        self.protocol.connection_made(self)
        if not self.ready.done():
            self.ready.set_result(None)

    # Writing

    def _send(self, octets: bytes | bytearray | memoryview) -> None:
        """In order behind what waits."""
        if not octets or self._socket is None:
            return
        if self._waiting:
            self._waiting += octets
            return
        taken = self._offer(octets)
        if taken is not None and taken < len(octets):
            self._waiting += octets[taken:]
            self._loop.add_writer(self._socket, self._send_waiting)
            self.protocol.pause_writing()

    def _send_waiting(self) -> None:
        taken = self._offer(self._waiting)
        if taken is None:
            return
        del self._waiting[:taken]
        if not self._waiting:
            assert self._socket is not None and self._transport is not None
            self._loop.remove_writer(self._socket)
            if self._closing:
                self._transport.close()
            self.protocol.resume_writing()

    def _offer(self, octets: bytes | bytearray | memoryview) -> int | None:
        """How many octets the system took; None if that was the end of the connection."""
        assert self._socket is not None
        if not self.protocol.may_write():
            self._fail(ConnectionAbortedError("what was to be written may not be any more"))
            return None
        try:
            return self._socket.send(octets)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as exc:
            self._fail(exc)
            return None

    def _fail(self, reason: Exception) -> None:
        self._failure = self._failure or reason
        self.abort()

    def _drop(self) -> None:
        """Nothing more is written."""
        self._waiting.clear()
        if self._socket is not None:
            self._loop.remove_writer(self._socket)
            self._socket.close()
            self._socket = None
