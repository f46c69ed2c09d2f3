"""What comes of a claim: each way out of it, several parts, answers that come late, and doubts about a COMMIT."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from payk.domain.account import Client, UncertainPolicy
from payk.domain.message import MessageState, SmsType
from payk.domain.outcome import Accepted, Refused, Uncertain, Unsent
from payk.domain.outcome import RefusalKind as Kind
from payk.store.claims import Claim, claims_of_ended
from payk.store.database import Database
from payk.store.outcomes import LateAnswer, record_late_answers, record_outcomes
from payk.store.processes import end_process, register
from payk.store.upkeep import stage_due
from tests.store.proxy import Cut, network_to
from tests.store.scene import Scene

S = MessageState
NONE, ENROUTE, DELIVERED, ACCEPTED = S.NONE, S.ENROUTE, S.DELIVERED, S.ACCEPTED
REJECTED, UNDELIVERABLE = S.REJECTED, S.UNDELIVERABLE
TIME_OUT = Uncertain(1, "time-out")


async def resent(scene: Scene, message_id: int) -> Claim:
    """The second claim of a message whose hold is over."""
    await scene.bring_due()
    assert await stage_due(scene.db, 100) == 1
    return next(claim for claim in await scene.claim() if claim.message_id == message_id)


def late(scene: Scene, claim: Claim, part: int = 1, smsc_id: str = "late") -> LateAnswer:
    return LateAnswer(claim.message_id, scene.operator, scene.link, part, claim.uncertain_count + 1, smsc_id)


# -- one part


async def test_taken_by_the_operator(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, "00A1"), age=2.0)
    row = await scene.row(claim.message_id)
    assert (row["state"], row["operator_id"], row["done_at"]) == (ENROUTE, scene.operator, None)
    assert row["receipt_due"] - row["submitted_at"] == timedelta(seconds=scene.wait.wait)
    assert await scene.places(claim.message_id) == {"awaiting"}
    assert await scene.value("select due = receipt_due from awaiting join message using (message_id)")
    assert await scene.value("select (smsc_id, part, attempt, link_id) from receipt_key") == ("00A1", 1, 1, scene.link)
    assert 1.9 < await scene.value("select extract(epoch from now() - submitted_at)::float8 from message") < 9


async def test_a_lifetime_says_how_long_the_receipt_is_awaited(scene: Scene) -> None:
    claim = await scene.claimed(expires_in=50)
    await scene.record(claim, Accepted(1, "a"))
    row = await scene.row(claim.message_id)
    assert row["receipt_due"] - row["expires_at"] == timedelta(seconds=scene.wait.grace)


async def test_refused_for_good(scene: Scene) -> None:
    for kind, state in ((Kind.PERMANENT, REJECTED), (Kind.NUMBER, UNDELIVERABLE)):
        claim = await scene.claimed()
        await scene.record(claim, Refused(1, 0x0B, kind))
        row = await scene.row(claim.message_id)
        assert row["state"] == state and row["done_at"] is not None and row["operator_id"] == scene.operator
        assert await scene.places(claim.message_id) == set()
        query = "select (command_status, part, attempt) from refusal where message_id = $1"
        assert await scene.value(query, claim.message_id) == (0x0B, 1, 1)


async def test_refused_for_the_moment(scene: Scene) -> None:
    claim = await scene.claimed(expires_in=300)
    await scene.record(claim, Refused(1, 0x08, Kind.TEMPORARY))
    assert await scene.places(claim.message_id) == {"staged"} and await scene.state(claim.message_id) is NONE
    assert 1 < await scene.value("select extract(epoch from due - now())::float8 from staged") <= 2
    first_try = await scene.value("select first_try_at from staged")
    again = await resent(scene, claim.message_id)
    assert (again.attempt, again.uncertain_count, again.expires_at) == (1, 0, claim.expires_at)
    await scene.record(again, Refused(1, 0x08, Kind.TEMPORARY))
    assert await scene.value("select (attempt, first_try_at) from staged") == (2, first_try)


async def test_what_was_surely_not_taken_goes_back_to_its_place(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.db.wakeups.take()
    for outcome in (Unsent(1), Refused(1, 0x58, Kind.THROTTLED)):
        await scene.record(claim, outcome)
        assert await scene.places(claim.message_id) == {"waiting"} and await scene.state(claim.message_id) is NONE
        assert str(claim.message_id) in await scene.db.wakeups.take()
        [claim] = await scene.claim()
        assert claim.attempt == 0


async def test_an_unanswered_message_is_held_and_sent_once_more(scene: Scene) -> None:
    claim = await scene.claimed(sms_type=SmsType.OTP)
    await scene.record(claim, TIME_OUT)
    assert await scene.places(claim.message_id) == {"staged"} and await scene.state(claim.message_id) is ENROUTE
    assert 50 < await scene.value("select extract(epoch from due - now())::float8 from staged") <= 60
    assert (await scene.row(claim.message_id))["submitted_at"] is not None
    again = await resent(scene, claim.message_id)
    assert again.uncertain_count == 1
    await scene.record(again, TIME_OUT)
    assert await scene.places(claim.message_id) == {"awaiting"} and await scene.state(claim.message_id) is ENROUTE
    assert await scene.value("select array_agg(attempt order by attempt) from uncertain_part") == [1, 2]


async def test_an_unanswered_mailing_is_not_repeated(scene: Scene) -> None:
    claim = await scene.claimed(sms_type=SmsType.BATCH)
    await scene.record(claim, TIME_OUT)
    assert await scene.places(claim.message_id) == {"awaiting"} and await scene.state(claim.message_id) is ENROUTE


async def test_the_clients_wish_is_heard(scene: Scene) -> None:
    wish = Client(scene.client, "demo", uncertain={SmsType.OTP: UncertainPolicy.HOLD})
    scene.directory.value.clients[scene.client] = wish  # type: ignore[index]
    claim = await scene.claimed(sms_type=SmsType.OTP)
    await scene.record(claim, TIME_OUT)
    assert await scene.places(claim.message_id) == {"awaiting"}


async def test_a_repeat_that_is_refused_is_awaited_not_failed(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, TIME_OUT)
    again = await resent(scene, claim.message_id)
    await scene.record(again, Refused(1, 0x0B, Kind.NUMBER))
    assert await scene.places(claim.message_id) == {"awaiting"} and await scene.state(claim.message_id) is ENROUTE


async def test_many_messages_at_once_each_leave_by_their_own_way(scene: Scene) -> None:
    ids = await scene.accept(6)
    claims = await scene.claim()
    outcomes = (
        Accepted(1, "a"), Refused(1, 0x0B, Kind.NUMBER), Refused(1, 0x45, Kind.PERMANENT), TIME_OUT, Unsent(1),
        Refused(1, 0x08, Kind.TEMPORARY),
    )  # fmt: skip
    await scene.record_all(
        [scene.decided(claim, outcome) for claim, outcome in zip(claims, outcomes, strict=True)][::-1]
    )
    assert [await scene.state(each) for each in ids] == [ENROUTE, UNDELIVERABLE, REJECTED, ENROUTE, NONE, NONE]
    assert [await scene.places(each) for each in ids] == [
        {"awaiting"}, set(), set(), {"staged"}, {"waiting"}, {"staged"},
    ]  # fmt: skip


# -- several parts


async def test_parts_are_recorded_each_and_the_message_is_their_fold(scene: Scene) -> None:
    claim = await scene.claimed(parts=3)
    await scene.record(claim, Accepted(1, "a"), Refused(2, 0x58, Kind.THROTTLED), Unsent(3))
    assert await scene.states(claim.message_id) == [ENROUTE, NONE, NONE]
    assert await scene.state(claim.message_id) is ENROUTE and await scene.places(claim.message_id) == {"waiting"}
    [again] = await scene.claim()
    assert again.open_parts == (2, 3)
    await scene.record(again, Accepted(2, "b"), Unsent(3))
    [last] = await scene.claim()
    assert last.open_parts == (3,)
    await scene.record(last, Accepted(3, "c"))
    assert await scene.states(claim.message_id) == [ENROUTE] * 3
    assert await scene.places(claim.message_id) == {"awaiting"}
    assert await scene.value("select array_agg(part order by part) from receipt_key") == [1, 2, 3]


async def test_parts_of_which_none_was_written_leave_no_trace(scene: Scene) -> None:
    claim = await scene.claimed(parts=2)
    await scene.record(claim, Unsent(1), Unsent(2))
    row = await scene.row(claim.message_id)
    assert (row["state"], row["submitted_at"], row["operator_id"]) == (NONE, None, None)
    [again] = await scene.claim()
    assert again.parts_left is None


async def test_an_uncertain_part_alone_is_sent_again(scene: Scene) -> None:
    claim = await scene.claimed(parts=3)
    await scene.record(claim, Accepted(1, "a"), Uncertain(2, "time-out"), Accepted(3, "c"))
    assert await scene.states(claim.message_id) == [ENROUTE] * 3
    assert await scene.places(claim.message_id) == {"staged"}
    again = await resent(scene, claim.message_id)
    assert (again.open_parts, again.uncertain_count) == ((2,), 1)


async def test_an_uncertain_part_of_a_mailing_is_awaited(scene: Scene) -> None:
    claim = await scene.claimed(parts=2, sms_type=SmsType.BATCH)
    await scene.record(claim, Accepted(1, "a"), Uncertain(2, "link lost"))
    assert await scene.places(claim.message_id) == {"awaiting"} and await scene.state(claim.message_id) is ENROUTE


async def test_a_part_refused_for_good_ends_the_others_but_not_those_that_were_taken(scene: Scene) -> None:
    claim = await scene.claimed(parts=3)
    await scene.record(claim, Accepted(1, "a"), Refused(2, 0x45, Kind.PERMANENT), Unsent(3))
    assert await scene.states(claim.message_id) == [ENROUTE, REJECTED, REJECTED]
    assert await scene.state(claim.message_id) is ENROUTE  # final when all parts are
    assert await scene.places(claim.message_id) == {"awaiting"}
    await scene.receive(scene.report("a"))
    assert await scene.state(claim.message_id) is REJECTED and await scene.places(claim.message_id) == set()


async def test_all_parts_refused_is_final_at_once(scene: Scene) -> None:
    claim = await scene.claimed(parts=2)
    await scene.record(claim, Refused(1, 0x0B, Kind.NUMBER), Refused(2, 0x45, Kind.PERMANENT))
    row = await scene.row(claim.message_id)
    assert row["state"] == REJECTED and row["done_at"] is not None  # the worst wins
    assert await scene.places(claim.message_id) == set()


async def test_a_link_that_cuts_otherwise_says_how_many_parts_there_are(scene: Scene) -> None:
    more, fewer = await scene.accept(1, parts=2), await scene.accept(1, parts=3)
    two, three = await scene.claim()
    await scene.record_all(
        [
            scene.decided(two, Accepted(1, "a"), Accepted(2, "b"), Unsent(3)),
            scene.decided(three, Accepted(1, "c")),
        ]
    )
    assert await scene.states(more[0]) == [ENROUTE, ENROUTE, NONE]
    row = await scene.row(fewer[0])
    assert (row["parts"], row["part_states"], row["state"]) == (1, None, ENROUTE)
    assert (await scene.claim())[0].open_parts == (3,)


# -- a claim that was taken away


async def taken_away(scene: Scene, claim: Claim) -> Claim:
    """The process was held for dead, and its claim rescued; what the rescuer claims after the hold."""
    await end_process(scene.db, scene.incarnation)
    [(number, found)] = await claims_of_ended(scene.db, 10)
    rescued = scene.decided(found, *(Uncertain(part, "its process ended") for part in found.open_parts))
    await scene.record_all([rescued], incarnation=number)
    scene.incarnation = await register(scene.db, host="there", pid=2, roles=["dispatch"])
    return claim


async def test_a_rescued_message_is_held_like_any_uncertain_one(scene: Scene) -> None:
    claim = await taken_away(scene, await scene.claimed())
    assert await scene.places(claim.message_id) == {"staged"} and await scene.state(claim.message_id) is ENROUTE


async def test_who_lost_its_claim_does_not_put_the_message_back(scene: Scene) -> None:
    former = scene.incarnation
    claim = await taken_away(scene, await scene.claimed())
    again = await resent(scene, claim.message_id)
    for outcome in (Unsent(1), Refused(1, 8, Kind.TEMPORARY), Refused(1, 0x45, Kind.PERMANENT)):
        await scene.record_all([scene.decided(claim, outcome)], incarnation=former)
        assert await scene.places(claim.message_id) == {"claimed"} and await scene.state(claim.message_id) is ENROUTE
    await scene.record(again, Accepted(1, "b"))
    assert await scene.places(claim.message_id) == {"awaiting"}


@pytest.mark.parametrize("parts", [1, 2])
async def test_a_yes_of_who_lost_its_claim_stops_the_repeat(scene: Scene, parts: int) -> None:
    """The operator has it: to send it once more would be a duplicate that we know of."""
    former = scene.incarnation
    claim = await taken_away(scene, await scene.claimed(parts=parts))
    record = scene.decided(claim, *(Accepted(part, f"id{part}") for part in range(1, parts + 1)))
    await scene.record_all([record], incarnation=former)
    assert await scene.places(claim.message_id) == {"awaiting"}
    await scene.receive(*(scene.report(f"id{part}") for part in range(1, parts + 1)))
    assert await scene.state(claim.message_id) is DELIVERED


async def test_a_no_of_who_lost_its_claim_ends_no_part_that_is_sent_again(scene: Scene) -> None:
    former = scene.incarnation
    claim = await taken_away(scene, await scene.claimed(parts=2))
    record = scene.decided(claim, Refused(1, 0x45, Kind.PERMANENT), Unsent(2))
    await scene.record_all([record], incarnation=former)
    assert await scene.states(claim.message_id) == [ENROUTE, ENROUTE]
    again = await resent(scene, claim.message_id)
    await scene.record(again, Accepted(1, "a"), Accepted(2, "b"))
    await scene.receive(scene.report("a"), scene.report("b"))
    assert await scene.state(claim.message_id) is DELIVERED


# -- a message that ended while it was on its way again


async def test_a_message_delivered_meanwhile_is_not_sent_again_and_stays_so(scene: Scene) -> None:
    """Its first try was never answered; the receipt for that comes while the second one is claimed."""
    for outcome in (
        Unsent(1),
        Refused(1, 0x58, Kind.THROTTLED),
        Refused(1, 0x08, Kind.TEMPORARY),
        Refused(1, 0x45, Kind.PERMANENT),
        Accepted(1, "b"),
        TIME_OUT,
    ):
        claim = await scene.claimed()
        await scene.record(claim, TIME_OUT)
        again = await resent(scene, claim.message_id)
        await scene.receive(scene.report())
        assert await scene.state(claim.message_id) is DELIVERED
        await scene.record(again, outcome)
        assert await scene.places(claim.message_id) == set()
        assert await scene.state(claim.message_id) is DELIVERED


async def test_a_message_accepted_meanwhile_is_still_awaited(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, TIME_OUT)
    again = await resent(scene, claim.message_id)
    await scene.receive(scene.report(state=ACCEPTED))
    assert await scene.state(claim.message_id) is ACCEPTED
    await scene.record(again, Accepted(1, "b"))
    assert await scene.state(claim.message_id) is ACCEPTED and await scene.places(claim.message_id) == {"awaiting"}


# -- answers after the time-out


async def test_a_late_yes_stops_the_repeat(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, TIME_OUT)
    await record_late_answers(scene.db, [late(scene, claim)], scene.wait)
    assert await scene.places(claim.message_id) == {"awaiting"} and await scene.state(claim.message_id) is ENROUTE
    assert await scene.value("select settled_at is not null from uncertain_part")
    await scene.receive(scene.report("late"))
    assert await scene.state(claim.message_id) is DELIVERED


async def test_a_late_yes_stops_a_repeat_that_waits_for_its_turn_already(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, TIME_OUT)
    await scene.bring_due()
    await stage_due(scene.db, 10)
    assert await scene.places(claim.message_id) == {"waiting"}
    await record_late_answers(scene.db, [late(scene, claim)], scene.wait)
    assert await scene.places(claim.message_id) == {"awaiting"}


async def test_late_answers_of_one_message_stop_their_own_parts(scene: Scene) -> None:
    claim = await scene.claimed(parts=4)
    await scene.record(claim, *(Uncertain(part, "time-out") for part in (1, 2, 3, 4)))
    answers = [late(scene, claim, 3, "c"), late(scene, claim, 1, "a")]
    await record_late_answers(scene.db, answers, scene.wait)
    assert await scene.value("select parts_left from staged") == [2, 4]
    await record_late_answers(scene.db, answers, scene.wait)  # told twice is told once
    assert await scene.value("select parts_left from staged") == [2, 4]
    await record_late_answers(scene.db, [late(scene, claim, 2, "b"), late(scene, claim, 4, "d")], scene.wait)
    assert await scene.places(claim.message_id) == {"awaiting"}


async def test_a_late_yes_to_a_message_that_is_being_sent_again_keeps_its_id(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, TIME_OUT)
    again = await resent(scene, claim.message_id)
    await record_late_answers(scene.db, [late(scene, claim)], scene.wait)
    assert await scene.places(claim.message_id) == {"claimed"}
    await scene.record(again, Refused(1, 0x45, Kind.PERMANENT))
    await scene.receive(scene.report("late"))
    assert await scene.state(claim.message_id) is DELIVERED


async def test_a_temporary_refusal_waits_whatever_late_answers_say(scene: Scene) -> None:
    """Only parts that were uncertain can turn out to be taken."""
    claim = await scene.claimed()
    await scene.record(claim, Refused(1, 8, Kind.TEMPORARY))
    await record_late_answers(scene.db, [late(scene, claim)], scene.wait)
    assert await scene.places(claim.message_id) == {"staged"}


# -- a COMMIT that was not confirmed


async def test_an_unconfirmed_commit_is_looked_up_and_not_repeated(scene: Scene, dsn: str, database: Database) -> None:
    """Repeated, it would take a message away from whoever has claimed it since, and it would be sent twice."""
    ids = await scene.accept(2)
    kept, back = await scene.claim()
    records = [scene.decided(kept, Accepted(1, "a")), scene.decided(back, Unsent(1))]
    async with network_to(dsn) as network:
        through = await Database.open(network.dsn)
        network.on("commit", Cut.AFTER)
        writing = asyncio.create_task(record_outcomes(through, scene.incarnation, records, scene.wait))
        await network.met.wait()
        assert [claim.message_id for claim in await scene.claim()] == [ids[1]]  # the same process claims it anew
        await writing
        await through.close()
    assert await scene.places(ids[1]) == {"claimed"}
    assert await scene.places(ids[0]) == {"awaiting"}
    assert await scene.count("receipt_key") == 1


async def test_outcomes_whose_commit_failed_are_still_to_be_written(scene: Scene, dsn: str) -> None:
    claim = await scene.claimed()
    records = [scene.decided(claim, Accepted(1, "a"))]
    async with network_to(dsn) as network:
        through = await Database.open(network.dsn)
        network.on("commit", Cut.BEFORE)
        with pytest.raises(Exception, match="rolled back"):
            await record_outcomes(through, scene.incarnation, records, scene.wait)
        assert await scene.places(claim.message_id) == {"claimed"} and await scene.count("receipt_key") == 0
        await record_outcomes(through, scene.incarnation, records, scene.wait)
        await through.close()
    assert await scene.places(claim.message_id) == {"awaiting"} and await scene.count("receipt_key") == 1


async def test_two_processes_record_and_receive_without_deadlock(scene: Scene, second: Database) -> None:
    """Outcomes of repeats and receipts for their first tries meet at the same messages, in both directions."""
    for _ in range(4):
        await scene.accept(30, parts=2)
        await scene.accept(30)
        claims = await scene.claim()
        first = {
            claim.message_id: [
                Accepted(part, f"{claim.message_id}-{part}") if part == 1 else Uncertain(part, "time-out")
                for part in claim.open_parts
            ]
            for claim in claims
        }
        await scene.record_all(
            [
                scene.decided(claim, *(Uncertain(1, "time-out") if claim.parts == 1 else each for each in outcomes))
                for claim in claims
                for outcomes in (first[claim.message_id],)
            ]
        )
        await record_late_answers(
            scene.db,
            [late(scene, claim, 1, f"{claim.message_id}-1") for claim in claims if claim.message_id % 3 == 0],
            scene.wait,
        )
        await scene.bring_due()
        await stage_due(scene.db, 1000)
        again = await scene.claim()
        records = [
            scene.decided(claim, *(Accepted(part, f"{claim.message_id}-{part}-2") for part in claim.open_parts))
            for claim in again
        ]
        reports = [scene.report(f"{claim.message_id}-1") for claim in reversed(claims)]
        twin = Scene(**{**{name: getattr(scene, name) for name in scene.__dataclass_fields__}, "db": second})
        await asyncio.gather(scene.record_all(records), twin.receive(*reports))
        assert await scene.ids("waiting") == []
