"""How much waits where, and since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from payk.domain.message import Lane, SmsType
from payk.store import queues
from payk.store.queues import Depth, queue_depths
from tests.store.rows import add_client
from tests.store.scene import Scene

NAMES = ("tcell", "babilon")


async def depth(scene: Scene, lane: Lane, client: str = "demo") -> Depth:
    [found] = [depth for depth in await queue_depths(scene.db) if (depth.lane, depth.client) == (lane, client)]
    return found


async def test_nothing_waits(scene: Scene) -> None:
    assert await queue_depths(scene.db) == []


async def test_what_waits_by_operator_lane_and_client(scene: Scene) -> None:
    other = await add_client(scene.db, "other")
    await scene.accept(2, sms_type=SmsType.OTP)
    await scene.claim(1)
    await scene.accept(3, sms_type=SmsType.BATCH, label="a")
    oldest = await scene.accept(4, sms_type=SmsType.BATCH, label="b")
    await scene.execute("update message set accepted_at = now() - interval '1 hour' where message_id = $1", oldest[0])
    await scene.execute("delete from waiting where message_id < $1 and lane = 4", oldest[0])
    later = datetime.now(UTC) + timedelta(days=1)
    await scene.accept(5, sms_type=SmsType.BATCH, scheduled_at=later)
    await scene.execute(
        "insert into waiting (message_id, client_id, label_key, queue_id, lane, rank) values (1, $1, 0, $2, 4, 1)",
        other,
        scene.queue,
    )
    batch = await depth(scene, Lane.BATCH)
    assert (batch.operators, batch.waiting, batch.estimated, batch.staged, batch.next_due) == (
        NAMES,
        4,
        False,
        5,
        later,
    )
    assert batch.oldest_age == pytest.approx(3600, abs=30)
    otp = await depth(scene, Lane.OTP)
    assert (otp.waiting, otp.in_flight) == (1, 1)
    assert (await depth(scene, Lane.BATCH, "other")).waiting == 1


async def test_much_is_estimated_and_little_beside_it_is_exact(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "EXACT", 100)
    monkeypatch.setattr(queues, "SAMPLE", 20_000)
    await scene.execute(
        "insert into waiting (message_id, client_id, label_key, queue_id, lane, rank)"
        " select n, $1, 0, $2, 4, 1 from generate_series(1, 60000) n",
        scene.client,
        scene.queue,
    )
    await scene.accept(3, sms_type=SmsType.OTP)
    await scene.execute("analyze waiting")
    batch = await depth(scene, Lane.BATCH)
    assert batch.estimated
    assert batch.waiting == pytest.approx(60_000, rel=0.25)
    assert (await depth(scene, Lane.OTP)).waiting == 3
