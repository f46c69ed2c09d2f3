"""The database goes away amid traffic: operators are asked to wait, and everything ends right afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from payk.domain.message import MessageState, SmsType
from payk.smpp import CommandStatus
from payk.store.database import Database
from tests.dispatch.centre import accept, configure, running_centre, running_operator
from tests.store.proxy import Cut, Network

S = MessageState
PHONES = [f"9929{number:08}" for number in range(120)]


async def test_receipts_are_refused_for_the_moment_and_come_again(
    database: Database, through: Database, network: Network, tmp_path: Path
) -> None:
    async with running_operator(tmp_path, latency=20) as operator:
        await configure(database, {"tcell": {"port": operator.port, "window": 20}})
        async with running_centre(through) as centre:
            await accept(database, *PHONES, sms_type=SmsType.BATCH)  # which no uncertainty would repeat
            await operator.record.wait_for(40)
            await network.down()
            sent = len(await operator.submits())
            await asyncio.sleep(1.9)
            assert len(await operator.submits()) <= sent + 20  # nothing new without the database
            await network.up()
            await centre.all_become(S.DELIVERED)
        assert await operator.times_submitted() == dict.fromkeys(PHONES, 1)
        statuses = [line["status"] for line in operator.record.receipts()]
        assert CommandStatus.ESME_RX_T_APPN in statuses and statuses.count(CommandStatus.ESME_ROK) >= len(PHONES)
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from uncertain_part") == 0
        assert await connection.fetchval("select count(distinct message_id) from receipt_key") == len(PHONES)


async def test_sessions_outlast_a_database_that_is_away_for_many_leases(
    database: Database, through: Database, network: Network, tmp_path: Path
) -> None:
    """An operator that takes one bind, and would lock out whoever comes back too soon."""
    async with running_operator(tmp_path, max_binds=1) as operator:
        await configure(database, {"tcell": {"port": operator.port}})
        async with running_centre(through, lease=0.4) as centre:
            await accept(database, *PHONES[:10])
            await centre.all_become(S.DELIVERED)
            number = centre.incarnation.number
            await network.down()
            await asyncio.sleep(2.4)
            assert not centre.incarnation.held()
            await accept(database, *PHONES[10:20])  # through another network
            await centre.holds(1)
            await network.up()
            await centre.all_become(S.DELIVERED)
            assert centre.incarnation.number == number
        assert {line["bind"] for line in await operator.submits()} == {1}
        assert await operator.times_submitted() == dict.fromkeys(PHONES[:20], 1)


async def test_sessions_are_left_in_the_end(
    database: Database,
    through: Database,
    network: Network,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Perhaps only our own way is cut, and others wait for the binds."""
    monkeypatch.setattr("payk.dispatch.binds.KEEP_WITHOUT_DATABASE", 0.8)
    async with running_operator(tmp_path, max_binds=1) as operator:
        await configure(database, {"tcell": {"port": operator.port}})
        async with running_centre(through, lease=0.4) as centre:
            await centre.bound()
            await network.down()
            await centre.holds()
            await network.up()
            await accept(database, *PHONES[:10])
            await centre.all_become(S.DELIVERED)
        assert await operator.times_submitted() == dict.fromkeys(PHONES[:10], 1)


@pytest.mark.parametrize("cut", [Cut.AFTER, Cut.BEFORE])
async def test_commits_that_are_not_confirmed_send_nothing_twice(
    database: Database, through: Database, network: Network, tmp_path: Path, cut: Cut
) -> None:
    """Throttled messages go back to the queue by transactions whose confirmation is lost, again and again."""
    async with running_operator(tmp_path, rate=60) as operator:
        await configure(database, {"tcell": [{"port": operator.port, "window": 10}, {"port": operator.port}]})
        async with running_centre(through) as centre:
            await accept(database, *PHONES)
            for _ in range(4):
                network.on("commit", cut)
                await asyncio.wait_for(network.met.wait(), 5)
                await asyncio.sleep(0.1)
            await centre.all_become(S.DELIVERED)
        taken = [line["destination"] for line in await operator.submits() if line["status"] == 0]
    assert sorted(taken) == PHONES


async def test_claims_whose_answer_was_lost_go_back(
    database: Database, through: Database, network: Network, tmp_path: Path
) -> None:
    async with running_operator(tmp_path) as operator:
        await configure(database, {"tcell": {"port": operator.port, "rate": 100}})
        async with running_centre(through) as centre:
            await centre.bound()
            await accept(database, *PHONES, sms_type=SmsType.BATCH)
            for _ in range(4):
                network.on("update waiting w set claimed_by", Cut.AFTER)
                await asyncio.sleep(0.2)
            await centre.all_become(S.DELIVERED)
        assert await operator.times_submitted() == dict.fromkeys(PHONES, 1)
