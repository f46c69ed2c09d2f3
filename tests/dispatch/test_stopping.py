"""A stop drains: what was submitted is recorded, what was not goes back, leases are given back."""

from __future__ import annotations

import time
from pathlib import Path

from payk.domain.message import MessageState, SmsType
from payk.store.database import Database
from tests.dispatch.centre import accept, configure, running_centre, running_operator

S = MessageState
PHONES = [f"9929{number:08}" for number in range(150)]


async def test_a_stop_amid_traffic_loses_nothing_and_repeats_nothing(database: Database, tmp_path: Path) -> None:
    """Batch, which no uncertainty repeats: each message is either with the operator or still to be sent."""
    async with running_operator(tmp_path, latency=150, max_binds=1) as operator:
        await configure(database, {"tcell": {"port": operator.port, "window": 20}})
        async with running_centre(database):
            await accept(database, *PHONES, sms_type=SmsType.BATCH)
            await operator.record.wait_for(40)
            began = time.monotonic()
        assert time.monotonic() - began < 5
        sent = await operator.times_submitted()
        async with database.connection() as connection:
            assert await connection.fetchval("select count(*) from waiting where claimed_by is not null") == 0
            assert await connection.fetchval("select count(*) from uncertain_part") == 0
            assert await connection.fetchval("select count(*) from bind_lease") == 0
            waiting = await connection.fetch("select phone from waiting join message using (message_id)")
        assert {row[0] for row in waiting} == set(PHONES) - set(sent) and len(sent) < len(PHONES)
        assert {line["status"] for line in await operator.submits()} == {0}  # every answer was waited for
        async with running_centre(database) as again:
            await again.all_become(S.DELIVERED)
        assert await operator.times_submitted() == dict.fromkeys(PHONES, 1)


async def test_a_stop_while_an_operator_is_silent_is_quick(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path) as operator:
        await configure(database, {"tcell": {"port": operator.port, "response_timeout": 1}})
        async with running_centre(database) as centre:
            [message_id] = await accept(database, "992000000011")
            await operator.record.wait_for(1)
            began = time.monotonic()
        assert time.monotonic() - began < 5
        assert await centre.state(message_id) is S.ENROUTE
        async with database.connection() as connection:
            assert await connection.fetchval("select count(*) from staged") == 1  # held, to be sent once more
