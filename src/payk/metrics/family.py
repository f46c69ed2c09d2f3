"""A family of figures: what its name means, and the values of this process by its labels."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Counter", "Family", "Gauge", "Histogram", "Kind", "Labels", "Readings", "Scope", "Spread"]

Labels = tuple[str, ...]
"""Values, in the order of the names."""


class Kind(StrEnum):
    """As Prometheus calls them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Scope(StrEnum):
    """Whom a figure is about."""

    PROCESS = "process"
    """What this process did or holds: those of several processes are added up."""
    CENTRE = "centre"
    """The whole centre, from its database, told by one process at a time: those of several are never added up."""


@dataclass(frozen=True, eq=False)
class Family:
    """`labels`: names. `unit`: of its values, or what is counted."""

    name: str
    help: str
    unit: str
    labels: Labels = ()
    scope: Scope = Scope.PROCESS

    @property
    def kind(self) -> Kind:
        """What its values are."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Counter(Family):
    """Grows only, from 0 at the start of the process."""

    values: dict[Labels, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if not self.labels:
            self.values[()] = 0

    @property
    def kind(self) -> Kind:
        return Kind.COUNTER

    def add(self, *labels: str, amount: float = 1) -> None:
        """Count. With an amount of 0 it is there from then on, so that the first one that is counted shows as more."""
        self.values[labels] = self.values.get(labels, 0) + amount


@dataclass(frozen=True, eq=False)
class Gauge(Family):
    """Stands as it stands: whoever is asked for the figures finds out, or what changes it says so when it does."""

    values: dict[Labels, float] = field(default_factory=dict, init=False)

    @property
    def kind(self) -> Kind:
        return Kind.GAUGE

    def set(self, *labels: str, value: float) -> None:
        """It stands so from now on."""
        self.values[labels] = value


@dataclass(slots=True)
class Spread:
    """How often each bucket was hit (the last one is what lies beyond all bounds), and the sum."""

    counts: list[int]
    total: float = 0.0


@dataclass(frozen=True, eq=False)
class Histogram(Family):
    """Values by how large they are; `bounds` rise."""

    bounds: Sequence[float] = ()
    spreads: dict[Labels, Spread] = field(default_factory=dict, init=False)

    @property
    def kind(self) -> Kind:
        return Kind.HISTOGRAM

    def observe(self, values: Iterable[float], *labels: str) -> None:
        """Take many values at once."""
        spread = self.spreads.get(labels)
        if spread is None:
            spread = self.spreads[labels] = Spread([0] * (len(self.bounds) + 1))
        counts, bounds = spread.counts, self.bounds
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            spread.total += value


Readings = Mapping[Family, Mapping[Labels, float]]
"""What was found out of gauges, and of counters that are kept elsewhere."""
