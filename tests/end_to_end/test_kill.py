"""`payk serve` killed amid its work and started again: nothing is lost, and nothing is sent twice without need."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from tests.end_to_end.payk import MESSAGE, Payk, registry

MESSAGES = 1000
LATENCY = 0.3
WINDOW = 100
LOST_ONCE = """
[[rule]]
destination = "992900000%d*"
lose = true
times = 1
"""
"""The first submit of a fifth of the messages is neither answered nor delivered."""
RECORDED_WITHIN = 1.0
"""Seconds from an operator's answer until it is surely written down, on a machine that others use too."""


async def test_killed_amid_1000_accepted_messages_all_become_final_and_none_is_missing(payk: Payk) -> None:
    waits = {"PAYK_RECEIPT_WAIT": "60", "PAYK_UNCERTAIN_HOLD": "5"}
    await payk.done("migrate")
    scenario = payk.folder / "scenario.toml"
    scenario.write_text("".join(LOST_ONCE % hundreds for hundreds in (1, 8)))
    operator = await payk.simulate("--latency", str(1000 * LATENCY), "--scenario", str(scenario))
    await payk.apply(registry(operator.port, link=f"window = {WINDOW}"))
    centre = await payk.serve(**waits)
    numbers = [f"99290{number:07}" for number in range(MESSAGES)]
    bodies = [MESSAGE | {"PhoneNumber": number, "SmsType": 1} for number in numbers]
    answer = await centre.http.post("/api/v1/sms/bulk", params={"MessageIds": "true"}, json=bodies)
    accepted = dict(zip(numbers, answer.json()["MessageIds"], strict=True))
    await operator.record.wait_for(MESSAGES // 4, within=30)
    killed_at = time.time()
    centre.program.kill()
    assert len(operator.record.submits()) < MESSAGES - WINDOW, "killed too late to be amid them"

    centre = await payk.serve(**waits)
    states = await centre.wait_for_all(accepted.values(), within=180)
    assert set(states.values()) == {"Delivered"}

    submits: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in operator.record.submits():
        submits[line["destination"]].append(line)
    assert submits.keys() == accepted.keys()
    twice = [lines for lines in submits.values() if len(lines) > 1]
    assert len(twice) >= 200
    for first, second in twice:
        assert first["status"] is None or first["at"] + LATENCY > killed_at - RECORDED_WITHIN
        assert second["at"] - first["at"] >= 5
    await centre.program.stop()
    await operator.program.stop()
    assert payk.processes() == []


async def test_batch_messages_are_not_sent_again_after_a_kill(payk_on_server: Payk) -> None:
    """Whoever got an answer in time is delivered; the others end Unknown, or are delivered by their receipt."""
    operator = await payk_on_server.simulate("--latency", "500")
    await payk_on_server.apply(registry(operator.port, link="window = 20"))
    centre = await payk_on_server.serve(PAYK_RECEIPT_WAIT="8")
    bodies = [MESSAGE | {"PhoneNumber": f"99290{number:07}", "SmsType": 3} for number in range(60)]
    answer = await centre.http.post("/api/v1/sms/bulk", params={"MessageIds": "true"}, json=bodies)
    taken = answer.json()["MessageIds"]
    await operator.record.wait_for(20)
    centre.program.kill()

    centre = await payk_on_server.serve(PAYK_RECEIPT_WAIT="8")
    states = await centre.wait_for_all(taken, within=60)
    assert set(states.values()) <= {"Delivered", "Unknown"}
    destinations = [line["destination"] for line in operator.record.submits()]
    assert len(destinations) == len(set(destinations)) == 60


async def test_another_process_takes_over_what_a_killed_one_had(payk_on_server: Payk) -> None:
    """Its bind and its claims: what was queued goes at once, what had no answer after the hold."""
    operator = await payk_on_server.simulate("--latency", "500", "--max-binds", "1")
    await payk_on_server.apply(registry(operator.port, link="window = 20\nbinds = 1"))
    short = {"PAYK_LEASE": "2", "PAYK_UNCERTAIN_HOLD": "1"}
    first = await payk_on_server.serve(**short)
    await first.wait_for(await first.send(), "Delivered")
    second = await payk_on_server.serve(**short)
    bodies = [MESSAGE | {"PhoneNumber": f"99290{number:07}", "SmsType": 1} for number in range(100)]
    answer = await second.http.post("/api/v1/sms/bulk", params={"MessageIds": "true"}, json=bodies)
    await operator.record.wait_for(40)
    first.program.kill()
    killed_at = time.time()

    states = await second.wait_for_all(answer.json()["MessageIds"], within=40)
    assert set(states.values()) == {"Delivered"}
    assert min(line["at"] for line in operator.record.submits() if line["bind"] > 1) - killed_at < 10
    assert {line["destination"] for line in operator.record.submits()} == {
        "992900900900", *(body["PhoneNumber"] for body in bodies)
    }  # fmt: skip
