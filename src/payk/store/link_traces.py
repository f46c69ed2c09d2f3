"""Traces of links: what somebody wants to see of the wire for a limited time, and what the processes that hold the
links saw. The answer to `link_states.tell_links` says what is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass

from payk.store.database import Database
from payk.store.queries import sql

__all__ = [
    "TRACES",
    "TRACE_SIZE",
    "TracePage",
    "WantedTrace",
    "begin_trace",
    "end_trace",
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
class TracePage:
    """What was seen since the page before."""

    texts: bool
    numbers: bool
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


async def begin_trace(
    db: Database, *, link_id: int | None, number: str | None, texts: bool, numbers: bool, seconds: float
) -> int | None:
    """Its id; None where as many run as may."""
    async with db.connection() as connection:
        found = await connection.fetchval(
            sql("link_traces.begin"), link_id, number, texts, numbers, float(seconds), TRACES
        )
    return None if found is None else int(found)


async def write_trace(db: Database, trace_id: int, records: str, lost: int) -> bool:
    """Keep what was seen, a sealed JSON array ("" = nothing), and how many PDUs were not; False where it is over."""
    async with db.connection(timeout=5.0) as connection:
        return bool(await connection.fetchval(sql("link_traces.write"), trace_id, records, lost, TRACE_SIZE))


async def read_trace(db: Database, trace_id: int, after: int) -> TracePage | None:
    """What came after piece `after`; None where there is no such trace."""
    async with db.connection() as connection:
        rows = await connection.fetch(sql("link_traces.read"), trace_id, after, PIECES, TRACE_SIZE)
    if not rows:
        return None
    texts, numbers, lost, full, goes_on, *_ = rows[0]
    pieces = [(row["piece"], row["records"]) for row in rows if row["piece"] is not None]
    last = pieces[-1][0] if pieces else after
    return TracePage(texts, numbers, lost, full, goes_on or bool(pieces), last, tuple(records for _, records in pieces))


async def end_trace(db: Database, trace_id: int) -> bool:
    """End it and drop what was kept; whether there was one."""
    async with db.connection() as connection:
        return await connection.fetchval(sql("link_traces.end"), trace_id) is not None


async def prune_traces(db: Database) -> int:
    """Drop those that ended or that nobody reads; returns how many."""
    async with db.connection() as connection:
        return len(await connection.fetch(sql("link_traces.prune")))
