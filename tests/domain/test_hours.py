"""When hours open, by the wall clock of anywhere, and by whose clock a number lives."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.domain.hours import are_open, next_opening
from payk.domain.limits import Hours
from payk.domain.recipient_zone import recipient_zone

DAY = Hours(time(8), time(21))
NIGHT = Hours(time(22), time(6))
DUSHANBE, BERLIN = ZoneInfo("Asia/Dushanbe"), ZoneInfo("Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "zone", "moment", "opens"),
    [
        (DAY, DUSHANBE, "2026-11-27 10:00:00", "2026-11-27 10:00:00"),
        (DAY, DUSHANBE, "2026-11-27 03:00:00", "2026-11-27 03:00:00"),
        (DAY, DUSHANBE, "2026-11-27 02:59:59", "2026-11-27 03:00:00"),
        (DAY, DUSHANBE, "2026-11-27 15:59:59", "2026-11-27 15:59:59"),
        (DAY, DUSHANBE, "2026-11-27 16:00:00", "2026-11-28 03:00:00"),
        (NIGHT, DUSHANBE, "2026-11-27 16:00:00", "2026-11-27 17:00:00"),
        (NIGHT, DUSHANBE, "2026-11-28 00:59:59", "2026-11-28 00:59:59"),
        (NIGHT, DUSHANBE, "2026-11-28 01:00:00", "2026-11-28 17:00:00"),
        # Clocks are put forward on 29 March 2026 from 2:00 to 3:00, which is 1:00 UTC ...
        (Hours(time(2, 30), time(6)), BERLIN, "2026-03-29 00:30:00", "2026-03-29 01:00:00"),
        (Hours(time(2, 10), time(2, 50)), BERLIN, "2026-03-29 00:30:00", "2026-03-30 00:10:00"),
        # ... and back on 25 October from 3:00 to 2:00, at 1:00 UTC: into hours that are over, they open again.
        (Hours(time(1), time(2, 45)), BERLIN, "2026-10-25 00:50:00", "2026-10-25 01:00:00"),
        (Hours(time(2, 30), time(2, 45)), BERLIN, "2026-10-25 00:50:00", "2026-10-25 01:30:00"),
        # Samoa had no 30 December 2011.
        (DAY, ZoneInfo("Pacific/Apia"), "2011-12-30 08:00:00", "2011-12-30 18:00:00"),
    ],
)
def test_hours_open(hours: Hours, zone: ZoneInfo, moment: str, opens: str) -> None:
    assert next_opening(hours, zone, utc(moment)) == utc(opens)


minutes = st.integers(0, 24 * 60 - 1).map(lambda minute: time(*divmod(minute, 60)))
zones = st.sampled_from(
    ["Asia/Dushanbe", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]
).map(ZoneInfo)
shifts = st.sampled_from(
    ["2026-03-29 01:00", "2026-10-25 01:00", "2026-03-08 07:00", "2026-04-04 15:00", "2011-12-30 10:00"]
)


@given(minutes, minutes, zones, shifts, st.integers(-36 * 60, 36 * 60))
def test_no_moment_before_the_opening_is_open(
    opens: time, closes: time, zone: ZoneInfo, near: str, offset: int
) -> None:
    if opens == closes:
        return
    hours = Hours(opens, closes)
    moment = utc(near) + timedelta(minutes=offset)
    opening = next_opening(hours, zone, moment)
    assert opening >= moment
    assert are_open(hours, zone, opening)
    while moment < opening:  # clocks are put forward and back at whole minutes
        assert not are_open(hours, zone, moment)
        moment += timedelta(minutes=1)


@pytest.mark.parametrize(
    ("phone", "zone"),
    [
        ("992900000001", "Asia/Dushanbe"),
        ("998901234567", "Asia/Tashkent"),
        ("12125550123", "America/New_York"),
        ("4915112345678", "Europe/Berlin"),
        ("447911123456", "Europe/Guernsey"),  # the same clock as London's
        ("88163123456", "Asia/Kolkata"),  # a satellite's: the default
        ("99999999999", "Asia/Kolkata"),
    ],
)
def test_a_number_tells_the_clock(phone: str, zone: str) -> None:
    assert recipient_zone(phone, ZoneInfo("Asia/Kolkata")).key == zone
