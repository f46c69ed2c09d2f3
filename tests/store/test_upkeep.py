"""What time does: staged messages become ready, late ones expire, unanswered ones become Unknown, old rows go."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from payk.domain.message import MessageState, SmsType
from payk.domain.outcome import Accepted, Refused, Uncertain, Unsent
from payk.domain.outcome import RefusalKind as Kind
from payk.store.database import Database
from payk.store.processes import end_process, lease_duty, register
from payk.store.upkeep import ensure_partitions, expire, give_up_unanswered, prune, stage_due
from payk.store.wakeups import decode_wakeup
from tests.store.scene import Scene

S = MessageState
NONE, ENROUTE, DELIVERED, ACCEPTED, EXPIRED, UNKNOWN = S.NONE, S.ENROUTE, S.DELIVERED, S.ACCEPTED, S.EXPIRED, S.UNKNOWN


async def run_out(scene: Scene) -> None:
    """The lifetime of everything that has one is over."""
    for table in ("message", "waiting", "staged"):
        await scene.execute(f"update {table} set expires_at = now() - interval '1 second' where expires_at is not null")


async def wait_over(scene: Scene) -> None:
    """Every receipt is overdue."""
    await scene.execute("update message set receipt_due = now() - interval '1 second' where receipt_due is not null")
    await scene.execute("update awaiting a set due = m.receipt_due from message m where m.message_id = a.message_id")


# -- staging


async def test_due_messages_enter_the_queue_and_others_do_not(scene: Scene) -> None:
    soon = await scene.accept(3, scheduled_at=datetime.now(UTC) + timedelta(seconds=0.3))
    later = await scene.accept(3, scheduled_at=datetime.now(UTC) + timedelta(seconds=60))
    assert await stage_due(scene.db, 100) == 0
    await asyncio.sleep(0.35)
    assert await stage_due(scene.db, 2) == 2 and await stage_due(scene.db, 2) == 1
    assert await scene.ids("waiting") == soon and await scene.ids("staged") == later
    flows = decode_wakeup(await scene.db.wakeups.take()).flows
    assert list(flows.values()) == [soon[0]]  # dispatchers are told


async def test_staged_messages_keep_all_they_had(scene: Scene) -> None:
    claim = await scene.claimed(parts=3, expires_in=500, label="spring", sms_type=SmsType.BATCH)
    await scene.record(claim, Accepted(1, "a"), Unsent(2), Refused(3, 8, Kind.TEMPORARY))
    before = await scene.value("select to_jsonb(staged) - 'due' from staged")
    await scene.bring_due()
    await stage_due(scene.db, 10)
    after = await scene.value("select to_jsonb(waiting) - '{claimed_by,link_id}'::text[] from waiting")
    assert before == after


async def test_two_processes_stage_each_message_once(scene: Scene, second: Database) -> None:
    ids = await scene.accept(200, scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    await scene.bring_due()
    counts = await asyncio.gather(*(stage_due(db, 60) for db in (scene.db, second) * 4))
    counts.append(await stage_due(scene.db, 200))
    assert sum(counts) == 200 and await scene.ids("waiting") == ids and await scene.count("staged") == 0


# -- expiry


async def test_what_waits_too_long_expires(scene: Scene) -> None:
    queued, staged = await scene.claimed(expires_in=60), await scene.claimed(expires_in=60)
    await scene.record(queued, Unsent(1))
    await scene.record(staged, Refused(1, 8, Kind.TEMPORARY))
    [eternal] = await scene.accept()
    [scheduled] = await scene.accept(scheduled_at=datetime.now(UTC) + timedelta(hours=1), expires_in=60)
    assert await expire(scene.db, 10, scene.wait) == 0
    await run_out(scene)
    assert await expire(scene.db, 10, scene.wait) == 3
    for message_id in (queued.message_id, staged.message_id, scheduled):
        row = await scene.row(message_id)
        assert row["state"] == EXPIRED and row["done_at"] is not None and await scene.places(message_id) == set()
    assert await scene.places(eternal) == {"waiting"}
    assert await expire(scene.db, 10, scene.wait) == 0


async def test_what_is_claimed_is_on_its_way_and_does_not_expire(scene: Scene) -> None:
    claim = await scene.claimed(expires_in=60)
    await run_out(scene)
    assert await expire(scene.db, 10, scene.wait) == 0
    await scene.record(claim, Unsent(1))
    assert await expire(scene.db, 10, scene.wait) == 1 and await scene.state(claim.message_id) is EXPIRED


async def test_what_an_operator_may_have_is_awaited_not_expired(scene: Scene) -> None:
    claim = await scene.claimed(expires_in=60)
    await scene.record(claim, Uncertain(1, "time-out"))
    await run_out(scene)
    assert await expire(scene.db, 10, scene.wait) == 1
    row = await scene.row(claim.message_id)
    assert row["state"] == ENROUTE and row["receipt_due"] == row["expires_at"] + timedelta(seconds=scene.wait.grace)
    assert await scene.places(claim.message_id) == {"awaiting"}


@pytest.mark.parametrize("queued", [True, False])
async def test_of_several_parts_only_those_expire_that_nobody_has(scene: Scene, queued: bool) -> None:
    claim = await scene.claimed(parts=3, expires_in=60)
    await scene.record(claim, Accepted(1, "a"), Uncertain(2, "time-out"), Unsent(3))
    if queued:
        await scene.bring_due()
        await stage_due(scene.db, 10)
    await run_out(scene)
    assert await expire(scene.db, 10, scene.wait) == 1
    assert await scene.states(claim.message_id) == [ENROUTE, ENROUTE, EXPIRED]
    assert await scene.state(claim.message_id) is ENROUTE and await scene.places(claim.message_id) == {"awaiting"}
    await scene.receive(scene.report("a"), scene.report("b"))  # one by its id, the uncertain one by its addresses
    assert await scene.states(claim.message_id) == [DELIVERED, DELIVERED, EXPIRED]
    assert await scene.state(claim.message_id) is EXPIRED and await scene.places(claim.message_id) == set()


async def test_parts_that_all_came_back_expire_whole(scene: Scene) -> None:
    claim = await scene.claimed(parts=2, expires_in=60)
    await scene.record(claim, Unsent(1), Unsent(2))
    await run_out(scene)
    await expire(scene.db, 10, scene.wait)
    assert await scene.states(claim.message_id) == [EXPIRED, EXPIRED]
    assert await scene.state(claim.message_id) is EXPIRED


async def test_a_message_that_is_being_claimed_is_left_alone(scene: Scene, second: Database) -> None:
    """Whoever comes first: it is sent or it expires, never both."""
    for _ in range(5):
        ids = await scene.accept(40, expires_in=1)
        await scene.execute("update waiting set expires_at = now() + interval '3 ms' where claimed_by is null")
        (claims, _) = await asyncio.gather(scene.claim(40), expire(second, 40, scene.wait))
        claimed = {claim.message_id for claim in claims}
        await asyncio.sleep(0.005)
        await expire(second, 40, scene.wait)
        for message_id in ids:
            assert (await scene.state(message_id) is EXPIRED) != (message_id in claimed)
        await scene.record_all([scene.decided(claim, Accepted(1, "")) for claim in claims])


# -- waiting for receipts


async def test_unanswered_messages_become_unknown_when_the_wait_is_over(scene: Scene) -> None:
    enroute, accepted, done = [await scene.claimed() for _ in range(3)]
    for claim, smsc_id in ((enroute, "e"), (accepted, "a"), (done, "d")):
        await scene.record(claim, Accepted(1, smsc_id))
    await scene.receive(scene.report("a", ACCEPTED), scene.report("d"))
    assert await give_up_unanswered(scene.db, 10) == 0
    await wait_over(scene)
    assert await give_up_unanswered(scene.db, 10) == 2
    for claim in (enroute, accepted):
        row = await scene.row(claim.message_id)
        assert row["state"] == UNKNOWN and row["done_at"] is not None
    assert await scene.state(done.message_id) is DELIVERED
    assert await scene.count("awaiting") == 0 and await give_up_unanswered(scene.db, 10) == 0


async def test_the_parts_without_a_receipt_become_unknown(scene: Scene) -> None:
    claim = await scene.claimed(parts=2)
    await scene.record(claim, Accepted(1, "a"), Accepted(2, "b"))
    await scene.receive(scene.report("a"))
    await wait_over(scene)
    await give_up_unanswered(scene.db, 10)
    assert await scene.states(claim.message_id) == [DELIVERED, UNKNOWN]
    assert await scene.state(claim.message_id) is UNKNOWN
    await scene.receive(scene.report("b"))  # corrected by the late one
    assert await scene.state(claim.message_id) is DELIVERED


async def test_a_message_that_was_settled_a_moment_ago_is_not_given_up(scene: Scene, second: Database) -> None:
    ids = []
    for number in range(30):
        claim = await scene.claimed()
        await scene.record(claim, Accepted(1, f"n{number}"))
        ids.append(claim.message_id)
    await wait_over(scene)
    reports = [scene.report(f"n{number}") for number in range(30)]
    await asyncio.gather(scene.receive(*reports), give_up_unanswered(second, 30))
    await give_up_unanswered(second, 30)
    assert {await scene.state(message_id) for message_id in ids} == {DELIVERED}  # the receipt corrects what lost
    assert await scene.count("awaiting") == 0


# -- partitions and pruning


async def test_partitions_are_there_before_they_are_needed(scene: Scene) -> None:
    assert await ensure_partitions(scene.db) == 0
    await scene.execute("select setval('message_id', 109999998)")
    assert await ensure_partitions(scene.db) == 0
    ids = await scene.accept(3)
    assert ids == [109_999_999, 110_000_000, 110_000_001]  # over the edge, in one transaction
    assert await ensure_partitions(scene.db) == 2  # messages and receipts, once more ahead
    claims = await scene.claim()
    await scene.record_all([scene.decided(claim, Accepted(1, str(claim.message_id))) for claim in claims])
    await scene.receive(*(scene.report(str(message_id)) for message_id in ids))
    assert [await scene.state(message_id) for message_id in ids] == [DELIVERED] * 3


async def test_two_processes_make_partitions_at_the_same_instant(scene: Scene, second: Database) -> None:
    await scene.execute("select setval('message_id', 150000000)")
    made = await asyncio.gather(*(ensure_partitions(db) for db in (scene.db, second) * 3))
    assert sorted(made) == [0, 0, 0, 0, 0, 6]


async def test_old_rows_go_and_young_ones_stay(scene: Scene) -> None:
    for days in (31, 34):
        await scene.execute(
            "do $$ begin execute format('create table payk.idempotency_%s partition of payk.idempotency"
            f" for values from (%L) to (%L)', to_char(current_date - {days}, 'YYYYMMDD'), current_date - {days},"
            f" current_date - {days} + 1); end $$"
        )
    await scene.receive(scene.report("old"), scene.report("young"))
    for days in (32, 34):
        await scene.execute(
            "insert into unnamed_part values (1, now() - make_interval(days => $1), 1, 1, 1, 1, '1', 'A')", days
        )
    await scene.execute("update parked_receipt set received_at = now() - interval '73 hours' where smsc_id = 'old'")
    for message_id, days in ((1, 32), (2, 30)):
        await scene.execute(
            "insert into set_aside values ($1, now(), now() - make_interval(days => $2), true, null, null, 1, 1,"
            " 1, 1, 1, 1, 1)",
            message_id,
            days,
        )
    operator_id = await scene.value("insert into operator (name) values ('shifting') returning operator_id")
    await scene.execute(
        "insert into operator_shift (operator_id, at, from_state, to_state, reason, figures)"
        " select $1, now() - make_interval(days => age), 'healthy', 'sick', '', '{}' from unnest(array[89, 91]) age",
        operator_id,
    )
    gone, holds, alive = [await register(scene.db, host="x", pid=pid, roles=[]) for pid in (7, 8, 9)]
    assert await lease_duty(scene.db, holds, "stage")
    await scene.accept()
    await scene.claim()
    for number in (scene.incarnation, gone):
        await end_process(scene.db, number)
    await scene.execute("update process set ended_at = now() where incarnation = $1", holds)
    await scene.execute("update process set ended_at = ended_at - interval '8 days'")
    assert await prune(scene.db) == {
        "partitions": 1,
        "parked": 1,
        "unnamed": 1,
        "processes": 1,
        "set_aside": 1,
        "holds": 0,
        "usage": 0,
        "shifts": 1,
    }
    assert await scene.value("select array_agg(smsc_id) from parked_receipt") == ["young"]
    # One that still claims a message, or holds a duty, is still to be dealt with.
    kept = await scene.value("select array_agg(incarnation order by incarnation) from process")
    assert kept == sorted([scene.incarnation, holds, alive])
    assert await prune(scene.db) == {
        "partitions": 0,
        "parked": 0,
        "unnamed": 0,
        "processes": 0,
        "set_aside": 0,
        "holds": 0,
        "usage": 0,
        "shifts": 0,
    }
