"""Two dispatchers on one database: they share the binds, and no message is submitted by both."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from payk.domain.message import MessageState, SmsType
from payk.domain.receipt import ReceiptWait
from payk.domain.retry import RetryRules
from payk.store.database import Database
from tests.dispatch.centre import Centre, Operator, Starts, accept, configure

S = MessageState
PHONES = [f"9929{number:08}" for number in range(400)]


async def hand_over(db: Database, heir: Centre, where: str) -> None:
    """Give leases of the one process to the other, as if they had come to them first."""
    async with db.connection() as connection:
        await connection.execute(f"update bind_lease set incarnation = $1 where {where}", heir.incarnation.number)


async def test_two_share_the_binds_and_the_rate(database: Database, operator: Operator, process: Starts) -> None:
    await configure(database, {"tcell": {"port": operator.port, "window": 5, "rate": 100, "binds": 2}})
    async with process("a") as first:
        await first.bound(2)
        async with process("b") as second:
            await hand_over(database, second, "number = 2")
            await first.holds(1)
            await second.holds(2)
            await asyncio.sleep(0.6)  # each knows its share of the rate by now
            before = len(await operator.submits())
            await accept(database, *PHONES[:150])
            await second.all_become(S.DELIVERED)
    lines = (await operator.submits())[before:]
    assert Counter(line["destination"] for line in lines) == dict.fromkeys(PHONES[:150], 1)
    assert min(Counter(line["bind"] for line in lines).values()) > 40  # half of it each
    assert lines[-1]["at"] - lines[0]["at"] > 1.3  # and together no more


async def test_two_on_one_queue_submit_each_message_once(
    database: Database, operator: Operator, process: Starts
) -> None:
    """As fast as they can, over a link each."""
    links = [{"name": name, "port": operator.port, "window": 5} for name in ("one", "other")]
    await configure(database, {"tcell": links})
    async with process("a") as first:
        await first.bound(2)
        async with process("b") as second:
            await hand_over(database, second, "link_id = (select link_id from link where name = 'other')")
            await first.holds(1)
            await second.holds(1)
            for _ in range(4):
                await accept(database, *PHONES[:100])
                await asyncio.sleep(0.02)
            await second.all_become(S.DELIVERED)
    lines = await operator.submits()
    assert Counter(line["destination"] for line in lines) == dict.fromkeys(PHONES[:100], 4)
    assert len({line["bind"] for line in lines}) >= 2


async def test_one_goes_and_the_other_takes_over(database: Database, operator: Operator, process: Starts) -> None:
    await configure(database, {"tcell": {"port": operator.port, "window": 10}})
    async with process("a") as first:
        await first.bound(1)
        async with process("b") as second:
            await accept(database, *PHONES[:100])
            await operator.record.wait_for(20)
            assert not second.dispatcher.links[1].binds
            stopping = asyncio.create_task(first.dispatcher.links[1].stop())
            await stopping
            await first.incarnation.end()
            await second.all_become(S.DELIVERED)
            assert second.dispatcher.links[1].binds
    assert await operator.times_submitted() == dict.fromkeys(PHONES[:100], 1)


async def test_who_lost_its_lease_submits_nothing_more(database: Database, operator: Operator, process: Starts) -> None:
    """Its heart stops, its sessions stay: from then on it writes nothing, and another one carries on."""
    await configure(database, {"tcell": {"port": operator.port, "window": 10, "rate": 100}})
    rules, wait = RetryRules(uncertain_hold=0.3), ReceiptWait(wait=1.5)
    async with process("a", lease=0.8, rules=rules, wait=wait) as loser:
        await loser.bound()
        number = loser.incarnation.number
        await accept(database, *PHONES[:200], sms_type=SmsType.BATCH)
        await operator.record.wait_for(30)
        async with process("b", lease=0.8, rules=rules, wait=wait) as heir:
            loser.heartbeat.cancel()
            while loser.incarnation.held():
                await asyncio.sleep(0.005)
            lapsed = time.time()
            ended = "select ended_at is not null from process where incarnation = $1"
            assert not await heir.value(ended, number)  # others judge later
            await heir.wait_for(ended, number)
            await heir.wait_for(
                "select count(*) = 1 from bind_lease where bound_at is not null and incarnation > $1", number
            )
            await heir.wait_for("select bool_and(state in (2, 7)) from message")
        binds = {bind: [line["at"] for line in await operator.submits() if line["bind"] == bind] for bind in (1, 2)}
        assert max(binds[1]) < lapsed + 0.02 < min(binds[2])
    # Batch: what was claimed and never answered is not repeated.
    times = await operator.times_submitted()
    assert set(times.values()) == {1}


async def test_who_was_held_for_dead_unbinds_before_it_comes_back(
    database: Database, operator: Operator, process: Starts
) -> None:
    await configure(database, {"tcell": {"port": operator.port, "rate": 100, "binds": 2}})
    async with process("a", lease=0.8) as centre:
        await centre.bound(2)
        number = centre.incarnation.number
        await accept(database, *PHONES[:60])
        await operator.record.wait_for(20)
        async with database.connection() as connection:
            await connection.execute("update process set ended_at = now() where incarnation = $1", number)
        await centre.wait_for(
            "select count(*) = 2 from bind_lease where bound_at is not null and incarnation > $1", number
        )
        await centre.all_become(S.DELIVERED)
        assert centre.incarnation.number > number
    binds = [line["bind"] for line in await operator.submits()]
    assert set(binds) <= {1, 2, 3, 4} and max(binds[-10:]) > 2  # sessions of the one came before those of the other
    assert max(place for place, bind in enumerate(binds) if bind < 3) < min(
        place for place, bind in enumerate(binds) if bind > 2
    )


async def test_what_a_killed_process_had_claimed_is_sent_by_another(
    database: Database, operator: Operator, process: Starts
) -> None:
    await configure(database, {"tcell": {"port": operator.port}})
    rules, wait = RetryRules(uncertain_hold=0.3), ReceiptWait(wait=1.5)
    common = await accept(database, *PHONES[:20])
    batch = await accept(database, *PHONES[20:40], sms_type=SmsType.BATCH)
    async with database.connection() as connection:
        dead = await connection.fetchval(
            "insert into process (host, pid, roles) values ('z', 1, '{}') returning incarnation"
        )
        await connection.execute("update waiting set claimed_by = $1, link_id = 1", dead)
    async with process("a", lease=0.8, rules=rules, wait=wait) as centre:
        await centre.wait_for("select bool_and(state in (2, 7)) from message")
        assert {await centre.state(message_id) for message_id in common} == {S.DELIVERED}
        assert {await centre.state(message_id) for message_id in batch} == {S.UNKNOWN}
    assert await operator.times_submitted() == dict.fromkeys(PHONES[:20], 1)
