"""SIGTERM under load: out within 10 seconds with exit code 0; what was accepted is sent, once, after the next start."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import httpx

from tests.end_to_end.payk import MESSAGE, Centre, Payk, registry

CALLERS = 20


async def keep_sending(centre: Centre, caller: int, accepted: dict[str, str]) -> None:
    """One message after the other until the door is closed; every answer is a 200."""
    for turn in range(10_000):
        number = f"9929{caller:02}{turn:06}"
        try:
            answer = await centre.http.post("/api/v1/sms", json=MESSAGE | {"PhoneNumber": number, "SmsType": 1})
        except httpx.TransportError:
            return
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 503:
            return
        accepted[number] = answer.json()["MessageId"]


async def test_a_stop_under_load_is_in_time_and_loses_and_repeats_nothing(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate("--latency", "100")
    await payk_on_server.apply(registry(operator.port, link="window = 20"))
    centre = await payk_on_server.serve()
    accepted: dict[str, str] = {}
    callers = [asyncio.create_task(keep_sending(centre, caller, accepted)) for caller in range(CALLERS)]
    await operator.record.wait_for(100)
    assert len(accepted) > 100
    seconds = await centre.program.stop()
    await asyncio.gather(*callers)
    assert seconds < 10
    assert len(operator.record.submits()) < len(accepted), "it was stopped under load"

    centre = await payk_on_server.serve()
    states = await centre.wait_for_all(accepted.values(), within=60)
    assert set(states.values()) == {"Delivered"}
    received = Counter(line["destination"] for line in operator.record.submits())
    assert received.keys() >= accepted.keys()
    assert set(received.values()) == {1}


async def test_a_stop_waits_for_answers_that_are_due(payk_on_server: Payk) -> None:
    """The operator answers after two seconds: those are no uncertain submits, and are not sent again."""
    operator = await payk_on_server.simulate("--latency", "2000")
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve()
    sent = [await centre.send(f"99290090{number:04}") for number in range(10)]
    began = time.monotonic()
    while {await centre.state(message_id) for message_id in sent} != {"Enroute"}:
        assert time.monotonic() - began < 1.9
    await centre.program.stop()
    centre = await payk_on_server.serve()
    assert set((await centre.wait_for_all(sent, within=30)).values()) == {"Delivered"}
    assert len(operator.record.submits()) == 10


async def test_a_silent_operator_does_not_hold_a_stop_up(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve()
    await centre.send("992000000011")
    await operator.record.wait_for(1)
    await centre.program.stop()
