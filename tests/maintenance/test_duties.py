"""Each duty, one round: what it does, and how much it says it did."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from payk.domain.directory import CurrentDirectory
from payk.domain.message import MessageState, SmsType
from payk.domain.outcome import Accepted, Uncertain
from payk.maintenance import all_duties, expiry, parked, partitions, pruning, rescue, staging, unanswered
from payk.metrics.catalogue import OUTCOMES, RECEIPTS
from payk.outcome_log import OutcomeLog
from payk.store.processes import end_process, register
from tests.store.scene import Scene


def told(scene: Scene) -> OutcomeLog:
    """Where the outcomes go that duties find."""
    return OutcomeLog(scene.directory, "maintenance")


async def rescued(scene: Scene, directory: CurrentDirectory | None = None) -> int:
    return await rescue.run_once(
        scene.db, directory or scene.directory, Random(1), scene.rules, scene.wait, told(scene)
    )


async def test_every_duty_runs_on_an_empty_database(scene: Scene) -> None:
    duties = all_duties(scene.db, scene.directory, Random(1), rules=scene.rules, wait=scene.wait)
    assert [duty.name for duty in duties] == [
        "stage", "expire", "holds", "unanswered", "operator health", "rescue", "parked", "partitions", "prune",
        "wipe texts", "retention", "traces", "fold reports", "count earlier messages", "tidy reports", "tidy ledgers",
        "audit anchor",
    ]  # fmt: skip
    assert [await duty.run_once() for duty in duties] == [0] * len(duties)
    assert all(duty.interval > 0 for duty in duties)


async def test_what_is_kept_how_long_is_told_to_the_duties(scene: Scene) -> None:
    claims = [await scene.claimed(sms_type=SmsType.OTP) for _ in range(2)]
    await scene.record_all([scene.decided(claim, Accepted(1, "a")) for claim in claims])
    await scene.receive(scene.report("a"))
    await scene.execute("update message set state = 2, done_at = now()")
    await scene.execute("delete from awaiting")
    long_ago = "now() - interval '3 minutes'"
    await scene.execute(f"update message set accepted_at = {long_ago}, submitted_at = {long_ago}, done_at = {long_ago}")

    async def run(name: str, **kept: int) -> None:
        duties = all_duties(scene.db, scene.directory, Random(1), rules=scene.rules, wait=scene.wait, **kept)
        await next(duty for duty in duties if duty.name == name).run_once()

    await run("wipe texts")
    assert len(await scene.ids("message", "text <> ''")) == 2
    await scene.execute("update text_walk set next_at = now()")
    await run("wipe texts", otp_text_minutes=2)
    assert await scene.ids("message", "text <> ''") == []
    await scene.execute("select setval('message_id', 110000000)")
    await scene.execute("update message set accepted_at = now() - interval '3 days'")
    await scene.execute("insert into balance_entry (client_id, at, kind, amount) "
                        "values (1, now() - interval '3 days', 'charge', -1)")  # fmt: skip
    await run("tidy ledgers")
    assert await scene.count("balance_entry") == 1
    await run("tidy ledgers", ledger_days=2)
    assert await scene.count("balance_entry") == 0
    await run("retention")
    assert await scene.count("message") == 2
    await run("retention", retention_days=2)
    assert await scene.count("message") == 0


async def test_staging(scene: Scene) -> None:
    await scene.accept(3, scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    assert await staging.run_once(scene.db) == 0
    await scene.bring_due()
    assert await staging.run_once(scene.db) == 3 and await staging.run_once(scene.db) == 0


async def test_expiry(scene: Scene) -> None:
    await scene.accept(2, expires_in=60)
    await scene.execute("update waiting set expires_at = now()")
    assert (
        await expiry.run_once(scene.db, scene.wait, told(scene)) == 2
        and await expiry.run_once(scene.db, scene.wait, told(scene)) == 0
    )


async def test_giving_up(scene: Scene) -> None:
    claim = await scene.claimed()
    scene.wait = replace(scene.wait, wait=0.0)
    await scene.record(claim, Accepted(1, "a"))
    assert (
        await unanswered.run_once(scene.db, told(scene)) == 1 and await unanswered.run_once(scene.db, told(scene)) == 0
    )
    assert await scene.state(claim.message_id) is MessageState.UNKNOWN


async def test_parked_receipts_are_tried_again(scene: Scene) -> None:
    await scene.receive(scene.report("a"), scene.report("stranger"))
    assert await parked.run_once(scene.db, scene.directory, scene.wait, told(scene)) == 0  # not due yet
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, "a"))
    await scene.execute("update parked_receipt set next_try_at = now()")
    operator = scene.directory.value.operators[scene.operator].name
    before = RECEIPTS.values.get((operator, "delivered"), 0)
    assert await parked.run_once(scene.db, scene.directory, scene.wait, told(scene)) == 1
    assert RECEIPTS.values[operator, "delivered"] == before + 1, "matched late is matched"
    assert await scene.state(claim.message_id) is MessageState.DELIVERED
    assert await scene.value("select (count(*), max(tries)) from parked_receipt") == (1, 1)


async def test_partitions_and_pruning_ask_for_no_second_round(scene: Scene) -> None:
    await scene.execute("select setval('message_id', 150000000)")
    await scene.receive(scene.report("old"))
    await scene.execute("update parked_receipt set received_at = now() - interval '4 days'")
    assert await partitions.run_once(scene.db) == await pruning.run_once(scene.db) == 0
    assert await scene.accept() == [150_000_001] and await scene.count("parked_receipt") == 0


# -- rescue


def uncertain() -> float:
    """Parts that were never answered, as figures tell it."""
    return sum(value for (*_, outcome), value in OUTCOMES.values.items() if outcome == "uncertain")


async def test_claims_of_an_ended_process_are_uncertain(scene: Scene) -> None:
    """Otp and Common are held and sent once more, Batch is not: any of them may have been sent."""
    otp, common, batch = [
        (await scene.claimed(sms_type=sms_type)).message_id for sms_type in (SmsType.OTP, SmsType.COMMON, SmsType.BATCH)
    ]
    assert await rescued(scene) == 0
    await end_process(scene.db, scene.incarnation)
    before = uncertain()
    assert await rescued(scene) == 3 and await rescued(scene) == 0
    assert uncertain() == before + 3, "counted as what it is"
    for message_id, places in ((otp, {"staged"}), (common, {"staged"}), (batch, {"awaiting"})):
        assert await scene.state(message_id) is MessageState.ENROUTE and await scene.places(message_id) == places
    assert await scene.value("select array_agg(distinct reason) from uncertain_part") == ["its process ended"]


async def test_the_second_time_is_the_last(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Uncertain(1, "time-out"))
    await scene.bring_due()
    await staging.run_once(scene.db)
    await scene.claim()
    await end_process(scene.db, scene.incarnation)
    await rescued(scene)
    assert await scene.places(claim.message_id) == {"awaiting"}


async def test_only_the_parts_that_were_to_be_sent_are_uncertain(scene: Scene) -> None:
    claim = await scene.claimed(parts=3)
    await scene.record(claim, Accepted(1, "a"), Accepted(2, "b"), Uncertain(3, "time-out"))
    await scene.bring_due()
    await staging.run_once(scene.db)
    await scene.claim()
    await end_process(scene.db, scene.incarnation)
    await rescued(scene)
    assert await scene.value("select array_agg(part order by attempt) from uncertain_part") == [3, 3]


async def test_claims_of_several_processes(scene: Scene) -> None:
    await scene.accept(4)
    other = await register(scene.db, host="there", pid=2, roles=[])
    alive = await register(scene.db, host="there", pid=3, roles=[])
    await scene.claim(1)
    await scene.claim(2, incarnation=other)
    await scene.claim(1, incarnation=alive)
    for number in (scene.incarnation, other):
        await end_process(scene.db, number)
    assert await rescued(scene) == 3
    assert await scene.value("select array_agg(claimed_by) from waiting") == [alive]


async def test_a_link_that_is_not_known_here_yet_waits_for_the_next_round(scene: Scene) -> None:
    claim = await scene.claimed()
    await end_process(scene.db, scene.incarnation)
    assert await rescued(scene, CurrentDirectory()) == 0
    assert await scene.places(claim.message_id) == {"claimed"}
    assert await rescued(scene) == 1
