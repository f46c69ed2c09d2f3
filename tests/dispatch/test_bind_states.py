"""How the binds of a process stand, as others see it: the wait for an operator is a state, told with its reason."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path

from payk.store.census import live_processes
from payk.store.database import Database
from tests.dispatch.centre import Centre, Operator, configure, running_centre, running_operator


async def states(centre: Centre) -> Counter[tuple[str, bool, str | None, str | None]]:
    """Link, whether it is bound, what it waits for and its last error, of every bind of the one live process."""
    [process] = await live_processes(centre.db)
    names = {link.link_id: link.name for link in centre.directory.value.links().values()}
    return Counter(
        (names[bind.link_id], bind.bound_at is not None, bind.waiting_for, bind.last_error) for bind in process.binds
    )


async def become(centre: Centre, expected: dict[tuple[str, bool, str | None, str | None], int]) -> None:
    """Until they are these."""
    async with asyncio.timeout(30):
        while (found := await states(centre)) != expected:
            await asyncio.sleep(0.02)
    assert found == expected


async def test_every_bind_has_a_state(database: Database, operator: Operator, tmp_path: Path) -> None:
    async with running_operator(tmp_path, "full", max_binds=1) as full:
        links = [{"port": full.port, "binds": 2}, {"name": "nowhere", "port": 9}]
        await configure(database, {"tcell": links, "hub": {"port": operator.port}})
        async with running_centre(database) as centre:
            await become(
                centre,
                {
                    ("tcell-1", True, None, None): 1,
                    ("tcell-1", False, "operator to free the bind", "ESME_RALYBND"): 1,
                    ("nowhere", False, "operator to be reachable", "Connection refused"): 1,
                    ("hub-1", True, None, None): 1,
                },
            )
            [process] = await live_processes(database)
            assert (process.incarnation, process.pid) == (centre.incarnation.number, os.getpid())
            assert process.roles == ("dispatch", "maintenance")
            assert process.duties
    assert await live_processes(database) == []


async def test_a_state_is_told_when_it_changes(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path) as before:
        port = before.port
    await configure(database, {"tcell": {"port": port}})
    async with running_centre(database) as centre:
        await become(centre, {("tcell-1", False, "operator to be reachable", "Connection refused"): 1})
        async with running_operator(tmp_path, port=port):
            await become(centre, {("tcell-1", True, None, "Connection refused"): 1})
