"""What stays of a PDU for whom: octets as the specification writes them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from payk.dispatch.masking import addresses, masked


def pdu(command: int, body: bytes) -> bytes:
    return (16 + len(body)).to_bytes(4, "big") + command.to_bytes(4, "big") + bytes(4) + b"\x00\x00\x00\x07" + body


def message(text: bytes, *, command: int = 4, esm: int = 0, coding: int = 0, tlvs: bytes = b"") -> bytes:
    head = b"\x00\x05\x00AlifBank\x00\x01\x01992900900902\x00" + bytes([esm, 0, 0, 0, 0, 1, 0, coding, 0, len(text)])
    return pdu(command, head + text + tlvs)


HIDDEN = {"texts": False, "numbers": False}
BIND = b"payk\x00%s\x00type\x00\x34\x00\x00\x00"


def test_a_password_never_stays_and_its_length_neither() -> None:
    for command in (1, 2, 9):
        for password in (b"x", b"s3cr3tpw", b"longer than is allowed"):
            for shown in (True, False):
                found = masked(pdu(command, BIND % password), texts=shown, numbers=shown)
                assert found == pdu(command, BIND % b"****")
    assert masked(pdu(0x0B, b"operator\x00s3cr3tpw\x00"), **HIDDEN) == pdu(0x0B, b"operator\x00****\x00")
    assert masked(pdu(9, BIND % b""), **HIDDEN) == pdu(9, BIND % b"")


def test_texts_and_numbers() -> None:
    whole = message(b"Geheimnis")
    assert masked(whole, **HIDDEN) == whole.replace(b"Geheimnis", b"x" * 9).replace(b"992900900902", b"992900****02")
    assert masked(whole, texts=True, numbers=False) == whole.replace(b"992900900902", b"992900****02")
    assert masked(whole, texts=False, numbers=True) == whole.replace(b"Geheimnis", b"x" * 9)
    assert masked(whole, texts=True, numbers=True) == whole
    assert addresses(whole) == ("AlifBank", "992900900902")


def test_a_segment_keeps_its_header_and_ucs2_stays_ucs2() -> None:
    udh = b"\x05\x00\x03\x2a\x02\x01"
    secret = "Тайна".encode("utf-16-be")
    found = masked(message(udh + secret, esm=0x40, coding=8), texts=False, numbers=True)
    assert found == message(udh + b"\x00x" * 5, esm=0x40, coding=8)


def test_of_a_header_that_is_none_nothing_stays() -> None:
    for text in (
        b"\x09Geheimnis",  # no elements
        b"\x0b\x00\x09Geheimnis",  # an element longer than it is
        b"\x05\x24\x03Tie",  # one that is not ours to know
        b"\x0a\x00\x03\x2a\x02\x01\x00\x03Tie",  # the same twice
        b"\x06\x00\x03\x2a\x02\x01T",  # more than its elements
        b"\x05\x00\x03Ti",  # longer than the text
        b"\x01\x00",
    ):
        assert masked(message(text, command=5, esm=0x40), texts=False, numbers=True) == message(
            b"x" * len(text), command=5, esm=0x40
        )
    ports = b"\x0c\x08\x04\x00\x2a\x02\x01\x05\x04\x0b\x84\x23\xf0"
    for header in (b"\x00", b"\x04\x04\x02\x2a\x2b", ports):
        assert masked(message(header + b"Tief", esm=0x40), texts=False, numbers=True) == message(
            header + b"xxxx", esm=0x40
        )


def test_a_number_is_hidden_however_it_is_written() -> None:
    for written, shown in (
        (b"992 90 0900900", b"992 90******00"),
        (b"tel:992900900", b"tel:99*****00"),
        (b"Bank 24", b"Bank 24"),
    ):
        whole = message(b"").replace(b"AlifBank", written)
        whole = len(whole).to_bytes(4, "big") + whole[4:]
        kept = message(b"").replace(b"AlifBank", shown).replace(b"992900900902", b"992900****02")
        assert masked(whole, texts=True, numbers=False) == len(kept).to_bytes(4, "big") + kept[4:]


def test_behind_text_a_receipt_says_nothing_of_its_own() -> None:
    said = b"id:1f stat:DELIVRD err:000 "
    for text in (b"text:Your ID:554433", b"Text:a id:554433 stat:Geheim", b"err:1text:id:554433 id:4711"):
        found = masked(message(said + text, command=5, esm=4), texts=False, numbers=True)
        assert b"554433" not in found and b"4711" not in found and b"Geheim" not in found
        assert said in found


def test_a_receipt_keeps_what_the_operator_says() -> None:
    said = b"id:1f sub:001 dlvrd:001 submit date:2611280012 done date:2611280013 stat:DELIVRD err:000 text:Geheimnis"
    found = masked(message(said, command=5, esm=4), texts=False, numbers=True)
    assert found == message(said.replace(b"text:Geheimnis", b"x" * 14), command=5, esm=4)
    assert b"stat" not in masked(message(said, command=5), **HIDDEN), "no receipt says esm_class: a subscriber's words"


def test_optional_parameters() -> None:
    payload, reference = b"\x04\x24\x00\x04Tief", b"\x02\x04\x00\x02\x00\x07"
    number, own = b"\x03\x81\x00\x0c\x00\x01\x01992900900", b"\x14\x00\x00\x04Tief"
    found = masked(message(b"", tlvs=payload + reference + number + own), texts=False, numbers=True)
    kept = b"\x04\x24\x00\x04xxxx" + reference + number[:4] + bytes(12) + own[:4] + bytes(4)
    assert found == message(b"", tlvs=kept)
    data = pdu(0x103, b"\x00\x05\x00AlifBank\x00\x01\x01992900900902\x00\x00\x01\x00" + payload + reference)
    assert masked(data, texts=False, numbers=True) == data.replace(b"Tief", b"xxxx")
    answer = pdu(0x8000_0004, b"1f\x00" + b"\x00\x1d\x00\x04Tief")
    assert masked(answer, **HIDDEN) == answer.replace(b"Tief", bytes(4))


def test_of_what_is_not_known_or_broken_the_header_stays() -> None:
    for body in (
        b"\x00\x05\x00AlifBank",
        b"\x00\x05\x00A\x00\x01\x01992900900902\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x50Geheim",
    ):
        assert masked(pdu(4, body), **HIDDEN) == pdu(4, b"")
    assert masked(pdu(0x21, b"Geheimnis"), **HIDDEN) == pdu(0x21, b"")
    assert masked(pdu(9, b"payk\x00s3cr3tpw"), texts=True, numbers=True) == pdu(9, b"")


@given(st.sampled_from([1, 4, 5, 9, 0x0B, 0x103, 0x8000_0004, 0x8000_0009, 0x15, 0x777]), st.binary(max_size=300))
def test_whatever_the_octets_it_is_a_pdu(command: int, body: bytes) -> None:
    found = masked(pdu(command, body), **HIDDEN)
    assert int.from_bytes(found[:4], "big") == len(found) >= 16 and found[4:16] == pdu(command, body)[4:16]
