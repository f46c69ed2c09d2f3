"""A scripted operator on a real socket, and the link under test beside it.

The operator is made of payk.smpp and payk.smpp_connection in the other role. Tests say what it answers, look at what it
got, and wait for conditions, never for time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from ssl import SSLContext
from typing import Any

from payk.clock import Clock
from payk.domain.message import SmsType
from payk.domain.operator import Link as LinkSettings
from payk.domain.outcome import PartOutcome, Submission, SubmissionResult
from payk.links import BindStatus, Delivery, Link, Timing
from payk.smpp import (
    Bind,
    BindReceiver,
    BindReceiverResp,
    BindRequested,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitterResp,
    Closed,
    DeliverSm,
    Event,
    LateResponse,
    Request,
    RequestReceived,
    RequestUncertain,
    Response,
    ResponseReceived,
    Role,
    Session,
    SessionOptions,
    SubmitSm,
    SubmitSmResp,
    Tag,
    Tlv,
    UnbindReceived,
)
from payk.smpp_connection import SmppConnection, serve

QUICK = Timing(connect=1.0, bind=0.3, stagger=0.0, answers=0.2, leave=0.5, close=0.2, lease=0.02)
"""Waits that a test can sit out."""


class Watch:
    """Something that changes; `until` waits for a condition to hold."""

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    def changed(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, condition: Callable[[], object], timeout: float = 5.0) -> None:
        async with asyncio.timeout(timeout):
            while not condition():
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
                await waiter


def answer_all(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
    """Take every message, with ids 1, 2, 3 ..."""
    peer.send_response(pdu, SubmitSmResp(message_id=str(len(smsc.submits))))


def answer_none(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
    """Say nothing."""


def refuse(status: int, times: int | None = None) -> Callable[[Smsc, SmppConnection, SubmitSm], None]:
    """Refuse the first `times` submits (None = all) with a status."""

    def on_submit(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
        if times is None or len(smsc.submits) <= times:
            peer.send_response(pdu, SubmitSmResp(command_status=status))
        else:
            answer_all(smsc, peer, pdu)

    return on_submit


@dataclass
class Smsc:
    """The operator. `on_bind` gives the status of a bind, None = no answer; `on_submit` answers submits."""

    watch: Watch
    on_submit: Callable[[Smsc, SmppConnection, SubmitSm], None] = answer_all
    on_bind: Callable[[Smsc, Bind], int | None] = lambda smsc, pdu: 0
    port: int = 0
    tls: SSLContext | None = None
    options: SessionOptions = field(default_factory=lambda: SessionOptions(window=5000))
    version: int | None = None
    """sc_interface_version in its answers to binds; None = not told."""
    peers: list[SmppConnection] = field(default_factory=list)
    """Open connections, in the order of their binds."""
    binds: list[Bind] = field(default_factory=list)
    submits: list[SubmitSm] = field(default_factory=list)
    submitted_at: list[float] = field(default_factory=list)
    submitted_by: list[SmppConnection] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    """To our own requests (deliver_sm)."""
    unbinds: int = 0
    connections: int = 0
    closed: int = 0
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        def factory(now: float) -> SmppConnection:
            self.connections += 1
            self.watch.changed()
            return SmppConnection(Session(Role.SMSC, self.options, now), self._on_event)

        self._server = await serve("127.0.0.1", self.port, factory, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for peer in self.peers:
            peer.abort()
            await peer.wait_closed()

    def drop(self) -> None:
        """Cut all connections."""
        for peer in self.peers:
            peer.abort()

    def receivers(self) -> list[SmppConnection]:
        return [peer for peer in self.peers if "RX" in peer.session.state.name or "TRX" in peer.session.state.name]

    def deliver(self, peer: SmppConnection, pdus: Iterable[Request]) -> None:
        for pdu in pdus:
            peer.send_request(pdu)

    def _on_event(self, peer: SmppConnection, event: Event) -> None:
        match event:
            case BindRequested(pdu):
                self._bind(peer, pdu)
            case RequestReceived(SubmitSm() as pdu):
                self.submits.append(pdu)
                self.submitted_at.append(asyncio.get_running_loop().time())
                self.submitted_by.append(peer)
                self.on_submit(self, peer, pdu)
            case ResponseReceived(response=response) | LateResponse(response=response):
                self.answers.append(response)
            case UnbindReceived():
                self.unbinds += 1
            case Closed():
                self.closed += 1
                if peer in self.peers:
                    self.peers.remove(peer)
            case RequestUncertain():
                pass
        self.watch.changed()

    def _bind(self, peer: SmppConnection, pdu: Bind) -> None:
        self.binds.append(pdu)
        status = self.on_bind(self, pdu)
        if status is None:
            return
        if status == 0:
            self.peers.append(peer)
        response: type[BindTransceiverResp | BindReceiverResp | BindTransmitterResp] = BindTransmitterResp
        if isinstance(pdu, BindTransceiver):
            response = BindTransceiverResp
        elif isinstance(pdu, BindReceiver):
            response = BindReceiverResp
        told = () if self.version is None else (Tlv.of(Tag.SC_INTERFACE_VERSION, self.version),)
        peer.send_response(pdu, response(system_id="smsc", tlvs=told, command_status=status))


class Soonest(Random):
    """Every wait is the shortest of its range."""

    def uniform(self, a: float, b: float) -> float:
        return min(a, b)


@dataclass
class Bench:
    """A link and everything it said."""

    watch: Watch
    link: Link
    results: list[SubmissionResult]
    refused: set[int]
    """Messages whose result is not taken: ValueError."""
    deliveries: list[Delivery]
    late: list[tuple[int, Submission, int, str]]
    lease: list[bool]
    """One flag: whether the lease is held."""
    lease_asked: list[bool]
    """The answers given to the link."""
    changes: list[list[BindStatus]]

    @property
    def outcomes(self) -> list[tuple[PartOutcome, ...]]:
        return [result.outcomes for result in self.results]

    def by_message(self) -> dict[int, SubmissionResult]:
        return {result.submission.message_id: result for result in self.results}

    async def until(self, condition: Callable[[], object], timeout: float = 5.0) -> None:
        await self.watch.until(condition, timeout)

    async def bound(self, count: int = 1, timeout: float = 5.0) -> None:
        await self.until(lambda: sum(bind.bound for bind in self.link.binds) == count, timeout)


@asynccontextmanager
async def operator(**script: Any) -> AsyncIterator[Smsc]:
    """A running operator."""
    smsc = Smsc(script.pop("watch", None) or Watch(), **script)
    await smsc.start()
    try:
        yield smsc
    finally:
        await smsc.stop()


@asynccontextmanager
async def link_to(
    smsc: Smsc | int,
    *,
    binds: Iterable[int] = (1,),
    password: str = "secret",
    timing: Timing = QUICK,
    watch: Watch | None = None,
    **settings: Any,
) -> AsyncIterator[Bench]:
    """A running link to an operator (or to a port); stopped at the end."""
    watch = watch or (smsc.watch if isinstance(smsc, Smsc) else Watch())
    port = smsc.port if isinstance(smsc, Smsc) else smsc
    lease = [True]
    lease_asked: list[bool] = []
    results: list[SubmissionResult] = []
    refused: set[int] = set()
    deliveries: list[Delivery] = []
    late: list[tuple[int, Submission, int, str]] = []
    changes: list[list[BindStatus]] = []

    def note(into: list[Any], what: Any) -> None:
        into.append(what)
        watch.changed()

    def on_result(result: SubmissionResult) -> None:
        if result.submission.message_id in refused:
            raise ValueError(result.submission.message_id)
        note(results, result)

    def lease_held() -> bool:
        note(lease_asked, lease[0])
        return lease[0]

    link = Link(
        replace(LinkSettings(7, 1, "tcell-1", "127.0.0.1", port, "payk", b""), **settings),
        password=password,
        lease_held=lease_held,
        on_result=on_result,
        on_deliver=lambda delivery: note(deliveries, delivery),
        on_change=lambda link: note(changes, link.binds),
        on_late=lambda *late_one: note(late, late_one),
        clock=Clock(),
        random=Soonest(),
        timing=timing,
    )
    link.want_binds(list(binds))
    running = asyncio.create_task(link.run())
    try:
        yield Bench(watch, link, results, refused, deliveries, late, lease, lease_asked, changes)
        await link.stop()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def message(number: int = 1, *, text: str = "Kod: 1234", parts_left: tuple[int, ...] | None = None) -> Submission:
    return Submission(
        message_id=100_000_000 + number,
        phone=f"9929009{number:05}",
        sender="AlifBank",
        text=text,
        sms_type=SmsType.COMMON,
        attempt=1,
        parts_left=parts_left,
        valid_until=None,
        now=datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
    )


def receipt(number: int = 1) -> DeliverSm:
    """A receipt for the message with the operator's id `number`."""
    return DeliverSm(
        source_addr="992900900900",
        destination_addr="AlifBank",
        esm_class=4,
        short_message=f"id:{number} sub:001 dlvrd:001 stat:DELIVRD err:000 text:".encode(),
    )
