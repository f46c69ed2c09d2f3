"""The watch over a real database: what it reads, what it writes down, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from payk.clock import Clock
from payk.store.database import Database
from payk.store.errors import StoreUnavailable
from payk.store.watch import DatabaseWatch
from tests.store.proxy import Network, network_to


class WrongClock(Clock):
    """This machine's clock, `ahead` of the true time."""

    def __init__(self, ahead: timedelta = timedelta(0)) -> None:
        self.ahead = ahead

    def now(self) -> datetime:
        return super().now() + self.ahead


@pytest.fixture
async def network(dsn: str) -> AsyncIterator[Network]:
    async with network_to(dsn) as network:
        yield network


@pytest.fixture
async def through(network: Network) -> AsyncIterator[Database]:
    """The database as it is seen through a network that can be slow, or cut."""
    db = await Database.open(network.dsn)
    yield db
    await db.close()


async def events(watch: DatabaseWatch, looks: int) -> list[str]:
    """What so many looks write down."""
    with capture_logs() as lines:
        for _ in range(looks):
            await watch.look()
    return [line["event"].partition(":")[0] for line in lines]


async def test_the_databases_clock_is_known_however_wrong_ours_is(dsn: str) -> None:
    clock = WrongClock(timedelta(hours=2))
    db = await Database.open(dsn, clock=clock)
    watch = DatabaseWatch(db, clock)
    assert db.now() - datetime.now(UTC) > timedelta(hours=1)  # nothing better is known yet
    assert await events(watch, 1) == []
    assert abs(db.now() - datetime.now(UTC)) < timedelta(seconds=0.5)
    assert watch.warnings == ["this machine's clock is 7200 s ahead of the database's"]
    clock.ahead = -timedelta(hours=2)
    assert await events(watch, 2) == ["this machine's clock jumped"]
    assert abs(db.now() - datetime.now(UTC)) < timedelta(seconds=0.5)
    await db.close()


async def test_a_slow_database_is_told_and_its_end(through: Database, network: Network) -> None:
    watch = DatabaseWatch(through, Clock())
    assert await events(watch, 3) == []
    network.delay = 0.11
    assert await events(watch, 4) == ["the database is slow"]
    assert watch.warnings[0].startswith("the database is slow: 11")
    network.delay = 0.0
    assert await events(watch, 4) == ["the database is quick again"]
    assert watch.warnings == []


async def test_a_database_that_is_cut_off_is_told_and_its_return(through: Database, network: Network) -> None:
    watch = DatabaseWatch(through, Clock())
    assert await events(watch, 1) == []
    await network.down()
    assert await events(watch, 3) == ["the database does not answer"]
    await network.up()
    with capture_logs() as lines:
        async with asyncio.timeout(3):
            while not lines:
                await watch.look()
                await asyncio.sleep(0.05)
    assert [line["event"] for line in lines] == ["the database answers again"]


async def refused(db: Database) -> None:
    """A write that the server answers as where its disk is full. One that is full, is the business of tests/faults."""
    with pytest.raises(StoreUnavailable):
        await write(db, "do $$ begin raise sqlstate '53100'; end $$")


async def write(db: Database, then: str) -> None:
    async with db.transaction() as connection:
        await connection.execute("insert into client (name) values ('never')")
        await connection.execute(then)


async def test_what_a_full_disk_refused_is_told_until_there_is_room(database: Database) -> None:
    watch = DatabaseWatch(database, Clock())
    assert await events(watch, 1) == []
    await refused(database)
    assert await events(watch, 1) == ["the database's disk is full"]
    assert watch.warnings == ["the database's disk is full"]
    assert await events(watch, 1) == ["the database's disk has room again"]
    assert watch.warnings == []


async def test_a_full_disk_neither_takes_the_database_away_nor_costs_a_connection(dsn: str) -> None:
    db = await Database.open(dsn, max_connections=1)
    async with db.connection() as connection:
        backend = await connection.fetchval("select pg_backend_pid()")
    for _ in range(3):
        await refused(db)
        assert not db.away
        async with db.transaction() as connection:
            assert await connection.fetchval("select pg_backend_pid()") == backend
            assert not await connection.fetchval("select exists (select from client)")
    await db.close()


async def test_it_looks_by_itself_until_it_is_cancelled(through: Database, network: Network) -> None:
    with capture_logs() as lines:
        watch = asyncio.create_task(DatabaseWatch(through, Clock()).run())
        for change, event in ((network.down, "the database does not answer"), (network.up, "the database answers")):
            await change()
            async with asyncio.timeout(5):
                while not (lines and lines[-1]["event"].startswith(event)):
                    await asyncio.sleep(0.02)
        watch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watch
    assert len(lines) == 2
