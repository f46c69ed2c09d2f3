"""The database goes away and comes back, the operator too: answers meanwhile, recovery by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import psutil
import pytest

from payk.store.embedded.postmaster import Postmaster
from tests.end_to_end.conftest import SHORT_WAITS
from tests.end_to_end.payk import MESSAGE, Centre, Payk, registry
from tests.end_to_end.server import Server

FIRST_ANSWER = 5.0
KNOWN_AWAY = 3.0
"""Seconds in which a POST is answered when the database goes away, and while it is known to be away."""
RETURN = 5.0
"""Seconds from its return until all goes on; what is sent then is delivered in as many."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path / "database")
    await server.start()
    yield server
    await server.close()


@pytest.fixture
async def payk(tmp_path: Path, server: Server) -> AsyncIterator[Payk]:
    """On the server that goes away."""
    payk = Payk(tmp_path, {"PAYK_DATABASE_URL": server.dsn, "PAYK_SECRET_KEY": "5a" * 32, **SHORT_WAITS})
    yield payk
    await payk.close()


async def refusal(centre: Centre, within: float, *, path: str = "", body: object = MESSAGE) -> httpx.Response:
    """The answer to a POST that cannot be taken."""
    began = time.monotonic()
    answer = await centre.http.post(f"/api/v1/sms{path}", json=body)
    assert time.monotonic() - began < within
    assert (answer.status_code, answer.json()["MessageResult"]) in {
        (503, "ServiceUnavailable"),
        (504, "OutcomeUnknown"),
    }
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json()["MessageError"] is True
    return answer


@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_the_database_away(payk: Payk, server: Server, how: str) -> None:
    leave: Callable[[], Awaitable[None]] = server.stop if how == "stopped" else server.freeze
    return_: Callable[[], Awaitable[None]] = server.start if how == "stopped" else server.thaw
    await payk.done("migrate")
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    centre = await payk.serve()
    delivered = await centre.send()
    await centre.wait_for(delivered, "Delivered")
    on_its_way = await centre.send("992000000001")  # its receipt comes while the database is away
    await centre.wait_for(on_its_way, "Enroute")

    await leave()
    await refusal(centre, FIRST_ANSWER)
    for _ in range(5):
        answer = await refusal(centre, KNOWN_AWAY)
        assert answer.status_code == 503, "known to be away: surely nothing was taken"
    await refusal(centre, KNOWN_AWAY, path="/bulk", body=[MESSAGE] * 100)
    began = time.monotonic()
    many = await asyncio.gather(*(refusal(centre, FIRST_ANSWER) for _ in range(50)))
    assert time.monotonic() - began < FIRST_ANSWER
    assert {answer.status_code for answer in many} == {503}
    for client in (centre.http, centre.admin):
        assert (await client.get("/health/live")).status_code == 200
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["Warnings"]
    status = await centre.http.get(f"/api/v1/sms/{delivered}")
    assert (status.status_code, status.json()["CommandStatus"]) == (503, "ServiceUnavailable")
    assert (await centre.http.post("/api/v1/sms", content=b"{")).status_code in (400, 503)
    await asyncio.sleep(4)

    await return_()
    deadline = time.monotonic() + RETURN
    while (await centre.http.get("/health/ready")).status_code != 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    accepted = await centre.send("992900900902")
    await centre.wait_for(accepted, "Delivered", within=RETURN)
    await centre.wait_for(on_its_way, "Delivered", within=30)
    assert centre.program.runs
    assert {line["destination"] for line in operator.record.submits() if line["octets"]} == {
        "992900900900", "992000000001", "992900900902"
    }, "what was refused was not taken"  # fmt: skip
    await centre.program.stop()


async def test_a_stop_while_the_database_is_away_is_in_time(payk: Payk, server: Server) -> None:
    await payk.done("migrate")
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    centre = await payk.serve()
    await centre.wait_for(await centre.send(), "Delivered")
    await server.freeze()
    await asyncio.sleep(1)
    await centre.program.stop()


async def test_the_embedded_database_dies_and_is_started_again(tmp_path: Path) -> None:
    payk = Payk(tmp_path)
    try:
        centre = await payk.up()
        await centre.wait_for(await centre.send(), "Delivered")
        postmaster = next(process for process in payk.processes() if is_postmaster(process))
        postmaster.kill()
        await refusal_or_answer(centre)
        deadline = time.monotonic() + RETURN
        while (answer := await centre.http.post("/api/v1/sms", json=MESSAGE)).status_code != 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        await centre.wait_for(answer.json()["MessageId"], "Delivered", within=RETURN)
        await centre.program.stop()
        assert payk.processes() == []
    finally:
        await payk.close()


def is_postmaster(process: psutil.Process) -> bool:
    running = Postmaster.find(Path(process.cwd()))
    return running is not None and running.pid == process.pid


async def refusal_or_answer(centre: Centre) -> None:
    began = time.monotonic()
    answer = await centre.http.post("/api/v1/sms", json=MESSAGE)
    assert time.monotonic() - began < FIRST_ANSWER
    assert answer.status_code in (200, 503, 504)


async def test_messages_wait_for_an_operator_that_is_away_and_go_when_it_returns(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve()
    await centre.wait_for(await centre.send("992900900901"), "Delivered")
    await operator.program.stop()
    waiting = [await centre.send(f"99290090{number:04}", SmsType=1 + number % 3) for number in range(30)]
    await asyncio.sleep(1.5)
    assert {await centre.state(message_id) for message_id in waiting} == {"None"}
    assert (await centre.http.get("/health/ready")).status_code == 200

    operator = await payk_on_server.simulate(port=operator.port)
    states = await centre.wait_for_all(waiting, within=60)
    assert set(states.values()) == {"Delivered"}
    assert len(operator.record.submits()) == 30


async def test_the_second_operator_of_the_route_takes_over(payk_on_server: Payk) -> None:
    first, second = [await payk_on_server.simulate() for _ in range(2)]
    fallback = f"""
[[operator]]
name = "hub"
[[operator.link]]
host = "127.0.0.1"
port = {second.port}
system_id = "payk"
password = "payk"
"""
    await payk_on_server.apply(
        registry(first.port).replace('operators = ["tcell"]', 'operators = ["tcell", "hub"]') + fallback
    )
    centre = await payk_on_server.serve()
    await centre.wait_for(await centre.send("992900900901"), "Delivered")
    assert [len(operator.record.submits()) for operator in (first, second)] == [1, 0]
    await first.program.stop()
    await centre.wait_for(await centre.send("992900900902"), "Delivered")
    assert [line["destination"] for line in second.record.submits()] == ["992900900902"]
