"""All that is known of one message, on its way through the centre."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from payk.domain.hold import Selection
from payk.domain.message import MessageState, SmsType
from payk.domain.outcome import Accepted, RefusalKind, Refused, Uncertain
from payk.domain.recipient_zone import DUSHANBE
from payk.domain.whereabouts import Cause, cause_of, why_for_client
from payk.store.holds import place_hold, release_hold
from payk.store.link_states import tell_links
from payk.store.record import MessageRecord, read_record
from payk.store.timeline import EventKind
from payk.store.upkeep import stage_due
from tests.store.scene import PHONE, Scene


async def record(scene: Scene, message_id: int) -> MessageRecord:
    found = await read_record(scene.db, message_id, zone=DUSHANBE)
    assert found is not None
    return found


async def bind(scene: Scene) -> None:
    """A bind of tcell is up."""
    await scene.execute(
        "insert into bind_lease (link_id, number, incarnation, bound_at) values ($1, 1, $2, now())",
        scene.link, scene.incarnation,
    )  # fmt: skip


async def test_a_message_that_waits_for_a_bind(scene: Scene) -> None:
    [message_id] = await scene.accept()
    told = await record(scene, message_id)
    assert told.why == (
        "It waits in the queue of tcell, babilon, lane Common normal: no bind to any of these operators is up."
    )
    assert (told.message.message_id, told.message.number) == (message_id, "992900****01")
    assert [event.kind for event in told.timeline.events] == [EventKind.ACCEPTED, EventKind.QUEUED]
    await bind(scene)
    assert "tcell is up" in (await record(scene, message_id)).why
    await scene.execute("update process set ended_at = now()")
    assert "no bind to any" in (await record(scene, message_id)).why


async def test_a_message_of_a_suspended_client(scene: Scene) -> None:
    [message_id] = await scene.accept()
    await bind(scene)
    await scene.execute("update client set enabled = false")
    assert (await record(scene, message_id)).why.endswith("client 'demo' is suspended.")


async def test_a_message_whose_operators_are_switched_off(scene: Scene) -> None:
    [message_id] = await scene.accept()
    await scene.execute("update operator set enabled = false where name = 'tcell'")
    await scene.execute("update link set enabled = false where name = 'babilon-1'")
    assert (await record(scene, message_id)).why.endswith("or their links, are switched off or drained.")
    await scene.execute("update operator set enabled = true, draining = true where name = 'tcell'")
    assert (await record(scene, message_id)).why.endswith("or their links, are switched off or drained.")


async def test_a_message_that_is_held_back(scene: Scene) -> None:
    [sales] = await scene.accept(label="sales")
    [codes] = await scene.accept(label="codes")
    async with scene.db.transaction() as connection:
        await place_hold(connection, Selection(scene.client, "sales"), author="ann", reason="wrong price")
    assert (await record(scene, sales)).why.endswith("by hold 1 of ann (wrong price).")
    assert "hold" not in (await record(scene, codes)).why


async def test_a_message_on_its_way(scene: Scene) -> None:
    claim = await scene.claimed()
    told = await record(scene, claim.message_id)
    assert told.why == f"It is being handed over on link tcell-1 by process {scene.incarnation}."
    assert told.message.state is MessageState.ENROUTE
    await scene.record(claim, Accepted(1, "a"))
    told = await record(scene, claim.message_id)
    assert told.why.startswith("It was handed to tcell at ") and "its receipt is awaited, until" in told.why
    await scene.receive(scene.report("a"))
    told = await record(scene, claim.message_id)
    assert told.why.startswith("Delivered at ")
    assert told.timeline.events[-1].kind is EventKind.FINAL


async def test_a_message_that_is_to_be_tried_again(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Refused(1, 0x58, RefusalKind.TEMPORARY))
    assert "for try 2; the tries before failed for now" in (await record(scene, claim.message_id)).why


async def test_a_scheduled_message(scene: Scene) -> None:
    at = datetime.now(UTC) + timedelta(days=1)
    [message_id] = await scene.accept(scheduled_at=at)
    assert (await record(scene, message_id)).why == (
        f"It is held until {at:%Y-%m-%d %H:%M:%S} UTC: its client scheduled it for then."
    )


async def test_batch_of_a_client_with_hours(scene: Scene) -> None:
    """The number is of Dushanbe, UTC+5: the hours open at 04:00 UTC."""
    day = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    ids = {}
    for at, sms_type in (("04:00", SmsType.BATCH), ("04:01", SmsType.BATCH), ("04:00", SmsType.COMMON)):
        due = datetime.fromisoformat(f"{day}T{at}Z")
        [ids[at, sms_type]] = await scene.accept(scheduled_at=due, sms_type=sms_type)
    await scene.execute("""update client set limits = '{"batch_hours": "09:00-21:00"}'""")
    causes = [cause_of((await record(scene, message_id)).timeline.whereabouts) for message_id in ids.values()]
    assert causes == [Cause.BATCH_HOURS, Cause.SCHEDULED, Cause.SCHEDULED]
    assert (await record(scene, ids["04:00", SmsType.BATCH])).why.endswith(
        "the hours for its client's Batch open then."
    )


async def test_batch_that_waits_for_hours_which_were_changed_is_not_said_to_be_scheduled_by_its_client(
    scene: Scene,
) -> None:
    """The number is of Dushanbe, UTC+5. Which of both it was is not kept, so both are told, and neither is guessed."""
    day = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    opening, other = (datetime.fromisoformat(f"{day}T{at}Z") for at in ("04:00", "05:00"))
    hours = '{"changes": [{"sign": "~", "kind": "client", "name": "%s", "fields": {"batch_hours": %s}}]}'

    async def change(name: str, fields: str) -> None:
        async with scene.db.connection() as connection:
            await connection.execute(
                "insert into registry_change (version, author, difference)"
                " select coalesce(max(version), 0) + 1, 'ops', $1::text::jsonb from registry_change",
                hours % (name, fields),
            )

    await change("demo", '["10:00-21:00", "09:00-21:00"]')
    await scene.execute("update registry_change set changed_at = now() - interval '1 hour'")
    [held] = await scene.accept(scheduled_at=opening, sms_type=SmsType.BATCH)
    [scheduled] = await scene.accept(scheduled_at=other, sms_type=SmsType.BATCH)
    [common] = await scene.accept(scheduled_at=opening, sms_type=SmsType.COMMON)
    await change("another", '["09:00-21:00", null]')
    assert (await whereabouts(scene, held))[1].startswith("It is scheduled"), "the hours of others are none of its"
    await change("demo", '["09:00-21:00", null]')
    cause, told = await whereabouts(scene, held)
    assert cause is Cause.SCHEDULED
    assert told == (
        f"It may be sent from {day} 04:00:00 UTC on: when it was taken you scheduled it so, or the hours for your"
        " Batch, which are others now, opened then."
    )
    assert "or the hours for its client's Batch opened then" in (await record(scene, held)).why
    for message_id in (scheduled, common):  # hours that it never had to wait for are not told of
        assert (await whereabouts(scene, message_id))[1].startswith("It is scheduled")
        assert (await record(scene, message_id)).why.endswith("its client scheduled it for then.")


async def whereabouts(scene: Scene, message_id: int) -> tuple[Cause, str]:
    """What its client is told."""
    found = (await record(scene, message_id)).timeline.whereabouts
    return cause_of(found), why_for_client(found)


async def test_a_client_knows_its_own_pause_from_what_others_hold(scene: Scene) -> None:
    [message_id] = await scene.accept(label="sales", expires_in=600)
    later = datetime.now(UTC) + timedelta(hours=1)
    [scheduled] = await scene.accept(label="sales", scheduled_at=later)
    await bind(scene)
    assert (await whereabouts(scene, message_id))[0] is Cause.QUEUED
    async with scene.db.transaction() as connection:
        paused = await place_hold(connection, Selection(scene.client, "sales"), author="client:demo")
    await scene.execute("update waiting set expires_at = now()")  # what is held does not expire
    assert (await whereabouts(scene, message_id))[0] is Cause.PAUSED
    cause, words = await whereabouts(scene, scheduled)
    assert cause is Cause.SCHEDULED and "Besides: you paused its label" in words
    await scene.execute("update hold set cancels_to = 1000000")
    assert (await whereabouts(scene, message_id))[0] is Cause.CANCELLING
    async with scene.db.transaction() as connection:
        await release_hold(connection, paused.hold_id)
        await place_hold(connection, Selection(scene.client, sms_type=SmsType.COMMON), author="ann", reason="why not")
    cause, words = await whereabouts(scene, message_id)
    assert cause is Cause.HELD and "ann" not in words and "why not" not in words


async def test_an_operator_that_throttles(scene: Scene) -> None:
    [message_id] = await scene.accept()
    await bind(scene)
    told = {"throttled": False, "resumes_in": None}
    for state, cause in (
        (told, Cause.QUEUED),
        (told | {"throttled": True}, Cause.THROTTLED),
        (told | {"resumes_in": 3.0}, Cause.THROTTLED),
    ):
        await tell_links(scene.db, scene.incarnation, {scene.link: state, scene.other_link: told})
        assert (await whereabouts(scene, message_id))[0] is cause
    await scene.execute("update link_state set told_at = now() - interval '11 seconds'")  # nobody knows
    assert (await whereabouts(scene, message_id))[0] is Cause.QUEUED


async def test_the_pace_of_a_client_is_told_but_with_codes(scene: Scene) -> None:
    await bind(scene)
    await scene.execute("""update client set limits = '{"pace": 10}'""")
    [common], [code] = await scene.accept(), await scene.accept(sms_type=SmsType.OTP)
    assert "10 a second leave at most" in (await whereabouts(scene, common))[1]
    assert "a second" not in (await whereabouts(scene, code))[1]


async def test_a_message_that_was_not_answered(scene: Scene) -> None:
    """It is in doubt until it is sent again, or something is heard of it."""
    claim = await scene.claimed()
    await scene.record(claim, Uncertain(1, "no answer within 30 s"))
    cause, words = await whereabouts(scene, claim.message_id)
    assert cause is Cause.UNCERTAIN and "it is sent again at" in words
    await scene.bring_due()
    await stage_due(scene.db, 10)
    assert (await whereabouts(scene, claim.message_id))[0] is Cause.NO_CONNECTION
    [again] = await scene.claim()
    assert (await whereabouts(scene, claim.message_id))[0] is Cause.HANDING_OVER
    await scene.record(again, Uncertain(1, "no answer within 30 s"))
    cause, words = await whereabouts(scene, claim.message_id)
    assert cause is Cause.UNCERTAIN and "it is not sent again" in words
    await scene.receive(scene.report("heard-of-it", state=MessageState.ACCEPTED))
    assert (await whereabouts(scene, claim.message_id))[0] is Cause.AWAITING_RECEIPT


async def test_a_message_whose_second_try_was_taken_is_not_in_doubt(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Uncertain(1, "no answer within 30 s"))
    await scene.bring_due()
    await stage_due(scene.db, 10)
    [again] = await scene.claim()
    await scene.record(again, Accepted(1, "second"))
    assert (await whereabouts(scene, claim.message_id))[0] is Cause.AWAITING_RECEIPT


async def test_why_a_message_failed(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Refused(1, 0x0B, RefusalKind.NUMBER))
    told = await record(scene, claim.message_id)
    assert (told.message.reason, told.timeline.events[-1].reason) == ("refused: RINVDSTADR", "refused: RINVDSTADR")
    cause, words = await whereabouts(scene, claim.message_id)
    assert cause is Cause.UNDELIVERABLE and words.endswith("an operator refused it (RINVDSTADR).")


async def test_whose_message_and_whose_number_is_for_the_caller_to_say(scene: Scene) -> None:
    [message_id] = await scene.accept()
    assert await read_record(scene.db, message_id, zone=DUSHANBE, client="other") is None
    assert await read_record(scene.db, 5, zone=DUSHANBE) is None
    told = await read_record(scene.db, message_id, zone=DUSHANBE, client="demo", whole_numbers=True)
    assert told is not None and told.message.number == PHONE
