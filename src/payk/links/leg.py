"""One SMPP session of a bind, from the TCP connection to its end. A transceiver bind has one leg, a pair has two."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from payk.domain.operator import Link
from payk.links.backoff import Trouble
from payk.links.parts import without_hints
from payk.links.timing import Timing
from payk.links.tls import client_context
from payk.smpp import (
    BindKind,
    BindReceiver,
    BindRefused,
    BindTransceiver,
    BindTransmitter,
    Bound,
    Closed,
    CommandId,
    CommandStatus,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    Event,
    InterfaceVersion,
    LocalError,
    RequestReceived,
    ResponseReceived,
    Role,
    Session,
    SessionOptions,
    StatusClass,
    SubmitSm,
    Tag,
    UnbindReceived,
    classify,
    status_name,
    tlv_int,
)
from payk.smpp_connection import SmppConnection, Tap, connect

__all__ = ["BindError", "Ending", "Leg", "TapOf"]

TapOf = Callable[[SmppConnection], Tap]
"""Makes whoever is to look at the octets of a connection."""

_BIND_PDUS: Final[Mapping[BindKind, type[BindTransceiver | BindTransmitter | BindReceiver]]] = {
    BindKind.TRANSCEIVER: BindTransceiver,
    BindKind.TRANSMITTER: BindTransmitter,
    BindKind.RECEIVER: BindReceiver,
}
_TIMEOUTS_IN_A_ROW: Final = 5  # or a whole window of them: the session is dead
_UNANSWERED_DELIVERIES: Final = 1_000  # then nothing more is read from the operator
_TEMPORARY: Final = {StatusClass.LINK, StatusClass.TEMPORARY, StatusClass.THROTTLE}


class Ending(NamedTuple):
    """Why a leg is down."""

    trouble: Trouble
    error: str


class BindError(Exception):
    """A leg could not be bound."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.error)
        self.ending = ending


