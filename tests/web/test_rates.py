"""The rate of requests: told on every answer of a client that has one, and refused before the body is read."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from time import process_time
from timeit import timeit
from types import SimpleNamespace
from typing import Any, cast

import pytest

from payk.clock import Clock
from payk.domain.account import ApiKey, Client
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.limits import Limits
from payk.store.database import Database
from payk.store.rates import SharedRates
from payk.web.admission import Admission
from payk.web.auth import Authenticator
from payk.web.exchange import Exchange
from tests.web.centre import MESSAGE, Centre, centre_on, key_of

LIMITED = 9
"""The client of two requests a second."""
HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


@pytest.fixture
async def centre(database: Database) -> AsyncIterator[Centre]:
    """A centre in which nobody has sent yet."""
    async with centre_on(database) as running:
        yield running


def told(answer: Any) -> list[str | None]:
    return [answer.headers.get(name) for name in HEADERS]


async def limit(centre: Centre, per_second: float) -> None:
    """Set the rate, in force at once."""
    directory = centre.directory.value
    limited = replace(directory.clients[LIMITED], limits=Limits(requests_per_second=per_second))
    centre.directory.value = replace(directory, clients={**directory.clients, LIMITED: limited})


async def test_what_is_beyond_the_rate_is_refused_and_nothing_of_it_taken(centre: Centre) -> None:
    await limit(centre, 0.01)  # one request, and no other while a test lasts
    first = await centre.send(MESSAGE, client=LIMITED)
    assert (first.status_code, told(first)) == (200, ["1", "0", "100"])
    await centre.send(MESSAGE, client=LIMITED)  # on credit at the most
    answer = await centre.send(MESSAGE, client=LIMITED)
    assert answer.status_code == 429
    body = answer.json()
    assert (body["MessageResult"], body["Retryable"], body["MessageId"]) == ("RateLimitExceeded", True, None)
    assert "'limited' may send 0.01 requests a second" in body["Detail"]
    assert int(answer.headers["Retry-After"]) > 50
    assert told(answer) == ["1", "0", "100"]
    assert await centre.count() <= 2


async def test_every_path_counts_and_a_bulk_counts_as_one(centre: Centre) -> None:
    await limit(centre, 0.5)
    headers = {"X-Api-Key": key_of(LIMITED)}
    answers = [
        await centre.bulk([MESSAGE] * 50, client=LIMITED),
        await centre.http.get("/api/v1/sms/1", headers=headers),
        await centre.http.get("/api/v1/sms/1/events", headers=headers),
        await centre.http.head("/api/v1/sms/1", headers=headers),
        await centre.http.delete("/api/v1/sms/", headers=headers),
    ]
    assert answers[0].json()["Added"] == 50
    assert [answer.status_code for answer in answers[2:]] == [429] * 3
    assert all(answer.headers["X-RateLimit-Limit"] == "1" for answer in answers)


async def test_the_rate_is_judged_before_the_body_is_read(centre: Centre) -> None:
    """Of two faults this one is told; and a key, an address or a suspended client comes before it."""
    await limit(centre, 0.01)
    for _ in range(3):
        await centre.send(b"{", client=LIMITED)
    assert (await centre.send(b"{", client=LIMITED)).json()["MessageResult"] == "RateLimitExceeded"
    head = f"POST /api/v1/sms HTTP/1.1\r\nHost: payk\r\nX-Api-Key: {key_of(LIMITED)}\r\nContent-Length: 100\r\n\r\n"
    assert b"429" in (await centre.raw(head.encode(), until_closed=False)).partition(b"\r\n")[0]
    assert (await centre.http.put("/api/v1/sms", headers={"X-Api-Key": key_of(LIMITED)})).status_code == 405
    assert (await centre.send(MESSAGE, client=4)).json()["MessageResult"] == "ClientSuspended"


async def test_a_client_without_a_limit_is_told_nothing(centre: Centre) -> None:
    answers = await asyncio.gather(*(centre.send(MESSAGE) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert told(answers[0]) == [None, None, None]


async def test_a_second_s_worth_may_come_at_once(centre: Centre) -> None:
    await limit(centre, 40)
    answers = await asyncio.gather(*(centre.send(MESSAGE, client=LIMITED) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_rate_that_was_raised_counts_at_once(centre: Centre) -> None:
    await limit(centre, 0.01)
    for _ in range(3):
        await centre.send(MESSAGE, client=LIMITED)
    await limit(centre, 1000)
    async with asyncio.timeout(1):
        while (await centre.send(MESSAGE, client=LIMITED)).status_code == 429:
            pass


THREE = ("192.168.0.0/16", "172.16.0.0/12", "203.0.113.0/24")


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("keys", [1, 30_000])
async def test_who_has_no_limit_is_let_in_within_5_microseconds(
    database: Database, keys: int, restricted: bool
) -> None:
    """The key is found, looked at and noted; processor time, the best of some, for the machine is not ours alone.

    Restricted, it ends one day and opens to three networks, behind a proxy that we trust.
    """
    names = [f"{number:08}-0000-4000-8000-000000000001".encode() for number in range(keys)]
    ends = database.now() + timedelta(days=1)

    def made(number: int) -> ApiKey:
        return ApiKey(number, 1, ends, tuple(map(ip_network, THREE))) if restricted else ApiKey(number, 1)

    found = {hashlib.sha256(name).digest(): made(number) for number, name in enumerate(names)}
    directory = Directory(clients={1: Client(1, "demo")}, keys=found)
    clock = Clock()
    proxies = (ip_network("10.0.0.0/8"),) if restricted else ()
    authenticator = Authenticator(CurrentDirectory(directory), proxies, clock, database.now, set())
    admission = Admission(authenticator, SharedRates(database, clock), clock)
    headers = [*[(b"x-%d" % number, b"") for number in range(6)], (b"x-forwarded-for", b"198.51.100.1, 203.0.113.7")]
    scope = {"client": ("10.1.2.3", 5), "headers": headers}
    exchanges = [
        cast(Exchange, SimpleNamespace(headers={b"x-api-key": name}, client=None, scope=scope))
        for name in names[:: max(1, keys // 500)]
    ]
    rounds = 20_000 // len(exchanges)

    async def loop() -> None:
        for _ in range(rounds):
            for exchange in exchanges:
                await admission.client(exchange)

    def run() -> None:
        with pytest.raises(StopIteration):
            loop().send(None)

    assert min(timeit(run, number=1, timer=process_time) for _ in range(9)) / 20_000 < 5e-6
