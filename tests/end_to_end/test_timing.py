"""When messages go: scheduled ones, those that expire, and urgent ones past a queue, by the operator's own record."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.end_to_end.payk import Payk, registry

OTP, BATCH = 2, 3


async def test_a_message_scheduled_5_s_ahead_is_handed_over_between_5_and_6_s(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve()
    sent: dict[str, datetime] = {}
    for number in range(992900900900, 992900900905):
        sent[str(number)] = now = datetime.now(UTC)
        await centre.send(str(number), ScheduledAt=(now + timedelta(seconds=5)).isoformat())
        await asyncio.sleep(0.13)
    for line in await operator.record.wait_for(len(sent)):
        assert 5 <= line["at"] - sent[line["destination"]].timestamp() <= 6


async def test_expires_in_3_to_a_dead_operator_is_expired_after_3_to_4_s(payk_on_server: Payk) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and never listened on
        await payk_on_server.apply(registry(nobody.getsockname()[1]))
        centre = await payk_on_server.serve()

        async def seconds_to_expire(delay: float) -> float:
            await asyncio.sleep(delay)
            began = time.monotonic()
            message_id = await centre.send(ExpiresIn=3)
            assert await centre.state(message_id) == "None"
            assert await centre.wait_for(message_id) == "Expired"
            status = await centre.status(message_id)
            assert status["DateDone"] is not None
            return time.monotonic() - began

        for seconds in await asyncio.gather(*(seconds_to_expire(delay) for delay in (0, 0.3, 0.7))):
            assert 3 <= seconds <= 4


async def test_a_lone_message_is_submitted_within_50_ms_of_its_request(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve()
    asked: dict[str, float] = {}
    for number in range(992900900900, 992900900920):
        asked[str(number)] = time.time()
        await centre.send(str(number))
        await asyncio.sleep(0.1)
    waits = sorted(line["at"] - asked[line["destination"]] for line in await operator.record.wait_for(len(asked)))
    assert waits[len(waits) // 2] < 0.05, waits


@pytest.mark.parametrize("priority", [1, 2], ids=["normal", "high"])
async def test_otp_and_common_pass_a_queue_of_200_batch_messages(payk_on_server: Payk, priority: int) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port, link="rate = 10"))
    centre = await payk_on_server.serve()
    mailing = {"SenderAddress": "AlifBank", "SmsType": BATCH, "Priority": priority, "Text": "Акция"}
    bulk = [mailing | {"PhoneNumber": f"99290{number:07}"} for number in range(200)]
    answer = await centre.http.post("/api/v1/sms/bulk", json=bulk)
    assert answer.json() == {"Added": 200}
    await operator.record.wait_for(3)

    accepted: dict[str, float] = {}
    for turn in range(6):
        number = f"99291000000{turn}"
        kind = {"SmsType": OTP} if turn % 2 else {"SmsType": 1, "Priority": 1}
        await centre.send(number, **kind)
        accepted[number] = time.time()
        await operator.record.wait_for(1, number, within=10)
        await asyncio.sleep(0.3 + 0.07 * turn)

    lines = operator.record.submits()
    for number, at in accepted.items():
        own = next(index for index, line in enumerate(lines) if line["destination"] == number)
        ahead = [line for line in lines[:own] if line["at"] > at]
        assert len(ahead) <= 1, (number, len(ahead))
    took = lines[-1]["at"] - lines[0]["at"]
    assert len(lines) - 1 <= 10 * took + 10  # the rate, with the second's worth that may be saved up
    assert len(lines) < 120, "the mailing was to be waiting still"
