"""Percentiles of a histogram against those of the times themselves."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from payk.domain.latency import bin_of, histogram, middle, percentiles, written

SHARES = (0.5, 0.95, 0.99)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=200))
def test_a_percentile_is_told_within_five_percent(times: list[float]) -> None:
    exact = sorted(times)
    for share, found in zip(SHARES, percentiles(Counter(map(bin_of, times)), SHARES), strict=True):
        assert found is not None
        at = exact[math.ceil(share * len(exact)) - 1]
        assert abs(found / at - 1) < 0.05


def test_nothing_has_no_percentiles() -> None:
    assert percentiles({}, SHARES) == [None, None, None]
    assert percentiles({3: 0}, SHARES) == [None, None, None]


def test_what_took_no_time_counts_as_a_millisecond() -> None:
    assert middle(bin_of(0.0)) < 0.0011
    assert bin_of(-1.0) == bin_of(0.0)


@given(
    st.dictionaries(st.integers(-73, 193), st.integers(-(10**11), 10**11).filter(bool))
    | st.dictionaries(st.integers(-73, 193), st.integers(1, 10**11))
)
def test_a_histogram_is_a_number_and_comes_back_out_of_it(counts: dict[int, int]) -> None:
    assert histogram(written(counts)) == counts


@given(*[st.dictionaries(st.integers(-73, 193), st.integers(-(10**11), 10**11), max_size=9)] * 2)
def test_histograms_add_up_as_numbers_do(one: dict[int, int], other: dict[int, int]) -> None:
    both = Counter(one)
    both.update(other)
    assert int(written(one)) + int(written(other)) == int(written(both))


def test_what_is_below_zero_for_a_moment_counts_as_none() -> None:
    assert percentiles({1: -3, 5: 2}, SHARES) == [middle(5)] * 3
