"""Receipts: who gets one, and how it looks on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from payk.simulator import ReceiptForm, SimulatorOptions
from payk.simulator.message import TakenMessage
from payk.simulator.receipt import PendingReceipt, ReceiptPdu, ReceiptWriter, wanted
from payk.simulator.rule import ReceiptPlan
from payk.smpp import MessageState, Tag, Tlv, encode, parse_receipt
from tests.simulator.client import submit_sm

SUBMITTED = datetime(2025, 11, 24, 10, 15, 59, tzinfo=UTC)
DONE = datetime(2025, 11, 24, 10, 17, 1, tzinfo=UTC)
TEXT = b"id:42 sub:001 dlvrd:001 submit date:2511241015 done date:2511241017 stat:DELIVRD err:000 text:"


def receipt(plan: ReceiptPlan, *tlvs: Tlv, in_receipts: str = "42") -> PendingReceipt:
    pdu = submit_sm("992900900900", tlvs=tlvs)
    return PendingReceipt(TakenMessage.of(pdu, "2a", in_receipts, SUBMITTED), plan, done=DONE)


def written(receipt: PendingReceipt, form: ReceiptForm, *, tlvs_allowed: bool = True, **options: Any) -> ReceiptPdu:
    return ReceiptWriter(SimulatorOptions(receipts=form, **options), Random(7)).pdu(receipt, tlvs_allowed=tlvs_allowed)


DELIVERED = ReceiptPlan(MessageState.DELIVERED)
FAILED = ReceiptPlan(MessageState.UNDELIVERABLE, error=27)


@pytest.mark.parametrize(
    ("registered_delivery", "told"),
    [
        (0x00, set()),
        (0x01, {"DELIVERED", "UNDELIVERABLE", "EXPIRED", "REJECTED", "DELETED", "UNKNOWN", "ACCEPTED"}),
        (0x02, {"UNDELIVERABLE", "EXPIRED", "REJECTED", "DELETED", "UNKNOWN"}),
        (0x03, {"DELIVERED", "ACCEPTED"}),
        (0x10, {"ENROUTE"}),
        (0x0C, set()),
        (0x12, {"UNDELIVERABLE", "EXPIRED", "REJECTED", "DELETED", "UNKNOWN", "ENROUTE"}),
    ],
)
def test_only_what_was_asked_for_is_told(registered_delivery: int, told: set[str]) -> None:
    states = set(MessageState) - {MessageState.SCHEDULED, MessageState.SKIPPED}
    assert {state.name for state in states if wanted(registered_delivery, state)} == told


def test_a_text_receipt_is_that_of_appendix_b_with_addresses_swapped() -> None:
    pdu = written(receipt(DELIVERED), ReceiptForm.TEXT)
    assert pdu.short_message == TEXT
    assert pdu.tlvs == ()
    assert pdu.esm_class == 0x04
    assert (pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr) == (1, 1, "992900900900")
    assert (pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.destination_addr) == (5, 0, "AlifBank")


def test_a_tlv_receipt_has_no_text() -> None:
    pdu = written(receipt(DELIVERED), ReceiptForm.TLV)
    assert pdu.short_message == b""
    assert pdu.tlvs == (Tlv(0x001E, b"42\0"), Tlv(0x0427, b"\x02"))


def test_both_are_told_with_the_network_error_of_a_failure() -> None:
    pdu = written(receipt(FAILED), ReceiptForm.BOTH)
    assert pdu.short_message == TEXT.replace(b"dlvrd:001", b"dlvrd:000").replace(
        b"stat:DELIVRD err:000", b"stat:UNDELIV err:027"
    )
    assert pdu.tlvs == (Tlv(0x001E, b"42\0"), Tlv(0x0427, b"\x05"), Tlv(0x0423, b"\x03\x00\x1b"))


@pytest.mark.parametrize("form", ReceiptForm)
def test_the_reference_of_the_message_is_echoed(form: ReceiptForm) -> None:
    reference = Tlv.of(Tag.USER_MESSAGE_REFERENCE, 517)
    pdu = written(receipt(DELIVERED, reference), form)
    assert pdu.tlvs[0] == reference


def test_a_peer_of_version_3_3_gets_text_whatever_is_asked() -> None:
    reference = Tlv.of(Tag.USER_MESSAGE_REFERENCE, 517)
    pdu = written(receipt(DELIVERED, reference), ReceiptForm.TLV, tlvs_allowed=False)
    assert (pdu.short_message, pdu.tlvs) == (TEXT, ())


def test_enroute_is_an_intermediate_notification() -> None:
    pdu = written(receipt(ReceiptPlan(MessageState.ENROUTE)), ReceiptForm.BOTH)
    assert pdu.esm_class == 0x20
    assert b"stat:ENROUTE" in pdu.short_message


def test_receipts_carry_the_id_of_receipts() -> None:
    pdu = written(receipt(DELIVERED, in_receipts="1732"), ReceiptForm.BOTH)
    parsed = parse_receipt(pdu)
    assert parsed is not None
    assert set(parsed.message_ids) == {"1732"}


def test_octets_of_a_receipt_written_out_from_the_specification() -> None:
    pdu = written(receipt(DELIVERED), ReceiptForm.BOTH)
    body = (
        b"\0"  # service_type
        b"\x01\x01992900900900\0"
        b"\x05\x00AlifBank\0"
        b"\x04\0\0"  # esm_class, protocol_id, priority_flag
        b"\0\0"  # schedule_delivery_time, validity_period
        b"\0\0\0\0"  # registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id
        + bytes([len(TEXT)])
        + TEXT
        + b"\x00\x1e\x00\x0342\0"
        + b"\x04\x27\x00\x01\x02"
    )
    header = (16 + len(body)).to_bytes(4, "big") + b"\0\0\0\x05" + b"\0\0\0\0" + b"\0\0\0\x09"
    assert encode(pdu, 9) == header + body
