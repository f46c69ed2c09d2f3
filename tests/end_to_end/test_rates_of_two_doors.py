"""The rate of a client's requests, over two `payk serve --roles api` that a balancer feeds unevenly."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.end_to_end.payk import KEY, Centre, Payk, registry

SECONDS = 5


async def flood(door: Centre, every: float, until: float, accepted: list[float]) -> None:
    """Ask ten times in one write, again and again, whatever comes back; notes when requests were let in."""
    url = door.http.base_url
    request = f"GET /api/v1/sms/1 HTTP/1.1\r\nHost: payk\r\nX-Api-Key: {KEY}\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection(url.host, url.port)
    while time.monotonic() < until:
        writer.write(request * 10)
        for _ in range(10):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
            assert b"x-ratelimit-limit: " in head
            if head.split()[1] == b"404":
                accepted.append(time.monotonic())
            else:
                assert head.split()[1] == b"429" and b"retry-after: " in head
        await asyncio.sleep(every)
    writer.close()


@pytest.mark.slow
@pytest.mark.parametrize("limit", [5, 50, 500])
async def test_two_doors_let_in_what_the_limit_says(payk_on_server: Payk, limit: int) -> None:
    """Three of four requests come to one of them. Beyond the burst of the first second they are within a tenth."""
    await payk_on_server.apply(registry(2775, client=f"requests_per_second = {limit}"))
    doors = await asyncio.gather(*(payk_on_server.serve("--roles", "api") for _ in range(2)))
    accepted: list[float] = []
    until = time.monotonic() + SECONDS + 2.5
    every = 0.01 if limit > 100 else 0.05
    await asyncio.gather(*(flood(doors[place], every, until, accepted) for place in (0, 0, 0, 1)))
    begin = until - SECONDS - 0.25
    within = sum(begin <= at < begin + SECONDS for at in accepted)
    assert within == pytest.approx(limit * SECONDS, rel=0.1)


async def test_a_burst_of_one_second_may_come_to_either_door(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(2775, client="requests_per_second = 20"))
    doors = await asyncio.gather(*(payk_on_server.serve("--roles", "api") for _ in range(2)))
    answers = await asyncio.gather(*(doors[1].http.get("/api/v1/sms/1") for _ in range(20)))
    assert [answer.status_code for answer in answers] == [404] * 20


async def test_a_limit_that_changes_is_in_force_on_both_within_a_second(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(2775))
    doors = await asyncio.gather(*(payk_on_server.serve("--roles", "api") for _ in range(2)))
    assert "X-RateLimit-Limit" not in (await doors[0].http.get("/api/v1/sms/1")).headers
    await payk_on_server.apply(registry(2775, client="requests_per_second = 0.01"))
    deadline = time.monotonic() + 1
    for door in doors:
        while "X-RateLimit-Limit" not in (await door.http.get("/api/v1/sms/1")).headers:
            assert time.monotonic() < deadline
    refused = [(await doors[number % 2].http.get("/api/v1/sms/1")).status_code for number in range(6)]
    assert refused[-2:] == [429, 429]
    await payk_on_server.apply(registry(2775, client="requests_per_second = 0"))
    deadline = time.monotonic() + 1
    for door in doors:
        while (await door.http.get("/api/v1/sms/1")).status_code == 429:
            assert time.monotonic() < deadline
