"""Incarnations: who counts as alive, by no wall clock; what they hold; and who comes back after a lapse."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from payk.clock import Clock
from payk.store import incarnation as module
from payk.store.database import Database
from payk.store.incarnation import Incarnation, SilenceWatch, host_identity
from payk.store.processes import Beat, held_binds, lease_binds, lease_duty, live_roles, register
from tests.store.proxy import Network, network_to
from tests.store.scene import Scene

LEASE = 10.0
SHORT = 0.5


class SteppedClock(Clock):
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def monotonic(self) -> float:
        return self.time


async def lives(scene: Scene, incarnation: int) -> bool:
    """Whether it counts as alive; says nothing in its name."""
    return bool(await scene.value("select ended_at is null from process where incarnation = $1", incarnation))


async def own(scene: Scene, incarnation: int) -> set[tuple[int, int]]:
    return {(bind.link_id, bind.number) for bind in await held_binds(scene.db, incarnation)}


# -- silence


def beat(number: int, incarnation: int = 7) -> Beat:
    return Beat(incarnation, datetime(2026, 1, 1, second=number, tzinfo=UTC), "there", 2)


def looks(watch: SilenceWatch, *steps: tuple[float, list[Beat]]) -> list[list[int]]:
    """What each look at a time found silent."""
    return [[found.incarnation for found in watch.silent(present, now)] for now, present in steps]


def test_who_stands_still_for_a_whole_lease_is_silent() -> None:
    steps = [(now, [beat(5)]) for now in (0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 10.1)]
    assert looks(SilenceWatch(LEASE), *steps) == [[], [], [], [], [], [], [7]]


def test_a_heartbeat_begins_a_new_lease() -> None:
    steps = [(2.0 * turn, [beat(5 if turn < 5 else 6)]) for turn in range(11)]
    assert looks(SilenceWatch(LEASE), *steps, (20.5, [beat(6)])) == [[]] * 11 + [[7]]


def test_after_a_gap_in_our_own_looking_everybody_has_a_new_lease() -> None:
    steps = [*((2.0 * turn, [beat(5)]) for turn in range(5)), *((20.0 + 2 * turn, [beat(5)]) for turn in range(7))]
    assert looks(SilenceWatch(LEASE), *steps) == [[]] * 11 + [[7]]


def test_each_is_judged_for_itself() -> None:
    steps = [(2.0 * turn, [beat(5, 7), beat(turn, 8)]) for turn in range(7)]
    assert looks(SilenceWatch(LEASE), *steps)[-1] == [7]


def test_who_comes_later_has_a_whole_lease_too() -> None:
    steps = [(2.0 * turn, [beat(5, 7)] + [beat(1, 8)] * (turn >= 3)) for turn in range(7)]
    assert looks(SilenceWatch(LEASE), *steps)[-1] == [7]


# -- neighbours on one machine


async def test_a_dead_neighbour_need_not_lapse_first(scene: Scene) -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    neighbour = await register(scene.db, host=host_identity(), pid=child.pid, roles=["dispatch"])
    stranger = await register(scene.db, host="there", pid=child.pid, roles=[])
    bind = (scene.link, 1)
    await lease_binds(scene.db, neighbour, [bind])

    first = Incarnation(scene.db, Clock(), roles=[], lease=LEASE)
    await first.begin()
    assert await lives(scene, neighbour)
    await first.end()

    child.kill()
    await child.wait()
    second = Incarnation(scene.db, Clock(), roles=[], lease=LEASE)
    await second.begin()
    assert not await lives(scene, neighbour)
    assert await lives(scene, stranger)  # another machine's process numbers say nothing here
    await lease_binds(scene.db, second.number, [bind])
    assert await own(scene, second.number) == {bind}


@pytest.fixture
def unreaped() -> Iterator[subprocess.Popen[bytes]]:
    """A process that nobody waits for until the test is over."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child


async def test_a_neighbour_that_dies_is_ended_at_the_next_heartbeat(
    scene: Scene, unreaped: subprocess.Popen[bytes]
) -> None:
    child = unreaped
    neighbour = await register(scene.db, host=host_identity(), pid=child.pid, roles=["dispatch"])
    async with beating(scene.db, lease=5.0):
        child.kill()
        async with asyncio.timeout(3):  # a second to the next heartbeat; the lease lasts longer
            while await lives(scene, neighbour):
                await asyncio.sleep(0.02)


async def test_an_earlier_process_with_our_number_is_dead(scene: Scene) -> None:
    earlier = await register(scene.db, host=host_identity(), pid=os.getpid(), roles=[])
    incarnation = Incarnation(scene.db, Clock(), roles=["api"], lease=LEASE)
    await incarnation.begin()
    assert not await lives(scene, earlier) and await lives(scene, incarnation.number)
    assert await live_roles(scene.db) == {"api", "dispatch"}


# -- this run of this process


async def test_what_is_held_by_our_own_clock(scene: Scene) -> None:
    clock = SteppedClock()
    incarnation = Incarnation(scene.db, clock, roles=[], lease=LEASE)
    assert not incarnation.held()
    await incarnation.begin()
    assert incarnation.held()
    clock.time += 0.79 * LEASE
    assert incarnation.held()
    clock.time += 0.02 * LEASE  # well before others may take over
    assert not incarnation.held()


