"""Traces are bounded in time, number and size, and leave nothing behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from payk.domain.access import Actor, PrincipalKind
from payk.domain.audit import AuditEntry
from payk.store import link_traces
from payk.store.audit import newest
from payk.store.link_states import tell_links
from payk.store.link_traces import (
    TRACES,
    TraceOf,
    begin_trace,
    end_trace,
    miss_of_trace,
    prune_traces,
    read_trace,
    write_trace,
)
from tests.store.scene import Scene

ONE = TraceOf(1, None, False, False)


async def begun(scene: Scene, **given: Any) -> int | None:
    wanted = {"seconds": 60, "by": "me"} | given
    return await begin_trace(scene.db, ONE, entry=recorded(ONE, "trace.begin"), **wanted)


def recorded(of: TraceOf, act: str = "trace.end") -> AuditEntry:
    return AuditEntry(Actor(PrincipalKind.LOCAL, "me"), act, "link", str(of.link_id))


async def run(scene: Scene, statement: str) -> None:
    async with scene.db.connection() as connection:
        await connection.execute(statement)


async def test_what_was_read_is_dropped(scene: Scene) -> None:
    trace_id = await begun(scene)
    assert trace_id is not None
    assert await write_trace(scene.db, trace_id, "[1]", 0) and await write_trace(scene.db, trace_id, "[2]", 3)
    first = await read_trace(scene.db, trace_id, 0)
    assert first is not None and (first.pieces, first.lost, first.goes_on, first.full) == (
        ("[1]", "[2]"),
        3,
        True,
        False,
    )
    second = await read_trace(scene.db, trace_id, first.last)
    assert second is not None and (second.pieces, second.last, second.goes_on) == ((), first.last, True)
    assert await scene.count("link_trace_piece") == 0
    assert await end_trace(scene.db, trace_id, "me", recorded)
    assert not await end_trace(scene.db, trace_id, "me", recorded)
    assert await read_trace(scene.db, trace_id, 0) is None


async def test_so_many_run_at_once(scene: Scene) -> None:
    ids = [await begun(scene) for _ in range(TRACES)]
    assert None not in ids and await begun(scene) is None
    assert ids[0] is not None
    await end_trace(scene.db, ids[0], "me", recorded)
    assert await begun(scene) is not None


async def test_so_many_run_where_more_begin_at_once_and_no_other_is_recorded(scene: Scene) -> None:
    ids = await asyncio.gather(*(begun(scene) for _ in range(3 * TRACES)))
    assert len([trace_id for trace_id in ids if trace_id is not None]) == TRACES
    assert len((await newest(scene.db, 100, act="trace.begin")).entries) == TRACES


async def test_its_time_ends_it(scene: Scene) -> None:
    trace_id = await begun(scene)
    assert trace_id is not None
    assert [trace.trace_id for trace in await tell_links(scene.db, 1, {})] == [trace_id]
    await write_trace(scene.db, trace_id, "[1]", 0)
    await run(scene, "update link_trace set ends_at = now() - interval '3 seconds'")
    assert await tell_links(scene.db, 1, {}) == []
    assert not await write_trace(scene.db, trace_id, "[2]", 0)
    page = await read_trace(scene.db, trace_id, 0)
    assert page is not None and (page.pieces, page.goes_on) == (("[1]",), True), "what is left is still read"
    last = await read_trace(scene.db, trace_id, page.last)
    assert last is not None and not last.goes_on


async def test_a_reader_that_is_gone_ends_it_and_nothing_is_left(scene: Scene) -> None:
    trace_id = await begun(scene)
    assert trace_id is not None
    await write_trace(scene.db, trace_id, "[1]", 0)
    await run(scene, "update link_trace set read_at = now() - interval '16 seconds'")
    assert await tell_links(scene.db, 1, {}) == []
    assert await prune_traces(scene.db) == 0
    await run(scene, "update link_trace set read_at = now() - interval '61 seconds'")
    assert await prune_traces(scene.db) == 1
    assert await scene.count("link_trace") == await scene.count("link_trace_piece") == 0


async def test_its_size_ends_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_traces, "TRACE_SIZE", 10)
    monkeypatch.setattr("payk.store.link_states.TRACE_SIZE", 10)
    trace_id = await begun(scene)
    assert trace_id is not None
    assert await write_trace(scene.db, trace_id, "[1,2,3,4,5]", 0)
    assert not await write_trace(scene.db, trace_id, "[6]", 0)
    assert await tell_links(scene.db, 1, {}) == []
    page = await read_trace(scene.db, trace_id, 0)
    assert page is not None and page.full and page.pieces == ("[1,2,3,4,5]",)
    await miss_of_trace(scene.db, trace_id, 3)
    page = await read_trace(scene.db, trace_id, page.last)
    assert page is not None and page.lost == 3, "what came too late is told all the same"
