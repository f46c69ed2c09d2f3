"""The rows of incarnations and what they hold: heartbeats, ends, leases of binds and duties."""

from __future__ import annotations

import asyncio

from payk.store.census import live_processes
from payk.store.database import Database
from payk.store.processes import (
    Beat,
    BindNote,
    HeldBind,
    beats,
    end_process,
    end_silent,
    heartbeat,
    held_binds,
    is_registered,
    lease_binds,
    lease_duty,
    links_up,
    live_roles,
    note_binds,
    register,
    release_binds,
)
from tests.store.scene import Scene


async def silent(scene: Scene, incarnation: int) -> None:
    """It is ended for its silence."""
    await end_silent(scene.db, [await beat_of(scene, incarnation)], timeout=1)


async def beat_of(scene: Scene, incarnation: int) -> Beat:
    return next(beat for beat in await beats(scene.db, timeout=1) if beat.incarnation == incarnation)


BOUND = BindNote(True, None, None)
AWAY = BindNote(False, "operator to be reachable", "Connection refused")


async def new(scene: Scene, *roles: str) -> int:
    return await register(scene.db, host="there", pid=2, roles=roles)


async def own(scene: Scene, incarnation: int) -> set[tuple[int, int]]:
    return {(bind.link_id, bind.number) for bind in await held_binds(scene.db, incarnation)}


# -- heartbeats


async def test_incarnations_are_numbered_upwards(scene: Scene) -> None:
    numbers = [await new(scene) for _ in range(3)]
    assert numbers == sorted(set(numbers)) and numbers[0] > scene.incarnation


async def test_a_heartbeat_is_heard_until_the_end(scene: Scene) -> None:
    first, second = [await heartbeat(scene.db, scene.incarnation, timeout=1) for _ in range(2)]
    assert first is not None and second is not None and second.beats == first.beats + 1
    assert first.known and first.line == second.line
    await heartbeat(scene.db, scene.incarnation, timeout=1, warnings=["this", "that"])
    assert [process.warnings for process in await live_processes(scene.db)] == [("this", "that")]
    await end_process(scene.db, scene.incarnation)
    assert await heartbeat(scene.db, scene.incarnation, timeout=1) is None
    assert await is_registered(scene.db, scene.incarnation) and not await is_registered(scene.db, 1_000_000)


async def test_who_beat_meanwhile_is_not_ended(scene: Scene) -> None:
    other = await new(scene)
    seen = [await beat_of(scene, scene.incarnation), await beat_of(scene, other)]
    await heartbeat(scene.db, other, timeout=1)
    assert await end_silent(scene.db, seen, timeout=1) == seen[:1]
    assert await end_silent(scene.db, seen, timeout=1) == []
    assert await heartbeat(scene.db, scene.incarnation, timeout=1) is None
    assert await heartbeat(scene.db, other, timeout=1) is not None
    assert await scene.value("select lapsed from process where incarnation = $1", scene.incarnation)


async def test_the_roles_that_are_alive(scene: Scene) -> None:
    await new(scene, "api", "maintenance")
    await silent(scene, await new(scene, "console"))
    await end_process(scene.db, scene.incarnation)
    assert await live_roles(scene.db) == {"api", "maintenance"}


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
    await lease_binds(scene.db, other, [bind])
    assert await own(scene, other) == set()  # nobody has judged yet whether it is silent
    await silent(scene, scene.incarnation)
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
    await silent(scene, scene.incarnation)
    assert await held_binds(scene.db, other) == [HeldBind(scene.link, 3, 1)]


async def test_operators_are_up_while_a_live_process_is_bound(scene: Scene) -> None:
    binds = [(scene.link, 1), (scene.other_link, 1)]
    await lease_binds(scene.db, scene.incarnation, binds)
    assert await links_up(scene.db) == frozenset()
    await note_binds(scene.db, scene.incarnation, {binds[0]: BOUND, binds[1]: AWAY})
    assert await links_up(scene.db) == {scene.link}
    since = await scene.value("select bound_at from bind_lease where bound_at is not null")
    await note_binds(scene.db, scene.incarnation, dict.fromkeys(binds, BOUND))
    assert await links_up(scene.db) == {scene.link, scene.other_link}
    assert await scene.value("select min(bound_at) from bind_lease") == since
    await note_binds(scene.db, scene.incarnation, {binds[0]: AWAY})
    assert await links_up(scene.db) == {scene.other_link}
    await silent(scene, scene.incarnation)
    assert await links_up(scene.db) == frozenset()


async def test_a_bind_that_changes_hands_is_not_bound(scene: Scene) -> None:
    bind = (scene.link, 1)
    await lease_binds(scene.db, scene.incarnation, [bind])
    await note_binds(scene.db, scene.incarnation, {bind: BOUND})
    other = await new(scene)
    await silent(scene, scene.incarnation)
    await lease_binds(scene.db, other, [bind])
    await note_binds(scene.db, scene.incarnation, {bind: BOUND})  # the former holder has nothing to say
    assert await links_up(scene.db) == frozenset()


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
