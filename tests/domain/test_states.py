"""The states of a message: what may follow what, and how the states of parts fold into one."""

from __future__ import annotations

from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.domain.message import MessageState
from payk.domain.states import CORRECTABLE, FINAL, TRANSITIONS, advance, fold, is_final

NONE, ENROUTE, DELIVERED = MessageState.NONE, MessageState.ENROUTE, MessageState.DELIVERED
EXPIRED, DELETED, UNDELIVERABLE = MessageState.EXPIRED, MessageState.DELETED, MessageState.UNDELIVERABLE
ACCEPTED, UNKNOWN, REJECTED = MessageState.ACCEPTED, MessageState.UNKNOWN, MessageState.REJECTED

FROM_WORST_TO_BEST = (REJECTED, UNDELIVERABLE, EXPIRED, DELETED, UNKNOWN, DELIVERED)
"""The documented order for messages of several parts."""

every_state = pytest.mark.parametrize("state", MessageState, ids=lambda state: state.label)
states = st.sampled_from(MessageState)


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(MessageState)


@every_state
def test_final_is_what_carries_a_date_done(state: MessageState) -> None:
    assert is_final(state) == (state in FINAL) == (state not in (NONE, ENROUTE, ACCEPTED))


@every_state
def test_a_final_state_stays_but_for_unknown(state: MessageState) -> None:
    if state is UNKNOWN:
        assert TRANSITIONS[state] == FINAL - CORRECTABLE
    elif is_final(state):
        assert TRANSITIONS[state] == frozenset()
    else:
        assert TRANSITIONS[state] >= FINAL


def test_nothing_goes_back() -> None:
    for before, after in product(MessageState, (NONE, ENROUTE)):
        if (before, after) != (NONE, ENROUTE):
            assert after not in TRANSITIONS[before]


def test_advance_is_the_table() -> None:
    for before, after in product(MessageState, MessageState):
        assert advance(before, after) is (after if after in TRANSITIONS[before] else before)


@pytest.mark.parametrize(
    ("reports", "end"),
    [
        ((DELIVERED, ENROUTE), DELIVERED),  # the receipts of one message overtake each other
        ((DELIVERED, ACCEPTED), DELIVERED),
        ((DELIVERED, UNDELIVERABLE), DELIVERED),  # the first final one wins
        ((ACCEPTED, ENROUTE), ACCEPTED),
        ((ACCEPTED, DELIVERED), DELIVERED),
        ((UNKNOWN, DELIVERED), DELIVERED),  # a late receipt corrects Unknown
        ((UNKNOWN, ACCEPTED), UNKNOWN),
        ((UNKNOWN, UNKNOWN, REJECTED, DELIVERED), REJECTED),
    ],
)
def test_reports_in_their_order(reports: tuple[MessageState, ...], end: MessageState) -> None:
    state = ENROUTE
    for report in reports:
        state = advance(state, report)
    assert state is end


@every_state
def test_one_part_is_the_message(state: MessageState) -> None:
    assert fold([state]) is state


@pytest.mark.parametrize(
    ("parts", "state"),
    [
        ((NONE, NONE), NONE),
        ((ENROUTE, NONE), ENROUTE),
        ((ACCEPTED, ACCEPTED), ACCEPTED),
        ((ACCEPTED, ENROUTE), ENROUTE),
        ((ACCEPTED, NONE), ENROUTE),
        ((ACCEPTED, DELIVERED), ACCEPTED),
        ((DELIVERED, ENROUTE), ENROUTE),
        ((DELIVERED, NONE), ENROUTE),  # one part is there, another waits
        ((REJECTED, ENROUTE), ENROUTE),  # final only when all are
        ((DELIVERED, DELIVERED, DELIVERED), DELIVERED),
        ((DELIVERED, UNKNOWN), UNKNOWN),
        ((DELIVERED, DELETED, UNKNOWN), DELETED),
        ((EXPIRED, DELETED), EXPIRED),
        ((EXPIRED, UNDELIVERABLE), UNDELIVERABLE),
        ((UNDELIVERABLE, DELIVERED, REJECTED), REJECTED),
    ],
)
def test_parts_fold(parts: tuple[MessageState, ...], state: MessageState) -> None:
    assert {fold(order) for order in permutations(parts)} == {state}


@given(st.lists(st.sampled_from(FROM_WORST_TO_BEST), min_size=1, max_size=10))
def test_the_worst_final_part_wins(parts: list[MessageState]) -> None:
    assert fold(parts) is min(parts, key=FROM_WORST_TO_BEST.index)


@given(st.lists(states, min_size=1, max_size=10))
def test_a_message_is_final_when_all_its_parts_are(parts: list[MessageState]) -> None:
    assert is_final(fold(parts)) == all(is_final(part) for part in parts)


@given(st.integers(1, 4), st.lists(st.tuples(st.integers(0, 3), states), max_size=30))
def test_no_sequence_of_reports_turns_a_final_message(count: int, reports: list[tuple[int, MessageState]]) -> None:
    """Parts advance, the message follows what they fold into: it ends when they do, and only Unknown is corrected."""
    parts = [NONE] * count
    message = NONE
    for part, report in reports:
        parts[part % count] = advance(parts[part % count], report)
        before, message = message, advance(message, fold(parts))
        assert not is_final(before) or before is UNKNOWN or message is before
        assert is_final(message) == all(is_final(state) for state in parts)
