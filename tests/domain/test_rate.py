"""What a process keeps of a rate that all share: never more than the bucket filled, and little where little is used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.domain.limits import Limits
from payk.domain.rate import IDLE, Allowance, Rate, otp_rate, pace_of, request_rate


class Bucket:
    """The bucket of a rate as the database keeps it."""

    def __init__(self, rate: Rate) -> None:
        self.rate, self.tokens, self.at = rate, rate.burst, 0.0

    def draw(self, wanted: float, now: float) -> tuple[float, float]:
        filled = min(self.rate.burst, self.tokens + self.rate.per_second * max(0.0, now - self.at))
        granted = min(wanted, max(0.0, filled))
        self.tokens, self.at = min(self.rate.burst, filled - granted), now
        return granted, self.tokens

    def answer(self, allowance: Allowance, now: float) -> None:
        wanted = allowance.ask(now)
        granted, left = self.draw(wanted, now)
        allowance.answered(wanted, granted, left, now)


def taken_over(rate: Rate, seconds: float, every: list[float], bucket: Bucket, begin: float = 0.0) -> list[int]:
    """What processes take that ask for one token every so many seconds, and draw at once when they run low."""
    allowances = [Allowance(rate, begin) for _ in every]
    sums, due = [0] * len(every), [begin] * len(every)
    while (now := min(due)) < begin + seconds:
        place = due.index(now)
        got = allowances[place].take(1, now)
        if allowances[place].runs_low(now):
            bucket.answer(allowances[place], now)
            got = got or allowances[place].take(1, now)
        sums[place] += got
        due[place] = now + every[place]
    return sums


@pytest.mark.parametrize("per_second", [5.0, 50.0, 500.0])
@pytest.mark.parametrize("every", [[0.001, 0.001], [0.001, 0.02], [0.0005, 0.1, 3.0]])
def test_all_processes_together_keep_the_rate_within_a_tenth(per_second: float, every: list[float]) -> None:
    rate = Rate(per_second, max(1.0, per_second))
    bucket = Bucket(rate)
    bucket.tokens = 0.0
    assert sum(taken_over(rate, 5, every, bucket)) == pytest.approx(5 * per_second, rel=0.1)


def test_a_burst_of_a_second_is_there_at_once() -> None:
    rate = request_rate(Limits(requests_per_second=100))
    allowance, bucket, got = Allowance(rate, 0), Bucket(rate), 0
    for _ in range(1000):
        got += allowance.take(1, 0.0)
        if allowance.runs_low(0.0):
            bucket.answer(allowance, 0.0)
    assert got == 100
    assert allowance.is_out(0.0) and not allowance.at_hand()


def test_who_stays_below_the_rate_never_waits() -> None:
    rate = Rate(10, 10)
    assert sum(taken_over(rate, 20, [0.125, 0.75], Bucket(rate))) == 20 / 0.125 + 27


def test_a_process_with_little_to_do_keeps_little() -> None:
    rate = Rate(1000, 1000)
    allowance, bucket = Allowance(rate, 0), Bucket(rate)
    for turn in range(20):
        now = float(turn) / 2
        assert allowance.take(1, now) == 1
        if allowance.runs_low(now):
            bucket.answer(allowance, now)
        assert allowance.held <= 1
    assert not allowance.is_idle(9.5 + IDLE / 2)
    assert allowance.is_idle(9.5 + IDLE)


@given(
    st.floats(0.01, 1000),
    st.lists(
        st.tuples(
            st.integers(0, 2), st.sampled_from(["take", "draw", "lose", "give"]), st.integers(1, 50), st.floats(0, 3)
        ),
        max_size=80,
    ),
)
def test_no_sequence_lets_through_more_than_the_bucket_filled(
    per_second: float, steps: list[tuple[int, str, int, float]]
) -> None:
    """Whatever three processes do, and whichever answers are lost; beyond it only what each may spend on credit."""
    rate = Rate(per_second, max(1.0, per_second))
    bucket, allowances = Bucket(rate), [Allowance(rate, 0.0) for _ in range(3)]
    now, taken = 0.0, 0
    for place, what, count, later in steps:
        now += later
        allowance = allowances[place]
        match what:
            case "take":
                taken += allowance.take(count, now)
            case "draw":
                bucket.answer(allowance, now)
            case "lose":
                bucket.draw(allowance.ask(now), now)
            case "give":
                held = allowance.give_up()
                granted, _ = bucket.draw(-held, now)
                if held < 0:
                    allowance.put_back(held + granted)
        assert taken <= rate.burst + per_second * now + 3 * max(1.0, per_second * 0.05) + 1e-3
        assert allowance.wait(now) >= 0 and 0 <= allowance.remaining(now) <= rate.burst


def test_a_changed_rate_is_in_force_at_once() -> None:
    rate = Rate(1000, 1000)
    allowance, bucket = Allowance(rate, 0), Bucket(rate)
    allowance.take(50, 0.0)
    bucket.answer(allowance, 0.0)
    allowance.change(Rate(1, 1))
    assert allowance.held <= 1 and allowance.remaining(0.0) <= 1


def test_it_tells_when_to_come_again() -> None:
    rate = Rate(0.5, 1)
    allowance, bucket = Allowance(rate, 0), Bucket(rate)
    for _ in range(3):
        allowance.take(1, 0.0)
        bucket.answer(allowance, 0.0)
    assert allowance.is_out(0.0) and allowance.take(1, 0.0) == 0
    assert 2 <= allowance.wait(0.0) <= 6
    assert not allowance.is_out(6.0)


def test_time_that_stands_still_or_goes_back_gives_nothing() -> None:
    rate = Rate(10, 10)
    bucket = Bucket(rate)
    assert bucket.draw(10, 0.0) == (10, 0)
    assert bucket.draw(5, -100.0) == (0, 0)
    assert bucket.draw(5, -99.9)[0] == pytest.approx(1)


def test_how_much_a_bucket_holds() -> None:
    limits = Limits(requests_per_second=0.2, pace=40, otp_per_minute=30)
    assert request_rate(limits) == Rate(0.2, 1)
    assert pace_of(limits) == Rate(40, 10)
    assert otp_rate(limits) == Rate(0.5, 30)
