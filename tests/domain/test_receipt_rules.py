"""What an operator's word means, and which submit a receipt can belong to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.domain.id_modes import LearnedIdModes
from payk.domain.message import MessageState
from payk.domain.operator import IdMode
from payk.domain.receipt import destination_fits, id_forms, is_unnamed, number_of, state_of

PHONE = "992900000001"


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (0, MessageState.ENROUTE),
        (1, MessageState.ENROUTE),
        (2, MessageState.DELIVERED),
        (3, MessageState.EXPIRED),
        (4, MessageState.DELETED),
        (5, MessageState.UNDELIVERABLE),
        (6, MessageState.ACCEPTED),
        (7, None),  # UNKNOWN changes nothing: a better receipt may come
        (8, MessageState.REJECTED),
        (9, MessageState.UNDELIVERABLE),
        (10, None),
        (255, None),
        (None, None),
    ],
)
def test_states_by_message_state(code: int | None, state: MessageState | None) -> None:
    assert state_of(code) is state


@pytest.mark.parametrize("code", [*range(11), 255, None])
def test_an_intermediate_notification_ends_nothing(code: int | None) -> None:
    assert state_of(code, intermediate=True) is (None if state_of(code) is None else MessageState.ENROUTE)


# Answer of submit_sm, id in the receipt, rank of the form that meets; pairs seen at operators (docs/operators.md).
@pytest.mark.parametrize(
    ("answered", "reported", "rank"),
    [
        ("1A2b3C", "1a2B3c", 0),  # case
        ("0000436949", "436949", 0),  # zeros
        ("123", "0000000123", 0),
        ("c87c2273-7edb-4bc7-8d3a-7f57f21b625e", "C87C2273-7EDB-4BC7-8D3A-7F57F21B625E", 0),
        ("38601fa", "0059113978", 1),  # the answer in hexadecimal, the receipt in decimal
        ("18D0E03A", "0416342074", 1),
        ("0489708364", "1d305b4c", 1),  # and the other way round
        ("117062714244798261", "19fe3eb1b011735", 1),
        ("98765432101", "16fee0e525", 1),
        ("rdwjwxns18krxr9936ey96ymcw", "rdwjwxns18krxr9936ey96ymcw", 0),
    ],
)
def test_forms_of_an_id_meet_the_answer(answered: str, reported: str, rank: int) -> None:
    key = answered.lower().lstrip("0")  # as the store compares
    forms = {form.text: form for form in id_forms([reported], IdMode.LEARN)}
    assert forms[key].confirmed_by_destination is bool(rank)


@pytest.mark.parametrize(
    ("answered", "reported", "mode", "meets"),
    [
        ("38601fa", "59113978", IdMode.HEX_DEC, True),
        ("38601fa", "59113978", IdMode.DEC_HEX, False),
        ("38601fa", "59113978", IdMode.RAW, False),
        ("59113978", "38601fa", IdMode.DEC_HEX, True),
        ("59113978", "38601fa", IdMode.HEX_DEC, False),
        ("59113978", "59113978", IdMode.RAW, True),
        ("59113978", "59113978", IdMode.HEX_DEC, False),  # a pinned mode is meant: the same digits are another id
    ],
)
def test_a_pinned_mode_is_the_only_form(answered: str, reported: str, mode: IdMode, meets: bool) -> None:
    forms = id_forms([reported], mode)
    assert (answered in [form.text for form in forms]) == meets
    assert not any(form.confirmed_by_destination for form in forms)


def test_ids_that_are_no_numbers_are_not_converted() -> None:
    """strtoll would make the hexadecimal beginning of a UUID an id of its own."""
    for smsc_id in (
        "c87c2273-7edb-4bc7-8d3a-7f57f21b625e",
        "a29f6845555647139e5c8f3b817f2c9a",
        "+12",
        "1_2",
        "0x1f",
        "٣",
    ):
        assert [form.text for form in id_forms([smsc_id], IdMode.LEARN)] == [smsc_id.lower().lstrip("0")]


def test_the_id_of_the_tlv_comes_first_and_each_form_once() -> None:
    forms = id_forms(["6aad5", "0000436949"], IdMode.LEARN)
    assert [form.text for form in forms] == ["6aad5", "436949", "4417865"]  # as written by both, then 0x436949
    assert forms[1].written == "0000436949"


@given(st.lists(st.text(max_size=70), max_size=3), st.sampled_from(IdMode))
def test_any_id_has_forms(smsc_ids: list[str], mode: IdMode) -> None:
    for learned in (IdMode.RAW, IdMode.HEX_DEC, IdMode.DEC_HEX):
        for form in id_forms(smsc_ids, mode, learned):
            assert form.text and form.text == form.text.lower() and not form.text.startswith("0")


@given(st.integers(1, 2**63 - 1))
def test_every_number_is_found_in_the_other_base(number: int) -> None:
    assert f"{number:x}" in [form.text for form in id_forms([f"{number:010d}"], IdMode.LEARN)]
    assert str(number) in [form.text for form in id_forms([f"{number:X}"], IdMode.LEARN)]


def test_forms_of_the_learned_mode_come_first_and_the_others_need_the_destination() -> None:
    """Where receipts are in decimal, "10" is the answer "a", though another message may have been answered "10"."""
    forms = id_forms(["10"], IdMode.LEARN, learned=IdMode.HEX_DEC)
    assert [(form.text, form.shows) for form in forms] == [
        ("a", None),
        ("10", IdMode.RAW),
        ("16", IdMode.DEC_HEX),
    ]
    assert all(form.confirmed_by_destination for form in forms)


def test_an_id_of_one_digit_shows_nothing_of_the_base() -> None:
    assert [form.shows for form in id_forms(["0007"], IdMode.LEARN)] == [None]


@pytest.mark.parametrize(("smsc_id", "unnamed"), [("", True), ("0", True), (" 00 ", True), ("a", False), ("10", False)])
def test_ids_that_name_nothing(smsc_id: str, unnamed: bool) -> None:
    assert is_unnamed(smsc_id) is unnamed
    assert (id_forms([smsc_id], IdMode.LEARN) == []) is unnamed


def test_a_mode_is_learned_at_once_and_changed_only_when_shown_again_and_again() -> None:
    modes = LearnedIdModes()
    assert modes.known == {}
    assert modes.shown(1, IdMode.HEX_DEC) is True
    assert modes.known == {1: IdMode.HEX_DEC}
    assert [modes.shown(1, mode) for mode in (IdMode.HEX_DEC, IdMode.RAW, IdMode.HEX_DEC, IdMode.RAW)] == [False] * 4
    assert [modes.shown(1, IdMode.RAW) for _ in range(3)] == [False, True, False]
    assert modes.shown(2, IdMode.DEC_HEX) is True
    assert modes.known == {1: IdMode.RAW, 2: IdMode.DEC_HEX}
    assert LearnedIdModes({3: IdMode.DEC_HEX}).known == {3: IdMode.DEC_HEX}


@pytest.mark.parametrize(
    ("address", "number"),
    [
        ("992900000001", "992900000001"),
        ("+992900000001", "992900000001"),
        ("00992900000001", "992900000001"),
        (" 900000001 ", "900000001"),
        ("AlifBank", None),
        ("4545", None),  # a short code
        ("", None),
        ("0", None),
        ("992******001", None),
        ("٣٣٣٣٣٣٣٣", None),
    ],
)
def test_numbers_among_addresses(address: str, number: str | None) -> None:
    assert number_of(address) == number


@pytest.mark.parametrize(
    ("source", "destination", "fits"),
    [
        (PHONE, "AlifBank", True),
        ("+992900000001", "AlifBank", True),
        ("900000001", "AlifBank", True),  # without country code
        ("AlifBank", PHONE, True),  # an operator that does not swap them
        ("992900000002", "AlifBank", False),
        ("AlifBank", "992900000002", False),
        ("", "AlifBank", None),
        ("0", "0", None),
        ("992******001", "4545", None),
        (PHONE, "992445640101", True),  # our sender is a number too
        ("", "992445640101", None),  # our sender alone says nothing of the recipient
        ("+992445640101", "", None),
    ],
)
def test_whether_a_receipt_speaks_of_a_number(source: str, destination: str, fits: bool | None) -> None:
    assert destination_fits(PHONE, "992445640101", source, destination) is fits
