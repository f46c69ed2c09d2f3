"""Pumps octets between one TCP or TLS connection and one `smpp.Session`, on asyncio. No rule of SMPP lives here.

What is sent within one turn of the loop leaves in one write. One timer serves all deadlines of the session. While the
peer does not read what we write, we do not read it either, and after `WRITE_TIMEOUT` the connection is aborted.

A server's connections go through its `Admission`: whoever is one too many is closed before a session is made, and a
bind is told to the owner when it may be heard. What became of it is seen in the answer that the owner gives.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from socket import socket
from typing import Any, Final, cast

from payk.logs import get_logger
from payk.smpp import (
    Admission,
    BindRequested,
    BindResp,
    CommandStatus,
    Event,
    Request,
    Response,
    Session,
    Tally,
    TooMany,
    Visitor,
    refusal,
)

__all__ = ["WRITE_TIMEOUT", "SmppConnection", "connect", "serve"]

WRITE_TIMEOUT: Final = 10.0
"""Seconds that a peer may leave our octets unread, also the last ones before the close."""

_WRITE_HIGH_WATER: Final = 256 * 1024  # octets
_TLS_HANDSHAKE: Final = 10.0  # seconds
_BACKLOG: Final = 1024  # connections that the system holds until we take them
_WRONG_ACCOUNT: Final = frozenset(
    {CommandStatus.ESME_RBINDFAIL, CommandStatus.ESME_RINVPASWD, CommandStatus.ESME_RINVSYSID}
)

_log = get_logger("smpp_connection")


class SmppConnection(asyncio.Protocol):
    """One connection. ``on_event`` is called for every event of the session, in order, from the loop.

    A handler that raises is logged and ends its own session; the events still to come are delivered to it all the same.
    """

    def __init__(self, session: Session, on_event: Callable[[SmppConnection, Event], None]) -> None:
        self.session = session
        self.on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._peername = "not connected"
        self._lost = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._write_timer: asyncio.TimerHandle | None = None
        self._pump_is_due = False
        self._is_reading = True
        self._is_writable = True
        self._entry: _Entry | None = None  # of a server's connection, until it is bound
        self._on_lost: Callable[[], None] | None = None

    @property
    def peername(self) -> str:
        """``host:port`` of the peer."""
        return self._peername

    @property
    def free_window(self) -> int:
        """Requests that may be sent now; 0 while the peer does not read."""
        return self.session.free_window if self._is_writable else 0

    def send_request(self, pdu: Request, token: Any = None, *, body: bytes | None = None) -> int:
        """As `Session.send_request`."""
        number = self.session.send_request(pdu, self._loop.time(), token, body=body)
        self._pump_soon()
        return number

    def send_response(self, request: Request, response: Response) -> bool:
        """As `Session.send_response`."""
        sent = self.session.send_response(request, response, self._loop.time())
        if self._entry is not None and isinstance(response, BindResp) and self._entry.answered(request, response):
            self._entry = None
        self._pump_soon()
        return sent

    def give_up(self, request: Request) -> None:
        """As `Session.give_up`."""
        self.session.give_up(request, self._loop.time())
        self._pump_soon()

    def unbind(self) -> None:
        """Leave in good order; `wait_closed` tells when it is done."""
        self.session.unbind(self._loop.time())
        self._pump_soon()

    def close(self, reason: str = "closed by us") -> None:
        """End the session now and close the connection when the octets on their way are written."""
        self.session.close(reason)
        self._pump_soon()

    def abort(self) -> None:
        """Cut the connection as it is."""
        if self._transport:
            self._transport.abort()

    def tell_bind(self, event: BindRequested) -> None:
        """Tell the owner a bind that the admission held back; nothing happens if the peer has gone meanwhile."""
        if not self.session.closed:
            self._deliver([event])
            self._pump()

    async def wait_closed(self) -> None:
        """Until the connection is gone and every event is delivered."""
        await self._lost.wait()

    def pass_door(self, entry: _Entry, leave: Callable[[], None]) -> None:
        """A server's connection is let in: binds go by ``entry``, the end is told to ``leave``."""
        self._entry = entry
        self._on_lost = leave

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_HIGH_WATER)
        host, port = (transport.get_extra_info("peername") or ("unknown", 0))[:2]
        self._peername = f"{host}:{port}"
        self._pump()

    def data_received(self, data: bytes) -> None:
        self._deliver(self.session.receive_data(data, self._loop.time()))
        self._pump()

    def eof_received(self) -> None:
        self._deliver(self.session.receive_eof(self._loop.time()))
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        reason = f"connection lost: {exc}" if exc else "connection lost"
        self._transport = None
        for timer in (self._timer, self._write_timer):
            if timer:
                timer.cancel()
        if self._on_lost is not None:
            self._on_lost()
        self._deliver(self.session.connection_lost(self._loop.time(), reason))
        self._lost.set()

    def pause_writing(self) -> None:
        self._is_writable = False
        self._limit_write()
        self._pump_soon()

    def resume_writing(self) -> None:
        self._is_writable = True
        if self._write_timer and not self.session.closed:
            self._write_timer.cancel()
            self._write_timer = None
        self._pump_soon()

    # The pump

    def _pump_soon(self) -> None:
        if not self._pump_is_due:
            self._pump_is_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Bring transport and timer in line with the session."""
        self._pump_is_due = False
        transport = self._transport
        if transport is None:
            return
        session = self.session
        if (self._is_writable or session.closed) and (octets := session.data_to_send()):
            transport.write(octets)
        if session.closed and not transport.is_closing():
            self._limit_write()
            transport.close()
        wants_data = session.wants_data and self._is_writable
        if wants_data is not self._is_reading and not transport.is_closing():
            self._is_reading = wants_data
            (transport.resume_reading if wants_data else transport.pause_reading)()
        self._arm()

    def _arm(self) -> None:
        """One timer, never later than the session's deadline; an earlier one ticks in vain and is armed anew."""
        deadline = self.session.next_deadline()
        if deadline is None or (self._timer and self._timer_at <= deadline):
            return
        if self._timer:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._deliver(self.session.tick(self._loop.time()))
        self._pump()

    def _limit_write(self) -> None:
        if self._write_timer is None:
            self._write_timer = self._loop.call_later(WRITE_TIMEOUT, self._give_up_writing)

    def _give_up_writing(self) -> None:
        _log.warning("smpp.peer_does_not_read", peer=self._peername, seconds=WRITE_TIMEOUT)
        self.abort()

    def _deliver(self, events: list[Event]) -> None:
        for event in events:
            if self._entry is not None and isinstance(event, BindRequested) and not self._entry.lets(event):
                continue
            try:
                self.on_event(self, event)
            except Exception:  # noqa: BLE001 (whatever a handler does, the pump goes on)
                _log.exception("smpp.event_failed", peer=self._peername, smpp_event=type(event).__name__)
                self.session.close("an event could not be handled")


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


async def connect(
    host: str,
    port: int,
    session_factory: Callable[[float], Session],
    on_event: Callable[[SmppConnection, Event], None],
    *,
    timeout: float = 10.0,
    ssl: ssl.SSLContext | None = None,
) -> SmppConnection:
    """Connect; ``session_factory`` gets the loop's time. Binding is the caller's.

    Raises `OSError` (`ssl.SSLError` is one) or `TimeoutError` if there is no connection within ``timeout`` seconds.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout):
        _, connection = await loop.create_connection(
            lambda: SmppConnection(session_factory(loop.time()), on_event), host, port, ssl=ssl
        )
    return connection


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
