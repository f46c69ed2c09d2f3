"""The timeline of a message: every kind of event from the rows that it left behind, in order."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.domain.message import MessageState, SmsType
from payk.domain.outcome import Accepted, Refused, Uncertain, Unsent
from payk.domain.outcome import RefusalKind as Kind
from payk.store.claims import Claim
from payk.store.database import Database
from payk.store.errors import StoreUnavailable
from payk.store.outcomes import LateAnswer, record_late_answers
from payk.store.queries import sql
from payk.store.receipts import settle_parked
from payk.store.timeline import EventKind, Timeline, TimelineEvent, TimelineReader, in_order, read_timeline
from payk.store.upkeep import expire, give_up_unanswered, stage_due
from tests.store.proxy import Cut, network_to
from tests.store.scene import Scene

S = MessageState
TIME_OUT = Uncertain(1, "no answer within 30 s")
BEGIN = [("accepted",), ("queued",)]


async def timeline(scene: Scene, message_id: int) -> Timeline:
    found = await read_timeline(scene.db, scene.client, message_id, timeout=5)
    assert found is not None
    assert found.message_id == message_id
    times = [event.at for event in found.events]
    assert times == sorted(times)
    return found


def told(events: Sequence[TimelineEvent]) -> list[tuple[Any, ...]]:
    """Kind and members of each event, without times."""
    return [
        (event.kind.value, *(getattr(event, each.name) for each in fields(event)[2:] if _is_told(event, each.name)))
        for event in events
    ]


def _is_told(event: TimelineEvent, name: str) -> bool:
    return name not in ("until", "operator_done_at") and getattr(event, name) is not None


async def history(scene: Scene, message_id: int) -> list[tuple[Any, ...]]:
    return told((await timeline(scene, message_id)).events)


async def due_again(scene: Scene) -> Claim:
    """The next claim of the one message that is staged."""
    await scene.bring_due()
    assert await stage_due(scene.db, 10) == 1
    [claim] = await scene.claim()
    return claim


# -- whose message


async def test_a_message_of_another_client_is_as_unknown_as_none(scene: Scene) -> None:
    [message_id] = await scene.accept()
    assert await read_timeline(scene.db, scene.client, message_id, timeout=5) is not None
    assert await read_timeline(scene.db, scene.client + 1, message_id, timeout=5) is None
    assert await read_timeline(scene.db, scene.client, message_id + 1, timeout=5) is None
    assert await read_timeline(scene.db, scene.client, 10**18 - 1, timeout=5) is None


# -- waiting


async def test_a_new_message_is_accepted_and_queued(scene: Scene) -> None:
    [message_id] = await scene.accept(parts=3)
    found = await timeline(scene, message_id)
    assert (found.state, found.parts, told(found.events)) == (S.NONE, 3, BEGIN)
    accepted_at = (await scene.row(message_id))["accepted_at"]
    assert [event.at for event in found.events] == [accepted_at, accepted_at]


async def test_a_claimed_message_is_queued_and_enroute(scene: Scene) -> None:
    """As its status says."""
    claim = await scene.claimed()
    found = await timeline(scene, claim.message_id)
    assert (found.state, told(found.events)) == (S.ENROUTE, BEGIN)


async def test_a_scheduled_message_is_held_until_its_time(scene: Scene) -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    [message_id] = await scene.accept(scheduled_at=due)
    accepted, held = (await timeline(scene, message_id)).events
    assert told([accepted, held]) == [("accepted",), ("held",)]
    assert (held.at, held.until) == (accepted.at, due)


async def test_a_hold_that_is_over_is_still_told(scene: Scene) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    [message_id] = await scene.accept(scheduled_at=soon)
    async with asyncio.timeout(10):
        while not await stage_due(scene.db, 10):
            await asyncio.sleep(0.02)
    queued = [("accepted",), ("held",), ("queued",)]
    _, held, ready = (await timeline(scene, message_id)).events
    assert (held.until, ready.at) == (soon, soon)
    [claim] = await scene.claim()
    await scene.record(claim, Accepted(1, "a1"))
    assert await history(scene, message_id) == [*queued, ("submitted", 1, 1, "tcell", "a1")]


async def test_a_time_that_was_past_already_holds_nothing(scene: Scene) -> None:
    [message_id] = await scene.accept(scheduled_at=datetime.now(UTC) - timedelta(seconds=5))
    assert await history(scene, message_id) == BEGIN


async def test_a_message_that_ended_before_its_time_was_never_queued(scene: Scene) -> None:
    [message_id] = await scene.accept(scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    await scene.execute("delete from staged")
    await scene.execute("update message set state = 4, done_at = now()")
    assert await history(scene, message_id) == [("accepted",), ("held",), ("final", S.DELETED)]


async def test_a_message_that_was_not_sent_in_time(scene: Scene) -> None:
    [message_id] = await scene.accept(expires_in=1)
    await scene.execute("update waiting set expires_at = now()")
    assert await expire(scene.db, 10, scene.wait) == 1
    assert await history(scene, message_id) == [*BEGIN, ("final", "not sent in time", S.EXPIRED)]


# -- with an operator


async def test_from_the_door_to_the_receipt(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, "00A1"))
    done = datetime(2025, 2, 17, 10, 20, tzinfo=UTC)
    await scene.receive(
        scene.report(
            "a1", S.UNDELIVERABLE, raw_state="UNDELIV", error="012", network_error=b"\x03\0\x1b", operator_done_at=done
        )
    )
    found = await timeline(scene, claim.message_id)
    assert (found.state, told(found.events)) == (
        S.UNDELIVERABLE,
        [
            *BEGIN,
            ("submitted", 1, 1, "tcell", "00A1"),
            ("receipt", 1, "tcell", "a1", S.UNDELIVERABLE, "UNDELIV", "012", b"\x03\0\x1b"),
            ("final", "receipt: 012", S.UNDELIVERABLE),
        ],
    )
    row = await scene.row(claim.message_id)
    assert found.events[2].at == row["submitted_at"]
    assert found.events[3].operator_done_at == done
    assert found.events[3].at == found.events[4].at == row["done_at"]  # of one transaction: the receipt comes first


async def test_an_operator_that_gave_no_id(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, ""))
    await scene.receive(scene.report((), None, raw_state="", error=None))
    assert await history(scene, claim.message_id) == [*BEGIN, ("submitted", 1, 1, "tcell"), ("receipt", 1, "tcell")]


async def test_the_time_of_a_submit_is_when_it_was_written(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.execute("update message set accepted_at = now() - interval '1 minute'")
    await scene.record(claim, Accepted(1, "a1"), age=20.0)
    submitted = (await timeline(scene, claim.message_id)).events[-1]
    age: timedelta = await scene.value("select now()") - submitted.at
    assert 20 <= age.total_seconds() < 40


async def test_several_parts(scene: Scene) -> None:
    claim = await scene.claimed(parts=3)
    await scene.record(claim, *(Accepted(part, f"p{part}") for part in (3, 1, 2)))
    await scene.receive(scene.report("p3"), scene.report("p1", S.ACCEPTED, raw_state="ACCEPTD"))
    found = await timeline(scene, claim.message_id)
    assert (found.state, found.parts) == (S.ENROUTE, 3)
    assert told(found.events) == [
        *BEGIN,
        *(("submitted", part, 1, "tcell", f"p{part}") for part in (1, 2, 3)),
        ("receipt", 1, "tcell", "p1", S.ACCEPTED, "ACCEPTD", "000"),
        ("receipt", 3, "tcell", "p3", S.DELIVERED, "DELIVRD", "000"),
    ]
    await scene.receive(scene.report("p2"), scene.report("p1"))
    assert (await history(scene, claim.message_id))[-3:] == [
        ("receipt", 1, "tcell", "p1", S.DELIVERED, "DELIVRD", "000"),
        ("receipt", 2, "tcell", "p2", S.DELIVERED, "DELIVRD", "000"),
        ("final", S.DELIVERED),
    ]


async def test_a_second_operator_is_named(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Refused(1, 0x08, Kind.TEMPORARY))
    await scene.bring_due()
    await stage_due(scene.db, 10)
    [again] = await scene.claim(link=scene.other_link)
    await scene.record(again, Accepted(1, "b1"))
    await scene.receive(scene.report("b1", operator_id=scene.other_operator, link_id=scene.other_link))
    assert await history(scene, claim.message_id) == [
        *BEGIN,
        ("refused", 1, 1, "tcell", 0x08),
        ("submitted", 1, 2, "babilon", "b1"),
        ("receipt", 1, "babilon", "b1", S.DELIVERED, "DELIVRD", "000"),
        ("final", S.DELIVERED),
    ]


# -- refused


async def test_refused_for_the_moment(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Refused(1, 0x400, Kind.TEMPORARY))
    refused = [*BEGIN, ("refused", 1, 1, "tcell", 0x400)]
    *_, refusal, held = (await timeline(scene, claim.message_id)).events
    assert await history(scene, claim.message_id) == [*refused, ("held", 2)]
    assert held.at == refusal.at
    assert held.until == await scene.value("select due from staged")
    again = await due_again(scene)
    assert await history(scene, claim.message_id) == [*refused, ("queued", 2)]
    await scene.record(again, Accepted(1, "a1"))
    assert await history(scene, claim.message_id) == [*refused, ("submitted", 1, 2, "tcell", "a1")]


async def test_refused_for_good(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Refused(1, 0x0B, Kind.NUMBER))
    assert await history(scene, claim.message_id) == [
        *BEGIN, ("refused", 1, 1, "tcell", 0x0B), ("final", "refused: RINVDSTADR", S.UNDELIVERABLE),
    ]  # fmt: skip


async def test_a_link_that_was_too_fast_costs_no_attempt(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Refused(1, 0x58, Kind.THROTTLED))
    throttled = [*BEGIN, ("refused", 1, 1, "tcell", 0x58)]
    assert await history(scene, claim.message_id) == [*throttled, ("queued", 1)]
    [again] = await scene.claim()
    await scene.record(again, Accepted(1, "a1"))
    assert await history(scene, claim.message_id) == [*throttled, ("submitted", 1, 1, "tcell", "a1")]


async def test_what_was_never_written_leaves_nothing(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Unsent(1))
    assert await history(scene, claim.message_id) == BEGIN


async def test_parts_that_fared_differently(scene: Scene) -> None:
    claim = await scene.claimed(parts=3)
    await scene.record(claim, Accepted(1, "p1"), Uncertain(2, "link lost"), Refused(3, 0x08, Kind.TEMPORARY))
    assert await history(scene, claim.message_id) == [
        *BEGIN,
        ("submitted", 1, 1, "tcell", "p1"),
        ("uncertain", 2, 1, "tcell", "link lost"),
        ("refused", 3, 1, "tcell", 0x08),
        ("held", 3),
    ]
    again = await due_again(scene)
    assert again.open_parts == (2, 3)
    await scene.record(again, Accepted(2, "p2"), Unsent(3))
    assert (await history(scene, claim.message_id))[-2:] == [("submitted", 2, 3, "tcell", "p2"), ("queued", 3)]


# -- uncertain


async def test_an_unanswered_message_is_held_and_sent_once_more(scene: Scene) -> None:
    claim = await scene.claimed(sms_type=SmsType.OTP)
    await scene.record(claim, TIME_OUT, age=0.0)
    first = [*BEGIN, ("uncertain", 1, 1, "tcell", "no answer within 30 s")]
    found = await timeline(scene, claim.message_id)
    assert (found.state, told(found.events)) == (S.ENROUTE, [*first, ("held", 2)])
    assert found.events[2].until is None
    assert found.events[3].until == await scene.value("select due from staged")
    again = await due_again(scene)
    assert await history(scene, claim.message_id) == [*first, ("queued", 2)]
    await scene.record(again, TIME_OUT)
    second = [*first, ("uncertain", 1, 2, "tcell", "no answer within 30 s")]
    assert await history(scene, claim.message_id) == second
    await scene.execute("update awaiting set due = now(); update message set receipt_due = now()")
    await give_up_unanswered(scene.db, 10)
    assert await history(scene, claim.message_id) == [*second, ("final", "no receipt", S.UNKNOWN)]


async def test_a_late_answer_ends_the_doubt(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, TIME_OUT)
    await record_late_answers(
        scene.db, [LateAnswer(claim.message_id, scene.operator, scene.link, 1, 1, "late")], scene.wait
    )
    found = await timeline(scene, claim.message_id)
    assert told(found.events) == [
        *BEGIN,
        ("uncertain", 1, 1, "tcell", "no answer within 30 s"),
        ("submitted", 1, 1, "tcell", "late"),
    ]
    _, _, uncertain, submitted = found.events
    assert uncertain.until == submitted.at


async def test_a_receipt_ends_the_doubt(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, TIME_OUT)
    await scene.receive(scene.report("new"))
    found = await timeline(scene, claim.message_id)
    assert told(found.events) == [
        *BEGIN,
        ("uncertain", 1, 1, "tcell", "no answer within 30 s"),
        ("receipt", 1, "tcell", "new", S.DELIVERED, "DELIVRD", "000"),
        ("final", S.DELIVERED),
    ]
    assert found.events[2].until == found.events[3].at


async def test_an_id_that_came_with_a_receipt_is_told_with_its_submit(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, ""))
    await scene.receive(scene.report("777", S.ENROUTE))
    receipt = ("receipt", 1, "tcell", "777", S.ENROUTE, "DELIVRD", "000")
    assert await history(scene, claim.message_id) == [*BEGIN, ("submitted", 1, 1, "tcell", "777"), receipt]


# -- receipts


async def test_a_receipt_that_came_first_is_told_once_it_is_matched(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.receive(scene.report("a1", network_error=b"027"))
    assert await history(scene, claim.message_id) == BEGIN
    await scene.execute("update message set accepted_at = now() - interval '9 seconds'")
    early = await scene.record(claim, Accepted(1, "a1"), age=5)
    assert await history(scene, claim.message_id) == [*BEGIN, ("submitted", 1, 1, "tcell", "a1")]
    await settle_parked(scene.db, early, scene.directory, scene.wait)
    assert await history(scene, claim.message_id) == [
        *BEGIN,
        ("submitted", 1, 1, "tcell", "a1"),
        ("receipt", 1, "tcell", "a1", S.DELIVERED, "DELIVRD", "000", b"027"),
        ("final", S.DELIVERED),
    ]


async def test_receipts_that_change_nothing_are_told_too(scene: Scene) -> None:
    """A word of the operator's own, and one that comes after the end."""
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, "a1"))
    await scene.receive(scene.report("a1", None, raw_state="UNKNOWN"))
    await scene.receive(scene.report("a1"))
    await scene.receive(scene.report("a1", S.REJECTED, raw_state="REJECTD"))
    found = await timeline(scene, claim.message_id)
    assert (found.state, told(found.events)[3:]) == (
        S.DELIVERED,
        [
            ("receipt", 1, "tcell", "a1", "UNKNOWN", "000"),
            ("receipt", 1, "tcell", "a1", S.DELIVERED, "DELIVRD", "000"),
            ("final", S.DELIVERED),
            ("receipt", 1, "tcell", "a1", S.REJECTED, "REJECTD", "000"),
        ],
    )


