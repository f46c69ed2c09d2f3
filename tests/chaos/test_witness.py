"""What the witness reads of SMPP, held against our codec; and when what it read can have been written."""

from __future__ import annotations

import pytest

from chaos.lag import earliest, worst
from chaos.wire import BINDS, SUBMIT_SM, SUBMIT_SM_RESP, Stream, number_and_part
from payk.smpp import BindTransceiver, EsmClass, SubmitSm, SubmitSmResp, concatenation_8bit, encode

WHOLE = SubmitSm(source_addr="AlifBank", destination_addr="992900000001", short_message=b"\x05\x00\x03 is a text")
PART = SubmitSm(
    service_type="CMT",
    source_addr="AlifBank",
    destination_addr="992910000002",
    validity_period="261126120000000+",
    esm_class=EsmClass.UDHI,
    short_message=concatenation_8bit(17, 3, 2) + b"text",
)


@pytest.mark.parametrize(("pdu", "found"), [(WHOLE, ("992900000001", 1)), (PART, ("992910000002", 2))])
def test_a_submit_tells_its_number_and_part(pdu: SubmitSm, found: tuple[str, int]) -> None:
    assert number_and_part(encode(pdu, 1)) == found


def test_another_header_than_that_of_a_part_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="no part"):
        number_and_part(encode(SubmitSm(esm_class=EsmClass.UDHI, short_message=b"\x06\x08\x04\x00\x01\x02\x01x"), 1))


@pytest.mark.parametrize("slices", [1, 7, 1000])
def test_a_stream_gives_the_same_pdus_however_it_is_sliced(slices: int) -> None:
    octets = encode(BindTransceiver(), 1) + encode(WHOLE, 2) + encode(SubmitSmResp("1", command_status=0x58), 3)
    stream = Stream()
    frames = [frame for start in range(0, len(octets), slices) for frame in stream.feed(octets[start : start + slices])]
    assert [frame.sequence_number for frame in frames] == [1, 2, 3]
    assert frames[0].command_id in BINDS
    assert [frame.command_id for frame in frames[1:]] == [SUBMIT_SM, SUBMIT_SM_RESP]
    assert [frame.command_status for frame in frames] == [0, 0, 0x58]
    assert b"".join(frame.octets for frame in frames) == octets


def test_what_was_read_late_may_have_been_written_at_any_time_since_the_last_look() -> None:
    spans = [(10.0, 10.5), (20.0, 23.0)]
    assert earliest(spans, 10.5) == 10.0
    assert earliest(spans, 10.51) == 10.0
    assert earliest(spans, 22.0) == earliest(spans, 23.0) == 20.0
    for in_time in (9.0, 15.0, 30.0):
        assert in_time - 0.05 < earliest(spans, in_time) < in_time
    assert worst(spans) == 3.0
    assert worst([]) == 0.0
