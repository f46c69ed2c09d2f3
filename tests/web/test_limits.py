"""Slow callers, and too many of them."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import resource
import socket
import time
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from payk.store.database import Database
from payk.web.limits import Doorkeeper, HttpLimits, Phase, Slowness
from payk.web.protocol import HEAD_MAX
from payk.web.site import PublicOptions
from tests.web.answers import problem, raw_json, raw_problem
from tests.web.centre import MESSAGE, Centre, centre_on, key_of

BODY = json.dumps(MESSAGE).encode()
HEAD = f"POST /api/v1/sms HTTP/1.1\r\nX-Api-Key: {key_of(1)}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
SLOW = 2_000
LIMITS = HttpLimits(head_timeout=10, body_grace=10, body_rate=100)
QUICK = HttpLimits(head_timeout=1, body_grace=1, body_rate=1024)

# -- the rules


def test_a_head_has_its_time_and_no_more() -> None:
    slowness = Slowness()
    assert [slowness.see(Phase.HEAD, "a", octets, octets, LIMITS) for octets in (1, 10, 11)] == [False, False, True]


def test_another_head_has_a_time_of_its_own() -> None:
    slowness = Slowness()
    assert not any(slowness.see(Phase.HEAD, now // 9, 1, now, LIMITS) for now in range(100))


def test_a_body_that_comes_along_is_left_alone_however_long_it_takes() -> None:
    slowness = Slowness()
    assert not any(slowness.see(Phase.BODY, "a", 100 * now, now, LIMITS) for now in range(1000))


def test_a_body_that_stops_is_noticed_whatever_came_before() -> None:
    slowness = Slowness()
    seen = [slowness.see(Phase.BODY, "a", min(now, 20) * 1_000_000, now, LIMITS) for now in range(40)]
    assert seen.index(True) == 30


def test_who_waits_for_us_is_never_too_slow() -> None:
    slowness = Slowness()
    assert not any(slowness.see(Phase.IDLE, "a", 0, now, LIMITS) for now in range(1000))


def test_connections_are_counted_by_address_and_together() -> None:
    limits = HttpLimits(connections=4, connections_per_address=2, trusted_proxies=(ip_network("10.0.0.0/8"),))
    door = Doorkeeper(limits, lambda: 0.0)
    assert [door.admit("192.0.2.1") for _ in range(3)] == [True, True, False]
    door.leave("192.0.2.1")
    assert door.admit("192.0.2.1")
    assert [door.admit("10.0.0.1") for _ in range(3)] == [True, True, False], "a proxy, but there are 4"


def test_a_network_of_ipv6_is_counted_as_one_address() -> None:
    """Whoever has a /64 has 2^64 addresses of it."""
    limits = HttpLimits(connections=100, connections_per_address=2, trusted_proxies=(ip_network("2001:db8:5::/64"),))
    door = Doorkeeper(limits, lambda: 0.0)
    assert [door.admit(f"2001:db8::{n}") for n in range(1, 4)] == [True, True, False]
    assert door.admit("2001:db8:0:1::1"), "of the next network"
    door.leave("2001:db8::2")
    assert [door.admit("2001:db8::aaaa:1"), door.admit("2001:db8::aaaa:2")] == [True, False]
    assert all(door.admit(f"2001:db8:5::{n}") for n in range(1, 6)), "a proxy"


def test_refusals_are_told_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    door = Doorkeeper(HttpLimits(connections=1), lambda: now)
    door.admit("a")
    for second in range(121):
        now = float(second)
        assert not door.admit("b")
    lines = [line for line in capsys.readouterr().out.splitlines() if "connections refused" in line]
    assert len(lines) == 3
    assert "refused=60" in lines[1].replace("'", "")


# -- on sockets


async def connections_are(centre: Centre, count: int) -> None:
    """Wait until so many connections are there."""
    async with asyncio.timeout(15):
        while centre.server.connections != count:
            await asyncio.sleep(0.02)


async def opened(port: int, octets: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(octets)
    await writer.drain()
    return reader, writer


async def test_a_head_that_does_not_end_is_answered_408(database: Database) -> None:
    async with centre_on(database, limits=QUICK) as centre:
        for beginning in (b"P", b"GET / HT", b"GET / HTTP/1.1\r\nX-A: b\r\n"):
            reader, writer = await opened(centre.server.port, beginning)
            raw_problem(await asyncio.wait_for(reader.read(), 5), "RequestTimeout")
            writer.close()


async def test_a_second_head_on_a_kept_connection_has_its_time_too(database: Database) -> None:
    async with centre_on(database, limits=QUICK) as centre:
        reader, writer = await opened(centre.server.port, HEAD + BODY)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        await asyncio.sleep(2.5)  # longer than a head may take: an idle connection is kept
        writer.write(b"GET /health/li")
        raw_problem(await asyncio.wait_for(reader.read(), 5), "RequestTimeout")
        writer.close()


@pytest.mark.parametrize("lines", [b"\r\n", b"\r\n\r\n", b"\n", b"\r"])
async def test_empty_lines_before_a_request_are_no_begun_head(database: Database, lines: bytes) -> None:
    """RFC 9112, section 2.2: old clients send one after the body of a POST."""
    async with centre_on(database, limits=QUICK) as centre:
        reader, writer = await opened(centre.server.port, lines)
        await asyncio.sleep(2.5)  # longer than a head may take
        for _ in range(2):
            writer.write(HEAD + BODY)
            assert raw_json(await asyncio.wait_for(reader.readuntil(b"}"), 5))["MessageResult"] == "OK"
            writer.write(lines)
            await asyncio.sleep(2.5)
        writer.write(b"GET /health/li")
        raw_problem(await asyncio.wait_for(reader.read(), 5), "RequestTimeout")
        writer.close()


async def test_empty_lines_without_end_are_cut(database: Database) -> None:
    async with centre_on(database) as centre:
        octets = b"\r\n" * HEAD_MAX
        with contextlib.suppress(ConnectionResetError):  # closed before all was read, and the answer overtaken by that
            raw_problem(await centre.raw(octets), "PayloadTooLarge")


async def test_whoever_sends_nothing_but_empty_lines_is_idle(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payk.web.server.KEEP_ALIVE", 1)
    async with centre_on(database) as centre:
        reader, writer = await opened(centre.server.port, b"")
        lines = asyncio.create_task(empty_lines(writer))
        assert await asyncio.wait_for(reader.read(), 5) == b""
        lines.cancel()
        writer.close()


async def empty_lines(writer: asyncio.StreamWriter) -> None:
    """One after the other, more often than a connection may be idle."""
    while True:
        writer.write(b"\r\n")
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("path", ["/api/v1/sms", "/api/v1/sms/bulk"])
async def test_a_body_that_stops_is_answered_408_and_nothing_is_taken(database: Database, path: str) -> None:
    async with centre_on(database, limits=QUICK) as centre:
        head = f"POST {path} HTTP/1.1\r\nX-Api-Key: {key_of(1)}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
        reader, writer = await opened(centre.server.port, head + BODY[:-1])
        answer = raw_problem(await asyncio.wait_for(reader.read(), 6), "RequestTimeout")
        assert answer["Retryable"] is True
        writer.close()
        assert await centre.count() == 0


async def test_a_slow_body_that_comes_along_is_taken(database: Database) -> None:
    limits = HttpLimits(body_grace=1, body_rate=20)
    async with centre_on(database, limits=limits) as centre:
        reader, writer = await opened(centre.server.port, HEAD)
        for start in range(0, len(BODY), 8):
            writer.write(BODY[start : start + 8])
            await asyncio.sleep(0.2)
        assert raw_json(await reader.readuntil(b"}"))["MessageResult"] == "OK"
        writer.close()


async def test_an_answer_that_nobody_reads_is_given_up(database: Database) -> None:
    async with centre_on(database, limits=QUICK) as centre:
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(("127.0.0.1", centre.server.port))
            peer.sendall(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\n\r\n" * 10)
            await connections_are(centre, 1)
            await connections_are(centre, 0)


async def test_two_thousand_slow_connections_hold_nobody_up(database: Database) -> None:
    limits = HttpLimits(connections_per_address=SLOW + 100)
    async with centre_on(database, limits=limits) as centre, many(centre.server.port, SLOW):
        assert centre.server.connections >= SLOW
        times = []
        for _ in range(50):
            started = time.perf_counter()
            assert (await centre.send(MESSAGE)).status_code == 200
            times.append(time.perf_counter() - started)
        assert sorted(times)[45] < 0.1, sorted(times)[-5:]


async def test_too_many_connections_are_answered_503_and_closed(database: Database) -> None:
    async with centre_on(database, limits=HttpLimits(connections=5, connections_per_address=3)) as centre:
        held = [await opened(centre.server.port, b"GET") for _ in range(3)]
        reader, writer = await asyncio.open_connection("127.0.0.1", centre.server.port)
        answer = await asyncio.wait_for(reader.read(), 5)
        assert raw_problem(answer, "ServiceUnavailable")["Retryable"] is True
        assert b"connection: close" in answer
        writer.close()
        for _, each in held:
            each.close()
        await connections_are(centre, 0)
        assert (await centre.send(MESSAGE)).status_code == 200, "a place is free again"


async def test_too_many_header_lines_are_refused(database: Database) -> None:
    async with centre_on(database) as centre:
        lines = b"".join(b"X-%d: a\r\n" % number for number in range(201))
        answer = raw_problem(await centre.raw(b"GET / HTTP/1.1\r\n" + lines + b"\r\n"), "PayloadTooLarge")
        assert "200 header lines" in answer["Detail"]


async def test_a_bulk_that_takes_too_long_to_read_is_not_taken(database: Database) -> None:
    """Brackets within brackets, within an item that is too large: of all bodies the one that takes longest."""
    async with centre_on(database, PublicOptions(answer_timeout=0.5)) as centre:
        body = b"[[" + (b"[" * 9 + b"]" * 9 + b",") * 1_000_000 + b"0]]"
        started = time.monotonic()
        problem(await centre.bulk(gzip.compress(body, 1), **{"Content-Encoding": "gzip"}), "ServiceUnavailable")
        assert time.monotonic() - started < 5
        assert await centre.count() == 0


@contextlib.asynccontextmanager
async def many(port: int, count: int) -> AsyncIterator[None]:
    """So many connections, each with half a head."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 3 * count)), hard))
    held: list[asyncio.StreamWriter] = []
    try:
        while len(held) < count:
            held += [(await opened(port, b"GET / HTTP/1.1\r\nX-A"))[1] for _ in range(100)]
        yield
    finally:
        for writer in held:
            writer.transport.abort()
