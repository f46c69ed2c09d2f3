"""The shell on real sockets: pumping, corking, closing, and peers that vanish or do not read."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from payk import smpp_connection
from payk.smpp import (
    BindRequested,
    BindTransceiver,
    BindTransceiverResp,
    Bound,
    Closed,
    CommandStatus,
    EnquireLink,
    EnquireLinkResp,
    Event,
    RequestReceived,
    RequestUncertain,
    ResponseReceived,
    Role,
    Session,
    SessionOptions,
    State,
    SubmitSm,
    SubmitSmResp,
    Tag,
    Tlv,
    UnbindReceived,
    WindowFull,
    decode,
    encode,
)
from payk.smpp_connection import SmppConnection, connect, serve

E = TypeVar("E")
Handler = Callable[[SmppConnection, Event], None]


class Log:
    """Every event of one side, and a wait for the first of a kind."""

    def __init__(self, then: Handler = lambda _connection, _event: None) -> None:
        self.events: list[Event] = []
        self._then = then
        self._news = asyncio.Event()

    def __call__(self, connection: SmppConnection, event: Event) -> None:
        self.events.append(event)
        self._news.set()
        self._then(connection, event)

    async def first(self, kind: type[E]) -> E:
        async with asyncio.timeout(5):
            while True:
                for event in self.events:
                    if isinstance(event, kind):
                        return event
                self._news.clear()
                await self._news.wait()

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


def answer_everything(connection: SmppConnection, event: Event) -> None:
    match event:
        case BindRequested(pdu=pdu):
            connection.send_response(pdu, BindTransceiverResp("payk"))
        case RequestReceived(pdu=SubmitSm() as pdu):
            connection.send_response(pdu, SubmitSmResp("77"))


@asynccontextmanager
async def smsc(log: Log, tls: ssl.SSLContext | None = None, **options: float) -> AsyncIterator[int]:
    """A server on a free port, which is given."""

    def accept(now: float) -> SmppConnection:
        return SmppConnection(Session(Role.SMSC, SessionOptions(**options), now), log)  # type: ignore[arg-type]

    server = await serve("127.0.0.1", 0, accept, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def bound(port: int, log: Log, **options: float) -> SmppConnection:
    def session(now: float) -> Session:
        return Session(Role.ESME, SessionOptions(**options), now)  # type: ignore[arg-type]

    connection = await connect("127.0.0.1", port, session, log)
    connection.send_request(BindTransceiver("bank", "secret"))
    await log.first(Bound)
    return connection


@asynccontextmanager
async def raw_peer(log: Log, **options: float) -> AsyncIterator[tuple[SmppConnection, socket.socket]]:
    """A bound ESME connection, and the bare socket of its operator."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)

    def session(now: float) -> Session:
        return Session(Role.ESME, SessionOptions(**options), now)  # type: ignore[arg-type]

    connecting = asyncio.ensure_future(connect("127.0.0.1", listener.getsockname()[1], session, log))
    peer, _ = await loop.sock_accept(listener)
    peer.setblocking(False)
    with listener, peer:
        connection = await connecting
        connection.send_request(BindTransceiver("bank"))
        await loop.sock_recv(peer, 1000)
        await loop.sock_sendall(peer, encode(BindTransceiverResp("smsc", sequence_number=1)))
        await log.first(Bound)
        yield connection, peer
        connection.abort()
        await connection.wait_closed()


async def test_bind_submit_and_leave() -> None:
    theirs, ours = Log(answer_everything), Log()
    async with smsc(theirs) as port:
        connection = await bound(port, ours)
        assert connection.peername == f"127.0.0.1:{port}"
        connection.send_request(SubmitSm(destination_addr="992900000001"), "token")
        received = await ours.first(ResponseReceived)
        assert (received.token, received.response) == ("token", SubmitSmResp("77", sequence_number=2))
        connection.unbind()
        async with asyncio.timeout(5):
            await connection.wait_closed()
        assert ours.events[-1] == Closed("unbound")
        await theirs.first(UnbindReceived)
        await theirs.first(Closed)


