"""What a report may be asked, and the buckets that its periods are made of."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.domain.report import Dimension, ReportRefused, Span, known_zone, moment, periods, ranges, read_dimensions

NOW = datetime(2026, 11, 28, 9, 7, tzinfo=UTC)
ZONES = (
    "UTC", "Asia/Dushanbe", "Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "America/New_York", "Pacific/Apia",
    "Australia/Lord_Howe",
)  # fmt: skip
WIDTH = {Span.QUARTER: timedelta(minutes=15), Span.HOUR: timedelta(hours=1), Span.DAY: timedelta(days=1)}
moments = st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


@given(moments, st.integers(1, 40 * 96), st.sampled_from(ZONES), st.sampled_from([None, *list(Dimension)[6:]]))
def test_periods_follow_each_other_and_their_buckets_cover_each_quarter_once(
    begins: datetime, quarters: int, zone: str, dimension: Dimension | None
) -> None:
    begin, end, found = periods(begins, begins + quarters * WIDTH[Span.QUARTER], ZoneInfo(zone), NOW, dimension)
    assert begin <= begins < end
    assert found[0].begins == begin
    assert found[-1].ends == end
    assert all(one.ends == two.begins for one, two in pairwise(found))
    at = begin.astimezone(UTC)
    begun = [period.begins.astimezone(UTC) for period in found]
    for each in ranges(found):
        assert each.low == at
        assert (each.high - each.low) % WIDTH[each.span] == timedelta()
        assert (each.low - datetime(2000, 1, 1, tzinfo=UTC)) % WIDTH[each.span] == timedelta()
        for bucket in range((each.high - each.low) // WIDTH[each.span]):  # none of them in two periods
            low = each.low + bucket * WIDTH[each.span]
            assert low + WIDTH[each.span] <= found[bisect_right(begun, low) - 1].ends
        at = each.high
    assert at == end.astimezone(UTC)


@given(moments, st.sampled_from(ZONES), st.sampled_from(["Day", "Week", "Month", "Hour"]))
def test_a_period_is_of_one_date_of_its_zone(begins: datetime, zone: str, name: str) -> None:
    [dimension] = read_dimensions(name)
    _, _, found = periods(begins, begins + timedelta(days=70), ZoneInfo(zone), NOW, dimension)
    for period in found[1:]:
        first, last = period.begins, (period.ends - timedelta(seconds=1)).astimezone(ZoneInfo(zone))
        match dimension:
            case Dimension.DAY:
                assert first.date() == last.date()
            case Dimension.WEEK:
                assert first.isocalendar()[:2] == last.isocalendar()[:2]
            case Dimension.MONTH:
                assert (first.year, first.month) == (last.year, last.month)
            case _:
                assert (period.ends.astimezone(UTC) - first.astimezone(UTC)) <= timedelta(hours=1)


def test_hours_go_on_where_clocks_go_back_by_half_an_hour() -> None:
    begins = datetime(2026, 4, 3, 13, tzinfo=UTC)
    _, _, found = periods(begins, begins + timedelta(days=2), ZoneInfo("Australia/Lord_Howe"), NOW, Dimension.HOUR)
    assert len(found) in (48, 49, 50)


def test_a_month_of_utc_is_days_and_one_of_dushanbe_needs_hours_at_its_ends() -> None:
    begins, ends = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    _, _, [month] = periods(begins, ends, ZoneInfo("UTC"), NOW, Dimension.MONTH)
    assert [each.span for each in ranges([month])] == [Span.DAY]
    five = timedelta(hours=5)
    _, _, [month] = periods(begins - five, ends - five, ZoneInfo("Asia/Dushanbe"), NOW, Dimension.MONTH)
    assert [each.span for each in ranges([month])] == [Span.HOUR, Span.DAY, Span.HOUR]
    for name in ("Day", "Hour"):
        [dimension] = read_dimensions(name)
        _, _, found = periods(begins - five, ends - five, ZoneInfo("Asia/Dushanbe"), NOW, dimension)
        assert [(each.span, each.low, each.high) for each in ranges(found)] == [(Span.HOUR, begins - five, ends - five)]


def test_without_times_it_is_the_last_thirty_days() -> None:
    begin, end, [period] = periods(None, None, ZoneInfo("Asia/Dushanbe"), NOW, None)
    assert begin.isoformat() == "2026-10-29T00:00:00+05:00"
    assert end.isoformat() == "2026-11-28T14:15:00+05:00"
    assert (period.begins, period.ends) == (begin, end)


def test_days_and_times_as_people_write_them() -> None:
    zone = ZoneInfo("Asia/Dushanbe")
    for text, expected in (
        ("2026-11-01", "2026-11-01T00:00:00+05:00"),
        ("2026-11-01T10:30", "2026-11-01T10:30:00+05:00"),
        ("2026-11-01 10:30:15", "2026-11-01T10:30:15+05:00"),
        ("2026-11-01T10:30:00Z", "2026-11-01T15:30:00+05:00"),
        ("2026-11-01T10:30:00+03:00", "2026-11-01T12:30:00+05:00"),
        ("2026-11-01T10:30:00 03:00", "2026-11-01T12:30:00+05:00"),  # the + of an address
    ):
        assert moment("From", text, zone).isoformat() == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-13-01",
        "2026-02-30",
        "20261101",
        "1998-12-31",
        "9999-12-31",
        "2026-11-01T25:00",
        "٢٠٢٦-١١-٠١",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ReportRefused, match="From"):
        moment("From", text, ZoneInfo("UTC"))


@pytest.mark.parametrize("names", ["Colour", "Day,Hour", "Day,day", "SmsLabel,SmsLabel"])
def test_dimensions_that_do_not_go_together_are_refused(names: str) -> None:
    with pytest.raises(ReportRefused, match="GroupBy"):
        read_dimensions(names)


def test_dimensions_are_read_without_case() -> None:
    assert read_dimensions(" smslabel, DAY ,sender_address,") == (
        Dimension.SMS_LABEL, Dimension.DAY, Dimension.SENDER_ADDRESS,
    )  # fmt: skip
    assert read_dimensions("") == ()


@pytest.mark.parametrize("name", ["Mars/Base", "../etc/passwd", "/etc/passwd", "Asia", "", "UTC\0"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ReportRefused, match="TimeZone"):
        known_zone(name)


def test_a_report_has_an_end_behind_its_beginning_and_not_too_many_rows() -> None:
    with pytest.raises(ReportRefused, match="To: "):
        periods(NOW, NOW - timedelta(days=1), ZoneInfo("UTC"), NOW, None)
    with pytest.raises(ReportRefused, match="From: "):
        periods(NOW + timedelta(days=1), None, ZoneInfo("UTC"), NOW, None)
    with pytest.raises(ReportRefused, match="10000 times a hour"):
        periods(NOW - timedelta(days=800), None, ZoneInfo("UTC"), NOW, Dimension.HOUR)
