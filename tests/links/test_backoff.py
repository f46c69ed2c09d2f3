"""The waits between two tries of a bind."""

from __future__ import annotations

from random import Random

import pytest

from payk.links.backoff import SETTLED, Backoff, Trouble


class Highest(Random):
    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


class Lowest(Random):
    def uniform(self, a: float, b: float) -> float:
        return min(a, b)


def delays(random: Random, trouble: Trouble, count: int) -> list[float]:
    backoff = Backoff(random)
    return [backoff.delay(trouble) for _ in range(count)]


@pytest.mark.parametrize(
    ("trouble", "longest"),
    [
        (Trouble.BROKEN, [1, 2, 4, 8, 16, 32, 60, 60]),
        (Trouble.STILL_BOUND, [66, 132, 264, 330, 330]),
        (Trouble.REFUSED, [60, 120, 240, 480, 900, 900]),
        (Trouble.UNBOUND, [10, 10, 10]),
    ],
)
def test_each_trouble_has_its_own_row(trouble: Trouble, longest: list[float]) -> None:
    assert delays(Highest(), trouble, len(longest)) == pytest.approx(longest)


@pytest.mark.parametrize(
    ("trouble", "shortest"),
    [
        (Trouble.BROKEN, [0.5, 1, 2]),
        (Trouble.STILL_BOUND, [60, 120, 240, 300]),
        (Trouble.REFUSED, [30, 60]),
        (Trouble.UNBOUND, [5, 5]),
    ],
)
def test_jitter_never_goes_below_its_range(trouble: Trouble, shortest: list[float]) -> None:
    assert delays(Lowest(), trouble, len(shortest)) == pytest.approx(shortest)


def test_binds_that_failed_together_do_not_come_back_together() -> None:
    assert len({Backoff(Random(seed)).delay(Trouble.BROKEN) for seed in range(20)}) == 20


def test_only_a_bind_that_held_for_a_minute_starts_anew() -> None:
    backoff = Backoff(Highest())
    assert [backoff.delay(Trouble.BROKEN, held=held) for held in (0, 0, SETTLED - 1, SETTLED, 0)] == [1, 2, 4, 1, 2]


def test_troubles_are_counted_apart() -> None:
    backoff = Backoff(Highest())
    for _ in range(5):
        backoff.delay(Trouble.BROKEN)
    assert backoff.delay(Trouble.STILL_BOUND) == pytest.approx(66)


def test_a_year_of_failures_overflows_nothing() -> None:
    assert delays(Highest(), Trouble.REFUSED, 40_000)[-1] == 900
