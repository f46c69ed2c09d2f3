"""Clocks that jump by hours, one way and the other: of a process, and of the database.

Sessions, leases and time-outs go by CLOCK_BOOTTIME, what is due and what expires by the database's clock; so a process
whose clock is wrong does nothing wrong, and a database whose clock is wrong ends nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from payk.store.embedded.place import Place
from tests.end_to_end.payk import Payk, registry
from tests.end_to_end.program import Program
from tests.end_to_end.server import Server
from tests.faults.conftest import payk_on
from tests.faults.faketime import WallClock
from tests.faults.journal import Journal

LEASE = 2.0
OWN_CLOCK, DATABASE_CLOCK = "this machine's clock jumped", "the database's clock jumped"


def after(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def test_the_clock_of_a_process_jumps(payk: Payk, tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    centre = await payk.serve(PAYK_LEASE=str(LEASE), **clock.environment)
    journal = Journal(centre.program)
    await journal.line("bind up")
    # Another process looks on: it would end one that it takes for dead, and take its bind.
    other = payk.start("serve", "--roles", "dispatch,maintenance", PAYK_ADMIN_PORT="0", PAYK_LEASE=str(LEASE))
    await other.line(r"^management +(http://\S+)")
    held = [await centre.send("992900900900", ScheduledAt=after(3600), ExpiresIn=60)]
    before = 0.0
    for number, hours in enumerate((2.0, -2.0, 0.0), 1):
        clock.set(hours)
        jumped = await journal.line(OWN_CLOCK, number=number)
        assert abs(jumped["seconds"] - (hours - before) * 3600) < 2
        before = hours
        at_once = await centre.send(f"99290090010{number}", ExpiresIn=60)
        soon = await centre.send(f"99290090020{number}", ScheduledAt=after(LEASE), ExpiresIn=60)
        held += [await centre.send(f"99290090030{number}", ScheduledAt=after(3600))]
        assert set((await centre.wait_for_all([at_once, soon], within=30)).values()) == {"Delivered"}
        [first], [second] = [await operator.record.wait_for(1, f"992900900{kind}0{number}") for kind in (1, 2)]
        assert LEASE - 0.5 < second["at"] - first["at"] < LEASE + 2
        assert {await centre.state(message) for message in held} == {"None"}
        warnings = (await centre.http.get("/health/ready")).json()["Warnings"]
        assert len(warnings) == (hours != 0) and all("this machine's clock is" in warning for warning in warnings)
    assert len(journal.lines(OWN_CLOCK)) == 3 and not journal.lines("the database")
    assert_nobody_was_disturbed(centre.program, other)
    assert {line["bind"] for line in operator.record.submits()} == {1}, "one session all the time"


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Server, WallClock]]:
    """A PostgreSQL of its own, and the clock that it goes by."""
    with TemporaryDirectory(prefix="payk-clock-") as folder:
        Path(folder).chmod(0o755)  # as root the server runs under another account
        clock = WallClock(Path(folder))
        surroundings = Place.as_account

        def with_clock(place: Place) -> dict[str, Any]:
            given = surroundings(place)
            return given | {"env": given["env"] | clock.environment}

        monkeypatch.setattr(Place, "as_account", with_clock)
        server = Server(tmp_path / "database")
        await server.start()
        yield server, clock
        await server.close()


async def test_the_clock_of_the_database_jumps(server: tuple[Server, WallClock], tmp_path: Path) -> None:
    postgres, clock = server
    payk = payk_on(tmp_path, postgres.dsn)
    try:
        await payk.done("migrate")
        operator = await payk.simulate()
        await payk.apply(registry(operator.port))
        centre = await payk.serve(PAYK_LEASE=str(LEASE))
        await Journal(centre.program).line("bind up")
        other = payk.start("serve", "--roles", "dispatch,maintenance", PAYK_ADMIN_PORT="0", PAYK_LEASE=str(LEASE))
        await other.line(r"^management +(http://\S+)")
        in_an_hour = await centre.send("992900900900", ScheduledAt=after(3600))
        before = 0.0
        for number, hours in enumerate((-2.0, 2.0, 0.0), 1):
            assert await centre.state(in_an_hour) == "None"
            clock.set(hours)
            for program in (centre.program, other):
                jumped = await Journal(program).line(DATABASE_CLOCK, number=number)
                assert abs(jumped["seconds"] - (hours - before) * 3600) < 2
            before = hours
            if hours == 2:
                await centre.wait_for(in_an_hour, "Delivered")  # for it is due now
                in_an_hour = await centre.send("992900900901", ScheduledAt=after(3 * 3600))
            sent = [await centre.send(f"9929009001{number}{turn}", ExpiresIn=60) for turn in range(10)]
            await asyncio.sleep(LEASE)
            assert set((await centre.wait_for_all(sent, within=30)).values()) == {"Delivered"}
            warnings = (await centre.http.get("/health/ready")).json()["Warnings"]
            assert len(warnings) == (hours != 0) and all("this machine's clock is" in warning for warning in warnings)
        for program in (centre.program, other):
            assert len(Journal(program).lines(DATABASE_CLOCK)) == 3 and not Journal(program).lines(OWN_CLOCK)
        assert_nobody_was_disturbed(centre.program, other)
        assert {line["bind"] for line in operator.record.submits()} == {1}, "one session all the time"
    finally:
        await payk.close()


def assert_nobody_was_disturbed(*programs: Program) -> None:
    """No session ended, nobody was taken for dead."""
    for program in programs:
        for event in ("bind down", "lease lapsed", "process ended", "this process", "dead processes", "claims of"):
            assert not Journal(program).lines(event)
        assert program.runs
