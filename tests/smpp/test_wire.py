"""A client's connection to a peer that does not read: what waits, and that it is written only while it may be."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
import uvloop

from payk.smpp import (
    BindTransceiver,
    BindTransceiverResp,
    Bound,
    Closed,
    EnquireLink,
    EnquireLinkResp,
    Framer,
    RequestUncertain,
    Role,
    Session,
    SessionOptions,
    SubmitSm,
    SubmitSmResp,
    Tag,
    Tlv,
    decode,
    encode,
)
from payk.smpp.framing import BOUND_LIMIT
from payk.smpp_connection import SmppConnection, connect
from tests.smpp.test_connection import Log, contexts, until

MESSAGE = SubmitSm(destination_addr="992900000001", tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, bytes(300)),))
SMALL = 8_192  # octets of the peer's receive buffer

Scenario = Callable[[], Awaitable[None]]


@dataclass
class Stage:
    """A bound connection, and the bare socket of its operator."""

    connection: SmppConnection
    peer: socket.socket
    log: Log
    allowed: list[bool]
    """One flag: whether requests may be written."""
    rooms: list[int]
    """What `free_window` was whenever there was room again."""
    sent: int = 0
    received: bytearray = field(default_factory=bytearray)

    async def fill(self) -> None:
        """Submit until the system takes no more."""
        while self.connection.free_window:
            for _ in range(50):
                self.connection.send_request(MESSAGE, self.sent)
                self.sent += 1
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def taken(self) -> int:
        """Octets of ours that the system holds: sent and not read, or not even sent. What is not acknowledged yet would
        count twice."""
        before, now = -1, self._taken()
        while before != now:
            await asyncio.sleep(0.06)  # TCP acknowledges within 0.04 s
            before, now = now, self._taken()
        return now

    def _taken(self) -> int:
        ours, theirs = self.peer.getpeername()[1], self.peer.getsockname()[1]
        total = 0
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            local, remote, _, queues = line.split()[1:5]
            ports = int(local.partition(":")[2], 16), int(remote.partition(":")[2], 16)
            to_peer, to_read = (int(queue, 16) for queue in queues.split(":"))
            total += (to_peer if ports == (ours, theirs) else 0) + (to_read if ports == (theirs, ours) else 0)
        return total

    async def read(self, octets: int = 1 << 30) -> None:
        """So many, or to the end."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            while octets > 0:
                try:
                    data = await loop.sock_recv(self.peer, min(octets, 65_536))
                except ConnectionResetError:
                    return
                if not data:
                    return
                octets -= len(data)
                self.received += data

    def submits(self) -> list[int]:
        """The sequence numbers of those that arrived whole."""
        pdus = [decode(frame) for frame in Framer(BOUND_LIMIT).feed(bytes(self.received))]
        return [pdu.sequence_number for pdu in pdus if isinstance(pdu, SubmitSm)]


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    loop, log = asyncio.get_running_loop(), Log()
    allowed, rooms = [True], list[int]()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        connecting = asyncio.ensure_future(
            connect(
                "127.0.0.1",
                listener.getsockname()[1],
                lambda now: Session(Role.ESME, SessionOptions(window=100_000), now),
                log,
                may_request=lambda: allowed[0],
                on_room=lambda: rooms.append(connection.free_window),
            )
        )
        peer, _ = await loop.sock_accept(listener)
        peer.setblocking(False)
    with peer:
        connection = await connecting
        connection.send_request(BindTransceiver("bank"))
        await loop.sock_recv(peer, 1000)
        await loop.sock_sendall(peer, encode(BindTransceiverResp("smsc", sequence_number=1)))
        await log.first(Bound)
        yield Stage(connection, peer, log, allowed, rooms)
        connection.abort()
        await connection.wait_closed()


async def no_request_is_begun_while_octets_wait() -> None:
    async with stage() as on:
        await on.fill()
        assert on.connection.session.free_window > 0
        assert on.connection.free_window == 0
        await on.read(on.sent * len(encode(MESSAGE)))
        await until(lambda: on.rooms)
        assert on.rooms == [on.connection.free_window] and on.rooms[0] > 0
        assert on.submits() == list(range(2, on.sent + 2))


