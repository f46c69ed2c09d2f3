"""How operators stand, judged from what processes tell of their links, and each change of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from payk.domain.health import Receipts, Results, Standing, judge, state_name
from payk.store.database import Database
from payk.store.queries import sql

__all__ = ["OperatorHealth", "OperatorShift", "look", "operator_health", "operator_shifts", "sick_operators"]


@dataclass(frozen=True, slots=True)
class OperatorHealth:
    """How an operator stands. Times are UTC."""

    operator: str
    state: str
    """healthy or sick."""
    reason: str
    """Of the last shift."""
    since: datetime | None
    probed_until: datetime | None
    """It returns no earlier; None while it is healthy."""
    watched: bool
    """False: its key `health` is false."""


@dataclass(frozen=True, slots=True)
class OperatorShift:
    """An operator fell sick, or returned. `at` is UTC."""

    operator: str
    at: datetime
    from_state: str
    to_state: str
    reason: str
    figures: Mapping[str, int]
    """Of the 30 seconds before: good, failed and clients; where receipts are looked at, receipts_due and
    receipts_in_time, of five minutes."""


async def look(db: Database) -> list[OperatorShift]:
    """Judge every operator once; returns what changed, which is recorded."""
    shifts = []
    async with db.transaction(5.0) as connection:
        await connection.execute(sql("health.begin"))
        standings = await connection.fetch(sql("health.standings"))
        results: dict[int, dict[int, Results]] = defaultdict(dict)
        for row in await connection.fetch(sql("health.results")):
            results[row["operator_id"]][row["client_id"]] = Results(row["good"], row["failed"])
        receipts = {row[0]: (row[1], row[2]) for row in await connection.fetch(sql("health.receipts"))}
        for row in standings:
            before = Standing(row["since"], row["sick"], row["reason"], row["trouble"], row["pause"])
            of_it = results[row["operator_id"]]
            taken, in_time = receipts.get(row["operator_id"], (0, 0))
            of_receipts = Receipts(taken, in_time, row["wanted"], row["delay"])
            after = judge(before, of_it, row["refused"], row["now"], watched=row["watched"], receipts=of_receipts)
            if after == before:
                continue
            await connection.execute(
                sql("health.put"),
                row["operator_id"],
                before.sick,
                after.sick,
                after.reason,
                after.since,
                after.trouble,
                after.pause,
            )
            if after.sick is not before.sick:
                figures = {
                    "good": sum(each.good for each in of_it.values()),
                    "failed": sum(each.failed for each in of_it.values()),
                    "clients": len(of_it),
                    **({"receipts_due": taken, "receipts_in_time": in_time} if row["wanted"] else {}),
                }
                states = state_name(before.sick), state_name(after.sick)
                await connection.execute(
                    sql("health.shift"), row["operator_id"], *states, after.reason, json.dumps(figures)
                )
                shifts.append(OperatorShift(row["name"], row["now"], *states, after.reason, figures))
    return shifts


async def sick_operators(db: Database) -> frozenset[int]:
    """Their operator_ids."""
    async with db.connection(timeout=2.0) as connection:
        return frozenset(row[0] for row in await connection.fetch(sql("health.sick")))


async def operator_health(db: Database) -> list[OperatorHealth]:
    """How every operator stands, by name."""
    async with db.connection() as connection:
        rows = await connection.fetch(sql("health.shown"))
    return [
        OperatorHealth(
            row["operator"],
            state_name(row["sick"]),
            row["reason"],
            row["since"],
            row["probed_until"],
            row["watched"],
        )
        for row in rows
    ]


async def operator_shifts(db: Database, operator: str | None = None, limit: int = 100) -> list[OperatorShift]:
    """The last changes of one operator, or of all; the newest first."""
    async with db.connection() as connection:
        rows = await connection.fetch(sql("health.shifts"), operator, limit)
    return [
        OperatorShift(
            row["operator"], row["at"], row["from_state"], row["to_state"], row["reason"], json.loads(row["figures"])
        )
        for row in rows
    ]
