"""Incarnations and what they hold: heartbeats, lapses, leases of binds and duties, and neighbours that died."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from payk.clock import Clock
from payk.store import processes
from payk.store.database import Database
from payk.store.processes import (
    HeldBind,
    Incarnation,
    end_process,
    end_silent,
    heartbeat,
    held_binds,
    host_identity,
    lease_binds,
    lease_duty,
    live_roles,
    note_binds,
    operators_up,
    register,
    release_binds,
)
from tests.store.proxy import Network, network_to
from tests.store.scene import Scene

LEASE = 10.0


class SteppedClock(Clock):
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def monotonic(self) -> float:
        return self.time


async def silent(scene: Scene, incarnation: int, seconds: float) -> None:
    """Its last heartbeat lies so far back."""
    await scene.execute(
        "update process set heartbeat_at = now() - make_interval(secs => $2) where incarnation = $1",
        incarnation,
        seconds,
    )


async def heartbeat_of(scene: Scene, incarnation: int) -> bool:
    """Whether it counts as alive; says nothing in its name."""
    return bool(await scene.value("select ended_at is null from process where incarnation = $1", incarnation))


async def new(scene: Scene, *roles: str) -> int:
    return await register(scene.db, host="there", pid=2, roles=roles)


async def own(scene: Scene, incarnation: int) -> set[tuple[int, int]]:
    return {(bind.link_id, bind.number) for bind in await held_binds(scene.db, incarnation)}


# -- heartbeats


async def test_incarnations_are_numbered_upwards(scene: Scene) -> None:
    numbers = [await new(scene) for _ in range(3)]
    assert numbers == sorted(set(numbers)) and numbers[0] > scene.incarnation


async def test_a_heartbeat_is_heard_until_the_end(scene: Scene) -> None:
    await silent(scene, scene.incarnation, 5)
    assert await heartbeat(scene.db, scene.incarnation, timeout=1)
    assert await end_silent(scene.db, 4, timeout=1) == []
    await end_process(scene.db, scene.incarnation)
    assert not await heartbeat(scene.db, scene.incarnation, timeout=1)


async def test_who_is_silent_for_a_lease_is_ended(scene: Scene) -> None:
    other = await new(scene)
    await silent(scene, scene.incarnation, LEASE - 1)
    assert await end_silent(scene.db, LEASE, timeout=1) == []
    await silent(scene, scene.incarnation, LEASE + 1)
    assert [(ended.incarnation, ended.host, ended.pid) for ended in await end_silent(scene.db, LEASE, timeout=1)] == [
        (scene.incarnation, "here", 1)
    ]
    assert await end_silent(scene.db, LEASE, timeout=1) == []
    assert not await heartbeat(scene.db, scene.incarnation, timeout=1) and await heartbeat(scene.db, other, timeout=1)
    assert await scene.value("select lapsed from process where incarnation = $1", scene.incarnation)


async def test_the_roles_that_are_alive(scene: Scene) -> None:
    await new(scene, "api", "maintenance")
    quiet = await new(scene, "console")
    await silent(scene, quiet, LEASE + 1)
    await end_process(scene.db, scene.incarnation)
    assert await live_roles(scene.db, LEASE) == {"api", "maintenance"}


# -- binds


async def test_a_bind_has_one_holder(scene: Scene, second: Database) -> None:
    binds = [(scene.link, number) for number in range(1, 9)]
    others = [await new(scene) for _ in range(3)]
    await asyncio.gather(
        *(lease_binds(db, number, binds) for number in others for db in (scene.db, second)),
    )
    held = [await own(scene, number) for number in others]
    assert set().union(*held) == set(binds) and sum(map(len, held)) == len(binds)


async def test_a_lease_outlasts_silence_until_its_holder_is_ended(scene: Scene) -> None:
    bind = (scene.link, 1)
    await lease_binds(scene.db, scene.incarnation, [bind])
    other = await new(scene)
    await silent(scene, scene.incarnation, 1_000)
    await lease_binds(scene.db, other, [bind])
    assert await own(scene, other) == set()  # nobody has judged yet whether the silence is its own
    await end_silent(scene.db, LEASE, timeout=1)
    await lease_binds(scene.db, other, [bind])
    assert await own(scene, other) == {bind} and await own(scene, scene.incarnation) == set()


async def test_leases_are_given_back(scene: Scene) -> None:
    binds = [(scene.link, 1), (scene.link, 2)]
    other = await new(scene)
    await lease_binds(scene.db, scene.incarnation, binds)
    await release_binds(scene.db, other, binds)  # not its own
    assert await own(scene, scene.incarnation) == set(binds)
    await release_binds(scene.db, scene.incarnation, binds[:1])
    await lease_binds(scene.db, other, binds)
    assert await own(scene, other) == set(binds[:1])
    await end_process(scene.db, scene.incarnation)
    await lease_binds(scene.db, other, binds)
    assert await own(scene, other) == set(binds)


async def test_everybody_knows_how_many_binds_of_a_link_are_leased(scene: Scene) -> None:
    other = await new(scene)
    await lease_binds(scene.db, scene.incarnation, [(scene.link, 1), (scene.link, 2), (scene.other_link, 1)])
    await lease_binds(scene.db, other, [(scene.link, 3)])
    assert await held_binds(scene.db, other) == [HeldBind(scene.link, 3, 3)]
    await silent(scene, scene.incarnation, LEASE + 1)
    await end_silent(scene.db, LEASE, timeout=1)
    assert await held_binds(scene.db, other) == [HeldBind(scene.link, 3, 1)]


async def test_operators_are_up_while_a_live_process_is_bound(scene: Scene) -> None:
    binds = [(scene.link, 1), (scene.other_link, 1)]
    await lease_binds(scene.db, scene.incarnation, binds)
    assert await operators_up(scene.db, LEASE) == frozenset()
    await note_binds(scene.db, scene.incarnation, [(binds[0], True), (binds[1], False)])
    assert await operators_up(scene.db, LEASE) == {scene.operator}
    since = await scene.value("select bound_at from bind_lease where bound_at is not null")
    await note_binds(scene.db, scene.incarnation, [(bind, True) for bind in binds])
    assert await operators_up(scene.db, LEASE) == {scene.operator, scene.other_operator}
    assert await scene.value("select min(bound_at) from bind_lease") == since
    await note_binds(scene.db, scene.incarnation, [(binds[0], False)])
    assert await operators_up(scene.db, LEASE) == {scene.other_operator}
    await silent(scene, scene.incarnation, LEASE + 1)  # lapsing: nobody counts on it any more
    assert await operators_up(scene.db, LEASE) == frozenset()


async def test_a_bind_that_changes_hands_is_not_bound(scene: Scene) -> None:
    bind = (scene.link, 1)
    await lease_binds(scene.db, scene.incarnation, [bind])
    await note_binds(scene.db, scene.incarnation, [(bind, True)])
    other = await new(scene)
    await silent(scene, scene.incarnation, LEASE + 1)
    await end_silent(scene.db, LEASE, timeout=1)
    await lease_binds(scene.db, other, [bind])
    await note_binds(scene.db, scene.incarnation, [(bind, True)])  # the former holder has nothing to say
    assert await operators_up(scene.db, LEASE) == frozenset()


# -- duties


async def test_a_duty_has_one_holder_until_it_ends(scene: Scene, second: Database) -> None:
    others = [await new(scene) for _ in range(4)]
    got = await asyncio.gather(
        *(lease_duty(db, number, "stage") for number, db in zip(others, (scene.db, second) * 2, strict=True))
    )
    assert sum(got) == 1
    holder = others[got.index(True)]
    heir = others[got.index(False)]
    assert await lease_duty(scene.db, holder, "stage") and not await lease_duty(scene.db, heir, "stage")
    assert await lease_duty(scene.db, heir, "expire")
    await end_process(scene.db, holder)
    assert await lease_duty(scene.db, heir, "stage")


# -- neighbours on one machine


async def test_a_dead_neighbour_need_not_lapse_first(scene: Scene) -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    here = host_identity()
    neighbour = await register(scene.db, host=here, pid=child.pid, roles=["dispatch"])
    stranger = await register(scene.db, host="there", pid=child.pid, roles=[])
    bind = (scene.link, 1)
    await lease_binds(scene.db, neighbour, [bind])

    first = Incarnation(scene.db, Clock(), roles=[], lease=LEASE)
    await first.begin()
    assert await heartbeat(scene.db, neighbour, timeout=1)  # it lives
    await first.end()

    child.kill()
    await child.wait()
    second = Incarnation(scene.db, Clock(), roles=[], lease=LEASE)
    await second.begin()
    assert not await heartbeat(scene.db, neighbour, timeout=1)
    assert await heartbeat(scene.db, stranger, timeout=1)  # another machine's process numbers say nothing here
    await lease_binds(scene.db, second.number, [bind])
    assert await own(scene, second.number) == {bind}


async def test_an_earlier_process_with_our_number_is_dead(scene: Scene) -> None:
    earlier = await register(scene.db, host=host_identity(), pid=os.getpid(), roles=[])
    incarnation = Incarnation(scene.db, Clock(), roles=["api"], lease=LEASE)
    await incarnation.begin()
    assert not await heartbeat(scene.db, earlier, timeout=1)
    assert await heartbeat(scene.db, incarnation.number, timeout=1)
    assert await live_roles(scene.db, LEASE) == {"api", "dispatch"}


# -- this run of this process


async def test_what_is_held_by_our_own_clock(scene: Scene) -> None:
    clock = SteppedClock()
    incarnation = Incarnation(scene.db, clock, roles=[], lease=LEASE)
    assert not incarnation.held() and not incarnation.steady()
    await incarnation.begin()
    assert incarnation.held() and not incarnation.steady()
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
    other = await new(scene)
    await lease_binds(scene.db, other, [(scene.link, 1)])
    assert await own(scene, other) == {(scene.link, 1)} and await lease_duty(scene.db, other, "stage")


@asynccontextmanager
async def beating(db: Database, lease: float) -> AsyncIterator[Incarnation]:
    incarnation = Incarnation(db, Clock(), roles=["dispatch"], lease=lease)
    await incarnation.begin()
    task = asyncio.create_task(incarnation.run())
    try:
        yield incarnation
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: object, within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_heartbeats_keep_it_alive(scene: Scene) -> None:
    async with beating(scene.db, 0.5) as incarnation:
        number = incarnation.number
        await until(incarnation.steady)
        assert incarnation.held() and incarnation.number == number
        assert number not in [ended.incarnation for ended in await end_silent(scene.db, 0.5, timeout=1)]


async def test_who_was_held_for_dead_comes_back_under_a_new_number(scene: Scene) -> None:
    async with beating(scene.db, 0.5) as incarnation:
        number = incarnation.number
        await scene.execute("update process set ended_at = now() where incarnation = $1", number)
        await until(lambda: not incarnation.held())  # links see that nothing is held, and close
        await until(lambda: incarnation.number > number and incarnation.held())
        assert await heartbeat(scene.db, incarnation.number, timeout=1)


@pytest.fixture
async def network(dsn: str) -> AsyncIterator[Network]:
    async with network_to(dsn) as network:
        yield network


async def test_while_the_database_is_away_nothing_is_held_and_nobody_is_judged(scene: Scene, network: Network) -> None:
    db = await Database.open(network.dsn)
    async with beating(db, 0.5) as incarnation:
        number = incarnation.number
        await until(incarnation.steady)
        await network.down()
        await until(lambda: not incarnation.held())
        assert not incarnation.steady()
        await network.up()
        await until(incarnation.held)
        assert incarnation.number == number  # nobody has ended it meanwhile
        # Its silence was the database's, and so may others' have been: a whole lease goes by first.
        assert not incarnation.steady()
        await until(incarnation.steady)
    await db.close()


async def test_every_process_ends_those_who_fell_silent(scene: Scene) -> None:
    """No duty that the silent one may hold itself stands in between."""
    async with beating(scene.db, 0.5):
        async with asyncio.timeout(5):
            while await heartbeat_of(scene, scene.incarnation):
                await asyncio.sleep(0.02)
        assert await scene.value("select lapsed from process where incarnation = $1", scene.incarnation)


async def test_two_incarnations_of_two_machines_do_not_end_each_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with beating(scene.db, 0.5) as first:
        monkeypatch.setattr(processes, "host_identity", lambda: "another machine")
        async with beating(scene.db, 0.5) as second:
            numbers = (first.number, second.number)
            await until(second.steady)
            assert (first.number, second.number) == numbers and first.held() and second.held()
