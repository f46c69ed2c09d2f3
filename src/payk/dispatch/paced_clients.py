"""Clients whose messages leave at a pace, over all links and processes. Otp flows know no pace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from payk.clock import Clock
from payk.domain.directory import CurrentDirectory
from payk.domain.fairness import FlowKey
from payk.domain.message import Lane
from payk.domain.rate import Rate, RateKind, pace_of
from payk.store.rates import SharedRates

__all__ = ["PacedClients"]

SHORTEST: Final = 0.02
LONGEST: Final = 0.5
"""Seconds between two looks for tokens; the arrival of some is told at once."""


class PacedClients:
    """What they may send just now; shared by the pumps of a process, which take tokens for what they claim."""

    def __init__(self, directory: CurrentDirectory, rates: SharedRates, clock: Clock) -> None:
        self._directory = directory
        self._rates = rates
        self._clock = clock
        self._version: int | None = None
        self._paces: dict[int, Rate] = {}

    def most(self, flows: Iterable[FlowKey]) -> dict[int, int]:
        """Of the paced clients among `flows`: how many messages each may send now. Sees to it that more come."""
        paces = self._in_force()
        if not paces:
            return {}
        clients = {flow[2] for flow in flows if flow[2] in paces and flow[1] != Lane.OTP}
        return {
            client_id: self._rates.at_hand(client_id, RateKind.PACE, paces[client_id], 1)
            for client_id in sorted(clients)
        }

    def wait(self, clients: Collection[int]) -> float:
        """Seconds until one of these may send again, unless that is told before."""
        paces, now = self._in_force(), self._clock.monotonic()
        waits = [
            self._rates.allowance(client_id, RateKind.PACE, paces[client_id]).wait(now)
            for client_id in clients
            if client_id in paces
        ]
        return min(LONGEST, max(SHORTEST, min(waits, default=SHORTEST)))

    def take(self, allotted: Mapping[FlowKey, int]) -> Counter[int]:
        """Take the tokens for what is about to be claimed; how many by client."""
        paces = self._in_force()
        taken: Counter[int] = Counter()
        if paces:
            for (_, lane, client_id, *_), count in allotted.items():
                if client_id in paces and lane != Lane.OTP:
                    taken[client_id] += count
        for client_id, count in taken.items():
            self._rates.take_at_hand(client_id, RateKind.PACE, paces[client_id], count)
        return taken

    def put_back(self, taken: Counter[int], sent: Iterable[FlowKey]) -> None:
        """Give back the tokens of what was not sent; `sent` has a flow for each message."""
        if not taken:
            return
        paces = self._in_force()
        unused = taken - Counter(flow[2] for flow in sent if flow[1] != Lane.OTP)
        for client_id, count in unused.items():
            if client_id in paces:
                self._rates.allowance(client_id, RateKind.PACE, paces[client_id]).put_back(count)

    def _in_force(self) -> dict[int, Rate]:
        directory = self._directory.value
        if directory.version != self._version:
            self._version = directory.version
            self._paces = {
                client_id: pace_of(client.limits)
                for client_id, client in directory.clients.items()
                if client.limits.pace
            }
        return self._paces
