"""A trace that nobody reads, and that becomes too much, holds up no message."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from payk.dispatch import tracing
from payk.domain.access import Actor, PrincipalKind
from payk.domain.audit import AuditEntry
from payk.domain.message import MessageState
from payk.sealing.texts import MARK
from payk.store.database import Database
from payk.store.link_traces import TraceOf, begin_trace
from tests.dispatch.centre import TEXTS, Centre, accept, configure, running_centre, running_operator

NUMBERS = [f"99290000{number:04d}" for number in range(300)]


async def begun(database: Database, centre: Centre) -> int:
    """A trace of the only link, in force: its first piece is there."""
    link = next(iter(centre.dispatcher.links.values()))
    entry = AuditEntry(Actor(PrincipalKind.LOCAL, "me"), "trace.begin", "link", str(link.link_id))
    given = await begin_trace(database, TraceOf(link.link_id, None, False, False), seconds=60, by="me", entry=entry)
    async with asyncio.timeout(30):
        while not await centre.value("select exists (select from link_trace_piece)"):
            await accept(database, "992900900900")
            await asyncio.sleep(0.2)
    return given


async def test_nobody_reads(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "PENDING", 20_000)
    async with running_operator(tmp_path) as operator:
        await configure(database, {"tcell": {"port": operator.port}})
        async with running_centre(database) as centre:
            await centre.bound(1)
            given = await begun(database, centre)
            await accept(database, *NUMBERS)
            await centre.all_become(MessageState.DELIVERED)
            await centre.wait_for("select lost > 0 from link_trace where trace_id = $1", given)
            pieces = await centre.value("select array_agg(records) from link_trace_piece")
    assert all(piece.startswith(MARK) for piece in pieces), "sealed, for there may be texts of Otp in it"
    opened = [TEXTS.open(piece, f"trace {given}") for piece in pieces]
    kept = [record for piece in opened for record in json.loads(piece)]
    assert kept and all(len(piece) <= 20_000 + 300 for piece in opened)
    assert {record[1] for record in kept} == {"tcell-1"}


async def test_what_the_database_did_not_take_is_counted(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path) as operator:
        await configure(database, {"tcell": {"port": operator.port}})
        async with running_centre(database) as centre:
            await centre.bound(1)
            given = await begun(database, centre)
            await centre.all_become(MessageState.DELIVERED)
            async with database.connection() as connection:
                await connection.execute("alter table link_trace_piece add constraint refused check (false) not valid")
            with capture_logs() as lines:
                await accept(database, *NUMBERS[:3])
                await centre.all_become(MessageState.DELIVERED)
                await asyncio.sleep(4 * tracing.PERIOD)  # in which the last answers are tried too
            assert "a part of a trace could not be kept" in {line["event"] for line in lines}
            async with database.connection() as connection:
                await connection.execute("alter table link_trace_piece drop constraint refused")
            await centre.wait_for("select lost >= 12 from link_trace where trace_id = $1", given)
