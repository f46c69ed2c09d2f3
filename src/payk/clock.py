"""The clocks of this process. Rules take the time as an argument; shells hold one of these.

What processes compare with each other (due, expiry, leases) is told by the database's clock, not by this one.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

__all__ = ["Clock"]


class Clock:
    """Reads the machine's clocks."""

    def monotonic(self) -> float:
        """Seconds since boot, suspended time included: a process that slept knows that it did."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def now(self) -> datetime:
        """Wall clock, UTC."""
        return datetime.now(UTC)
