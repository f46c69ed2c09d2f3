"""By which clock a recipient lives, as far as the number tells."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers.timezone import time_zones_for_geographical_number

__all__ = ["DUSHANBE", "recipient_zone"]

DUSHANBE: Final = ZoneInfo("Asia/Dushanbe")
"""Where recipients live unless a setting says otherwise."""

_TELLING = 7
"""Digits, country code included, that tell the place."""
_SEASONS = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))


def recipient_zone(phone: str, default: ZoneInfo) -> ZoneInfo:
    """The time zone of a normal number; `default` where its prefix is not known, or spans zones of different clocks."""
    return _zone_of(phone[:_TELLING]) or default


@lru_cache(maxsize=16_384)
def _zone_of(digits: str) -> ZoneInfo | None:
    try:
        number = phonenumbers.parse("+" + digits.ljust(11, "0"))
        zones = [ZoneInfo(name) for name in time_zones_for_geographical_number(number)]
    except (phonenumbers.NumberParseException, ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError
        return None
    if len({tuple(season.astimezone(zone).utcoffset() for season in _SEASONS) for zone in zones}) != 1:
        return None
    return zones[0]
