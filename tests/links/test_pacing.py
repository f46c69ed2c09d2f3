"""The rate of a link and the pauses its operator asks for, with time as an argument."""

from __future__ import annotations

import math

import pytest

from payk.links.pacing import ThrottlePause, TokenBucket
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


def refuse_again_and_again(pause: ThrottlePause, status: int, times: int) -> list[float]:
    """The pauses, if the first submit after each is refused too."""
    lengths, now = [], 0.0
    for _ in range(times):
        assert pause.refused(status, written_at=now, now=now)
        lengths.append(pause.until - now)
        now = pause.until
    return lengths


@pytest.mark.parametrize(
    ("status", "lengths"),
    [
        (THROTTLED, [1, 2, 4, 8, 16, 30, 30]),
        (QUEUE_FULL, [5, 10, 20, 40, 80, 160, 180, 180]),
        (0x0400, [1, 2]),  # a vendor's code that the link counts as throttling
    ],
)
def test_the_pause_doubles_up_to_its_cap(status: int, lengths: list[float]) -> None:
    assert refuse_again_and_again(ThrottlePause(), status, len(lengths)) == lengths


def test_a_window_full_of_refusals_is_one_pause() -> None:
    pause = ThrottlePause()
    assert pause.refused(THROTTLED, written_at=0.0, now=0.1)
    assert not any(pause.refused(THROTTLED, written_at=0.0, now=0.1 + late) for late in (0.0, 0.5, 3.0))
    assert pause.until == 1.1


def test_a_success_after_the_pause_forgets_it() -> None:
    pause = ThrottlePause()
    refuse_again_and_again(pause, THROTTLED, 3)
    pause.accepted(written_at=pause.until)
    assert pause.refused(THROTTLED, written_at=100.0, now=100.0)
    assert pause.until == 101.0


def test_a_success_from_before_the_pause_proves_nothing() -> None:
    pause = ThrottlePause()
    refuse_again_and_again(pause, THROTTLED, 3)
    pause.accepted(written_at=pause.until - 0.1)
    pause.refused(THROTTLED, written_at=100.0, now=100.0)
    assert pause.until == 108.0
