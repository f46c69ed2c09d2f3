"""Times on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.smpp import LocalError
from payk.smpp.smpp_time import format_absolute, format_relative, parse_time

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("111019080000002+", "2011-10-19T07:30:00Z"),
        ("111019080000017+", "2011-10-19T03:45:00Z"),
        ("111019080000004-", "2011-10-19T09:00:00Z"),
        ("170610233429004+", "2017-06-10T22:34:29Z"),
        ("020610233429008-", "2002-06-11T01:34:29Z"),
        ("061217153023304-", "2006-12-17T16:30:23.300Z"),
        ("990731235959948+", "2099-07-31T11:59:59.900Z"),
        ("071226113703845+", "2007-12-26T00:22:03.800Z"),
        ("130101010000024+", "2012-12-31T19:00:00Z"),
        ("120305124350000+", "2012-03-05T12:43:50Z"),
        ("180711070003912+", "2018-07-11T04:00:03.900Z"),
        ("150401133700", "2015-04-01T13:37:00Z"),
        ("150401133700-00", "2015-04-01T13:37:00Z"),
        ("150401133700+20", "2015-04-01T08:37:00Z"),
    ],
)
def test_absolute(text: str, moment: str) -> None:
    assert parse_time(text, NOW) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("000000233429000R", NOW + timedelta(hours=23, minutes=34, seconds=29)),
        ("000002000000000R", NOW + timedelta(hours=48)),
        ("071226124610000R", datetime(2034, 2, 27, 0, 46, 10, tzinfo=UTC)),  # 7 years and 12 months are 8 years
        ("000100000000000R", datetime(2026, 2, 28, 12, tzinfo=UTC)),  # a month after the 31st of January
        ("000000000000000R", NOW),
    ],
)
def test_relative(text: str, moment: datetime) -> None:
    assert parse_time(text, NOW) == moment


def test_empty_leaves_it_to_the_centre() -> None:
    assert parse_time("", NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        "000000233429000r",
        "11101908000002+",  # 15 characters
        "1110190800000020+",
        "111019080000002",
        "111319080000002+",  # a 13th month
        "111032080000002+",
        "111019250000002+",
        "111019080000049+",  # more than twelve hours from UTC
        "000000233429100R",
        "000000233429004R",
        "now",
        "１11019080000002+",  # a digit, but none of ours
        "0" * 16,
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_time(text, NOW)


def test_written_in_utc() -> None:
    dushanbe = timezone(timedelta(hours=5))
    assert format_absolute(datetime(2026, 11, 24, 1, 2, 3, 456_000, tzinfo=dushanbe)) == "261123200203400+"
    assert format_relative(timedelta(hours=48)) == "000002000000000R"
    assert format_relative(timedelta(minutes=10, seconds=1.9)) == "000000001001000R"


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), datetime(1999, 12, 31, tzinfo=UTC)])  # noqa: DTZ001
def test_moments_that_cannot_be_written(moment: datetime) -> None:
    with pytest.raises(LocalError):
        format_absolute(moment)


@pytest.mark.parametrize("period", [timedelta(seconds=-1), timedelta(days=100)])
def test_periods_that_cannot_be_written(period: timedelta) -> None:
    with pytest.raises(LocalError):
        format_relative(period)


@given(st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30), timezones=st.timezones()))  # noqa: DTZ001
def test_what_is_written_is_read(moment: datetime) -> None:
    read = parse_time(format_absolute(moment), NOW)
    assert read is not None
    assert timedelta(0) <= moment - read < timedelta(seconds=0.1)


@given(st.timedeltas(timedelta(0), timedelta(days=99)))
def test_a_period_written_is_read(period: timedelta) -> None:
    read = parse_time(format_relative(period), NOW)
    assert read is not None
    assert timedelta(0) <= NOW + period - read < timedelta(seconds=1)
