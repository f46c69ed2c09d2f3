"""What is told of the whole centre, found out every few seconds by the one process that holds the duty: so it is told
once, and never asked for by a scrape."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from payk.clock import Clock
from payk.domain.directory import CurrentDirectory
from payk.domain.message import Lane
from payk.domain.operator import Operator
from payk.domain.quota import MONEY_UNIT
from payk.metrics.catalogue import (
    CENTRE_DATABASE_BYTES,
    CENTRE_IDS_USED,
    CENTRE_LINK_BINDS,
    CENTRE_LOW_BALANCES,
    CENTRE_OPERATOR_SICK,
    CENTRE_PARKED,
    CENTRE_PARTITION_IDS,
    CENTRE_PARTITION_SECONDS,
    CENTRE_PROCESSES,
    CENTRE_QUEUE_MESSAGES,
    CENTRE_QUEUE_OLDEST,
    CENTRE_REPORT_DIFFERENCES,
)
from payk.metrics.family import Labels, Readings
from payk.store.census import live_processes
from payk.store.database import Database
from payk.store.figures import room
from payk.store.health import operator_health
from payk.store.parked import parked_counts
from payk.store.queues import Depth, flows_to_go, oldest_to_go, queue_depths

__all__ = ["CentreFigures"]

FRESH = 60.0
"""Seconds after which what was found out is told no more: another process does the duty by then."""


class CentreFigures:
    """`low_balance` in currency units."""

    def __init__(self, db: Database, directory: CurrentDirectory, clock: Clock, low_balance: int) -> None:
        self._db = db
        self._directory = directory
        self._clock = clock
        self._low_balance = low_balance
        self._found: Readings = {}
        self._found_at = float("-inf")

    @property
    def readings(self) -> Readings:
        """What was found out last; nothing, if that is long ago."""
        return self._found if self._clock.monotonic() - self._found_at < FRESH else {}

    async def run_once(self) -> int:
        """Find out. Returns 0: nothing is left to do."""
        directory = self._directory.value
        prepaid = [client.client_id for client in directory.clients.values() if client.limits.prepaid]
        left = await room(self._db, prepaid, self._low_balance * MONEY_UNIT)
        flows = await flows_to_go(self._db, directory)
        depths = await queue_depths(self._db, flows)
        health = await operator_health(self._db)
        parked: dict[Labels, float] = {(each.name,): 0 for each in directory.operators.values()}
        parked |= {(found.operator,): found.count for found in await parked_counts(self._db)}
        roles = Counter(role for process in await live_processes(self._db) for role in process.roles)
        self._found = {
            CENTRE_QUEUE_MESSAGES: _messages(depths, directory.operators.values()),
            CENTRE_QUEUE_OLDEST: _oldest(await oldest_to_go(self._db, directory, flows), depths),
            CENTRE_PARKED: parked,
            CENTRE_OPERATOR_SICK: {(found.operator,): found.state == "sick" for found in health},
            CENTRE_LINK_BINDS: {
                (directory.operators[link.operator_id].name, link.name): link.binds
                for link in directory.links().values()
            },
            CENTRE_PROCESSES: {(role,): count for role, count in roles.items()},
            CENTRE_IDS_USED: {(): left.ids_used},
            CENTRE_PARTITION_IDS: {(table,): ahead for table, ahead in left.partition_ids.items()},
            CENTRE_PARTITION_SECONDS: {(table,): ahead for table, ahead in left.partition_seconds.items()},
            CENTRE_LOW_BALANCES: {(): left.low_balances},
            CENTRE_REPORT_DIFFERENCES: {(): left.report_differences},
            CENTRE_DATABASE_BYTES: {(): left.database_bytes},
        }
        self._found_at = self._clock.monotonic()
        return 0


def _messages(depths: list[Depth], operators: Iterable[Operator]) -> dict[Labels, float]:
    found: dict[Labels, float] = defaultdict(int)
    found |= {(each.name, lane.name.lower(), "waiting"): 0 for each in operators for lane in Lane}
    for depth in depths:
        place = _place(depth)
        for state, count in (("waiting", depth.waiting), ("in_flight", depth.in_flight), ("staged", depth.staged)):
            found[*place, state] += count
    return found


def _oldest(ages: Mapping[tuple[int, Lane], float], depths: list[Depth]) -> dict[Labels, float]:
    found: dict[Labels, float] = {}
    for depth in depths:
        age = ages.get((depth.queue_id, depth.lane))
        if age is not None:
            found[_place(depth)] = max(found.get(_place(depth), 0.0), age)
    return found


def _place(depth: Depth) -> Labels:
    return depth.operators[0] if depth.operators else "none", depth.lane.name.lower()
