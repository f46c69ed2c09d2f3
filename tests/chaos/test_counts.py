"""What is compared of the counts after a run: whatever is changed by hand is found, in buckets of any width."""

from __future__ import annotations

import pytest

from chaos.counts import wrong_counts
from payk.domain.message import MessageState
from payk.domain.outcome import Accepted
from payk.store.database import Database
from payk.store.report_folding import fold
from tests.store.scene import Scene, scene_on

SPANS = {0: "quarter of an hour", 1: "hour", 2: "day"}
DELIVERED, UNDELIVERABLE = int(MessageState.DELIVERED), int(MessageState.UNDELIVERABLE)


@pytest.fixture
async def scene(database: Database) -> Scene:
    """A delivered message and one that failed, which cost something; folded. A third one is not folded yet."""
    scene = await scene_on(database)
    for smsc_id, state in (("a1", MessageState.DELIVERED), ("b2", MessageState.UNDELIVERABLE)):
        await scene.record(await scene.claimed(), Accepted(1, smsc_id))
        await scene.receive(scene.report(smsc_id.upper(), state))
    await scene.execute("update message set charged_on = now()::date, charged_parts = 1, charged = 250")
    while await fold(database):
        pass
    await scene.accept()
    return scene


async def test_counts_that_are_right(scene: Scene, dsn: str) -> None:
    assert await wrong_counts(dsn) == []


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("update report_count set m{0} = m{0} + 1, p{0} = p{0} + 1", "messages in state {0}: +1"),
        ("update report_count set p{0} = p{0} - 1", "parts in state {0}: -1"),
        ("update report_count set price = price + 1", "price: +1"),
        ("update report_count set submit_times = submit_times + 1", "submit times of bin -73: +1"),
        ("update report_count set deliver_times = deliver_times + 3e12", "deliver times of bin -72: +3"),
        ("update report_failure set messages = messages + 2", "failures of state {1} for "),
    ],
)
async def test_what_was_changed_by_hand_is_found(scene: Scene, dsn: str, span: int, change: str, said: str) -> None:
    change, said = (text.format(DELIVERED, UNDELIVERABLE) for text in (change, said))
    await scene.execute(f"{change} where span = {span}")
    lines = await wrong_counts(dsn)
    assert lines and all(line.startswith(f"{SPANS[span]} from ") for line in lines)
    assert any(said in line for line in lines), lines


async def test_a_message_that_is_not_counted_is_missing_everywhere(scene: Scene, dsn: str) -> None:
    await scene.execute("delete from report_delta")
    lines = await wrong_counts(dsn)
    assert [line.partition(" from ")[0] for line in lines if "messages in state 0" in line] == [*SPANS.values()]
    assert all(line.endswith("-1") for line in lines)