async def what_the_system_did_not_take_is_not_written_without_the_right_to() -> None:
    """Nobody tells the connection; it asks when the peer reads again."""
    async with stage() as on:
        await on.fill()
        on.allowed[0] = False
        taken = await on.taken()
        await on.read()
        assert len(on.received) == taken
        assert 0 < len(on.submits()) < on.sent
        await on.connection.wait_closed()
        assert len(on.log.of(RequestUncertain)) == on.sent
        assert on.log.events[-1] == Closed("connection lost: what was to be written may not be any more")


async def a_cut_leaves_unwritten_what_the_system_did_not_take() -> None:
    async with stage() as on:
        await on.fill()
        taken = await on.taken()
        on.connection.cut("lease lapsed")
        await on.read()
        assert len(on.received) == taken
        await on.connection.wait_closed()
        assert len(on.log.of(RequestUncertain)) == on.sent


async def a_cut_of_an_idle_connection_says_unbind_before_it_returns() -> None:
    async with stage() as on:
        on.connection.cut("lease lapsed")
        assert on.peer.recv(1000).hex() == "00000010000000060000000000000002"


async def answers_need_no_right() -> None:
    async with stage() as on:
        on.allowed[0] = False
        await asyncio.get_running_loop().sock_sendall(on.peer, encode(EnquireLink(sequence_number=9)))
        await on.read(16)
        assert decode(bytes(on.received)) == EnquireLinkResp(sequence_number=9)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "scenario",
    [
        no_request_is_begun_while_octets_wait,
        what_the_system_did_not_take_is_not_written_without_the_right_to,
        a_cut_leaves_unwritten_what_the_system_did_not_take,
        a_cut_of_an_idle_connection_says_unbind_before_it_returns,
        answers_need_no_right,
    ],
    ids=lambda scenario: scenario.__name__,
)
def test_the_wire(scenario: Scenario, run: Callable[..., None]) -> None:
    run(scenario())


class Reader(asyncio.Protocol):
    """An operator over TLS that answers the bind, and reads again when it is told."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.framer = Framer(BOUND_LIMIT)
        self.submits = 0
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        for frame in self.framer.feed(data):
            pdu = decode(frame)
            if isinstance(pdu, BindTransceiver):
                self.transport.write(encode(BindTransceiverResp("smsc", sequence_number=pdu.sequence_number)))
                self.transport.pause_reading()
            elif isinstance(pdu, SubmitSm):
                self.submits += 1
                self.transport.write(encode(SubmitSmResp("1", sequence_number=pdu.sequence_number)))

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("may", [True, False], ids=["it may be written", "it may not"])
def test_over_tls_too(may: bool, run: Callable[..., None], tmp_path: Path) -> None:
    async def scenario() -> None:
        server_side, client_side = contexts(tmp_path)
        reader, log, allowed = Reader(), Log(), [True]
        async with tls_server(reader, server_side) as port:
            connection = await connect(
                "127.0.0.1",
                port,
                lambda now: Session(Role.ESME, SessionOptions(window=100_000), now),
                log,
                ssl=client_side,
                may_request=lambda: allowed[0],
            )
            connection.send_request(BindTransceiver("bank"))
            await log.first(Bound)
            sent = 0
            while connection.free_window:
                for _ in range(50):
                    connection.send_request(MESSAGE)
                    sent += 1
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            allowed[0] = may
            assert reader.transport is not None
            reader.transport.resume_reading()
            if may:
                await until(lambda: reader.submits == sent and connection.free_window == 100_000)
                connection.close()
            await asyncio.wait_for(reader.gone.wait(), 5)
            await connection.wait_closed()
            assert may or reader.submits < sent

    run(scenario())


@asynccontextmanager
async def tls_server(reader: Reader, context: ssl.SSLContext) -> AsyncIterator[int]:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.get_running_loop().create_server(lambda: reader, sock=listener, ssl=context)
    try:
        yield listener.getsockname()[1]
    finally:
        server.close()
