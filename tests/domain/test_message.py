"""The references of messages: the same at every try, and none of its neighbours' or of the next mailing's."""

from __future__ import annotations

import pytest

from payk.domain.message import concatenation_reference, user_message_reference

FIRST = 100_000_007
PHONES = [f"9929{number:08}" for number in range(2_560)]


def test_no_two_parts_of_neighbours_have_one_reference() -> None:
    own = {user_message_reference(FIRST, part) for part in range(1, 101)}
    assert len(own) == 100
    for other in range(FIRST + 1, FIRST + 256):
        assert own.isdisjoint(user_message_reference(other, part) for part in range(1, 101)), other - FIRST


def test_references_come_round_as_late_as_sixteen_bits_allow() -> None:
    assert len({user_message_reference(FIRST + number, 1) for number in range(65_536)}) == 65_536
    assert all(0 <= user_message_reference(FIRST + number, 255) < 65_536 for number in range(300))


def test_a_phone_can_tell_messages_that_follow_each_other() -> None:
    """Within each 256 ids, in 8 bits too."""
    block = range(FIRST // 256 * 256, FIRST // 256 * 256 + 256)
    assert len({concatenation_reference(message_id, PHONES[0]) & 0xFF for message_id in block}) == 256


@pytest.mark.parametrize("length", [256, 2_560, 65_536, 256 * 255])
def test_mailings_of_whatever_length_do_not_meet_for_all_recipients(length: int) -> None:
    """The low bits of the ids did, where the length was a multiple of 256: every phone got parts that fit together."""
    met = sum(
        concatenation_reference(FIRST + number, phone) & 0xFF
        == concatenation_reference(FIRST + length + number, phone) & 0xFF
        for number, phone in enumerate(PHONES)
    )
    assert met < len(PHONES) / 64, "by lot it is one of 256"


def test_a_reference_follows_from_the_message_alone() -> None:
    """A resend joins the parts before it, from another process and after an upgrade: these values may not change."""
    assert concatenation_reference(FIRST, "992900900900") == 0xAEF5
    assert user_message_reference(FIRST, 1) == 48_658
