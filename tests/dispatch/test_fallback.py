"""Which operator carries a message: the first that is up. And what may not be sent waits."""

from __future__ import annotations

import asyncio
from pathlib import Path

from payk.domain.message import MessageState, SmsType
from payk.store.database import Database
from tests.dispatch.centre import Operator, accept, configure, running_centre, running_operator

S = MessageState
FIRST, SECOND, THIRD = ([f"9929{digit}{number:07}" for number in range(30)] for digit in (1, 2, 3))


async def test_the_next_operator_carries_while_the_first_is_down(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path, "babilon") as babilon, running_operator(tmp_path, "tcell") as tcell:
        await configure(database, {"tcell": {"port": tcell.port}, "babilon": {"port": babilon.port}})
        async with running_centre(database) as centre:
            await centre.bound(2)
            await accept(database, *FIRST)
            await centre.all_become(S.DELIVERED)
            assert await tcell.times_submitted() == dict.fromkeys(FIRST, 1)

            await tcell.simulator.stop()
            await centre.bound(1)
            await accept(database, *SECOND)
            await centre.all_become(S.DELIVERED)
            assert await babilon.times_submitted() == dict.fromkeys(SECOND, 1)

            await tcell.simulator.start()
            await configure(database, {"tcell": {"port": tcell.port}, "babilon": {"port": babilon.port}})
            await centre.bound(2)
            await asyncio.sleep(0.6)  # everybody knows it by now
            await accept(database, *THIRD)
            await centre.all_become(S.DELIVERED)
            assert await tcell.times_submitted() == dict.fromkeys([*FIRST, *THIRD], 1)
            async with database.connection() as connection:
                query = "select name, count(*) from message join operator using (operator_id) group by name"
                assert dict(await connection.fetch(query)) == {"tcell": 60, "babilon": 30}


async def test_messages_wait_while_no_operator_is_up(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path) as operator:
        port = operator.port
    await configure(database, {"tcell": {"port": port}})
    async with running_centre(database) as centre:
        await accept(database, *FIRST)
        await asyncio.sleep(0.5)
        assert await centre.states() == {S.NONE: 30}
        async with running_operator(tmp_path, port=port) as operator:
            await centre.all_become(S.DELIVERED)
            assert await operator.times_submitted() == dict.fromkeys(FIRST, 1)


async def test_a_suspended_client_sends_nothing(database: Database, operator: Operator) -> None:
    links = {"tcell": {"port": operator.port, "rate": 20}}
    await configure(database, links)
    async with running_centre(database) as centre:
        await centre.bound()
        await accept(database, *FIRST, sms_type=SmsType.OTP)
        await operator.record.wait_for(3)
        await configure(database, links, client={"enabled": False})
        async with asyncio.timeout(10):
            while centre.directory.value.clients[1].enabled:
                await asyncio.sleep(0.02)
        stopped_at = len(await operator.submits())
        await asyncio.sleep(0.4)
        assert len(await operator.submits()) <= stopped_at + 1
        async with database.connection() as connection:  # what was claimed last has its outcome by now
            assert await connection.fetchval("select count(*) from waiting where claimed_by is not null") == 0
        await configure(database, links, client={"enabled": True})
        await centre.all_become(S.DELIVERED)
    assert await operator.times_submitted() == dict.fromkeys(FIRST, 1)
