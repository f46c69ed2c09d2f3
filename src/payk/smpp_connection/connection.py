"""The pump between a connection and its session.

What is sent within one turn of the loop leaves in one write. One timer serves all deadlines of the session. A peer that
does not read what we write gets no further request; where much waits for it we do not read it either, and after
`WRITE_TIMEOUT` the connection is aborted.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from payk.logs import get_logger
from payk.smpp import BindRequested, BindResp, Event, Request, Response, Session
from payk.smpp_connection.tls import Tls
from payk.smpp_connection.wire import Wire

__all__ = ["WRITE_HIGH_WATER", "WRITE_TIMEOUT", "Entry", "SmppConnection", "Tap", "connect"]

WRITE_TIMEOUT: Final = 10.0
"""Seconds that a peer may leave `WRITE_HIGH_WATER` octets of ours unread, or the last ones before the close."""
WRITE_HIGH_WATER: Final = 256 * 1024
"""Octets that may wait for the peer while we still read it."""

_ENDS: Final = ("sockname", "peername")
_log = get_logger("smpp_connection")


class Tap(Protocol):
    """Whoever looks at the octets of a connection, without TLS. It must not raise."""

    def received(self, octets: bytes) -> None:
        """From the peer, cut anywhere."""

    def sent(self, octets: bytes) -> None:
        """Written to the peer: whole PDUs."""


class Entry(Protocol):
    """A server's dealings with a connection until it is bound."""

    def lets(self, event: BindRequested) -> bool:
        """Whether the owner is told this bind now."""

    def answered(self, request: Request, response: BindResp) -> bool:
        """Whether that has bound it."""


class SmppConnection(asyncio.Protocol):
    """One connection. ``on_event`` is called for every event of the session, in order, from the loop.

    A handler that raises is logged and ends its own session; the events still to come are delivered to it all the same.

    Of a client's connection: ``may_request`` is asked at each write of octets with requests of the owner among them. If
    not, the connection is aborted, and they are not written. ``on_room`` is called when all was written at last that
    the system did not take at first: `free_window` may be above 0 again.
    """

    def __init__(
        self,
        session: Session,
        on_event: Callable[[SmppConnection, Event], None],
        *,
        may_request: Callable[[], bool] | None = None,
        on_room: Callable[[], None] | None = None,
    ) -> None:
        self.session = session
        self.on_event = on_event
        self.tap: Tap | None = None
        """Set while somebody looks."""
        self._may_request = may_request
        self._on_room = on_room
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
        self._requests_unwritten = False
        self._entry: Entry | None = None  # of a server's connection, until it is bound
        self._on_lost: Callable[[], None] | None = None

    @property
    def peername(self) -> str:
        """``host:port`` of the peer."""
        return self._peername

    @property
    def ends(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """Address and port of this side and of the peer; zeros where they are not known (any more)."""
        found = [None if self._transport is None else self._transport.get_extra_info(name) for name in _ENDS]
        ours, theirs = (("0.0.0.0", 0) if not end else (str(end[0]), int(end[1])) for end in found)
        return ours, theirs

    @property
    def free_window(self) -> int:
        """Requests that may be sent now; 0 while octets wait for the peer to read."""
        return self.session.free_window if self._is_writable else 0

    def send_request(self, pdu: Request, token: Any = None, *, body: bytes | None = None) -> int:
        """As `Session.send_request`."""
        number = self.session.send_request(pdu, self._loop.time(), token, body=body)
        self._requests_unwritten = True
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

    def cut(self, reason: str) -> None:
        """End it at once, and write no request any more: with an unbind unless some are on their way, else as it is."""
        if self._requests_unwritten:
            self.abort()
        else:
            self.session.close(reason)
            self._pump()

    def tell_bind(self, event: BindRequested) -> None:
        """Tell the owner a bind that the admission held back; nothing happens if the peer has gone meanwhile."""
        if not self.session.closed:
            self._deliver([event])
            self._pump()

    async def wait_closed(self) -> None:
        """Until the connection is gone and every event is delivered."""
        await self._lost.wait()

    def pass_door(self, entry: Entry, leave: Callable[[], None]) -> None:
        """A server's connection is let in: binds go by ``entry``, the end is told to ``leave``."""
        self._entry = entry
        self._on_lost = leave

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        host, port = (transport.get_extra_info("peername") or ("unknown", 0))[:2]
        self._peername = f"{host}:{port}"
        self._pump()

    def data_received(self, data: bytes) -> None:
        if self.tap is not None:
            self.tap.received(data)
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
        self._pump_soon()

    def resume_writing(self) -> None:
        self._is_writable = True
        self._requests_unwritten = False
        if self._write_timer and not self.session.closed:
            self._write_timer.cancel()
            self._write_timer = None
        self._pump_soon()
        if self._on_room is not None:
            self._on_room()

    # WireProtocol

    def may_write(self) -> bool:
        return not self._requests_unwritten or self._may_request is None or self._may_request()

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
        bearable = self._is_writable or transport.get_write_buffer_size() < WRITE_HIGH_WATER
        if (bearable or session.closed) and (octets := session.data_to_send()):
            if self.tap is not None:
                self.tap.sent(octets)
            transport.write(octets)
            if self._is_writable:
                self._requests_unwritten = False
        if session.closed or not bearable:
            self._limit_write()
        if session.closed and not transport.is_closing():
            transport.close()
        wants_data = session.wants_data and bearable
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


async def connect(
    host: str,
    port: int,
    session_factory: Callable[[float], Session],
    on_event: Callable[[SmppConnection, Event], None],
    *,
    timeout: float = 10.0,
    ssl: ssl.SSLContext | None = None,
    may_request: Callable[[], bool] | None = None,
    on_room: Callable[[], None] | None = None,
) -> SmppConnection:
    """Connect; ``session_factory`` gets the loop's time. Binding is the caller's.

    Raises `OSError` (`ssl.SSLError` is one) or `TimeoutError` if there is no connection within ``timeout`` seconds.
    """
    loop = asyncio.get_running_loop()

    def made() -> Wire[SmppConnection]:
        connection = SmppConnection(session_factory(loop.time()), on_event, may_request=may_request, on_room=on_room)
        return Wire(connection, None if ssl is None else Tls(ssl, host))

    async with asyncio.timeout(timeout):
        _, wire = await loop.create_connection(made, host, port)
        try:
            await wire.ready
        except BaseException:
            wire.abort()
            raise
    return wire.protocol
