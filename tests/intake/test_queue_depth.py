"""How many messages wait, as one process knows it: what was counted, what it took since, and what is under way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import structlog

from payk.clock import Clock
from payk.domain.directory import CurrentDirectory
from payk.domain.message import SmsType
from payk.domain.queue_limit import QueueFull, QueueLimit
from payk.intake import Intake, QueueDepth, Refused, Request
from payk.store.accept import GroupCommit, insert_messages
from payk.store.database import Database
from payk.store.errors import StoreUnavailable
from payk.store.rates import SharedRates
from tests.store.rows import new_message
from tests.web.centre import CLIENTS, directory

DEMO = CLIENTS[0]
BATCH = Request(phone_number="992900900900", text="mailing", sender_address="AlifBank", sms_type=3)
OTP = replace(BATCH, sms_type=2)


def in_time(seconds: float = 10) -> float:
    return Clock().monotonic() + seconds


@contextlib.asynccontextmanager
async def intake_on(db: Database, depth: QueueDepth) -> AsyncIterator[Intake]:
    commits = GroupCommit(db)

    async def engines() -> None:
        async with asyncio.TaskGroup() as group:
            commits.start(group)

    running = asyncio.create_task(engines())
    yield Intake(db, CurrentDirectory(directory()), commits, depth, b"s" * 64, Clock(), SharedRates(db, Clock()))
    running.cancel()
    await asyncio.wait([running])


@pytest.fixture
def depth(database: Database) -> QueueDepth:
    return QueueDepth(database, QueueLimit(100), Clock())


@pytest.fixture
async def intake(database: Database, depth: QueueDepth) -> AsyncIterator[Intake]:
    """Of a queue that may hold 100 messages and is known to be empty."""
    await depth.count()
    async with intake_on(database, depth) as one:
        yield one


async def fill(db: Database, count: int, **changes: Any) -> None:
    """Messages that another process took."""
    await insert_messages(db, [new_message(**changes)] * count, timeout=10)


async def drain(db: Database, count: int) -> None:
    async with db.connection() as connection:
        query = "delete from waiting where message_id in (select message_id from waiting limit $1)"
        await connection.execute(query, count)


async def taken(intake: Intake, request: Request, count: int) -> int:
    """How many of `count` requests at the same instant are taken."""
    results = await asyncio.gather(
        *(intake.accept(request, DEMO, in_time()) for _ in range(count)), return_exceptions=True
    )
    assert all(isinstance(result, QueueFull) for result in results if isinstance(result, BaseException))
    return sum(not isinstance(result, BaseException) for result in results)


async def stored(db: Database) -> int:
    async with db.connection() as connection:
        return int(await connection.fetchval("select count(*) from message"))


async def test_requests_at_the_same_instant_do_not_pass_the_limit(intake: Intake, database: Database) -> None:
    assert await taken(intake, BATCH, 200) == 80
    assert await taken(intake, replace(BATCH, sms_type=1), 200) == 15
    assert await taken(intake, OTP, 200) == 5
    assert await stored(database) == 100


async def test_the_next_count_changes_nothing_for_what_this_process_took(intake: Intake, depth: QueueDepth) -> None:
    for _ in range(4):
        assert await taken(intake, BATCH, 20) == 20
        await depth.count()
    assert await taken(intake, BATCH, 1) == 0


async def test_what_others_took_and_what_went_shows_in_the_next_count(
    intake: Intake, depth: QueueDepth, database: Database
) -> None:
    await fill(database, 70)
    await fill(database, 9, scheduled_at=Clock().now().replace(year=2100))
    await depth.count()
    assert await taken(intake, BATCH, 2) == 1
    await drain(database, 3)
    assert await taken(intake, BATCH, 2) == 0
    await depth.count()
    assert await taken(intake, BATCH, 5) == 3


async def test_a_bulk_is_judged_as_a_whole(intake: Intake, database: Database) -> None:
    with pytest.raises(QueueFull):
        await intake.accept_bulk(iter([OTP] * 80 + [BATCH]), DEMO, in_time())
    assert await stored(database) == 0
    bad = replace(BATCH, phone_number="12")
    result = await intake.accept_bulk(iter([OTP] * 79 + [bad] * 50 + [BATCH]), DEMO, in_time())
    assert sum(row is not None for row in result.inserted) == 80  # bad items need no place
    with pytest.raises(QueueFull):
        await intake.accept_bulk(iter([OTP] * 21), DEMO, in_time())
    assert len((await intake.accept_bulk(iter([OTP] * 20), DEMO, in_time())).inserted) == 20
    with pytest.raises(QueueFull):
        await intake.accept(OTP, DEMO, in_time())
    assert await stored(database) == 100
    for nothing in ([], [bad]):
        assert (await intake.accept_bulk(iter(nothing), DEMO, in_time())).inserted == [None] * len(nothing)


async def test_places_of_what_was_not_stored_are_given_back(intake: Intake, database: Database) -> None:
    for _ in range(3):
        with pytest.raises(Refused):
            await intake.accept(replace(BATCH, text=""), DEMO, in_time())
        with pytest.raises(StoreUnavailable):
            await intake.accept(BATCH, DEMO, in_time(-1))
        async with no_connection_free(database):
            with pytest.raises(StoreUnavailable):
                await intake.accept(BATCH, DEMO, in_time(0.3))
            with pytest.raises(StoreUnavailable):
                await intake.accept_bulk(iter([BATCH] * 50), DEMO, in_time(0.3))
    assert await stored(database) == 0
    assert await taken(intake, BATCH, 100) == 80


async def test_repeats_need_no_place(intake: Intake) -> None:
    repeated = replace(BATCH, client_message_id="order-17")
    once = await intake.once(DEMO, "/api/v1/sms", b"key", b"body", lambda row: b"%d" % row.message_id)
    for _ in range(50):
        await intake.accept(repeated, DEMO, in_time())
        await intake.accept(BATCH, DEMO, in_time(), once)
        await intake.accept_bulk(iter([repeated, repeated]), DEMO, in_time())
    assert await taken(intake, BATCH, 100) == 78


async def test_what_is_kept_under_a_key_is_told_though_the_queue_is_full(intake: Intake) -> None:
    once = await intake.once(DEMO, "/api/v1/sms", b"key", b"body", lambda row: b"%d" % row.message_id)
    first = await intake.accept(BATCH, DEMO, in_time(), once)
    assert await taken(intake, BATCH, 100) == 79
    again = await intake.accept(BATCH, DEMO, in_time(), once)
    assert again.octets == b"%d" % first.message_id
    new = await intake.once(DEMO, "/api/v1/sms", b"new", b"body", lambda row: b"%d" % row.message_id)
    with pytest.raises(QueueFull):
        await intake.accept(BATCH, DEMO, in_time(), new)


async def test_a_depth_that_is_not_known_refuses_nothing(dsn: str, database: Database) -> None:
    counted = await Database.open(dsn)
    depth = QueueDepth(counted, QueueLimit(100), Clock())
    async with intake_on(database, depth) as intake:
        await fill(database, 100)
        assert await taken(intake, BATCH, 10) == 10
        await depth.count()
        assert await taken(intake, OTP, 10) == 0
        await lose_a_count(database, depth)
        assert await taken(intake, OTP, 10) == 10
        await asyncio.sleep(0.5)  # a database that was away is asked again after so long
        await depth.count()
        assert await taken(intake, OTP, 10) == 0
    await counted.close()


async def test_it_is_counted_again_and_again(database: Database, depth: QueueDepth) -> None:
    counting = asyncio.create_task(depth.run())
    async with asyncio.timeout(5):
        while True:
            try:
                depth.admit(1, {SmsType.BATCH})
            except QueueFull:
                break
            depth.settle(1, stored=0)
            if not await stored(database):
                await fill(database, 80)
            await asyncio.sleep(0.01)
    counting.cancel()


async def test_the_log_says_when_it_fills_and_when_it_has_drained(database: Database, depth: QueueDepth) -> None:
    with structlog.testing.capture_logs() as lines:
        for count in (79, 1, 5):
            await fill(database, count)
            await depth.count()
        assert depth.warnings() == ["the queue is filling: 85 messages wait, of 100 that may"]
        for count in (6, 4, 1, 10):
            await drain(database, count)
            await depth.count()
        assert depth.warnings() == []
    assert [(line["event"], line["log_level"], line["messages"], line["most"]) for line in lines] == [
        ("the queue is filling", "warning", 80, 100),
        ("the queue has drained", "info", 74, 100),
    ]


@contextlib.asynccontextmanager
async def no_connection_free(db: Database) -> AsyncIterator[None]:
    """While the block runs, whatever wants to go to the store waits."""
    async with contextlib.AsyncExitStack() as held:
        for _ in range(16):
            await held.enter_async_context(db.connection())
        yield


async def lose_a_count(db: Database, depth: QueueDepth) -> None:
    """The connection on which is being counted is ended."""
    async with db.transaction() as holding:
        await holding.execute("lock table staged")
        with structlog.testing.capture_logs() as lines:
            counting = asyncio.create_task(depth.count())
            waiting = "from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            async with db.connection() as other:
                while not await other.fetch(f"select pg_terminate_backend(pid) {waiting}"):
                    await asyncio.sleep(0.005)
            await counting
        assert [line["event"] for line in lines] == ["the queue cannot be counted"]
