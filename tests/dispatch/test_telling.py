"""How links stand is told by their processes once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from payk.domain.message import MessageState
from payk.registry.secrets import SecretBox
from payk.registry.traffic import drain
from payk.store.database import Database
from payk.store.link_states import LinkState, link_states
from tests.dispatch.centre import SECRET, Operator, accept, configure, running_centre, running_operator

PHONES = [f"9929{number:08}" for number in range(300)]


async def told(db: Database, fits: Callable[[LinkState], bool], within: float = 5.0) -> LinkState:
    """The first that fits."""
    async with asyncio.timeout(within):
        while True:
            for state in await link_states(db):
                if fits(state):
                    return state
            await asyncio.sleep(0.05)


async def test_a_link_under_traffic(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path, latency=200) as operator:
        await configure(database, {"tcell": {"port": operator.port, "rate": 100, "window": 50}})
        async with running_centre(database) as centre:
            await centre.bound()
            await accept(database, *PHONES)
            busy = await told(database, lambda state: state.binds[0].in_flight > 5)
            assert (busy.link, busy.operator, busy.window) == ("tcell-1", "tcell", 50)
            assert (busy.rate, busy.contract_rate, busy.throttled, busy.resumes_in) == (100, 100, False, None)
            assert busy.binds[0].bound_at is not None
            assert busy.told_ago < 2
            await centre.all_become(MessageState.DELIVERED)
            done = await told(database, lambda state: state.receipt_latency["median"] is not None)
            assert done.submit_latency["median"] == pytest.approx(0.2, rel=0.5)
            assert done.submit_rate > 5
            assert done.refusals == {}
            await drain(database, SecretBox(SECRET), link="tcell-1", author="test", force=True)
            assert (await told(database, lambda state: state.draining)).binds[0].bound_at is not None
        assert await link_states(database) == []  # its process has ended


async def test_what_an_operator_refuses_and_why_it_is_not_bound(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path, throttle=0.5) as operator:
        await configure(database, {"tcell": {"port": operator.port}})
        async with running_centre(database) as centre:
            await centre.bound()
            await accept(database, *PHONES[:100])
            state = await told(database, lambda state: state.refusals.get("throttled", 0) > 5)
            assert state.throttled
            assert state.rate is not None
            await operator.simulator.stop()
            down = await told(database, lambda state: state.binds[0].last_error is not None)
            assert down.binds[0].last_error_at is not None
            assert down.binds[0].in_flight == 0
            waits = await told(database, lambda state: state.binds[0].waiting_for == "operator to take binds again")
            assert waits.binds[0].bound_at is None


async def test_a_link_that_is_gone_is_told_of_no_more(database: Database, operator: Operator) -> None:
    links = [{"name": name, "port": operator.port} for name in ("one", "other")]
    await configure(database, {"tcell": links})
    async with running_centre(database) as centre:
        await centre.bound(2)
        await told(database, lambda state: state.link == "other")
        await configure(database, {"tcell": [links[0], {**links[1], "enabled": False}]})
        async with asyncio.timeout(30):
            while [state.link for state in await link_states(database)] != ["one"]:
                await asyncio.sleep(0.05)
