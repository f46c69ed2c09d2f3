"""The database's disk is full: what needs room is refused and not taken, sessions stay, and all goes on when there is.

Two ways: the server cannot make its tables longer and says so, and it cannot make its log longer and ends.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from payk.smpp import CommandStatus
from tests.end_to_end.conftest import SHORT_WAITS
from tests.end_to_end.payk import MESSAGE, Centre, Operator, Payk, registry
from tests.faults.disk import Disk, small_disk
from tests.faults.journal import Journal

pytestmark = pytest.mark.slow

LEASE = 4.0
ANSWER_TIMEOUT = 5.0
RETURN = 5.0
"""Seconds from the room to the first message taken, and to its receipt."""
FULL, ROOM = "the database's disk is full", "the database's disk has room again"
BULK = 100
SCENARIO = """
[[rule]]
destination = "99297*"
receipt_after = [2, 20]
"""


class Caller:
    """Sends bulks to numbers that nobody else has, and remembers what was answered."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre
        self._bulks = 0
        self.taken: dict[str, str] = {}
        """Number -> MessageId of what was answered with 200."""
        self.refused: list[list[str]] = []
        self.unknown: list[list[str]] = []
        """Numbers of the bulks that were answered with 503, and with 504."""

    async def bulk(self) -> int:
        """Send one; the status. It must be answered in time, and by one of three answers."""
        numbers = [f"9929{self._bulks:04}{number:04}" for number in range(BULK)]
        self._bulks += 1
        began = time.monotonic()
        body = [MESSAGE | {"PhoneNumber": number, "Text": "x" * 600, "SmsType": 1} for number in numbers]
        answer = await self._centre.http.post("/api/v1/sms/bulk", params={"MessageIds": "true"}, json=body)
        assert time.monotonic() - began < ANSWER_TIMEOUT
        if answer.status_code == 200:
            self.taken |= dict(zip(numbers, answer.json()["MessageIds"], strict=True))
        else:
            told = (answer.status_code, answer.json()["MessageResult"])
            assert told in {(503, "ServiceUnavailable"), (504, "OutcomeUnknown")}
            (self.refused if answer.status_code == 503 else self.unknown).append(numbers)
        return answer.status_code

    async def until_refused(self) -> None:
        deadline = time.monotonic() + 30
        while await self.bulk() == 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)

    async def for_seconds(self, seconds: float) -> Counter[int]:
        """Go on; how often each status was answered."""
        statuses: Counter[int] = Counter()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            statuses[await self.bulk()] += 1
            await asyncio.sleep(0.1)
        return statuses


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[tuple[Payk, Disk, Operator, Centre]]:
    """A centre with the embedded database on a small disk, bound to an operator."""
    payk = Payk(tmp_path, {"PAYK_SECRET_KEY": "5a" * 32, "PAYK_LEASE": str(LEASE), **SHORT_WAITS})
    with small_disk(payk.home) as disk:
        try:
            await payk.done("migrate")
            (tmp_path / "operator.toml").write_text(SCENARIO)
            operator = await payk.simulate("--scenario", str(tmp_path / "operator.toml"))
            await payk.apply(registry(operator.port))
            centre = await payk.serve()
            await centre.wait_for(await centre.send(), "Delivered")
            yield payk, disk, operator, centre
        finally:
            disk.empty()
            await payk.close()


async def all_goes_on(centre: Centre, disk: Disk) -> None:
    """Make room: within seconds a message is taken and delivered."""
    disk.empty()
    began = time.monotonic()
    while (answer := await centre.http.post("/api/v1/sms", json=MESSAGE)).status_code != 200:
        assert time.monotonic() - began < RETURN, answer.text
        await asyncio.sleep(0.05)
    await centre.wait_for(answer.json()["MessageId"], "Delivered", within=RETURN)