async def test_every_kind_of_event_is_seen_and_none_of_another_message(scene: Scene) -> None:
    other = await scene.claimed(phone="992918888888")
    await scene.record(other, Accepted(1, "other"))
    await scene.receive(scene.report("other", source="992918888888"))
    [message_id] = await scene.accept(scheduled_at=datetime.now(UTC) + timedelta(seconds=0.1))
    async with asyncio.timeout(10):
        while not await stage_due(scene.db, 10):
            await asyncio.sleep(0.02)
    [first] = await scene.claim()
    await scene.record(first, Refused(1, 0x08, Kind.TEMPORARY))
    await scene.record(await due_again(scene), TIME_OUT)
    await scene.record(await due_again(scene), Accepted(1, "a1"))
    await scene.receive(scene.report("a1"))
    kinds = [event.kind.value for event in (await timeline(scene, message_id)).events]
    assert kinds == ["accepted", "held", "queued", "refused", "uncertain", "submitted", "receipt", "final"]
    assert set(kinds) == set(EventKind) - {EventKind.DEMOTED}  # of that tests/intake/test_demotion.py tells
    assert await scene.ids("message") == [other.message_id, message_id]


# -- order


def events() -> st.SearchStrategy[list[TimelineEvent]]:
    start = datetime(2025, 2, 17, 10, 20, tzinfo=UTC)
    return st.lists(
        st.builds(
            TimelineEvent,
            st.sampled_from(EventKind),
            st.integers(0, 3).map(lambda seconds: start + timedelta(seconds=seconds)),
            st.none() | st.integers(1, 3),
            st.none() | st.integers(1, 3),
        )
    )


