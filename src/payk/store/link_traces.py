"""Traces of links: what somebody wants to see of the wire for a limited time, and what the processes that hold the
links saw. The answer to `link_states.tell_links` says what is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from payk.domain.audit import AuditEntry
from payk.store import audit
from payk.store.database import Database
from payk.store.queries import sql

__all__ = [
    "TRACES",
    "TRACE_SIZE",
    "TraceOf",
    "TracePage",
    "WantedTrace",
    "begin_trace",
    "end_trace",
    "look_at_trace",
    "miss_of_trace",
    "note_reading",
    "prune_traces",
    "read_trace",
    "sealed_as",
    "write_trace",
]

TRACES = 4
"""That run at the same time."""
TRACE_SIZE = 64 * 1024 * 1024
"""Characters of what is kept of one; then it ends."""
PIECES = 8
"""Of a page."""


@dataclass(frozen=True, slots=True)
class WantedTrace:
    """A trace that runs."""

    trace_id: int
    link_id: int | None
    """None = every link."""
    number: str | None
    """Digits; None = whatever number."""
    texts: bool
    """Whether texts are shown."""
    numbers: bool
    """Whether numbers are shown whole."""
    seconds: float
    """Until its end."""


@dataclass(frozen=True, slots=True)
class TraceOf:
    """What a trace is of, and what it shows."""

    link_id: int | None
    """None = every link."""
    number: str | None
    texts: bool
    numbers: bool


@dataclass(frozen=True, slots=True)
class TracePage:
    """What was seen since the page before."""

    lost: int
    """PDUs that were not kept so far: the database was slow, or it was too much."""
    full: bool
    """It ended because of its size."""
    goes_on: bool
    """Whether more may come."""
    last: int
    """To be given as `after` next: what was read is dropped then."""
    pieces: tuple[str, ...]
    """JSON arrays of what dispatchers saw (payk.dispatch.tracing), sealed."""


def sealed_as(trace_id: int) -> str:
    """What a piece is sealed with, as a text is with its number (payk.sealing)."""
    return f"trace {trace_id}"


async def begin_trace(db: Database, of: TraceOf, *, seconds: float, by: str, entry: AuditEntry) -> int | None:
    """Its id; None where as many run as may. `by`: who begins it, as the readers of all traces are named. `entry` is
    recorded where it begins."""
    async with db.transaction() as connection:
        await connection.execute(sql("link_traces.lock"))
        found = await connection.fetchval(
            sql("link_traces.begin"), of.link_id, of.number, of.texts, of.numbers, float(seconds), TRACES, by
        )
        if found is None:
            return None
        await audit.append(connection, [entry])
    return int(found)


async def write_trace(db: Database, trace_id: int, records: str, lost: int) -> bool:
    """Keep what was seen, a sealed JSON array ("" = nothing), and how many PDUs were not; False where it is over."""
    async with db.connection(timeout=5.0) as connection:
        return bool(await connection.fetchval(sql("link_traces.write"), trace_id, records, lost, TRACE_SIZE))


async def miss_of_trace(db: Database, trace_id: int, count: int) -> None:
    """So many PDUs were not kept, also where it is over."""
    async with db.connection(timeout=5.0) as connection:
        await connection.execute(sql("link_traces.missed"), trace_id, count)


async def look_at_trace(db: Database, trace_id: int) -> TraceOf | None:
    """What it is of, with nothing of it read; None where there is no such trace."""
    async with db.connection() as connection:
        row = await connection.fetchrow(sql("link_traces.look_at"), trace_id)
    return None if row is None else TraceOf(*row)


async def note_reading(db: Database, trace_id: int, by: str, entry: AuditEntry) -> None:
    """Record that `by` reads it, once, unless it is who began it."""
    async with db.transaction() as connection:
        if await connection.fetchval(sql("link_traces.seen_by"), trace_id, by) is not None:
            await audit.append(connection, [entry])


async def read_trace(db: Database, trace_id: int, after: int) -> TracePage | None:
    """What came after piece `after`; None where there is no such trace."""
    async with db.connection() as connection:
        rows = await connection.fetch(sql("link_traces.read"), trace_id, after, PIECES, TRACE_SIZE)
    if not rows:
        return None
    lost, full, goes_on, *_ = rows[0]
    pieces = [(row["piece"], row["records"]) for row in rows if row["piece"] is not None]
    last = pieces[-1][0] if pieces else after
    return TracePage(lost, full, goes_on or bool(pieces), last, tuple(records for _, records in pieces))


async def end_trace(db: Database, trace_id: int, by: str, entry_of: Callable[[TraceOf], AuditEntry]) -> bool:
    """End it and drop what was kept; whether there was one. Recorded where another than `by` began it."""
    async with db.transaction() as connection:
        row = await connection.fetchrow(sql("link_traces.end"), trace_id, by)
        if row is None:
            return False
        *of, of_another = row
        if of_another:
            await audit.append(connection, [entry_of(TraceOf(*of))])
    return True


async def prune_traces(db: Database) -> int:
    """Drop those that ended or that nobody reads; returns how many."""
    async with db.connection() as connection:
        return len(await connection.fetch(sql("link_traces.prune")))
