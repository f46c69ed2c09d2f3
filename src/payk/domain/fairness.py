"""Who may send next: Otp first, then the lanes by weight, within a lane the clients alike, within a client its labels.

Deficit round robin: every flow that has messages waiting earns its share of each allotment, keeps what was not whole
as credit, and loses the credit when it runs dry. A flow that comes late therefore owes nothing and is owed nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from payk.domain.message import Lane

__all__ = ["DEFAULT_WEIGHTS", "FairShare", "Turns"]

Key = TypeVar("Key")
FlowKey = tuple[int, int, int, int, int]
"""queue_id, lane, client_id, rank, label_key."""

DEFAULT_WEIGHTS: Mapping[int, int] = {
    Lane.COMMON_HIGH: 16,
    Lane.COMMON_NORMAL: 8,
    Lane.COMMON_LOW: 2,
    Lane.BATCH: 1,
}
"""The shares of the lanes in what Otp leaves."""


class FairShare(Generic[Key]):
    """Divides whole turns between weighted keys so that the sums are fair over time."""

    def __init__(self) -> None:
        self._credit: dict[Key, float] = {}

    def divide(self, turns: int, weights: Mapping[Key, float]) -> dict[Key, int]:
        """`turns` split over the keys present, each a whole number, together exactly `turns`."""
        if len(weights) == 1:
            self._credit = {}
            return dict.fromkeys(weights, turns)
        total = sum(weights.values())
        earned = {key: self._credit.get(key, 0.0) + turns * weight / total for key, weight in weights.items()}
        given = {key: max(0, int(credit)) for key, credit in earned.items()}
        over = turns - sum(given.values())
        by_rest = sorted(earned, key=lambda key: earned[key] - given[key], reverse=over > 0)
        index = 0
        while over:
            key = by_rest[index % len(by_rest)]
            index += 1
            if over > 0:
                given[key] += 1
                over -= 1
            elif given[key] > 0:
                given[key] -= 1
                over += 1
        # Keys that are not present any more lose their credit with this assignment.
        self._credit = {key: earned[key] - given[key] for key in earned}
        return given

    def forget(self, key: Key) -> None:
        """`key` ran dry: it takes no credit along."""
        self._credit.pop(key, None)


class Turns:
    """Divides free places over the flows of one link that have messages waiting.

    A flow is (queue_id, lane, client_id, rank, label_key). Among a client's Batch messages the lowest rank present goes
    first; labels of one rank share.
    """

    def __init__(self, weights: Mapping[int, int] = DEFAULT_WEIGHTS) -> None:
        self._weights = weights
        self._lanes: FairShare[int] = FairShare()
        self._clients: dict[int, FairShare[int]] = defaultdict(FairShare)
        self._labels: dict[tuple[int, int], FairShare[FlowKey]] = defaultdict(FairShare)
        self._own_lanes: dict[int, FairShare[int]] = defaultdict(FairShare)
        """By client that may send but so many: how its lanes share that."""

    def allot(self, places: int, flows: Iterable[FlowKey], most: Mapping[int, int] | None = None) -> dict[FlowKey, int]:
        """How many messages each flow may send now. With Otp flows present they get all places, the others none.

        `most`: by client, how many messages but Otp it may send now. What it may not take goes to the others; its own
        lanes share it by weight.
        """
        if not most:
            return self._allot(places, flows, {}, {})
        present, left = list(flows), dict(most)
        allotted = self._allot(places, present, left, self._limits(present, left))
        while sum(allotted.values()) < places:
            present = [flow for flow in present if flow[1] == Lane.OTP or left.get(flow[2], 1) > 0]
            more = self._allot(places - sum(allotted.values()), present, left, {})
            if not more:
                break
            allotted = {flow: allotted.get(flow, 0) + more.get(flow, 0) for flow in allotted | more}
        return allotted

    def _limits(self, flows: Iterable[FlowKey], most: Mapping[int, int]) -> dict[tuple[int, int], int]:
        """By lane and client, what a client of `most` may send out of it where it has several lanes."""
        lanes: dict[int, dict[int, float]] = defaultdict(dict)
        for _, lane, client_id, *_ in flows:
            if client_id in most and lane != Lane.OTP:
                lanes[client_id][lane] = float(self._weights[lane])
        return {
            (lane, client_id): share
            for client_id, weights in lanes.items()
            if len(weights) > 1
            for lane, share in self._own_lanes[client_id].divide(most[client_id], weights).items()
        }

    def _allot(
        self, places: int, flows: Iterable[FlowKey], left: dict[int, int], limits: Mapping[tuple[int, int], int]
    ) -> dict[FlowKey, int]:
        """Takes from `left` what is allotted to its clients."""
        lanes: dict[int, dict[int, list[FlowKey]]] = defaultdict(lambda: defaultdict(list))
        for flow in flows:
            lanes[flow[1]][flow[2]].append(flow)
        if not lanes or places <= 0:
            return {}
        if Lane.OTP in lanes:
            shares: Mapping[int, int] = {Lane.OTP: places}
        else:
            shares = self._lanes.divide(places, {lane: float(self._weights[lane]) for lane in lanes})
        allotted: dict[FlowKey, int] = {}
        for lane, share in shares.items():
            if share:
                allotted |= self._allot_lane(lane, share, lanes[lane], left, limits)
        return allotted

    def _allot_lane(
        self,
        lane: int,
        places: int,
        clients: Mapping[int, Sequence[FlowKey]],
        left: dict[int, int],
        limits: Mapping[tuple[int, int], int],
    ) -> dict[FlowKey, int]:
        allotted: dict[FlowKey, int] = {}
        by_client = self._clients[lane].divide(places, dict.fromkeys(clients, 1.0))
        for client_id, share in by_client.items():
            if client_id in left and lane != Lane.OTP:
                share = min(share, left[client_id], limits.get((lane, client_id), share))
                left[client_id] -= share
            if not share:
                continue
            flows = clients[client_id]
            first = min(flow[3] for flow in flows)
            present = dict.fromkeys((flow for flow in flows if flow[3] == first), 1.0)
            turns = self._labels[lane, client_id].divide(share, present)
            allotted |= {flow: count for flow, count in turns.items() if count}
        return allotted

    def ran_dry(self, flow: FlowKey, *, lane: bool, client: bool) -> None:
        """`flow` gave less than it was allotted; `lane`, `client`: it was the last one there."""
        self._labels[flow[1], flow[2]].forget(flow)
        if client:
            self._clients[flow[1]].forget(flow[2])
            self._labels.pop((flow[1], flow[2]), None)
        if lane:
            self._lanes.forget(flow[1])