class Leg:
    """Tells `on_event(leg, event)` what the session says, `on_end(ending)` when a bound session ends, and `on_room()`
    when the operator reads again. Requests are written only while `lease_held`, whenever the operator reads them."""

    def __init__(
        self,
        settings: Link,
        password: str,
        kind: BindKind,
        *,
        timing: Timing,
        lease_held: Callable[[], bool],
        on_event: Callable[[Leg, Event], None],
        on_end: Callable[[Ending], None],
        on_room: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._password = password
        self._kind = kind
        self._timing = timing
        self._lease_held = lease_held
        self._tell = on_event
        self._on_end = on_end
        self._on_room = on_room
        self._connection: SmppConnection | None = None
        self._tap_of: TapOf | None = None
        self._takes_hints = True
        self._bound: asyncio.Future[Ending | None] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        """Connect and bind; `BindError` says why not."""
        settings = self._settings
        try:
            tls = None if settings.tls is None else client_context(settings.tls)
            self._connection = await connect(
                settings.host,
                settings.port,
                self._session,
                self._on_event,
                timeout=self._timing.connect,
                ssl=tls,
                may_request=self._lease_held,
                on_room=self._on_room,
            )
            self.trace(self._tap_of)
            self._connection.send_request(
                _BIND_PDUS[self._kind](
                    system_id=settings.system_id,
                    password=self._password,
                    system_type=settings.system_type,
                    interface_version=settings.interface_version,
                    address_range=settings.address_range,
                )
            )
        except OSError as exc:
            raise BindError(Ending(Trouble.BROKEN, _reason(exc))) from exc
        except (LocalError, UnicodeError) as exc:  # a host name or an account that cannot be written down
            raise BindError(Ending(Trouble.REFUSED, str(exc))) from exc
        failure = await self._bound
        if failure is not None:
            raise BindError(failure)

    def trace(self, tap_of: TapOf | None) -> None:
        """Let somebody look at its octets from now on, None = nobody."""
        self._tap_of = tap_of
        if self._connection is not None:
            self._connection.tap = None if tap_of is None else tap_of(self._connection)

    @property
    def free_window(self) -> int:
        """Submits that may be written now; 0 on a receiver."""
        if self._connection is None or self._kind is BindKind.RECEIVER:
            return 0
        return self._connection.free_window

    @property
    def in_flight(self) -> int:
        """Submits that wait for their answer."""
        return 0 if self._connection is None else self._connection.session.pending_count

    def submit(self, pdu: SubmitSm, token: object) -> None:
        """`LocalError` if it was not written."""
        assert self._connection is not None
        self._connection.send_request(pdu if self._takes_hints else without_hints(pdu), token)

    def spare_hints(self) -> bool:
        """From now on, submit without the parameters that a message can do without. False if that was so already."""
        spared, self._takes_hints = not self._takes_hints, False
        return not spared

    def respond(self, request: DeliverSm | DataSm, command_status: int) -> None:
        """Answer a request; nothing happens if the session has ended."""
        assert self._connection is not None
        response = DeliverSmResp if isinstance(request, DeliverSm) else DataSmResp
        self._connection.send_response(request, response(command_status=command_status))

    async def leave(self) -> None:
        """Unbind and close; all events were told by its end.

        In order: the answers to what was submitted, then unbind, then the answer to that.
        """
        if self._connection is None:
            return
        self._connection.unbind()
        if await self._closes_within(self._timing.leave):
            return
        self._connection.close()
        if not await self._closes_within(self._timing.close):
            self._connection.abort()
            await self._connection.wait_closed()

    def drop(self) -> None:
        """Unbind and close without waiting for anything."""
        if self._connection is not None:
            self._connection.close()

    def cut(self, reason: str) -> None:
        """End it before this returns: no submit is written any more, an unbind is if none is on its way."""
        if self._connection is not None:
            self._connection.cut(reason)

    async def _closes_within(self, seconds: float) -> bool:
        assert self._connection is not None
        try:
            async with asyncio.timeout(seconds):
                await self._connection.wait_closed()
        except TimeoutError:
            return False
        return True

    def _session(self, now: float) -> Session:
        settings = self._settings
        options = SessionOptions(
            window=settings.window,
            response_timeout=settings.response_timeout,
            enquire_interval=settings.enquire_interval,
            enquire_always=settings.enquire_always,
            session_init_timeout=self._timing.bind,
            unbind_timeout=self._timing.answers,
            max_timeouts=_TIMEOUTS_IN_A_ROW,
            max_unanswered=_UNANSWERED_DELIVERIES,
        )
        return Session(Role.ESME, options, now)

    def _on_event(self, connection: SmppConnection, event: Event) -> None:
        match event:
            case ResponseReceived() | RequestReceived():  # nearly all of them
                self._tell(self, event)
            case Bound(response=response):
                # Many operators do not tell their version: then ours counts, as the link's settings have it.
                version = tlv_int(response.tlvs, Tag.SC_INTERFACE_VERSION)
                self._takes_hints = version is None or version >= InterfaceVersion.V3_4
                if not self._bound.done():
                    self._bound.set_result(None)
            case BindRefused(command_status):
                if not self._bound.done():
                    self._bound.set_result(Ending(_bind_trouble(command_status), status_name(command_status)))
            case UnbindReceived():
                self._end(Ending(Trouble.UNBOUND, "unbound by the operator"))
            case Closed(reason):
                self._end(Ending(Trouble.BROKEN, reason))
            case _:
                self._tell(self, event)

    def _end(self, ending: Ending) -> None:
        if not self._bound.done():
            self._bound.set_result(ending)
        elif not self._bound.cancelled() and self._bound.result() is None:
            self._on_end(ending)


def _bind_trouble(command_status: int) -> Trouble:
    if command_status == CommandStatus.ESME_RALYBND:
        return Trouble.STILL_BOUND
    status_class = classify(command_status, answer=CommandId.BIND_TRANSCEIVER_RESP)
    return Trouble.BROKEN if status_class in _TEMPORARY else Trouble.REFUSED


def _reason(exc: OSError) -> str:
    if isinstance(exc, TimeoutError):
        return "no connection in time"
    if isinstance(exc, ConnectionError) and exc.errno:  # the loop puts the address in place of the reason
        return os.strerror(exc.errno)
    return str(exc) or type(exc).__name__
