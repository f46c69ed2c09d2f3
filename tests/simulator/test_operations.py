"""What can be asked of the operator besides submit_sm."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from payk.simulator import Simulator
from payk.smpp import (
    CancelSm,
    CancelSmResp,
    DataSm,
    DataSmResp,
    DistributionList,
    MessageState,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    SmeAddress,
    SubmitMulti,
    SubmitMultiResp,
    Tag,
    Tlv,
    UnsuccessSme,
    parse_receipt,
)
from tests.simulator.client import Customer, bound
from tests.simulator.conftest import Start

IN_A_WHILE = '[[rule]]\ndestination = "992901*"\nreceipt_after = 600\n'
SOON = '[[rule]]\ndestination = "992901*"\nreceipt_after = 0.5\n'

RINVMSGID, RCANCELFAIL, RREPLACEFAIL, RQUERYFAIL = 0x0C, 0x11, 0x13, 0x67


def data_sm(destination: str, **fields: Any) -> DataSm:
    bank: dict[str, Any] = {"source_addr": "AlifBank", "registered_delivery": 1}
    return DataSm(destination_addr=destination, tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"code"),), **{**bank, **fields})


def submit_multi(*destinations: str, **fields: Any) -> SubmitMulti:
    bank: dict[str, Any] = {"source_addr": "AlifBank", "registered_delivery": 1, "short_message": b"code"}
    addresses = tuple(SmeAddress(1, 1, destination) for destination in destinations)
    return SubmitMulti(dest_address=addresses, **{**bank, **fields})


async def told(customer: Customer) -> tuple[str, str, str]:
    """Id, state and number of the next receipt."""
    receipt = parse_receipt(await customer.receipt())
    assert receipt is not None
    return receipt.message_ids[0], receipt.state, receipt.source_addr


class TestDataSm:
    async def test_is_taken_as_a_message(self, start: Start, tmp_path: Path) -> None:
        simulator = await start(record=tmp_path / "record.jsonl")
        async with bound(simulator) as customer:
            answer = await customer.answer(data_sm("992000000000"))
            assert isinstance(answer, DataSmResp)
            assert answer.command_status == 0
            assert await told(customer) == (answer.message_id, "DELIVRD", "992000000000")
            assert customer.log == ["DataSmResp", "DeliverSm"]
        await simulator.stop()
        first, _ = map(json.loads, (tmp_path / "record.jsonl").read_text().splitlines())
        assert (first["kind"], first["octets"], first["id"]) == ("data_sm", b"code".hex(), answer.message_id)

    async def test_is_refused_or_lost_by_the_same_script(self, simulator: Simulator) -> None:
        async with bound(simulator, response_timeout=0.1) as customer:
            assert (await customer.answer(data_sm("992000000007"))).command_status == 0x0B
            assert await customer.answer(data_sm("992000000011")) is None
            assert (await customer.answer(data_sm("9" * 30))).command_status == 0x0B
            assert (await customer.answer(data_sm("992000000006", source_addr="a" * 60))).command_status == 0x0A


class TestSubmitMulti:
    async def test_each_destination_has_its_own_fate(self, start: Start, tmp_path: Path) -> None:
        simulator = await start(record=tmp_path / "record.jsonl")
        async with bound(simulator) as customer:
            answer = await customer.answer(submit_multi("992000000000", "992000000007", "992000000002", "abc"))
            assert isinstance(answer, SubmitMultiResp)
            assert answer.command_status == 0
            assert answer.unsuccess_sme == (
                UnsuccessSme(1, 1, "992000000007", 0x0B),
                UnsuccessSme(1, 1, "abc", 0x0B),
            )
            assert {await told(customer), await told(customer)} == {
                (answer.message_id, "DELIVRD", "992000000000"),
                (answer.message_id, "UNDELIV", "992000000002"),
            }
            assert customer.log[0] == "SubmitMultiResp"
        await simulator.stop()
        lines = [json.loads(line) for line in (tmp_path / "record.jsonl").read_text().splitlines()]
        statuses = [(line["destination"], line["status"]) for line in lines if line["kind"] == "submit_multi"]
        assert statuses == [("992000000000", 0), ("992000000007", 11), ("992000000002", 0), ("abc", 11)]

    async def test_the_answer_waits_for_the_slowest(self, simulator: Simulator) -> None:
        """0010 is answered 0.2 s later than 0000, whose receipt comes at once."""
        async with bound(simulator) as customer:
            await customer.answer(submit_multi("992000000000", "992000000010"))
            await customer.receipt()
            await customer.receipt()
            # 0010's own script says that its receipt does not wait for the answer.
            assert customer.log == ["DeliverSm", "SubmitMultiResp", "DeliverSm"]

    async def test_none_taken_is_a_failure(self, simulator: Simulator) -> None:
        async with bound(simulator) as customer:
            answer = await customer.answer(submit_multi("992000000007", "992000000015"))
            assert (answer.command_status, answer.message_id) == (0x45, "")
            assert [entry.error_status_code for entry in answer.unsuccess_sme] == [0x0B, 0x0A]

    async def test_one_lost_leaves_all_unanswered_and_the_others_have_their_receipts(
        self, simulator: Simulator
    ) -> None:
        async with bound(simulator, response_timeout=0.1) as customer:
            assert await customer.answer(submit_multi("992000000000", "992000000011")) is None
            assert (await told(customer))[1:] == ("DELIVRD", "992000000000")

    async def test_there_are_no_distribution_lists(self, simulator: Simulator) -> None:
        async with bound(simulator) as customer:
            pdu = SubmitMulti(source_addr="AlifBank", dest_address=(SmeAddress(1, 1, "992"), DistributionList("all")))
            assert (await customer.answer(pdu)).command_status == 0x34

    async def test_its_id_is_of_no_single_message(self, simulator: Simulator) -> None:
        async with bound(simulator) as customer:
            answer = await customer.answer(submit_multi("992000000006", "992900900900"))
            query = QuerySm(message_id=answer.message_id, source_addr="AlifBank")
            assert (await customer.answer(query)).command_status == RINVMSGID
            alone = await customer.answer(submit_multi("992000000006"))
            query = QuerySm(message_id=alone.message_id, source_addr="AlifBank")
            assert (await customer.answer(query)).command_status == 0


class TestQuerySm:
    async def test_says_the_state_that_the_message_has(self, simulator: Simulator) -> None:
        async with bound(simulator) as customer:
            ids = [(await customer.submit(number)).message_id for number in ("992000000006", "992000000002")]
            await customer.receipt()
            enroute, failed = [await customer.answer(QuerySm(id_, 5, 0, "AlifBank")) for id_ in ids]
        assert isinstance(enroute, QuerySmResp)
        assert (enroute.message_id, enroute.message_state, enroute.final_date) == (ids[0], MessageState.ENROUTE, "")
        assert (failed.message_state, failed.error_code) == (MessageState.UNDELIVERABLE, 1)
        assert len(failed.final_date) == 16

    async def test_the_state_changes_whether_a_receipt_was_asked_for_or_not(self, start: Start) -> None:
        simulator = await start(SOON)
        async with bound(simulator) as customer:
            unasked = await customer.submit("992901000001", registered_delivery=0)
            before = await customer.answer(QuerySm(unasked.message_id, 5, 0, "AlifBank"))
            await customer.submit("992901000002")
            await customer.receipt()  # 0.5 s after the second, so more after the first
            after = await customer.answer(QuerySm(unasked.message_id, 5, 0, "AlifBank"))
        assert (before.message_state, after.message_state) == (MessageState.ENROUTE, MessageState.DELIVERED)

    async def test_knows_the_ids_of_answers_of_its_own_senders(self, start: Start) -> None:
        simulator = await start(ids="hex-dec")
        async with bound(simulator) as customer:
            response = await customer.submit("992000000000")
            for message_id, source, status in (
                (response.message_id, "AlifBank", 0),
                (response.message_id, "AlifSarmoya", RQUERYFAIL),
                (response.message_id, "", RQUERYFAIL),
                (str(int(response.message_id, 16)), "AlifBank", RINVMSGID),
                ("1", "AlifBank", RINVMSGID),
                ("", "AlifBank", RINVMSGID),
            ):
                answer = await customer.answer(QuerySm(message_id=message_id, source_addr=source))
                assert answer.command_status == status

    async def test_the_oldest_is_forgotten(self, start: Start) -> None:
        simulator = await start(messages_kept=2)
        async with bound(simulator) as customer:
            ids = [(await customer.submit("992000000006")).message_id for _ in range(3)]
            answers = [await customer.answer(QuerySm(id_, 5, 0, "AlifBank")) for id_ in ids]
            assert [answer.command_status for answer in answers] == [RINVMSGID, 0, 0]
            ids.append((await customer.submit("992000000006")).message_id)
            answers = [await customer.answer(QuerySm(id_, 5, 0, "AlifBank")) for id_ in ids]
            assert [answer.command_status for answer in answers] == [RINVMSGID, RINVMSGID, 0, 0]


class TestCancelSm:
    async def test_deletes_what_is_on_its_way(self, start: Start) -> None:
        simulator = await start(SOON)
        async with bound(simulator) as customer:
            response = await customer.submit("992901000001")
            cancel = CancelSm("", response.message_id, 5, 0, "AlifBank", 1, 1, "992901000001")
            assert isinstance(await customer.answer(cancel), CancelSmResp)
            assert await told(customer) == (response.message_id, "DELETED", "992901000001")
            query = await customer.answer(QuerySm(response.message_id, 5, 0, "AlifBank"))
            assert query.message_state == MessageState.DELETED
            assert (await customer.answer(cancel)).command_status == RCANCELFAIL
            behind = await customer.submit("992901000002")
            assert (await told(customer))[0] == behind.message_id  # and not the one that was deleted

    async def test_no_receipt_is_sent_that_was_not_asked_for(self, start: Start) -> None:
        simulator = await start(IN_A_WHILE)
        async with bound(simulator) as customer:
            response = await customer.submit("992901000001", registered_delivery=0)
            cancel = CancelSm(message_id=response.message_id, source_addr="AlifBank")
            assert (await customer.answer(cancel)).command_status == 0
            await customer.submit("992000000000")
            assert (await told(customer))[2] == "992000000000"

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"message_id": "1"}, RINVMSGID),
            ({"message_id": ""}, RCANCELFAIL),  # a group
            ({"source_addr": "AlifSarmoya"}, RCANCELFAIL),
            ({"destination_addr": "992901000002"}, RCANCELFAIL),
        ],
    )
    async def test_of_another_is_refused(self, start: Start, fields: dict[str, str], status: int) -> None:
        simulator = await start(IN_A_WHILE)
        async with bound(simulator) as customer:
            response = await customer.submit("992901000001")
            whole = {"message_id": response.message_id, "source_addr": "AlifBank", **fields}
            assert (await customer.answer(CancelSm(**whole))).command_status == status

    async def test_what_is_final_stays(self, simulator: Simulator) -> None:
        async with bound(simulator) as customer:
            response = await customer.submit("992000000000")
            await customer.receipt()
            cancel = CancelSm(message_id=response.message_id, source_addr="AlifBank")
            assert (await customer.answer(cancel)).command_status == RCANCELFAIL

    async def test_what_is_accepted_is_not_final(self, simulator: Simulator) -> None:
        async with bound(simulator) as customer:
            response = await customer.submit("992000000005")
            assert (await told(customer))[1] == "ACCEPTD"
            cancel = CancelSm(message_id=response.message_id, source_addr="AlifBank")
            assert (await customer.answer(cancel)).command_status == 0
            assert (await told(customer))[1] == "DELETED"


class TestReplaceSm:
    async def test_puts_another_text_and_another_wish_in_place(self, start: Start, tmp_path: Path) -> None:
        simulator = await start(SOON, record=tmp_path / "record.jsonl")
        async with bound(simulator) as customer:
            quiet = await customer.submit("992901000001", registered_delivery=0)
            loud = await customer.submit("992901000002")
            for message_id, wish in ((quiet.message_id, 1), (loud.message_id, 0)):
                replacement = ReplaceSm(
                    message_id, source_addr="AlifBank", registered_delivery=wish, short_message=b"new"
                )
                assert isinstance(await customer.answer(replacement), ReplaceSmResp)
            assert await told(customer) == (quiet.message_id, "DELIVRD", "992901000001")
            behind = await customer.submit("992901000003")
            assert (await told(customer))[0] == behind.message_id
        await simulator.stop()
        lines = [json.loads(line) for line in (tmp_path / "record.jsonl").read_text().splitlines()]
        replaced = [line for line in lines if line["kind"] == "replace_sm"]
        assert [(line["id"], line["destination"]) for line in replaced] == [
            (quiet.message_id, "992901000001"),
            (loud.message_id, "992901000002"),
        ]
        assert {line["octets"] for line in replaced} == {b"new".hex()}

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"message_id": "1"}, RINVMSGID),
            ({"message_id": ""}, RINVMSGID),
            ({"source_addr": "AlifSarmoya"}, RREPLACEFAIL),
            ({"validity_period": "251124101500000*"}, 0x62),
            ({"schedule_delivery_time": "tomorrow at noon"}, 0x61),
        ],
    )
    async def test_of_another_or_unfit_is_refused(self, start: Start, fields: dict[str, str], status: int) -> None:
        simulator = await start(IN_A_WHILE)
        async with bound(simulator) as customer:
            response = await customer.submit("992901000001")
            whole = {"message_id": response.message_id, "source_addr": "AlifBank", **fields}
            assert (await customer.answer(ReplaceSm(**whole))).command_status == status

    async def test_what_is_final_stays(self, simulator: Simulator) -> None:
        async with bound(simulator) as customer:
            response = await customer.submit("992000000000")
            await customer.receipt()
            replacement = ReplaceSm(message_id=response.message_id, source_addr="AlifBank")
            assert (await customer.answer(replacement)).command_status == RREPLACEFAIL


async def test_many_operations_at_once_are_all_answered(start: Start) -> None:
    simulator = await start(IN_A_WHILE)
    async with bound(simulator) as customer:
        ids = [
            answer.message_id for answer in await asyncio.gather(*(customer.submit("992901000001") for _ in range(200)))
        ]
        cancels = (customer.ask(CancelSm(message_id=id_, source_addr="AlifBank")) for id_ in ids)
        queries = (customer.ask(QuerySm(message_id=id_, source_addr="AlifBank")) for id_ in ids)
        answers: list[Any] = await asyncio.gather(*cancels, *queries)
        assert {answer.command_status for answer in answers} == {0}
        assert {answer.message_state for answer in answers[200:]} == {MessageState.DELETED}
        assert {(await told(customer))[0] for _ in ids} == set(ids)
