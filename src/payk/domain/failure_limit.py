"""How often one address may fail to show who it is. The time is an argument: seconds of a monotonic clock.

Of IPv6 it is the network of 64 bits: whoever has one has all of its addresses.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

__all__ = ["FAILURES", "FailureLimit", "network_of"]

FAILURES: Final = 20
WINDOW: Final = 60.0
ADDRESSES: Final = 10_000


@lru_cache(10_000)
def network_of(address: str) -> str:
    """What an address counts as: that of IPv4 itself, of IPv6 its /64, and what is no address as it is."""
    try:
        found = IPv6Address(address)
    except AddressValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> 64 << 64)}/64"


class FailureLimit:
    """At most 20 failures in any minute from one address; remembers the 10,000 addresses that failed last."""

    def __init__(self, failures: int = FAILURES, window: float = WINDOW, addresses: int = ADDRESSES) -> None:
        self._failures = failures
        self._window = window
        self._addresses = addresses
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, address: str, now: float) -> float:
        """Note a failure at `now` (seconds); 0, or the seconds until another would be within the limit."""
        network = network_of(address)
        times = self._failed.setdefault(network, deque())
        self._failed.move_to_end(network)
        if len(self._failed) > self._addresses:
            self._failed.popitem(last=False)
        while times and times[0] <= now - self._window:
            times.popleft()
        if len(times) >= self._failures:
            return times[0] + self._window - now
        times.append(now)
        return 0.0

    def take_back(self, address: str) -> None:
        """Forget the failure that was noted last: it was none."""
        times = self._failed.get(network_of(address))
        if times:
            times.pop()

    def wait(self, address: str, now: float) -> float:
        """0, or the seconds until a failure at `now` would be within the limit; notes nothing."""
        times = self._failed.get(network_of(address), ())
        within = [moment for moment in times if moment > now - self._window]
        return within[0] + self._window - now if len(within) >= self._failures else 0.0
