"""Which waiting messages a hold covers, and how long it kept them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from payk.domain.hold import Hold, Holds, Selection, held_for
from payk.domain.message import Lane, SmsType, label_key, label_keys

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ALL = Selection(client_id=1)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def hold(placed: float, released: float | None, selection: Selection = ALL, hold_id: int = 1) -> Hold:
    return Hold(hold_id, selection, at(placed), None if released is None else at(released))


@pytest.mark.parametrize(
    ("selection", "client_id", "lane", "label", "first", "covered"),
    [
        (Selection(client_id=1), 1, Lane.OTP, None, 7, True),
        (Selection(client_id=1), 2, Lane.OTP, None, 7, False),
        (Selection(label="sale"), 2, Lane.BATCH, "sale", 7, True),
        (Selection(label="sale"), 2, Lane.BATCH, "news", 7, False),
        (Selection(label="sale"), 2, Lane.BATCH, None, 7, False),
        (Selection(sms_type=SmsType.COMMON), 1, Lane.COMMON_LOW, None, 7, True),
        (Selection(sms_type=SmsType.BATCH), 1, Lane.OTP, None, 7, False),
        (Selection(sms_type=SmsType.OTP), 1, Lane.OTP, None, 7, True),
        (Selection(operator_id=7), 1, Lane.OTP, None, 7, True),
        (Selection(operator_id=8), 1, Lane.OTP, None, 7, False),
        (Selection(client_id=1, sms_type=SmsType.BATCH, label="sale"), 1, Lane.COMMON_LOW, "sale", 7, False),
    ],
)
def test_a_selection_covers_what_fits_all_it_names(
    selection: Selection, client_id: int, lane: Lane, label: str | None, first: int, covered: bool
) -> None:
    assert selection.covers(client_id, lane, label_key(label), first) is covered
    assert Holds([Hold(1, selection, NOON)]).stop(client_id, lane, label_key(label), (first, 9)) is covered


def test_a_label_is_held_under_both_its_keys() -> None:
    assert Selection(label="sale").label_keys == set(label_keys("sale"))
    assert len(set(label_keys("sale"))) == 2


def test_nothing_chosen_is_refused() -> None:
    with pytest.raises(ValueError, match="must be chosen"):
        Selection()


def test_without_holds_nothing_is_held() -> None:
    assert not Holds().stop(1, Lane.OTP, 0, (1,))


def test_a_message_was_held_from_when_it_could_be_sent() -> None:
    assert held_for(hold(0, 30), at(-10), []) == timedelta(minutes=30)
    assert held_for(hold(0, 30), at(20), []) == timedelta(minutes=10)
    assert held_for(hold(0, 30), at(40), []) == timedelta()


@pytest.mark.parametrize(
    ("others", "minutes"),
    [
        ([(-5, 10)], 20),
        ([(5, 20)], 15),
        ([(-5, 10), (5, 20)], 10),
        ([(2, 4), (6, 8)], 26),
        ([(6, 8), (2, 20)], 12),
        ([(-5, 0)], 30),
        ([(-5, 30)], 0),
    ],
)
def test_what_two_holds_kept_together_counts_once(others: list[tuple[float, float]], minutes: float) -> None:
    assert held_for(hold(0, 30), at(-60), [hold(*other) for other in others]) == timedelta(minutes=minutes)


def test_a_hold_that_still_stands_counts_later() -> None:
    assert held_for(hold(0, 30), at(-60), [hold(10, None)]) == timedelta(minutes=30)
    assert held_for(hold(10, 60), at(-60), [hold(0, 30)]) == timedelta(minutes=30)
