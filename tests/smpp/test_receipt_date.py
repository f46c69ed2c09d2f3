"""Dates in receipts: every shape that is seen, and nothing that raises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.smpp import parse_receipt_date

DUSHANBE = ZoneInfo("Asia/Dushanbe")  # UTC+5, no summer time
NEAR = datetime(2026, 11, 26, tzinfo=UTC)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1005232039", utc(2010, 5, 23, 15, 39)),
        ("110206193110", utc(2011, 2, 6, 14, 31, 10)),
        ("20110314181534", utc(2011, 3, 14, 13, 15, 34)),
        ("201506201641", utc(2015, 6, 20, 11, 41)),  # no month 15, so the year has four digits
        ("200319193113", utc(2020, 3, 19, 14, 31, 13)),
        ("180711070003912+", utc(2018, 7, 11, 4, 0, 3, 900_000)),  # names its own zone: three hours ahead
        ("150401133700-00", utc(2015, 4, 1, 13, 37)),
        ("0000000000", None),
        ("000000000000", None),
        ("20261301", None),
        ("2611312500", None),
        ("00010101000000", None),  # .NET's DateTime.MinValue; the zone pushes it before the first year
        ("99991231235959", None),  # and its MaxValue
        ("19691231235959", None),
        ("7001010000", None),  # 1970, where somebody's clock begins
        ("20000101050000", utc(2000, 1, 1)),
        ("21000101045959", utc(2099, 12, 31, 23, 59, 59)),
        ("21000101050000", None),
        ("000002000000000R", None),
        ("", None),
        ("٢٦١١٢٦٠٠٠٠", None),
        ("%y%m%d%H%M", None),
    ],
)
def test_shapes(text: str, moment: datetime | None) -> None:
    assert parse_receipt_date(text, DUSHANBE, NEAR) == moment


def test_twelve_digits_that_are_two_dates_mean_the_nearer_one() -> None:
    both = "202012101112"  # 2020-12-10 11:12, or the twentieth of December of 2020 at 10:11:12
    assert parse_receipt_date("201212101112", UTC, utc(2020, 12, 12)) == utc(2020, 12, 12, 10, 11, 12)
    assert parse_receipt_date("201212101112", UTC, utc(2012, 12, 10)) == utc(2012, 12, 10, 11, 12)
    assert parse_receipt_date(both, UTC, utc(2020, 12, 10)) == utc(2020, 12, 10, 11, 12)


@pytest.mark.parametrize("hours", [-23, -12, 0, 14, 23])
def test_the_ends_of_the_calendar_are_no_dates_in_any_zone(hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    for text in (
        "00010101000000",
        "000101010000",
        "99991231235959",
        "999912312359",
        "99123123595948+",
        "00010100000048-",
    ):
        moment = parse_receipt_date(text, zone, NEAR)
        assert moment is None or 2000 <= moment.year <= 2099, text


@given(st.text(max_size=20) | st.from_regex(r"[0-9]{10,16}[-+R]?", fullmatch=True))
def test_anything_is_a_moment_of_this_century_or_none(text: str) -> None:
    moment = parse_receipt_date(text, DUSHANBE, NEAR)
    assert moment is None or (moment.tzinfo is UTC and 2000 <= moment.year <= 2099)
