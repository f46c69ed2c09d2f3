"""Operators that take less than they are sent, on paper: how much of it a link finds out, and at what price."""

from __future__ import annotations

from itertools import pairwise, product
from random import Random

import pytest

from payk.links.pacing import RateControl
from tests.links.operator_model import Barring, ByTheSecond, Fussy, Operator, Queueing, Run, run

CONTRACTS = [None, 100.0, 1000.0]
ROUND_TRIPS = [(0.005, 0.01), (0.05, 0.1), (0.15, 0.25)]


def submit(contract: float | None, operator: Operator, *, seed: int = 1, **how: object) -> Run:
    return run(RateControl(contract, 0.0), operator, random=Random(seed), **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("sliding", [True, False])
@pytest.mark.parametrize("contract", CONTRACTS)
def test_an_operator_that_takes_fifty_a_second(contract: float | None, sliding: bool) -> None:
    for round_trip, window, seed in product(ROUND_TRIPS, (10, 100, 500), range(2)):
        if window / round_trip[1] < 50:
            continue  # the window itself keeps the link slower
        how = {"seconds": 40.0, "window": window, "round_trip": round_trip}
        result = submit(contract, ByTheSecond(50, sliding=sliding), seed=seed, **how)
        assert result.refused(5, 39) < 0.05, how
        assert result.taken(5, 39) >= 0.85 * 50, how


@pytest.mark.parametrize("capacity", [5, 10, 500])
def test_smaller_and_larger_ones(capacity: int) -> None:
    for contract, sliding in product((None, 1000.0), (True, False)):
        result = submit(contract, ByTheSecond(capacity, sliding=sliding), seconds=30.0, window=500)
        assert result.refused(5, 29) < 0.05
        assert result.taken(5, 29) >= 0.8 * capacity


def test_the_first_seconds_cost_little() -> None:
    """What is in flight when the first refusal comes back cannot be saved."""
    for contract, round_trip in product(CONTRACTS, ROUND_TRIPS):
        result = submit(contract, ByTheSecond(50), seconds=6.0, window=100, round_trip=round_trip)
        assert sum(status != 0 and at < 5 for at, status in result.answers) < 350


@pytest.mark.parametrize("contract", [10.0, 100.0, 1000.0])
def test_the_contract_is_never_exceeded(contract: float) -> None:
    for operator in (ByTheSecond(10_000), ByTheSecond(0.6 * contract), Fussy(0.2, Random(1))):
        result = submit(contract, operator, seconds=20.0, window=500)
        assert result.busiest_second() <= contract + max(1.0, 0.05 * contract) + 1e-6


@pytest.mark.parametrize(("contract", "within"), [(None, 400), (100.0, 500), (1000.0, 500)])
def test_refusals_that_do_not_come_from_our_speed_do_not_starve_the_link(contract: float | None, within: float) -> None:
    """Every third submit is refused, however slow we are: ten thousand get through all the same."""
    for seed in range(4):
        operator = Fussy(0.3, Random(seed))
        result = submit(contract, operator, seed=seed, messages=10_000, round_trip=(0.001, 0.003), seconds=3000.0)
        assert result.written[-1] < within
    assert 0.25 < result.refused() < 0.35


@pytest.mark.parametrize("share", [0.005, 0.02, 0.1])
def test_rare_refusals_do_not_either(share: float) -> None:
    for seed in range(4):
        result = submit(100.0, Fussy(share, Random(seed)), seed=seed, messages=5_000, seconds=3000.0)
        assert result.written[-1] < 500


@pytest.mark.parametrize("contract", [None, 1000.0])
def test_a_capacity_that_falls_and_returns(contract: float | None) -> None:
    def capacity(now: float) -> float:
        return 10 if 20 <= now < 80 else 1000

    result = submit(contract, ByTheSecond(capacity), seconds=150.0, round_trip=(0.02, 0.06))
    assert result.taken(10, 20) > 850
    assert sum(status != 0 and 20 <= at < 30 for at, status in result.answers) < 1000
    assert result.taken(30, 80) > 8
    assert result.refused(30, 80) < 0.05
    assert result.taken(140, 149) > 850  # back within a minute


@pytest.mark.parametrize("contract", CONTRACTS)
def test_one_that_bars_whoever_sends_too_much(contract: float | None) -> None:
    result = submit(contract, Barring(50, 1.0), seconds=60.0)
    assert result.refused(5) < 0.1
    assert result.taken(5, 59) > 0.65 * 50


@pytest.mark.parametrize("contract", [None, 200.0, 1000.0])
def test_an_operator_whose_queue_is_full(contract: float | None) -> None:
    result = submit(contract, Queueing(50, 500), seconds=120.0)
    assert all(slowdown.pause == 5 for _, slowdown in result.slowdowns)
    for begun, slowdown in result.slowdowns:
        assert not [at for at in result.written if begun < at < begun + slowdown.pause]
    assert result.refused(10) < 0.05
    assert result.taken(10) > 45


def test_a_queue_that_is_not_emptied_is_asked_ever_less() -> None:
    result = submit(None, Queueing(0, 100), seconds=600.0)
    pauses = [slowdown.pause for _, slowdown in result.slowdowns]
    assert pauses == [5, 10, 20, 40, 80, 160, 180, 180]
    assert all(later >= earlier for earlier, later in pairwise(pauses))


@pytest.mark.parametrize("contract", CONTRACTS)
def test_an_operator_that_tells_its_congestion_is_not_filled_up(contract: float | None) -> None:
    result = submit(contract, ByTheSecond(50, tells=True), seconds=60.0)
    assert result.refused(5) == 0
    assert 0.75 * 50 <= result.taken(5, 59) <= 0.95 * 50


def test_the_end_of_throttling_is_told_once() -> None:
    def capacity(now: float) -> float:
        return 50 if now < 20 else 1000

    result = submit(100.0, ByTheSecond(capacity), seconds=60.0)
    assert len(result.over) == 1
    assert 20 < result.over[0] < 45
