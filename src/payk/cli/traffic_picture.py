"""What `payk top` shows: the answers of the management API, made one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["LANES", "LaneRow", "LinkRow", "Picture", "ProcessRow", "picture_of"]

LANES: Final = ("otp", "common_high", "common_normal", "common_low", "batch")
SILENT: Final = 5.0
"""Seconds after which a process that tells of its links, once a second, is behind."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class LaneRow:
    """What waits in a lane, of all clients."""

    waiting: int = 0
    estimated: bool = False
    oldest: float | None = None
    in_flight: int = 0
    staged: int = 0


@dataclass(slots=True)
class LinkRow:
    """A link over all processes that hold it."""

    name: str
    operator: str
    enabled: bool = True
    health: str = ""
    """`sick` where its operator is."""
    held: bool = False
    """A living process tells of it."""
    draining: bool = False
    bound: int = 0
    binds: int = 0
    in_flight: int = 0
    window: int = 0
    """Submits that may wait for their answer, over all binds that are bound."""
    submit_rate: float = 0.0
    receipt_rate: float = 0.0
    limit: float | None = None
    """submit_sm a second at which it submits now; None = as fast as the windows allow."""
    throttled: bool = False
    resumes_in: float | None = None
    median: float | None = None
    """Seconds to the answer."""
    p99: float | None = None
    refusals: dict[str, int] = field(default_factory=dict)
    told_ago: float = 0.0
    trouble: str = ""
    """What keeps a bind from being bound, or why it came down last."""

    @property
    def state(self) -> str:
        """In a word or two."""
        if not self.enabled:
            return "disabled"
        if not self.held:
            return "nobody's"
        if self.told_ago > SILENT:
            return "silent"
        if self.draining:
            return "draining"
        if self.bound == 0:
            return "down"
        if self.health:
            return self.health
        return "bound" if self.bound == self.binds else f"{self.bound} of {self.binds}"


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A living process."""

    name: str
    roles: str
    binds: int
    silent_for: float


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything of one moment. Rates are a second."""

    taken: float
    taken_by_type: Mapping[str, float]
    lanes: Mapping[str, LaneRow]
    links: Sequence[LinkRow]
    processes: Sequence[ProcessRow]

    @property
    def submitted(self) -> float:
        """Parts that go out."""
        return sum(link.submit_rate for link in self.links)

    @property
    def receipts(self) -> float:
        """Receipts that come back."""
        return sum(link.receipt_rate for link in self.links)

    @property
    def refusals(self) -> Mapping[str, int]:
        """By kind, of the last 5 minutes."""
        found: dict[str, int] = {}
        for link in self.links:
            for kind, count in link.refusals.items():
                found[kind] = found.get(kind, 0) + count
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def picture_of(
    rates: Mapping[str, Any], queues: Rows, states: Rows, links: Rows, health: Mapping[str, str], processes: Rows
) -> Picture:
    """The answers of /rates, /queues, /link-states, /links, the state of each operator, and /processes.

    Raises KeyError, TypeError, AttributeError or ValueError where they are not what Payk answers.
    """
    return Picture(
        float(rates["messages"]),
        {row["sms_type"]: float(row["messages"]) for row in rates["items"]},
        _lanes(queues),
        _links(states, links, health),
        [
            ProcessRow(
                f"{row['host'].partition('/')[0]}:{row['pid']}",
                ",".join(row["roles"]),
                sum(bind["bound_at"] is not None for bind in row["binds"]),
                float(row["silent_for"]),
            )
            for row in processes
        ],
    )


def _lanes(queues: Rows) -> dict[str, LaneRow]:
    found = {lane: LaneRow() for lane in LANES}
    for row in queues:
        lane = found[row["lane"]]
        lane.waiting += row["waiting"]
        lane.estimated = lane.estimated or row["estimated"]
        if row["oldest_age"] is not None:
            lane.oldest = max(lane.oldest or 0.0, row["oldest_age"])
        lane.in_flight += row["in_flight"]
        lane.staged += row["staged"]
    return found


def _links(states: Rows, links: Rows, health: Mapping[str, str]) -> list[LinkRow]:
    found = {row["name"]: LinkRow(row["name"], row["operator"], row["enabled"]) for row in links}
    for state in states:
        link = found.setdefault(state["link"], LinkRow(state["link"], state["operator"]))
        link.told_ago = state["told_ago"] if not link.held else min(link.told_ago, state["told_ago"])
        link.held = True
        link.draining = link.draining or state["draining"]
        link.submit_rate += state["submit_rate"]
        link.receipt_rate += state["receipt_rate"]
        if state["rate"] is not None:
            link.limit = (link.limit or 0.0) + state["rate"]
        link.throttled = link.throttled or state["throttled"]
        link.resumes_in = _longest(link.resumes_in, state["resumes_in"])
        link.median = _longest(link.median, state["submit_latency"].get("median"))
        link.p99 = _longest(link.p99, state["submit_latency"].get("p99"))
        for kind, count in state["refusals"].items():
            link.refusals[kind] = link.refusals.get(kind, 0) + count
        for bind in state["binds"]:
            link.binds += 1
            link.in_flight += bind["in_flight"]
            if bind["bound_at"] is not None:
                link.bound += 1
                link.window += state["window"]
            else:
                link.trouble = link.trouble or str(bind["last_error"] or bind["waiting_for"] or "")
    for link in found.values():
        if health.get(link.operator) == "sick":
            link.health = "sick"
    return sorted(found.values(), key=lambda link: (link.operator, link.name))


def _longest(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else max(one, other)
