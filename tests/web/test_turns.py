"""Turns: few at a time, no more than its share for anybody, and nobody is kept out by how often another one asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from payk.web.problems import Problem
from payk.web.turns import Turns

AT_ONCE = 3
PATIENCE = 30.0


class _Scene:
    """Askers that keep their turns until they are told to end."""

    def __init__(self, turns: Turns, group: asyncio.TaskGroup) -> None:
        self.turns = turns
        self.group = group
        self.running: list[str] = []
        self.served: list[str] = []

    async def ask(self, who: str) -> Callable[[], None]:
        """One that asks; what ends it."""
        end = asyncio.Event()

        async def hold() -> None:
            async with self.turns.of(who, PATIENCE):
                self.running.append(who)
                self.served.append(who)
                await end.wait()
            self.running.remove(who)

        self.group.create_task(hold())
        await settled()
        return end.set


async def settled() -> None:
    """Everything that can go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_asker_has_one_turn_however_often_it_asks() -> None:
    async with asyncio.TaskGroup() as group:
        scene = _Scene(Turns(AT_ONCE), group)
        ends = [await scene.ask("a") for _ in range(5)]
        ends.append(await scene.ask("b"))
        assert scene.running == ["a", "b"]
        for end in ends:
            end()
    assert scene.served.count("a") == 5


async def test_those_who_wait_are_served_in_a_circle() -> None:
    async with asyncio.TaskGroup() as group:
        scene = _Scene(Turns(1), group)
        ends = [await scene.ask(who) for who in "aaaabbbc"]
        for end in ends:
            end()
    assert scene.served == ["a", "a", "b", "c", "a", "b", "a", "b"]


@pytest.mark.parametrize(("who", "code"), [("a", "RateLimitExceeded"), ("d", "ServiceUnavailable")])
async def test_who_waited_in_vain_learns_whose_turns_were_in_the_way(who: str, code: str) -> None:
    async with asyncio.TaskGroup() as group:
        scene = _Scene(Turns(AT_ONCE), group)
        ends = [await scene.ask(each) for each in "abc"]
        with pytest.raises(Problem) as refused:
            async with scene.turns.of(who, 0.01):
                pass
        assert (refused.value.code, refused.value.retryable) == (code, True)
        assert b"retry-after" in dict(refused.value.headers)
        for end in ends:
            end()


async def test_a_turn_that_nobody_waits_for_any_more_goes_to_the_next() -> None:
    turns = Turns(1)
    async with asyncio.TaskGroup() as group:
        scene = _Scene(turns, group)
        end = await scene.ask("a")
        left = [asyncio.create_task(_pass(turns, who)) for who in "bc"]
        await settled()
        left[0].cancel()  # while it waits
        end()
        left[1].cancel()  # at the instant at which its turn comes, or before
        await settled()
        assert [task.cancelled() for task in left] == [True, True]
        (await scene.ask("d"))()
    assert scene.served == ["a", "d"]


async def _pass(turns: Turns, who: str) -> None:
    async with turns.of(who, PATIENCE):
        pass
