"""Who is refused while too many messages wait, and what they are told."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from payk.store.database import Database
from tests.web.answers import problem
from tests.web.centre import MESSAGE, Centre, centre_on

OTP, COMMON, BATCH = ({**MESSAGE, "SmsType": sms_type} for sms_type in (2, 1, 3))


@pytest.fixture
async def centre(database: Database) -> AsyncIterator[Centre]:
    """A centre whose queue may hold 100 messages, and is known to be empty."""
    async with centre_on(database, queue_max=100) as running:
        await running.depth.count()
        yield running


async def test_the_less_urgent_are_refused_sooner(centre: Centre) -> None:
    for message, last, name in ((BATCH, 80, "Batch"), (COMMON, 95, "Common"), (OTP, 100, "Otp")):
        while await centre.count() < last:
            assert (await centre.send(message)).status_code == 200
        refused = problem(await centre.send(message), "QueueFull")
        assert refused["Retryable"] is True
        assert refused["Detail"].startswith(f"The queue is full for SmsType {name}. Nothing was taken")
        problem(await centre.bulk([message]), "QueueFull")
    assert await centre.count() == 100


async def test_a_bulk_is_taken_whole_or_not_at_all(centre: Centre) -> None:
    problem(await centre.bulk([OTP] * 80 + [BATCH]), "QueueFull")
    problem(await centre.bulk([OTP] * 96 + [COMMON, {}]), "QueueFull")
    problem(await centre.bulk([OTP] * 101), "QueueFull")
    assert await centre.count() == 0
    assert (await centre.bulk([OTP] * 79 + [BATCH])).json() == {"Added": 80}
    assert (await centre.bulk([OTP] * 20)).json() == {"Added": 20}
    problem(await centre.send(OTP), "QueueFull")


async def test_rules_are_checked_first(centre: Centre) -> None:
    assert (await centre.bulk([OTP] * 100)).json() == {"Added": 100}
    problem(await centre.send({**OTP, "Text": ""}), "TextRequired")
    problem(await centre.bulk([{}]), "AllMessagesRejected")
    assert (await centre.bulk([])).json() == {"Added": 0}
    problem(await centre.bulk([{}, OTP]), "QueueFull")


async def test_what_was_taken_under_a_key_is_told_though_the_queue_is_full(centre: Centre) -> None:
    key = {"Idempotency-Key": "request-17"}
    first = await centre.send(OTP, **key)
    bulk = await centre.bulk([OTP] * 99, query="?MessageIds=true", **key)
    assert (await centre.send(OTP, **key)).content == first.content
    assert (await centre.bulk([OTP] * 99, **key)).content == bulk.content
    problem(await centre.send(OTP, **{"Idempotency-Key": "request-18"}), "QueueFull")
    problem(await centre.bulk([OTP], **{"Idempotency-Key": "request-18"}), "QueueFull")
