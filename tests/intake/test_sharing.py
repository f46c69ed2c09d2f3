"""Shares by weight: as many as the weight says, well mixed."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from payk.intake.sharing import KEPT, Sharing


@given(st.lists(st.integers(0, 20), min_size=1, max_size=5).filter(any), st.integers(1, 3))
def test_a_round_gives_each_just_its_weight(weights: list[int], rounds: int) -> None:
    sharing, operators = Sharing(), tuple(range(len(weights)))
    drawn = Counter(sharing.next(1, operators, tuple(weights)) for _ in range(rounds * sum(weights)))
    assert drawn == {operator: rounds * weight for operator, weight in enumerate(weights) if weight}


def test_they_take_turns() -> None:
    sharing = Sharing()
    assert [sharing.next(1, (7, 8), (2, 1)) for _ in range(6)] == [7, 8, 7, 7, 8, 7]


def test_routes_and_what_is_left_of_them_count_apart() -> None:
    sharing = Sharing()
    assert [sharing.next(route_id, (1, 2), (3, 1)) for route_id in (1, 2, 1, 2)] == [1, 1, 1, 1]
    assert sharing.next(1, (2, 3), (1, 1)) == 2


def test_what_is_kept_is_bounded() -> None:
    sharing = Sharing()
    for route_id in range(KEPT + 10):
        sharing.next(route_id, (1, 2), (1, 1))
    assert sharing.next(KEPT + 9, (1, 2), (1, 1)) == 2, "and the last ones are known"
