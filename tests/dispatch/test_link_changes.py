"""The registry changes while messages flow: links follow, nothing is lost and nothing is sent twice.

The operator takes one bind of the account at a time: a link that binds anew before it has unbound is locked out for a
minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from payk.domain.message import MessageState
from payk.store.database import Database
from tests.dispatch.centre import Centre, Operator, accept, configure, running_centre, running_operator

S = MessageState
PHONES = [f"9929{number:08}" for number in range(200)]


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    async with running_operator(tmp_path, max_binds=1, latency=30) as operator:
        yield operator


async def settings_are(centre: Centre, **settings: Any) -> None:
    """Wait until the one link runs with these."""
    async with asyncio.timeout(30):
        while True:
            links = list(centre.dispatcher.links.values())
            if links and all(getattr(links[0].settings, key) == value for key, value in settings.items()):
                return
            await asyncio.sleep(0.02)


async def test_changes_amid_traffic(database: Database, operator: Operator) -> None:
    link: dict[str, Any] = {"port": operator.port, "window": 5, "rate": 100}
    await configure(database, {"tcell": link})
    async with running_centre(database) as centre:
        await accept(database, *PHONES)
        for number, change in enumerate(({"window": 10}, {"rate": 200}, {"window": 3, "rate": 0}, {"window": 50}), 1):
            await operator.record.wait_for(20 * number)
            link |= change
            await configure(database, {"tcell": link})
            await settings_are(centre, **change)
        await centre.all_become(S.DELIVERED)
        async with database.connection() as connection:
            assert await connection.fetchval("select count(*) from uncertain_part") == 0
            assert await connection.fetchval("select count(*) from waiting") == 0
    assert await operator.times_submitted() == dict.fromkeys(PHONES, 1)


async def test_a_link_that_is_switched_off_leaves_and_comes_back(database: Database, operator: Operator) -> None:
    link: dict[str, Any] = {"port": operator.port, "window": 5}
    await configure(database, {"tcell": link})
    async with running_centre(database) as centre:
        await accept(database, *PHONES)
        await operator.record.wait_for(20)
        await configure(database, {"tcell": link | {"enabled": False}})
        await centre.wait_for("select count(*) = 0 from bind_lease")
        assert dict(centre.dispatcher.links) == {}
        sent = len(await operator.submits())
        async with database.connection() as connection:
            waiting = "select count(*) filter (where claimed_by is null), count(*) from waiting"
            assert tuple(await connection.fetchrow(waiting)) == (len(PHONES) - sent,) * 2
        await configure(database, {"tcell": link | {"enabled": True, "window": 50}})
        await centre.all_become(S.DELIVERED)
    assert await operator.times_submitted() == dict.fromkeys(PHONES, 1)


async def test_a_link_that_is_taken_away_is_left_before_the_whole_is_loaded(
    database: Database, operator: Operator
) -> None:
    await configure(database, {"tcell": {"port": operator.port}})
    async with running_centre(database) as centre:
        await centre.bound()
        known = centre.directory.value
        operators = {number: replace(found, enabled=False) for number, found in known.operators.items()}
        centre.directory.value = replace(known, operators=operators)  # at the same version, as payk.registry.taken does
        await centre.wait_for("select count(*) = 0 from bind_lease")


async def test_a_changed_rate_is_kept(database: Database, operator: Operator) -> None:
    link: dict[str, Any] = {"port": operator.port, "rate": 10}
    await configure(database, {"tcell": link})
    async with running_centre(database) as centre:
        await accept(database, *PHONES)
        await operator.record.wait_for(3)
        await configure(database, {"tcell": link | {"rate": 50}})
        await settings_are(centre, rate=50)
        started = len(await operator.submits())
        lines = (await operator.record.wait_for(started + 25))[started:]
    assert 0.35 < lines[24]["at"] - lines[0]["at"] < 1.0  # 24 at 50 a second


async def test_a_password_that_was_wrong_is_mended(database: Database, operator: Operator) -> None:
    await configure(database, {"tcell": {"port": operator.port}})
    async with database.connection() as connection:
        await connection.execute("update link set password = 'sealed under another key'")
    async with running_centre(database) as centre:
        await accept(database, *PHONES[:5])
        await asyncio.sleep(0.3)
        assert dict(centre.dispatcher.links) == {}
        await configure(database, {"tcell": {"port": operator.port, "password": "payk", "window": 7}})
        await centre.all_become(S.DELIVERED)


async def test_an_operator_that_is_new_needs_no_restart(database: Database, operator: Operator) -> None:
    async with running_centre(database) as centre:
        await configure(database, {"tcell": {"port": operator.port}})
        await accept(database, *PHONES[:5])
        await centre.all_become(S.DELIVERED)
