"""What real operators do otherwise than the specification says, each as the peer sees it."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from payk.clock import Clock
from payk.simulator import Simulator, SimulatorOptions
from payk.smpp import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    Bound,
    DataSm,
    DeliverSm,
    Receipt,
    Tag,
    find_tlv,
    parse_receipt,
    tlv_int,
)
from tests.simulator.client import Customer, bound, submit_sm
from tests.simulator.conftest import Start
from tests.simulator.test_octets import SUBMIT, wire
from tests.simulator.test_octets import bound as bind_wire

ALL_AT_ONCE: dict[str, Any] = {
    "ids": "hex-dec",
    "receipt_fields": "shuffled",
    "service_type": "OVERLONG SERVICE",
    "receipts_on": "other",
    "throttle": 0.3,
    "duplicate": 0.1,
    "early": 0.05,
    "timezone": "Asia/Dushanbe",
    "congestion": 95,
}
AT_ONCE = '[[rule]]\ndestination = "992901*"\nreceipt_after = 0\n'


def read(pdu: DeliverSm | DataSm) -> Receipt:
    receipt = parse_receipt(pdu)
    assert receipt is not None
    return receipt


async def receipts_of(customer: Customer, amount: int) -> list[DeliverSm]:
    """Those of as many messages, and each belongs to one of them."""
    answers = [await customer.submit("992000000000") for _ in range(amount)]
    receipts = [await customer.receipt() for _ in range(amount)]
    assert Counter(read(pdu).message_ids[0] for pdu in receipts) == Counter(answer.message_id for answer in answers)
    return receipts


class TestReceiptFields:
    async def test_come_in_any_order_and_are_understood(self, start: Start) -> None:
        simulator = await start(receipt_fields="shuffled", receipts="text")
        async with bound(simulator) as customer:
            receipts = await receipts_of(customer, 60)
        labels = [tuple(re.findall(rb"(submit date|done date|[a-z]+):", pdu.short_message)) for pdu in receipts]
        assert len(set(labels)) > 50
        assert {read(pdu).state for pdu in receipts} == {"DELIVRD"}
        assert all(read(pdu).err == "000" and read(pdu).done_date and read(pdu).submit_date for pdu in receipts)
        assert {len(found) for found in labels} == {8, 6}
        assert all({b"sub", b"dlvrd"}.isdisjoint(found) for found in labels if len(found) == 6)
        assert len({found.index(b"text") for found in labels}) > 3

    async def test_are_those_of_appendix_b_by_default(self, simulator: Simulator) -> None:
        async with bound(simulator) as customer:
            (pdu,) = await receipts_of(customer, 1)
        assert re.fullmatch(
            rb"id:\d+ sub:001 dlvrd:001 submit date:\d{10} done date:\d{10} stat:DELIVRD err:000 text:",
            pdu.short_message,
        )


class TestServiceType:
    @pytest.mark.parametrize("service_type", ["WAP", "12345"])
    async def test_as_the_specification_allows(self, start: Start, service_type: str) -> None:
        simulator = await start(service_type=service_type)
        async with bound(simulator) as customer:
            assert [pdu.service_type for pdu in await receipts_of(customer, 1)] == [service_type]

    @pytest.mark.parametrize("form", ["both", "data_sm"])
    async def test_longer_than_the_specification_allows(self, start: Start, form: str) -> None:
        simulator = await start(service_type="TWENTY CHARACTERS OK", receipts=form)
        async with bound(simulator) as customer:
            (pdu,) = await receipts_of(customer, 1)
            assert pdu.service_type == "TWENTY CHARACTERS OK"
            assert pdu.source_addr == "992000000000"

    async def test_on_the_wire(self, start: Start) -> None:
        simulator = await start('[[rule]]\ndestination = "44*"\nreceipt_after = 0', service_type="fmsmscsim")
        async with wire(simulator) as to:
            await bind_wire(to)
            to.write(SUBMIT)
            await to.frame()
            receipt = await to.frame()
        assert receipt[4:8] == b"\0\0\0\x05"
        assert receipt[16:].startswith(b"fmsmscsim\0\x01\x0144951361920\0\x01\x0140404\0\x04")


class TestReceiptsOn:
    async def test_another_bind_as_long_as_there_is_one(self, start: Start) -> None:
        simulator = await start(receipts_on="other")
        async with bound(simulator) as one, bound(simulator) as other:
            for _ in range(5):
                await one.submit("992000000000")
                await other.receipt()
            await other.submit("992000000000")
            await one.receipt()
            await other.leave()
            await one.submit("992000000000")
            await one.receipt()
            assert one.receipts.empty()

    async def test_a_transmitter_is_no_other_bind(self, start: Start) -> None:
        simulator = await start(receipts_on="other")
        async with bound(simulator) as one, bound(simulator, BindTransmitter(system_id="payk", password="payk")):
            await one.submit("992000000000")
            await one.receipt()

    async def test_three_binds_take_turns_in_pairs(self, start: Start) -> None:
        simulator = await start(receipts_on="other")
        receiver = BindReceiver(system_id="payk", password="payk")
        async with bound(simulator) as one, bound(simulator) as two, bound(simulator, receiver) as three:
            for _ in range(10):
                await one.submit("992000000000")
            for taker in (two, three):
                for _ in range(5):
                    await taker.receipt()
            assert one.receipts.empty()


class TestIds:
    @pytest.mark.parametrize("form", ["dec-hex", "hex-dec", "dec-padded", "hex-padded"])
    async def test_are_written_otherwise_in_receipts(self, start: Start, form: str) -> None:
        simulator = await start(ids=form)
        async with bound(simulator) as customer:
            response = await customer.submit("992000000000")
            (in_receipt,) = set(read(await customer.receipt()).message_ids)
        answered, _, told = form.partition("-")
        base = {"dec": 10, "hex": 16}
        number = int(response.message_id, base[answered])
        assert number == int(in_receipt, base.get(told, base[answered]))
        assert not response.message_id.startswith("0")
        if told == "padded":
            assert in_receipt.startswith("00")
            assert in_receipt == in_receipt.upper()


class TestDataSm:
    async def test_carries_text_and_parameters(self, start: Start) -> None:
        simulator = await start(receipts="data_sm")
        async with bound(simulator) as customer:
            response = await customer.submit("992000000002")
            pdu = await customer.receipt()
            assert isinstance(pdu, DataSm)
            assert (pdu.source_addr, pdu.destination_addr, pdu.dest_addr_ton, pdu.esm_class) == (
                *("992000000002", "AlifBank"),
                *(5, 0x04),
            )
            text = find_tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD)
            assert text is not None
            assert text.startswith(b"id:" + response.message_id.encode())
            assert (read(pdu).message_ids, read(pdu).state, read(pdu).err) == ((response.message_id,), "UNDELIV", "001")
            assert tlv_int(pdu.tlvs, Tag.MESSAGE_STATE) == 5

    async def test_comes_again_if_it_is_refused_for_the_moment(self, start: Start) -> None:
        simulator = await start(receipts="data_sm")
        answers = iter([0x64, 0])
        async with bound(simulator, acknowledge=lambda _: next(answers)) as customer:
            await customer.submit("992000000000")
            first, second = await customer.receipt(), await customer.receipt()
            assert read(first) == read(second)

    async def test_is_unknown_to_a_peer_of_3_3(self, start: Start) -> None:
        simulator = await start(receipts="data_sm")
        async with bound(simulator, BindTransceiver(system_id="payk", password="payk", interface_version=0x33)) as old:
            await old.submit("992000000000")
            pdu = await old.receipt()
            assert isinstance(pdu, DeliverSm)
            assert (read(pdu).state, pdu.tlvs) == ("DELIVRD", ())


class TestCongestion:
    @pytest.mark.parametrize("state", [0, "95", 100])
    async def test_is_told_in_every_answer(self, start: Start, state: int | str) -> None:
        simulator = await start(congestion=state)
        async with bound(simulator) as customer:
            for number, status in (("992000000006", 0), ("992000000007", 0x0B)):
                response = await customer.submit(number)
                assert response.command_status == status
                assert tlv_int(response.tlvs, Tag.CONGESTION_STATE) == int(state)

    async def test_is_the_share_of_the_rate_in_use(self, start: Start) -> None:
        simulator = await start(rate=4, congestion="auto")
        async with bound(simulator) as customer:
            answers: list[Any] = await asyncio.gather(*(customer.ask(submit_sm("992000000006")) for _ in range(5)))
        told = [(answer.command_status, tlv_int(answer.tlvs, Tag.CONGESTION_STATE)) for answer in answers]
        assert told == [(0, 25), (0, 50), (0, 75), (0, 100), (0x58, 100)]

    async def test_is_not_told_to_a_peer_of_3_3(self, start: Start) -> None:
        simulator = await start(congestion=50)
        async with bound(simulator, BindTransceiver(system_id="payk", password="payk", interface_version=0)) as old:
            assert (await old.submit("992000000006")).tlvs == ()


class TestNoId:
    async def test_a_share_is_taken_without_an_id(self, start: Start) -> None:
        simulator = await start(no_id=0.5)
        async with bound(simulator) as customer:
            answers: list[Any] = await asyncio.gather(*(customer.submit("992900900900") for _ in range(100)))
            receipts = [read(await customer.receipt()) for _ in range(100)]
        ids = [answer.message_id for answer in answers]
        assert {answer.command_status for answer in answers} == {0}
        assert 30 <= ids.count("") <= 70
        assert {receipt.message_ids[0] for receipt in receipts} > set(ids) - {""}

    async def test_a_scenario_may_say_so(self, start: Start) -> None:
        simulator = await start(AT_ONCE + "no_id = true\nduplicate = true")
        async with bound(simulator) as customer:
            assert (await customer.submit("992901000001")).message_id == ""
            first, second = read(await customer.receipt()), read(await customer.receipt())
            assert first == second
            assert first.message_ids[0]


async def test_a_share_of_the_receipts_comes_twice(start: Start) -> None:
    simulator = await start(duplicate=0.5)
    async with bound(simulator) as customer:
        answers: list[Any] = await asyncio.gather(*(customer.submit("992900900900") for _ in range(100)))
        scripted = await customer.submit("992000000001")  # its receipt, after 5 s, is the last
        ids = []
        while not ids or ids[-1] != scripted.message_id:
            ids.append(read(await customer.receipt()).message_ids[0])
    times = Counter(Counter(ids).values())
    assert set(ids[:-1]) == {answer.message_id for answer in answers}
    assert set(times) == {1, 2}
    assert 30 <= times[2] <= 70


async def test_a_share_of_the_receipts_comes_before_the_answer(start: Start) -> None:
    simulator = await start(early=1.0)
    async with bound(simulator) as customer:
        response = await customer.submit("992900900900")
        assert customer.log == ["DeliverSm", "SubmitSmResp"]
        assert read(await customer.receipt()).message_ids[0] == response.message_id
        await customer.submit("992000000000")
        await customer.receipt()
        assert customer.log[2:] == ["SubmitSmResp", "DeliverSm"]  # a scripted number keeps to its script


async def test_the_dates_of_receipts_are_of_a_zone(start: Start) -> None:
    moment = datetime(2025, 12, 31, 20, 30, tzinfo=UTC)

    class At(Clock):
        def now(self) -> datetime:
            return moment

    simulator = Simulator(SimulatorOptions(port=0, timezone="Asia/Dushanbe", receipts="text"), clock=At())
    await simulator.start()
    try:
        async with bound(simulator) as customer:
            await customer.submit("992000000000")
            receipt = read(await customer.receipt())
    finally:
        await simulator.stop()
    assert (receipt.submit_date, receipt.done_date) == ("2601010130", "2601010130")
    assert moment.astimezone(ZoneInfo("Asia/Dushanbe")).utcoffset() == timedelta(hours=5)


class TestInterfaceVersion:
    @pytest.mark.parametrize("version", [0x34, 0x50])
    async def test_is_told_in_the_bind_response(self, start: Start, version: int) -> None:
        simulator = await start(interface_version=version)
        async with bound(simulator) as customer:
            outcome = customer.bound.result()
            assert isinstance(outcome, Bound)
            assert find_tlv(outcome.response.tlvs, Tag.SC_INTERFACE_VERSION) == bytes((version,))

    async def test_of_3_3_has_no_parameters_at_all(self, start: Start) -> None:
        simulator = await start(interface_version=0x33, congestion=50, receipts="tlv")
        async with bound(simulator) as customer:
            outcome = customer.bound.result()
            assert isinstance(outcome, Bound)
            assert outcome.response.tlvs == ()
            assert (await customer.submit("992000000000")).tlvs == ()
            pdu = await customer.receipt()
            assert (read(pdu).state, pdu.tlvs) == ("DELIVRD", ())


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"throttle": 1.0, "throttle_code": "RMSGQFUL"}, 0x14),
        ({"throttle": 1.0, "throttle_code": "RTHROTTLED"}, 0x58),
        ({"window": 1, "latency": 50, "throttle_code": "RMSGQFUL"}, 0x14),
        ({"rate": 1, "throttle_code": "RMSGQFUL"}, 0x14),
    ],
)
async def test_a_submit_too_many_has_the_status_asked_for(start: Start, options: dict[str, Any], status: int) -> None:
    simulator = await start(**options)
    async with bound(simulator) as customer:
        answers: list[Any] = await asyncio.gather(*(customer.submit("992900900900") for _ in range(2)))
        assert answers[-1].command_status == status


async def test_a_name_of_a_status_is_given_as_an_option_gives_it() -> None:
    assert SimulatorOptions(throttle_code="RMSGQFUL").throttle_code.status == 0x14  # type: ignore[arg-type]


class TestAllAtOnce:
    @pytest.mark.parametrize("form", ["text", "both", "data_sm"])
    async def test_every_message_has_its_receipt(self, start: Start, form: str) -> None:
        simulator = await start(receipts=form, **ALL_AT_ONCE)
        async with bound(simulator) as one, bound(simulator) as other:
            taken: set[str] = set()
            for customer in (one, other):
                left = 300
                while left:
                    answers: list[Any] = await asyncio.gather(*(customer.submit("992900900900") for _ in range(left)))
                    accepted = [answer for answer in answers if answer.command_status == 0]
                    assert all(answer.command_status in (0, 0x58) for answer in answers)
                    taken |= {str(int(answer.message_id, 16)) for answer in accepted}
                    left -= len(accepted)
            told: set[str] = set()
            async with asyncio.timeout(10):
                while told != taken:
                    for customer in (one, other):
                        while not customer.receipts.empty():
                            receipt = read(customer.receipts.get_nowait())
                            assert receipt.state == "DELIVRD"
                            told.add(receipt.message_ids[0])
                    await asyncio.sleep(0.02)
        assert len(taken) == 600