ORDER = ("accepted", "demoted", "held", "queued", "try", "again", "receipt", "final")


def place(event: TimelineEvent) -> int:
    """Written out: where an event stands among those of the same instant."""
    kind: str = event.kind
    if kind in ("submitted", "refused", "uncertain"):
        kind = "try"
    elif kind in ("held", "queued") and event.attempt is not None:
        kind = "again"
    return ORDER.index(kind)


@given(events(), st.randoms(use_true_random=False))
def test_events_stand_in_order_of_time_and_of_nature(given_events: list[TimelineEvent], chance: Any) -> None:
    ordered = in_order(given_events)
    assert sorted(map(repr, ordered)) == sorted(map(repr, given_events))  # none is lost
    keys = [(event.at, place(event)) for event in ordered]
    assert keys == sorted(keys)
    tries = [
        (event.at, event.attempt or 0, event.part or 0)
        for event in ordered
        if event.kind in (EventKind.SUBMITTED, EventKind.REFUSED, EventKind.UNCERTAIN)
    ]
    assert tries == sorted(tries)
    shuffled = list(given_events)
    chance.shuffle(shuffled)
    again = in_order(shuffled)
    assert [(event.at, place(event), event.part) for event in again] == [
        (event.at, place(event), event.part) for event in ordered
    ]


