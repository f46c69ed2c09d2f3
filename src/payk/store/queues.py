"""How much waits where, and since when: exact where little waits, in bounded time where ten million messages do."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from payk.domain.directory import Directory
from payk.domain.message import Lane
from payk.store.claims import LABELS_SHOWN, present_flows
from payk.store.database import Database
from payk.store.queries import sql
from payk.store.wakeups import Flow

__all__ = ["Depth", "flows_to_go", "oldest_to_go", "queue_depths"]

EXACT: Final = 10_000
"""Messages of a client in a lane of a queue that are counted; more are estimated."""
SAMPLE: Final = 200_000
"""Rows that an estimate looks at, about: one of a tenth of the whole is right within 2 %, of a hundredth within 10 %,
unless what was accepted together lies together."""


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits of one client in one lane for one ordered list of operators."""

    operators: tuple[str, ...]
    lane: Lane
    client: str
    client_id: int
    queue_id: int
    waiting: int
    """Ready to be sent, held ones among them. Exact up to EXACT, and with `estimated` not."""
    estimated: bool
    oldest_age: float | None
    """Seconds since the oldest of these could be sent, of the first 200 labels; None where none waits."""
    in_flight: int
    """Claimed: on their way to an operator."""
    staged: int
    """For later: scheduled, or to be tried again. Exact while no more than SAMPLE are staged in all."""
    next_due: datetime | None


@dataclass(slots=True)
class _Group:
    waiting: int = 0
    estimated: bool = False
    oldest: int | None = None
    in_flight: int = 0
    staged: int = 0
    next_due: datetime | None = None


async def queue_depths(db: Database, flows: Mapping[Flow, int] | None = None) -> list[Depth]:
    """Everything that waits, the fullest first. Looks at as many rows whatever waits: 0.12 s with 2 million messages of
    ten clients. `flows`: as present_flows found them, where somebody has just looked."""
    groups: dict[tuple[int, int, int], _Group] = defaultdict(_Group)
    flows = await present_flows(db) if flows is None else flows
    async with db.connection(timeout=60.0) as connection:
        size = await connection.fetchrow(sql("queues.size"))
        assert size is not None  # it is one row whatever there is
        for *key, count, oldest in await connection.fetch(sql("queues.depths"), EXACT):
            group = groups[tuple(key)]
            group.waiting, group.estimated, group.oldest = count, count >= EXACT, oldest
        if any(group.estimated for group in groups.values()):
            percent = _percent(size["waiting"])
            for *key, count in await connection.fetch(sql("queues.sampled_depths"), percent):
                group = groups[tuple(key)]
                if group.estimated:
                    group.waiting = max(EXACT, round(count * 100 / percent))
                    group.estimated = percent < 100
        for flow, lowest in flows.items():
            group = groups[flow.queue_id, flow.lane, flow.client_id]
            group.oldest = lowest if group.oldest is None else min(group.oldest, lowest)
        for *key, count in await connection.fetch(sql("queues.claimed")):
            groups[tuple(key)].in_flight = count
        percent = _percent(size["staged"])
        for *key, count, next_due in await connection.fetch(sql("queues.staged"), percent):
            group = groups[tuple(key)]
            group.staged, group.next_due = round(count * 100 / percent), next_due
        oldest = [group.oldest for group in groups.values() if group.oldest is not None]
        ages = {row[0]: row[1] for row in await connection.fetch(sql("queues.ages"), oldest)}
        names = await connection.fetchrow(sql("queues.names"), sorted({key[2] for key in groups}))
    assert names is not None  # it is one row whatever there is
    operators, clients = json.loads(names["queues"] or "{}"), json.loads(names["clients"] or "{}")
    found = [
        Depth(
            tuple(operators[str(queue_id)] or ()),
            Lane(lane),
            clients.get(str(client_id), f"client {client_id}"),
            client_id,
            queue_id,
            group.waiting,
            group.estimated,
            None if group.oldest is None else ages.get(group.oldest),
            group.in_flight,
            group.staged,
            group.next_due,
        )
        for (queue_id, lane, client_id), group in groups.items()
    ]
    return sorted(found, key=lambda depth: (-depth.waiting - depth.staged, depth.operators, depth.lane, depth.client))


async def flows_to_go(db: Database, directory: Directory) -> dict[Flow, int]:
    """As present_flows: of a client's labels 200 besides those that are held."""
    return await present_flows(db, LABELS_SHOWN + directory.holds.labels)


async def oldest_to_go(db: Database, directory: Directory, flows: Mapping[Flow, int]) -> dict[tuple[int, Lane], float]:
    """By queue_id and lane: for how many seconds the oldest message could have been sent by now that is ready and that
    people do not keep back; `flows` as flows_to_go found them.
    """
    to_go = {
        lowest: (flow.queue_id, Lane(flow.lane))
        for flow, lowest in flows.items()
        if not directory.keeps_back(flow.client_id, flow.lane, flow.label_key, flow.queue_id)
    }
    async with db.connection(timeout=60.0) as connection:
        rows = await connection.fetch(sql("queues.ages"), list(to_go))
    oldest: dict[tuple[int, Lane], float] = {}
    for message_id, age in rows:
        place = to_go[message_id]
        oldest[place] = max(oldest.get(place, 0.0), age)
    return oldest


def _percent(rows: float) -> float:
    return 100.0 if rows <= SAMPLE else 100.0 * SAMPLE / rows
