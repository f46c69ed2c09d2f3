"""What the audit log keeps of refused logins that were not looked at, so that nobody can fill it.

The time is an argument: seconds of a monotonic clock.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from payk.domain.failure_limit import ADDRESSES, network_of

__all__ = ["AGAIN", "MOST", "EntryLimit", "HeldOff"]

MOST: Final = 60
"""Entries a minute."""
MINUTE: Final = 60.0
AGAIN: Final = 600.0
"""Seconds until another entry tells of an address that goes on."""


class EntryLimit:
    """At most 60 entries in a minute; how many were left out the next one tells."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._began = float("-inf")
        self._entries = 0
        self._left_out = 0

    def take(self, now: float) -> int | None:
        """How many were left out since the last entry; None where this one is left out too."""
        if now - self._began >= MINUTE:
            self._began, self._entries = now, 0
        if self._entries >= self._most:
            self._left_out += 1
            return None
        self._entries += 1
        left_out, self._left_out = self._left_out, 0
        return left_out


class HeldOff:
    """Attempts of addresses that failed too often, by network: the first is told of, and every ten minutes those since.

    Remembers the 10,000 networks that tried last.
    """

    def __init__(self, networks: int = ADDRESSES) -> None:
        self._networks = networks
        self._told: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """When it was told of last, and attempts since."""

    def note(self, address: str, now: float) -> int | None:
        """Note an attempt; how many there were since the last entry, this one too, where one is due."""
        network = network_of(address)
        told_at, since = self._told.pop(network, (float("-inf"), 0))
        due = now - told_at >= AGAIN
        self._told[network] = (now, 0) if due else (told_at, since + 1)
        if len(self._told) > self._networks:
            self._told.popitem(last=False)
        return since + 1 if due else None

    def untold(self, address: str, attempts: int) -> None:
        """There is no entry of these: the next attempt tells of them too."""
        self._told[network_of(address)] = (float("-inf"), attempts)
