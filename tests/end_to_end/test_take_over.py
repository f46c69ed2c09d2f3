"""Two dispatchers in processes of their own: when a bind moves from one to the other, and what the first one says."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from payk.smpp import BindTransceiverResp, SubmitSm, Unbind
from tests.end_to_end.payk import MESSAGE, Payk, registry
from tests.end_to_end.program import Program
from tests.end_to_end.tap import Tap, tapped

ENGINES = ("serve", "--roles", "dispatch,maintenance")
ELSEWHERE = Path(__file__).with_name("elsewhere.py")
TAKE_OVER = 15.0
"""Seconds from the death of a process to the bind of another, under the default lease."""


@pytest.fixture
async def tap(payk_on_server: Payk) -> AsyncIterator[Tap]:
    """Before the operator that the registry names."""
    operator = await payk_on_server.simulate("--latency", "20")
    async with tapped(operator.port) as tap:
        await payk_on_server.apply(registry(tap.port, link="window = 20\nrate = 100"))
        yield tap


async def engines(payk: Payk, *, script: Path | None = None, **environment: str) -> Program:
    """A process that dispatches, started to the end."""
    program = payk.start(*ENGINES, script=script, PAYK_ADMIN_PORT="0", **environment)
    await program.line(r"^management +(http://\S+)")
    return program


async def two_engines(payk: Payk, tap: Tap, *, script: Path | None = None, **environment: str) -> list[Program]:
    """The first one holds the bind."""
    first = await engines(payk, script=script, **environment)
    await tap.until(lambda: tap.sessions and tap.sessions[0].first(BindTransceiverResp))
    return [first, await engines(payk, **environment)]


async def census(payk: Payk) -> dict[int, dict[str, Any]]:
    """The live processes by pid, as `payk processes` tells them."""
    found = json.loads(await payk.done("processes", "--json"))
    assert found["held_by_nobody"] == []
    return {process["pid"]: process for process in found["processes"]}


async def test_who_stood_still_closes_first_and_sends_nothing(payk_on_server: Payk, tap: Tap) -> None:
    short = {"PAYK_LEASE": "2", "PAYK_UNCERTAIN_HOLD": "1"}
    door = await payk_on_server.serve("--roles", "api", **short)
    first, second = await two_engines(payk_on_server, tap, **short)
    bodies = [MESSAGE | {"PhoneNumber": f"99290{number:07}", "SmsType": 1} for number in range(600)]
    answer = await door.http.post("/api/v1/sms/bulk", params={"MessageIds": "true"}, json=bodies)
    await tap.until(lambda: tap.sessions[0].count(SubmitSm) > 30)
    first.process.send_signal(signal.SIGSTOP)
    try:
        await tap.until(lambda: len(tap.sessions) > 1 and tap.sessions[1].count(SubmitSm) > 30)
        assert tap.sessions[0].ended_at is None, "its session is open still"
        woken_at = time.time()
    finally:
        first.process.send_signal(signal.SIGCONT)
    await tap.until(lambda: tap.sessions[0].ended_at)
    assert [type(pdu) for pdu in tap.sessions[0].said_after(woken_at)] == [Unbind]

    states = await door.wait_for_all(answer.json()["MessageIds"], within=40)
    assert set(states.values()) == {"Delivered"}
    assert len(tap.sessions) == 2, "it stands by"
    processes = await census(payk_on_server)
    assert set(processes) == {door.program.process.pid, first.process.pid, second.process.pid}
    assert processes[first.process.pid]["binds"] == processes[door.program.process.pid]["binds"] == []
    [bind] = processes[second.process.pid]["binds"]
    assert (bind["link"], bind["number"], bind["waiting_for"]) == ("tcell-1", 1, None)
    assert bind["bound_at"]
    assert processes[second.process.pid]["roles"] == ["dispatch", "maintenance"]


@pytest.mark.parametrize("script", [None, ELSEWHERE], ids=["of this machine", "of another machine"])
async def test_a_bind_moves_when_its_process_is_killed(payk_on_server: Payk, tap: Tap, script: Path | None) -> None:
    first, _ = await two_engines(payk_on_server, tap, script=script)
    killed_at = time.time()
    first.kill()
    await tap.until(lambda: len(tap.sessions) > 1 and tap.sessions[1].first(BindTransceiverResp), TAKE_OVER)
    taken_at = tap.sessions[1].first(BindTransceiverResp)
    assert taken_at is not None
    if script is None:
        assert taken_at - killed_at < 5, "its neighbours see that it is gone"


async def test_a_bind_moves_at_once_when_its_process_stops(payk_on_server: Payk, tap: Tap) -> None:
    first, _ = await two_engines(payk_on_server, tap)
    stopped_at = time.time()
    await first.stop()
    await tap.until(lambda: len(tap.sessions) > 1 and tap.sessions[1].first(BindTransceiverResp))
    taken_at = tap.sessions[1].first(BindTransceiverResp)
    assert taken_at is not None and taken_at - stopped_at < 2
    assert tap.sessions[0].count(Unbind) == 1


async def test_the_census_as_a_table(payk_on_server: Payk, tap: Tap) -> None:
    nobody = await payk_on_server.done("processes")
    assert "tcell-1 1  nobody" in nobody
    program = await engines(payk_on_server)
    await tap.until(lambda: tap.sessions and tap.sessions[0].first(BindTransceiverResp))
    deadline = time.monotonic() + 60
    while "bound since" not in (table := await payk_on_server.done("processes")):
        assert time.monotonic() < deadline, table
    heads, process, *_ = table.splitlines()
    bind = next(line for line in table.splitlines() if "bound since" in line)
    assert heads.split()[:4] == ["Incarnation", "Host", "Pid", "Roles"]
    assert process.split()[2:5] == [str(program.process.pid), "dispatch,", "maintenance"]
    assert bind.split()[:3] == ["tcell-1", "1", process.split()[0]]
