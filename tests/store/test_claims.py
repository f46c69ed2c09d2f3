"""Claiming: who takes what, in which order, and that nobody takes what another has."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from payk.domain.message import Priority, SmsType, label_key
from payk.domain.outcome import Accepted, Refused, Unsent
from payk.domain.outcome import RefusalKind as Kind
from payk.store.accept import insert_messages
from payk.store.claims import LABELS_SHOWN, Quota, claim_rows, claims_of_ended, present_flows
from payk.store.database import Database
from payk.store.outcomes import put_back_unknown
from payk.store.processes import end_process, register
from payk.store.wakeups import Flow
from tests.store.rows import new_message
from tests.store.scene import PHONE, SENDER, Scene


async def test_a_claim_has_all_that_submitting_needs(scene: Scene) -> None:
    [message_id] = await scene.accept(
        text="длинный " * 40, parts=5, sms_type=SmsType.OTP, expires_in=60, label="codes", sender=SENDER, phone=PHONE
    )
    [claim] = await scene.claim()
    assert (claim.message_id, claim.phone, claim.sender, claim.text) == (message_id, PHONE, SENDER, "длинный " * 40)
    assert (claim.sms_type, claim.parts, claim.parts_left, claim.open_parts) == (SmsType.OTP, 5, None, (1, 2, 3, 4, 5))
    assert claim.flow == Flow(scene.queue, 0, scene.client, 0, label_key("codes"))
    assert (claim.attempt, claim.uncertain_count, claim.retrying_since, claim.link_id) == (0, 0, None, scene.link)
    assert claim.expires_at is not None and timedelta(seconds=55) < claim.expires_at - claim.now <= timedelta(
        seconds=60
    )
    assert await scene.value("select claimed_by from waiting") == scene.incarnation


async def test_oldest_first_and_otp_before_all(scene: Scene) -> None:
    batch = await scene.accept(3, sms_type=SmsType.BATCH)
    otp = await scene.accept(2, sms_type=SmsType.OTP)
    common = await scene.accept(1)
    assert [claim.message_id for claim in await scene.claim(2)] == [*otp, *common, *batch[:2]]


async def test_a_quota_is_for_one_flow(scene: Scene) -> None:
    await scene.accept(5)
    labelled = await scene.accept(5, label="spring")
    flow = Flow(scene.queue, 2, scene.client, 0, label_key("spring"))
    claims = await claim_rows(scene.db, scene.incarnation, scene.link, [Quota(flow, 0, 3)])
    assert [claim.message_id for claim in claims] == labelled[:3]
    assert await scene.claim(0) == []


async def test_every_part_of_a_flow_is_looked_at(scene: Scene) -> None:
    """A quota for a flow that differs in one thing brings nothing."""
    await scene.accept(2, sms_type=SmsType.BATCH, priority=Priority.LOW, label="a")
    [flow] = await present_flows(scene.db)
    for wrong in (
        flow._replace(queue_id=flow.queue_id + 1),
        flow._replace(lane=3),
        flow._replace(client_id=flow.client_id + 1),
        flow._replace(rank=1),
        flow._replace(label_key=0),
    ):
        assert await claim_rows(scene.db, scene.incarnation, scene.link, [Quota(wrong, 0, 9)]) == []
    assert len(await claim_rows(scene.db, scene.incarnation, scene.link, [Quota(flow, 0, 9)])) == 2


async def test_nothing_below_the_low_water_mark(scene: Scene) -> None:
    ids = await scene.accept(5)
    assert [claim.message_id for claim in await scene.claim(low=ids[2])] == ids[2:]
    assert [claim.message_id for claim in await scene.claim()] == ids[:2]


async def test_what_is_late_is_not_claimed(scene: Scene) -> None:
    late, _ = await scene.accept(1, expires_in=60), await scene.accept(1, expires_in=60)
    await scene.execute("update waiting set expires_at = now() where message_id = $1", late[0])
    assert late[0] not in [claim.message_id for claim in await scene.claim()]
    assert await scene.places(late[0]) == {"waiting"}


async def test_an_ended_incarnation_claims_nothing(scene: Scene) -> None:
    await scene.accept(3)
    await end_process(scene.db, scene.incarnation)
    assert await scene.claim() == [] and await scene.count("waiting") == 3


async def test_a_claim_says_where_a_message_stands(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Refused(1, 8, Kind.TEMPORARY))
    await scene.execute(
        "insert into waiting (message_id, first_try_at, client_id, label_key, queue_id, lane, rank, attempt,"
        " uncertain_count, parts_left) select message_id, first_try_at - interval '30 s', client_id, label_key,"
        " queue_id, lane, rank, attempt, 1, '{1}' from staged"
    )
    [again] = await scene.claim()
    assert (again.attempt, again.uncertain_count, again.open_parts) == (1, 1, (1,))
    assert again.retrying_since is not None and 30 <= again.retrying_since < 40


# -- two processes


async def test_two_claims_of_the_same_instant_share_no_message(scene: Scene, second: Database) -> None:
    ids = await scene.accept(400)
    other = await register(second, host="there", pid=2, roles=["dispatch"])
    [flow] = await present_flows(scene.db)
    quota = [Quota(flow, 0, 25)]
    rounds = await asyncio.gather(
        *(claim_rows(scene.db, scene.incarnation, scene.link, quota) for _ in range(8)),
        *(claim_rows(second, other, scene.other_link, quota) for _ in range(8)),
    )
    taken = [claim.message_id for claims in rounds for claim in claims]
    assert len(taken) == len(set(taken)) and set(taken) <= set(ids)
    # What one passed over because another held it at that instant is there for the next one.
    taken += [claim.message_id for claim in await scene.claim(400)]
    assert sorted(taken) == ids


async def test_a_claim_that_is_not_committed_yet_is_passed_over(scene: Scene, second: Database) -> None:
    ids = await scene.accept(4)
    async with second.transaction() as other:
        await other.execute("select from waiting where message_id = any($1::bigint[]) for update", ids[:2])
        async with asyncio.timeout(2):
            assert [claim.message_id for claim in await scene.claim()] == ids[2:]


async def test_what_ended_processes_held_is_found(scene: Scene) -> None:
    ids = await scene.accept(3)
    await scene.claim(2)
    other = await register(scene.db, host="there", pid=2, roles=["dispatch"])
    await scene.claim(1, incarnation=other)
    assert await claims_of_ended(scene.db, 10) == []
    await end_process(scene.db, scene.incarnation)
    found = await claims_of_ended(scene.db, 10)
    assert [(number, claim.message_id) for number, claim in found] == [(scene.incarnation, id_) for id_ in ids[:2]]
    assert len(await claims_of_ended(scene.db, 1)) == 1


# -- flows


async def test_every_flow_that_waits_is_seen_with_its_lowest_id(scene: Scene) -> None:
    expected: dict[Flow, int] = {}
    for message in (
        new_message(client_id=scene.client, queue_id=scene.queue),
        new_message(client_id=scene.client, queue_id=scene.queue, priority=Priority.HIGH),
        new_message(client_id=scene.client, queue_id=scene.queue, sms_type=SmsType.OTP),
        new_message(client_id=scene.client, queue_id=scene.queue, sms_type=SmsType.BATCH, priority=Priority.HIGH),
        new_message(client_id=scene.client, queue_id=scene.queue, sms_type=SmsType.BATCH, label="a"),
        new_message(client_id=scene.client, queue_id=scene.queue, sms_type=SmsType.BATCH, label="b"),
        new_message(client_id=scene.client + 1, queue_id=scene.queue),
        new_message(client_id=scene.client, queue_id=scene.queue + 1),
    ):
        stored = await insert_messages(scene.db, [message] * 3, timeout=5)
        expected[message.flow] = stored[0].message_id
    assert await present_flows(scene.db) == expected
    taken = await claim_rows(
        scene.db, scene.incarnation, scene.link, [Quota(flow, 0, 1) for flow in list(expected)[::2]]
    )
    for claim in taken:
        expected[claim.flow] += 1
    assert await present_flows(scene.db) == expected


async def test_many_labels_hide_no_other_client_and_no_other_queue(scene: Scene) -> None:
    """Some clients write a label of its own on every message."""
    await scene.execute(
        "insert into waiting (message_id, client_id, label_key, queue_id, lane, rank)"
        " select n, $1, n, $2, 4, 1 from generate_series(1, 6000) n",
        scene.client,
        scene.queue,
    )
    others = [
        new_message(client_id=scene.client + 1, queue_id=scene.queue, sms_type=SmsType.BATCH),
        new_message(client_id=scene.client, queue_id=scene.queue + 1, sms_type=SmsType.OTP),
    ]
    await insert_messages(scene.db, others, timeout=5)
    flows = await present_flows(scene.db)
    assert {message.flow for message in others} <= flows.keys() and len(flows) == LABELS_SHOWN + 2
    assert max(flows.values()) >= 100_000_000 and min(flows.values()) == 1


async def test_staged_and_claimed_messages_are_no_flow(scene: Scene) -> None:
    await scene.accept(1, scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    await scene.accept(1)
    await scene.claim()
    assert await present_flows(scene.db) == {}


# -- claims whose answer was lost


async def test_claims_that_nobody_here_knows_of_go_back(scene: Scene) -> None:
    ids = await scene.accept(4)
    claims = await scene.claim(2)
    other_link = await scene.claim(1, link=scene.other_link)
    other_process = await scene.claim(1, incarnation=await register(scene.db, host="there", pid=2, roles=[]))
    assert [claim.message_id for claim in (*claims, *other_link, *other_process)] == ids
    await scene.db.wakeups.take()
    assert await put_back_unknown(scene.db, scene.incarnation, scene.link, [ids[0]]) == 1
    assert await scene.ids("waiting", "claimed_by is null") == [ids[1]]
    assert await put_back_unknown(scene.db, scene.incarnation, scene.link, [ids[0]]) == 0
    # What went back is told to the dispatchers, and can be claimed again.
    assert f":{ids[1]}" in await scene.db.wakeups.take()
    assert [claim.message_id for claim in await scene.claim()] == [ids[1]]


async def test_what_was_put_back_comes_first_again(scene: Scene) -> None:
    ids = await scene.accept(3)
    first, *_ = await scene.claim(1)
    await scene.record(first, Unsent(1))
    claims = await scene.claim()
    assert [claim.message_id for claim in claims] == ids
    assert replace(claims[0], now=first.now) == first
    await scene.record_all([scene.decided(claim, Accepted(1, str(claim.message_id))) for claim in claims])
    assert await scene.count("waiting") == 0
