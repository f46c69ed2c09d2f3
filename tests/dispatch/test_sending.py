"""The way of a message: claimed, submitted, recorded, its receipt matched."""

from __future__ import annotations

import asyncio
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from payk.domain.message import MessageState, SmsType
from payk.domain.receipt import ReceiptWait
from payk.domain.retry import RetryRules
from payk.metrics.catalogue import SUBMITTED_AFTER
from payk.store.database import Database
from tests.dispatch.centre import Operator, accept, configure, running_centre, running_operator

S = MessageState
PHONE = "992900000001"
AT_ONCE, UNANSWERED = "992000000000", "992000000011"
LONG_TEXT = "Ваш заказ уже в пути. " * 10
"""220 characters of UCS-2: four parts."""


async def test_messages_are_submitted_once_and_delivered(database: Database, operator: Operator) -> None:
    await configure(database, {"tcell": {"port": operator.port}})
    phones = [f"9929{number:08}" for number in range(300)]
    async with running_centre(database) as centre:
        await accept(database, *phones)
        await centre.all_become(S.DELIVERED)
        async with database.connection() as connection:
            for table in ("waiting", "staged", "awaiting", "parked_receipt", "uncertain_part", "refusal"):
                assert await connection.fetchval(f"select count(*) from {table}") == 0
    assert await operator.times_submitted() == dict.fromkeys(phones, 1)


async def test_a_lone_message_waits_for_nobody(database: Database, operator: Operator) -> None:
    """A wake-up brings it on its way; the look every 200 ms is only the net."""
    await configure(database, {"tcell": {"port": operator.port}})
    waits = []
    async with running_centre(database) as centre:
        await centre.bound()
        for number in range(9):
            began = time.time()
            await accept(database, f"99291{number:07}")
            [line] = await operator.record.wait_for(1, f"99291{number:07}")
            waits.append(line["at"] - began)
    assert statistics.median(waits) < 0.1


async def test_what_a_claim_takes_counts_as_time_to_the_submit(database: Database, operator: Operator) -> None:
    def seconds() -> float:
        return sum(spread.total for spread in SUBMITTED_AFTER.spreads.values())

    await configure(database, {"tcell": {"port": operator.port}})
    accepted = time.time()
    await accept(database, PHONE)
    before = seconds()
    held = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%claimed_by%')"
    holder = await database.dedicated()
    await holder.execute("begin; lock table waiting in exclusive mode")
    async with running_centre(database) as centre:
        await centre.wait_for(held)
        await asyncio.sleep(0.7)
        holder.terminate()  # and with it its lock
        [line] = await operator.record.wait_for(1, PHONE)
        await centre.all_become(S.DELIVERED)
    assert line["at"] - accepted > 0.7
    assert seconds() - before == pytest.approx(line["at"] - accepted, abs=0.4)


async def test_what_the_scripted_numbers_say(database: Database, operator: Operator) -> None:
    ends = {
        "0000": S.DELIVERED, "0002": S.UNDELIVERABLE, "0003": S.EXPIRED, "0004": S.REJECTED, "0013": S.DELETED,
        "0007": S.UNDELIVERABLE, "0015": S.REJECTED, "0010": S.DELIVERED, "0009": S.DELIVERED, "0008": S.DELIVERED,
        "0006": S.ENROUTE, "0012": S.ENROUTE,
    }  # fmt: skip
    await configure(database, {"tcell": {"port": operator.port}})
    async with running_centre(database) as centre:
        ids = await accept(database, *(f"99200000{number}" for number in ends))
        await centre.wait_for("select count(*) = $1 from message where state not in (0, 1)", len(ends) - 2)
        await operator.record.wait_for(3, "992000000008")
        assert {number: await centre.state(each) for number, each in zip(ends, ids, strict=True)} == ends
    times = {number[-4:]: count for number, count in (await operator.times_submitted()).items()}
    assert times == dict.fromkeys(ends, 1) | {"0008": 3, "0009": 2}


async def test_a_long_text_goes_in_parts_and_is_one_message(database: Database, operator: Operator) -> None:
    await configure(database, {"tcell": {"port": operator.port}})
    async with running_centre(database) as centre:
        await accept(database, AT_ONCE, text=LONG_TEXT, parts=4)
        await centre.all_become(S.DELIVERED)
        async with database.connection() as connection:
            assert await connection.fetchval("select part_states from message") == [2, 2, 2, 2]
    lines = await operator.submits()
    assert len(lines) == 4 and len({line["reference"] for line in lines}) == 4
    assert {line["registered_delivery"] for line in lines} == {1} and {line["esm_class"] for line in lines} == {0x40}


