"""How long an engine rests between two batches, by how many items come meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from payk.dispatch import pace
from payk.dispatch.pace import PACE, after_claim, gather


@pytest.mark.parametrize(
    ("arrivals", "rests"),
    [
        ([0], 1),
        ([5], 1),
        ([100, 0], 2),  # a peer that waits for its answers
        ([100, 100, 100, 10], 4),
        ([100, 100, 100, 100, 100], 5),  # that is the longest
        ([300, 250], 2),  # enough
    ],
)
async def test_it_rests_while_many_keep_coming(
    monkeypatch: pytest.MonkeyPatch, arrivals: list[int], rests: int
) -> None:
    waiting: list[int] = []

    async def sleep(seconds: float) -> None:
        assert seconds == PACE
        waiting.append(arrivals[len(waiting)])

    monkeypatch.setattr(pace.asyncio, "sleep", sleep)
    await gather(lambda: sum(waiting))
    assert len(waiting) == rests


async def test_somebody_is_in_a_hurry() -> None:
    hurry = asyncio.Event()
    hurry.set()
    async with asyncio.timeout(PACE / 2):
        await gather(lambda: pytest.fail("nobody asks how many there are"), hurry)


def test_the_more_a_claim_brought_the_later_the_next_one() -> None:
    assert [after_claim(claimed) for claimed in (0, 63, 64, 200, 1000)] == pytest.approx([0.02, 0.02, 0.04, 0.08, 0.1])
