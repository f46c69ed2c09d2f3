"""What a client with limits may send at all: types, priorities, destinations, and Batch in its recipient's hours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from payk.domain.account import Client
from payk.domain.errors import Code, Field
from payk.domain.limits import Hours, Limits
from payk.domain.message import Priority, SmsType
from payk.domain.route import Route, RouteTable
from payk.intake import Refused
from payk.store.charging import refund
from payk.store.database import Database
from tests.intake.test_intake import DEMO, in_time, intake_on, request
from tests.web.centre import directory

COMMON, OTP, BATCH = 1, 2, 3
DUSHANBE = ZoneInfo("Asia/Dushanbe")


def limited(**limits: Any) -> Client:
    return replace(DEMO, limits=Limits(**limits))


async def refusals(database: Database, client: Client, **fields: Any) -> list[tuple[Code, Field | None, str]]:
    async with intake_on(database) as intake:
        with pytest.raises(Refused) as refused:
            await intake.accept(request(**fields), client, in_time())
    return [(rejection.code, rejection.field, rejection.detail) for rejection in refused.value.rejections]


async def stored(database: Database, client: Client, **fields: Any) -> dict[str, Any]:
    async with intake_on(database) as intake:
        taken = await intake.accept(request(**fields), client, in_time())
    async with database.connection() as connection:
        return dict(await connection.fetchrow("select * from message where message_id = $1", taken.message_id))


async def test_types(database: Database) -> None:
    client = limited(sms_types=frozenset({SmsType.OTP, SmsType.COMMON}))
    assert await refusals(database, client, sms_type=BATCH) == [
        (
            Code.SMS_TYPE_NOT_ALLOWED,
            Field.SMS_TYPE,
            "This client may not send SmsType Batch; it may send 1 Common or 2 Otp.",
        )
    ]
    assert (await stored(database, client, sms_type=OTP))["sms_type"] == OTP


async def test_priorities(database: Database) -> None:
    client = limited(max_priority={SmsType.COMMON: Priority.LOW})
    assert await refusals(database, client, sms_type=COMMON, priority=2) == [
        (Code.PRIORITY_NOT_ALLOWED, Field.PRIORITY, "Priority High is above 0 Low, the highest for SmsType Common.")
    ]
    assert (await stored(database, client, sms_type=COMMON, priority=0))["priority"] == 0
    assert (await stored(database, client, sms_type=COMMON))["priority"] == 0, "none is given: the highest there is"
    assert (await stored(database, client, sms_type=OTP, priority=2))["priority"] == 2, "of another type"


async def test_destinations(database: Database) -> None:
    client = limited(destinations=("99290", "998"))
    assert await refusals(database, client, phone_number="992880900900") == [
        (
            Code.DESTINATION_NOT_ALLOWED,
            Field.PHONE_NUMBER,
            "This client may send only to numbers that begin with 99290, 998.",
        )
    ]
    assert (await stored(database, client))["phone"] == "992900900900"


async def test_fields_are_checked_before_limits_and_all_that_is_not_allowed_is_told(database: Database) -> None:
    client = limited(
        sms_types=frozenset({SmsType.OTP}), max_priority={SmsType.COMMON: Priority.LOW}, destinations=("998",)
    )
    [broken] = await refusals(database, client, sms_type=COMMON, text="")
    assert broken[0] is Code.TEXT_REQUIRED
    told = await refusals(database, client, sms_type=COMMON, priority=2)
    assert [code for code, _, _ in told] == [
        Code.DESTINATION_NOT_ALLOWED,
        Code.PRIORITY_NOT_ALLOWED,
        Code.SMS_TYPE_NOT_ALLOWED,
    ]


def opening_in(hours: int) -> tuple[datetime, Hours]:
    """Hours of Dushanbe that open so long from now, and close an hour later; and when they open."""
    opens = (datetime.now(UTC) + timedelta(hours=hours)).replace(second=0, microsecond=0).astimezone(DUSHANBE)
    return opens, Hours(opens.time(), (opens + timedelta(hours=1)).time())


async def test_batch_waits_for_its_hours_and_its_lifetime_does_not_run(database: Database) -> None:
    opens, hours = opening_in(3)
    client = limited(batch_hours=hours)
    row = await stored(database, client, sms_type=BATCH, expires_in=600)
    assert row["scheduled_at"] == opens
    assert row["expires_at"] == opens + timedelta(seconds=600)
    later = opens + timedelta(minutes=30)
    row = await stored(database, client, sms_type=BATCH, scheduled_at=later.isoformat())
    assert row["scheduled_at"] == later, "within the hours"
    row = await stored(database, client, sms_type=BATCH, scheduled_at=(opens + timedelta(hours=2)).isoformat())
    assert row["scheduled_at"] == opens + timedelta(days=1)
    for kind in (OTP, COMMON):
        assert (await stored(database, client, sms_type=kind))["scheduled_at"] is None


async def test_hours_are_those_of_the_recipient(database: Database) -> None:
    now = datetime.now(DUSHANBE)
    around = Hours((now - timedelta(minutes=30)).time(), (now + timedelta(minutes=30)).time())
    client = limited(batch_hours=around, destinations=())
    assert (await stored(database, client, sms_type=BATCH))["scheduled_at"] is None
    # Tashkent goes by the same clock, whatever the zone of those whose number does not tell.
    async with intake_on(database, zone=ZoneInfo("America/New_York")) as intake:
        taken = await intake.accept(request(sms_type=BATCH, phone_number="998901234567"), client, in_time())
    async with database.connection() as connection:
        scheduled = await connection.fetchval(
            "select scheduled_at from message where message_id = $1", taken.message_id
        )
    assert scheduled is None


async def test_a_repeat_is_recognised_after_the_hours_opened(database: Database) -> None:
    _, hours = opening_in(3)
    async with intake_on(database) as intake:
        message = request(sms_type=BATCH, client_message_id="offer-17")
        held = await intake.accept(message, limited(batch_hours=hours), in_time())
        again = await intake.accept(message, limited(), in_time())
    assert again.repeated and again.message_id == held.message_id


async def test_only_prepaid_messages_have_a_price_that_could_be_given_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced = replace(directory(), routes=RouteTable([Route(1, "992", (1,), 1, price=1200)]))
    monkeypatch.setattr("tests.intake.test_intake.directory", lambda: priced)
    row = await stored(database, limited(parts_per_day=10))
    assert (row["charged_parts"], row["charged"]) == (1, 0)
    async with database.transaction() as connection:
        assert await refund(connection, [row["message_id"]]) == 1
        assert await connection.fetch("select from balance_entry") == [], "nothing was paid"
        await connection.execute("insert into client_balance values ($1, 10000)", row["client_id"])
    paid = await stored(database, limited(prepaid=True), text="paid")
    assert paid["charged"] == 1200 * paid["parts"]
