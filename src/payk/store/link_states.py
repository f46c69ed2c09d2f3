"""How links stand from second to second: told by the processes that hold them, for those who look from outside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from payk.store.database import Database
from payk.store.link_traces import TRACE_SIZE, WantedTrace
from payk.store.queries import sql

__all__ = ["BindState", "LinkState", "link_states", "tell_links"]


@dataclass(frozen=True, slots=True)
class BindState:
    """One bind of a link. Times are UTC."""

    number: int
    bound_at: datetime | None
    """None while it is not bound."""
    in_flight: int
    """Submits that wait for their answer."""
    waiting_for: str | None
    """What keeps it from being bound."""
    last_error: str | None
    last_error_at: datetime | None


@dataclass(frozen=True, slots=True)
class LinkState:
    """A link as one process holds it. Rates are submit_sm a second, None = without limit; latencies seconds, None =
    none were seen."""

    incarnation: int
    link: str
    operator: str
    told_ago: float
    """Seconds since the process told of it: once a second while it runs and the database answers."""
    draining: bool
    """Nothing new is given to it, or to its operator."""
    window: int
    """Submits that may wait for their answer, per bind."""
    rate: float | None
    """At which it submits now."""
    contract_rate: float | None
    """This process's share of the link's own."""
    throttled: bool
    """The operator takes less than that."""
    resumes_in: float | None
    """Seconds that it pauses; None if it does not."""
    congestion_state: int | None
    submit_rate: float
    """submit_sm a second over the last 10 s."""
    receipt_rate: float
    submit_latency: Mapping[str, float | None]
    """median and p99 of the last minute."""
    receipt_latency: Mapping[str, float | None]
    refusals: Mapping[str, int]
    """By kind, of the last 5 minutes."""
    binds: tuple[BindState, ...]


async def tell_links(db: Database, incarnation: int, states: Mapping[int, Mapping[str, Any]]) -> list[WantedTrace]:
    """Say how the links of this process stand, by link_id, in what JSON can hold: one statement for all of them.

    Returns the traces that run.
    """
    numbers = sorted(states)
    told = [json.dumps(states[number]) for number in numbers]
    async with db.connection(timeout=2.0) as connection:
        rows = await connection.fetch(sql("link_states.tell"), incarnation, numbers, told, TRACE_SIZE)
    return [WantedTrace(*row) for row in rows]


async def link_states(db: Database) -> list[LinkState]:
    """Every link that a living process holds, by name."""
    async with db.connection() as connection:
        rows = await connection.fetch(sql("link_states.told"))
    found = []
    for row in rows:
        state = json.loads(row["state"])
        state.pop("results", None)  # of these store.health makes its verdict
        state.pop("receipts_in_time", None)
        bound_at = dict(zip(row["numbers"], row["bound_at"], strict=True))
        binds = tuple(_bind(bind, bound_at, row["told_at"]) for bind in state.pop("binds"))
        found.append(
            LinkState(
                incarnation=row["incarnation"],
                link=row["link"],
                operator=row["operator"],
                told_ago=row["age"],
                draining=row["draining"],
                binds=binds,
                **state,
            )
        )
    return found


def _bind(told: Mapping[str, Any], bound_at: Mapping[int, datetime | None], told_at: datetime) -> BindState:
    age = told["last_error_age"]
    return BindState(
        told["number"],
        bound_at.get(told["number"]),
        told["in_flight"],
        told["waiting_for"],
        told["last_error"],
        None if age is None else told_at - timedelta(seconds=age),
    )
