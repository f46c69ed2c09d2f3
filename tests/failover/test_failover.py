"""A primary dies and its standby takes over: to a synchronous one nothing is lost; after any other nothing is sent."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.end_to_end.conftest import SHORT_WAITS
from tests.end_to_end.payk import MESSAGE, Operator, Payk, registry
from tests.failover.load import Load
from tests.failover.pair import Pair, pair

RATE = 120.0
AGAIN = 5.0
"""Seconds from the promotion to the next message that is taken."""


@pytest.fixture(params=[True])
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    async with pair(tmp_path / "pair", synchronous=request.param) as made:
        yield made


@pytest.fixture
async def payk(cluster: Pair, tmp_path: Path) -> AsyncIterator[Payk]:
    environment = {"PAYK_DATABASE_URL": cluster.dsn, "PAYK_SECRET_KEY": "5a" * 32, **SHORT_WAITS}
    payk = Payk(tmp_path, environment)
    await payk.done("migrate")
    yield payk
    await payk.close()


def submitted(operator: Operator) -> Counter[str]:
    """How often each text may have been taken."""
    taken = [line for line in operator.record.submits() if line["status"] in (0, None)]
    return Counter(bytes.fromhex(line["octets"]).decode("ascii") for line in taken)


async def test_a_synchronous_standby_takes_over_under_load_and_nothing_is_lost(cluster: Pair, payk: Payk) -> None:
    operator = await payk.simulate("--latency", "20")
    await payk.apply(registry(operator.port, link="binds = 2"))
    centres = [await payk.serve(), await payk.serve()]
    load = Load([centre.http for centre in centres])
    sending = asyncio.create_task(load.run(RATE))
    await asyncio.sleep(4)
    await cluster.kill_primary()
    await asyncio.sleep(1)
    await cluster.promote()
    promoted_at = time.monotonic()
    await asyncio.sleep(8)
    load.stop()
    await sending
    assert next(at for at in load.taken_at if at > promoted_at) - promoted_at < AGAIN

    states = await centres[0].wait_for_all(load.given, within=60)
    assert set(states.values()) == {"Delivered"}
    times = submitted(operator)
    assert not [text for text in load.given.values() if times[text] == 0]
    again = {message_id: times[text] for message_id, text in load.given.items() if times[text] > 1}
    for message_id, count in again.items():
        events = (await centres[0].http.get(f"/api/v1/sms/{message_id}/events")).json()["Events"]
        assert count == 2 and "uncertain" in [event["Event"] for event in events], (message_id, events)
    connection = await asyncpg.connect(cluster.dsn)
    texts = Counter(row[0] for row in await connection.fetch("select text from payk.message"))
    await connection.close()
    tried_elsewhere = set(load.given.values())
    assert not (load.refused - tried_elsewhere) & texts.keys(), "what was answered 503 was not taken"
    assert max(texts.values()) == 1, "no ClientMessageId makes two messages"
    for centre in centres:
        assert "database changed; all that this process wrote is there" in centre.program.stderr
        await centre.program.stop()


@pytest.mark.parametrize("cluster", [False], indirect=True)
async def test_after_commits_were_lost_nothing_is_sent_until_somebody_recovers(cluster: Pair, payk: Payk) -> None:
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    centre = await payk.serve()
    early = await centre.send("992900900901")
    await centre.wait_for(early, "Delivered")
    await operator.program.stop()
    kept = await centre.send("992900900902")  # waits, and the standby knows of it
    async with asyncio.timeout(30):
        while not await known(cluster.standby_dsn, kept):
            await asyncio.sleep(0.05)
    await cluster.stop_receiving()
    lost = await centre.send("992900900903")
    await cluster.kill_primary()
    await cluster.promote()

    async with asyncio.timeout(60):
        while "the database has lost commits" not in centre.program.stderr:
            await asyncio.sleep(0.1)
    back = await payk.simulate(port=operator.port)
    ready = await centre.admin.get("/health/ready")
    assert ready.status_code == 503 and "payk recover" in str(ready.json()["Warnings"])
    refused = await centre.http.post("/api/v1/sms", json=MESSAGE)
    assert (refused.status_code, refused.json()["MessageResult"]) == (503, "ServiceUnavailable")
    assert (await centre.http.get(f"/api/v1/sms/{lost}")).status_code == 404
    assert await centre.state(kept) == "None"

    recovered = await payk.done("recover")
    assert "set aside: 1 messages" in recovered and "missing" in recovered
    above = int(re.search(r"ids go on above (\d+)", recovered)[1])  # type: ignore[index]
    fresh = await centre.send("992900900904")
    assert int(fresh) > above >= int(lost)
    await centre.wait_for(fresh, "Delivered", within=30)
    assert [line["destination"] for line in back.record.submits()] == ["992900900904"]
    await payk.done("recover", "--release")
    await centre.wait_for(kept, "Delivered")
    await centre.program.stop()


async def known(dsn: str, message_id: str) -> bool:
    connection = await asyncpg.connect(dsn)
    found = await connection.fetchval("select exists (select from payk.message where message_id = $1)", int(message_id))
    await connection.close()
    return bool(found)
