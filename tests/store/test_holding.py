"""What is claimed and may not be sent yet waits for its time, and its lifetime with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from payk.domain.message import MessageState, SmsType
from payk.domain.outcome import Uncertain
from payk.store.holding import hold_claimed
from tests.store.scene import Scene

OPENS = datetime(2030, 1, 1, 3, tzinfo=UTC)


async def test_a_held_claim_is_staged_and_its_lifetime_moves_on(scene: Scene) -> None:
    claim = await scene.claimed(sms_type=SmsType.BATCH, expires_in=600)
    endless = await scene.claimed(sms_type=SmsType.BATCH)
    both = {endless.message_id: OPENS, claim.message_id: OPENS}
    assert await hold_claimed(scene.db, scene.incarnation, both) == ([claim.message_id, endless.message_id], [])
    assert await scene.places(claim.message_id) == {"staged"}
    row = await scene.row(claim.message_id)
    assert (row["scheduled_at"], row["expires_at"]) == (OPENS, OPENS + timedelta(seconds=600))
    assert row["state"] == MessageState.NONE
    assert (
        await scene.value("select expires_at from staged where message_id = $1", claim.message_id) == row["expires_at"]
    )
    assert (await scene.row(endless.message_id))["expires_at"] is None


async def test_a_second_hold_gives_the_same_lifetime(scene: Scene) -> None:
    claim = await scene.claimed(sms_type=SmsType.BATCH, expires_in=600)
    await hold_claimed(scene.db, scene.incarnation, {claim.message_id: OPENS})
    await scene.execute(
        "insert into waiting (message_id, expires_at, client_id, label_key, queue_id, lane, rank)"
        " select message_id, expires_at, client_id, label_key, queue_id, lane, rank from staged"
    )
    await scene.execute("delete from staged")
    assert [again.message_id for again in await scene.claim()] == [claim.message_id]
    await hold_claimed(scene.db, scene.incarnation, {claim.message_id: OPENS + timedelta(days=1)})
    assert (await scene.row(claim.message_id))["expires_at"] == OPENS + timedelta(days=1, seconds=600)


async def test_what_another_process_holds_and_what_may_be_sent_is_left_alone(scene: Scene) -> None:
    claim = await scene.claimed(sms_type=SmsType.BATCH)
    assert await hold_claimed(scene.db, scene.incarnation + 1, {claim.message_id: OPENS}) == ([], [])
    assert await scene.places(claim.message_id) == {"claimed"}
    await scene.record(claim, Uncertain(1, "no answer"))
    assert await hold_claimed(scene.db, scene.incarnation, {claim.message_id: OPENS}) == ([], [])


async def test_what_was_begun_is_not_held_but_named(scene: Scene) -> None:
    claim = await scene.claimed(sms_type=SmsType.BATCH)
    await scene.execute("update message set state = 1")
    assert await hold_claimed(scene.db, scene.incarnation, {claim.message_id: OPENS}) == ([], [claim.message_id])
    assert await scene.places(claim.message_id) == {"claimed"}
