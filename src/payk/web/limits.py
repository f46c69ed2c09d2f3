"""What a caller may take of a server: how many connections there may be, and how slowly one may send or read.

A caller that holds a connection open and says nothing costs next to nothing, until there are enough of them. One watch
for all connections of a server looks once a second; a request that comes at the ordinary pace is never looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from payk.domain.failure_limit import network_of
from payk.logs import get_logger
from payk.web.caller import Network, is_within

__all__ = ["IF_SLOW", "Doorkeeper", "HttpLimits", "Phase", "Slowness", "Watched"]

TELL_AGAIN: Final = 60.0
"""Seconds between two lines of the log about connections that were refused."""

IF_SLOW: Final = "payk.if_slow"
"""Member of a request's scope: what was done of it where its body comes too slowly; without it that is nothing."""

log = get_logger("web")


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Seconds, and octets a second."""

    head_timeout: float = 10.0
    """From the first octet of a request to the end of its head."""
    body_grace: float = 10.0
    """In every stretch of so long a caller sends, or takes, at least so many seconds' worth of `body_rate`."""
    body_rate: int = 1024
    connections: int = 10_000
    connections_per_address: int = 2_000
    trusted_proxies: tuple[Network, ...] = ()
    """Proxies have callers behind them, and are not limited by address."""


class Phase(Enum):
    """What a connection waits for."""

    IDLE = auto()
    """Nothing, or the answer that we owe."""
    HEAD = auto()
    """The rest of a head."""
    BODY = auto()
    """The rest of a body."""
    READING = auto()
    """The caller is to take what was written."""


class Watched(Protocol):
    """A connection as the watch sees it."""

    slowness: Slowness

    def progress(self) -> tuple[Phase, object, int]:
        """The phase, what tells this request from the next one, and how many octets it has come."""

    def too_slow(self, phase: Phase) -> None:
        """End the connection for its slowness."""


class Slowness:
    """How long one connection has been at the same thing. `see` is called about once a second."""

    __slots__ = ("_octets", "_phase", "_request", "_since")

    def __init__(self) -> None:
        self._phase = Phase.IDLE
        self._request: object = None
        self._octets = 0
        self._since = 0.0

    def see(self, phase: Phase, request: object, octets: int, now: float, limits: HttpLimits) -> bool:
        """Note where a connection is `now`; whether it has been too slow."""
        if phase is not self._phase or request is not self._request:
            self._phase, self._request, self._octets, self._since = phase, request, octets, now
            return False
        past = now - self._since
        if phase is Phase.HEAD:
            return past >= limits.head_timeout
        if phase is Phase.IDLE or past < limits.body_grace:
            return False
        if octets - self._octets < limits.body_rate * limits.body_grace:
            return True
        self._octets, self._since = octets, now
        return False


class Doorkeeper:
    """Counts the connections of one server, by address, and watches over the slow ones. `clock` in seconds.

    Of IPv6 a network of 64 bits counts as one address: whoever has one has all of its addresses.
    """

    def __init__(self, limits: HttpLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._by_network: Counter[str] = Counter()
        self._count = 0
        self._refused = 0
        self._told_at = float("-inf")

    def admit(self, address: str) -> bool:
        """Whether a connection from `address` is let in; if so it is counted until `leave`."""
        limits = self.limits
        if self._count >= limits.connections:
            self._tell("there are as many connections as may be", address, limits.connections)
            return False
        network = network_of(address)
        if self._by_network[network] >= limits.connections_per_address and not is_within(
            address, limits.trusted_proxies
        ):
            self._tell("one address has as many connections as it may have", address, limits.connections_per_address)
            return False
        self._count += 1
        self._by_network[network] += 1
        return True

    def leave(self, address: str) -> None:
        """A connection that was let in is no more."""
        self._count -= 1
        network = network_of(address)
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]

    def look(self, connections: Iterable[Watched]) -> None:
        """End the connections that have been too slow."""
        now = self._clock()
        slow: Counter[Phase] = Counter()
        for connection in connections:
            phase, request, octets = connection.progress()
            if connection.slowness.see(phase, request, octets, now, self.limits):
                slow[phase] += 1
                connection.too_slow(phase)
        if slow:
            counts = {phase.name.lower(): count for phase, count in slow.items()}
            log.info("connections were closed: too slow", **counts)

    def _tell(self, why: str, address: str, most: int) -> None:
        self._refused += 1
        now = self._clock()
        if now - self._told_at >= TELL_AGAIN:
            log.warning("connections refused", reason=why, address=address, most=most, refused=self._refused)
            self._told_at, self._refused = now, 0
