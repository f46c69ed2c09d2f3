"""What goes next on a slow link: the operator's own record tells."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from payk.domain.message import Priority, SmsType
from payk.store.database import Database
from tests.dispatch.centre import Operator, accept, configure, running_centre

MAILING = [f"99290{number:07}" for number in range(200)]


@pytest.mark.parametrize("priority", [Priority.NORMAL, Priority.HIGH])
async def test_a_mailing_is_passed_by_whatever_is_more_urgent(
    database: Database, operator: Operator, priority: Priority
) -> None:
    """On a link of rate 10 with 200 Batch messages queued an Otp and a Common one are the next or next but one."""
    await configure(database, {"tcell": {"port": operator.port, "rate": 10}})
    async with running_centre(database) as centre:
        await centre.bound()
        await accept(database, *MAILING, sms_type=SmsType.BATCH, priority=priority)
        urgent: list[tuple[str, dict[str, Any]]] = [
            ("992910000001", {"sms_type": SmsType.OTP, "priority": Priority.LOW}),
            ("992910000002", {"sms_type": SmsType.COMMON, "priority": Priority.NORMAL}),
            ("992910000003", {"sms_type": SmsType.OTP}),
        ]
        for number, (phone, changes) in enumerate(urgent):
            before = len(await operator.record.wait_for(4 * (number + 1)))
            [message_id] = await accept(database, phone, **changes)
            [line] = await operator.record.wait_for(1, phone)
            order = [each["destination"] for each in operator.record.submits()]
            # The record is up to 0.1 s behind, so one more may have been on its way when we looked.
            assert order.index(phone) - before <= 2, (message_id, order)
            assert line["status"] == 0
    lines = await operator.submits()
    gaps = [later["at"] - earlier["at"] for earlier, later in pairwise(lines)]
    assert min(gaps) > 0.05 and len(lines) < 60  # the rate was kept all the while


async def test_clients_share_a_slow_link(database: Database, operator: Operator) -> None:
    """A client that comes with three messages does not wait for another one's two hundred."""
    await configure(database, {"tcell": {"port": operator.port, "rate": 20}})
    async with database.connection() as connection:
        small = await connection.fetchval("insert into client (name) values ('small') returning client_id")
    async with running_centre(database) as centre:
        await centre.bound()
        await accept(database, *MAILING, sms_type=SmsType.BATCH)
        before = len(await operator.record.wait_for(4))
        phones = ["992910000001", "992910000002", "992910000003"]
        for phone in phones:
            await accept(database, phone, sms_type=SmsType.BATCH, client_id=small)
        await operator.record.wait_for(1, phones[-1])
        order = [line["destination"] for line in operator.record.submits()]
    assert order.index(phones[-1]) - before <= 2 * len(phones) + 3
    assert sorted(phones) == [phone for phone in order if phone in phones]
