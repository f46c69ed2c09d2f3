"""Batch whose recipients' hours closed while it waited goes when they open again; nothing else waits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from payk.domain.message import MessageState, SmsType
from payk.domain.whereabouts import Cause, cause_of, why_for_client
from payk.store.database import Database
from payk.store.timeline import EventKind, read_timeline
from tests.dispatch.centre import Operator, accept, configure, running_centre

BATCH_PHONE, OTP_PHONE, COMMON_PHONE = "992900000001", "992900000002", "992900000003"


async def test_batch_found_outside_the_hours_is_held_and_sent_when_they_open(
    database: Database, operator: Operator
) -> None:
    now = datetime.now(ZoneInfo("Asia/Dushanbe"))
    opens = (now + timedelta(hours=3)).replace(second=0, microsecond=0)
    hours = f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M}"
    await configure(database, {"tcell": {"port": operator.port}}, client={"batch_hours": hours})
    many = [f"99291{number:07}" for number in range(1_500)]
    async with running_centre(database) as centre:
        await accept(database, BATCH_PHONE, *many, sms_type=SmsType.BATCH, expires_in=600)
        await accept(database, OTP_PHONE, sms_type=SmsType.OTP)
        await accept(database, COMMON_PHONE, sms_type=SmsType.COMMON)
        await centre.wait_for("select count(*) = 1501 from staged")
        await centre.wait_for("select count(*) = 2 from message where state = 2")
        assert await centre.value("select bool_and(due = $1) from staged", opens.astimezone(UTC))
        held, client = (
            await centre.value("select min(message_id) from staged"),
            await centre.value("select client_id from client"),
        )
        timeline = await read_timeline(database, client, held, timeout=5)
        assert timeline is not None
        assert [(event.kind, event.until) for event in timeline.events] == [
            (EventKind.ACCEPTED, None),
            (EventKind.HELD, opens.astimezone(UTC)),
        ]
        assert cause_of(timeline.whereabouts) is Cause.BATCH_HOURS
        assert f"{opens.astimezone(UTC):%H:%M:%S} UTC" in why_for_client(timeline.whereabouts)
        # The hours open: the client's are changed, and the time of what is staged comes.
        around = f"{now - timedelta(hours=1):%H:%M}-{opens + timedelta(hours=1):%H:%M}"
        await configure(database, {"tcell": {"port": operator.port}}, client={"batch_hours": around})
        async with asyncio.timeout(30):
            while centre.directory.value.version < 2:  # before, what becomes due is held anew
                await asyncio.sleep(0.02)
        async with database.connection() as connection:
            await connection.execute("update staged set due = now()")
        await centre.all_become(MessageState.DELIVERED)
    assert await operator.times_submitted() == dict.fromkeys([BATCH_PHONE, OTP_PHONE, COMMON_PHONE, *many], 1)