async def nothing_was_lost(centre: Centre, operator: Operator, caller: Caller) -> None:
    """What was answered with 200 is delivered, what was refused never went out, and nothing went out twice."""
    states = await centre.wait_for_all(list(caller.taken.values()), within=60)
    assert set(states.values()) <= {"Delivered"}  # none, where nothing was taken any more
    submits = Counter(line["destination"] for line in operator.record.submits() if first_part(line))
    assert not submits.keys() & {number for bulk in caller.refused for number in bulk}
    assert {number: submits[number] for number in caller.taken if submits[number] != 1} == {}
    for bulk in caller.unknown:
        assert {submits[number] for number in bulk} in ({0}, {1}), "a transaction is whole"


async def a_receipt_is_refused(operator: Operator, numbers: list[str]) -> None:
    """With the answer after which an operator tries again later."""
    deadline = time.monotonic() + 20
    while not any(
        line["status"] == CommandStatus.ESME_RX_T_APPN and line["source"] in numbers
        for line in operator.record.receipts()
    ):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


def first_part(line: dict[str, Any]) -> bool:
    """Of a concatenated message; its header ends with the number of the part."""
    return bool(line["octets"][10:12] == "01")


def assert_the_session_stayed(journal: Journal) -> None:
    for event in ("bind down", "lease lapsed", "this process"):
        assert not journal.lines(event)
    assert len(journal.lines("bind up")) == 1
    assert [len(journal.lines(event)) for event in (FULL, ROOM)] == [1, 1]


async def test_tables_that_cannot_grow(scene: tuple[Payk, Disk, Operator, Centre]) -> None:
    """The server lives: it is asked and answers, messages that are stored can be read, and leases are kept."""
    _, disk, operator, centre = scene
    journal, caller = Journal(centre.program), Caller(centre)
    known = await centre.send()
    await centre.wait_for(known, "Delivered")
    disk.fill()
    await caller.until_refused()
    await journal.line(FULL)
    statuses = await caller.for_seconds(1.5 * LEASE)
    assert statuses.keys() == {503}
    assert await centre.state(known) == "Delivered"
    ready = await centre.http.get("/health/ready")
    assert (ready.status_code, ready.json()["Warnings"]) == (200, [FULL])
    assert not journal.lines("the database does not answer") and not journal.lines("heartbeat failed")

    await all_goes_on(centre, disk)
    await journal.line(ROOM)
    assert await caller.bulk() == 200
    await nothing_was_lost(centre, operator, caller)
    assert_the_session_stayed(journal)
    assert (await centre.http.get("/health/ready")).json()["Warnings"] == []
    await centre.program.stop()


async def test_a_log_that_cannot_grow(scene: tuple[Payk, Disk, Operator, Centre]) -> None:
    """The server ends, and cannot start again before there is room; then it does at once."""
    _, disk, operator, centre = scene
    journal, caller = Journal(centre.program), Caller(centre)
    on_their_way = [f"99297{number:07}" for number in range(20)]  # receipts come before, during and after
    ids = [await centre.send(number) for number in on_their_way]
    await centre.wait_for(ids[-1], "Enroute")
    disk.fill(leave=12)  # a log file takes 16
    await caller.until_refused()
    await journal.line(FULL)
    await journal.line("the database does not answer")
    statuses = await caller.for_seconds(LEASE)
    assert statuses.keys() <= {503, 504} and statuses[503] > 5
    assert (await centre.http.get("/health/ready")).status_code == 503
    assert len(journal.lines("database_not_restarted")) >= 2
    await a_receipt_is_refused(operator, on_their_way)

    await all_goes_on(centre, disk)
    await journal.line("the database answers again")
    await journal.line(ROOM)
    assert set((await centre.wait_for_all(ids, within=60)).values()) == {"Delivered"}
    await nothing_was_lost(centre, operator, caller)
    assert_the_session_stayed(journal)
    assert len(journal.lines("the database does not answer")) == 1
    await centre.program.stop()
