"""What the encoder refuses, what the decoder forgives, and which status answers what it cannot read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from payk.smpp import (
    AlertNotification,
    BindTransceiver,
    BindTransceiverResp,
    CancelSm,
    CommandId,
    CommandStatus,
    DataSm,
    DeliverSm,
    DeliverSmResp,
    DistributionList,
    EnquireLink,
    FramingError,
    LocalError,
    Pdu,
    PduError,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    SmeAddress,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    SubmitSmResp,
    Tag,
    Tlv,
    UnbindResp,
    UnknownPdu,
    UnsuccessSme,
    decode,
    encode,
    tlv_int,
)
from payk.smpp.layout import LAYOUTS


def frame(command_id: int, body: bytes, status: int = 0, sequence_number: int = 1) -> bytes:
    """Written by hand, so that the encoder is no witness."""
    return struct.pack(">IIII", 16 + len(body), command_id, status, sequence_number) + body


def submit(
    *,
    service_type: bytes = b"\0",
    source: bytes = b"\1\1100\0",
    destination: bytes = b"\1\1200\0",
    times: bytes = b"\0\0",
    message: bytes = b"\2hi",
    rest: bytes = b"",
    command_id: int = CommandId.SUBMIT_SM,
) -> bytes:
    body = service_type + source + destination + b"\0\0\0" + times + b"\1\0\0\0" + message + rest
    return frame(command_id, body)


def status_of(octets: bytes) -> CommandStatus:
    with pytest.raises(PduError) as caught:
        decode(octets)
    assert caught.value.sequence_number == 1
    return CommandStatus(caught.value.command_status)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.pdu.__name__)
def test_the_table_and_the_class_name_the_same_fields_in_the_same_order(layout: Any) -> None:
    in_class = [field.name for field in fields(layout.pdu)]
    tail = ["tlvs"] if layout.takes_tlvs else []
    assert in_class == [field.name for field in layout.fields] + tail + ["command_status", "sequence_number"]


def test_the_table_has_every_command() -> None:
    assert {layout.pdu.command_id for layout in LAYOUTS} == set(CommandId)


class TestEncodeRefuses:
    @pytest.mark.parametrize(
        "pdu",
        [
            SubmitSm(service_type="123456"),
            SubmitSm(source_addr="1" * 21),
            SubmitSm(destination_addr="1" * 21),
            SubmitSm(destination_addr="1\x002"),
            SubmitSm(service_type="\0"),
            SubmitSm(source_addr="Алиф"),
            SubmitSm(source_addr_ton=256),
            SubmitSm(source_addr_ton="5"),  # type: ignore[arg-type]
            SubmitSm(source_addr=b"100"),  # type: ignore[arg-type]
            SubmitSm(source_addr=None),  # type: ignore[arg-type]
            SubmitSm(source_addr=["1"]),  # type: ignore[arg-type]
            SubmitSm(esm_class=-1),
            SubmitSm(data_coding=0x110000),
            SubmitSm(schedule_delivery_time="151110145607"),
            SubmitSm(validity_period="151110145607000+1"),
            SubmitSm(short_message=b"x" * 255),
            SubmitSm(short_message="text"),  # type: ignore[arg-type]
            SubmitSm(short_message=bytearray(b"text")),
            SubmitSm(sequence_number=1 << 32),
            SubmitSm(command_status=-1),
            SubmitSm(tlvs=(Tlv(0x10000, b""),)),
            SubmitSm(tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"x" * 65536),)),
            SubmitSm(tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"x" * 40000),) * 2),
            DataSm(source_addr="1" * 65),
            BindTransceiver(system_id="1" * 16),
            BindTransceiver(password="1" * 65),
            BindTransceiver(system_type="1" * 13),
            BindTransceiver(address_range="1" * 41),
            SubmitSmResp(message_id="1" * 65),
            SubmitSmResp(message_id=None, tlvs=(Tlv(Tag.DPF_RESULT, b"\0"),)),
            QuerySmResp(message_id="1", final_date="1"),
            SubmitMulti(),
            SubmitMulti(dest_address=(SmeAddress(),) * 256),
            SubmitMulti(dest_address=(DistributionList("1" * 21),)),
            SubmitMultiResp(message_id="1", unsuccess_sme=(UnsuccessSme(error_status_code=1 << 32),)),
            SubmitMultiResp(message_id="1", unsuccess_sme=(UnsuccessSme(),) * 256),
        ],
        ids=lambda pdu: type(pdu).__name__,
    )
    def test_what_does_not_fit(self, pdu: Pdu) -> None:
        with pytest.raises(LocalError):
            encode(pdu)

    def test_without_telling_secrets(self) -> None:
        bind = BindTransceiver(system_id="payk", password="s3cret" * 20)
        with pytest.raises(LocalError) as caught:
            encode(bind)
        assert "password" in str(caught.value)
        assert "s3cret" not in str(caught.value) + repr(bind)
        assert "code 4711" not in repr(SubmitSm(short_message=b"code 4711"))
        assert "code 4711" not in repr(Tlv(Tag.MESSAGE_PAYLOAD, b"code 4711"))


class TestEncodeTakesTheLargest:
    def test_submit_sm(self) -> None:
        pdu = SubmitSm(
            "12345", 255, 255, "1" * 20, 255, 255, "2" * 20, 255, 255, 255, "1" * 16, "2" * 16, 255, 255, 255, 255,
            b"x" * 254, (), 0, 0xFFFFFFFF,
        )  # fmt: skip
        octets = encode(pdu)
        assert len(octets) == 364
        assert decode(octets) == pdu

    def test_bind(self) -> None:
        pdu = BindTransceiver("1" * 15, "2" * 8, "3" * 12, 255, 255, 255, "4" * 40)
        assert len(encode(pdu)) == 98
        assert decode(encode(pdu)) == pdu

    def test_message_payload(self) -> None:
        pdu = DataSm(tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, bytes(65535)),))
        assert decode(encode(pdu)) == pdu

    def test_latin_1(self) -> None:
        pdu = SubmitSm(source_addr="\x01\xff")
        assert decode(encode(pdu)) == pdu


def test_the_sequence_number_may_be_given_apart() -> None:
    assert decode(encode(EnquireLink(sequence_number=5), 6)) == EnquireLink(sequence_number=6)
    assert decode(encode(EnquireLink(sequence_number=5), 0)) == EnquireLink(sequence_number=0)


class TestResponsesWithoutBody:
    def test_none_is_no_body_and_the_empty_id_is_one_octet(self) -> None:
        assert encode(SubmitSmResp(None, command_status=0x58)) == frame(0x80000004, b"", 0x58, 0)
        assert encode(SubmitSmResp("")) == frame(0x80000004, b"\0", 0, 0)

    def test_deliver_sm_resp_has_a_single_nul(self) -> None:
        assert encode(DeliverSmResp()) == frame(0x80000005, b"\0", 0, 0)
        assert decode(frame(0x80000005, b"")) == DeliverSmResp(None, sequence_number=1)

    def test_bind_resp(self) -> None:
        assert decode(frame(0x80000009, b"", 0x0D)) == BindTransceiverResp(None, command_status=0x0D, sequence_number=1)


class TestResponsesAreNeverUnreadable:
    """The request was answered, so it completes with what is known."""

    @pytest.mark.parametrize("status", [0, 0x0B])
    @pytest.mark.parametrize("end", range(16, 25))
    def test_query_sm_resp_cut_anywhere(self, end: int, status: int) -> None:
        whole = frame(0x80000003, b"77\0\0\2\5", status)
        cut = whole[:end]
        pdu = decode(struct.pack(">I", len(cut)) + cut[4:])
        assert isinstance(pdu, QuerySmResp)
        assert pdu.command_status == status
        assert pdu.message_id == ("77" if end >= 19 else None)
        assert pdu.message_state == (2 if end >= 21 else 0)

    def test_submit_multi_resp_with_a_short_list(self) -> None:
        told: list[str] = []
        pdu = decode(frame(0x80000021, b"77\0\2\1\1100\0\0\0\0\x0b\1\1"), told)
        assert pdu == SubmitMultiResp("77", (), sequence_number=1)
        assert told == ["destination_addr has no end"]

    @pytest.mark.parametrize("garbage", [b"x", b"\xff" * 300, b"\0\0\0", b"\0\4\x24\xff\xff"])
    def test_garbage_behind_a_negative_status(self, garbage: bytes) -> None:
        pdu = decode(frame(0x80000004, garbage, 0x0A))
        assert isinstance(pdu, SubmitSmResp)
        assert pdu.command_status == 0x0A

    def test_an_id_of_any_length_is_taken(self) -> None:
        assert decode(frame(0x80000004, b"1" * 500 + b"\0")) == SubmitSmResp("1" * 500, sequence_number=1)

    def test_a_long_id_before_a_missing_field_is_kept(self) -> None:
        pdu = decode(frame(0x80000003, b"1" * 500 + b"\0"))
        assert pdu == QuerySmResp("1" * 500, sequence_number=1)

    def test_a_body_where_none_belongs(self) -> None:
        assert decode(frame(0x80000006, b"junk")) == UnbindResp(sequence_number=1)


class TestRequestsThatCannotBeRead:
    @pytest.mark.parametrize(
        ("octets", "status"),
        [
            (submit(source=b"\1\1" + b"1" * 21 + b"\0"), CommandStatus.ESME_RINVSRCADR),
            (submit(destination=b"\1\1" + b"1" * 21 + b"\0"), CommandStatus.ESME_RINVDSTADR),
            (submit(times=b"1" * 17 + b"\0\0"), CommandStatus.ESME_RINVSCHED),
            (submit(times=b"\0" + b"1" * 17 + b"\0"), CommandStatus.ESME_RINVEXPIRY),
            (submit(message=b"\3hi"), CommandStatus.ESME_RINVMSGLEN),
            (submit(message=b""), CommandStatus.ESME_RINVCMDLEN),
            (frame(4, b""), CommandStatus.ESME_RINVSERTYP),
            (frame(4, b"abc"), CommandStatus.ESME_RINVSERTYP),
            (frame(4, b"\0"), CommandStatus.ESME_RINVCMDLEN),
            (frame(4, b"\0\1\1100"), CommandStatus.ESME_RINVSRCADR),
            (frame(4, b"\0\1\1100\0\1\1200"), CommandStatus.ESME_RINVDSTADR),
            (frame(9, b"1" * 65 + b"\0"), CommandStatus.ESME_RINVSYSID),
            (frame(9, b"u"), CommandStatus.ESME_RINVSYSID),
            (frame(9, b"u\0p"), CommandStatus.ESME_RINVPASWD),
            (frame(9, b"u\0" + b"p" * 65 + b"\0"), CommandStatus.ESME_RINVPASWD),
            (frame(9, b"u\0p\0" + b"t" * 13 + b"\0"), CommandStatus.ESME_RINVSYSTYP),
            (frame(9, b"u\0p\0\0\x34\0\0range"), CommandStatus.ESME_RINVCMDLEN),
            (frame(3, b"1" * 65 + b"\0"), CommandStatus.ESME_RINVMSGID),
            (frame(0x21, b"\0\1\1100\0\0"), CommandStatus.ESME_RINVNUMDESTS),
            (frame(0x21, b"\0\1\1100\0\1\3"), CommandStatus.ESME_RINVDESTFLAG),
            (frame(0x21, b"\0\1\1100\0\1\2name"), CommandStatus.ESME_RINVDLNAME),
            (frame(0x21, b"\0\1\1100\0\2\1\1\x0177\0"), CommandStatus.ESME_RINVCMDLEN),
        ],
    )
    def test_name_the_field_to_blame(self, octets: bytes, status: CommandStatus) -> None:
        assert status_of(octets) == status

    def test_cut_anywhere_blame_the_peer(self) -> None:
        whole = submit()
        for end in range(16, len(whole)):
            status_of(struct.pack(">I", end) + whole[4:end])


class TestForgives:
    def test_credentials_up_to_64_characters(self) -> None:
        pdu = decode(frame(9, b"u" * 64 + b"\0" + b"p" * 64 + b"\0\0\x34\0\0\0"))
        assert isinstance(pdu, BindTransceiver)
        assert (len(pdu.system_id), len(pdu.password)) == (64, 64)

    def test_a_long_service_type(self) -> None:
        pdu = decode(submit(service_type=b"x" * 40 + b"\0"))
        assert isinstance(pdu, SubmitSm)
        assert pdu.service_type == "x" * 40

    def test_a_message_of_255_octets(self) -> None:
        pdu = decode(submit(message=b"\xff" + b"x" * 255))
        assert isinstance(pdu, SubmitSm)
        assert pdu.short_message == b"x" * 255

    def test_times_in_twelve_digits(self) -> None:
        pdu = decode(submit(times=b"151110145607\0\0"))
        assert isinstance(pdu, SubmitSm)
        assert pdu.schedule_delivery_time == "151110145607"

    def test_a_status_in_a_request(self) -> None:
        assert decode(frame(0x15, b"", 2)) == EnquireLink(command_status=2, sequence_number=1)

    def test_octets_where_none_belong(self) -> None:
        told: list[str] = []
        assert decode(frame(3, b"1\0\1\x01100\0junk"), told) == QuerySm("1", 1, 1, "100", sequence_number=1)
        assert told == ["octets behind the last field"]

    @pytest.mark.parametrize("rest", [b"\0", b"\x04", b"\x04\x24\0"])
    def test_up_to_three_stray_octets(self, rest: bytes) -> None:
        told: list[str] = []
        assert decode(submit(rest=rest), told) == decode(submit())
        assert told == ["octets behind the last field"]

    @pytest.mark.parametrize("rest", [b"\0", b"\x04\x22\0\1\2\0"])
    def test_an_alert_with_a_bare_octet_at_its_end(self, rest: bytes) -> None:
        told: list[str] = []
        alert = decode(frame(0x102, b"\1\x01100\0\1\x01200\0" + rest), told)
        assert isinstance(alert, AlertNotification)
        assert (alert.source_addr, alert.esme_addr) == ("100", "200")
        assert tlv_int(alert.tlvs, Tag.MS_AVAILABILITY_STATUS) == (2 if len(rest) > 1 else None)
        assert told == ["octets behind the last field"]

    def test_integers_of_no_table(self) -> None:
        pdu = decode(submit(source=b"\x1c\x1d\0"))
        assert isinstance(pdu, SubmitSm)
        assert (pdu.source_addr_ton, pdu.source_addr_npi) == (0x1C, 0x1D)


class TestParameters:
    def parameters(self, octets: bytes, command_id: int = CommandId.DELIVER_SM) -> tuple[tuple[Tlv, ...], list[str]]:
        told: list[str] = []
        pdu = decode(submit(rest=octets, command_id=command_id), told)
        assert isinstance(pdu, SubmitSm | DeliverSm)
        return pdu.tlvs, told

    def test_any_order_repeats_and_unknown_ones_are_kept(self) -> None:
        tlvs, told = self.parameters(b"\x14\x03\0\1a\x04\x27\0\1\2\x04\x27\0\1\3\x99\x99\0\0")
        assert tlvs == (Tlv(0x1403, b"a"), Tlv(0x427, b"\2"), Tlv(0x427, b"\3"), Tlv(0x9999, b""))
        assert told == ["repeated parameter 0x0427", "unknown parameter 0x9999"]

    def test_one_that_reaches_beyond_the_pdu_takes_the_rest_with_it(self) -> None:
        tlvs, told = self.parameters(b"\x02\x04\0\2\0\1\x04\x24\0\x09text")
        assert tlvs == (Tlv(0x204, b"\0\1"),)
        assert told == ["parameter 0x0424 is cut off"]

    def test_of_a_receipts_parameter_what_is_there_is_kept(self) -> None:
        assert self.parameters(b"\x00\x1e\0\x413005\0")[0] == (Tlv(0x1E, b"3005\0"),)
        assert self.parameters(b"\x00\x1e\0\x41")[0] == ()

    def test_a_wrong_size_is_kept_raw(self) -> None:
        tlvs, told = self.parameters(b"\x04\x27\0\2\0\2")
        assert tlvs == (Tlv(0x427, b"\0\2"),)
        assert told == ["parameter 0x0427 of 2 octets"]

    def test_two_texts_and_two_ways_to_split_are_told(self) -> None:
        told: list[str] = []
        payload, reference = Tlv(Tag.MESSAGE_PAYLOAD, b"x"), Tlv.of(Tag.SAR_MSG_REF_NUM, 1)
        decode(encode(SubmitSm(esm_class=0x40, short_message=b"x", tlvs=(payload, reference))), told)
        assert told == ["a user data header and sar parameters", "short_message and message_payload"]


class TestOtherPdus:
    def test_submit_multi(self) -> None:
        pdu = SubmitMulti(
            source_addr="100",
            dest_address=(SmeAddress(1, 1, "200"), DistributionList("friends")),
            short_message=b"hi",
            tlvs=(Tlv.of(Tag.USER_MESSAGE_REFERENCE, 7),),
        )
        octets = encode(pdu)
        assert b"\2\1\1\x01200\0\2friends\0" in octets
        assert decode(octets) == pdu

    def test_replace_and_cancel(self) -> None:
        for pdu in (ReplaceSm("77", 1, 1, "100", short_message=b"hi"), CancelSm("", "77", 1, 1, "100", 1, 1, "200")):
            assert decode(encode(pdu)) == pdu

    def test_unknown_ones_keep_their_body(self) -> None:
        assert decode(frame(0x111, b"body", 3)) == UnknownPdu(0x111, b"body", 3, 1)
        assert encode(UnknownPdu(0x111, b"body", 3, 1)) == frame(0x111, b"body", 3)


@pytest.mark.parametrize("octets", [b"", b"\0\0\0\x10", frame(0x15, b"")[:15], frame(0x15, b"") + b"x"])
def test_what_is_no_frame(octets: bytes) -> None:
    with pytest.raises(FramingError):
        decode(octets)


def prefixes(octets: bytes) -> Iterator[bytes]:
    for end in range(len(octets)):
        yield octets[:end]


def test_no_prefix_of_a_frame_is_a_frame() -> None:
    for prefix in prefixes(submit()):
        with pytest.raises(FramingError):
            decode(prefix)
