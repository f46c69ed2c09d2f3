"""Parked receipts are counted, listed a page at a time, tried again and forgotten."""

from __future__ import annotations

from payk.domain.access import Actor, PrincipalKind
from payk.store.parked import forget_parked, parked_counts, parked_page, retry_parked
from payk.store.receipts import parked_due
from tests.store.scene import Scene


async def parked(scene: Scene, count: int, **changes: int) -> None:
    await scene.receive(*[scene.report(f"unknown-{number}", **changes) for number in range(count)])


async def test_they_are_counted_by_operator(scene: Scene) -> None:
    assert await parked_counts(scene.db) == []
    await parked(scene, 3)
    await parked(scene, 2, operator_id=scene.other_operator, link_id=scene.other_link)
    counts = await parked_counts(scene.db)
    assert [(count.operator, count.count) for count in counts] == [("babilon", 2), ("tcell", 3)]
    assert counts[1].oldest == await scene.value("select min(received_at) from parked_receipt where operator_id = 1")


async def test_they_are_listed_a_page_at_a_time(scene: Scene) -> None:
    await parked(scene, 5)
    await parked(scene, 1, operator_id=scene.other_operator, link_id=scene.other_link)
    first = await parked_page(scene.db, operator="tcell", limit=3)
    rest = await parked_page(scene.db, operator="tcell", limit=3, after=first[-1].parked_id)
    assert [receipt.smsc_id for receipt in [*first, *rest]] == [f"unknown-{number}" for number in range(5)]
    assert (first[0].operator, first[0].link, first[0].raw_state, first[0].tries) == ("tcell", "tcell-1", "DELIVRD", 0)
    assert len(await parked_page(scene.db)) == 6


async def test_they_are_tried_again_at_once(scene: Scene) -> None:
    await parked(scene, 3)
    await scene.execute("update parked_receipt set next_try_at = now() + interval '1 hour'")
    assert await parked_due(scene.db, 10) == []
    ids = [receipt.parked_id for receipt in await parked_page(scene.db)]
    assert await retry_parked(scene.db, ids[:1]) == 1
    assert await parked_due(scene.db, 10) == ids[:1]
    assert await retry_parked(scene.db, operator="tcell") == 3
    assert await retry_parked(scene.db, operator="babilon") == 0


async def test_they_are_forgotten(scene: Scene) -> None:
    await parked(scene, 3)
    ids = [receipt.parked_id for receipt in await parked_page(scene.db)]
    assert await forget_parked(scene.db, ids[:1]) == 1
    assert await forget_parked(scene.db, operator="babilon") == 0
    assert await forget_parked(scene.db) == 2
    assert await parked_counts(scene.db) == []


async def test_who_did_it_is_in_the_audit_log(scene: Scene) -> None:
    await parked(scene, 3)
    boss = Actor(PrincipalKind.TOKEN, "boss", 1)
    await retry_parked(scene.db, operator="tcell", actor=boss)
    await forget_parked(scene.db, operator="tcell", actor=boss)
    await forget_parked(scene.db, operator="tcell", actor=boss)  # nothing is left, and nothing is told
    line = "concat_ws(' ', actor_name, act, object_name, detail)"
    assert await scene.value(f"select string_agg({line}, '; ' order by sequence) from audit_entry") == (
        'boss receipt.retry tcell {"receipts":3}; boss receipt.forget tcell {"receipts":3}'
    )
