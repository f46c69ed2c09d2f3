"""Our client, as the product uses it, against smpp34's server: binds, texts, receipts, enquire_link, unbind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiosmpplib
import pytest
import smpp34

from payk.domain.operator import BindMode, LongText
from payk.domain.outcome import Accepted, Refused
from payk.smpp import (
    CommandStatus,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    MessageState,
    Unbind,
    UnbindResp,
    encode,
    encode_receipt_text,
    parse_receipt,
)
from tests.links.smsc import Bench, link_to, message
from tests.witness.foreign_server import ForeignServer, foreign_server
from tests.witness.tap import Tap, tapped
from tests.witness.texts import TEXTS

UDHI = 0x40
THEIR_INTERVAL = 30.0
"""Seconds between two enquire_link of smpp34's server, from the bind on; its Python binding has no setting for it."""


@asynccontextmanager
async def bound(binds: int = 1, **settings: Any) -> AsyncIterator[tuple[Bench, ForeignServer, Tap]]:
    """A link that is bound to smpp34's server, through a tap."""
    async with (
        foreign_server() as server,
        tapped(server.port, server.watch) as tap,
        link_to(tap.port, watch=server.watch, **settings) as bench,
    ):
        await bench.bound()
        await bench.until(lambda: len(server.esmes) == binds)
        yield bench, server, tap


def wire_text(submits: list[smpp34.SubmitSmEvent]) -> str:
    """The text of the parts of one message, decoded by nothing of ours."""
    pieces = {}
    references = set()
    for submit in submits:
        octets = submit.short_message
        number = 1
        if submit.esm_class & UDHI:
            octets, header = octets[1 + octets[0] :], octets[1 : 1 + octets[0]]
            assert header[0:2] in (b"\0\3", b"\x08\4")  # information element and its length
            *reference, total, number = header[2:]
            assert total == len(submits)
            references.add(bytes(reference))
        pieces[number] = octets
    assert sorted(pieces) == list(range(1, len(submits) + 1))
    assert len(references) <= 1
    return decoded(b"".join(pieces[number] for number in sorted(pieces)), submits[0].data_coding)


def decoded(octets: bytes, data_coding: int) -> str:
    if data_coding == 8:
        return octets.decode("utf-16-be")
    text: str = aiosmpplib.GSM7BitCodec.get_codec_info().decode(octets)[0]
    return text


def tlvs(submit: smpp34.SubmitSmEvent) -> dict[int, bytes]:
    return {tlv.tag: tlv.value for tlv in submit.tlvs}


async def test_binds_as_transceiver() -> None:
    async with bound() as (bench, server, _):
        assert [(esme.system_id, esme.can_receive) for esme in server.esmes] == [("payk", True)]
        assert bench.link.binds[0].last_error is None


async def test_binds_as_transmitter_and_receiver() -> None:
    async with bound(2, bind=BindMode.PAIR) as (bench, server, _):
        assert sorted(esme.can_receive for esme in server.esmes) == [False, True]
        bench.link.submit(message())
        await bench.until(lambda: bench.results)
        assert bench.outcomes == [(Accepted(1, "id-1"),)]


@pytest.mark.parametrize("name", TEXTS)
async def test_texts_arrive(name: str) -> None:
    text, parts = TEXTS[name]
    async with bound() as (bench, server, _):
        bench.link.submit(message(text=text))
        await bench.until(lambda: bench.results)
        outcomes = bench.outcomes[0]
    assert sorted(outcome.smsc_id for outcome in outcomes) == sorted(f"id-{number + 1}" for number in range(parts))
    assert wire_text(server.submits) == text
    for submit in server.submits:
        assert (submit.source_addr, submit.source_addr_ton, submit.source_addr_npi) == ("AlifBank", 5, 0)
        assert (submit.destination_addr, submit.dest_addr_ton, submit.dest_addr_npi) == ("992900900001", 1, 1)
        assert submit.registered_delivery & 3 == 1
        assert len(submit.short_message) <= (160 if submit.data_coding == 0 else 140)


async def test_parts_with_a_header_of_sixteen_bits() -> None:
    text = TEXTS["tajik in parts"][0]
    async with bound(long_text=LongText.UDH16) as (bench, server, _):
        bench.link.submit(message(text=text))
        await bench.until(lambda: bench.results)
    assert {submit.short_message[:3] for submit in server.submits} == {b"\x06\x08\x04"}
    assert wire_text(server.submits) == text


async def test_parts_by_parameters() -> None:
    text = TEXTS["tajik in parts"][0]
    async with bound(long_text=LongText.SAR) as (bench, server, _):
        bench.link.submit(message(text=text))
        await bench.until(lambda: bench.results)
    parts = {tlvs(submit)[smpp34.TLV_SAR_SEGMENT_SEQNUM][0]: submit for submit in server.submits}
    assert sorted(parts) == [1, 2, 3]
    assert {tlvs(submit)[smpp34.TLV_SAR_TOTAL_SEGMENTS] for submit in server.submits} == {b"\3"}
    assert len({tlvs(submit)[smpp34.TLV_SAR_MSG_REF_NUM] for submit in server.submits}) == 1
    assert not any(submit.esm_class & UDHI for submit in server.submits)
    assert b"".join(parts[number].short_message for number in sorted(parts)).decode("utf-16-be") == text


async def test_a_long_text_in_one_piece() -> None:
    text = TEXTS["tajik in parts"][0]
    async with bound(long_text=LongText.PAYLOAD) as (bench, server, _):
        bench.link.submit(message(text=text))
        await bench.until(lambda: bench.results)
    assert [tlvs(submit)[smpp34.TLV_MESSAGE_PAYLOAD].decode("utf-16-be") for submit in server.submits] == [text]


