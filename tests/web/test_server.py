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
from tests.web.centre import MESSAGE, centre_on, key_of

BODY = json.dumps(MESSAGE).encode()
HEAD = f"POST /api/v1/sms HTTP/1.1\r\nX-Api-Key: {key_of(1)}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()


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


@contextlib.asynccontextmanager
async def no_connection_free(db: Database) -> AsyncIterator[None]:
    """While the block runs, whatever wants to go to the store waits."""
    async with contextlib.AsyncExitStack() as held:
        for _ in range(16):
            await held.enter_async_context(db.connection())
        yield


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
            for _ in range(5):
                await leave(centre.server.port, HEAD + BODY)
            staying = asyncio.create_task(centre.send(MESSAGE))
            await asyncio.sleep(0.2)
        assert (await staying).status_code == 200
        # The group commit's two writers had taken a batch each before anybody left; the rest was withdrawn.
        assert await centre.count() <= 1 + 2


async def test_a_caller_of_a_bulk_that_hangs_up_before_it_is_stored_sends_nothing(database: Database) -> None:
    body = json.dumps([MESSAGE] * 10).encode()
    head = f"POST /api/v1/sms/bulk HTTP/1.1\r\nX-Api-Key: {key_of(1)}\r\nContent-Length: {len(body)}\r\n\r\n"
    async with centre_on(database) as centre:
        async with no_connection_free(database):
            await leave(centre.server.port, head.encode() + body)
            await asyncio.sleep(0.1)
        assert (await centre.bulk([MESSAGE])).json() == {"Added": 1}
        assert await centre.count() == 1


def test_no_answer_waits_for_an_acknowledgement() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
