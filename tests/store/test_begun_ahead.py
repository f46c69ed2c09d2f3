"""A COMMIT that begins the next transaction too: what comes of it, and of what nobody came for."""

from __future__ import annotations

import asyncio

import pytest

from payk.store.accept import NewRequest, insert_messages, insert_requests
from payk.store.database import Database
from payk.store.errors import StoreRefused, StoreUnavailable
from tests.store.proxy import Cut, network_to
from tests.store.rows import new_message

BACKEND = "select pg_backend_pid()"
BEGUN = "select count(*) from pg_stat_activity where state = 'idle in transaction' and datname = current_database()"


async def backend(db: Database, *, ahead: bool = True) -> int:
    async with db.transaction(5, ahead=ahead) as connection:
        return int(await connection.fetchval(BACKEND))


async def begun(db: Database) -> int:
    async with db.connection() as connection:
        return int(await connection.fetchval(BEGUN))


async def test_the_next_one_takes_it_and_others_leave_it_alone(database: Database) -> None:
    async with database.connection(), database.connection(), database.connection():
        pass  # what is begun ahead is kept for 0.1 s, and to connect may take longer
    first = await backend(database)
    assert await begun(database) == 1
    assert await backend(database, ahead=False) != first
    assert await backend(database) == first


async def test_what_was_begun_ahead_holds_nothing_and_sees_the_present(database: Database) -> None:
    await backend(database)
    async with database.connection() as connection:
        await connection.execute("insert into client (name) values ('meanwhile')")
        await connection.execute("begin; lock table client in access exclusive mode nowait; commit")
    async with database.transaction(5, ahead=True) as connection:
        assert await connection.fetchval("select name from client") == "meanwhile"


async def test_nobody_comes_for_it(database: Database) -> None:
    first = await backend(database)
    deadline = asyncio.get_running_loop().time() + 5
    while await begun(database):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)
    async with asyncio.TaskGroup() as group:  # it is in the pool again
        backends = [group.create_task(backend(database, ahead=False)) for _ in range(2)]
    assert first in {task.result() for task in backends}


async def test_what_fails_begins_nothing(database: Database) -> None:
    with pytest.raises(StoreRefused):
        async with database.transaction(5, ahead=True) as connection:
            await connection.execute("select 1 / 0")
    assert await begun(database) == 0
    await backend(database)


async def test_one_that_was_lost_meanwhile_is_not_taken(database: Database) -> None:
    first = await backend(database)
    async with database.connection() as connection:
        await connection.fetchval("select pg_terminate_backend($1, 5000)", first)
    await asyncio.sleep(0.01)  # its end is read
    assert await backend(database) != first


async def test_a_message_is_accepted_when_it_comes_not_when_its_transaction_began(database: Database) -> None:
    await backend(database)
    async with database.connection() as connection:
        came = await connection.fetchval("select clock_timestamp()")
    [rows] = await insert_requests(database, [NewRequest([new_message()])], timeout=5, ahead=True)
    assert isinstance(rows, list)
    async with database.connection() as connection:
        accepted = await connection.fetchval(
            "select accepted_at from message where message_id = $1", rows[0].message_id
        )
        assert came <= accepted <= await connection.fetchval("select clock_timestamp()")


async def test_closing_ends_it(dsn: str, database: Database) -> None:
    second = await Database.open(dsn)
    await backend(second)
    await second.close()
    assert await begun(database) == 0


async def test_a_connection_that_breaks_while_it_waits_is_replaced(dsn: str) -> None:
    async with network_to(dsn) as network:
        through = await Database.open(network.dsn)
        await backend(through)
        await network.down()
        await network.up()
        await asyncio.sleep(0.01)  # its end is read
        assert await backend(through)
        await network.down()
        await asyncio.sleep(0.01)
        await through.close()


@pytest.mark.parametrize(("cut", "stored"), [(Cut.BEFORE, False), (Cut.AFTER, True)])
async def test_a_commit_that_was_not_confirmed_is_looked_up(
    dsn: str, database: Database, cut: Cut, stored: bool
) -> None:
    async with network_to(dsn) as network:
        through = await Database.open(network.dsn)
        await insert_requests(through, [NewRequest([new_message()])], timeout=5, ahead=True)
        network.on("commit", cut)
        insert = insert_requests(through, [NewRequest([new_message()])], timeout=5, ahead=True)
        if stored:
            assert await insert
        else:
            with pytest.raises(StoreUnavailable):
                await insert
        async with database.connection() as connection:
            assert await connection.fetchval("select count(*) from message") == 1 + stored
        await through.close()


async def test_a_message_that_takes_a_digest_over_is_accepted_when_it_comes(database: Database) -> None:
    keyed = new_message(repeat_digest=b"7" * 16, repeat_window=60)
    [first] = await insert_messages(database, [keyed], timeout=5)
    await backend(database)
    async with database.connection() as connection:
        await connection.execute(
            "update message set state = 3, done_at = now() where message_id = $1", first.message_id
        )
        came = await connection.fetchval("select clock_timestamp()")
    [[second]] = await insert_requests(database, [NewRequest([keyed])], timeout=5, ahead=True)  # type: ignore[misc]
    assert not second.repeated
    async with database.connection() as connection:
        assert came <= await connection.fetchval(
            "select accepted_at from message where message_id = $1", second.message_id
        )
