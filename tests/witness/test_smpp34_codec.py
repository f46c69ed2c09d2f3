"""Our codec and smpp34's on the same octets.

Its Python binding takes submit_sm and deliver_sm apart and leaves every other kind at header and body; what those hold
is compared with smpplib's codec (test_smpplib_codec). Where the two codecs differ by rule, a test below says so.
"""

from __future__ import annotations

from typing import Any

import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st

from payk.smpp import DeliverSm, PduError, SubmitSm, Tlv, UnknownPdu, decode, encode
from payk.smpp.layout import LAYOUTS
from tests.witness.pdus import U32, pdus

MESSAGE_FIELDS = [
    *("service_type", "source_addr_ton", "source_addr_npi", "source_addr"),
    *("dest_addr_ton", "dest_addr_npi", "destination_addr"),
    *("esm_class", "protocol_id", "priority_flag", "schedule_delivery_time", "validity_period"),
    *("registered_delivery", "replace_if_present_flag", "data_coding", "sm_default_msg_id"),
    *("short_message", "sequence_number"),
]
THEIRS = {SubmitSm: smpp34.SubmitSm, DeliverSm: smpp34.DeliverSm}
MESSAGES = [layout for layout in LAYOUTS if layout.pdu in THEIRS]

# command_status is left at 0 where smpp34 makes the PDU: a request has none, and its constructor takes none.
messages = st.sampled_from(MESSAGES).flatmap(lambda layout: pdus(layout, command_status=st.just(0)))
any_pdu = st.sampled_from(LAYOUTS).flatmap(pdus)


def fields_of(pdu: Any) -> dict[str, Any]:
    return {name: getattr(pdu, name) for name in MESSAGE_FIELDS}


def tlvs_of(pdu: Any) -> list[tuple[int, bytes]]:
    return [(tlv.tag, tlv.value) for tlv in pdu.tlvs]


def theirs(pdu: Any) -> Any:
    """The same PDU, made by smpp34."""
    return THEIRS[type(pdu)](**fields_of(pdu), tlvs=[smpp34.Tlv(tlv.tag, tlv.value) for tlv in pdu.tlvs])


@given(messages)
def test_it_reads_what_we_write(pdu: Any) -> None:
    read = smpp34.decode(encode(pdu))
    assert type(read) is THEIRS[type(pdu)]
    assert fields_of(read) == fields_of(pdu)
    assert tlvs_of(read) == tlvs_of(pdu)
    assert read.sm_length == len(pdu.short_message)


@given(messages)
def test_we_read_what_it_writes(pdu: Any) -> None:
    oddities: list[str] = []
    assert decode(theirs(pdu).encode(), oddities) == pdu
    # Random parameters are odd, or contradict the message; no octet is left over or cut off.
    assert not [oddity for oddity in oddities if "parameter" not in oddity and "payload" not in oddity]


@given(messages)
def test_both_write_the_same_octets(pdu: Any) -> None:
    assert theirs(pdu).encode() == encode(pdu)


@given(any_pdu)
def test_every_kind_has_the_same_header_to_both(pdu: Any) -> None:
    frame = encode(pdu)
    read = smpp34.decode(frame)
    assert (read.command_id, read.sequence_number) == (pdu.command_id, pdu.sequence_number)
    if type(pdu) not in THEIRS:
        assert (read.command_length, read.command_status, read.body) == (len(frame), pdu.command_status, frame[16:])


@given(U32, st.binary(max_size=40))
def test_unknown_kinds_are_kept_by_both(command_id: int, body: bytes) -> None:
    frame = encode(UnknownPdu(command_id, body, sequence_number=7))
    read = smpp34.decode(frame) if not _is_message(command_id) else None
    assert read is None or (read.command_id, read.body) == (command_id, body)


