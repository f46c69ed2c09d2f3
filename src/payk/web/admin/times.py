"""Moments as the management API writes them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["moment"]


def moment(at: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds: `2026-11-26T10:30:00.250Z`."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
