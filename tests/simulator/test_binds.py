"""Binds: who is let in, and who carries the receipts."""

from __future__ import annotations

import asyncio

import pytest

from payk.simulator import Simulator
from payk.smpp import (
    Bind,
    BindReceiver,
    BindRefused,
    BindTransceiver,
    BindTransmitter,
    Bound,
    Tag,
    find_tlv,
    parse_receipt,
)
from tests.simulator.client import bound, dial, submit_sm
from tests.simulator.conftest import Start

RECEIVER = BindReceiver(system_id="payk", password="payk")
TRANSMITTER = BindTransmitter(system_id="payk", password="payk")


@pytest.mark.parametrize(
    "bind",
    [
        BindTransceiver(system_id="payk", password="wrong"),
        BindTransceiver(system_id="payk", password=""),
        BindTransceiver(system_id="other", password="payk"),
        BindReceiver(system_id="payk", password="pay\xff"),
        BindTransmitter(),
    ],
)
async def test_a_wrong_name_or_password_is_refused_with_one_status(simulator: Simulator, bind: Bind) -> None:
    customer = await dial(simulator, bind)
    assert customer.bound.result() == BindRefused(0x0D)
    await asyncio.wait_for(customer.closed.wait(), 5)


async def test_the_account_can_be_named(start: Start) -> None:
    simulator = await start(system_id="tcell", password="a password of 24 letters")
    customer = await dial(simulator, BindTransceiver(system_id="tcell", password="payk"))
    assert customer.bound.result() == BindRefused(0x0D)


@pytest.mark.parametrize("kind", [BindTransceiver, BindReceiver, BindTransmitter])
async def test_every_kind_of_bind_is_told_our_version(simulator: Simulator, kind: type[Bind]) -> None:
    async with bound(simulator, kind(system_id="payk", password="payk")) as customer:
        outcome = customer.bound.result()
        assert isinstance(outcome, Bound)
        assert find_tlv(outcome.response.tlvs, Tag.SC_INTERFACE_VERSION) == b"\x34"


async def test_a_peer_of_version_3_3_gets_no_parameters(simulator: Simulator) -> None:
    async with bound(simulator, BindTransceiver(system_id="payk", password="payk", interface_version=0x33)) as customer:
        outcome = customer.bound.result()
        assert isinstance(outcome, Bound)
        assert outcome.response.tlvs == ()
        await customer.submit("992000000000")
        assert (await customer.receipt()).tlvs == ()


async def test_more_binds_than_allowed_are_refused_until_one_leaves(start: Start) -> None:
    simulator = await start(max_binds=2)
    async with bound(simulator) as first, bound(simulator, TRANSMITTER):
        refused = await dial(simulator)
        assert refused.bound.result() == BindRefused(0x05)
        await first.leave()
        async with bound(simulator, RECEIVER):
            pass


async def test_a_receiver_cannot_submit(simulator: Simulator) -> None:
    async with bound(simulator, RECEIVER) as customer:
        with pytest.raises(ValueError, match="bound_rx"):
            customer.ask(submit_sm("992000000000"))


async def test_receipts_of_a_transmitter_go_to_the_receiver(simulator: Simulator) -> None:
    async with bound(simulator, TRANSMITTER) as transmitter, bound(simulator, RECEIVER) as receiver:
        response = await transmitter.submit("992000000000")
        receipt = parse_receipt(await receiver.receipt())
        assert receipt is not None
        assert receipt.message_ids[0] == response.message_id
        assert transmitter.receipts.empty()


async def test_receivers_take_turns(simulator: Simulator) -> None:
    async with bound(simulator) as one, bound(simulator) as other:
        for _ in range(10):
            await one.submit("992000000000")
        async with asyncio.timeout(5):
            while one.receipts.qsize() + other.receipts.qsize() < 10:
                await asyncio.sleep(0.01)
        assert (one.receipts.qsize(), other.receipts.qsize()) == (5, 5)


async def test_receipts_wait_for_the_next_bind(simulator: Simulator) -> None:
    async with bound(simulator, TRANSMITTER) as transmitter:
        responses = [await transmitter.submit("992000000000") for _ in range(3)]
    async with bound(simulator) as customer:
        receipts = [parse_receipt(await customer.receipt()) for _ in responses]
        assert [receipt and receipt.message_ids[0] for receipt in receipts] == [
            response.message_id for response in responses
        ]


async def test_a_stop_unbinds_every_peer(start: Start) -> None:
    simulator = await start()
    async with bound(simulator) as one, bound(simulator, RECEIVER) as other:
        await asyncio.wait_for(simulator.stop(), 5)
        assert one.unbound_by_peer
        assert other.unbound_by_peer
        await simulator.stop()
