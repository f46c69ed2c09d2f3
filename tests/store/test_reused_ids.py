"""Operators reuse ids, and some give one id to all they take: look-ups read few rows of it, and find the right one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from payk.domain.message import MessageState
from payk.domain.outcome import Accepted, Uncertain
from payk.store.queries import sql
from payk.store.receipts import settle_parked
from tests.store.scene import PHONE, Scene

MANY = 100_000
OTHER_PHONE = "992918888888"
ONE = "OK1"
"""The id that the operator gives to all; long enough for the short way, as "1" is not."""
DELIVERED, ENROUTE = MessageState.DELIVERED, MessageState.ENROUTE


async def handed_over(scene: Scene, smsc_id: str, **changes: object) -> int:
    claim = await scene.claimed(**changes)
    await scene.record(claim, Accepted(1, smsc_id))
    return claim.message_id


async def given_to_all(scene: Scene, smsc_id: str, count: int = MANY) -> int:
    """As many submits, newer than all there are, of which each got this id: of one message, to another number."""
    message_id = await handed_over(scene, smsc_id, phone=OTHER_PHONE)
    await scene.execute(
        "insert into receipt_key (submitted_at, message_id, operator_id, link_id, part, attempt, smsc_id)"
        " select now() + n * interval '1 ms', $1, $2, $3, 1, 2, $4 from generate_series(1, $5::integer) n",
        message_id, scene.operator, scene.link, smsc_id, count,
    )  # fmt: skip
    await scene.execute("analyze receipt_key")
    return message_id


def _rows(node: dict[str, Any]) -> Iterator[float]:
    if "Relation Name" in node:
        yield node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
    for below in node.get("Plans", ()):
        yield from _rows(below)


async def rows_read(scene: Scene, name: str, *arguments: str) -> float:
    """The rows that a query looks at, planned as in service."""
    async with scene.db.connection() as connection:
        await connection.execute(f"prepare measured as {sql(name)}")
        [plan] = json.loads(
            await connection.fetchval(f"explain (analyze, format json) execute measured({', '.join(arguments)})")
        )
        await connection.execute("deallocate measured")
    return sum(_rows(plan["Plan"]))


@pytest.mark.parametrize("smsc_id", ["1", ONE])
async def test_of_very_many_submits_with_one_id_the_newest_whose_destination_fits(scene: Scene, smsc_id: str) -> None:
    older, newer = [await handed_over(scene, smsc_id) for _ in range(2)]
    decoy = await given_to_all(scene, smsc_id)
    began = time.monotonic()
    reports = [scene.report(smsc_id), *(scene.report(smsc_id, source=f"9929{number:08}") for number in range(999))]
    settled = await scene.receive(*reports)
    assert time.monotonic() - began < 10, "a batch that takes longer is given up, and comes again"
    assert [one.message_id for one in settled[:2]] == [newer, None]
    assert await scene.state(newer) is DELIVERED and await scene.state(older) is ENROUTE
    assert [one.message_id for one in await scene.receive(scene.report(smsc_id, source=OTHER_PHONE))] == [decoy]


async def test_a_look_up_reads_few_rows_of_many(scene: Scene) -> None:
    await handed_over(scene, ONE)
    await given_to_all(scene, ONE)
    id_ = ONE.lower()
    args = "'{0}'", f"'{{{scene.operator}}}'", f"'{{{id_}}}'"
    assert 50 <= await rows_read(scene, "receipts.find_keys", *args, "50") <= 300
    assert 1 <= await rows_read(scene, "receipts.find_keys_by_number", *args, f"'{{{PHONE}}}'") <= 20
    kinds = [f"'{{{value}}}'" for value in (1, scene.operator, scene.link, 2, "DELIVRD", "000", "", "", "", "")]
    kinds[6:] = ["array[null]::bytea[]", "array[null]::text[]", "array[null]::timestamptz[]", "array[null]::text[]"]
    assert await rows_read(scene, "receipts.settle_plain", f"'{{{ONE}}}'", "'{992900000009}'", *kinds) <= 300


async def test_a_receipt_that_names_no_number_is_of_the_newest(scene: Scene) -> None:
    """As of few: the addresses do not speak against it."""
    decoy = await given_to_all(scene, ONE, 200)
    settled = await scene.receive(scene.report(ONE, source="", destination=""))
    assert [one.message_id for one in settled] == [decoy]


async def test_a_number_that_got_very_many_messages_is_not_searched(scene: Scene) -> None:
    await handed_over(scene, ONE)
    await given_to_all(scene, ONE, 200)
    await scene.accept(250)
    assert [one.message_id for one in await scene.receive(scene.report(ONE))] == [None]


async def test_all_parts_of_one_submit_are_found_however_many(scene: Scene) -> None:
    claim = await scene.claimed(parts=80)
    await scene.record(claim, *(Accepted(part, ONE) for part in range(1, 81)))
    [settled] = await scene.receive(scene.report(ONE))
    assert settled.message_id == claim.message_id and settled.parts == tuple(range(1, 81))
    assert await scene.state(claim.message_id) is DELIVERED


async def test_parked_receipts_of_one_id_do_not_all_come_with_each_answer(scene: Scene) -> None:
    """A thousand answers of a batch each told of all that were parked."""
    await scene.receive(*(scene.report(ONE, source=f"9929{number:08}") for number in range(300)), scene.report(ONE))
    claims = [await scene.claimed() for _ in range(3)]
    early = await scene.record_all([scene.decided(claim, Accepted(1, ONE)) for claim in claims])
    assert len(early) == len(set(early)) == 50
    settled = await settle_parked(scene.db, early, scene.directory, scene.wait)
    assert claims[-1].message_id in [one.message_id for one in settled], "the last one that came is among them"
    again = await scene.claimed()
    early = await scene.record_all([scene.decided(again, Accepted(1, ONE), Uncertain(2, "time-out"))])
    assert len(early) == 50
