"""One-time passwords beyond the rate of a client: taken, and sent as Common High."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from payk.domain.account import Client
from payk.domain.limits import Limits
from payk.domain.message import Lane, SmsType
from payk.domain.queue_limit import QueueFull
from payk.intake import BulkResult, Intake
from payk.store.accept import Inserted
from payk.store.database import Database
from payk.store.timeline import EventKind, read_timeline
from tests.intake.test_intake import DEMO, in_time, intake_on, request

CLIENT = replace(DEMO, limits=Limits(otp_per_minute=3))


@pytest.fixture
async def intake(database: Database) -> AsyncIterator[Intake]:
    async with intake_on(database) as one:
        yield one


async def lanes(db: Database, ids: Sequence[int]) -> list[Lane]:
    async with db.connection() as connection:
        rows = await connection.fetch(
            "select w.lane, m.demoted from waiting w join message m using (message_id) where message_id = any($1)"
            " order by message_id",
            list(ids),
        )
    assert [row[1] for row in rows] == [row[0] == Lane.COMMON_HIGH for row in rows]
    return [Lane(row[0]) for row in rows]


async def sent(intake: Intake, count: int, client: Client = CLIENT, sms_type: int = 2) -> list[int]:
    ids = []
    for _ in range(count):
        taken = await intake.accept(request(sms_type=sms_type), client, in_time())
        assert isinstance(taken, Inserted)
        ids.append(taken.message_id)
    return ids


async def test_a_minute_s_worth_is_free_and_what_follows_goes_as_common_high(
    intake: Intake, database: Database
) -> None:
    ids = await sent(intake, 8)
    assert await lanes(database, ids[:3]) == [Lane.OTP] * 3
    assert await lanes(database, ids[5:]) == [Lane.COMMON_HIGH] * 3  # between them what is given on credit at the most
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from message where sms_type = $1", int(SmsType.OTP)) == 8
    timeline = await read_timeline(database, DEMO.client_id, ids[-1], timeout=5)
    assert timeline is not None
    assert [event.kind for event in timeline.events] == [EventKind.ACCEPTED, EventKind.DEMOTED, EventKind.QUEUED]
    assert timeline.events[1].reason == "more Otp than the client may send a minute: sent as Common High"
    timeline = await read_timeline(database, DEMO.client_id, ids[0], timeout=5)
    assert timeline is not None
    assert EventKind.DEMOTED not in {event.kind for event in timeline.events}


async def test_the_later_ones_of_a_bulk_are_demoted(intake: Intake, database: Database) -> None:
    items = [request(sms_type=kind) for kind in (2, 1, 2, 3, 2, 2, 2, 2)]
    taken = await intake.accept_bulk(iter(items), CLIENT, in_time())
    assert isinstance(taken, BulkResult)
    got = await lanes(database, [row.message_id for row in taken.inserted if row is not None])
    assert got[1] == Lane.COMMON_NORMAL and got[3] == Lane.BATCH
    codes = [got[place] for place in (0, 2, 4, 5, 6, 7)]
    assert codes[:3] == [Lane.OTP] * 3 and codes[-1] == Lane.COMMON_HIGH
    assert codes == sorted(codes)


async def test_others_use_nothing_of_it_and_clients_without_a_rate_are_never_demoted(
    intake: Intake, database: Database
) -> None:
    await sent(intake, 5, sms_type=1)
    await sent(intake, 5, sms_type=3)
    assert await lanes(database, await sent(intake, 3)) == [Lane.OTP] * 3
    assert await lanes(database, await sent(intake, 20, client=DEMO)) == [Lane.OTP] * 20


async def test_demoted_ones_leave_the_last_places_of_the_queue_to_codes(database: Database) -> None:
    """95 of 100 places are for a client that marks a mailing Otp; the last ones are for the codes of others."""
    async with intake_on(database, queue_max=100) as intake:
        with pytest.raises(QueueFull) as full:
            await sent(intake, 120)
        assert full.value.sms_type is SmsType.COMMON
        assert len(await waiting(database)) == 95
        with pytest.raises(QueueFull):
            await intake.accept_bulk(iter([request(), request()]), CLIENT, in_time())
        with pytest.raises(QueueFull):
            await sent(intake, 1, client=DEMO, sms_type=1)
        await sent(intake, 5, client=DEMO)
        with pytest.raises(QueueFull):
            await sent(intake, 1, client=DEMO)
    assert len(await waiting(database)) == 100


async def waiting(db: Database) -> list[int]:
    async with db.connection() as connection:
        return [row[0] for row in await connection.fetch("select message_id from waiting")]


async def test_two_processes_share_it(database: Database) -> None:
    async with contextlib.AsyncExitStack() as stack:
        doors = [await stack.enter_async_context(intake_on(database)) for _ in range(2)]
        ids = [each for got in await asyncio.gather(*(sent(door, 10) for door in doors)) for each in got]
    found = await lanes(database, ids)
    assert 3 <= found.count(Lane.OTP) <= 3 + len(doors)
