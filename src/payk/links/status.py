"""What can be told about a bind from outside."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BindStatus"]


@dataclass(frozen=True, slots=True)
class BindStatus:
    """One bind as it stands now."""

    number: int
    bound: bool
    since: float | None
    """`Clock.monotonic()` when it was bound; None while it is not."""
    last_error: str | None
    """Why it came down or was refused last; kept while it is up again."""
    waiting_for: str | None
    """What keeps it from being bound; None while it is."""