@given(messages, st.data())
def test_on_changed_octets_they_agree_or_differ_by_rule(pdu: Any, data: st.DataObject) -> None:
    frame = bytearray(encode(pdu))
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(16, len(frame) - 1))] = data.draw(st.integers(0, 0x7F))
    their_reading = ours = None
    try:
        ours = decode(bytes(frame))
    except PduError as exc:
        blame = str(exc)
    try:
        their_reading = smpp34.decode(bytes(frame))
    except smpp34.SmppError:
        assert ours is None  # we read nothing that it cannot
        return
    if ours is None:
        assert "octets" in blame  # a string longer than its field, which smpp34 does not measure
        return
    ascii_only = all(octet < 0x80 for octet in bytes(frame[16:]))
    if ascii_only:
        assert fields_of(their_reading) == fields_of(ours)
        # A cut parameter is left out by both, save those of a receipt that we keep as far as they go.
        assert tlvs_of(their_reading) == tlvs_of(ours)[: len(their_reading.tlvs)]
        assert len(ours.tlvs) - len(their_reading.tlvs) in (0, 1)


@pytest.mark.parametrize("kind", THEIRS)
def test_difference_strings_beyond_ascii_are_utf8_to_it(kind: type[Any]) -> None:
    """Latin-1 with us, so that every octet comes back; smpp34 replaces what is no UTF-8, and writes UTF-8."""
    frame = encode(kind(source_addr="Caf\xe9"))
    assert smpp34.decode(frame).source_addr == "Caf\ufffd"
    assert decode(frame).source_addr == "Caf\xe9"
    written = THEIRS[kind](source_addr="Caf\xe9", destination_addr="1").encode()
    assert decode(written).source_addr == "Caf\xc3\xa9"


def test_difference_it_measures_no_string() -> None:
    written = smpp34.SubmitSm(source_addr="9" * 21, destination_addr="1").encode()
    assert smpp34.decode(written).source_addr == "9" * 21
    with pytest.raises(PduError, match="source_addr of 21 octets"):
        decode(written)


def test_both_accept_a_message_of_255_octets_and_send_none() -> None:
    frame = bytearray(encode(SubmitSm(short_message=b"x" * 254)))
    frame[frame.index(254, 16)] = 255
    frame += b"x"
    frame[:4] = len(frame).to_bytes(4, "big")
    assert smpp34.decode(bytes(frame)).short_message == decode(bytes(frame)).short_message == b"x" * 255
    for make in (
        lambda: smpp34.SubmitSm("1", "2", b"x" * 255),
        lambda: encode(SubmitSm(short_message=b"x" * 255)),
    ):
        with pytest.raises(ValueError, match="short_message"):
            make()


def test_difference_a_cut_parameter_of_a_receipt_is_kept_by_us() -> None:
    frame = bytearray(encode(DeliverSm(tlvs=(Tlv(0x0427, b"\2"), Tlv(0x001E, b"3005\0")))))
    frame[frame.index(b"\x00\x1e\x00\x05") + 3] = 65
    assert tlvs_of(smpp34.decode(bytes(frame))) == [(0x0427, b"\2")]
    assert tlvs_of(decode(bytes(frame))) == [(0x0427, b"\2"), (0x001E, b"3005\0")]


@pytest.mark.parametrize("trailing", [b"\0", b"\0\0", b"\0\0\0"])
def test_both_pass_over_stray_octets_at_the_end(trailing: bytes) -> None:
    frame = bytearray(encode(SubmitSm(short_message=b"hello")) + trailing)
    frame[:4] = len(frame).to_bytes(4, "big")
    assert fields_of(smpp34.decode(bytes(frame))) == fields_of(decode(bytes(frame)))


@pytest.mark.parametrize("cut", [0, 1, 15, 17])
def test_a_frame_of_another_length_is_refused_by_both(cut: int) -> None:
    frame = encode(SubmitSm(short_message=b"hello"))
    for read in (smpp34.decode, decode):
        with pytest.raises(Exception, match=r"0x0000000[12]|frame of"):
            read(frame[:cut])


def _is_message(command_id: int) -> bool:
    return command_id in {int(kind.command_id) for kind in THEIRS}
