"""The rate of a link, its cuts and its pauses, with time as an argument."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from payk.links.pacing import RateControl, Slowdown, TokenBucket
from payk.smpp import CommandStatus

THROTTLED = CommandStatus.ESME_RTHROTTLED
QUEUE_FULL = CommandStatus.ESME_RMSGQFUL


def departures(bucket: TokenBucket, count: int, now: float) -> list[float]:
    """When each of `count` submits leaves if all of them wait from `now` on."""
    times = []
    for _ in range(count):
        now = bucket.ready_at(1, now)
        assert bucket.take(now)
        times.append(now)
    return times


def test_a_slow_link_submits_evenly() -> None:
    assert departures(TokenBucket(10, 100.0), 5, 100.0) == pytest.approx([100.0, 100.1, 100.2, 100.3, 100.4])


def test_no_token_before_its_time() -> None:
    bucket = TokenBucket(10, 100.0)
    assert bucket.take(100.0)
    assert not bucket.take(100.09)
    assert bucket.take(100.1)


@pytest.mark.parametrize(("rate", "burst"), [(0.5, 1), (10, 1), (100, 5), (1000, 50)])
def test_idleness_saves_up_fifty_milliseconds_at_most(rate: float, burst: int) -> None:
    bucket = TokenBucket(rate, 0.0)
    assert bucket.available(3600.0) == burst
    assert sum(bucket.take(3600.0) for _ in range(2 * burst)) == burst


def test_the_rate_holds_over_any_long_time() -> None:
    bucket = TokenBucket(30, 0.0)
    sent = sum(bucket.take(millisecond / 1000) for millisecond in range(10_000))
    assert 299 <= sent <= 302


def test_ready_at_says_when_several_may_leave() -> None:
    bucket = TokenBucket(10, 0.0)
    assert [bucket.ready_at(count, 0.0) for count in (0, 1, 2, 11)] == pytest.approx([0.0, 0.0, 0.1, 1.0])


def test_an_emptied_bucket_fills_from_its_moment() -> None:
    bucket = TokenBucket(100, 0.0)
    bucket.empty(1.0)
    assert [bucket.available(at) for at in (0.5, 1.0, 1.011)] == [0, 0, 1]
    assert bucket.ready_at(1, 0.5) == pytest.approx(1.01)
    assert not bucket.take(0.5)
    bucket.set_rate(10, 0.5)
    assert departures(bucket, 2, 0.6) == pytest.approx([1.1, 1.2])


def test_looking_ahead_takes_nothing() -> None:
    bucket = TokenBucket(10, 0.0)
    assert bucket.take(0.0)
    assert [bucket.available(at) for at in (0.05, 0.1, 5.0, 0.05)] == [0, 1, 1, 0]
    assert not bucket.take(0.05)


def test_no_rate_is_no_limit() -> None:
    bucket = TokenBucket(None, 0.0)
    assert all(bucket.take(0.0) for _ in range(10_000))
    assert bucket.available(0.0) > 1_000_000
    assert bucket.ready_at(10_000, 5.0) == 5.0


def test_a_share_of_nothing_lets_nothing_through() -> None:
    bucket = TokenBucket(10, 0.0)
    bucket.set_rate(0, 0.0)
    assert (bucket.available(100.0), bucket.take(100.0), bucket.ready_at(1, 100.0)) == (0, False, math.inf)


def test_a_new_share_counts_from_its_moment() -> None:
    bucket = TokenBucket(10, 0.0)
    assert bucket.take(0.0)
    bucket.set_rate(5, 0.1)
    assert departures(bucket, 2, 0.1) == pytest.approx([0.1, 0.3])


def test_a_clock_that_steps_back_gives_no_tokens_twice() -> None:
    bucket = TokenBucket(10, 100.0)
    assert bucket.take(100.0)
    assert not bucket.take(99.0)
    assert not bucket.take(100.05)


def took(control: RateControl, count: int, *, second: float) -> None:
    """`count` submits are accepted, evenly, in the second before a moment."""
    for number in range(count):
        at = second - 1.0 + (number + 1) / count
        control.accepted(written_at=at - 0.001, now=at)


def refuse(control: RateControl, at: float, status: int = THROTTLED) -> Slowdown | None:
    return control.refused(status, written_at=at, now=at)


def cut_at_100(*, contract: float | None = None) -> RateControl:
    """An operator that took 100 in the second before 10.0, and then refused as much as it takes for a whole cut."""
    control = RateControl(contract, 0.0)
    took(control, 100, second=9.0)
    took(control, 100, second=10.0)
    for _ in range(10):  # of those that are refused together only the last ones make it more than 7 %
        control.refused(THROTTLED, written_at=9.99, now=10.0)
    return control


class TestRate:
    def test_without_refusals_there_is_only_the_contract(self) -> None:
        for contract in (None, 50.0):
            control = RateControl(contract, 0.0)
            took(control, 100, second=1.0)
            assert control.rate(1.0) == contract
            assert control.status(1.0).rate == contract

    def test_a_refusal_cuts_to_less_than_what_was_taken(self) -> None:
        control = RateControl(None, 0.0)
        took(control, 100, second=9.0)
        took(control, 100, second=10.0)
        slowdown = refuse(control, 10.0)
        assert slowdown is not None
        assert (slowdown.before, slowdown.pause) == (None, 0.0)
        assert slowdown.after == control.rate(10.0)
        assert slowdown.after == pytest.approx(98, abs=1)  # 1 of 101 was refused

    def test_the_more_is_refused_the_deeper_the_cut(self) -> None:
        rates = []
        for refused in (1, 3, 20):
            control = RateControl(1000, 0.0)
            took(control, 100, second=9.0)
            took(control, 100, second=10.0)
            refuse(control, 10.0)
            took(control, 80, second=11.5)
            for _ in range(refused - 1):
                control.refused(THROTTLED, written_at=10.5, now=11.5)  # within the second after the cut
            refuse(control, 11.5)
            rates.append(control.rate(11.5))
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] == pytest.approx(0.85 * 80, rel=0.01)

    def test_a_cut_is_never_above_the_present_rate(self) -> None:
        control = RateControl(20, 0.0)
        took(control, 100, second=1.0)
        took(control, 100, second=2.0)
        refuse(control, 2.0)
        assert control.rate(2.0) == pytest.approx(19.6, abs=0.1)

    def test_who_sent_little_starts_from_a_guess(self) -> None:
        """What a link took that was hardly used says nothing about what its operator would take."""
        guesses = []
        for contract in (None, 1000.0, 40.0, 5.0):
            control = RateControl(contract, 0.0)
            refuse(control, 1.0)
            guesses.append(control.rate(1.0))
        assert guesses == pytest.approx([25.5, 85, 25.5, 4.25])

    def test_refusals_of_what_was_written_before_a_cut_belong_to_it(self) -> None:
        control = cut_at_100()
        rate = control.rate(10.0)
        assert control.refused(THROTTLED, written_at=9.999, now=12.0) is None
        assert control.rate(10.0) == rate

    def test_a_cut_gets_a_second_to_show(self) -> None:
        control = cut_at_100()
        took(control, 80, second=10.9)
        assert refuse(control, 10.95) is None
        assert refuse(control, 11.05) is not None

    def test_it_grows_by_even_steps_and_faster_in_peace(self) -> None:
        control = RateControl(None, 0.0)
        took(control, 100, second=9.0)
        took(control, 100, second=10.0)
        refuse(control, 10.0)
        rates = [control.rate(10.0 + second) or 0.0 for second in range(60)]
        steps = [later - earlier for earlier, later in pairwise(rates)]
        assert steps[:10] == pytest.approx([3.0] * 10, rel=0.05)
        assert all(later > earlier for earlier, later in pairwise(steps[9:]))
        assert rates[20] < 300 < rates[25]
        assert rates[59] > 80 * rates[0]

    @pytest.mark.parametrize("contract", [120.0, 1000.0])
    def test_it_ends_at_the_contract(self, contract: float) -> None:
        control = cut_at_100(contract=contract)
        now = 10.0
        while not control.accepted(written_at=now, now=now):
            assert (control.rate(now) or 0) < contract
            now += 0.1
        assert control.rate(now) == contract
        assert 15 < now < 60
        assert not control.accepted(written_at=now, now=now + 1)

    def test_without_a_contract_the_limit_is_forgotten_after_a_minute(self) -> None:
        control = cut_at_100()
        assert not control.accepted(written_at=69.0, now=69.9)
        assert control.rate(69.9) is not None
        assert control.accepted(written_at=70.0, now=70.1)
        assert control.rate(70.1) is None

    @pytest.mark.parametrize("contract", [None, 200.0])
    def test_an_idle_link_is_not_throttled_for_ever(self, contract: float | None) -> None:
        """Nobody answers it any more, so nothing but the question tells."""
        control = cut_at_100(contract=contract)
        assert control.status(20.0).rate != contract
        for later in (600.0, 864_000.0):
            status = control.status(later)
            assert (status.rate, status.contract) == (contract, contract)
            assert control.available(later) > 0

    def test_a_share_of_the_contract_caps_what_was_found_out(self) -> None:
        control = cut_at_100(contract=200.0)
        control.set_contract(50.0, 10.0)
        assert control.rate(10.0) == 50
        control.set_contract(0.0, 10.0)
        assert (control.available(10.0, 1.0), control.ready_at(1, 10.0)) == (0, math.inf)
        control.set_contract(200.0, 10.0)
        assert 80 < (control.rate(10.0) or 0) < 100

    def test_a_contract_of_less_than_one_a_second_can_be_cut_too(self) -> None:
        control = RateControl(0.2, 0.0)
        took(control, 1, second=1.0)
        refuse(control, 6.0)
        assert control.rate(6.0) == pytest.approx(0.17)

    def test_what_is_refused_while_there_is_no_share_leaves_a_rate_for_the_next_one(self) -> None:
        control = RateControl(0.0, 0.0)
        refuse(control, 1.0, QUEUE_FULL)
        control.set_contract(50.0, 2.0)
        assert control.ready_at(1, 6.0) < 8.0

    def test_nothing_was_saved_up_after_a_cut(self) -> None:
        control = cut_at_100(contract=1000.0)
        assert control.available(10.0) == 0
        ready = control.ready_at(1, 10.0)
        assert ready > 10.05
        assert control.available(10.0, 0.5) < 0.05 * 100 + 1


class TestPause:
    def refuse_again_and_again(self, control: RateControl, status: int, times: int) -> list[float]:
        """The pauses, if the first submit after each is refused too."""
        pauses, now = [], 0.0
        for _ in range(times):
            slowdown = refuse(control, now, status)
            assert slowdown is not None
            assert control.paused(now)
            pauses.append(slowdown.pause)
            now = control.resumes(now)
        return pauses

    def test_a_full_queue_is_a_pause_that_doubles(self) -> None:
        pauses = self.refuse_again_and_again(RateControl(None, 0.0), QUEUE_FULL, 8)
        assert pauses == [5, 10, 20, 40, 80, 160, 180, 180]

    @pytest.mark.parametrize(
        "status", [THROTTLED, 0x0400]
    )  # the second is a vendor's code that the link counts as such
    def test_if_most_is_refused_over_a_second_the_link_pauses(self, status: int) -> None:
        control = RateControl(None, 0.0)
        cut, *others = [refuse(control, 0.12 * number, status) for number in range(10)]
        assert cut is not None
        assert (cut.pause, others) == (0.0, [None] * 9)  # a second is not over, or it were but a few
        pause = refuse(control, 1.2, status)
        assert pause is not None
        assert (pause.after, pause.pause) == (cut.after, 1.0)
        assert control.status(1.5).paused_until == pytest.approx(2.2)
        assert control.status(2.3).paused_until is None

    def test_half_of_it_is_not_most(self) -> None:
        control = cut_at_100()
        took(control, 1, second=10.1)
        took(control, 40, second=11.0)
        for _ in range(40):
            assert control.refused(THROTTLED, written_at=10.5, now=11.0) is None
        for _ in range(2):
            slowdown = control.refused(THROTTLED, written_at=10.5, now=11.1)
        assert slowdown is not None
        assert slowdown.pause == 1.0

    def test_its_pauses_double_to_thirty_seconds(self) -> None:
        control = RateControl(None, 0.0)
        now, pauses = 0.0, []
        while len(pauses) < 7:
            slowdown = refuse(control, now)
            if slowdown is not None and slowdown.pause:
                pauses.append(slowdown.pause)
            now = max(now + 0.12, control.resumes(now))
        assert pauses == [1, 2, 4, 8, 16, 30, 30]

    def test_a_success_after_the_pause_forgets_it(self) -> None:
        control = RateControl(None, 0.0)
        self.refuse_again_and_again(control, QUEUE_FULL, 3)
        control.accepted(written_at=control.resumes(0.0), now=100.0)
        slowdown = refuse(control, 101.0, QUEUE_FULL)
        assert slowdown is not None
        assert slowdown.pause == 5

    def test_a_success_from_before_the_pause_proves_nothing(self) -> None:
        control = RateControl(None, 0.0)
        self.refuse_again_and_again(control, QUEUE_FULL, 3)
        control.accepted(written_at=control.resumes(0.0) - 0.1, now=100.0)
        slowdown = refuse(control, 101.0, QUEUE_FULL)
        assert slowdown is not None
        assert slowdown.pause == 40

    def test_a_window_full_of_refusals_is_one_pause(self) -> None:
        control = RateControl(None, 0.0)
        assert refuse(control, 0.1, QUEUE_FULL) is not None
        assert not any(control.refused(QUEUE_FULL, written_at=0.0, now=0.1 + late) for late in (0.0, 0.5, 3.0, 6.0))
        assert control.resumes(0.2) == pytest.approx(5.1)
        assert control.status(0.2).throttled == 5

    def test_nothing_leaves_in_a_pause_and_no_burst_after_it(self) -> None:
        control = RateControl(1000, 0.0)
        took(control, 500, second=1.0)
        took(control, 500, second=2.0)
        refuse(control, 2.0, QUEUE_FULL)
        assert not any(control.take(2.0 + tenth / 10) for tenth in range(50))
        assert control.available(7.0) == 0
        assert 7.0 < control.ready_at(1, 3.0) < 7.01

    def test_a_quarter_of_a_second_of_nothing_but_refusals_is_enough(self) -> None:
        control = cut_at_100()
        slowdowns = [refuse(control, 10.1 + hundredth / 100) for hundredth in range(26)]
        assert slowdowns[:25] == [None] * 25
        assert slowdowns[25] is not None
        assert slowdowns[25].pause == 1.0

    def test_pauses_in_a_row_cut_the_rate_once(self) -> None:
        control = RateControl(None, 0.0)
        took(control, 100, second=9.0)
        took(control, 100, second=10.0)
        refuse(control, 10.0, QUEUE_FULL)
        assert control.rate(10.0) == pytest.approx(85)
        refuse(control, 15.0, QUEUE_FULL)
        assert control.rate(15.0) == pytest.approx(85)

    @pytest.mark.parametrize("contract", [100.0, None])
    def test_a_link_with_little_to_send_finds_its_rate_again(self, contract: float | None) -> None:
        control = RateControl(contract, 0.0)
        for second in (0.0, 7.0):
            control.accepted(written_at=second, now=second)
            refuse(control, second + 2.0, QUEUE_FULL)
        assert control.rate(15.0) == pytest.approx(1, abs=0.1)
        control.accepted(written_at=80.0, now=80.0)
        assert control.rate(80.0) == contract


class TestCongestion:
    def congested(self, control: RateControl, state: int, at: float) -> float | None:
        slowdown = control.congested(state, written_at=at, now=at)
        return None if slowdown is None else slowdown.after

    @pytest.mark.parametrize(("state", "rate"), [(90, 80), (99, 80), (100, 50), (255, 50)])
    def test_a_busy_operator_gets_less(self, state: int, rate: float) -> None:
        for contract in (None, 100.0):
            control = RateControl(contract, 0.0)
            took(control, 100, second=9.0)
            took(control, 100, second=10.0)
            assert self.congested(control, state, 10.0) == pytest.approx(rate)
            assert control.status(10.0).congestion_state == state

    @pytest.mark.parametrize("state", [0, 50, 79, 80, 89])
    def test_one_that_is_not_too_busy_does_not(self, state: int) -> None:
        control = RateControl(100, 0.0)
        took(control, 100, second=10.0)
        assert self.congested(control, state, 10.0) is None
        assert control.rate(10.0) == 100

    def test_once_a_second(self) -> None:
        control = RateControl(100, 0.0)
        took(control, 100, second=9.0)
        took(control, 100, second=10.0)
        cuts = [self.congested(control, 95, 10.0 + tenth / 10) for tenth in range(31)]
        assert [number for number, rate in enumerate(cuts) if rate is not None] == [0, 10, 20, 30]

    def test_at_eighty_the_rate_stands_still(self) -> None:
        control = cut_at_100()
        self.congested(control, 85, 12.0)
        held = control.rate(12.0)
        for second in range(13, 30):
            self.congested(control, 80, second)
            assert control.rate(second) == held
        self.congested(control, 79, 30.0)
        assert (control.rate(31.0) or 0) > (held or 0)

    def test_during_a_pause_it_changes_nothing(self) -> None:
        control = RateControl(None, 0.0)
        refuse(control, 1.0, QUEUE_FULL)
        until = control.resumes(1.0)
        self.congested(control, 100, 3.0)
        self.congested(control, 85, 3.5)
        assert control.resumes(4.0) == until
        assert control.ready_at(1, 4.0) > until
