"""Every scripted number, over a socket."""

from __future__ import annotations

import asyncio

import pytest

from payk.simulator import Simulator, listing, scripted_numbers
from payk.smpp import DeliverSm, Receipt, SubmitSmResp, parse_receipt
from tests.simulator.client import Customer, bound, submit_sm


def read(pdu: DeliverSm) -> Receipt:
    receipt = parse_receipt(pdu)
    assert receipt is not None
    return receipt


async def nothing_came(customer: Customer) -> None:
    """A message behind has its receipt, and no other came."""
    behind = await customer.submit("992000000000")
    assert read(await customer.receipt()).message_ids[0] == behind.message_id
    assert customer.receipts.empty()


@pytest.mark.parametrize(
    ("number", "states", "earliest", "latest"),
    [
        ("992000000000", ["DELIVRD"], 0, 2),
        ("992000000001", ["DELIVRD"], 5, 6),
        ("992000000002", ["UNDELIV"], 0, 2),
        ("992000000003", ["EXPIRED"], 0, 2),
        ("992000000004", ["REJECTD"], 0, 2),
        ("992000000005", ["ACCEPTD", "DELIVRD"], 3, 4),
        ("992000000012", ["UNKNOWN"], 0, 2),
        ("992000000013", ["DELETED"], 0, 2),
        ("992900900900", ["DELIVRD"], 0.1, 2),
    ],
)
async def test_a_taken_message_has_its_receipts(
    simulator: Simulator, number: str, states: list[str], earliest: float, latest: float
) -> None:
    loop = asyncio.get_running_loop()
    async with bound(simulator) as customer:
        response = await customer.submit(number)
        assert response.command_status == 0
        answered = loop.time()
        receipts = [read(await customer.receipt()) for _ in states]
        assert earliest - 0.01 <= loop.time() - answered <= latest
        assert [receipt.state for receipt in receipts] == states
        assert all(set(receipt.message_ids) == {response.message_id} for receipt in receipts)
        assert all(receipt.source_addr == number for receipt in receipts)
        assert customer.log == ["SubmitSmResp"] + ["DeliverSm"] * len(states)
        await nothing_came(customer)


async def test_0006_has_no_receipt(simulator: Simulator) -> None:
    async with bound(simulator) as customer:
        response = await customer.submit("992000000006")
        assert (response.command_status, bool(response.message_id)) == (0, True)
        await nothing_came(customer)


@pytest.mark.parametrize(
    ("number", "statuses"),
    [
        ("992000000007", [0x0B, 0x0B]),
        ("992000000008", [0x58, 0x58, 0]),
        ("992000000009", [0x08, 0]),
        ("992000000015", [0x0A, 0x0A]),
    ],
)
async def test_a_refused_submit_has_its_status_and_no_id(
    simulator: Simulator, number: str, statuses: list[int]
) -> None:
    async with bound(simulator) as customer:
        responses = [await customer.submit(number) for _ in statuses]
        assert [response.command_status for response in responses] == statuses
        assert [bool(response.message_id) for response in responses] == [status == 0 for status in statuses]
        if responses[-1].message_id:
            receipt = read(await customer.receipt())
            assert (receipt.message_ids[0], receipt.state) == (responses[-1].message_id, "DELIVRD")
        await nothing_came(customer)


async def test_0010_has_its_receipt_before_the_answer(simulator: Simulator) -> None:
    async with bound(simulator) as customer:
        response = await customer.submit("992000000010")
        receipt = read(await customer.receipt())
        assert (receipt.message_ids[0], receipt.state) == (response.message_id, "DELIVRD")
        assert customer.log == ["DeliverSm", "SubmitSmResp"]
        await nothing_came(customer)


async def test_0011_is_never_answered_however_often_it_is_sent(simulator: Simulator) -> None:
    async with bound(simulator, response_timeout=0.1) as customer:
        assert await customer.submit("992000000011") is None
        assert await customer.submit("992000000011") is None
        await nothing_came(customer)


async def test_0014_drops_the_connection_however_often_it_is_sent(simulator: Simulator) -> None:
    for _ in range(2):
        async with bound(simulator) as customer:
            assert await customer.submit("992000000014") is None
            await asyncio.wait_for(customer.closed.wait(), 5)
            assert not customer.unbound_by_peer
    async with bound(simulator) as customer:
        await nothing_came(customer)


async def test_numbers_sent_along_with_a_drop_show_their_own_behaviour(simulator: Simulator) -> None:
    async with bound(simulator) as customer:
        numbers = ("992000000006", "992000000014", "992000000006")
        answers = [customer.ask(submit_sm(number)) for number in numbers]
        before, dropped, behind = await asyncio.gather(*answers)
        assert isinstance(before, SubmitSmResp)
        assert isinstance(behind, SubmitSmResp)
        assert dropped is None


def test_the_listing_names_every_number() -> None:
    lines = listing().splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == [f"99200000{number:04}" for number in range(16)]
    assert [row.number for row in scripted_numbers()] == [f"99200000{number:04}" for number in range(16)]
    assert max(map(len, lines)) <= 120
    for row, line in zip(scripted_numbers(), lines[1:-1], strict=True):
        assert row.behaviour in line
        assert row.final_state in line
        assert line.endswith(f"{row.within} s")