async def test_who_stops_gives_everything_back_at_once(scene: Scene) -> None:
    incarnation = Incarnation(scene.db, Clock(), roles=[], lease=LEASE)
    await incarnation.begin()
    await lease_binds(scene.db, incarnation.number, [(scene.link, 1)])
    assert await lease_duty(scene.db, incarnation.number, "stage")
    await incarnation.end()
    assert not incarnation.held()
    other = await register(scene.db, host="there", pid=2, roles=[])
    await lease_binds(scene.db, other, [(scene.link, 1)])
    assert await own(scene, other) == {(scene.link, 1)} and await lease_duty(scene.db, other, "stage")


@asynccontextmanager
async def beating(db: Database, lease: float = SHORT, clock: Clock | None = None) -> AsyncIterator[Incarnation]:
    incarnation = Incarnation(db, clock or Clock(), roles=["dispatch"], lease=lease)
    await incarnation.begin()
    task = asyncio.create_task(incarnation.run())
    try:
        yield incarnation
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)


async def beats_of(scene: Scene, incarnation: int) -> int:
    return int(await scene.value("select beats from process where incarnation = $1", incarnation))


async def beaten(scene: Scene, incarnation: Incarnation, times: int) -> None:
    """Until it beat so many times more."""
    goal = await beats_of(scene, incarnation.number) + times
    async with asyncio.timeout(5):
        while await beats_of(scene, incarnation.number) < goal:
            await asyncio.sleep(0.01)


async def test_heartbeats_keep_it_alive(scene: Scene) -> None:
    async with beating(scene.db) as incarnation:
        number = incarnation.number
        await beaten(scene, incarnation, 8)  # more than a lease
        assert incarnation.held() and incarnation.number == number and await lives(scene, number)


async def test_who_was_held_for_dead_comes_back_under_a_new_number(scene: Scene) -> None:
    async with beating(scene.db) as incarnation:
        number, lapses = incarnation.number, []
        incarnation.when_lapsed(lambda: lapses.append((incarnation.number, incarnation.held())))
        await scene.execute("update process set ended_at = now() where incarnation = $1", number)
        await until(lambda: incarnation.number > number and incarnation.held())
        assert lapses == [(number, False)]  # links were told while nothing was held, before anything was leased anew
        assert await lives(scene, incarnation.number)


async def test_who_stood_still_lets_go_before_it_asks(scene: Scene) -> None:
    clock = SteppedClock()
    async with beating(scene.db, clock=clock) as incarnation:
        number, lapses = incarnation.number, []
        incarnation.when_lapsed(lambda: lapses.append(incarnation.held()))
        await beaten(scene, incarnation, 1)
        clock.time += 100  # as if the process had been stopped for so long
        await until(lambda: bool(lapses))
        assert lapses == [False]
        await until(incarnation.held)
        assert incarnation.number == number  # nobody took anything meanwhile


@pytest.fixture
async def network(dsn: str) -> AsyncIterator[Network]:
    async with network_to(dsn) as network:
        yield network


async def test_a_database_that_was_away_ends_nobody(scene: Scene, network: Network) -> None:
    db = await Database.open(network.dsn)
    quiet = await register(scene.db, host="there", pid=2, roles=[])
    async with beating(db) as incarnation:
        number, lapses = incarnation.number, []
        incarnation.when_lapsed(lambda: lapses.append(number))
        await beaten(scene, incarnation, 2)
        await network.down()
        await until(lambda: not incarnation.held())
        await until(lambda: incarnation.silent_for() > 2 * SHORT)
        assert await lives(scene, quiet)
        await network.up()
        await until(incarnation.held)
        assert incarnation.number == number and lapses == []  # sessions are kept, and nobody has taken over
        # Its silence was the database's, and so may others' have been: a whole lease goes by first.
        back = Clock().monotonic()
        async with asyncio.timeout(5):
            while await lives(scene, quiet):
                await asyncio.sleep(0.01)
        assert Clock().monotonic() - back > 0.8 * SHORT
    await db.close()


async def test_every_process_ends_those_who_fell_silent(scene: Scene) -> None:
    """No duty that the silent one may hold itself stands in between."""
    async with beating(scene.db):
        async with asyncio.timeout(5):
            while await lives(scene, scene.incarnation):
                await asyncio.sleep(0.02)
        assert await scene.value("select lapsed from process where incarnation = $1", scene.incarnation)


async def test_two_incarnations_of_two_machines_do_not_end_each_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_machines(scene, monkeypatch) as (first, second):
        numbers = (first.number, second.number)
        await beaten(scene, second, 8)
        assert (first.number, second.number) == numbers and first.held() and second.held()


async def test_the_clock_of_the_database_ends_nobody(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats may seem to come from tomorrow or from last year."""
    async with two_machines(scene, monkeypatch) as (first, second):
        numbers = (first.number, second.number)
        for jump in ("1 year", "-1 year"):
            await scene.execute("update process set heartbeat_at = heartbeat_at + $1::text::interval", jump)
            await beaten(scene, first, 6)
        assert (first.number, second.number) == numbers and first.held() and second.held()


@asynccontextmanager
async def two_machines(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Incarnation, Incarnation]]:
    async with beating(scene.db) as first:
        monkeypatch.setattr(module, "host_identity", lambda: "another machine")
        async with beating(scene.db) as second:
            yield first, second
