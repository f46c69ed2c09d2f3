"""The path of a message below the doors: what is checked, what is stored, and what recognises a repeat."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from payk.clock import Clock
from payk.domain.account import Client
from payk.domain.directory import CurrentDirectory
from payk.domain.errors import Code, Field, Rejection
from payk.domain.queue_limit import QueueLimit
from payk.intake import Intake, QueueDepth, Refused, Request
from payk.store.accept import GroupCommit
from payk.store.database import Database
from payk.store.errors import StoreUnavailable
from payk.store.rates import SharedRates
from tests.web.centre import CLIENTS, directory

DEMO, SECRET, DUSHANBE = CLIENTS[0], b"s" * 32, ZoneInfo("Asia/Dushanbe")
REQUEST = Request(phone_number="992900900900", text="Ваш код: 12345", sender_address="AlifBank", sms_type=2)


def request(**changes: Any) -> Request:
    return replace(REQUEST, **changes)


def in_time(seconds: float = 10) -> float:
    return Clock().monotonic() + seconds


@pytest.fixture
async def intake(database: Database) -> AsyncIterator[Intake]:
    async with intake_on(database) as one:
        yield one


@contextlib.asynccontextmanager
async def intake_on(
    db: Database, keys: bytes = SECRET, zone: ZoneInfo = DUSHANBE, queue_max: int = 1_000_000
) -> AsyncIterator[Intake]:
    """An intake as one process has it, that knows the depth of a queue of less than `queue_max` messages."""
    commits, rates = GroupCommit(db), SharedRates(db, Clock())

    async def engines() -> None:
        async with asyncio.TaskGroup() as group:
            commits.start(group)
            group.create_task(rates.run())

    running = asyncio.create_task(engines())
    depth = QueueDepth(db, QueueLimit(queue_max), Clock())
    await depth.count()
    yield Intake(db, CurrentDirectory(directory()), commits, depth, keys, Clock(), rates, zone)
    running.cancel()
    await asyncio.wait([running])


async def count(db: Database, table: str = "message") -> int:
    async with db.connection() as connection:
        return int(await connection.fetchval(f"select count(*) from {table}"))


async def test_a_good_message_is_stored(intake: Intake, database: Database) -> None:
    taken = await intake.accept(REQUEST, DEMO, in_time())
    assert not taken.repeated
    assert await count(database) == await count(database, "waiting") == 1


async def test_a_refused_message_leaves_no_trace(intake: Intake, database: Database) -> None:
    with pytest.raises(Refused) as refused:
        await intake.accept(request(client_message_id="a", expires_in=-1), DEMO, in_time())
    assert [rejection.code for rejection in refused.value.rejections] == [Code.EXPIRES_IN_INVALID]
    for table in ("message", "waiting", "staged", "idempotency"):
        assert await count(database, table) == 0
    async with database.connection() as connection:
        assert await connection.fetchval("select is_called from message_id") is False


async def test_all_broken_fields_are_told_in_order_and_once_each(intake: Intake) -> None:
    unreadable = Rejection(Code.TEXT_INVALID, "Text must be a string.", Field.TEXT)
    broken = Request(client_message_id="x" * 256, sms_type=9, sender_address="@", unreadable=(unreadable,))
    with pytest.raises(Refused) as refused:
        await intake.accept(broken, DEMO, in_time())
    assert [(rejection.field, rejection.code) for rejection in refused.value.rejections] == [
        (Field.PHONE_NUMBER, Code.PHONE_NUMBER_REQUIRED),
        (Field.TEXT, Code.TEXT_INVALID),
        (Field.SENDER_ADDRESS, Code.SENDER_ADDRESS_INVALID),
        (Field.SMS_TYPE, Code.SMS_TYPE_INVALID),
        (Field.CLIENT_MESSAGE_ID, Code.CLIENT_MESSAGE_ID_TOO_LONG),
    ]


async def test_without_time_left_nothing_is_stored(intake: Intake, database: Database) -> None:
    with pytest.raises(StoreUnavailable):
        await intake.accept(REQUEST, DEMO, in_time(-1))
    with pytest.raises(StoreUnavailable):
        await intake.accept_bulk(iter([REQUEST] * 10), DEMO, in_time(-1))
    assert await count(database) == 0


@pytest.mark.parametrize("seconds", [0.5, 1.0, 5.0])
async def test_the_store_gets_less_time_than_there_is(intake: Intake, seconds: float) -> None:
    assert 0.2 < intake.store_timeout(in_time(seconds)) < seconds


# ------------------------------------------------------------------------------------------------------------- repeats


async def digests(db: Database) -> set[bytes]:
    async with db.connection() as connection:
        return {row["digest"] for row in await connection.fetch("select digest from idempotency")}


async def test_requests_at_the_same_instant_on_two_processes_are_one_message(dsn: str, database: Database) -> None:
    other = await Database.open(dsn)
    async with intake_on(database) as one, intake_on(other) as two:
        for number in range(20):
            repeated = request(client_message_id=f"order-{number}")
            taken = await asyncio.gather(
                *(place.accept(repeated, DEMO, in_time()) for place in (one, two, one, two)),
                two.accept_bulk(iter([repeated, repeated]), DEMO, in_time()),
            )
            singles, bulk = taken[:4], taken[4].inserted
            rows = [*singles, *(row for row in bulk if row is not None)]
            assert len({row.message_id for row in rows}) == 1
            assert sum(not row.repeated for row in rows) == 1
    assert await count(database) == 20
    await other.close()


async def test_digests_depend_on_the_secret_and_show_nothing(database: Database) -> None:
    keyed = request(client_message_id="order-17")
    async with intake_on(database) as one, intake_on(database, b"t" * 64) as two:
        first = await one.accept(keyed, DEMO, in_time())
        assert (await one.accept(keyed, DEMO, in_time())).repeated
        second = await two.accept(keyed, DEMO, in_time())
    assert first.message_id != second.message_id
    assert [len(digest) for digest in await digests(database)] == [16, 16]


async def test_no_digest_is_kept_of_what_cannot_be_a_repeat(intake: Intake, database: Database) -> None:
    await intake.accept(REQUEST, DEMO, in_time())
    await intake.accept(request(client_message_id="a"), replace(DEMO, client_message_id_window=0), in_time())
    assert await digests(database) == set()


async def test_the_fields_of_a_digest_do_not_run_together(intake: Intake, database: Database) -> None:
    windowed = replace(DEMO, repeat_window=60)
    variants = [
        (request(client_message_id="1"), DEMO),
        (request(client_message_id="1", text="1Ваш код: 12345"), DEMO),
        (request(client_message_id="=1"), DEMO),
        (request(client_message_id="1", scheduled_at="2020-01-01T00:00:00Z"), DEMO),
        (request(client_message_id="1", scheduled_at="2020-01-01T00:00:00.1Z"), DEMO),
        (request(client_message_id="1", scheduled_at="0001-01-01T00:00:00"), DEMO),
        (REQUEST, windowed),
        (request(scheduled_at="2020-01-01T00:00:00Z"), windowed),
        (request(client_message_id="1"), replace(DEMO, client_id=11)),
    ]
    for one, client in variants:
        assert not (await intake.accept(one, client, in_time())).repeated
    assert len(await digests(database)) == len(variants)


# --------------------------------------------------------------------------------------------------------------- bulks


async def test_a_bulk_is_checked_in_slices(intake: Intake, database: Database) -> None:
    """Others get their turn every few milliseconds, though the check of all takes much longer."""
    long_text = "я" * 1300
    gaps: list[float] = []

    async def watch() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    watching = asyncio.create_task(watch())
    bad = iter([request(text=long_text, sender_address="Foo")] * 2_000)
    result = await intake.accept_bulk(bad, DEMO, in_time(30))
    watching.cancel()
    assert len(result.refusals) == 2_000
    assert sum(gaps) > 0.03
    assert sorted(gaps)[-3] < 0.03
    assert await count(database) == 0


async def test_bulks_take_turns(intake: Intake) -> None:
    order: list[int] = []

    def noted(number: int) -> Iterator[Request]:
        for _ in range(600):
            order.append(number)
            yield request(text="я" * 1300, sender_address="Foo")

    await asyncio.gather(*(intake.accept_bulk(noted(number), DEMO, in_time(30)) for number in (1, 2)))
    assert order.index(2) < len(order) - 1 - order[::-1].index(1)


async def test_what_the_reader_raises_passes_through_and_nothing_is_stored(intake: Intake, database: Database) -> None:
    def broken() -> Iterator[Request]:
        yield REQUEST
        raise LookupError("the rest is unreadable")

    with pytest.raises(LookupError):
        await intake.accept_bulk(broken(), DEMO, in_time())
    assert await count(database) == 0


async def test_a_sender_fits_the_first_operator_of_the_route(intake: Intake) -> None:
    wide = request(sender_address="FifteenLettersX")
    await intake.accept(wide, DEMO, in_time())
    with pytest.raises(Refused) as refused:
        await intake.accept(replace(wide, phone_number="998901234567"), DEMO, in_time())
    [rejection] = refused.value.rejections
    assert rejection.code is Code.SENDER_ADDRESS_TOO_LONG
    assert "narrow" in rejection.detail


async def test_a_client_without_senders_is_told_so(intake: Intake) -> None:
    with pytest.raises(Refused, match="SenderAddressNotAllowed") as refused:
        await intake.accept(REQUEST, Client(9, "new"), in_time())
    assert "0 names" in refused.value.rejections[0].detail
