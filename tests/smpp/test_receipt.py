"""Receipts as operators write them: what is recognised, what is read, what must not fool the parser."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.smpp import (
    DataSm,
    DeliverSm,
    EsmClass,
    MessageState,
    Receipt,
    Tag,
    Tlv,
    concatenation_8bit,
    decode,
    encode_receipt_text,
    parse_receipt,
)

DELIVERED = MessageState.DELIVERED
UNDELIVERABLE = MessageState.UNDELIVERABLE

# text of the receipt, its id, its word, the state meant, err
TEXTS = [
    (
        (
            b"id:0123456789 sub:002 dlvrd:001 submit date:1005232039 done date:1005242339 stat:DELIVRD err:012 "
            b"text:This is a sample mes"
        ),
        ("0123456789", "DELIVRD", DELIVERED, "012"),
    ),
    (
        b"id:4 sub:001 dlvrd:001 submit date:1006020051 done date:1006020051 stat:DELIVRD err:000 Text:Hello",
        ("4", "DELIVRD", DELIVERED, "000"),
    ),
    (
        (
            b"sub:001 id:74e02ee1-4e2f-4a6e-a78b-4b247d756a22 err:000 dlvrd:001 done date:110206193110 "
            b"submit date:110206193041 text: stat:DELIVRD"
        ),
        ("74e02ee1-4e2f-4a6e-a78b-4b247d756a22", "DELIVRD", DELIVERED, "000"),
    ),
    (
        b"id:2E179B310EDE971B2760C72B7F026E1B submit date:20110314181534 done date:20110314181741 stat:DELIVRD err:0",
        ("2E179B310EDE971B2760C72B7F026E1B", "DELIVRD", DELIVERED, "0"),
    ),
    (
        b"id:98765432101 sub:000 dlvrd:000 submit date:1001010000 done date:1001010000 stat:ENROUTE err:000 text:",
        ("98765432101", "ENROUTE", MessageState.ENROUTE, "000"),
    ),
    (
        (
            b"id:0123456789 sub:002 dlvrd:001 submit date:1005232039 done date:1005242339 stat:DELIVRD err:21b "
            b"text:This is a sample mes"
        ),
        ("0123456789", "DELIVRD", DELIVERED, "21b"),
    ),
    (
        b"id:1234567890 sub:000 dlvrd:000 submit date:0000000000 done date:0000000000 stat:BADSTAT err:000 text:",
        ("1234567890", "BADSTAT", None, "000"),
    ),
    (
        b"id:1526758174 submit date:1701240904 done date:1701250907 stat:DELIVRD err:000 text:hellow",
        ("1526758174", "DELIVRD", DELIVERED, "000"),
    ),
    (
        b"id:0123456789 sub:001 dlvrd:001 submit date:080901113012 done date:080901113147 stat:DELIVRD err:000",
        ("0123456789", "DELIVRD", DELIVERED, "000"),
    ),
    (
        b"id:123456 sub:234 dlvrd:000 submit date:1604052345 done date:1605021145 stat:DELIVRD",
        ("123456", "DELIVRD", DELIVERED, None),
    ),
    (
        (
            b"id:0123456789 sub:002 dlvrd:003 submit date:0809011130 done date:0809021131 err:123 stat:DND_REJECTED "
            b"text:Hello World"
        ),
        ("0123456789", "DND_REJECTED", MessageState.REJECTED, "123"),
    ),
    (b"stat:DELIVRD", (None, "DELIVRD", DELIVERED, None)),
    (
        (
            b"id:1891273321 sub:001 dlvrd:001 submit date:1305050826 done date:1305050826 stat:DELIVRD err:000 "
            b"text:DLVRD TO MOBILE"
        ),
        ("1891273321", "DELIVRD", DELIVERED, "000"),
    ),
    (
        (
            b"id:a29f6845555647139e5c8f3b817f2c9a sub:001 dlvrd:001 submit date:141023215253 done date:141023215259 "
            b"stat:DELIVRD err:000 text:HOLA"
        ),
        ("a29f6845555647139e5c8f3b817f2c9a", "DELIVRD", DELIVERED, "000"),
    ),
    (
        b"id:c87c2273-7edb-4bc7-8d3a-7f57f21b625e submit date:201506201641 done date:201506201641 stat:DELIVRD err:000",
        ("c87c2273-7edb-4bc7-8d3a-7f57f21b625e", "DELIVRD", DELIVERED, "000"),
    ),
    (
        b"id:68673723 sub:1 dlvrd:13 submit date:1909301545 done date:1909301545 stat:DELIVRD err:0 Text:\x04\x1a",
        ("68673723", "DELIVRD", DELIVERED, "0"),
    ),
    (b"362d9701 2", (None, "", None, None)),
    (
        (
            b"id:117062714244798261 sub:001 dlvrd:001 submit date:1706271624 done date:1706271624 stat:DELIVRD "
            b"err:0000 text:H\x1bello world"
        ),
        ("117062714244798261", "DELIVRD", DELIVERED, "0000"),
    ),
    (
        (
            b"id:rdwjwxns18krxr9936ey96ymcw sub:000 dlvrd:000 submit date:180711070003912+ done date:180711070000012+ "
            b"stat:UNDELIV err:000"
        ),
        ("rdwjwxns18krxr9936ey96ymcw", "UNDELIV", UNDELIVERABLE, "000"),
    ),
    (
        (
            b"id:0911897980 sub:001 dlvrd:000 submit date:1201121551 done date:1201121551 stat:UNDELIV err:075 "
            b"text:-PROFILE"
        ),
        ("0911897980", "UNDELIV", UNDELIVERABLE, "075"),
    ),
    (
        (
            b"id:8XXXXXXXXXXXXX sub:001 dlvrd:000 submit date:220704105916 done date:220704105941 stat:REJECTD err:954 "
            b"text:"
        ),
        ("8XXXXXXXXXXXXX", "REJECTD", MessageState.REJECTED, "954"),
    ),
    (
        (
            b"id:34265880701 sub:001 dlvrd:001 submit date:1709260755 done date:1709260755 stat:UNDELIV err:001 "
            b"text:sdfsfs"
        ),
        ("34265880701", "UNDELIV", UNDELIVERABLE, "001"),
    ),
    (
        (
            b"id:0000000012345678 sub:001 dlvrd:001 submit date:1601010100 done date:1601010101 stat:DELIVRD err:000 "
            b"text:none"
        ),
        ("0000000012345678", "DELIVRD", DELIVERED, "000"),
    ),
    (
        b"id:81 sub:001 dlvrd:000 submit date:2601010100 done date:2601010101 stat:UNDELIV err:069 Text:...",
        ("81", "UNDELIV", UNDELIVERABLE, "069"),
    ),
]


def receipt_of(text: bytes, *tlvs: Tlv, esm_class: int = EsmClass.RECEIPT) -> Receipt:
    receipt = parse_receipt(DeliverSm(esm_class=esm_class, short_message=text, tlvs=tlvs))
    assert receipt is not None
    return receipt


def state_tlv(state: int) -> Tlv:
    return Tlv(Tag.MESSAGE_STATE, bytes((state,)))


def id_tlv(message_id: bytes) -> Tlv:
    return Tlv(Tag.RECEIPTED_MESSAGE_ID, message_id)


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_texts(text: bytes, expected: tuple[str | None, str, MessageState | None, str | None]) -> None:
    message_id, word, state, err = expected
    receipt = receipt_of(text)
    assert receipt.message_ids == ((message_id,) if message_id else ())
    assert (receipt.state, receipt.message_state, receipt.err) == (word, state, err)
    assert not receipt.intermediate


@pytest.mark.parametrize(("text", "_expected"), TEXTS)
def test_texts_in_message_payload_and_data_sm(text: bytes, _expected: object) -> None:
    payload = Tlv(Tag.MESSAGE_PAYLOAD, text + b"\0")
    assert receipt_of(b"", payload) == receipt_of(text)
    assert parse_receipt(DataSm(esm_class=EsmClass.RECEIPT, tlvs=(payload,))) == receipt_of(text)


def test_parameters_win_over_the_text() -> None:
    receipt = receipt_of(
        b"id:5000 submit date:201506201641 done date:201506201641 stat:DELIVRD err:000",
        id_tlv(b"6000\0"),
        state_tlv(6),
    )
    assert receipt.message_ids == ("6000", "5000")
    assert receipt.message_state is MessageState.ACCEPTED
    assert (receipt.submit_date, receipt.done_date) == ("201506201641", "201506201641")


def test_parameters_alone() -> None:
    """An opaque text; the id and the state stand in parameters only."""
    receipt = receipt_of(b"362d9701 2", id_tlv(b"362d9701\0"), state_tlv(2))
    assert (receipt.message_ids, receipt.state, receipt.message_state) == (("362d9701",), "DELIVRD", DELIVERED)


@pytest.mark.parametrize("value", [b"3005\0", b"3005", b"3005\0\0\0", b" 3005"])
def test_the_id_parameter_may_lack_its_end_or_have_several(value: bytes) -> None:
    assert receipt_of(b"", id_tlv(value), state_tlv(2)).message_ids == ("3005",)


def test_equal_ids_are_one_candidate_and_empty_ones_none() -> None:
    assert receipt_of(b"id:77 stat:DELIVRD", id_tlv(b"77\0")).message_ids == ("77",)
    assert receipt_of(b"id: sub:001 stat:DELIVRD", id_tlv(b"\0")).message_ids == ()


def test_a_state_of_no_table_leaves_the_word_to_say() -> None:
    assert receipt_of(b"id:1 stat:EXPIRED", state_tlv(99)).message_state is MessageState.EXPIRED
    assert receipt_of(b"id:1", state_tlv(99)).message_state is None


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("SCHEDLD", MessageState.SCHEDULED),
        ("delivrd", MessageState.DELIVERED),
        ("Expired", MessageState.EXPIRED),
        ("DELETED", MessageState.DELETED),
        ("UNKNOWN", MessageState.UNKNOWN),
        ("SKIPPED", MessageState.SKIPPED),
        ("DELIVERED", MessageState.DELIVERED),
        ("UNDELIVERABLE", MessageState.UNDELIVERABLE),
        ("FAILED", MessageState.UNDELIVERABLE),
        ("REJECTED", MessageState.REJECTED),
        ("ACCEPTED", MessageState.ACCEPTED),
        ("ACKED", MessageState.ACCEPTED),
        ("BUFFRED", MessageState.ENROUTE),
        ("BUFFERD", MessageState.ENROUTE),
        ("NEVERHEARD", None),
    ],
)
def test_words_are_read_in_any_case(word: str, state: MessageState | None) -> None:
    receipt = receipt_of(f"id:1 stat:{word}".encode())
    assert (receipt.state, receipt.message_state) == (word.upper(), state)


class TestRecognised:
    @pytest.mark.parametrize("esm_class", [0x04, 0x20, 0x08, 0x05, 0x07, 0x44, 0x84])
    def test_by_its_esm_class(self, esm_class: int) -> None:
        assert parse_receipt(DeliverSm(esm_class=esm_class, short_message=b"id:1 stat:DELIVRD")) is not None

    def test_by_its_parameters(self) -> None:
        assert parse_receipt(DeliverSm(tlvs=(id_tlv(b"42\0"), state_tlv(2)))) is not None
        assert parse_receipt(DeliverSm(tlvs=(id_tlv(b"42\0"),))) is None
        assert parse_receipt(DeliverSm(tlvs=(state_tlv(2),))) is None

    @pytest.mark.parametrize("esm_class", [0x00, 0x10, 0x18, 0x40, 0x80])
    def test_a_message_that_imitates_one_is_none(self, esm_class: int) -> None:
        assert parse_receipt(DeliverSm(esm_class=esm_class, short_message=b"id:1 stat:DELIVRD")) is None

    def test_by_its_text_only_where_the_link_says_so(self) -> None:
        pdu = DeliverSm(short_message=b"id:1 stat:DELIVRD")
        receipt = parse_receipt(pdu, text_receipts=True)
        assert receipt is not None
        assert receipt.message_ids == ("1",)
        for text in (b"hello", b"stat:DELIVRD", b"id:1"):
            assert parse_receipt(DeliverSm(short_message=text), text_receipts=True) is None

    def test_intermediate(self) -> None:
        assert receipt_of(b"id:1 stat:ENROUTE", esm_class=EsmClass.INTERMEDIATE_NOTIFICATION).intermediate


class TestNotFooled:
    def test_by_labels_in_the_messages_own_text(self) -> None:
        receipt = receipt_of(b"id:5 stat:UNDELIV err:001 text:id:9 stat:DELIVRD err:000")
        assert (receipt.message_ids, receipt.message_state, receipt.err) == (("5",), UNDELIVERABLE, "001")

    def test_by_labels_further_behind_text(self) -> None:
        assert receipt_of(b"id:5 text:please id:9 stat:DELIVRD").state == ""

    def test_by_a_label_inside_a_word(self) -> None:
        receipt = receipt_of(b"paid:1 id:2 substat:EXPIRED stat:DELIVRD xerr:9")
        assert (receipt.message_ids, receipt.message_state, receipt.err) == (("2",), DELIVERED, None)

    def test_the_first_of_repeated_labels_counts(self) -> None:
        assert receipt_of(b"id:1 id:2 stat:EXPIRED stat:DELIVRD").message_ids == ("1",)


def test_a_truncated_receipt_gives_what_is_there() -> None:
    assert receipt_of(b"id:0000003005 sub:001 stat:DELIVRD err:000 te").err == "000"
    assert receipt_of(b"id:0000003005 sub:001 sta").message_ids == ("0000003005",)


def test_a_user_data_header_is_no_part_of_the_text() -> None:
    text = concatenation_8bit(1, 1, 1) + b"id:9 stat:DELIVRD"
    assert receipt_of(text, esm_class=EsmClass.RECEIPT | EsmClass.UDHI).message_ids == ("9",)


def test_addresses_and_reference_are_handed_on() -> None:
    pdu = DeliverSm(
        source_addr="992900000001",
        destination_addr="AlifBank",
        esm_class=EsmClass.RECEIPT,
        short_message=b"id:1 stat:DELIVRD",
        tlvs=(Tlv(Tag.USER_MESSAGE_REFERENCE, b"\x01\x02"), Tlv(Tag.NETWORK_ERROR_CODE, b"\x03\0\x05")),
    )
    receipt = parse_receipt(pdu)
    assert receipt is not None
    assert (receipt.source_addr, receipt.destination_addr) == ("992900000001", "AlifBank")
    assert (receipt.user_message_reference, receipt.network_error_code) == (0x0102, b"\x03\0\x05")


# number of the golden frame, ids, state, err, network_error_code, done_date
FRAMES = [
    (37, ("38601fa", "0059113978"), DELIVERED, "000", None, "1002101731"),
    (38, ("94251430923",), MessageState.ACCEPTED, "107", None, "0911040124"),
    (39, ("6a3ed98a66444e8abac3acd9bba8656f",), UNDELIVERABLE, "000", b"000", "141016003800"),
    (40, ("6aad5", "0000436949"), DELIVERED, "000", None, "1504211508"),
    (41, ("145100315320224957",), DELIVERED, "0000", b"\3\0\0", "1510031732"),
    (42, ("4D19C83C",), DELIVERED, "0000", None, "1510090105"),
    (43, ("18d0e03a", "0416342074"), DELIVERED, "000", None, "2101041522"),
    (44, ("3005", "0000003005"), DELIVERED, "000", None, "1001181431"),
    (55, ("1d305b4c", "0489708364"), DELIVERED, "000", None, "1810151907"),
    (56, ("795920026",), DELIVERED, "000", None, "200319131913"),
    (57, ("42",), DELIVERED, None, None, None),
]


@pytest.mark.parametrize(("number", "ids", "state", "err", "network_error", "done_date"), FRAMES)
def test_golden_frames(
    number: int,
    ids: tuple[str, ...],
    state: MessageState,
    err: str | None,
    network_error: bytes | None,
    done_date: str | None,
) -> None:
    lines = Path(__file__).with_name("vectors.txt").read_text("utf-8").splitlines()
    octets = next(line.split()[1] for line in lines if line.startswith(f"{number} "))
    pdu = decode(bytes.fromhex(octets))
    assert isinstance(pdu, DeliverSm)
    receipt = parse_receipt(pdu)
    assert receipt is not None
    assert (receipt.message_ids, receipt.message_state, receipt.err) == (ids, state, err)
    assert (receipt.network_error_code, receipt.done_date) == (network_error, done_date)


def test_written_by_us() -> None:
    text = encode_receipt_text(
        "1234", DELIVERED, submit_date="2611240101", done_date="2611240102", text="The first twenty characters"
    )
    assert text == (
        b"id:1234 sub:001 dlvrd:001 submit date:2611240101 done date:2611240102 stat:DELIVRD err:000 "
        b"text:The first twenty cha"
    )


@given(state=st.sampled_from(MessageState), message_id=st.from_regex(r"[0-9A-Za-z-]{1,64}", fullmatch=True))
def test_what_we_write_we_read(state: MessageState, message_id: str) -> None:
    receipt = receipt_of(
        encode_receipt_text(message_id, state, submit_date="2611240101", done_date="2611240102", err="21b", delivered=0)
    )
    assert (receipt.message_ids, receipt.message_state, receipt.err) == ((message_id,), state, "21b")
    assert (receipt.submit_date, receipt.done_date) == ("2611240101", "2611240102")


@given(
    text=st.one_of(
        st.binary(), st.lists(st.sampled_from([b"id:", b"stat:", b"text:", b" ", b"1", b"\0"])).map(b"".join)
    ),
    esm_class=st.integers(0, 255),
    tlvs=st.lists(st.builds(Tlv, st.sampled_from([0x1E, 0x423, 0x424, 0x427, 0x204]), st.binary(max_size=9))).map(
        tuple
    ),
    text_receipts=st.booleans(),
)
def test_nothing_makes_it_raise(text: bytes, esm_class: int, tlvs: tuple[Tlv, ...], text_receipts: bool) -> None:
    pdu = DeliverSm(esm_class=esm_class, short_message=text, tlvs=tlvs)
    receipt = parse_receipt(pdu, text_receipts=text_receipts)
    if receipt is not None:
        assert all(message_id and not message_id.isspace() for message_id in receipt.message_ids)
