"""What can be told about a link and its binds from outside."""

from __future__ import annotations

from dataclasses import dataclass

from payk.links.backoff import Trouble

__all__ = ["BindStatus", "PaceStatus"]


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
    in_flight: int = 0
    """Submits that wait for their answer."""
    last_error_at: float | None = None
    """`Clock.monotonic()` of the last error."""
    trouble: Trouble | None = None
    """Why it is down; None while it is bound, or was not tried yet."""


@dataclass(frozen=True, slots=True)
class PaceStatus:
    """How fast a link goes now, in this process; rates in submits a second, None = no limit."""

    rate: float | None
    contract: float | None
    """This process's share of the link's rate."""
    paused_until: float | None
    """`Clock.monotonic()` before which nothing is submitted; None if there is no pause."""
    throttled: int
    """Submits that were refused for speed so far."""
    congestion_state: int | None
    """What the operator said last, 0 to 100; None if it never did."""
