"""All that is known of one message, on its way through the centre."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from payk.domain.hold import Selection
from payk.domain.message import MessageState, SmsType
from payk.domain.outcome import Accepted, RefusalKind, Refused
from payk.store.holds import place_hold
from payk.store.record import MessageRecord, read_record
from payk.store.timeline import EventKind
from tests.store.scene import PHONE, Scene


async def record(scene: Scene, message_id: int) -> MessageRecord:
    found = await read_record(scene.db, message_id)
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
    at = datetime.now(UTC) + timedelta(days=1)
    [message_id] = await scene.accept(scheduled_at=at, sms_type=SmsType.BATCH)
    await scene.execute("""update client set limits = '{"batch_hours": "09:00-21:00"}'""")
    assert (await record(scene, message_id)).why.endswith("or the hours for its Batch open then.")


async def test_whose_message_and_whose_number_is_for_the_caller_to_say(scene: Scene) -> None:
    [message_id] = await scene.accept()
    assert await read_record(scene.db, message_id, client="other") is None
    assert await read_record(scene.db, 5) is None
    told = await read_record(scene.db, message_id, client="demo", whole_numbers=True)
    assert told is not None and told.message.number == PHONE
