"""What a report is asked: by what it is grouped, of which time, in whose days; and which ranges of counts answer it.

Counts are kept in buckets of 15 minutes, hours and days of UTC. A period of a report, such as a day in Dushanbe, is
made of the largest of these that fit it, so nothing is counted in part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum, StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from payk.domain.message import SmsType
from payk.domain.validity import with_plus

__all__ = [
    "PERIODS_MAX",
    "Dimension",
    "Period",
    "Range",
    "ReportAsked",
    "ReportRefused",
    "Span",
    "known_zone",
    "moment",
    "periods",
    "ranges",
    "read_dimensions",
]

PERIODS_MAX: Final = 10_000
"""Periods of one report: more than a year of hours."""
QUARTER: Final = timedelta(minutes=15)
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_DEFAULT_SPAN: Final = timedelta(days=30)


class ReportRefused(Exception):
    """A report that cannot be made; str() is what to tell: the rule, and what would be allowed."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        """As the caller names it: GroupBy, From, To, TimeZone."""
        self.rule = rule


class Dimension(StrEnum):
    """What a report is grouped by. The last four are periods, of which a report has one at most."""

    CLIENT = "Client"
    SMS_LABEL = "SmsLabel"
    SENDER_ADDRESS = "SenderAddress"
    SMS_TYPE = "SmsType"
    OPERATOR = "Operator"
    ROUTE = "Route"
    """The operators of its route, or those of them that its sender is restricted to, in the order of the route."""
    HOUR = "Hour"
    DAY = "Day"
    WEEK = "Week"
    """From Monday on."""
    MONTH = "Month"


_PERIODS: Final = (Dimension.HOUR, Dimension.DAY, Dimension.WEEK, Dimension.MONTH)
_BY_NAME: Final = {dimension.value.lower(): dimension for dimension in Dimension}


class Span(IntEnum):
    """The widths of buckets."""

    QUARTER = 0
    HOUR = 1
    DAY = 2


_WIDTH: Final = {Span.QUARTER: QUARTER, Span.HOUR: timedelta(hours=1), Span.DAY: timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class Period:
    """A row's time: from `begins` to before `ends`, on whole quarters of an hour; both in the zone of the report."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Range:
    """Buckets of one width, from `low` to before `high` (UTC)."""

    span: Span
    low: datetime
    high: datetime


@dataclass(frozen=True, slots=True)
class ReportAsked:
    """Messages accepted from `begins` to before `ends`, and all of the filters; None = whatever."""

    group_by: tuple[Dimension, ...]
    begins: datetime
    ends: datetime
    """Both in the zone of the report, on whole quarters of an hour."""
    client_id: int | None = None
    label: str | None = None
    """"" = messages without one."""
    sender: str | None = None
    """Compared without case."""
    sms_type: SmsType | None = None
    operator: str | None = None
    """That messages were handed to last."""
    route: str | None = None
    """Operators of a route by name, with commas between them; their order counts where routes differ by it alone."""

    @property
    def period(self) -> Dimension | None:
        """What time it is grouped by."""
        return next((dimension for dimension in self.group_by if dimension in _PERIODS), None)