# -- reading


async def test_only_partitions_that_can_hold_a_submit_are_read(scene: Scene) -> None:
    """Prepared once and run for any message, as the pool does it."""
    await scene.claimed()
    async with scene.db.connection() as connection:
        await connection.execute("set plan_cache_mode = force_generic_plan")
        query = re.sub(r"\$1", "$1::bigint", sql("timeline.find_submits"), count=1)
        await connection.execute(f"prepare submits (bigint, timestamptz) as {query}")
        now = await connection.fetchval("select now()")
        read = [await _partitions_read(connection, now + timedelta(days=days)) for days in (-400, 0)]
        await connection.execute("deallocate submits; reset plan_cache_mode")
    assert len(read[0]) == await scene.value(
        "select count(*) from pg_inherits where inhparent = 'receipt_key'::regclass"
    )
    assert read[1] < read[0]
    assert len(read[1]) <= 2


async def _partitions_read(connection: asyncpg.pool.PoolConnectionProxy, accepted_at: datetime) -> set[str]:
    rows = await connection.fetch(f"explain execute submits (100000000, '{accepted_at.isoformat()}')")
    return set(re.findall(r" on (receipt_key_\d+)", "\n".join(row[0] for row in rows)))


async def test_a_timeline_is_of_one_instant(scene: Scene, second: Database) -> None:
    """Whatever is recorded while it is being read, an end never comes without what led to it."""
    claims = [await scene.claimed() for _ in range(20)]
    await scene.record_all([scene.decided(claim, Accepted(1, f"i{claim.message_id}")) for claim in claims])

    async def settle() -> None:
        for claim in claims:
            await scene.receive(scene.report(f"i{claim.message_id}"))

    settling = asyncio.create_task(settle())
    while not settling.done():
        for claim in claims:
            found = await read_timeline(second, scene.client, claim.message_id, timeout=5)
            assert found is not None
            kinds = [event.kind.value for event in found.events]
            assert kinds[3:] in ([], ["receipt", "final"])
            assert (found.state is S.DELIVERED) == (kinds[3:] != [])
    await settling


async def test_reading_waits_no_longer_than_it_may(scene: Scene) -> None:
    [message_id] = await scene.accept()
    reader = TimelineReader(scene.db, at_once=1)
    many = await asyncio.gather(*(reader.timeline(scene.client, message_id, 5) for _ in range(20)))
    assert {found.message_id for found in many if found} == {message_id} and None not in many
    async with scene.db.transaction() as connection:
        await connection.execute("lock table receipt in access exclusive mode")
        both = await asyncio.gather(
            *(reader.timeline(scene.client, message_id, 0.2) for _ in range(2)), return_exceptions=True
        )
    assert [type(error) for error in both] == [StoreUnavailable] * 2
    assert await reader.timeline(scene.client, message_id, 5) is not None


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
async def test_a_connection_that_is_lost_at_the_end_leaves_no_doubt(scene: Scene, dsn: str, cut: Cut) -> None:
    """Nothing was to be written: it is the plain 'unavailable', not an unknown outcome."""
    [message_id] = await scene.accept()
    async with network_to(dsn) as network:
        through = await Database.open(network.dsn)
        network.on("commit", cut)
        with pytest.raises(StoreUnavailable):
            await read_timeline(through, scene.client, message_id, timeout=5)
        await through.close()
