"""Telling dispatchers what waits: collected after the commit, sent by NOTIFY, heard by every process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.store.database import Database
from payk.store.listening import listen, tell
from payk.store.wakeups import QUEUE_CHANNEL, Flow, Wakeup, Wakeups, decode_wakeup
from tests.store.proxy import Network, network_to

A, B = Flow(1, 0, 7, 0, 0), Flow(2, 4, 7, 2, -2_147_483_648)
numbers = st.integers(-(2**31), 2**31 - 1)
flows = st.builds(Flow, numbers, st.integers(0, 4), numbers, numbers, numbers)


async def taken(wakeups: Wakeups) -> Wakeup:
    return decode_wakeup(await wakeups.take())


# -- payloads


@given(st.dictionaries(flows, st.integers(1, 2**62), min_size=1, max_size=40))
def test_flows_come_through_as_they_were(told: dict[Flow, int]) -> None:
    async def round_trip() -> Wakeup:
        wakeups = Wakeups()
        wakeups.add(told.items())
        return await taken(wakeups)

    assert asyncio.run(round_trip()) == Wakeup(told)


async def test_a_flow_is_told_once_with_its_lowest_id() -> None:
    wakeups = Wakeups()
    wakeups.add([(A, 9), (B, 5), (A, 3)])
    wakeups.add([(A, 4)])
    assert await taken(wakeups) == Wakeup({A: 3, B: 5})


async def test_there_is_nothing_to_tell_until_there_is() -> None:
    wakeups = Wakeups()
    wakeups.add([])
    waiting = asyncio.create_task(taken(wakeups))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    wakeups.add([(A, 1)])
    assert await waiting == Wakeup({A: 1})


async def test_a_one_time_password_is_urgent() -> None:
    wakeups = Wakeups()
    wakeups.add([(B, 7)])
    began = time.monotonic()
    await wakeups.urgent(0.02)
    assert time.monotonic() - began >= 0.019
    wakeups.add([(A, 8)])  # its lane is 0
    async with asyncio.timeout(1):
        await wakeups.urgent(60)


async def test_too_many_flows_for_one_payload_mean_look_for_yourself() -> None:
    wakeups = Wakeups()
    wakeups.add((Flow(1, 4, 1, 0, label), 100_000_000) for label in range(1_000))
    payload = await wakeups.take()
    assert len(payload) < 8_000 and decode_wakeup(payload) == Wakeup({}, everything=True)


@pytest.mark.parametrize("payload", ["", "*", "1:2:3", "1:2:3:4:5", "1:2:3:4:5:x", "1:2:3:4:5:6,", "1:9:3:4:5:6", "ж"])
def test_what_cannot_be_read_means_look_for_yourself(payload: str) -> None:
    """Also a lane that this version does not know: a newer one may be running beside it."""
    assert decode_wakeup(payload) == Wakeup({}, everything=True)


# -- over the database


class Heard:
    """What a listener was told."""

    def __init__(self) -> None:
        self.payloads: asyncio.Queue[str] = asyncio.Queue()
        self.gaps = asyncio.Semaphore(0)

    async def next(self) -> Wakeup:
        async with asyncio.timeout(5):
            return decode_wakeup(await self.payloads.get())

    async def gap(self) -> None:
        async with asyncio.timeout(5):
            await self.gaps.acquire()


@asynccontextmanager
async def listening(db: Database) -> AsyncIterator[Heard]:
    heard = Heard()
    task = asyncio.create_task(listen(db, QUEUE_CHANNEL, heard.payloads.put_nowait, heard.gaps.release))
    try:
        await heard.gap()  # it listens from here on
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def telling(db: Database) -> AsyncIterator[Callable[[dict[Flow, int]], None]]:
    task = asyncio.create_task(tell(db))
    try:
        yield lambda told: db.wakeups.add(told.items())
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def network(dsn: str) -> AsyncIterator[Network]:
    async with network_to(dsn) as network:
        yield network


async def test_every_process_hears_of_it(database: Database, second: Database) -> None:
    async with listening(database) as here, listening(second) as there, telling(database) as told:
        told({A: 5})
        assert await here.next() == await there.next() == Wakeup({A: 5})
        told({A: 6, B: 7})
        assert await here.next() == await there.next() == Wakeup({A: 6, B: 7})


async def test_what_happens_within_one_pause_is_told_together(database: Database) -> None:
    async with listening(database) as heard, telling(database) as told:
        for message_id in range(100):
            told({A: 100 + message_id})
        lows = []
        while not lows or sum(1 for _ in range(heard.payloads.qsize())):
            lows.append((await heard.next()).flows[A])
        assert lows[0] == 100 and len(lows) <= 2


async def test_a_listener_comes_back_and_says_that_it_missed_something(network: Network, database: Database) -> None:
    db = await Database.open(network.dsn)
    async with listening(db) as heard, telling(database) as told:
        await network.down()
        told({A: 1})  # nobody hears this one
        await network.up()
        await heard.gap()
        told({A: 2})
        while (await heard.next()).flows.get(A) != 2:
            pass
    await db.close()


async def test_a_teller_survives_a_database_that_is_away(network: Network, database: Database) -> None:
    db = await Database.open(network.dsn)
    async with listening(database) as heard, telling(db) as told:
        await network.down()
        told({A: 1})
        await asyncio.sleep(0.05)
        await network.up()
        async with asyncio.timeout(5):
            while heard.payloads.empty():
                told({A: 2})
                await asyncio.sleep(0.05)
        assert A in (await heard.next()).flows
    await db.close()