def known_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name such as Asia/Dushanbe. Raises ReportRefused."""
    try:
        if re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}", name):
            return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError; OSError: the name of a folder
        pass
    raise ReportRefused("TimeZone", "no known time zone; an IANA name is one, such as Asia/Dushanbe, or UTC")


def read_dimensions(names: str) -> tuple[Dimension, ...]:
    """Dimensions from a list such as "SmsLabel,Day", without case; an empty one has none. Raises ReportRefused."""
    found: list[Dimension] = []
    for name in filter(None, (name.strip() for name in names.split(","))):
        dimension = _BY_NAME.get(name.lower().replace("_", ""))
        if dimension is None:
            raise ReportRefused("GroupBy", f"it may list {', '.join(Dimension)}")
        if dimension in found:
            raise ReportRefused("GroupBy", f"{dimension} stands in it twice")
        found.append(dimension)
    if len([dimension for dimension in found if dimension in _PERIODS]) > 1:
        raise ReportRefused("GroupBy", f"one of {', '.join(_PERIODS)} at most")
    return tuple(found)


def moment(field: str, text: str, zone: ZoneInfo) -> datetime:
    """A time from "2026-11-01T10:00:00" or "2026-11-01T10:00:00+05:00" (without an offset in `zone`), or from a day.

    A day stands for its beginning. It comes from an address (payk.domain.validity.with_plus). Raises ReportRefused.
    """
    rule = "a day such as 2026-11-01, or a time such as 2026-11-01T10:00:00 or 2026-11-01T10:00:00+05:00"
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            found = datetime.combine(date.fromisoformat(text), time(), zone)
        elif re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}", text):
            found = datetime.fromisoformat(with_plus(text))
            found = found.replace(tzinfo=zone) if found.tzinfo is None else found
        else:
            raise ReportRefused(field, rule)
        found = found.astimezone(zone)
    except (ValueError, OverflowError) as error:
        raise ReportRefused(field, rule) from error
    if not 2000 <= found.year <= 2100:
        raise ReportRefused(field, "a year from 2000 to 2100")
    return found


def periods(
    begins: datetime | None, ends: datetime | None, zone: ZoneInfo, now: datetime, dimension: Dimension | None
) -> tuple[datetime, datetime, list[Period]]:
    """Where a report begins and ends, and its periods in their order (one where it is not grouped by time).

    Without `begins` it is 30 days long, without `ends` it goes up to now; both are moved to whole quarters of an hour,
    away from each other. Raises ReportRefused.
    """
    end = _on_quarter((now if ends is None else ends), up=True).astimezone(zone)
    begin = _start_of_day(end - _DEFAULT_SPAN, zone) if begins is None else _on_quarter(begins).astimezone(zone)
    if begin.astimezone(UTC) >= end.astimezone(UTC):
        raise ReportRefused("To" if ends is not None else "From", "the report holds no time; To must lie behind From")
    found: list[Period] = []
    for period in _periods(begin, end, zone, dimension):
        found.append(period)
        if len(found) > PERIODS_MAX:
            raise ReportRefused("From", f"more than {PERIODS_MAX} times a {str(dimension).lower()}; ask for less time")
    return begin, end, found


def _periods(begin: datetime, end: datetime, zone: ZoneInfo, dimension: Dimension | None) -> Iterator[Period]:
    current = begin
    while _utc(current) < _utc(end):
        after = end if dimension is None else _next(current, zone, dimension)
        yield Period(current, min(after, end, key=_utc))
        current = after


def _next(moment: datetime, zone: ZoneInfo, dimension: Dimension) -> datetime:
    """Where the period that a time lies in ends. Hours are those of the clock on the wall: of an hour that comes twice
    each is a period of its own."""
    if dimension is Dimension.HOUR:
        over = timedelta(minutes=moment.minute, seconds=moment.second, microseconds=moment.microsecond)
        return (_utc(moment) + timedelta(hours=1) - over).astimezone(zone)
    day = moment.date()
    match dimension:
        case Dimension.DAY:
            day += timedelta(days=1)
        case Dimension.WEEK:
            day += timedelta(days=7 - day.weekday())
        case _:
            day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return _start_of(day, zone)


def _start_of(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day; not midnight where clocks are put forward then."""
    start = datetime.combine(day, time(), zone)
    return _utc(start).astimezone(zone)


def _start_of_day(moment: datetime, zone: ZoneInfo) -> datetime:
    return _start_of(moment.astimezone(zone).date(), zone)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _on_quarter(moment: datetime, *, up: bool = False) -> datetime:
    moment = _utc(moment)
    over = (moment - _EPOCH) % QUARTER
    return moment + (QUARTER - over if up else -over) if over else moment


def ranges(of: Sequence[Period]) -> list[Range]:
    """The buckets that make up periods, which follow each other: the widest that fit, none of them in two periods.

    In order of time, in as few ranges as that takes: what is next to each other and of one width is one.
    """
    found: list[Range] = []
    for period in of:
        for each in _ranges(_utc(period.begins), _utc(period.ends), Span.DAY):
            if found and (found[-1].span, found[-1].high) == (each.span, each.low):
                found[-1] = replace(found[-1], high=each.high)
            else:
                found.append(each)
    return found


def _ranges(low: datetime, high: datetime, span: Span) -> Iterator[Range]:
    if low >= high:
        return
    if span is Span.QUARTER:
        yield Range(span, low, high)
        return
    width, narrower = _WIDTH[span], Span(span - 1)
    first, last = low + (_EPOCH - low) % width, high - (high - _EPOCH) % width
    if first >= last:
        yield from _ranges(low, high, narrower)
        return
    yield from _ranges(low, first, narrower)
    yield Range(span, first, last)
    yield from _ranges(last, high, narrower)
