"""The pace of a client: over all links and processes, Otp apart, and nothing to those beside it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from payk.domain.message import MessageState, SmsType
from payk.store.accept import insert_messages
from payk.store.database import Database
from tests.dispatch.centre import Operator, Starts, accept, configure, running_centre
from tests.dispatch.test_two_processes import hand_over
from tests.store.rows import add_client, new_message

S = MessageState
PHONES = [f"9929{number:08}" for number in range(1000)]


def times(lines: Sequence[dict[str, Any]]) -> list[float]:
    return sorted(line["at"] for line in lines)


async def submitted(operator: Operator, count: int, within: float = 20.0) -> list[dict[str, Any]]:
    """Wait until the operator got so many."""
    async with asyncio.timeout(within):
        while len(lines := await operator.submits()) < count:
            pass
    return lines


@pytest.mark.slow
async def test_two_dispatchers_keep_the_pace_together(database: Database, operator: Operator, process: Starts) -> None:
    pace, seconds = 40, 10
    links = [{"name": name, "port": operator.port, "window": 50} for name in ("one", "other")]
    await configure(database, {"tcell": links}, client={"pace": pace})
    async with process("a") as first:
        await first.bound(2)
        async with process("b") as second:
            await hand_over(database, second, "link_id = (select link_id from link where name = 'other')")
            await first.holds(1)
            await second.holds(1)
            await accept(database, *PHONES[: pace * (seconds + 2)])
            lines = await submitted(operator, pace * (seconds + 1), within=seconds * 2)
    begin = times(lines)[0]
    within = [line for line in lines if begin <= line["at"] < begin + seconds]
    assert len(within) == pytest.approx(pace * seconds, rel=0.1)
    assert len({line["bind"] for line in within}) == 2
    by_second = Counter(int(line["at"] - begin) for line in within)
    assert max(by_second.values()) <= pace * 1.5  # and evenly


async def test_otp_knows_no_pace(database: Database, operator: Operator) -> None:
    await configure(database, {"tcell": {"port": operator.port, "window": 50}}, client={"pace": 2})
    async with running_centre(database) as centre:
        await centre.bound()
        await accept(database, *PHONES[:20])
        await submitted(operator, 2)
        await accept(database, *PHONES[100:200], sms_type=SmsType.OTP)
        lines = await submitted(operator, 102)
        codes = [line for line in lines if line["destination"] in PHONES[100:200]]
        assert len(codes) == 100
        assert len(lines) < 115  # the others went on at their pace


async def test_what_a_paced_client_may_not_use_goes_to_others(database: Database, operator: Operator) -> None:
    await configure(database, {"tcell": {"port": operator.port, "window": 50}}, client={"pace": 1})
    other = await add_client(database, "other")
    async with running_centre(database) as centre:
        await centre.bound()
        await accept(database, *PHONES[:50])
        async with database.connection() as connection:
            queue = await connection.fetchval("select queue_id from route")
        messages = [new_message(phone=phone, client_id=other, queue_id=queue) for phone in PHONES[500:900]]
        await insert_messages(database, messages, timeout=10)
        await centre.wait_for("select bool_and(state = $1) from message where client_id = $2", int(S.DELIVERED), other)
        lines = await operator.submits()
    assert sum(line["destination"] in PHONES[:50] for line in lines) <= 12


async def test_a_pace_that_is_lifted_or_set_is_in_force_within_a_second(database: Database, operator: Operator) -> None:
    link = {"tcell": {"port": operator.port, "window": 50}}
    await configure(database, link, client={"pace": 0.01})
    async with running_centre(database) as centre:
        await centre.bound()
        await accept(database, *PHONES[:100])
        await submitted(operator, 1)
        assert len(await operator.submits()) <= 2  # one, and one on credit
        await configure(database, link, client={"pace": 0})
        await submitted(operator, 100, within=15)
        await configure(database, link, client={"pace": 0.01})
        async with asyncio.timeout(1):
            while not centre.directory.value.clients[1].limits.pace:
                await asyncio.sleep(0.01)
        await accept(database, *PHONES[100:200])
        await accept(database, *PHONES[200:250], sms_type=SmsType.OTP)
        assert len(await submitted(operator, 150)) <= 152


async def test_a_paced_client_makes_no_busy_loop(database: Database, operator: Operator) -> None:
    """While its tokens are out nothing is claimed, and little is looked up."""
    await configure(database, {"tcell": {"port": operator.port, "window": 50}}, client={"pace": 0.01})
    async with running_centre(database) as centre:
        await centre.bound()
        await accept(database, *PHONES[:10])
        await submitted(operator, 1)
        pump = next(iter(centre.dispatcher._running.values())).pump
        looks = 0
        once = pump._pump_once

        async def counted() -> float | None:
            nonlocal looks
            looks += 1
            return await once()

        pump._pump_once = counted  # type: ignore[method-assign]
        await asyncio.sleep(1)
        assert looks < 40
