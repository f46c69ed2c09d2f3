"""When hours open: a rule of the wall clock, that knows days on which a clock is put forward or back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from payk.domain.limits import Hours

__all__ = ["are_open", "next_opening", "open_at"]

_DAYS = 4
"""Days in which hours open at least once: a clock that is put forward may pass over one opening, or a whole day."""
_HOUR = timedelta(hours=1)
_INSTANT = timedelta(microseconds=1)


def are_open(hours: Hours, zone: tzinfo, moment: datetime) -> bool:
    """Whether a clock of `zone` shows a time within `hours` at `moment`."""
    shown = moment.astimezone(zone).time()
    if hours.opens < hours.closes:
        return hours.opens <= shown < hours.closes
    return shown >= hours.opens or shown < hours.closes


def open_at(hours: Hours, zone: tzinfo, moment: datetime) -> bool:
    """Whether `moment` is an opening: they are open then, and were not just before."""
    return are_open(hours, zone, moment) and not are_open(hours, zone, moment - _INSTANT)


@lru_cache(maxsize=1024)
def next_opening(hours: Hours, zone: tzinfo, moment: datetime) -> datetime:
    """The first instant from `moment` on, itself included, at which `hours` are open; UTC.

    Hours open when the clock shows it. Where it is put forward over the opening they open at that instant, and where it
    is put back into them they open once more.
    """
    moment = moment.astimezone(UTC)
    if are_open(hours, zone, moment):
        return moment
    first = moment.astimezone(zone).date()
    openings = [
        datetime.combine(first + timedelta(days=day), hours.opens, zone).replace(fold=fold).astimezone(UTC)
        for day in range(_DAYS)
        for fold in (0, 1)
    ]
    candidates = sorted(openings + _shifts(zone, moment))
    return next(each for each in candidates if each >= moment and are_open(hours, zone, each))


def _shifts(zone: tzinfo, start: datetime) -> list[datetime]:
    """The instants of the next days at which the clock is put forward or back, to the second."""
    end = start + timedelta(days=_DAYS)
    if _offset(zone, start) == _offset(zone, end):
        return []
    found = []
    while start < end:
        after = start + _HOUR
        if _offset(zone, start) != _offset(zone, after):
            found.append(_shift(zone, start, after))
        start = after
    return found


def _shift(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """The instant of the one shift between these two."""
    low, high = int(before.timestamp()), int(after.timestamp()) + 1
    old = _offset(zone, before)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, datetime.fromtimestamp(middle, UTC)) == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def _offset(zone: tzinfo, moment: datetime) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
