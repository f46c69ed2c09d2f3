"""What became of messages lately, by link and client, and which operators are sick: told, and followed."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable

from payk.clock import Clock
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.health import RECEIPT_DELAY_MAX, RECEIPTS_OVER, RESULTS_OVER
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.health import sick_operators

__all__ = ["ReceiptTally", "ResultTally", "SickOperators"]

ROUND = 0.5
"""Seconds between two looks at which operators are sick."""
PROBE_EVERY = 1.0
"""Seconds between two messages of this process that probe a sick operator."""
CLIENTS_TOLD = 50
"""Clients of a link that are told apart, those with the most results; the others together are client 0."""


class ResultTally:
    """Counts by the second, over the last 30."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seconds: deque[tuple[int, Counter[tuple[int, int, bool]]]] = deque([(-1, Counter())], maxlen=RESULTS_OVER)

    def count(self, link_id: int, client_id: int, failed: bool) -> None:
        """A message was taken, or failed by the operator's own fault."""
        second = int(self._clock.monotonic())
        if self._seconds[-1][0] != second:
            self._seconds.append((second, Counter()))
        self._seconds[-1][1][link_id, client_id, failed] += 1

    def by_link(self) -> dict[int, dict[str, list[int]]]:
        """link_id -> client_id as text -> [good, failed]."""
        since = int(self._clock.monotonic()) - RESULTS_OVER
        found: dict[int, dict[int, list[int]]] = {}
        for second, counts in self._seconds:
            if second > since:
                for (link_id, client_id, failed), count in counts.items():
                    found.setdefault(link_id, {}).setdefault(client_id, [0, 0])[failed] += count
        return {link_id: _most(clients) for link_id, clients in found.items()}


class ReceiptTally:
    """Counts by the second in which messages were submitted, over the last minutes, of operators whose receipts are
    looked at."""

    def __init__(self, clock: Clock, directory: CurrentDirectory) -> None:
        self._clock = clock
        self._directory = directory
        self._known_for: Directory | None = None
        self._delays: dict[int, int] = {}
        self._seconds: dict[int, dict[int, list[int]]] = {}

    def _delay_of(self, link_id: int) -> int | None:
        """Seconds within which its receipts are in time; None where they are not looked at."""
        directory = self._directory.value
        if directory is not self._known_for:
            self._known_for = directory
            self._delays = {
                link.link_id: operator.health_delay
                for operator in directory.operators.values()
                if operator.health and operator.health_receipts
                for link in operator.links
            }
        return self._delays.get(link_id)

    def taken(self, link_id: int) -> None:
        """A message of one part was taken just now."""
        if self._delay_of(link_id) is not None:
            self._count(link_id, int(self._clock.monotonic()), 0)

    def received(self, link_id: int, ages: Iterable[float]) -> None:
        """Final receipts came so many seconds after the submits."""
        delay = self._delay_of(link_id)
        if delay is not None:
            now = self._clock.monotonic()
            for age in ages:
                if age <= delay:
                    self._count(link_id, int(now - age), 1)

    def _count(self, link_id: int, second: int, which: int) -> None:
        self._seconds.setdefault(second, {}).setdefault(link_id, [0, 0])[which] += 1

    def by_link(self) -> dict[int, list[int]]:
        """link_id -> [taken before the last `health_delay` seconds, those whose receipt came within it]."""
        now = int(self._clock.monotonic())
        found: dict[int, list[int]] = {}
        for second in [*self._seconds]:
            if second < now - RECEIPTS_OVER - RECEIPT_DELAY_MAX:
                del self._seconds[second]
                continue
            for link_id, counts in self._seconds[second].items():
                delay = self._delay_of(link_id)
                if delay is not None and now - delay - RECEIPTS_OVER <= second < now - delay:
                    total = found.setdefault(link_id, [0, 0])
                    total[0] += counts[0]
                    total[1] += counts[1]
        return found


def _most(clients: dict[int, list[int]]) -> dict[str, list[int]]:
    ordered = sorted(clients.items(), key=lambda item: -sum(item[1]))
    told = {str(client_id): counts for client_id, counts in ordered[:CLIENTS_TOLD]}
    rest = [counts for _, counts in ordered[CLIENTS_TOLD:]]
    if rest:
        told["0"] = [sum(counts[0] for counts in rest), sum(counts[1] for counts in rest)]
    return told


class SickOperators:
    """Follows which operators are sick; the last that is known stays in force while the database is away."""

    def __init__(self, db: Database, clock: Clock, wake: Callable[[], None]) -> None:
        self._db = db
        self._clock = clock
        self._wake = wake
        self._next_probe: dict[int, float] = {}
        self.now: frozenset[int] = frozenset()
        """Their operator_ids."""

    async def run(self) -> None:
        """Follow until cancelled. While any is sick pumps are woken, for a probe may be due."""
        while True:
            try:
                sick = await sick_operators(self._db)
            except StoreError:
                sick = self.now
            if sick or sick != self.now:
                self.now = sick
                self._wake()
            await asyncio.sleep(ROUND)

    def probe_due(self, operator_id: int) -> bool:
        """Whether a message may be spent on finding out how it is."""
        return operator_id in self.now and self._clock.monotonic() >= self._next_probe.get(operator_id, 0.0)

    def probing(self, operator_id: int) -> None:
        """One is spent."""
        self._next_probe[operator_id] = self._clock.monotonic() + PROBE_EVERY
