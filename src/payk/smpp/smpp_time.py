"""Times on the wire: ``YYMMDDhhmmsstnnp`` (SMPP 3.4 section 7.1.1).

``t`` is tenths of a second, ``nn`` quarters of an hour from UTC, ``p`` says how: ``+`` local time is ahead of UTC,
``-`` behind, ``R`` the whole is a period from now. We send UTC; others send everything.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from payk.smpp.errors import LocalError

__all__ = ["format_absolute", "format_relative", "parse_time"]

_WHOLE: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d)(\d\d)([-+R])", re.ASCII)
_SHORT: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:([-+])(\d\d))?", re.ASCII)
_LONGEST_PERIOD: Final = timedelta(days=100)
_MOST_QUARTERS: Final = 48


def format_absolute(moment: datetime) -> str:
    """An aware moment in UTC, cut to tenths of a second. `LocalError` if it is naive or not in 2000 to 2099."""
    if moment.tzinfo is None:
        raise LocalError("a moment without its zone")
    utc = moment.astimezone(UTC)
    if not 2000 <= utc.year <= 2099:
        raise LocalError(f"the year {utc.year} has no two digits here")
    return f"{utc:%y%m%d%H%M%S}{utc.microsecond // 100_000}00+"


def format_relative(period: timedelta) -> str:
    """A period from now in days, hours, minutes and seconds; fractions are cut. `LocalError` unless below 100 days."""
    if not timedelta(0) <= period < _LONGEST_PERIOD:
        raise LocalError(f"no relative time: {period}")
    minutes, seconds = divmod(period.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"0000{period.days:02}{hours:02}{minutes:02}{seconds:02}000R"


def parse_time(text: str, now: datetime) -> datetime | None:
    """The moment that is meant, in UTC; None for the empty string, which leaves it to the centre.

    A relative time counts from ``now`` (aware): years and months by the calendar. Two short forms are seen and read
    too: twelve digits in UTC, and the same with a sign and the quarters. Raises `ValueError` for anything else.
    """
    if not text:
        return None
    if match := _SHORT.fullmatch(text):
        *digits, sign, quarters = match.groups("0")
        return _to_utc(_moment(*map(int, digits)), int(quarters), sign)
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise ValueError(f"no SMPP time: {text!r}")
    *digits, sign = match.groups()
    years, months, days, hours, minutes, seconds, tenths, from_utc = map(int, digits)
    if sign != "R":
        return _to_utc(_moment(years, months, days, hours, minutes, seconds, tenths), from_utc, sign)
    if tenths or from_utc:
        raise ValueError(f"no relative SMPP time: {text!r}")
    period = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return _months_later(now.astimezone(UTC), 12 * years + months) + period


def _moment(year: int, month: int, day: int, hour: int, minute: int, second: int, tenth: int = 0) -> datetime:
    return datetime(2000 + year, month, day, hour, minute, second, 100_000 * tenth, tzinfo=UTC)


def _to_utc(local: datetime, quarters: int, sign: str) -> datetime:
    if quarters > _MOST_QUARTERS:
        raise ValueError(f"{quarters} quarters of an hour from UTC")
    ahead = timedelta(minutes=15 * quarters)
    return local + ahead if sign == "-" else local - ahead


def _months_later(moment: datetime, months: int) -> datetime:
    """The same day of a later month, or its last day."""
    years, month = divmod(moment.month - 1 + months, 12)
    year, month = moment.year + years, month + 1
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))