def make_certificate(path: Path) -> None:
    """Self-signed, for 127.0.0.1; certificate and key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "smsc")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(pem, form, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(pem) + secret)


async def test_over_tls(tmp_path: Path) -> None:
    certificate = tmp_path / "smsc.pem"
    make_certificate(certificate)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate)
    client_side = ssl.create_default_context(cafile=str(certificate))
    theirs, ours = Log(answer_everything), Log()
    async with smsc(theirs, server_side) as port:
        connection = await connect(
            "127.0.0.1", port, lambda now: Session(Role.ESME, SessionOptions(), now), ours, ssl=client_side
        )
        connection.send_request(BindTransceiver("bank"))
        await ours.first(Bound)
        connection.unbind()
        async with asyncio.timeout(5):
            await connection.wait_closed()


async def test_a_full_window_leaves_in_one_segment_and_is_answered() -> None:
    ours = Log()
    async with raw_peer(ours, window=50) as (connection, peer):
        for token in range(50):
            connection.send_request(SubmitSm(destination_addr="992900000001"), token)
        assert connection.free_window == 0
        with pytest.raises(WindowFull):
            connection.send_request(SubmitSm())
        loop = asyncio.get_running_loop()
        octets = await loop.sock_recv(peer, 100_000)
        size = int.from_bytes(octets[:4], "big")
        assert len(octets) == 50 * size
        numbers = [decode(octets[at : at + size]).sequence_number for at in range(0, len(octets), size)]
        await loop.sock_sendall(peer, b"".join(encode(SubmitSmResp("1", sequence_number=n)) for n in numbers))
        await ours.first(ResponseReceived)
        assert [event.token for event in ours.of(ResponseReceived)] == list(range(50))


async def test_octet_by_octet() -> None:
    ours = Log()
    async with raw_peer(ours) as (_, peer):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        for octet in encode(EnquireLink(sequence_number=9)):
            await loop.sock_sendall(peer, bytes((octet,)))
        async with asyncio.timeout(5):
            assert decode(await loop.sock_recv(peer, 1000)) == EnquireLinkResp(sequence_number=9)


async def test_the_peer_closes() -> None:
    ours = Log()
    async with raw_peer(ours) as (connection, peer):
        connection.send_request(SubmitSm(), "open")
        peer.shutdown(socket.SHUT_WR)  # half-closed: SMPP knows no such thing
        async with asyncio.timeout(5):
            await connection.wait_closed()
        assert [event.token for event in ours.of(RequestUncertain)] == ["open"]
        assert ours.events[-1] == Closed("closed by the peer")


async def test_the_peer_resets() -> None:
    ours = Log()
    async with raw_peer(ours) as (connection, peer):
        connection.send_request(SubmitSm(), "open")
        peer.send(encode(EnquireLink(sequence_number=1))[:7])
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        async with asyncio.timeout(5):
            await connection.wait_closed()
        assert [event.token for event in ours.of(RequestUncertain)] == ["open"]
        assert len(ours.of(Closed)) == 1


async def test_a_refused_bind_is_written_before_the_close() -> None:
    def refuse(connection: SmppConnection, event: Event) -> None:
        if isinstance(event, BindRequested):
            connection.send_response(event.pdu, BindTransceiverResp(command_status=CommandStatus.ESME_RBINDFAIL))

    async with smsc(Log(refuse)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(encode(BindTransceiver("nobody", sequence_number=5)))
        async with asyncio.timeout(5):
            octets = await reader.read()  # to the end: the server closes
        assert decode(octets).command_status == CommandStatus.ESME_RBINDFAIL
        writer.close()


async def test_timers_run() -> None:
    theirs = Log()
    async with smsc(theirs, session_init_timeout=0.05) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        assert theirs.events == [Closed("not bound within 0.05 s")]
        writer.close()


async def test_reading_pauses_and_resumes_with_the_session() -> None:
    waiting: asyncio.Queue[tuple[SmppConnection, SubmitSm]] = asyncio.Queue()
    answered: asyncio.Queue[object] = asyncio.Queue()

    def hold(connection: SmppConnection, event: Event) -> None:
        match event:
            case BindRequested(pdu=pdu):
                connection.send_response(pdu, BindTransceiverResp("payk"))
            case RequestReceived(pdu=SubmitSm() as pdu):
                waiting.put_nowait((connection, pdu))

    def count(_connection: SmppConnection, event: Event) -> None:
        if isinstance(event, ResponseReceived):
            answered.put_nowait(event.token)

    async with smsc(Log(hold), max_unanswered=1) as port, asyncio.timeout(10):
        connection = await bound(port, Log(count), window=100)
        for token in range(100):
            connection.send_request(SubmitSm(tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, bytes(50_000)),)), token)
        for _ in range(100):
            holder, pdu = await waiting.get()
            assert waiting.empty()
            holder.send_response(pdu, SubmitSmResp("1"))
        assert [await answered.get() for _ in range(100)] == list(range(100))
        connection.close()
        await connection.wait_closed()


async def test_a_peer_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_connection, "WRITE_TIMEOUT", 0.1)
    ours = Log()
    async with raw_peer(ours, window=1000) as (connection, _peer):
        payload = (Tlv(Tag.MESSAGE_PAYLOAD, bytes(60_000)),)
        for token in range(1000):
            connection.send_request(SubmitSm(tlvs=payload), token)
        async with asyncio.timeout(5):
            await connection.wait_closed()
        assert len(ours.of(RequestUncertain)) == 1000
        assert connection.free_window == 0


async def test_a_handler_that_raises_ends_its_own_session_only() -> None:
    def stumble(_connection: SmppConnection, event: Event) -> None:
        if isinstance(event, ResponseReceived):
            raise RuntimeError("stumbled")

    theirs = Log(answer_everything)
    async with smsc(theirs) as port:
        clumsy, other = Log(stumble), Log()
        first, second = await bound(port, clumsy), await bound(port, other)
        for token in range(3):
            first.send_request(SubmitSm(), token)
        async with asyncio.timeout(5):
            await first.wait_closed()
        completed = [event.token for event in clumsy.events if isinstance(event, ResponseReceived | RequestUncertain)]
        assert sorted(completed) == [0, 1, 2]
        assert clumsy.events[-1] == Closed("an event could not be handled")
        second.send_request(SubmitSm(), "fine")
        assert (await other.first(ResponseReceived)).token == "fine"
        assert second.session.state is State.BOUND_TRX
        second.close()
        await second.wait_closed()


async def test_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await connect("127.0.0.1", port, lambda now: Session(Role.ESME, SessionOptions(), now), Log())


async def test_a_tls_handshake_that_never_comes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(TimeoutError):
        await connect(
            "127.0.0.1",
            listener.getsockname()[1],
            lambda now: Session(Role.ESME, SessionOptions(), now),
            Log(),
            timeout=0.1,
            ssl=ssl.create_default_context(),
        )
