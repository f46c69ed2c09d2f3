"""The connections of a server, which go through its `Admission`.

Whoever is one too many is closed before a session is made, and a bind is told to the owner when it may be heard. What
became of it is seen in the answer that the owner gives.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from socket import socket
from typing import Final, cast

from payk.logs import get_logger
from payk.smpp import Admission, BindRequested, BindResp, CommandStatus, Request, Tally, TooMany, Visitor, refusal
from payk.smpp_connection.connection import WRITE_HIGH_WATER, SmppConnection

__all__ = ["serve"]

_TLS_HANDSHAKE: Final = 10.0  # seconds
_BACKLOG: Final = 1024  # connections that the system holds until we take them
_WRONG_ACCOUNT: Final = frozenset(
    {CommandStatus.ESME_RBINDFAIL, CommandStatus.ESME_RINVPASWD, CommandStatus.ESME_RINVSYSID}
)

_log = get_logger("smpp_connection")


class _Door:
    """What the connections of one `serve` share."""

    def __init__(
        self, factory: Callable[[float], SmppConnection], admission: Admission | None, tls: ssl.SSLContext | None
    ) -> None:
        self.admission = admission or Admission()
        self._factory = factory
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Task[None]] = set()  # each ends by itself after `_TLS_HANDSHAKE`
        self._tallies = {reason: Tally() for reason in TooMany}

    def arrive(self, transport: asyncio.Transport) -> None:
        """A TCP connection: nothing has been read of it."""
        peer = transport.get_extra_info("peername") or ("unknown", 0)
        visitor = self.admission.arrive(peer[0])
        if isinstance(visitor, TooMany):
            self.tell(visitor, f"{peer[0]}:{peer[1]}")
            transport.abort()
        elif self._tls is None:
            self.enter(transport, visitor)
        else:
            # The loop has started to read by the time that TLS could be put upon this transport; so upon another.
            connection = transport.get_extra_info("socket").dup()
            transport.abort()
            task = self._loop.create_task(self._agree_on_tls(connection, visitor, self._tls))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _agree_on_tls(self, connection: socket, visitor: Visitor, context: ssl.SSLContext) -> None:
        entered = False

        def made(transport: asyncio.Transport) -> None:
            nonlocal entered
            entered = True
            self.enter(transport, visitor)

        try:
            await self._loop.connect_accepted_socket(
                lambda: _Arrival(made), connection, ssl=context, ssl_handshake_timeout=_TLS_HANDSHAKE
            )
        except OSError:  # ssl.SSLError and TimeoutError too: a scanner, a peer that speaks no TLS
            connection.close()
        finally:
            if not entered:
                self.admission.leave(visitor)

    def enter(self, transport: asyncio.Transport, visitor: Visitor) -> None:
        """From here on it is a `SmppConnection`."""
        try:
            connection = self._factory(self._loop.time())
        except Exception:
            self.admission.leave(visitor)
            transport.abort()
            raise
        connection.pass_door(_Entry(self, visitor, connection), lambda: self.admission.leave(visitor))
        transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        transport.set_protocol(connection)
        connection.connection_made(transport)

    def tell(self, reason: TooMany, peer: str) -> None:
        """In one line for many."""
        if count := self._tallies[reason].add(self._loop.time()):
            _log.warning("smpp.not_let_in", reason=reason.value, peer=peer, times=count)


class _Arrival(asyncio.Protocol):
    """A connection whose own protocol is still to be given to it, by ``made``."""

    def __init__(self, made: Callable[[asyncio.Transport], None]) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made(cast(asyncio.Transport, transport))


class _Entry:
    """One connection's dealings with the admission, until it is bound."""

    def __init__(self, door: _Door, visitor: Visitor, connection: SmppConnection) -> None:
        self._door = door
        self._visitor = visitor
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._unheard = False
        self._waited = False

    def lets(self, event: BindRequested) -> bool:
        """Whether the owner is told this bind now; else it is refused, or told later.

        Who has waited may be refused all the same: others of its address have failed meanwhile.
        """
        wait = self._door.admission.hear(self._visitor, event.pdu.system_id, self._loop.time())
        if wait is None:
            self._unheard = True
            self._door.tell(TooMany.FAILED_BINDS, self._connection.peername)
            self._connection.send_response(event.pdu, refusal(event.pdu, CommandStatus.ESME_RBINDFAIL))
            return False
        if wait and not self._waited:
            self._waited = True
            self._loop.call_later(wait, self._connection.tell_bind, event)
            return False
        return True

    def answered(self, request: Request, response: BindResp) -> bool:
        """Whether that has bound it."""
        if response.command_status == CommandStatus.ESME_ROK:
            self._door.admission.bound(self._visitor)
            return True
        if response.command_status in _WRONG_ACCOUNT and not self._unheard:
            self._door.admission.failed(self._visitor, getattr(request, "system_id", ""), self._loop.time())
        return False


async def serve(
    host: str,
    port: int,
    factory: Callable[[float], SmppConnection],
    *,
    ssl: ssl.SSLContext | None = None,
    admission: Admission | None = None,
) -> asyncio.Server:
    """Listen; ``factory`` gets the loop's time and makes the object of a connection that is let in. Port 0 takes a free
    one. Without an ``admission`` the door has one of its own, with the default options."""
    loop = asyncio.get_running_loop()
    door = _Door(factory, admission, ssl)
    return await loop.create_server(lambda: _Arrival(door.arrive), host, port, backlog=_BACKLOG)
