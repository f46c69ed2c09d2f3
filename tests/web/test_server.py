"""The listening socket, hanging up, and stopping."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from payk.store.database import Database
from payk.web.server import HttpServer, ListenError, listen
from payk.web.site import ManagementSite
from tests.web.answers import raw_json, raw_problem
from tests.web.centre import MESSAGE, Centre, centre_on, key_of

BODY = json.dumps(MESSAGE).encode()
HEAD = f"POST /api/v1/sms HTTP/1.1\r\nX-Api-Key: {key_of(1)}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
KEY = {"Idempotency-Key": "request-17"}
KEYED = HEAD.replace(b"\r\n\r\n", b"\r\nIdempotency-Key: request-17\r\n\r\n")


async def ready() -> tuple[bool, list[str]]:
    return True, []


def test_port_0_is_a_free_one_and_is_told() -> None:
    server = HttpServer(ManagementSite(ready), listen("127.0.0.1", 0))
    assert server.port > 0
    assert server.host == "127.0.0.1"


def test_a_taken_port_is_one_clear_line() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(
            ListenError, match=rf"^cannot listen on 127\.0\.0\.1:{port}: the port is taken .*$"
        ) as taken:
            listen("127.0.0.1", port)
        assert "\n" not in str(taken.value)


@pytest.mark.parametrize(("host", "reason"), [("192.0.2.1", "no such address"), ("no such host", "not known")])
def test_an_address_that_is_not_here_is_one_clear_line(host: str, reason: str) -> None:
    with pytest.raises(ListenError, match=reason):
        listen(host, 0)


async def test_ipv6_is_served() -> None:
    try:
        listener = listen("::1", 0)
    except ListenError:
        pytest.skip("this machine has no IPv6")
    server = HttpServer(ManagementSite(ready), listener)
    serving = asyncio.create_task(server.run())
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"http://[::1]:{server.port}/health/live")).status_code == 200
    server.stop()
    await serving


async def test_a_request_under_way_is_answered_before_the_server_stops(database: Database) -> None:
    async with centre_on(database) as centre:
        reader, writer = await asyncio.open_connection("127.0.0.1", centre.server.port)
        writer.write(HEAD + BODY[:-1])
        await writer.drain()
        await asyncio.sleep(0.1)
        centre.server.stop()
        await asyncio.sleep(0.3)
        writer.write(BODY[-1:])
        answer = await reader.read()
        assert raw_json(answer)["MessageResult"] == "OK"
        assert b"connection: close" in answer
        writer.close()


async def test_a_stopping_server_takes_no_connections_and_closes_idle_ones(database: Database) -> None:
    async with centre_on(database) as centre:
        reader, writer = await asyncio.open_connection("127.0.0.1", centre.server.port)
        writer.write(HEAD + BODY)
        await reader.readuntil(b"\r\n\r\n")
        centre.server.stop()
        await asyncio.wait_for(reader.read(), 2)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", centre.server.port)


async def test_the_unread_end_of_a_body_is_given_up_with_an_answer(database: Database) -> None:
    async with centre_on(database, patience=1) as centre:
        reader, writer = await asyncio.open_connection("127.0.0.1", centre.server.port)
        writer.write(HEAD + BODY[:-1])
        await writer.drain()
        await asyncio.sleep(0.1)
        started = time.monotonic()
        centre.server.stop()
        answer = await asyncio.wait_for(reader.read(), 10)
        assert time.monotonic() - started < 3
        raw_problem(answer, "ServiceUnavailable")
        writer.close()
        assert await centre.count() == 0


@pytest.mark.parametrize(("head", "retryable"), [(HEAD, False), (KEYED, True)], ids=["plain", "with a key"])
async def test_what_the_store_still_has_when_the_server_stops_is_not_known(
    database: Database, head: bytes, retryable: bool
) -> None:
    async with centre_on(database, patience=1) as centre, no_connection_free(database):
        reader, writer = await asyncio.open_connection("127.0.0.1", centre.server.port)
        writer.write(head + BODY)
        await asyncio.sleep(0.1)
        centre.server.stop()
        answer = raw_problem(await asyncio.wait_for(reader.read(), 10), "OutcomeUnknown")
        assert answer["Retryable"] is retryable
        writer.close()


@contextlib.asynccontextmanager
async def no_connection_free(db: Database) -> AsyncIterator[None]:
    """While the block runs, whatever wants to go to the store waits."""
    async with contextlib.AsyncExitStack() as held:
        for _ in range(16):
            await held.enter_async_context(db.connection())
        yield


async def put(centre: Centre) -> asyncio.Task[httpx.Response]:
    """Send a message whose caller stays; it has reached the store, or waits for it, when this returns."""
    staying = asyncio.create_task(centre.send(MESSAGE))
    await asyncio.sleep(0.1)
    return staying


async def leave(port: int, request: bytes) -> None:
    """Send a request and hang up soon after."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    await writer.wait_closed()


async def test_a_caller_that_hangs_up_before_its_batch_is_stored_sends_nothing(database: Database) -> None:
    async with centre_on(database) as centre:
        async with no_connection_free(database):
            staying = [await put(centre), await put(centre)]  # a batch for each of the two writers of the group commit
            for _ in range(5):
                await leave(centre.server.port, HEAD + BODY)
            await leave(centre.server.port, KEYED + BODY)
            staying.append(await put(centre))
        assert [(await one).status_code for one in staying] == [200] * 3
        assert await centre.count() == 3
        first = await centre.send(BODY, **KEY)
        assert "x-payk-repeated" not in first.headers  # the key was left free
        assert await centre.count() == 4


@pytest.mark.parametrize("name", ["", f"Idempotency-Key: {KEY['Idempotency-Key']}\r\n"], ids=["plain", "with a key"])
async def test_a_caller_of_a_bulk_that_hangs_up_before_it_is_stored_sends_nothing(
    database: Database, name: str
) -> None:
    body = json.dumps([MESSAGE] * 10).encode()
    head = f"POST /api/v1/sms/bulk HTTP/1.1\r\nX-Api-Key: {key_of(1)}\r\n{name}Content-Length: {len(body)}\r\n\r\n"
    async with centre_on(database) as centre:
        async with no_connection_free(database):
            await leave(centre.server.port, head.encode() + body)
            await asyncio.sleep(0.1)
        assert (await centre.bulk([MESSAGE])).json() == {"Added": 1}
        assert await centre.count() == 1
        first = await centre.bulk(body, **KEY)
        assert (first.json(), "x-payk-repeated" in first.headers) == ({"Added": 10}, False)


def test_no_answer_waits_for_an_acknowledgement() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
