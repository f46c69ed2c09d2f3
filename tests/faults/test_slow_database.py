"""A database that every round trip takes 100 ms to: answers in time, codes first, throughput by batches."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from payk.domain.message import MessageState
from payk.store.database import Database
from tests.end_to_end.payk import KEY, MESSAGE, Centre, Payk, registry
from tests.faults.conftest import payk_on
from tests.faults.journal import Journal
from tests.store.proxy import Network, network_to

ROUND_TRIP = 0.1
ANSWER_TIMEOUT = 5.0
BULK, SINGLES = 1_000, 500
CODE_WITHIN = 3.0
"""Seconds until the operator has a code, with a bulk before it."""
SINGLE_WITHIN = 2.0
"""Seconds for one message alone: a transaction has half a dozen round trips, and as many on a new connection."""


@pytest.fixture
async def network(dsn: str) -> AsyncIterator[Network]:
    async with network_to(dsn) as network:
        yield network


@pytest.fixture
async def payk(tmp_path: Path, network: Network) -> AsyncIterator[Payk]:
    payk = payk_on(tmp_path, network.dsn)
    yield payk
    await payk.close()


async def at_once(centre: Centre, numbers: list[str]) -> list[str]:
    """Send one message to each number, each on a connection of its own, and all answered in time; the ids."""
    place = centre.http.base_url
    wires = [await asyncio.open_connection(place.host, place.port) for _ in numbers]
    head = f"POST /api/v1/sms HTTP/1.1\r\nHost: payk\r\nX-Api-Key: {KEY}\r\nContent-Type: application/json\r\n"
    began = time.monotonic()
    for number, (_, writer) in zip(numbers, wires, strict=True):
        body = json.dumps(MESSAGE | {"PhoneNumber": number, "SmsType": 1}).encode()
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
    answers = await asyncio.gather(*(reader.read() for reader, _ in wires))
    assert time.monotonic() - began < ANSWER_TIMEOUT, "by batches; one after the other would take minutes"
    for _, writer in wires:
        writer.close()
    assert {answer.split(b" ", 2)[1] for answer in answers} == {b"200"}
    return [json.loads(answer.partition(b"\r\n\r\n")[2])["MessageId"] for answer in answers]


async def delivered(db: Database, messages: int, *, within: float) -> list[int]:
    """Until so many are; which. Asked past the slow network."""
    async with asyncio.timeout(within), db.connection(within) as connection:
        while True:
            found = await connection.fetch("select message_id from message where state = $1", MessageState.DELIVERED)
            if len(found) >= messages:
                return [row["message_id"] for row in found]
            await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_a_slow_database(payk: Payk, network: Network, database: Database) -> None:
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    centre = await payk.serve()
    journal = Journal(centre.program)
    await journal.line("bind up")
    network.delay = ROUND_TRIP
    slow = await journal.line("the database is slow", within=20)
    assert 1000 * ROUND_TRIP <= slow["milliseconds"] < 3000 * ROUND_TRIP
    assert any(
        "the database is slow" in warning for warning in (await centre.http.get("/health/ready")).json()["Warnings"]
    )

    began = time.monotonic()
    sent = [await centre.send()]
    assert time.monotonic() - began < SINGLE_WITHIN
    await centre.wait_for(sent[0], "Delivered")

    began = time.monotonic()
    bodies = [MESSAGE | {"PhoneNumber": f"99290{number:07}", "SmsType": 3} for number in range(BULK)]
    bulk = await centre.http.post("/api/v1/sms/bulk", params={"MessageIds": "true"}, json=bodies)
    assert bulk.json()["Added"] == BULK and time.monotonic() - began < ANSWER_TIMEOUT

    code = await centre.send("992900900901", Text="Код: 4821", SmsType=2)
    await operator.record.wait_for(1, "992900900901", within=CODE_WITHIN)

    sent += await at_once(centre, [f"99291{number:07}" for number in range(SINGLES)])
    assert sorted(await delivered(database, 2 + BULK + SINGLES, within=60)) == sorted(
        map(int, [*sent, code, *bulk.json()["MessageIds"]])
    )
    assert len(operator.record.submits()) == 2 + BULK + SINGLES, "none was sent twice"

    network.delay = 0.0
    await journal.line("the database is quick again", within=20)
    for event in ("the database is slow", "the database is quick again", "bind up"):
        assert len(journal.lines(event)) == 1
    for event in ("bind down", "lease lapsed", "this process", "heartbeat failed", "the database does not answer"):
        assert not journal.lines(event)
    await centre.program.stop()
