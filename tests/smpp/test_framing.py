"""Cutting the stream: any slicing, limits, impossible lengths."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.smpp import EnquireLink, Framer, FramingError, SubmitSm, encode
from payk.smpp.framing import BOUND_LIMIT, UNBOUND_LIMIT

FRAMES = [encode(EnquireLink(sequence_number=1)), encode(SubmitSm(short_message=b"hi")), encode(EnquireLink())]


@given(cuts=st.lists(st.integers(0, sum(map(len, FRAMES)))))
def test_any_slicing_gives_the_same_frames(cuts: list[int]) -> None:
    stream = b"".join(FRAMES)
    edges = [0, *sorted(cuts), len(stream)]
    framer = Framer()
    frames = [frame for start, end in pairwise(edges) for frame in framer.feed(stream[start:end])]
    assert frames == FRAMES
    assert framer.buffered == 0


@pytest.mark.parametrize("length", [0, 1, 15, UNBOUND_LIMIT + 1, 0x47455420, 0xFFFFFFFF])
def test_impossible_lengths_are_told_by_their_four_octets(length: int) -> None:
    with pytest.raises(FramingError) as caught:
        Framer().feed(length.to_bytes(4, "big"))
    assert caught.value.head == length.to_bytes(4, "big")
    assert caught.value.sequence_number is None


def test_a_whole_header_names_the_sequence_number() -> None:
    with pytest.raises(FramingError) as caught:
        Framer().feed(b"\xff\0\0\0\0\0\0\4\0\0\0\0\0\0\0\7" + b"x" * 100)
    assert (caught.value.command_id, caught.value.sequence_number) == (4, 7)
    assert len(caught.value.head) == 64


def test_the_limit_itself_fits() -> None:
    framer = Framer()
    frame = UNBOUND_LIMIT.to_bytes(4, "big") + bytes(UNBOUND_LIMIT - 4)
    assert framer.feed(frame) == [frame]


def test_the_limit_may_be_raised_between_frames() -> None:
    large = BOUND_LIMIT.to_bytes(4, "big") + bytes(BOUND_LIMIT - 4)
    framer = Framer()
    framer.push(FRAMES[0] + large)
    assert framer.take() == [FRAMES[0]]
    framer.limit = BOUND_LIMIT
    assert framer.take() == [large]


def test_good_frames_before_a_bad_one_are_not_lost() -> None:
    framer = Framer()
    framer.push(FRAMES[0] + FRAMES[1] + bytes(4))
    assert framer.take() == FRAMES[:2]
    with pytest.raises(FramingError):
        framer.take()


def test_only_what_arrived_is_held() -> None:
    framer = Framer(BOUND_LIMIT)
    assert framer.feed(BOUND_LIMIT.to_bytes(4, "big")) == []
    assert framer.buffered == 4
