"""Whatever an operator writes into a deliver_sm comes out as a receipt or a message, and spoils nothing of others."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from payk.clock import Clock
from payk.dispatch.receipts import ReceiptRecorder
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.failure import by_receipt
from payk.domain.message import MessageState
from payk.domain.operator import IdMode, Link, Operator
from payk.domain.receipt import ReceiptReport, ReceiptWait, destination_fits, expected_forms, id_forms
from payk.links import Delivery
from payk.smpp import CommandStatus, DataSm, DeliverSm, EsmClass, Tag, Tlv, parse_network_error
from payk.store.database import Database
from payk.store.receipts import Inbound, _match_address, settle_parked
from tests.dispatch.test_receipts import at_once, handed_over, receipt, recording, with_link
from tests.store.scene import PHONE, SENDER, Scene

ZONES = ("UTC", "Asia/Dushanbe", "Pacific/Kiritimati", "Etc/GMT+12", "America/New_York")
DATES = (
    b"00010101000000", b"00010101", b"000101010000", b"0001010000", b"99991231235959", b"999912312359", b"9912312359",
    b"000000000000000R", b"99123123595948+", b"00010100000048-", b"000101000000000+", b"991231235959948+",
    b"999999999999999R", b"19691231235959", b"1" * 400, b"-1", b"2611312500", b"\xff\xfe", b"1e309", b"nan", b"0x1",
)  # fmt: skip
VALUES = (
    *DATES, b"", b"0", b"-0", b"1" * 5_000, b"f" * 5_000, b"9" * 21, b"f" * 17, b"DELIVRD", b"UNDELIV", b"BADSTAT",
    b"\x00", b"'; drop table message; --", b"{1,2}", b'"\\', b"\xb2\xb3\xb9", b"\xa0", b"id:1", b"%s%n", b"{}",
)  # fmt: skip
LABELS = (b"id:", b"sub:", b"dlvrd:", b"submit date:", b"done date:", b"stat:", b"err:", b"text:", b"TEXT:", b"Id:")
TAGS = (
    Tag.RECEIPTED_MESSAGE_ID, Tag.MESSAGE_STATE, Tag.NETWORK_ERROR_CODE, Tag.USER_MESSAGE_REFERENCE,
    Tag.MESSAGE_PAYLOAD, Tag.SAR_MSG_REF_NUM, 0x1403, 0xFFFF,
)  # fmt: skip
ADDRESSES = (PHONE, SENDER, "", "0", "+", "00", "+992900000001", "\xb2" * 9, "9" * 20, "\x00\xff", "'\\{\"")

words = st.sampled_from(VALUES) | st.binary(max_size=30) | st.from_regex(rb"[0-9]{8,16}[-+R]?", fullmatch=True)
texts = st.lists(st.tuples(st.sampled_from(LABELS), words), max_size=9).map(
    lambda said: b" ".join(label + word for label, word in said)
)
tlvs = st.lists(
    st.tuples(st.sampled_from(TAGS), st.sampled_from(VALUES) | st.binary(max_size=20)).map(lambda pair: Tlv(*pair)),
    max_size=4,
).map(tuple)
addresses = st.sampled_from(ADDRESSES) | st.text(st.characters(max_codepoint=0xFF), max_size=20)


def reading(zone: str, *, text_receipts: bool) -> ReceiptRecorder:
    link = Link(1, 1, "tcell-1", "127.0.0.1", 2775, "payk", b"", receipt_timezone=zone, text_receipts=text_receipts)
    directory = CurrentDirectory(Directory(operators={1: Operator(1, "tcell", links=(link,))}))
    return ReceiptRecorder(cast(Database, None), directory, ReceiptWait(), at_once, Clock())


@given(
    texts | st.binary(max_size=250), tlvs, st.integers(0, 255), addresses, addresses, st.sampled_from(ZONES),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_anything_is_a_receipt_or_a_message(
    text: bytes, parameters: tuple[Tlv, ...], esm_class: int, source: str, destination: str, zone: str,
    text_receipts: bool, data: bool,
) -> None:  # fmt: skip
    pdu: DeliverSm | DataSm
    if data:
        payload = Tlv(Tag.MESSAGE_PAYLOAD, text)
        pdu = DataSm(esm_class=esm_class, source_addr=source, destination_addr=destination, tlvs=(*parameters, payload))
    else:
        pdu = DeliverSm(
            esm_class=esm_class, source_addr=source, destination_addr=destination, short_message=text, tlvs=parameters
        )
    recorder = reading(zone, text_receipts=text_receipts)
    with capture_logs() as lines:
        recorder.take(Delivery(1, 1, pdu, b"", lambda status: None))
    assert lines == []
    [arrived] = recorder._arrived
    content = arrived.content
    assert "\0" not in content.source + content.destination
    if isinstance(content, ReceiptReport):
        assert_sound(content)
        if esm_class & EsmClass.TYPE_MASK == EsmClass.INTERMEDIATE_NOTIFICATION:
            assert content.state in (None, MessageState.ENROUTE)
    else:
        assert isinstance(content, Inbound)


def assert_sound(report: ReceiptReport) -> None:
    """The store can hold it, and its rules have an answer for it."""
    said = "".join((*report.smsc_ids, report.raw_state, report.error or "", report.done_date or ""))
    assert "\0" not in said
    said.encode()
    assert report.reference is None or 0 <= report.reference <= 0xFFFF
    for date in (report.operator_submitted_at, report.operator_done_at):
        assert date is None or 2000 <= date.year <= 2099
    for mode in IdMode:
        for learned in (IdMode.RAW, IdMode.HEX_DEC, IdMode.DEC_HEX):
            forms = id_forms(report.smsc_ids, mode, learned)
            assert len({form.text for form in forms}) == len(forms)
            assert expected_forms(report.smsc_ids, mode, learned) is not None
    assert destination_fits(PHONE, SENDER, report.source, report.destination) in (True, False, None)
    assert len(by_receipt(report.error)) <= len("receipt: ") + 8
    assert parse_network_error(report.network_error or b"") is not None
    now = datetime.now(UTC)
    rows: list[Any] = [
        {
            "message_id": number, "part": 1, "attempt": 1, "reference": number, "sender": SENDER, "taken": True,
            "submitted_at": now - timedelta(seconds=number), "age": 1.0, "sms_type": 1, "priority": 1, "parts": 1,
            "another": False,
        }
        for number in (1, 2)
    ]  # fmt: skip
    _match_address(report, rows)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati"])
async def test_hostile_receipts_are_stored_or_refused_and_spoil_nothing(scene: Scene, zone: str) -> None:
    """At once, parked, and tried again; among them those of two messages that are found by addresses and dates."""
    random = Random(18)
    for _ in range(2):
        await handed_over(scene, "")
    good = [await handed_over(scene, f"good-{number}") for number in range(5)]
    pdus: list[DeliverSm] = []
    for _ in range(300):
        said = [(label, random.choice(VALUES)) for label in random.sample(LABELS, random.randint(1, len(LABELS)))]
        text = b" ".join(label + value for label, value in said)
        own = tuple(Tlv(random.choice(TAGS), random.choice(VALUES)) for _ in range(random.randint(0, 2)))
        source, destination = random.choice(ADDRESSES), random.choice(ADDRESSES)
        pdus.append(receipt("", *own, short_message=text, source_addr=source, destination_addr=destination))
    for number in range(5):
        pdus.insert(60 * number, receipt(f"good-{number}"))
    with capture_logs() as lines:
        async with recording(scene.db, with_link(scene, receipt_timezone=zone), scene) as centre:
            answers = await centre.take(*pdus)
            assert set(answers) <= {CommandStatus.ESME_ROK, CommandStatus.ESME_RX_R_APPN}
            assert [answers[60 * number] for number in range(5)] == [CommandStatus.ESME_ROK] * 5
            assert {await scene.state(message_id) for message_id in good} == {MessageState.DELIVERED}
            parked = await scene.value("select array_agg(parked_id) from parked_receipt")
            assert len(parked) > 100
            async with asyncio.timeout(60):
                await settle_parked(scene.db, parked, scene.directory, scene.wait)
    assert {line["event"] for line in lines if line["log_level"] == "error"} <= {"delivery refused by the database"}
