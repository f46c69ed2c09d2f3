"""Centres whose queue may hold 100 messages, and nobody who sends them."""

from __future__ import annotations

import asyncio

from tests.end_to_end.payk import MESSAGE, Centre, Payk, registry


async def test_doors_refuse_before_the_queue_grows_past_its_limit(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(2775))
    door, other = [await payk_on_server.serve("--roles", "api", PAYK_QUEUE_MAX="100") for _ in range(2)]
    taken: list[str] = []
    for sms_type, last in ((3, 80), (1, 95), (2, 100)):
        while len(taken) < last:
            taken += await ids(door, sms_type)
        await until_counted(other, last)
        for place in (door, other):
            refused = await place.http.post("/api/v1/sms", json=MESSAGE | {"SmsType": sms_type})
            assert (refused.status_code, refused.json()["MessageResult"]) == (503, "QueueFull")
            assert int(refused.headers["Retry-After"]) >= 1
            whole = await place.http.post("/api/v1/sms/bulk", json=[MESSAGE | {"SmsType": sms_type}])
            assert whole.json()["MessageResult"] == "QueueFull"
    assert len(set(taken)) == 100
    assert door.program.stderr.count("the queue is filling") == 1


async def ids(door: Centre, sms_type: int) -> list[str]:
    """Send one message; its id, or none and a pause: a count amid a request may see it twice until the next one."""
    answer = await door.http.post("/api/v1/sms", json=MESSAGE | {"SmsType": sms_type})
    if answer.status_code == 200:
        return [answer.json()["MessageId"]]
    assert answer.json()["MessageResult"] == "QueueFull"
    await asyncio.sleep(0.2)
    return []


async def until_counted(door: Centre, messages: int) -> None:
    """Until a door says that so many messages wait."""
    async with asyncio.timeout(30):
        while True:
            warnings = (await door.http.get("/health/ready")).json()["Warnings"]
            if f"the queue is filling: {messages} messages wait, of 100 that may" in warnings:
                return
            await asyncio.sleep(0.05)
