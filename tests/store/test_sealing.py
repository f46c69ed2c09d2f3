"""When texts are sealed, and sealing anew."""

from __future__ import annotations

import asyncio

import pytest

from payk.domain.message import SmsType
from payk.sealing import KeyRing, TextSeal
from payk.sealing.texts import MARK
from payk.store.accept import insert_messages
from payk.store.database import Database
from payk.store.errors import StoreRefused
from payk.store.processes import end_process, register
from payk.store.sealing import (
    begin_sealing,
    current_key,
    find_texts,
    keep_secret,
    look,
    note_first_key,
    processes_without_key,
    put_texts,
    take_key,
    unsealed_because,
)
from tests.store.proxy import Cut, network_to
from tests.store.rows import add_client, add_queue, new_message
from tests.store.scene import Scene

KEYS = KeyRing([bytes(range(32)), bytes(range(1, 33))])
KEY, OTHER = KEYS.ids


async def older_process(db: Database, pid: int = 7) -> int:
    """A row as the version before writes it."""
    async with db.connection() as connection:
        return int(
            await connection.fetchval(
                "insert into process (host, pid, roles, line) values ('old/x', $1, '{dispatch}', history_line())"
                " returning incarnation",
                pid,
            )
        )


async def test_texts_are_sealed_once_every_living_process_opens_them(database: Database) -> None:
    await note_first_key(database, KEY)
    older = await older_process(database)
    await register(database, host="h", pid=1, roles=["dispatch"], key_ids=[KEY])
    assert not await begin_sealing(database)
    assert await unsealed_because(database) == [("old/x", 7)]
    assert await look(database) == (KEY, False)
    await end_process(database, older)
    assert await begin_sealing(database)
    assert not await begin_sealing(database), "it has begun"
    assert await look(database) == (KEY, True)


async def test_a_process_without_the_key_keeps_texts_from_being_sealed(database: Database) -> None:
    await note_first_key(database, KEY)
    await register(database, host="h", pid=1, roles=["dispatch"], key_ids=[OTHER])
    assert not await begin_sealing(database)


async def test_an_older_process_that_comes_back_is_refused(database: Database) -> None:
    await older_process(database)  # while nothing is sealed it may
    async with database.connection() as connection:
        await connection.execute("update process set ended_at = now()")
    assert await begin_sealing(database)
    with pytest.raises(StoreRefused, match="older than the database"):
        await older_process(database)
    await register(database, host="h", pid=1, roles=["dispatch"])


async def test_an_older_process_and_the_beginning_do_not_pass_each_other(database: Database, second: Database) -> None:
    async with second.transaction() as connection:
        await connection.execute(
            "insert into process (host, pid, roles, line) values ('old/x', 1, '{dispatch}', history_line())"
        )
        begun = asyncio.create_task(begin_sealing(database))
        async with database.connection() as other:
            while not await other.fetchval("select exists (select from pg_locks where not granted)"):
                await asyncio.sleep(0.01)
    assert not await begun


async def test_the_first_process_names_the_key_and_a_rotation_another(database: Database) -> None:
    assert await current_key(database) is None
    await note_first_key(database, KEY)
    await note_first_key(database, OTHER)
    assert await current_key(database) == KEY
    await register(database, host="h", pid=1, roles=["api"], key_ids=[KEY])
    assert await processes_without_key(database, OTHER) == [("h", 1)]
    for _ in range(2):
        await take_key(database, OTHER)
        assert await current_key(database) == OTHER
    await take_key(database, KEY)
    assert await current_key(database) == KEY


async def test_a_secret_of_the_centre_is_made_once(database: Database, second: Database) -> None:
    kept = await asyncio.gather(*(keep_secret(db, "s", b"%d" % place) for place, db in enumerate((database, second))))
    assert len({*kept, await keep_secret(database, "s", b"later")}) == 1


async def test_texts_under_another_key_are_found_wherever_wiping_has_come(scene: Scene) -> None:
    texts = TextSeal(KEYS, on=True)
    message = new_message(client_id=scene.client, queue_id=scene.queue, sms_type=SmsType.OTP, text="Код: 12345")
    KEYS.use(OTHER)
    try:
        taken = await insert_messages(scene.db, [message] * 3, timeout=5, write_texts=texts.written)
    finally:
        KEYS.use(KEY)
    [mine] = await insert_messages(scene.db, [message], timeout=5, write_texts=texts.written)
    first, left, later = [row.message_id for row in taken]
    async with scene.db.connection() as connection:
        await connection.execute("update message set text = '' where message_id = $1", first)
        await connection.execute("update text_walk set passed = $1 where client_id = 0", left)
        await connection.execute("insert into text_left values ($1, now())", left)
    prefix = texts.prefix(KEYS.current)
    found = [text async for some in find_texts(scene.db, prefix, MARK) for text in some]
    assert [text.message_id for text in found] == [left, later]

    async with scene.db.connection() as connection:
        await connection.execute("update message set text = '' where message_id = $1", later)  # wiped meanwhile
    await put_texts(scene.db, found, [texts.seal(texts.open(text.stored, text.phone), text.phone) for text in found])
    assert [text async for some in find_texts(scene.db, prefix, MARK) for text in some] == []
    async with scene.db.connection() as connection:
        stored = dict(await connection.fetch("select message_id, text from message"))
    assert stored[later] == "" and texts.open(stored[left], message.phone) == "Код: 12345"
    assert stored[mine.message_id].startswith(prefix)


async def test_an_unconfirmed_commit_of_sealed_texts_is_found_where_only_the_rows_tell(
    database: Database, dsn: str
) -> None:
    client, queue = await add_client(database), await add_queue(database, 1)
    async with database.connection() as connection:  # every look is in another life of the server
        await connection.execute(
            "create or replace function server_life() returns text language sql as $$ select random()::text $$"
        )
    message = new_message(client_id=client, queue_id=queue, sms_type=SmsType.OTP)
    async with network_to(dsn) as network:
        db = await Database.open(network.dsn)
        network.on("commit", Cut.AFTER)
        texts = TextSeal(KEYS, on=True)
        [row] = await insert_messages(db, [message], timeout=5, write_texts=texts.written)
        assert network.met.is_set()
        await db.close()
    async with database.connection() as connection:
        assert await connection.fetchval("select message_id from message") == row.message_id
