"""Dates in the texts of receipts, which operators write in many ways and in no known zone (SMPP 3.4 Appendix B)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Final

from payk.smpp.smpp_time import parse_time

__all__ = ["parse_receipt_date"]

# By the number of digits. Twelve are read both ways, for both are seen.
_FORMATS: Final = {
    10: ("%y%m%d%H%M",),
    12: ("%y%m%d%H%M%S", "%Y%m%d%H%M"),
    14: ("%Y%m%d%H%M%S",),
}
_LONGEST: Final = 16
_ABSOLUTE: Final = re.compile(r"[0-9]{12}(?:[0-9]{3}[-+]|[-+][0-9]{2})")
_NEVER: Final = datetime(2000, 1, 1, tzinfo=UTC)  # only a relative time counts from a moment
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2100, 1, 1, tzinfo=UTC)


def parse_receipt_date(text: str, zone: tzinfo, near: datetime) -> datetime | None:
    """The moment in UTC that a date of a receipt means; None for one that cannot be read, such as all zeros, or that
    no receipt has: before the year 2000, or after 2099, as programs write where they know none (0001-01-01).

    ``text`` is as written: YYMMDDhhmm, YYMMDDhhmmss, YYYYMMDDhhmm or YYYYMMDDhhmmss in ``zone``, or an absolute SMPP
    time of 15 or 16 characters, which names its own. Where both readings of twelve digits are dates, the one nearer to
    ``near`` (aware, such as the arrival of the receipt) is meant. Never raises.
    """
    if len(text) > _LONGEST:  # before it is remembered
        return None
    readings = _readings(text, zone)
    if len(readings) == 1:  # nearly always
        return readings[0]
    return min(readings, key=lambda moment: abs(moment - near), default=None)


@lru_cache(maxsize=4096)  # thousands of receipts a second carry the same minute
def _readings(text: str, zone: tzinfo) -> tuple[datetime, ...]:
    forms = _FORMATS.get(len(text), ()) if text.isascii() and text.isdecimal() else ("",)
    readings = [_read(text, form, zone) for form in forms]
    return tuple([moment for moment in readings if moment is not None and _FIRST <= moment < _LAST])


def _read(text: str, form: str, zone: tzinfo) -> datetime | None:
    """Without ``form``: an absolute SMPP time."""
    try:
        if form:
            return datetime.strptime(text, form).replace(tzinfo=zone).astimezone(UTC)
        return parse_time(text, _NEVER) if _ABSOLUTE.fullmatch(text) else None
    except (ValueError, OverflowError):  # no such day, or a year that the zone pushes off the calendar
        return None
