"""What throttling costs a message: neither an attempt nor its place in the queue."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from payk.domain.message import MessageState, SmsType
from payk.store.database import Database
from tests.dispatch.centre import accept, configure, running_centre, running_operator

PHONES = [f"99290{number:07}" for number in range(20)]


@pytest.mark.parametrize("answer", ["RTHROTTLED", "0x400"])
async def test_a_throttled_message_is_the_next_again(database: Database, tmp_path: Path, answer: str) -> None:
    scenario = tmp_path / "throttle.toml"
    scenario.write_text(f'[[rule]]\ndestination = "{PHONES[4]}"\nanswer = "{answer}"\ntimes = 2\n')
    async with running_operator(tmp_path, scenario=scenario) as operator:
        link = {"port": operator.port, "rate": 20, "status_classes": {"0x0400": "throttle"}}
        await configure(database, {"tcell": link})
        async with running_centre(database) as centre:
            await centre.bound()
            await accept(database, *PHONES, sms_type=SmsType.BATCH)
            await centre.all_become(MessageState.DELIVERED)
        order = [line["destination"] for line in await operator.submits()]
    assert order == [*PHONES[:4], *PHONES[4:5] * 3, *PHONES[5:]]


async def test_a_full_queue_is_waited_for(database: Database, tmp_path: Path) -> None:
    scenario = tmp_path / "full.toml"
    scenario.write_text(f'[[rule]]\ndestination = "{PHONES[4]}"\nanswer = "RMSGQFUL"\ntimes = 1\n')
    async with running_operator(tmp_path, scenario=scenario) as operator:
        await configure(database, {"tcell": {"port": operator.port, "rate": 20}})
        async with running_centre(database) as centre:
            await centre.bound()
            await accept(database, *PHONES[:8], sms_type=SmsType.BATCH)
            await operator.record.wait_for(5)
            (link,) = centre.dispatcher.links.values()
            await centre.wait_for("select count(*) = 4 from waiting where claimed_by is null")
            assert link.pace.paused_until is not None
            assert await centre.value("select max(attempt) from waiting") == 0
            assert await centre.value("select count(*) from staged") == 0
            await centre.all_become(MessageState.DELIVERED)
        lines = await operator.submits()
    assert [line["destination"] for line in lines] == [*PHONES[:5], *PHONES[4:8]]
    assert max(later["at"] - earlier["at"] for earlier, later in pairwise(lines)) >= 5


async def test_an_operator_that_takes_less_than_agreed(database: Database, tmp_path: Path) -> None:
    """250 messages over a link of 1000 a second to an operator that takes 50: in seven seconds, and asked seldom."""
    phones = [f"99291{number:07}" for number in range(250)]
    async with running_operator(tmp_path, rate=50) as operator:
        await configure(database, {"tcell": {"port": operator.port, "rate": 1000}})
        async with running_centre(database) as centre:
            await centre.bound()
            await accept(database, *phones, sms_type=SmsType.BATCH)
            await centre.all_become(MessageState.DELIVERED)
        lines = await operator.submits()
    taken = [line for line in lines if line["status"] == 0]
    assert sorted(line["destination"] for line in taken) == phones
    late = [line for line in lines if line["at"] > lines[0]["at"] + 2.5]
    assert sum(line["status"] != 0 for line in late) <= 0.1 * len(late)
