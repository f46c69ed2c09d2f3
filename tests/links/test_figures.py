"""What a link counts of its last minutes."""

from __future__ import annotations

import pytest

from payk.links.figures import Figures, Spread


def test_nothing_happened() -> None:
    summary = Figures().summary(100.0)
    assert (summary.submit_rate, summary.receipt_rate, summary.refusals) == (0.0, 0.0, {})
    assert summary.submit_latency == summary.receipt_latency == Spread()


def test_rates_are_of_the_last_ten_whole_seconds() -> None:
    figures = Figures()
    for second in range(20):
        for _ in range(7):
            figures.submitted(second + 0.5)
        figures.delivered(second + 0.5)
    summary = figures.summary(20.2)
    assert (summary.submit_rate, summary.receipt_rate) == (7.0, 1.0)
    assert figures.summary(25.2).submit_rate == 3.5
    assert figures.summary(40.0).submit_rate == 0.0


def test_latencies_are_right_within_seven_percent() -> None:
    figures = Figures()
    for number in range(1_000):
        figures.answered(0.020 if number < 980 else 3.0, 1.0)
    figures.received([2.0, 2.0, 60.0], 1.0)
    summary = figures.summary(2.0)
    assert summary.submit_latency.median == pytest.approx(0.020, rel=0.07)
    assert summary.submit_latency.p99 == pytest.approx(3.0, rel=0.07)
    assert summary.receipt_latency.median == pytest.approx(2.0, rel=0.07)
    assert figures.summary(62.0).submit_latency == Spread()


def test_refusals_are_counted_by_kind_for_five_minutes() -> None:
    figures = Figures()
    figures.refused("throttled", 1.0)
    for second in range(2, 300):
        figures.refused("number", float(second))
    assert figures.summary(300.0).refusals == {"number": 298, "throttled": 1}
    assert figures.summary(310.0).refusals["number"] == 290
    assert "throttled" not in figures.summary(310.0).refusals
    assert figures.summary(1_000.0).refusals == {}
