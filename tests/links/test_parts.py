"""Messages as submit_sm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payk.domain.message import SmsType
from payk.domain.operator import Link, LongText, ValidityForm
from payk.domain.outcome import Submission
from payk.links.parts import PartsEncoder, UnsendableError, without_hints
from payk.smpp import CommandStatus, Concatenation, SubmitSm, Tag, Tlv, decode, encode, find_tlv, parse_udh, tlv_int
from payk.text import gsm

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
LINK = Link(1, 1, "tcell-1", "127.0.0.1", 2775, "payk", b"")
MESSAGE = Submission(
    message_id=100_000_007,
    phone="992900900900",
    sender="AlifBank",
    text="Kod: 1234",
    sms_type=SmsType.OTP,
    attempt=1,
    parts_left=None,
    valid_until=None,
    now=NOW,
)
LONG = "0123456789" * 40  # 400 septets: 3 parts
CYRILLIC = "Салом, Ҷаҳон! " * 12  # 168 units: 3 parts


def parts_of(message: Submission = MESSAGE, **settings: Any) -> list[SubmitSm]:
    return [part.pdu for part in PartsEncoder(replace(LINK, **settings)).encode(message)]


def the_part(message: Submission = MESSAGE, **settings: Any) -> SubmitSm:
    (pdu,) = parts_of(message, **settings)
    return pdu


def text_of(pdus: list[SubmitSm]) -> str:
    """What a phone shows that got these parts, with UDH."""
    read = [(parse_udh(pdu.short_message), pdu.data_coding) for pdu in pdus]
    octets = b"".join(part.text for part, _ in read if part is not None)
    return octets.decode("utf-16-be") if read[0][1] == 8 else gsm.decode(octets)


class TestOnePart:
    def test_every_field(self) -> None:
        assert the_part() == SubmitSm(
            source_addr_ton=5,
            source_addr_npi=0,
            source_addr="AlifBank",
            dest_addr_ton=1,
            dest_addr_npi=1,
            destination_addr="992900900900",
            registered_delivery=1,
            data_coding=0,
            short_message=b"Kod: 1234",
            tlvs=(Tlv(Tag.USER_MESSAGE_REFERENCE, (100_000_007 * 23_079 + 1).to_bytes(8, "big")[-2:]),),
        )

    def test_octets_on_the_wire(self) -> None:
        assert encode(the_part(), 1).hex() == (
            "00000044" "00000004" "00000000" "00000001"  # header
            "00"  # service_type
            "0500" + b"AlifBank\0".hex() + "0101" + b"992900900900\0".hex()
            + "000000"  # esm_class, protocol_id, priority_flag
            "0000"  # schedule_delivery_time, validity_period
            "01000000"  # registered_delivery, replace_if_present, data_coding, sm_default_msg_id
            "09" + b"Kod: 1234".hex() + "02040002" "be12"
        )  # fmt: skip

    def test_one_cyrillic_letter_makes_it_ucs2(self) -> None:
        pdu = the_part(replace(MESSAGE, text="Код: 1234"))
        assert (pdu.data_coding, pdu.short_message) == (8, "Код: 1234".encode("utf-16-be"))

    def test_a_full_single_message_has_no_header(self) -> None:
        assert (the_part(replace(MESSAGE, text="x" * 160)).short_message, the_part().esm_class) == (b"x" * 160, 0)

    def test_an_empty_text_is_one_part(self) -> None:
        assert the_part(replace(MESSAGE, text="")).short_message == b""

    def test_priority_comes_from_the_links_table(self) -> None:
        table = {SmsType.OTP: 3, SmsType.BATCH: 1}
        flags = [
            the_part(replace(MESSAGE, sms_type=kind), priority_map=table).priority_flag
            for kind in (SmsType.OTP, SmsType.COMMON, SmsType.BATCH)
        ]
        assert flags == [3, 0, 1]

    def test_a_33_link_gets_no_tlvs(self) -> None:
        assert all(pdu.tlvs == () for pdu in parts_of(replace(MESSAGE, text=LONG), interface_version=0x33))

    def test_the_service_type_is_the_links(self) -> None:
        assert the_part(service_type="CMT").service_type == "CMT"


class TestHints:
    """Optional parameters that a message can do without."""

    def test_they_are_left_out_and_nothing_else(self) -> None:
        whole = parts_of(replace(MESSAGE, text=LONG), long_text=LongText.SAR)[0]
        spared = without_hints(whole)
        assert [tlv.tag for tlv in spared.tlvs] == [
            Tag.SAR_MSG_REF_NUM,
            Tag.SAR_TOTAL_SEGMENTS,
            Tag.SAR_SEGMENT_SEQNUM,
        ]
        assert replace(spared, tlvs=whole.tlvs) == whole

    def test_a_part_without_any_stays_itself(self) -> None:
        pdu = the_part(interface_version=0x33)
        assert without_hints(pdu) is pdu


class TestValidity:
    def test_none_is_the_operators_own(self) -> None:
        assert the_part().validity_period == ""

    def test_absolute_and_in_utc(self) -> None:
        message = replace(MESSAGE, valid_until=NOW + timedelta(hours=2))
        assert the_part(message).validity_period == "260301140000000+"

    def test_never_shorter_than_the_operator_takes(self) -> None:
        message = replace(MESSAGE, valid_until=NOW + timedelta(seconds=10))
        assert the_part(message, min_validity=300).validity_period == "260301120500000+"

    def test_past_already(self) -> None:
        message = replace(MESSAGE, valid_until=NOW - timedelta(days=1))
        assert the_part(message, min_validity=60).validity_period == "260301120100000+"

    def test_parts_of_a_second_round_up(self) -> None:
        message = replace(MESSAGE, valid_until=NOW + timedelta(seconds=600, microseconds=1))
        assert the_part(message).validity_period == "260301121001000+"

    @pytest.mark.parametrize(
        ("seconds", "written"),
        [
            (10, "000000000500000R"),
            (600, "000000001000000R"),
            (172_800.5, "000002000001000R"),
            (-5, "000000000500000R"),
        ],
    )
    def test_relative_counts_from_now(self, seconds: float, written: str) -> None:
        message = replace(MESSAGE, valid_until=NOW + timedelta(seconds=seconds))
        assert the_part(message, validity=ValidityForm.RELATIVE).validity_period == written

    def test_relative_from_within_a_second_never_ends_early(self) -> None:
        now = NOW + timedelta(microseconds=250_000)
        message = replace(MESSAGE, now=now, valid_until=now + timedelta(seconds=600))
        assert the_part(message, validity=ValidityForm.RELATIVE).validity_period == "000000001001000R"

    def test_left_to_the_operator_by_setting(self) -> None:
        message = replace(MESSAGE, valid_until=NOW + timedelta(hours=2))
        assert the_part(message, validity=ValidityForm.NONE).validity_period == ""


class TestLongText:
    @pytest.mark.parametrize("text", [LONG, CYRILLIC, "x" * 152 + "€" * 80, "a\r\n" * 100, "😀" * 90])
    @pytest.mark.parametrize("long_text", [LongText.UDH8, LongText.UDH16])
    def test_a_phone_joins_the_parts(self, text: str, long_text: LongText) -> None:
        pdus = parts_of(replace(MESSAGE, text=text), long_text=long_text)
        assert len(pdus) > 1
        assert all(pdu.esm_class == 0x40 for pdu in pdus)
        assert all(len(pdu.short_message) <= (140 if pdu.data_coding == 8 else 160) for pdu in pdus)
        assert text_of(pdus) == text

    @pytest.mark.parametrize(("long_text", "reference"), [(LongText.UDH8, 0xF5), (LongText.UDH16, 0xAEF5)])
    def test_the_header_counts_the_parts(self, long_text: LongText, reference: int) -> None:
        pdus = parts_of(replace(MESSAGE, text=LONG), long_text=long_text)
        headers = [parse_udh(pdu.short_message) for pdu in pdus]
        assert [header and header.concatenation for header in headers] == [
            Concatenation(reference, 3, 1),
            Concatenation(reference, 3, 2),
            Concatenation(reference, 3, 3),
        ]

    def test_the_8_bit_header_in_octets(self) -> None:
        assert parts_of(replace(MESSAGE, text=LONG))[1].short_message[:6].hex() == "050003f50302"

    def test_the_16_bit_header_in_octets(self) -> None:
        pdus = parts_of(replace(MESSAGE, text=LONG), long_text=LongText.UDH16)
        assert pdus[1].short_message[:7].hex() == "060804aef50302"

    def test_every_part_asks_for_a_receipt_and_has_a_reference_of_its_own(self) -> None:
        pdus = parts_of(replace(MESSAGE, text=LONG))
        assert {pdu.registered_delivery for pdu in pdus} == {1}
        assert [tlv_int(pdu.tlvs, Tag.USER_MESSAGE_REFERENCE) for pdu in pdus] == [
            (100_000_007 * 23_079 + part) % 65536 for part in (1, 2, 3)
        ]

    def test_more_messages_follow_all_but_the_last(self) -> None:
        pdus = parts_of(replace(MESSAGE, text=LONG))
        assert [tlv_int(pdu.tlvs, Tag.MORE_MESSAGES_TO_SEND) for pdu in pdus] == [1, 1, None]

    def test_sar(self) -> None:
        pdus = parts_of(replace(MESSAGE, text=LONG), long_text=LongText.SAR)
        tags = (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
        assert [tuple(tlv_int(pdu.tlvs, tag) for tag in tags) for pdu in pdus] == [
            (0xAEF5, 3, part) for part in (1, 2, 3)
        ]
        assert {pdu.esm_class for pdu in pdus} == {0}
        assert b"".join(pdu.short_message for pdu in pdus).decode() == LONG
        assert max(len(pdu.short_message) for pdu in pdus) == 153

    def test_too_many_parts_for_any_header(self) -> None:
        with pytest.raises(UnsendableError) as caught:
            parts_of(replace(MESSAGE, text="x" * 153 * 256))
        assert caught.value.command_status == CommandStatus.ESME_RINVMSGLEN

    def test_a_resend_is_the_same_to_the_octet(self) -> None:
        message = replace(MESSAGE, text=CYRILLIC)
        assert parts_of(message) == parts_of(replace(message, attempt=2))

    def test_parts_that_are_left(self) -> None:
        message = replace(MESSAGE, text=LONG)
        whole, left = parts_of(message), parts_of(replace(message, parts_left=(1, 3)))
        assert left == [whole[0], whole[2]]

    def test_more_messages_follow_none_if_one_part_is_left(self) -> None:
        pdu = the_part(replace(MESSAGE, text=LONG, parts_left=(2,)))
        assert find_tlv(pdu.tlvs, Tag.MORE_MESSAGES_TO_SEND) is None

    def test_a_part_that_this_link_does_not_cut_is_left_out(self) -> None:
        assert parts_of(replace(MESSAGE, parts_left=(2,))) == []


class TestPayload:
    def test_the_operator_cuts(self) -> None:
        (part,) = PartsEncoder(replace(LINK, long_text=LongText.PAYLOAD)).encode(replace(MESSAGE, text=LONG))
        assert part.numbers == (1, 2, 3)
        assert (part.pdu.short_message, part.pdu.esm_class) == (b"", 0)
        assert find_tlv(part.pdu.tlvs, Tag.MESSAGE_PAYLOAD) == LONG.encode()
        assert find_tlv(part.pdu.tlvs, Tag.MORE_MESSAGES_TO_SEND) is None

    def test_ucs2(self) -> None:
        pdu = the_part(replace(MESSAGE, text=CYRILLIC), long_text=LongText.PAYLOAD)
        assert (pdu.data_coding, find_tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD)) == (8, CYRILLIC.encode("utf-16-be"))

    @pytest.mark.parametrize("text", ["x" * 160, "я" * 70])
    def test_a_text_of_one_part_travels_as_ever(self, text: str) -> None:
        message = replace(MESSAGE, text=text)
        assert the_part(message, long_text=LongText.PAYLOAD) == the_part(message)

    def test_all_parts_left_are_the_whole(self) -> None:
        message = replace(MESSAGE, text=LONG)
        whole = the_part(message, long_text=LongText.PAYLOAD)
        assert the_part(replace(message, parts_left=(1, 2, 3)), long_text=LongText.PAYLOAD) == whole

    def test_some_parts_left_by_a_link_that_cuts_are_cut(self) -> None:
        message = replace(MESSAGE, text=LONG, parts_left=(2, 3))
        assert parts_of(message, long_text=LongText.PAYLOAD) == parts_of(message)

    def test_it_survives_the_wire(self) -> None:
        pdu = the_part(replace(MESSAGE, text=LONG), long_text=LongText.PAYLOAD)
        assert decode(encode(pdu, 5)) == replace(pdu, sequence_number=5)


class TestCharsets:
    def test_latin1_where_the_text_fits(self) -> None:
        pdu = the_part(replace(MESSAGE, text="Grüße @"), charset_map={3: "latin1", 8: "ucs2"})
        assert (pdu.data_coding, pdu.short_message) == (3, "Grüße @".encode("latin-1"))

    def test_ascii_where_the_text_fits(self) -> None:
        table = {1: "ascii", 8: "ucs2"}
        pdu = the_part(replace(MESSAGE, text="a@b_c"), charset_map=table)
        assert (pdu.data_coding, pdu.short_message) == (1, b"a@b_c")
        assert the_part(replace(MESSAGE, text="Grüße"), charset_map=table).data_coding == 8

    def test_what_the_radio_cannot_say_goes_as_ucs2(self) -> None:
        assert the_part(replace(MESSAGE, text="`"), charset_map={1: "ascii", 8: "ucs2"}).data_coding == 8
        assert the_part(replace(MESSAGE, text="ç"), charset_map={3: "latin1", 8: "ucs2"}).data_coding == 8

    def test_the_first_that_fits(self) -> None:
        table = {1: "ascii", 3: "latin1", 8: "ucs2"}
        codings = [the_part(replace(MESSAGE, text=text), charset_map=table).data_coding for text in ("abc", "ü", "Ω")]
        assert codings == [1, 3, 8]

    def test_ucs2_under_another_number(self) -> None:
        assert the_part(replace(MESSAGE, text="Ҷ"), charset_map={0: "gsm", 2: "ucs2"}).data_coding == 2

    @pytest.mark.parametrize("long_text", [LongText.UDH8, LongText.UDH16])
    def test_a_link_of_ucs2_alone(self, long_text: LongText) -> None:
        text = "a\r\n" * 60
        pdus = parts_of(replace(MESSAGE, text=text), charset_map={8: "ucs2"}, long_text=long_text)
        assert {pdu.data_coding for pdu in pdus} == {8}
        assert max(len(pdu.short_message) for pdu in pdus) <= 140
        assert text_of(pdus) == text
        bodies = [pdu.short_message for pdu in pdus]
        assert not any(body.endswith(b"\0\r") for body in bodies[:-1])

    def test_septets_are_what_an_ascii_text_is_cut_by(self) -> None:
        text = "[" * 100  # 200 septets on the air
        pdus = parts_of(replace(MESSAGE, text=text), charset_map={1: "ascii", 8: "ucs2"})
        assert [len(pdu.short_message) - 6 for pdu in pdus] == [76, 24]

    def test_packed_septets(self) -> None:
        table = {0: "gsm-packed", 8: "ucs2"}
        assert the_part(replace(MESSAGE, text="12345678"), charset_map=table).short_message.hex() == "31d98c56b3dd70"
        assert len(the_part(replace(MESSAGE, text="x" * 160), charset_map=table).short_message) == 140

    @pytest.mark.parametrize(("long_text", "header", "fill_bits"), [(LongText.UDH8, 6, 1), (LongText.UDH16, 7, 0)])
    def test_packed_septets_behind_a_header(self, long_text: LongText, header: int, fill_bits: int) -> None:
        message = replace(MESSAGE, text="0123456789€" * 40)
        pdus = parts_of(message, charset_map={0: "gsm-packed", 8: "ucs2"}, long_text=long_text)
        assert len(pdus) > 1 and all(len(pdu.short_message) <= 140 for pdu in pdus)
        texts = [gsm.decode(gsm.unpack(pdu.short_message[header:], fill_bits=fill_bits)) for pdu in pdus]
        assert "".join(texts) == message.text

    def test_a_text_that_no_charset_holds(self) -> None:
        with pytest.raises(UnsendableError) as caught:
            parts_of(replace(MESSAGE, text="Ҷ"), charset_map={0: "gsm"})
        assert caught.value.command_status == CommandStatus.ESME_RINVDCS


def test_a_sender_that_no_operator_carries() -> None:
    with pytest.raises(UnsendableError) as caught:
        parts_of(replace(MESSAGE, sender="a@b"))
    assert caught.value.command_status == CommandStatus.ESME_RINVSRCADR


def test_the_links_ton_and_npi_are_used() -> None:
    pdu = the_part(replace(MESSAGE, sender="1234"))
    assert (pdu.source_addr_ton, pdu.source_addr_npi, pdu.dest_addr_ton, pdu.dest_addr_npi) == (3, 0, 1, 1)
