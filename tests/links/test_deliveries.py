"""What operators send by themselves, on real sockets."""

from __future__ import annotations

import asyncio

import pytest

from payk.domain.operator import BindMode
from payk.smpp import (
    AlertNotification,
    CommandId,
    CommandStatus,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    SessionOptions,
    Tag,
    Tlv,
    encode,
)
from tests.links.raw_smsc import answer_to, raw_operator, read_pdu
from tests.links.smsc import link_to, message, operator, receipt


async def test_a_receipt_is_handed_over_and_answered_when_told_to() -> None:
    async with operator() as smsc, link_to(smsc, binds=[3]) as bench:
        await bench.bound()
        smsc.deliver(smsc.peers[0], [receipt()])
        await bench.until(lambda: bench.deliveries)
        (delivery,) = bench.deliveries
        assert (delivery.link_id, delivery.bind) == (7, 3)
        assert isinstance(delivery.pdu, DeliverSm)
        assert delivery.pdu.short_message == receipt().short_message
        assert smsc.answers == []
        delivery.respond(CommandStatus.ESME_ROK)
        await bench.until(lambda: smsc.answers)
        (answer,) = smsc.answers
        assert isinstance(answer, DeliverSmResp)
        assert answer.command_status == 0


@pytest.mark.parametrize("status", [CommandStatus.ESME_RX_T_APPN, CommandStatus.ESME_RX_P_APPN])
async def test_a_delivery_may_be_refused(status: int) -> None:
    async with operator() as smsc, link_to(smsc) as bench:
        await bench.bound()
        smsc.deliver(smsc.peers[0], [receipt()])
        await bench.until(lambda: bench.deliveries)
        bench.deliveries[0].respond(status)
        await bench.until(lambda: smsc.answers)
        assert smsc.answers[0].command_status == status


async def test_data_sm_is_a_delivery_too() -> None:
    pdu = DataSm(source_addr="992900900900", destination_addr="1234", tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"Salom"),))
    async with operator() as smsc, link_to(smsc) as bench:
        await bench.bound()
        smsc.deliver(smsc.peers[0], [pdu])
        await bench.until(lambda: bench.deliveries)
        assert isinstance(bench.deliveries[0].pdu, DataSm)
        bench.deliveries[0].respond(0)
        await bench.until(lambda: smsc.answers)
        assert isinstance(smsc.answers[0], DataSmResp)


async def test_a_pair_receives_on_its_receiver() -> None:
    async with operator() as smsc, link_to(smsc, bind=BindMode.PAIR) as bench:
        await bench.bound()
        (receiver,) = smsc.receivers()
        smsc.deliver(receiver, [receipt()])
        await bench.until(lambda: bench.deliveries)
        bench.deliveries[0].respond(0)
        await bench.until(lambda: smsc.answers)


async def test_a_receipt_on_a_transmitter_is_taken() -> None:
    answers: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bind = await read_pdu(reader)
        writer.write(answer_to(bind))
        if bind[7] == CommandId.BIND_TRANSMITTER:
            writer.write(encode(receipt(), 77))
            answers.append(await read_pdu(reader))
        await reader.read()

    async with raw_operator(talk) as port, link_to(port, bind=BindMode.PAIR) as bench:
        await bench.bound()
        await bench.until(lambda: bench.deliveries)
        bench.deliveries[0].respond(0)
        await bench.link.stop()
        assert answers == [encode(DeliverSmResp(), 77)]


async def test_a_receipt_right_behind_the_bind_response_is_not_lost() -> None:
    async with operator() as smsc, link_to(smsc, binds=[]) as bench:
        bench.link.want_binds([1])
        await bench.until(lambda: smsc.peers)
        smsc.deliver(smsc.peers[0], [receipt()])  # the same write as the bind_resp
        await bench.until(lambda: bench.deliveries)


async def test_only_the_first_answer_counts() -> None:
    async with operator() as smsc, link_to(smsc) as bench:
        await bench.bound()
        smsc.deliver(smsc.peers[0], [receipt(1), receipt(2)])
        await bench.until(lambda: len(bench.deliveries) == 2)
        bench.deliveries[0].respond(CommandStatus.ESME_RX_T_APPN)
        bench.deliveries[0].respond(0)
        bench.deliveries[1].respond(0)
        await bench.until(lambda: len(smsc.answers) == 2)
        assert [answer.command_status for answer in smsc.answers] == [CommandStatus.ESME_RX_T_APPN, 0]


async def test_an_answer_after_the_session_is_dropped() -> None:
    async with operator() as smsc, link_to(smsc) as bench:
        await bench.bound()
        smsc.deliver(smsc.peers[0], [receipt()])
        await bench.until(lambda: bench.deliveries)
        smsc.drop()
        await bench.bound(0)
        bench.deliveries[0].respond(0)
        await bench.bound(1)
        bench.deliveries[0].respond(0)
        assert smsc.answers == []


async def test_answers_go_on_while_the_bind_is_left() -> None:
    async with operator() as smsc, link_to(smsc) as bench:
        await bench.bound()
        smsc.on_submit = lambda smsc, peer, pdu: smsc.deliver(peer, [receipt()])
        bench.link.submit(message())  # never answered, so the stop has something to wait for
        await bench.until(lambda: bench.deliveries)
        bench.link.want_binds([])
        bench.deliveries[0].respond(0)
        await bench.until(lambda: smsc.answers)


async def test_unanswered_deliveries_hold_the_operator_back() -> None:
    """1,000 of them, then nothing more is read until answers go out."""
    async with operator(options=SessionOptions(window=5000)) as smsc, link_to(smsc) as bench:
        await bench.bound()
        smsc.deliver(smsc.peers[0], (receipt(number) for number in range(3000)))
        await bench.until(lambda: len(bench.deliveries) >= 1000)
        bench.link.submit(message())  # its answer lies behind the deliveries
        await bench.until(lambda: smsc.submits)
        assert len(bench.deliveries) == 1000
        assert bench.results == []
        for delivery in bench.deliveries[:500]:
            delivery.respond(0)
        await bench.until(lambda: len(bench.deliveries) == 1500)
        answered = 500
        while answered < 3000:
            for delivery in bench.deliveries[answered:]:
                delivery.respond(0)
                answered += 1
            await bench.until(lambda answered=answered: len(bench.deliveries) > answered or answered == 3000)
        await bench.until(lambda: len(smsc.answers) == 3000)
        await bench.until(lambda: bench.results)


async def test_what_needs_no_answer_is_no_delivery() -> None:
    async with operator() as smsc, link_to(smsc) as bench:
        await bench.bound()
        smsc.deliver(smsc.peers[0], [AlertNotification(source_addr="992900900900", esme_addr="1234"), receipt()])
        await bench.until(lambda: bench.deliveries)
        assert isinstance(bench.deliveries[0].pdu, DeliverSm)
