"""PostgreSQL goes away, in three ways and for longer than a lease, and returns: sessions stay, all goes on at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from payk.smpp import CommandStatus
from tests.end_to_end.payk import MESSAGE, Payk, registry
from tests.end_to_end.server import Server
from tests.faults.conftest import payk_on
from tests.faults.journal import Journal

LEASE = 4.0
RETURN = 5.0
"""Seconds from the server's return to the first message taken and to its receipt, without a restart of anything."""
RECEIPT_AFTER = 5.0
"""Seconds after which the operator has a receipt for 992000000001."""
RECORD_LAG = 0.15


@dataclass(frozen=True)
class Way:
    """How the server goes and comes back, and for how many seconds it is away."""

    leave: Callable[[Server], Awaitable[None]]
    come_back: Callable[[Server], Awaitable[None]]
    away: float


async def kill(server: Server) -> None:
    server.kill()
    await server.stop()


WAYS = {
    "killed": Way(kill, Server.start, 1.0),
    "stopped for two leases": Way(Server.stop, Server.start, 2.2 * LEASE),
    "frozen for two leases": Way(Server.freeze, Server.thaw, 2.2 * LEASE),
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path / "database")
    await server.start()
    yield server
    await server.close()


@pytest.fixture
async def payk(tmp_path: Path, server: Server) -> AsyncIterator[Payk]:
    payk = payk_on(tmp_path, server.dsn)
    yield payk
    await payk.close()


@pytest.mark.slow
@pytest.mark.parametrize("how", WAYS)
async def test_the_database_returns(payk: Payk, server: Server, how: str) -> None:
    way = WAYS[how]
    await payk.done("migrate")
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    centre = await payk.serve(PAYK_LEASE=str(LEASE))
    await Journal(centre.program).line("bind up")
    # Another process, that would take the bind of one that it holds for dead.
    other = payk.start("serve", "--roles", "dispatch,maintenance", PAYK_ADMIN_PORT="0", PAYK_LEASE=str(LEASE))
    await other.line(r"^management +(http://\S+)")
    on_its_way = await centre.send("992000000001")
    [submitted] = await operator.record.wait_for(1)
    await asyncio.sleep(max(0.0, submitted["at"] + RECEIPT_AFTER - way.away / 2 - time.time()))

    await way.leave(server)
    left = time.monotonic()
    refused = 0
    while time.monotonic() - left < way.away:
        answer = await centre.http.post("/api/v1/sms", json=MESSAGE | {"PhoneNumber": "992900900901"})
        assert answer.status_code in (503, 504), answer.text
        refused += 1
        await asyncio.sleep(0.1)
    assert refused > 1

    await way.come_back(server)
    returned = time.monotonic()
    while (answer := await centre.http.post("/api/v1/sms", json=MESSAGE)).status_code != 200:
        assert answer.status_code == 503, answer.text
        assert time.monotonic() - returned < RETURN
        await asyncio.sleep(0.02)
    await centre.wait_for(answer.json()["MessageId"], "Delivered", within=RETURN - (time.monotonic() - returned))
    await centre.wait_for(on_its_way, "Delivered", within=20)
    await asyncio.sleep(RECORD_LAG)
    statuses = [line["status"] for line in operator.record.receipts("992000000001")]
    assert statuses[-1] == CommandStatus.ESME_ROK
    assert how.startswith("frozen") or CommandStatus.ESME_RX_T_APPN in statuses[:-1]

    for program in (centre.program, other):
        journal = Journal(program)
        assert "error" in await journal.line("the database does not answer")
        assert (await journal.line("the database answers again"))["seconds"] < way.away + RETURN
        assert len(journal.lines("the database does not answer")) == 1
        for event in ("bind down", "lease lapsed", "process ended", "this process", "dead processes", "claims of"):
            assert not journal.lines(event)
        await program.stop()
    assert {line["bind"] for line in operator.record.submits()} == {1}, "one session all the time"
    assert not operator.record.submits("992900900901"), "what was refused was not taken"
