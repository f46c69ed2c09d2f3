"""How a duty is kept: by one process at a time, whatever befalls it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from payk.clock import Clock
from payk.maintenance import Duty, keep
from payk.maintenance import duty as duties
from payk.store import incarnation as incarnations
from payk.store.database import Database
from payk.store.errors import StoreUnavailable
from payk.store.incarnation import Incarnation


class Rounds:
    """What was done, by whom, and what each round answers."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.by: list[str] = []
        self.done = asyncio.Semaphore(0)

    def duty(self, name: str, interval: float = 0.01) -> Duty:
        async def run_once() -> int:
            self.by.append(name)
            self.done.release()
            answer = self.answers.pop(0) if self.answers else 0
            if isinstance(answer, Exception):
                raise answer
            return answer

        return Duty("test", interval, run_once)

    async def wait(self, count: int) -> None:
        async with asyncio.timeout(5):
            for _ in range(count):
                await self.done.acquire()


@pytest.fixture
def incarnation_of(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Awaitable[Incarnation]]:
    """A process on a machine of its own: neighbours of one machine would look each other up by their numbers."""

    async def begin(machine: str) -> Incarnation:
        monkeypatch.setattr(incarnations, "host_identity", lambda: machine)
        incarnation = Incarnation(database, Clock(), roles=["maintenance"], lease=10)
        await incarnation.begin()
        return incarnation

    return begin


@asynccontextmanager
async def keeping(duty: Duty, db: Database, incarnation: Incarnation) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(keep(duty, db, incarnation))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


Begins = Callable[[str], Awaitable[Incarnation]]


async def test_one_process_does_it_and_the_next_takes_over(database: Database, incarnation_of: Begins) -> None:
    first, second = await incarnation_of("a"), await incarnation_of("b")
    rounds = Rounds()
    async with keeping(rounds.duty("a"), database, first):
        await rounds.wait(1)
        async with keeping(rounds.duty("b"), database, second):
            await rounds.wait(5)
            assert set(rounds.by) == {"a"}
            await first.end()
            async with asyncio.timeout(5):
                while "b" not in rounds.by:
                    await rounds.done.acquire()
            await rounds.wait(3)
            assert rounds.by[-2:] == ["b", "b"]


async def test_who_holds_no_lease_does_nothing(database: Database, incarnation_of: Begins) -> None:
    ended = await incarnation_of("a")
    await ended.end()
    rounds = Rounds()
    async with keeping(rounds.duty("a"), database, ended):
        await asyncio.sleep(0.1)
    assert rounds.by == []


async def test_as_long_as_there_is_work_no_round_waits(database: Database, incarnation_of: Begins) -> None:
    rounds = Rounds(5, 5, 1)
    async with keeping(rounds.duty("a", interval=60), database, await incarnation_of("a")):
        await rounds.wait(4)
    assert len(rounds.by) == 4  # the one that found nothing waits for its interval


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ZeroDivisionError()])
async def test_a_round_that_failed_is_followed_by_another(
    database: Database, incarnation_of: Begins, error: Exception
) -> None:
    rounds = Rounds(error)
    async with keeping(rounds.duty("a"), database, await incarnation_of("a")) as task:
        await rounds.wait(2)
        assert not task.done()


async def test_a_round_that_failed_is_tried_again_long_before_its_interval(
    database: Database, incarnation_of: Begins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what fails for a moment once a day is not done that day, and nobody sees that it fails."""
    monkeypatch.setattr(duties, "AGAIN", 0.01)
    rounds = Rounds(StoreUnavailable("away"), ZeroDivisionError())
    async with keeping(rounds.duty("a", interval=86_400), database, await incarnation_of("a")):
        await rounds.wait(3)
        await asyncio.sleep(0.1)
    assert len(rounds.by) == 3


async def test_rounds_that_fail_slowly_are_tried_again_as_soon(
    database: Database, incarnation_of: Begins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause that follows from how long they took would be minutes."""
    monkeypatch.setattr(duties, "AGAIN", 0.01)
    monkeypatch.setattr(duties, "LEISURE", 1_000.0)
    more = asyncio.Semaphore(0)

    async def run_once() -> int:
        more.release()
        await asyncio.sleep(0.1)
        raise StoreUnavailable("slow")

    async with keeping(Duty("test", 0.01, run_once), database, await incarnation_of("a")):
        async with asyncio.timeout(5):
            for _ in range(4):
                await more.acquire()


async def test_a_duty_whose_table_was_changed_says_so_and_harms_nobody_else(
    database: Database, incarnation_of: Begins
) -> None:
    async def run_once() -> int:
        async with database.connection() as connection:
            await connection.execute("select from renamed")
        return 0

    with capture_logs() as lines:
        async with keeping(Duty("test", 0.01, run_once), database, await incarnation_of("a")):
            async with asyncio.timeout(5):
                while not lines:
                    await asyncio.sleep(0.01)
            assert not database.away
    assert lines[0]["event"] == "duty failed" and '"renamed" does not exist' in lines[0]["error"]


async def test_one_slow_round_does_not_make_the_next_one_late(database: Database, incarnation_of: Begins) -> None:
    """The first one, while all duties begin and connections are opened, says nothing of those that follow."""
    pauses = [0.3, 0.0, 0.0]
    begun: list[float] = []
    more = asyncio.Semaphore(0)

    async def run_once() -> int:
        begun.append(asyncio.get_running_loop().time())
        more.release()
        await asyncio.sleep(pauses.pop(0) if pauses else 0)
        return 0

    async with keeping(Duty("test", 0.01, run_once), database, await incarnation_of("a")):
        async with asyncio.timeout(10):
            for _ in range(2):
                await more.acquire()
    assert begun[1] - begun[0] < 0.3 + 1.5, "not ten times what it took"
