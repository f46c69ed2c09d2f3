"""Who is let in at a server's door: caps on connections, and back-off after failed binds. No I/O; time is an argument.

What it protects against: connections that never bind, from one address or from many; passwords being guessed. What it
must not become is a way to shut a customer out. So an address that fails is refused unheard, for longer each time; but
for a name that fails everybody is only heard a little later, for whoever knows a name could make it fail.

An address is one of IPv4, or the 64 bits of IPv6 that a single host has for itself.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import Final

from payk.smpp.errors import LocalError
from payk.smpp.recent import Recent

__all__ = ["Admission", "AdmissionOptions", "TooMany", "Visitor"]

_HOST_BITS: Final = 64  # of an IPv6 address: those that its owner chooses


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    """Times in seconds. `LocalError` for a count below 1."""

    max_connections: int = 2_000
    """Connections at once, bound or not."""
    max_unbound: int = 200
    """Those of them that have not bound."""
    max_unbound_per_address: int = 20
    failures: int = 5
    """So many failed binds within a minute, from one address or for one name, begin its back-off."""
    address_pause: float = 2.0
    """For so long the address is refused unheard; each later failure doubles it, up to ``address_pause_longest``."""
    address_pause_longest: float = 300.0
    name_delay: float = 0.25
    """So much later a bind for the name is heard; each later failure doubles it, up to ``name_delay_longest``."""
    name_delay_longest: float = 2.0
    quiet: float = 600.0
    """An address or a name is forgotten so long after its last failure and the pause that followed."""
    remembered: int = 10_000
    """Addresses, and names, that are remembered; the one whose failure is the longest ago goes."""

    def __post_init__(self) -> None:
        for name in ("max_connections", "max_unbound", "max_unbound_per_address", "failures", "remembered"):
            if getattr(self, name) < 1:
                raise LocalError(f"{name} is {getattr(self, name)}, and must be 1 at least")


class TooMany(StrEnum):
    """Why somebody was not let in."""

    CONNECTIONS = "too many connections"
    UNBOUND = "too many connections without a bind"
    UNBOUND_OF_ADDRESS = "too many connections without a bind from one address"
    FAILED_BINDS = "too many failed binds from one address"


class Visitor:
    """One connection, from `Admission.arrive` to `Admission.leave`."""

    __slots__ = ("address", "bound", "gone")

    def __init__(self, address: str) -> None:
        self.address = address
        self.bound = False
        self.gone = False


class _Offender:
    """An address or a name whose binds fail."""

    __slots__ = ("failed", "pause", "until")

    def __init__(self, failures: int) -> None:
        self.failed = Recent(failures)
        self.pause = 0.0
        """Seconds; 0 until there were too many failures."""
        self.until = 0.0
        """When the pause ends."""

    def fail(self, now: float, first: float, longest: float) -> None:
        if self.failed.add(now) or self.pause:
            self.pause = min(longest, 2 * self.pause or first)
        self.until = now + self.pause


class _Offenders:
    """They lie in the order of their last failure."""

    def __init__(self, options: AdmissionOptions, first: float, longest: float) -> None:
        self._options = options
        self._first = first
        self._longest = longest
        self._known: OrderedDict[str, _Offender] = OrderedDict()

    def get(self, key: str, now: float) -> _Offender | None:
        offender = self._known.get(key)
        if offender is not None and now >= offender.until + self._options.quiet:
            del self._known[key]
            return None
        return offender

    def fail(self, key: str, now: float) -> None:
        offender = self.get(key, now)
        if offender is None:
            offender = self._known[key] = _Offender(self._options.failures)
        self._known.move_to_end(key)
        offender.fail(now, self._first, self._longest)
        if len(self._known) > self._options.remembered:
            self._known.popitem(last=False)


class Admission:
    """The state of one door. Whoever holds it reports every connection and every outcome of a bind."""

    def __init__(self, options: AdmissionOptions | None = None) -> None:
        self._options = options or AdmissionOptions()
        self._connections = 0
        self._unbound: Counter[str] = Counter()
        self._unbound_in_all = 0
        options = self._options
        self._addresses = _Offenders(options, options.address_pause, options.address_pause_longest)
        self._names = _Offenders(options, options.name_delay, options.name_delay_longest)
        self.refused: Counter[TooMany] = Counter()
        """How often whom was refused for what, since the start."""

    @property
    def connections(self) -> int:
        return self._connections

    @property
    def unbound(self) -> int:
        """Connections that have not bound."""
        return self._unbound_in_all

    def arrive(self, host: str) -> Visitor | TooMany:
        """A connection from ``host``, a textual address: who it is, or why it is closed at once."""
        options = self._options
        address = _address(host)
        if self._connections >= options.max_connections:
            return self._refuse(TooMany.CONNECTIONS)
        if self._unbound_in_all >= options.max_unbound:
            return self._refuse(TooMany.UNBOUND)
        if self._unbound[address] >= options.max_unbound_per_address:
            return self._refuse(TooMany.UNBOUND_OF_ADDRESS)
        self._connections += 1
        self._unbound_in_all += 1
        self._unbound[address] += 1
        return Visitor(address)

    def hear(self, visitor: Visitor, system_id: str, now: float) -> float | None:
        """Seconds until the password of a bind may be looked at; None: refuse it unheard."""
        address = self._addresses.get(visitor.address, now)
        if address is not None and now < address.until:
            self._refuse(TooMany.FAILED_BINDS)
            return None
        name = self._names.get(system_id, now)
        return name.pause if name is not None else 0.0

    def failed(self, visitor: Visitor, system_id: str, now: float) -> None:
        """The password was looked at, or the name, and was wrong."""
        self._addresses.fail(visitor.address, now)
        self._names.fail(system_id, now)

    def bound(self, visitor: Visitor) -> None:
        if not visitor.bound and not visitor.gone:
            visitor.bound = True
            self._forget_unbound(visitor.address)

    def leave(self, visitor: Visitor) -> None:
        """The connection has ended; repeating it is fine."""
        if visitor.gone:
            return
        visitor.gone = True
        self._connections -= 1
        if not visitor.bound:
            self._forget_unbound(visitor.address)

    def _forget_unbound(self, address: str) -> None:
        self._unbound_in_all -= 1
        self._unbound[address] -= 1
        if not self._unbound[address]:
            del self._unbound[address]

    def _refuse(self, reason: TooMany) -> TooMany:
        self.refused[reason] += 1
        return reason


def _address(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:  # no address that we know; it counts as it is written
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> _HOST_BITS << _HOST_BITS))
