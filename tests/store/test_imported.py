"""Statuses of messages that another centre sent: for their client and no other, beside our own and never over them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from payk.domain.imported import ImportedMessage
from payk.domain.message import MessageState
from payk.store.database import Database
from payk.store.errors import NotOurs
from payk.store.imported import Added, add_imported, client_ids, drop_imported, first_message_id
from payk.store.migrations import migrate, migrations
from payk.store.statuses import StatusRow, message_statuses
from tests.store.rows import add_client
from tests.store.scene import Scene

AT = datetime(2025, 2, 17, 10, 20, 30, tzinfo=UTC)
DELIVERED = MessageState.DELIVERED


def imported(message_id: int, client_id: int = 1, state: MessageState = DELIVERED) -> ImportedMessage:
    return ImportedMessage(message_id, client_id, state, AT, AT + timedelta(minutes=1))


async def test_a_status_is_answered_to_its_client_and_no_other(scene: Scene) -> None:
    other = await add_client(scene.db, "other")
    [own] = await scene.accept()
    unfinished = ImportedMessage(6, other, MessageState.ENROUTE, AT, None)
    assert await add_imported(scene.db, [imported(5, scene.client), unfinished]) == Added(2, 0, 0, ())
    keys = [(scene.client, 5), (other, 5), (other, 6), (scene.client, own), (scene.client, 7)]
    answers = await message_statuses(scene.db, keys, timeout=5)
    assert answers[:3] == [
        StatusRow(5, DELIVERED, AT, AT + timedelta(minutes=1)), None, StatusRow(6, MessageState.ENROUTE, AT, None),
    ]  # fmt: skip
    assert answers[3] is not None and answers[3].message_id == own
    assert answers[4] is None


async def test_statuses_of_our_own_ids_never_look_there(scene: Scene) -> None:
    await add_imported(scene.db, [imported(number) for number in range(1, 2_000)])
    known = await scene.accept(10)
    look = "select pg_stat_force_next_flush()"
    scans = "select idx_scan + seq_scan from pg_stat_user_tables where relname = 'imported_message'"
    await scene.execute(look)
    before = await scene.value(scans)
    missing = max(known) + 5
    for _ in range(3):
        await message_statuses(scene.db, [(scene.client, each) for each in [*known, missing]], timeout=5)
    await scene.execute(look)
    assert await scene.value(scans) == before
    await message_statuses(scene.db, [(scene.client, 5)], timeout=5)
    await scene.execute(look)
    assert await scene.value(scans) > before


async def test_adding_again_changes_nothing_and_overwrites_nothing(scene: Scene) -> None:
    assert await add_imported(scene.db, [imported(5), imported(6)]) == Added(2, 0, 0, ())
    assert await add_imported(scene.db, [imported(5), imported(6), imported(7)]) == Added(1, 0, 2, ())
    otherwise = [
        imported(5, state=MessageState.EXPIRED),
        imported(6, client_id=2),
        imported(7)._replace(done_at=None),
        imported(8),
    ]
    assert await add_imported(scene.db, otherwise) == Added(1, 0, 0, (5, 6, 7))
    [row] = await message_statuses(scene.db, [(1, 5)], timeout=5)
    assert row is not None and row.state is DELIVERED
    assert await add_imported(scene.db, []) == Added(0, 0, 0, ())


async def test_a_message_that_was_not_finished_is_completed_once(scene: Scene) -> None:
    begun = [ImportedMessage(number, 1, MessageState.ENROUTE, AT, None) for number in (5, 6, 7)]
    await add_imported(scene.db, begun)
    finished = [imported(5), imported(6, client_id=2), begun[2]._replace(state=MessageState.ACCEPTED)]
    assert await add_imported(scene.db, finished, dry_run=True) == Added(0, 1, 0, (6, 7))
    assert await add_imported(scene.db, finished) == Added(0, 1, 0, (6, 7))
    assert await add_imported(scene.db, [imported(5)]) == Added(0, 0, 1, ())
    assert await add_imported(scene.db, begun[:1]) == Added(0, 0, 0, (5,))
    [row] = await message_statuses(scene.db, [(1, 5)], timeout=5)
    assert row == StatusRow(5, DELIVERED, AT, AT + timedelta(minutes=1))


async def test_a_dry_run_says_the_same_and_stores_nothing(scene: Scene) -> None:
    await add_imported(scene.db, [imported(5)])
    batch = [imported(5, state=MessageState.EXPIRED), imported(6)]
    assert await add_imported(scene.db, batch, dry_run=True) == Added(1, 0, 0, (5,))
    assert await scene.ids("imported_message") == [5]


async def test_what_is_old_is_dropped_by_its_time(scene: Scene) -> None:
    young = [imported(number)._replace(submitted_at=AT + timedelta(days=9)) for number in (2, 15_000)]
    await add_imported(scene.db, young)
    await add_imported(scene.db, [imported(number) for number in (1, *range(3, 12_000))])
    assert await drop_imported(scene.db, AT) == (0, None)
    dropped, following = await drop_imported(scene.db, AT + timedelta(days=1), patience=1e-9)
    assert (dropped, following) == (9_999, 10_000)
    assert await drop_imported(scene.db, AT + timedelta(days=1), after=10_000) == (1_999, None)
    assert await scene.ids("imported_message") == [2, 15_000]


async def test_clients_by_name(scene: Scene) -> None:
    assert await client_ids(scene.db) == {"demo": scene.client}


# -- which ids are another centre's


async def test_our_ids_begin_where_migrate_says(empty_dsn: str) -> None:
    db = await Database.open(empty_dsn)
    await migrate(db)
    assert await first_message_id(db) == 100_000_000
    await migrate(db, first_message_id=123_861_960)
    assert await first_message_id(db) == 123_861_960
    await add_imported(db, [imported(123_861_959)])
    with pytest.raises(NotOurs, match="another centre have ids up to 123861959"):
        await migrate(db, first_message_id=123_861_959)
    async with db.connection() as connection:
        await connection.execute("select nextval('message_id')")
    await migrate(db, first_message_id=300_000_000)  # ids given away stay ours
    assert await first_message_id(db) == 123_861_960
    await db.close()


async def test_ids_that_were_given_away_before_this_version_are_ours(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, steps = await Database.open(empty_dsn), migrations()
    with monkeypatch.context() as before:
        before.setattr("payk.store.migrations.migrations", lambda: [step for step in steps if step.number < 11])
        await migrate(db)
    async with db.connection() as connection:
        await connection.execute("select setval('message_id', 123861960)")
        await connection.execute("select ensure_partitions()")
        await connection.execute(
            "insert into message (message_id, accepted_at, client_id, queue_id, sms_type, priority, parts, phone,"
            " sender, text) values (123861950, now(), 1, 1, 1, 1, 1, '992900000001', 'AlifBank', '')"
        )
    await migrate(db)
    assert await first_message_id(db) == 123_861_950
    await db.close()