async def test_a_thousand_messages_get_their_own_ids() -> None:
    async with bound(window=100) as (bench, server, _):
        server.on_submit = lambda _, submit: submit.accept(f"for-{submit.destination_addr}")
        for number in range(1000):
            bench.link.submit(message(number))
        await bench.until(lambda: len(bench.results) == 1000, timeout=20)
    assert all(
        result.outcomes == (Accepted(1, f"for-{result.submission.phone}"),) for result in bench.by_message().values()
    )


@pytest.mark.parametrize("name", ["RINVDSTADR", "RMSGQFUL", "RTHROTTLED", "RSYSERR"])
async def test_a_refusal_is_understood(name: str) -> None:
    status = getattr(smpp34, f"ESME_{name}")
    async with bound() as (bench, server, _):
        server.on_submit = lambda _, submit: submit.reject(status)
        bench.link.submit(message())
        await bench.until(lambda: bench.results)
        refused = bench.outcomes[0][0]
    assert isinstance(refused, Refused)
    assert refused.command_status == CommandStatus[f"ESME_{name}"]


async def test_receipts_of_every_part_are_told_and_acknowledged() -> None:
    async with bound() as (bench, server, tap):
        bench.link.submit(message(text=TEXTS["tajik in parts"][0]))
        await bench.until(lambda: bench.results)
        ids = [outcome.smsc_id for outcome in bench.outcomes[0] if isinstance(outcome, Accepted)]
        sending = [asyncio.ensure_future(send_receipt(server, message_id)) for message_id in ids]
        await bench.until(lambda: len(bench.deliveries) == len(ids))
        told = [parse_receipt(delivery.pdu) for delivery in bench.deliveries]
        for delivery in bench.deliveries:
            delivery.respond(CommandStatus.ESME_ROK)
        answers = await asyncio.gather(*sending)
        assert [answer.command_status for answer in answers] == [0, 0, 0]
        assert all(answer.is_success for answer in answers)
        assert {response.message_id for response in tap.seen(DeliverSmResp, tap.from_client)} == {""}
    assert sorted(receipt.message_ids for receipt in told if receipt) == sorted((message_id,) for message_id in ids)
    assert {(receipt.state, receipt.message_state, receipt.err) for receipt in told if receipt} == {
        ("DELIVRD", MessageState.DELIVERED, "000")
    }


async def send_receipt(server: ForeignServer, message_id: str) -> smpp34.DeliverSmResp:
    """Text and parameters, written down by smpp34."""
    text = encode_receipt_text(message_id, MessageState.DELIVERED, submit_date="2611240101", done_date="2611240102")
    return await server.receiver.deliver_sm(
        "AlifBank",
        text,
        source_addr="992900900001",
        esm_class=0x04,
        tlvs=[
            smpp34.Tlv(smpp34.TLV_RECEIPTED_MESSAGE_ID, message_id.encode() + b"\0"),
            smpp34.Tlv(smpp34.TLV_MESSAGE_STATE, b"\2"),
        ],
    )


async def test_a_delivery_that_cannot_be_stored_is_refused() -> None:
    async with bound() as (bench, server, _):
        sending = asyncio.ensure_future(send_receipt(server, "id-1"))
        await bench.until(lambda: bench.deliveries)
        bench.deliveries[0].respond(CommandStatus.ESME_RX_T_APPN)
        assert (await sending).command_status == CommandStatus.ESME_RX_T_APPN


async def test_it_answers_our_enquire_link() -> None:
    async with bound(enquire_interval=0.1) as (bench, _, tap):
        await bench.until(lambda: len(tap.seen(EnquireLinkResp, tap.from_server)) >= 2)
        assert bench.link.binds[0].bound


@pytest.mark.slow  # the interval is another's, and fixed
async def test_we_answer_its_enquire_link() -> None:
    async with bound(enquire_interval=0.0) as (bench, _, tap):
        await bench.until(lambda: tap.seen(EnquireLink, tap.from_server), timeout=THEIR_INTERVAL + 10)
        asked = tap.seen(EnquireLink, tap.from_server)[0].sequence_number
        await bench.until(lambda: tap.seen(EnquireLinkResp, tap.from_client))
        assert tap.seen(EnquireLinkResp, tap.from_client)[0].sequence_number == asked


async def test_we_leave_in_order() -> None:
    async with bound() as (bench, server, tap):
        await bench.link.stop()
        assert len(tap.seen(Unbind, tap.from_client)) == 1
        # It closes at once and never writes its unbind_resp; for us it is the end all the same.
        assert tap.seen(UnbindResp, tap.from_server) == []
        await bench.until(lambda: server.unbound)
        assert server.unbound == [server.esmes[0].session_id]


async def test_when_it_leaves_we_answer() -> None:
    async with bound() as (bench, server, tap):
        await server.esmes[0].unbind()
        await bench.until(lambda: tap.seen(UnbindResp, tap.from_client))
        await bench.until(lambda: not bench.link.binds[0].bound)


async def test_what_it_wrote_we_would_write_alike() -> None:
    async with bound() as (bench, server, tap):
        bench.link.submit(message(text=TEXTS["gsm in parts"][0]))
        await bench.until(lambda: bench.results)
        sending = asyncio.ensure_future(send_receipt(server, "id-1"))
        await bench.until(lambda: bench.deliveries)
        bench.deliveries[0].respond(CommandStatus.ESME_ROK)
        await sending
        kinds = {type(pdu).__name__ for pdu in tap.pdus(tap.from_server)}
        assert kinds == {"BindTransceiverResp", "SubmitSmResp", "DeliverSm"}
        assert [encode(pdu) for pdu in tap.pdus(tap.from_server)] == tap.from_server
