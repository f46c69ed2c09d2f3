"""Moments as the management API reads and writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

__all__ = ["Moment", "moment"]


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError(
            "it is beyond all calendars; write a moment with its zone, such as 2027-01-01T00:00:00Z"
        ) from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment that is given, with its zone; in UTC when it is read."""


def moment(at: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds: `2026-11-26T10:30:00.250Z`."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
