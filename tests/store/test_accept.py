"""Taking messages in: group commit, repeats, and what a refused or lost batch leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from payk.store.accept import GroupCommit, NewRequest, insert_messages, insert_requests
from payk.store.arrays import CHUNK
from payk.store.database import Database
from payk.store.errors import StoreRefused, StoreUnavailable
from tests.store.rows import new_message


@pytest.fixture
async def second(dsn: str) -> AsyncIterator[Database]:
    """The same database as another process sees it."""
    db = await Database.open(dsn)
    yield db
    await db.close()


async def count(db: Database, table: str) -> int:
    async with db.connection() as connection:
        return int(await connection.fetchval(f"select count(*) from {table}"))


async def test_ids_grow_and_are_stored_with_their_place_in_the_queue(database: Database) -> None:
    first = await insert_messages(database, [new_message(), new_message()], timeout=5)
    later = await insert_messages(database, [new_message(text="третье", parts=3)], timeout=5)
    ids = [row.message_id for row in (*first, *later)]
    assert ids == sorted(ids) and ids[0] == 100_000_000
    async with database.connection() as connection:
        assert await connection.fetchval("select array_agg(message_id order by message_id) from waiting") == ids
        assert await connection.fetchval("select part_states from message where message_id = $1", ids[2]) == [0, 0, 0]


async def test_a_bulk_gives_way_before_each_chunk(database: Database) -> None:
    stored: list[int] = []

    async def give_way() -> None:
        stored.append(len(stored))

    messages = [new_message(phone=f"99291{number:07d}") for number in range(2 * CHUNK + 1)]
    [rows] = await insert_requests(database, [NewRequest(messages)], timeout=10, give_way=give_way)
    assert len(stored) == 3
    assert isinstance(rows, list) and [row.message_id for row in rows] == sorted(row.message_id for row in rows)
    assert await count(database, "waiting") == len(messages)


async def test_repeats_across_the_chunks_of_a_bulk(database: Database) -> None:
    messages = [
        new_message(repeat_digest=(number % CHUNK).to_bytes(16, "big"), repeat_window=60) for number in range(2 * CHUNK)
    ]
    rows = await insert_messages(database, messages, timeout=10)
    assert [row.repeated for row in rows] == [False] * CHUNK + [True] * CHUNK
    assert [row.message_id for row in rows[CHUNK:]] == [row.message_id for row in rows[:CHUNK]]
    assert await count(database, "message") == CHUNK


async def test_a_message_for_later_is_staged_and_one_for_the_past_is_not(database: Database) -> None:
    now = datetime.now(UTC)
    await insert_messages(
        database,
        [
            new_message(scheduled_at=now + timedelta(hours=1), expires_in=60),
            new_message(scheduled_at=now - timedelta(hours=1), expires_in=60),
        ],
        timeout=5,
    )
    async with database.connection() as connection:
        staged = await connection.fetchrow("select due, expires_at from staged")
        assert staged["due"] == now + timedelta(hours=1)
        assert staged["expires_at"] == now + timedelta(hours=1, seconds=60)
        left = await connection.fetchval("select expires_at - now() from waiting")
        assert timedelta(seconds=50) < left <= timedelta(seconds=60)


async def test_a_repeat_gets_the_first_id_and_stores_nothing(database: Database) -> None:
    keyed = new_message(repeat_digest=b"d" * 16, repeat_window=43_200)
    [first] = await insert_messages(database, [keyed], timeout=5)
    again = await insert_messages(database, [new_message(), keyed, keyed], timeout=5)
    assert [(row.message_id == first.message_id, row.repeated) for row in again] == [
        (False, False),
        (True, True),
        (True, True),
    ]
    assert await count(database, "message") == 2


async def test_a_repeat_inside_one_batch_is_a_repeat(database: Database) -> None:
    keyed = new_message(repeat_digest=b"d" * 16, repeat_window=60)
    first, second = await insert_messages(database, [keyed, keyed], timeout=5)
    assert (first.repeated, second.repeated) == (False, True)
    assert first.message_id == second.message_id
    assert await count(database, "message") == await count(database, "waiting") == 1


async def test_another_client_with_the_same_digest_is_no_repeat(database: Database) -> None:
    keyed = {"repeat_digest": b"d" * 16, "repeat_window": 60}
    rows = await insert_messages(database, [new_message(**keyed), new_message(client_id=2, **keyed)], timeout=5)
    assert [row.repeated for row in rows] == [False, False]


@pytest.mark.parametrize("state", [3, 4, 5, 8])
async def test_a_repeat_of_a_message_that_failed_is_sent(database: Database, state: int) -> None:
    keyed = new_message(repeat_digest=b"d" * 16, repeat_window=60)
    [first] = await insert_messages(database, [keyed], timeout=5)
    async with database.connection() as connection:
        await connection.execute("update message set state = $1, done_at = now()", state)
    [second] = await insert_messages(database, [keyed], timeout=5)
    [third] = await insert_messages(database, [keyed], timeout=5)
    assert second.message_id > first.message_id and not second.repeated
    assert third.message_id == second.message_id and third.repeated


async def test_a_key_is_forgotten_after_its_window(database: Database) -> None:
    keyed = new_message(repeat_digest=b"d" * 16, repeat_window=60)
    [first] = await insert_messages(database, [keyed], timeout=5)
    async with database.connection() as connection:
        await connection.execute("update idempotency set at = at - interval '61 seconds'")
    [second] = await insert_messages(database, [keyed], timeout=5)
    assert second.message_id != first.message_id and not second.repeated


async def test_a_key_of_yesterday_is_found(database: Database) -> None:
    keyed = new_message(repeat_digest=b"d" * 16, repeat_window=43_200 * 2)
    [first] = await insert_messages(database, [keyed], timeout=5)
    async with database.connection() as connection:
        await connection.execute("update idempotency set day = day - 1, at = at - interval '11 hours'")
    [second] = await insert_messages(database, [keyed], timeout=5)
    assert second.message_id == first.message_id and second.repeated


async def test_the_same_request_at_the_same_instant_on_two_processes(database: Database, second: Database) -> None:
    for round_number in range(10):
        keyed = new_message(repeat_digest=bytes([round_number]) * 16, repeat_window=60)
        rows = await asyncio.gather(
            *(insert_messages(db, [keyed], timeout=5) for db in (database, second, database, second))
        )
        assert len({row[0].message_id for row in rows}) == 1
        assert sorted(row[0].repeated for row in rows) == [False, True, True, True]


async def test_large_batches_with_the_same_keys_in_another_order_do_not_deadlock(
    database: Database, second: Database
) -> None:
    batch = [new_message(repeat_digest=number.to_bytes(16), repeat_window=60) for number in range(300)]
    rows = await asyncio.gather(
        insert_messages(database, batch, timeout=5), insert_messages(second, batch[::-1], timeout=5)
    )
    assert await count(database, "message") == 300
    assert {row.message_id for row in rows[0]} == {row.message_id for row in rows[1]}


async def test_a_bad_message_spoils_no_neighbour(database: Database) -> None:
    good, bad = new_message(), new_message(text="nul \x00 inside")
    async with asyncio.TaskGroup() as group:
        commits = GroupCommit(database)
        workers = commits.start(group)
        results = await asyncio.gather(
            *(commits.insert(message, 5) for message in [good] * 20 + [bad] + [good] * 20), return_exceptions=True
        )
        for worker in workers:
            worker.cancel()
    assert [type(result) for result in results if isinstance(result, Exception)] == [StoreRefused]
    assert await count(database, "message") == 40


async def test_a_withdrawn_request_is_not_stored(database: Database) -> None:
    async with asyncio.TaskGroup() as group:
        commits = GroupCommit(database)
        request = asyncio.create_task(commits.insert(new_message(), 5))
        await asyncio.sleep(0)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        workers = commits.start(group)
        await commits.insert(new_message(text="second"), 5)
        for worker in workers:
            worker.cancel()
    assert await count(database, "message") == 1


async def test_a_lost_connection_is_nothing_stored_and_the_next_request_works(
    database: Database, second: Database
) -> None:
    async with second.connection() as other:
        await other.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
                            " and datname = current_database()")  # fmt: skip
    with suppress(StoreUnavailable):  # or the pool has noticed, and took another connection
        await insert_messages(database, [new_message()], timeout=5)
    stored = await count(database, "message") if not database.away else 0
    await asyncio.sleep(0.6)  # a database that was away is asked again after half a second
    await insert_messages(database, [new_message()], timeout=5)
    assert await count(database, "message") == stored + 1
