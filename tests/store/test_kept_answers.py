"""Answers kept under the key of their request: one message however often it comes, and the same octets for all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from payk.maintenance import pruning
from payk.store.accept import GroupCommit, Inserted, Keyed, NewRequest, insert_requests
from payk.store.database import Database
from payk.store.errors import KeyReused, StoreBusy, StoreRefused
from payk.store.kept_answers import AnswerKey, KeptAnswer, claim_keys, find_answer
from payk.store.upkeep import prune_kept_answers
from tests.store.locks import until_somebody_waits
from tests.store.rows import new_message


def keyed(name: str = "k", body: str = "b", client_id: int = 1) -> Keyed:
    """A key of a client; the answer is the ids, and whether they are repeated."""
    return Keyed(AnswerKey(client_id, name.encode(), body.encode()), render)


def render(rows: Sequence[Inserted]) -> bytes:
    return b" ".join(b"%d%b" % (row.message_id, b"r" if row.repeated else b"") for row in rows)


async def insert(db: Database, *requests: NewRequest, **options: Any) -> list[list[Inserted] | KeptAnswer]:
    return await insert_requests(db, requests, timeout=5, **options)


async def single(db: Database, key: Keyed, **changes: Any) -> bytes:
    """Store one message; the octets that its caller gets."""
    [taken] = await insert(db, NewRequest([new_message(**changes)], key))
    return taken.to(key.key).octets if isinstance(taken, KeptAnswer) else render(taken)


async def count(db: Database, table: str = "message") -> int:
    async with db.connection() as connection:
        return int(await connection.fetchval(f"select count(*) from {table}"))


async def age(db: Database, interval: str) -> None:
    async with db.connection() as connection:
        await connection.execute(f"update kept_answer set at = at - interval '{interval}'")


async def test_a_repeat_gets_the_same_octets_and_stores_nothing(database: Database) -> None:
    first = await single(database, keyed())
    assert first == b"100000000"
    assert [await single(database, keyed()) for _ in range(3)] == [first] * 3
    assert await count(database) == await count(database, "waiting") == await count(database, "kept_answer") == 1
    assert await find_answer(database, keyed().key, 5) == KeptAnswer(b"b", first)
    assert await find_answer(database, keyed("another").key, 5) is None


async def test_another_body_is_told_apart(database: Database) -> None:
    await single(database, keyed())
    with pytest.raises(KeyReused):
        await single(database, keyed(body="other"))
    with pytest.raises(KeyReused):
        await find_answer(database, keyed(body="other").key, 5)
    assert await count(database) == 1


async def test_keys_of_other_clients_and_other_keys_are_free(database: Database) -> None:
    answers = {await single(database, key) for key in (keyed(), keyed("l"), keyed(client_id=2), keyed("l", "c", 2))}
    assert len(answers) == await count(database) == 4


async def test_an_answer_is_kept_for_12_hours(database: Database) -> None:
    first = await single(database, keyed())
    await age(database, "11 hours 59 minutes")
    assert await single(database, keyed()) == first
    await age(database, "2 minutes")
    assert await find_answer(database, keyed().key, 5) is None
    second = await single(database, keyed(body="other"))
    assert second != first
    assert await single(database, keyed(body="other")) == second  # its time began anew
    assert await count(database) == 2 and await count(database, "kept_answer") == 1


async def test_a_request_without_messages_has_an_answer_too(database: Database) -> None:
    empty = NewRequest([], Keyed(keyed().key, lambda rows: b"none"))
    assert await insert(database, empty) == [[]]
    assert await insert(database, empty) == [KeptAnswer(b"b", b"none")]


async def test_messages_that_turn_out_to_be_repeats_are_in_the_answer(database: Database) -> None:
    repeated = new_message(repeat_digest=b"d" * 16, repeat_window=60)
    await insert(database, NewRequest([repeated]))
    [rows] = await insert(database, NewRequest([new_message(), repeated], keyed()))
    assert isinstance(rows, list)
    assert [row.repeated for row in rows] == [False, True]
    assert await insert(database, NewRequest([new_message(), repeated], keyed())) == [KeptAnswer(b"b", render(rows))]
    assert await count(database) == 2


async def test_requests_with_and_without_keys_share_a_transaction(database: Database) -> None:
    held = await single(database, keyed("held"))
    taken = await insert(
        database,
        NewRequest([new_message(), new_message()]),
        NewRequest([new_message()], keyed("held")),
        NewRequest([new_message()], keyed("new")),
        NewRequest([new_message()]),
    )
    assert taken[1] == KeptAnswer(b"b", held)
    ids = [row.message_id for rows in taken if isinstance(rows, list) for row in rows]
    assert len(ids) == 4
    async with database.connection() as connection:
        query = "select count(distinct xmin::text) from message where message_id = any($1)"
        assert await connection.fetchval(query, ids) == 1
        assert await connection.fetchval("select array_agg(message_id order by message_id) from waiting") == sorted(
            [int(held), *ids]
        )


# ----------------------------------------------------------------------------------------------------- at the same time


async def test_the_same_request_at_the_same_instant_on_two_processes(database: Database, second: Database) -> None:
    for turn in range(50):
        answers = await asyncio.gather(
            *(single(db, keyed(f"key-{turn}")) for db in (database, second, database, second))
        )
        assert len(set(answers)) == 1
    assert await count(database) == await count(database, "kept_answer") == 50


async def test_a_repeat_waits_while_the_first_is_being_stored(database: Database, second: Database) -> None:
    async with database.transaction() as first:
        await claim_keys(first, {keyed().key: b"the first"})
        repeat = asyncio.create_task(single(second, keyed()))
        await until_somebody_waits(second)
        assert not repeat.done()
    assert await repeat == b"the first"
    assert await count(database) == 0


async def test_a_repeat_waits_only_as_long_as_it_may(database: Database, second: Database) -> None:
    async with database.transaction() as first:
        await claim_keys(first, {keyed().key: b"the first"})
        with pytest.raises(StoreBusy):
            await insert(second, NewRequest([new_message()], keyed()), lock_wait=0.05)
    assert await count(database) == 0


@pytest.mark.parametrize("expired", [False, True])
async def test_a_first_that_crashes_leaves_the_key_free(database: Database, second: Database, expired: bool) -> None:
    if expired:
        await single(database, keyed())
        await age(database, "13 hours")
    before = await count(database)
    first = await database.dedicated()
    await first.execute("begin")
    await claim_keys(first, {keyed().key: b"the first"})
    repeat = asyncio.create_task(single(second, keyed()))
    await until_somebody_waits(second)
    first.terminate()
    stored = await repeat
    assert stored != b"the first"
    assert await single(database, keyed()) == stored
    assert await count(database) == before + 1


async def test_an_expired_key_is_taken_over_once(database: Database, second: Database) -> None:
    for turn in range(20):
        await single(database, keyed(f"key-{turn}"))
    await age(database, "13 hours")
    for turn in range(20):
        answers = await asyncio.gather(
            *(single(db, keyed(f"key-{turn}")) for db in (database, second, database, second))
        )
        assert len(set(answers)) == 1
    assert await count(database) == 40


async def test_many_keys_in_another_order_do_not_deadlock(database: Database, second: Database) -> None:
    requests = [NewRequest([new_message()], keyed(f"key-{number}")) for number in range(300)]
    for _ in range(3):
        await asyncio.gather(insert(database, *requests), insert(second, *requests[::-1]))
    assert await count(database) == 300


# --------------------------------------------------------------------------------------------------------- group commit


async def commit(db: Database, *requests: Any) -> list[Any]:
    """Messages with their keys, handed to a group commit before it begins, so that they are one batch."""
    async with asyncio.TaskGroup() as group:
        commits = GroupCommit(db, workers=1)
        callers = [asyncio.create_task(commits.insert(message, 5, key)) for message, key in requests]
        await asyncio.sleep(0)
        workers = commits.start(group)
        results = await asyncio.gather(*callers, return_exceptions=True)
        for worker in workers:
            worker.cancel()
    return results


async def test_of_one_batch_the_first_with_a_key_is_stored(database: Database) -> None:
    plain, other = new_message(), new_message(text="other")
    first, reused, repeat, neighbour, alone = await commit(
        database, (plain, keyed()), (other, keyed(body="c")), (plain, keyed()), (plain, None), (plain, keyed("l"))
    )
    assert isinstance(first, Inserted) and isinstance(neighbour, Inserted) and isinstance(alone, Inserted)
    assert isinstance(reused, KeyReused)
    assert repeat == KeptAnswer(b"b", render([first]))
    assert await count(database) == 3
    async with database.connection() as connection:
        assert await connection.fetchval("select count(distinct xmin::text) from message") == 1  # nobody's was split


async def test_of_one_batch_all_with_a_held_key_get_their_own_answer(database: Database) -> None:
    held = await single(database, keyed())
    plain = new_message()
    reused, repeat, neighbour = await commit(database, (plain, keyed(body="c")), (plain, keyed()), (plain, keyed("l")))
    assert isinstance(reused, KeyReused)
    assert repeat == KeptAnswer(b"b", held)
    assert isinstance(neighbour, Inserted)
    assert await count(database) == 2


async def test_a_bad_neighbour_spoils_no_key(database: Database) -> None:
    good, bad = new_message(), new_message(text="nul \x00 inside")
    requests = [(good, keyed(f"key-{number % 10}")) for number in range(20)]
    results = await commit(database, *requests[:15], (bad, keyed("bad")), *requests[15:], (bad, keyed("key-3")))
    assert sum(isinstance(result, Inserted) for result in results) == 10
    assert sum(isinstance(result, KeptAnswer) for result in results) == 11
    assert [type(result) for result in results if isinstance(result, Exception)] == [StoreRefused]
    assert await find_answer(database, keyed("bad").key, 5) is None
    assert await count(database) == 10


async def test_keys_that_are_being_stored_elsewhere_hold_up_nobody(database: Database, second: Database) -> None:
    """As when another process stopped amid a transaction, and its callers repeat their requests here."""
    plain, stuck = new_message(), [keyed(f"stuck-{number}") for number in range(6)]
    async with second.transaction() as elsewhere, asyncio.TaskGroup() as group:
        await claim_keys(elsewhere, {key.key: b"the first" for key in stuck})
        commits = GroupCommit(database)
        workers = commits.start(group)
        repeats = [asyncio.create_task(commits.insert(plain, 4, key)) for key in stuck]
        neighbours = [asyncio.create_task(commits.insert(plain, 4, key)) for key in (None, keyed("k"), keyed("l"))]
        async with asyncio.timeout(3):
            assert all(isinstance(taken, Inserted) for taken in await asyncio.gather(*neighbours))
            await commits.insert(plain, 4)
        assert not any(repeat.done() for repeat in repeats)
        await elsewhere.execute("commit")
        assert await asyncio.gather(*repeats) == [KeptAnswer(b"b", b"the first")] * 6
        await elsewhere.execute("begin")
        for worker in workers:
            worker.cancel()
    assert await count(database) == 4


# -------------------------------------------------------------------------------------------------------------- pruning


async def test_what_is_over_is_dropped_some_at_a_time(database: Database) -> None:
    for number in range(5):
        await single(database, keyed(f"old-{number}"))
    await age(database, "14 hours")
    young = await single(database, keyed("young"))
    assert await prune_kept_answers(database, 3) == 3
    assert await count(database, "kept_answer") == 3
    assert await pruning.run_once(database) == 0  # and again until nothing is left
    assert await count(database, "kept_answer") == 1
    assert await single(database, keyed("young")) == young


async def test_a_key_that_is_just_being_taken_over_is_not_dropped(database: Database, second: Database) -> None:
    await single(database, keyed())
    await age(database, "14 hours")
    async with database.transaction() as anew:
        await claim_keys(anew, {keyed().key: b"anew"})
        assert await prune_kept_answers(second, 10) == 0
    assert await prune_kept_answers(second, 10) == 0
    assert await find_answer(second, keyed().key, 5) == KeptAnswer(b"b", b"anew")
