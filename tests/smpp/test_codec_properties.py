"""Any PDU survives the wire; any octets give PDUs or an error that blames the peer."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.smpp import (
    DistributionList,
    Framer,
    FramingError,
    LocalError,
    PduError,
    SmeAddress,
    Tlv,
    UnknownPdu,
    UnsuccessSme,
    decode,
    encode,
)
from payk.smpp.careful import CarefulCodec
from payk.smpp.command import RESPONSE_BIT
from payk.smpp.framing import BOUND_LIMIT
from payk.smpp.generated import generate_reader, generate_writer, is_generated
from payk.smpp.layout import LAYOUTS, Field, Kind, Layout
from payk.smpp.wire import UnreadableError

GENERATED = [layout for layout in LAYOUTS if is_generated(layout)]

octets = st.integers(0, 0xFF)
u32 = st.integers(0, 0xFFFFFFFF)


def texts(longest: int, shortest: int = 0) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=1, max_codepoint=0xFF), min_size=shortest, max_size=longest)


def values(field: Field) -> st.SearchStrategy[Any]:
    addresses = st.builds(SmeAddress, octets, octets, texts(20))
    match field.kind:
        case Kind.OCTET:
            return octets
        case Kind.TEXT:
            return texts(field.sent - 1)
        case Kind.TIME:
            return st.one_of(st.just(""), texts(16, 16))
        case Kind.MESSAGE:
            return st.binary(max_size=254)
        case Kind.DESTINATIONS:
            lists = st.builds(DistributionList, texts(20))
            return st.lists(addresses | lists, min_size=1, max_size=5).map(tuple)
        case Kind.UNSUCCESS:
            return st.lists(st.builds(UnsuccessSme, octets, octets, texts(20), u32), max_size=5).map(tuple)


tlvs = st.lists(st.builds(Tlv, st.integers(0, 0xFFFF), st.binary(max_size=20)), max_size=5).map(tuple)


def pdus(layout: Layout) -> st.SearchStrategy[Any]:
    fields: dict[str, st.SearchStrategy[Any]] = {field.name: values(field) for field in layout.fields}
    if layout.takes_tlvs:
        fields["tlvs"] = tlvs
    return st.builds(layout.pdu, **fields, command_status=u32, sequence_number=u32)


any_pdu = st.sampled_from(LAYOUTS).flatmap(pdus)


@given(any_pdu)
def test_what_is_encoded_is_decoded(pdu: Any) -> None:
    assert decode(encode(pdu)) == pdu


@given(st.lists(any_pdu, max_size=4), st.data())
def test_a_stream_in_any_slices_gives_its_pdus(stream: list[Any], data: st.DataObject) -> None:
    left = b"".join(map(encode, stream))
    framer = Framer(BOUND_LIMIT)
    got: list[Any] = []
    while left:
        end = data.draw(st.integers(1, len(left)))
        got += [decode(frame) for frame in framer.feed(left[:end])]
        left = left[end:]
    assert got == stream


@given(st.sampled_from(LAYOUTS), st.binary(max_size=120), u32, u32)
def test_any_body_gives_a_pdu_or_blames_the_peer(layout: Layout, body: bytes, status: int, number: int) -> None:
    command_id = int(layout.pdu.command_id)
    frame = struct.pack(">IIII", 16 + len(body), command_id, status, number) + body
    told: list[str] = []
    result: Any
    try:
        result = decode(frame, told)
    except PduError as exc:
        result = exc
    assert all(told)
    assert (result.command_id, result.sequence_number) == (command_id, number)
    if isinstance(result, PduError):
        assert result.command_status != 0
        assert not command_id & RESPONSE_BIT  # a response is never unreadable
    else:
        assert type(result) is layout.pdu
        assert result.command_status == status


@given(any_pdu, st.data())
def test_a_frame_with_a_few_octets_changed(pdu: Any, data: st.DataObject) -> None:
    frame = bytearray(encode(pdu))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(4, len(frame) - 1))] = data.draw(octets)
    try:
        changed = decode(bytes(frame))
    except PduError:
        return
    try:
        again = encode(changed)
    except LocalError:
        return  # what we accept and would not send
    assert decode(again) == changed


@given(u32.filter(lambda number: number not in {layout.pdu.command_id for layout in LAYOUTS}), st.binary(max_size=40))
def test_commands_of_no_table_come_back_as_they_are(command_id: int, body: bytes) -> None:
    pdu = UnknownPdu(command_id, body, 1, 2)
    assert decode(encode(pdu)) == pdu


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_stream_gives_frames_or_an_error(segments: list[bytes]) -> None:
    framer = Framer()
    taken = 0
    for count, segment in enumerate(segments, start=1):
        try:
            taken += sum(map(len, framer.feed(segment)))
        except FramingError:
            return
        assert taken + framer.buffered == sum(map(len, segments[:count]))


@given(st.sampled_from(LAYOUTS).filter(lambda layout: layout.fields), st.data())
def test_what_does_not_fit_is_refused_and_never_cut(layout: Layout, data: st.DataObject) -> None:
    pdu = data.draw(pdus(layout))
    field = data.draw(st.sampled_from([field for field in layout.fields if field.kind in (Kind.OCTET, Kind.TEXT)]))
    misfits: list[Any] = [-1, 256, 1 << 40] if field.kind is Kind.OCTET else ["x" * field.sent, "a\0b", "Салом"]
    misfit = data.draw(st.sampled_from(misfits))
    with pytest.raises(LocalError):
        encode(replace(pdu, **{field.name: misfit}))


def hands_nothing_over(*arguments: Any) -> Any:
    raise AssertionError("what fits went the careful way")


@given(st.sampled_from(GENERATED), st.data())
def test_generated_functions_do_what_fits_themselves(layout: Layout, data: st.DataObject) -> None:
    careful = CarefulCodec(layout)
    pdu = data.draw(pdus(layout))
    body = generate_writer(layout, hands_nothing_over)(pdu)
    assert body == careful.write(pdu)
    told: list[str] = []
    told_carefully: list[str] = []
    rest = bytes(16) + body, pdu.command_status, pdu.sequence_number
    assert generate_reader(layout, hands_nothing_over)(*rest, told) == pdu
    assert careful.read(*rest, told_carefully) == pdu
    assert told == told_carefully


@given(st.sampled_from(GENERATED), st.data(), st.integers(0, 1))
def test_generated_functions_read_whatever_comes_as_the_careful_codec_does(
    layout: Layout, data: st.DataObject, status: int
) -> None:
    careful = CarefulCodec(layout)
    frame = bytearray(bytes(16) + careful.write(data.draw(pdus(layout))))
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(16, len(frame)))
        frame[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))

    def outcome(read: Any) -> tuple[Any, list[str]]:
        told: list[str] = []
        try:
            return read(bytes(frame), status, 1, told), told
        except UnreadableError as exc:
            return (str(exc), exc.status), told

    assert outcome(generate_reader(layout, careful.read)) == outcome(careful.read)
