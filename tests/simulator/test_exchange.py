"""Options and scenario rules at work, over a socket."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from payk.simulator import Simulator
from payk.smpp import DeliverSm, Tag, Tlv, find_tlv, parse_receipt, tlv_text
from tests.simulator.client import bound, submit_sm
from tests.simulator.conftest import Start


async def test_latency_delays_the_answer(start: Start) -> None:
    simulator = await start(latency=100)
    loop = asyncio.get_running_loop()
    async with bound(simulator) as customer:
        began = loop.time()
        await customer.submit("992000000000")
        assert 0.1 <= loop.time() - began < 1
        await customer.receipt()
        assert customer.log == ["SubmitSmResp", "DeliverSm"]


async def test_the_window_is_per_bind_and_opens_with_each_answer(start: Start) -> None:
    simulator = await start(latency=50, window=2)
    async with bound(simulator) as one, bound(simulator) as other:
        asked = [one.ask(submit_sm("992000000006")) for _ in range(3)] + [other.ask(submit_sm("992000000006"))]
        answers = await asyncio.gather(*asked)
        assert [answer and answer.command_status for answer in answers] == [0, 0, 0x58, 0]
        assert (await one.submit("992000000006")).command_status == 0


async def test_the_rate_is_of_all_binds(start: Start) -> None:
    simulator = await start(rate=5)
    async with bound(simulator) as one, bound(simulator) as other:
        asked = [customer.ask(submit_sm("992000000006")) for customer in (one, other) for _ in range(5)]
        answers = await asyncio.gather(*asked)
        assert Counter(answer and answer.command_status for answer in answers) == {0: 5, 0x58: 5}


@pytest.mark.parametrize(("option", "status"), [("refuse", 0x45), ("throttle", 0x58)])
async def test_a_share_is_refused(start: Start, option: str, status: int) -> None:
    simulator = await start(**{option: 1.0})
    async with bound(simulator) as customer:
        assert (await customer.submit("992900900900")).command_status == status


async def test_a_share_is_lost_and_reading_goes_on(start: Start) -> None:
    simulator = await start(lose=1.0)
    async with bound(simulator, response_timeout=0.5) as customer:
        lost = [customer.ask(submit_sm("992900900900")) for _ in range(3000)]
        assert (await customer.submit("992000000006")).command_status == 0
        assert set(await asyncio.gather(*lost)) == {None}


@pytest.mark.parametrize(("form", "in_receipt"), [("dec", "dec"), ("hex", "hex"), ("uuid", "uuid"), ("hex-dec", "dec")])
async def test_ids_are_written_in_the_form_asked_for(start: Start, form: str, in_receipt: str) -> None:
    simulator = await start(ids=form)
    async with bound(simulator) as customer:
        response = await customer.submit("992000000000")
        receipt = parse_receipt(await customer.receipt())
    assert receipt is not None
    (told,) = set(receipt.message_ids)
    answered = response.message_id
    number: dict[str, Callable[[str], int]] = {
        "dec": int,
        "hex": lambda id_: int(id_, 16),
        "uuid": lambda id_: UUID(id_).int,
    }
    assert number[in_receipt](told) == number[form.split("-")[0]](answered)
    assert answered == answered.lower().lstrip("0")


async def test_no_receipt_without_asking(simulator: Simulator) -> None:
    async with bound(simulator) as customer:
        await customer.submit("992000000000", registered_delivery=0)
        await customer.submit("992000000000", registered_delivery=2)
        failed = await customer.submit("992000000002", registered_delivery=2)
        receipt = parse_receipt(await customer.receipt())
        assert receipt is not None
        assert receipt.message_ids[0] == failed.message_id
        assert customer.receipts.empty()


async def test_every_part_of_a_long_message_has_its_receipt(simulator: Simulator) -> None:
    async with bound(simulator) as customer:
        ids = []
        for part in (1, 2, 3):
            octets = bytes([5, 0, 3, 7, 3, part]) + b"part"
            ids.append((await customer.submit("992000000000", esm_class=0x40, short_message=octets)).message_id)
        receipts = [parse_receipt(await customer.receipt()) for _ in ids]
        assert [receipt and receipt.message_ids[0] for receipt in receipts] == ids
        assert len(set(ids)) == 3


async def test_a_message_may_come_as_message_payload(start: Start, tmp_path: Path) -> None:
    simulator = await start(record=tmp_path / "record.jsonl")
    async with bound(simulator) as customer:
        payload = Tlv(Tag.MESSAGE_PAYLOAD, b"x" * 1000)
        reference = Tlv.of(Tag.USER_MESSAGE_REFERENCE, 65535)
        response = await customer.submit("992000000000", short_message=b"", tlvs=(payload, reference))
        assert response.command_status == 0
        receipt = await customer.receipt()
        assert find_tlv(receipt.tlvs, Tag.USER_MESSAGE_REFERENCE) == b"\xff\xff"
        assert tlv_text(receipt.tlvs, Tag.RECEIPTED_MESSAGE_ID) == response.message_id
    await simulator.stop()
    assert (b"x" * 1000).hex() in (tmp_path / "record.jsonl").read_text()


async def test_a_scenario_goes_before_the_default(start: Start) -> None:
    simulator = await start(
        """
        [[rule]]
        destination = "992901*"
        answer = "RMSGQFUL"
        times = 1
        receipts = [{state = "ENROUTE"}, {state = "UNDELIV", after = 0.05, error = 954}]
        [[rule]]
        destination = "992902*"
        answer = 0x400
        """
    )
    async with bound(simulator) as customer:
        fields: dict[str, Any] = {"registered_delivery": 0x11}
        assert (await customer.submit("992901000000", **fields)).command_status == 0x14
        assert (await customer.submit("992902000000")).command_status == 0x400
        taken = await customer.submit("992901000000", **fields)
        enroute = parse_receipt(await customer.receipt())
        failed = parse_receipt(await customer.receipt())
        assert enroute is not None
        assert failed is not None
        assert (enroute.state, enroute.intermediate) == ("ENROUTE", True)
        assert (failed.state, failed.err, failed.intermediate) == ("UNDELIV", "954", False)
        assert failed.message_ids[0] == taken.message_id


async def test_a_message_may_be_delivered_though_its_answer_was_lost(start: Start) -> None:
    simulator = await start(
        """
        [[rule]]
        destination = "992901*"
        lose = true
        receipt = "DELIVRD"
        receipt_after = 0
        [[rule]]
        destination = "992902*"
        drop = true
        receipt = "DELIVRD"
        receipt_after = 0
        """
    )
    async with bound(simulator, response_timeout=0.1) as customer:
        assert await customer.submit("992901000000") is None
        assert (await customer.receipt()).source_addr == "992901000000"
        assert await customer.submit("992902000000") is None
    async with bound(simulator) as customer:
        assert (await customer.receipt()).source_addr == "992902000000"


async def test_a_receipt_refused_for_the_moment_comes_again_after_growing_pauses(simulator: Simulator) -> None:
    loop = asyncio.get_running_loop()
    answers = iter([0x64, 0x08, 0])
    arrived: list[float] = []

    def acknowledge(_: DeliverSm) -> int:
        arrived.append(loop.time())
        return next(answers)

    async with bound(simulator, acknowledge=acknowledge) as customer:
        await customer.submit("992000000000")
        receipts = [await customer.receipt() for _ in range(3)]
        assert {receipt.short_message for receipt in receipts} == {receipts[0].short_message}
        pauses = [later - earlier for earlier, later in pairwise(arrived)]
        assert pauses == pytest.approx([1, 2], abs=0.3)


async def test_a_receipt_that_is_not_answered_comes_again(start: Start) -> None:
    simulator = await start(receipt_timeout=0.2)
    answers = iter([None, 0])
    async with bound(simulator, acknowledge=lambda _: next(answers)) as customer:
        await customer.submit("992000000000")
        first, second = await customer.receipt(), await customer.receipt()
        assert first.short_message == second.short_message


async def test_a_receipt_refused_for_good_is_gone(simulator: Simulator) -> None:
    answers = iter([0x65, 0])
    async with bound(simulator, acknowledge=lambda _: next(answers)) as customer:
        refused = await customer.submit("992000000000")
        other = await customer.submit("992000000000")
        receipts = [parse_receipt(await customer.receipt()) for _ in range(2)]
        assert {receipt and receipt.message_ids[0] for receipt in receipts} == {refused.message_id, other.message_id}
    async with bound(simulator) as customer:
        last = await customer.submit("992000000000")
        receipt = parse_receipt(await customer.receipt())
        assert receipt is not None
        assert receipt.message_ids[0] == last.message_id


async def test_a_receipt_on_its_way_when_the_bind_ends_comes_with_the_next(simulator: Simulator) -> None:
    async with bound(simulator, acknowledge=lambda _: None) as customer:
        await customer.submit("992000000000")
        unanswered = await customer.receipt()
        customer.connection.abort()
    async with bound(simulator) as customer:
        assert (await customer.receipt()).short_message == unanswered.short_message


async def test_receipts_on_their_way_are_bounded_by_a_window(start: Start) -> None:
    simulator = await start(receipt_window=2)
    held: list[DeliverSm] = []
    async with bound(simulator, acknowledge=lambda pdu: held.append(pdu)) as customer:
        for _ in range(5):
            await customer.submit("992000000000")
        await customer.receipt()
        await customer.receipt()
        await customer.submit("992000000006")
        assert len(held) == 2


async def test_an_operator_full_of_receipts_takes_no_more(start: Start) -> None:
    simulator = await start(receipts_kept=2)
    async with bound(simulator) as customer:
        ask = ["992000000001"] * 3 + ["992000000006", "992000000007"]
        answers = [await customer.submit(number) for number in ask]
        answers.append(await customer.submit("992000000001", registered_delivery=0))
        assert [answer.command_status for answer in answers] == [0, 0, 0x14, 0, 0x0B, 0]