async def test_a_long_text_whole_is_one_submit_and_one_receipt(database: Database, operator: Operator) -> None:
    await configure(database, {"tcell": {"port": operator.port, "long_text": "payload"}})
    async with running_centre(database) as centre:
        await accept(database, AT_ONCE, text=LONG_TEXT, parts=4)
        await centre.all_become(S.DELIVERED)
    assert len(await operator.submits()) == 1


async def test_a_scheduled_message_goes_when_it_is_due(database: Database, operator: Operator) -> None:
    await configure(database, {"tcell": {"port": operator.port}})
    due = datetime.now(UTC) + timedelta(seconds=1.2)
    async with running_centre(database) as centre:
        await accept(database, PHONE, scheduled_at=due)
        await centre.all_become(S.DELIVERED)
    [line] = await operator.submits()
    assert 0 <= line["at"] - due.timestamp() < 0.9


async def test_a_message_for_a_dead_operator_expires(database: Database) -> None:
    await configure(database, {"tcell": {"port": 1}})
    async with running_centre(database) as centre:
        began = time.monotonic()
        await accept(database, PHONE, expires_in=1)
        [eternal] = await accept(database, PHONE)
        await centre.wait_for("select exists (select from message where state = 3 and done_at is not null)")
        assert 1 <= time.monotonic() - began < 2
        assert await centre.state(eternal) is S.NONE  # it waits


async def test_unanswered_messages_are_repeated_as_policy_says(database: Database, operator: Operator) -> None:
    await configure(database, {"tcell": {"port": operator.port, "response_timeout": 1}})
    rules, wait = RetryRules(uncertain_hold=0.5), ReceiptWait(wait=2)
    async with running_centre(database, rules=rules, wait=wait) as centre:
        for sms_type in SmsType:
            await accept(database, UNANSWERED, sms_type=sms_type, text=sms_type.name)
        await centre.wait_for("select count(*) = 3 from message where state = 1")
        await centre.all_become(S.UNKNOWN)
    lines = await operator.submits()
    assert sorted(bytes.fromhex(line["octets"]).decode() for line in lines) == [
        "BATCH", "COMMON", "COMMON", "OTP", "OTP",
    ]  # fmt: skip
    by_message = {line["reference"] for line in lines}
    assert len(by_message) == 3  # a repeat carries the reference of the first


async def test_an_answer_that_comes_late_stops_the_repeat(database: Database, tmp_path: Path) -> None:
    scenario = tmp_path / "late.toml"
    scenario.write_text('[[rule]]\ndestination = "992*"\nanswer_after = 1.5\nreceipt_after = 0\n')
    async with running_operator(tmp_path, scenario=scenario) as operator:
        await configure(database, {"tcell": {"port": operator.port, "response_timeout": 1}})
        async with running_centre(database, rules=RetryRules(uncertain_hold=1.5)) as centre:
            await accept(database, PHONE, PHONE[:-1] + "2")
            await accept(database, PHONE[:-1] + "3", text=LONG_TEXT, parts=4)
            await centre.wait_for("select count(*) = 6 from uncertain_part")
            await centre.all_become(S.DELIVERED)
            await asyncio.sleep(1.2)
        assert len(await operator.submits()) == 6


async def test_what_waits_when_the_centre_starts_is_sent(database: Database, operator: Operator) -> None:
    await configure(database, {"tcell": {"port": operator.port}})
    await accept(database, *(f"9929{number:08}" for number in range(50)))
    async with running_centre(database) as centre:
        await centre.all_become(S.DELIVERED)


@pytest.mark.parametrize("key", ["tcell", "babilon"])
async def test_a_link_that_cannot_be_bound_spoils_no_other(database: Database, operator: Operator, key: str) -> None:
    links = {"tcell": {"port": operator.port}, "babilon": {"port": operator.port}}
    links[key]["password"] = "wrong"
    await configure(database, links)
    async with running_centre(database) as centre:
        await accept(database, PHONE)
        await centre.all_become(S.DELIVERED)
