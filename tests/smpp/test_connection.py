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

from payk.smpp import (
    Admission,
    AdmissionOptions,
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
    TooMany,
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
async def smsc(
    log: Log, tls: ssl.SSLContext | None = None, admission: Admission | None = None, **options: float
) -> AsyncIterator[int]:
    """A server on a free port, which is given."""

    def accept(now: float) -> SmppConnection:
        return SmppConnection(Session(Role.SMSC, SessionOptions(**options), now), log)  # type: ignore[arg-type]

    server = await serve("127.0.0.1", 0, accept, ssl=tls, admission=admission)
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


async def until(condition: Callable[[], object]) -> None:
    """For what the other side of a socket sees a moment later."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def answer_of(port: int, octets: bytes) -> bytes:
    """Everything that the server says to these octets before it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(octets)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


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
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - timedelta(hours=1), now + timedelta(days=1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(pem, form, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(pem) + secret)


def contexts(path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server, and of a client that trusts it."""
    certificate = path / "smsc.pem"
    make_certificate(certificate)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate)
    return server_side, ssl.create_default_context(cafile=str(certificate))


async def test_over_tls(tmp_path: Path) -> None:
    server_side, client_side = contexts(tmp_path)
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
    monkeypatch.setattr("payk.smpp_connection.connection.WRITE_TIMEOUT", 0.1)
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


class TestTheDoor:
    """What `Admission` says, at a listening socket."""

    async def test_whoever_is_one_too_many_is_closed_and_no_session_is_made(self) -> None:
        theirs = Log(answer_everything)
        admission = Admission(AdmissionOptions(max_unbound_per_address=1))
        async with smsc(theirs, admission=admission) as port:
            first = await asyncio.open_connection("127.0.0.1", port)
            await until(lambda: admission.unbound == 1)
            assert await answer_of(port, b"") == b""
            assert admission.refused == {TooMany.UNBOUND_OF_ADDRESS: 1}
            assert theirs.events == []
            first[1].write(encode(BindTransceiver("bank", sequence_number=1)))
            await first[0].readexactly(16)
            other = await bound(port, Log())
            assert (admission.connections, admission.unbound) == (2, 0)
            first[1].close()
            other.abort()
            await until(lambda: admission.connections == 0)

    @pytest.mark.parametrize("sent", [b"", b"\0\0", b"GET / HTTP/1.1\r\n\r\n", encode(BindTransceiver("bank"))])
    @pytest.mark.parametrize("reset", [False, True])
    async def test_however_a_connection_ends_it_is_counted_no_more(self, sent: bytes, reset: bool) -> None:
        admission = Admission()
        async with smsc(Log(answer_everything), admission=admission, session_init_timeout=1.0) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            await until(lambda: admission.connections == 1)
            writer.write(sent)
            if reset:
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            elif sent:
                writer.close()
            await until(lambda: admission.connections == 0)
            assert admission.unbound == 0
            writer.close()

    async def test_a_refused_bind_is_counted_no_more_and_too_many_are_not_heard(self) -> None:
        heard: list[str] = []

        def refuse(connection: SmppConnection, event: Event) -> None:
            if isinstance(event, BindRequested):
                heard.append(event.pdu.system_id)
                connection.send_response(event.pdu, BindTransceiverResp(command_status=CommandStatus.ESME_RBINDFAIL))

        admission = Admission(AdmissionOptions(failures=3))
        async with smsc(Log(refuse), admission=admission) as port:
            for number in range(6):
                octets = await answer_of(port, encode(BindTransceiver(f"name {number}", sequence_number=5)))
                assert decode(octets) == BindTransceiverResp(None, command_status=0x0D, sequence_number=5)
            assert heard == ["name 0", "name 1", "name 2"]
            await until(lambda: admission.connections == 0)
            assert admission.refused == {TooMany.FAILED_BINDS: 3}

    async def test_a_refusal_for_another_reason_is_no_failure(self) -> None:
        def refuse(connection: SmppConnection, event: Event) -> None:
            if isinstance(event, BindRequested):
                connection.send_response(event.pdu, BindTransceiverResp(command_status=CommandStatus.ESME_RALYBND))

        admission = Admission(AdmissionOptions(failures=1))
        async with smsc(Log(refuse), admission=admission) as port:
            for _ in range(3):
                octets = await answer_of(port, encode(BindTransceiver("bank", sequence_number=5)))
                assert decode(octets).command_status == CommandStatus.ESME_RALYBND

    async def test_a_name_that_others_made_fail_is_heard_a_little_later(self) -> None:
        admission = Admission(AdmissionOptions(failures=1, name_delay=0.1))
        elsewhere = admission.arrive("192.0.2.1")
        assert not isinstance(elsewhere, TooMany)
        loop = asyncio.get_running_loop()
        admission.failed(elsewhere, "bank", loop.time())
        theirs, ours = Log(answer_everything), Log()
        async with smsc(theirs, admission=admission) as port:
            began = loop.time()
            connection = await bound(port, ours)
            assert 0.09 <= loop.time() - began < 2
            assert len(theirs.of(BindRequested)) == 1
            connection.send_request(SubmitSm(), "token")
            await ours.first(ResponseReceived)
            connection.close()
            await connection.wait_closed()

    async def test_guesses_that_wait_side_by_side_are_no_more_than_one_after_another(self) -> None:
        heard: list[str] = []

        def refuse(connection: SmppConnection, event: Event) -> None:
            if isinstance(event, BindRequested):
                heard.append(event.pdu.password)
                connection.send_response(event.pdu, BindTransceiverResp(command_status=CommandStatus.ESME_RBINDFAIL))

        admission = Admission(AdmissionOptions(failures=3, name_delay=0.1))
        elsewhere = admission.arrive("192.0.2.1")
        assert not isinstance(elsewhere, TooMany)
        for _ in range(3):
            admission.failed(elsewhere, "bank", asyncio.get_running_loop().time())
        async with smsc(Log(refuse), admission=admission) as port:
            guesses = (encode(BindTransceiver("bank", f"guess {n}", sequence_number=1)) for n in range(10))
            answers = await asyncio.gather(*(answer_of(port, guess) for guess in guesses))
            assert {decode(octets).command_status for octets in answers} == {CommandStatus.ESME_RBINDFAIL}
            assert len(heard) == 3

    async def test_one_that_leaves_while_it_waits_is_not_told(self) -> None:
        admission = Admission(AdmissionOptions(failures=1, name_delay=0.05))
        elsewhere = admission.arrive("192.0.2.1")
        assert not isinstance(elsewhere, TooMany)
        admission.failed(elsewhere, "bank", asyncio.get_running_loop().time())
        theirs = Log(answer_everything)
        async with smsc(theirs, admission=admission) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(encode(BindTransceiver("bank", sequence_number=1)))
            await until(lambda: admission.connections == 2)
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            await until(lambda: admission.connections == 1)
            good = await bound(port, Log())  # heard after it: its own wait is over by then
            assert len(theirs.of(BindRequested)) <= 2
            good.close()
            await good.wait_closed()

    async def test_a_factory_that_fails_leaves_nothing_behind(self) -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context.get("exception")))

        def fail(_now: float) -> SmppConnection:
            raise ZeroDivisionError

        admission = Admission()
        server = await serve("127.0.0.1", 0, fail, admission=admission)
        try:
            assert await answer_of(server.sockets[0].getsockname()[1], b"") == b""
            assert admission.connections == 0
            assert [type(failure) for failure in failures] == [ZeroDivisionError]
        finally:
            server.close()


class TestTheDoorWithTls:
    async def test_a_bind_right_behind_the_handshake_is_read(self, tmp_path: Path) -> None:
        server_side, client_side = contexts(tmp_path)
        theirs = Log(answer_everything)
        admission = Admission()
        async with smsc(theirs, server_side, admission) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_side)
            writer.write(encode(BindTransceiver("bank", sequence_number=1)) + encode(EnquireLink(sequence_number=2)))
            async with asyncio.timeout(5):
                octets = await reader.readexactly(21 + 16)
            assert decode(octets[21:]) == EnquireLinkResp(sequence_number=2)
            assert (admission.connections, admission.unbound) == (1, 0)
            writer.close()
            await until(lambda: admission.connections == 0)

    async def test_those_that_have_not_agreed_on_tls_count(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("payk.smpp_connection.door._TLS_HANDSHAKE", 1.0)
        server_side, client_side = contexts(tmp_path)
        admission = Admission(AdmissionOptions(max_unbound_per_address=2))
        async with smsc(Log(answer_everything), server_side, admission) as port:
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            await until(lambda: admission.unbound == 2)
            assert await answer_of(port, b"") == b""
            assert admission.refused == {TooMany.UNBOUND_OF_ADDRESS: 1}
            await until(lambda: admission.connections == 0)  # their time is over
            for _, writer in idle:
                writer.close()
            ours = Log()
            connection = await connect(
                "127.0.0.1", port, lambda now: Session(Role.ESME, SessionOptions(), now), ours, ssl=client_side
            )
            connection.send_request(BindTransceiver("bank"))
            await ours.first(Bound)
            connection.close()
            await connection.wait_closed()

    @pytest.mark.parametrize(
        "sent",
        [encode(BindTransceiver("bank", sequence_number=1)), b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"],
        ids=["smpp", "http", "half a hello"],
    )
    async def test_plain_octets_end_their_own_connection_quietly(
        self, tmp_path: Path, sent: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        server_side, client_side = contexts(tmp_path)
        admission = Admission()
        theirs, ours = Log(answer_everything), Log()
        async with smsc(theirs, server_side, admission) as port:
            good = await connect(
                "127.0.0.1", port, lambda now: Session(Role.ESME, SessionOptions(), now), ours, ssl=client_side
            )
            good.send_request(BindTransceiver("bank"))
            await ours.first(Bound)
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            await until(lambda: admission.connections == 2)
            if sent[0] == 0x16:
                writer.transport.abort()  # nothing is wrong with it so far
            await until(lambda: admission.connections == 1)
            writer.close()
            good.send_request(SubmitSm(), "fine")
            assert (await ours.first(ResponseReceived)).token == "fine"
            good.close()
            await good.wait_closed()
        assert failures == []
        assert not [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"]
