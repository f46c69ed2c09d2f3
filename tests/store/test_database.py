"""Connections: what a lost one means at each moment of a transaction, and when the database counts as away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from payk.store.accept import insert_messages
from payk.store.database import Database
from payk.store.errors import OutcomeUnknown, StoreBusy, StoreRefused, StoreUnavailable
from tests.store.proxy import Cut, Network, network_to
from tests.store.rows import new_message

WRITE = "insert into client (name) values ('written')"


@pytest.fixture
async def network(dsn: str) -> AsyncIterator[Network]:
    async with network_to(dsn) as network:
        yield network


@pytest.fixture
async def through(network: Network) -> AsyncIterator[Database]:
    """The database as it is seen through a network that can be cut."""
    db = await Database.open(network.dsn, max_connections=4)
    yield db
    await db.close()


async def written(db: Database) -> bool:
    async with db.connection() as connection:
        return bool(await connection.fetchval("select exists (select from client)"))


async def messages(db: Database) -> int:
    async with db.connection() as connection:
        return int(await connection.fetchval("select count(*) from message"))


async def write(db: Database, timeout: float = 5.0, *, first: str = "select 1", then: str = "select 1") -> None:
    async with db.transaction(timeout) as connection:
        await connection.execute(first)
        await connection.execute(WRITE)
        await connection.execute(then)


async def write_and(db: Database, then: Callable[[], Awaitable[object]], timeout: float = 5.0) -> None:
    """Do something of our own amid a transaction."""
    async with db.transaction(timeout) as connection:
        await connection.execute(WRITE)
        await then()


# -- transactions


@pytest.mark.parametrize("word", ["begin", "insert into client"])
async def test_a_connection_lost_before_commit_wrote_nothing(
    word: str, network: Network, through: Database, database: Database
) -> None:
    network.on(word, Cut.AFTER)
    with pytest.raises(StoreUnavailable):
        await write(through)
    assert not await written(database)


@pytest.mark.parametrize(("cut", "stored"), [(Cut.BEFORE, False), (Cut.AFTER, True)])
async def test_a_connection_lost_at_commit_leaves_a_doubt(
    cut: Cut, stored: bool, network: Network, through: Database, database: Database
) -> None:
    network.on("commit", cut)
    with pytest.raises(OutcomeUnknown):
        await write(through)
    await network.met.wait()
    assert await written(database) == stored


async def test_a_commit_that_outlasts_its_deadline_leaves_a_doubt(
    network: Network, through: Database, database: Database
) -> None:
    """It was sent: nobody may be told that surely nothing was written."""
    network.on("commit", Cut.SILENCE)
    with pytest.raises(OutcomeUnknown):
        await write(through, timeout=0.3)
    assert await written(database)


async def test_a_statement_that_outlasts_its_deadline_wrote_nothing(through: Database, database: Database) -> None:
    with pytest.raises(StoreUnavailable):
        await write(through, timeout=0.2, then="select pg_sleep(30)")
    assert not await written(database)


async def test_a_body_that_used_its_time_up_is_not_committed(database: Database) -> None:
    with pytest.raises(StoreUnavailable):
        await write_and(database, lambda: asyncio.sleep(10), timeout=0.05)
    assert not await written(database)


async def test_a_cancelled_caller_commits_nothing(database: Database) -> None:
    inside = asyncio.Event()

    async def never_end() -> None:
        inside.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(write_and(database, never_end))
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await written(database)


async def test_our_own_defects_stay_what_they_are_and_commit_nothing(database: Database) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and(database, fail)
    assert not await written(database) and not database.away


async def test_refused_data_is_refused_and_its_text_is_not_told(database: Database) -> None:
    for wrong in (new_message(text="secret \x00 text"), new_message(text="secret", parts=300)):
        with pytest.raises(StoreRefused) as caught:
            await insert_messages(database, [wrong], timeout=5)
        assert "secret" not in str(caught.value)
    assert not database.away


async def test_a_lock_held_too_long_is_busy(database: Database) -> None:
    async with database.transaction() as holder:
        await holder.execute("lock table client")
        with pytest.raises(StoreBusy):
            await write(database, first="set local lock_timeout = 50")
        assert not database.away


# -- away


async def test_a_database_that_is_away_is_known_to_be_and_comes_back(network: Network, through: Database) -> None:
    await write(through)
    await network.down()
    with pytest.raises(StoreUnavailable):
        await write(through)
    assert through.away
    began = asyncio.get_running_loop().time()
    for _ in range(50):
        with pytest.raises(StoreUnavailable):
            await written(through)
    assert asyncio.get_running_loop().time() - began < 2.0  # known to be away: refused at once
    await network.up()
    async with asyncio.timeout(3):
        while True:
            try:
                assert await written(through)
                break
            except StoreUnavailable:
                await asyncio.sleep(0.05)
    assert not through.away


async def test_a_slow_statement_does_not_make_the_database_away(database: Database) -> None:
    with pytest.raises(StoreUnavailable):
        async with database.connection(0.1) as connection:
            await connection.execute("select pg_sleep(30)")
    assert not database.away
    assert not await written(database)


@pytest.mark.parametrize("statement", ["select from nowhere", "select nothing()", "select 1 +"])
async def test_a_statement_that_cannot_be_done_does_not_make_the_database_away(
    statement: str, database: Database
) -> None:
    """As of a duty whose table somebody renamed: it fails alone."""
    with pytest.raises(StoreUnavailable):
        async with database.connection() as connection:
            await connection.execute(statement)
    assert not database.away
    assert not await written(database)


async def test_connections_that_are_all_in_use_do_not_make_the_database_away(dsn: str) -> None:
    db = await Database.open(dsn, max_connections=1)
    async with db.connection():
        with pytest.raises(StoreUnavailable):
            async with db.connection(0.1):
                pass
        assert not db.away
    assert not await written(db)
    await db.close()


async def test_connections_ended_by_the_server_are_replaced(database: Database, dsn: str) -> None:
    await asyncio.gather(*(written(database) for _ in range(8)))
    other = await asyncpg.connect(dsn)
    await other.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where pid <> pg_backend_pid() and datname = current_database()"
    )
    await other.close()
    async with asyncio.timeout(3):
        while True:
            try:
                await written(database)
                break
            except StoreUnavailable:
                await asyncio.sleep(0.05)


async def test_a_database_that_never_was_is_one_line(dsn: str) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
        await Database.open(dsn.replace("payk_test_", "payk_none_"))
    assert "\n" not in str(caught.value)


# -- a COMMIT that was not confirmed is looked up


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
async def test_an_unconfirmed_message_is_looked_up(
    cut: Cut, network: Network, through: Database, database: Database
) -> None:
    network.on("commit", cut)
    if cut is Cut.AFTER:
        [inserted] = await insert_messages(through, [new_message()], timeout=5)
        assert not inserted.repeated and await messages(database) == 1
    else:
        with pytest.raises(StoreUnavailable):
            await insert_messages(through, [new_message()], timeout=5)
        assert await messages(database) == 0


async def test_what_cannot_be_looked_up_in_time_is_unknown(
    network: Network, through: Database, database: Database
) -> None:
    network.on("commit", Cut.AFTER)
    insert = asyncio.create_task(insert_messages(through, [new_message()], timeout=1))
    await network.met.wait()
    await network.down()
    with pytest.raises(OutcomeUnknown):
        await insert
    assert await messages(database) == 1
