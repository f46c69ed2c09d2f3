"""Tokens that processes share: what the database grants, and what a process makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from payk.clock import Clock
from payk.domain.rate import Rate, RateKind
from payk.store.database import Database
from payk.store.errors import StoreUnavailable
from payk.store.rates import Draw, Drawn, SharedRates, draw_tokens
from tests.store.proxy import network_to

KIND = RateKind.REQUESTS
SLOW = Rate(0.001, 10)
"""That fills by nothing while a test lasts."""


def draw(wanted: float, rate: Rate = SLOW, client: int = 1) -> Draw:
    return Draw(client, KIND, rate, wanted)


async def drawn(db: Database, wanted: float, rate: Rate = SLOW) -> float:
    answers = await draw_tokens(db, [draw(wanted, rate)], 5)
    return answers[1, KIND].granted


async def pass_time(db: Database, seconds: float) -> None:
    async with db.connection() as connection:
        await connection.execute("update shared_rate set at = at - make_interval(secs => $1)", seconds)


@asynccontextmanager
async def running(db: Database) -> AsyncIterator[SharedRates]:
    rates = SharedRates(db, Clock())
    task = asyncio.create_task(rates.run())
    yield rates
    task.cancel()
    await asyncio.wait([task])


async def test_a_bucket_is_made_full_and_gives_what_it_has(database: Database) -> None:
    assert await draw_tokens(database, [draw(4)], 5) == {(1, KIND): Drawn(4, 6)}
    assert await drawn(database, 4) == 4
    assert await drawn(database, 4) == pytest.approx(2, abs=0.01)
    assert await drawn(database, 4) == pytest.approx(0, abs=0.01)
    assert await draw_tokens(database, [draw(40, client=2)], 5) == {(2, KIND): Drawn(10, 0)}


async def test_it_fills_with_time_and_never_beyond_its_burst(database: Database) -> None:
    rate = Rate(2, 10)
    await drawn(database, 10, rate)
    await pass_time(database, 3)
    assert await drawn(database, 10, rate) == pytest.approx(6, abs=0.5)
    await pass_time(database, 3600)
    assert await drawn(database, 100, rate) == 10


async def test_what_is_given_back_is_there_for_others(database: Database) -> None:
    await drawn(database, 10)
    assert await drawn(database, -4) == -4
    assert await drawn(database, 10) == pytest.approx(4, abs=0.01)
    await drawn(database, -400)
    assert await drawn(database, 400) == 10
    assert await draw_tokens(database, [draw(-3, client=7)], 5) == {(7, KIND): Drawn(0, 10)}


async def test_a_clock_that_went_back_fills_nothing_and_counts_from_there(database: Database) -> None:
    """A database that took over may be behind the one before."""
    rate = Rate(2, 10)
    await drawn(database, 10, rate)
    await pass_time(database, -3600)
    assert await drawn(database, 10, rate) == 0
    await pass_time(database, 1)
    assert await drawn(database, 10, rate) == pytest.approx(2, abs=0.5)


async def test_a_rate_changed_in_the_registry_counts_from_the_next_draw(database: Database) -> None:
    await drawn(database, 0.5)
    assert await drawn(database, 100, Rate(0.001, 3)) == 3
    await pass_time(database, 1)
    assert await drawn(database, 100, Rate(50, 50)) == pytest.approx(50, abs=5)


async def test_many_processes_at_once_share_one_bucket_each(database: Database) -> None:
    draws = [[draw(3, client=client) for client in range(40)] for _ in range(10)]
    got = [0.0] * 40
    for answers in await asyncio.gather(*(draw_tokens(database, each, 10) for each in draws)):
        for (client, _), answer in answers.items():
            got[client] += answer.granted
    for client in range(40):  # some had no answer: another one was making the bucket
        got[client] += (await draw_tokens(database, [draw(30, client=client)], 5))[client, KIND].granted
    assert got == pytest.approx([10] * 40, abs=0.1)


async def test_what_is_at_hand_is_spent_without_the_database(database: Database) -> None:
    async with running(database) as rates:
        assert await rates.take(1, KIND, Rate(10, 10), 1, 5) == 1
        assert await rates.take(1, KIND, SLOW, 5, 5) == 5


async def test_processes_together_get_what_there_is(database: Database) -> None:
    async with running(database) as one, running(database) as other:
        takes = [rates.take(1, KIND, SLOW, 1, 5) for _ in range(20) for rates in (one, other)]
        got = sum(await asyncio.gather(*takes))
        assert 8 <= got <= 11  # some are at hand in either, one was on credit


async def test_who_is_idle_gives_back(database: Database) -> None:
    async with running(database) as one:
        await one.take(1, KIND, SLOW, 1, 5)
        await one.take(1, KIND, SLOW, 1, 5)
        async with asyncio.timeout(10):
            while await stored(database) < 7.99:
                await asyncio.sleep(0.05)


async def stored(db: Database) -> float:
    async with db.connection() as connection:
        return float(await connection.fetchval("select tokens from shared_rate"))


async def test_many_tokens_are_taken_as_far_as_they_go(database: Database) -> None:
    async with running(database) as rates:
        assert await rates.take(1, KIND, SLOW, 25, 5) == pytest.approx(10, abs=1)
        assert await rates.take(1, KIND, SLOW, 25, 5) == 0


async def test_while_the_database_is_away_it_says_so_and_goes_on_when_it_is_back(dsn: str) -> None:
    async with network_to(dsn) as network:
        db = await Database.open(network.dsn)
        async with running(db) as rates:
            await rates.take(1, KIND, SLOW, 1, 5)
            await network.down()
            with pytest.raises(StoreUnavailable):
                await rates.take(1, KIND, SLOW, 9, 5)
            await network.up()
            async with asyncio.timeout(10):
                while True:
                    try:
                        assert await rates.take(1, KIND, SLOW, 5, 5) == 5
                        break
                    except StoreUnavailable:
                        await asyncio.sleep(0.05)
        await db.close()
