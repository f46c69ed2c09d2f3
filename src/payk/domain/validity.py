"""When a message may be sent: reading ScheduledAt, its horizon, and how long ExpiresIn lasts.

Source: docs/en/api.md, "Fields of a message", ScheduledAt and ExpiresIn.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from payk.domain.errors import Code, Field, Rejection, quoted

__all__ = ["EXPIRES_IN_MAX", "HORIZON", "due_at", "lifetime", "parse_instant", "with_plus"]

HORIZON = timedelta(days=366)
EXPIRES_IN_MAX = 30 * 86_400

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)

_INSTANT = re.compile(
    r"""(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})
        [Tt\ ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?
        \ ?(?:[Zz]|(?P<sign>[+-])(?P<hours>[0-9]{2})(?::?(?P<minutes>[0-5][0-9]))?)?""",
    re.VERBOSE,
)


_BLANK_BEFORE_OFFSET = re.compile(r"(?<=[0-9]) (?=[0-9]{2}:?[0-9]{2}$)")


def with_plus(text: str) -> str:
    """A time of an address, where the + of an offset arrives as a blank unless it is written %2B."""
    return _BLANK_BEFORE_OFFSET.sub("+", text) if "T" in text else text


def parse_instant(raw: str) -> datetime:
    """The instant that ScheduledAt names, in UTC; without an offset it is UTC already.

    Instants that an offset puts before year 1 or after year 9999 become the first or last there is. Digits past the
    microsecond are dropped. Raises Rejection (ScheduledAtInvalid).
    """
    match = _INSTANT.fullmatch(raw.strip())
    if match is None:
        raise _invalid(raw)
    part = match.groupdict(default="0")
    try:
        local = datetime(
            int(part["year"]),
            int(part["month"]),
            int(part["day"]),
            int(part["hour"]),
            int(part["minute"]),
            int(part["second"]),
            int(part["fraction"].ljust(6, "0")[:6]),
            tzinfo=UTC,
        )
    except ValueError as exc:
        raise _invalid(raw) from exc
    offset = timedelta(hours=int(part["hours"]), minutes=int(part["minutes"]))
    if offset >= timedelta(days=1):
        raise _invalid(raw)
    try:
        return local + offset if part["sign"] == "-" else local - offset
    except OverflowError:
        return _LATEST if part["sign"] == "-" else _EARLIEST


def due_at(instant: datetime, now: datetime) -> datetime | None:
    """When a message scheduled for `instant` is due; None = at once, for the present and the past.

    Raises Rejection (ScheduledAtTooFar).
    """
    if instant <= now:
        return None
    if instant - now > HORIZON:
        detail = f"ScheduledAt is more than {HORIZON.days} days ahead."
        raise Rejection(Code.SCHEDULED_AT_TOO_FAR, detail, Field.SCHEDULED_AT)
    return instant


def lifetime(expires_in: int) -> int:
    """The seconds that a message may wait to be sent, 0 = for ever; what is above 30 days is 30 days.

    Raises Rejection (ExpiresInInvalid).
    """
    if expires_in < 0:
        detail = "ExpiresIn is negative; it is a number of seconds, 0 = never expires."
        raise Rejection(Code.EXPIRES_IN_INVALID, detail, Field.EXPIRES_IN)
    return min(expires_in, EXPIRES_IN_MAX)


def _invalid(raw: str) -> Rejection:
    detail = f"ScheduledAt {quoted(raw)} is not a time; write it as 2025-02-17T10:20:30Z (UTC)."
    return Rejection(Code.SCHEDULED_AT_INVALID, detail, Field.SCHEDULED_AT)
