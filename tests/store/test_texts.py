"""Texts are wiped when their time has come and not before, and never one that is sent again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from payk.domain.message import MessageState, SmsType
from payk.domain.outcome import Accepted, Refused, Uncertain
from payk.domain.outcome import RefusalKind as Kind
from payk.maintenance import texts
from payk.store import texts as verbs
from payk.store.database import Database
from payk.store.processes import end_process
from payk.store.statuses import message_statuses
from payk.store.timeline import EventKind, read_timeline
from payk.store.upkeep import stage_due
from tests.store.rows import add_client
from tests.store.scene import Scene

OTP, COMMON, BATCH = SmsType.OTP, SmsType.COMMON, SmsType.BATCH
MINUTES = 60
HOUR = timedelta(minutes=60)


async def let_pass(scene: Scene, time: timedelta) -> None:
    """All that is there happened that much earlier."""
    for table, columns in {
        "message": ["accepted_at", "scheduled_at", "submitted_at", "receipt_due", "done_at"],
        "staged": ["due", "first_try_at"],
        "awaiting": ["due"],
        "text_walk": ["next_at"],
        "text_left": ["look_at"],
    }.items():
        changes = ", ".join(f"{column} = {column} - $1::interval" for column in columns)
        await scene.execute(f"update {table} set {changes}", time)


async def run(scene: Scene, minutes: int = MINUTES) -> list[int]:
    """A round of the duty; returns the messages that have a text."""
    await texts.run_once(scene.db, minutes)
    return await scene.ids("message", "text <> ''")


async def after(scene: Scene, minutes: float, *, otp_minutes: int = MINUTES) -> list[int]:
    """Let time pass, then do a round."""
    await let_pass(scene, timedelta(minutes=minutes))
    return await run(scene, otp_minutes)


async def handed_over(scene: Scene, smsc_id: str = "a", **changes: object) -> int:
    claim = await scene.claimed(**changes)
    await scene.record(claim, Accepted(1, smsc_id))
    return claim.message_id


async def keep_texts(scene: Scene, days: int, client: int | None = None) -> None:
    await scene.execute("update client set text_days = $1 where client_id = $2", days, client or scene.client)


# -- Otp


async def test_an_otp_is_wiped_after_the_operator_took_it(scene: Scene) -> None:
    otp = await handed_over(scene, sms_type=OTP)
    others = [await handed_over(scene, name, sms_type=kind) for name, kind in (("b", COMMON), ("c", BATCH))]
    assert await run(scene) == [otp, *others]
    assert await after(scene, 59.8) == [otp, *others]
    assert await after(scene, 0.4) == others
    row = await scene.row(otp)
    assert row["text"] == "" and row["phone"] and row["sender"]
    assert await after(scene, 60 * 24 * 400) == others  # their client asks for nothing
    assert await scene.count("text_left") == 0


async def test_whichever_comes_first_counts(scene: Scene) -> None:
    """Final 30 minutes after it was handed over: the first counts. Final and never handed over: the second."""
    delivered = await handed_over(scene, sms_type=OTP)
    refused = await scene.claimed(sms_type=OTP)
    await let_pass(scene, timedelta(minutes=30))
    await scene.receive(scene.report("a"))
    await scene.record(refused, Refused(1, 8, Kind.PERMANENT))
    assert await after(scene, 30.2) == [refused.message_id]
    assert await after(scene, 29.5) == [refused.message_id]
    assert await after(scene, 0.5) == []
    assert (await scene.row(delivered))["text"] == (await scene.row(refused.message_id))["text"] == ""


async def test_what_waited_long_is_wiped_when_its_own_time_has_passed(scene: Scene) -> None:
    """Passed by the walk while it waited, handed over or ended between two looks: its time is met all the same."""
    [scheduled] = await scene.accept(sms_type=OTP, scheduled_at=datetime.now(UTC) + timedelta(days=30))
    waiting = await scene.claimed(sms_type=OTP)
    both = [scheduled, waiting.message_id]
    assert await after(scene, 90) == both and await scene.ids("text_left") == both
    await let_pass(scene, timedelta(minutes=20))
    await scene.record(waiting, Accepted(1, "a"))
    assert await after(scene, 45) == both  # 45 minutes ago
    assert await after(scene, 15.2) == [scheduled]
    await scene.execute("delete from staged")
    await scene.execute("update message set state = 4, done_at = now() where message_id = $1", scheduled)
    assert await after(scene, 59) == [scheduled]
    assert await after(scene, 2) == []
    assert await scene.count("text_left") == 0


async def test_what_waits_is_looked_at_once_an_hour(scene: Scene) -> None:
    [message_id] = await scene.accept(sms_type=OTP)
    await after(scene, 90)
    first = await scene.value("select look_at from text_left")
    await after(scene, 1)
    assert await scene.value("select look_at from text_left") == first - timedelta(minutes=1)
    assert HOUR - timedelta(seconds=5) < first - await scene.value("select now()") <= HOUR
    assert await scene.ids("text_left") == [message_id]


async def test_what_will_be_sent_again_keeps_its_text(scene: Scene) -> None:
    uncertain, temporary, orphan = [await scene.claimed(sms_type=OTP) for _ in range(3)]
    parts = await scene.claimed(sms_type=OTP, parts=2)
    await scene.record(uncertain, Uncertain(1, "time-out"))
    await scene.record(temporary, Refused(1, 8, Kind.TEMPORARY))
    await scene.record(parts, Accepted(1, "p"), Uncertain(2, "time-out"))
    await end_process(scene.db, scene.incarnation)
    everything = [uncertain.message_id, temporary.message_id, orphan.message_id, parts.message_id]
    assert await after(scene, 200) == sorted(everything)
    assert await after(scene, 200) == sorted(everything)
    # Final, and yet in the queue: whoever claims it would send its text.
    await scene.execute(
        "update message set state = 2, done_at = now() - interval '1 day', part_states = null, parts = 1"
    )
    assert await after(scene, 200) == sorted(everything)
    await scene.execute("update process set ended_at = null")
    await scene.bring_due()
    await stage_due(scene.db, 10)
    assert {claim.text for claim in await scene.claim()} == {"hello"}


async def test_what_is_set_aside_keeps_its_text(scene: Scene) -> None:
    message_id = await handed_over(scene, sms_type=OTP)
    await scene.execute(
        "insert into set_aside (message_id, client_id, label_key, queue_id, lane, rank, attempt, uncertain_count)"
        " values ($1, 1, 1, 1, 1, 1, 1, 1)", message_id
    )  # fmt: skip
    assert await after(scene, 200) == [message_id]
    await scene.execute("update set_aside set dealt_with_at = now(), released = false")
    assert await after(scene, 61) == []


async def test_an_uncertain_one_that_is_not_sent_again_is_wiped(scene: Scene) -> None:
    claim = await scene.claimed(sms_type=OTP)
    await scene.record(claim, Uncertain(1, "time-out"))
    await scene.bring_due()
    await stage_due(scene.db, 10)
    [again] = await scene.claim()
    await scene.record(again, Uncertain(1, "time-out"))
    assert await scene.places(claim.message_id) == {"awaiting"}
    assert await after(scene, 59) == [claim.message_id]
    assert await after(scene, 2) == []


async def test_the_wiped_text_is_all_that_is_gone(scene: Scene) -> None:
    keyed = {"repeat_digest": b"d" * 16, "repeat_window": 43_200, "client_message_id": "7"}
    message_id = await handed_over(scene, sms_type=OTP, **keyed)
    before = await scene.row(message_id)
    assert await after(scene, 61) == []
    assert set(dict(await scene.row(message_id)).items() ^ before.items()) >= {("text", "hello"), ("text", "")}
    assert await scene.accept(sms_type=OTP, **keyed) == [message_id]  # a repeat is still one
    [settled] = await scene.receive(scene.report("a"))
    assert (settled.message_id, settled.became) == (message_id, MessageState.DELIVERED)
    [status] = await message_statuses(scene.db, [(scene.client, message_id)], timeout=5)
    assert status is not None and status.state is MessageState.DELIVERED
    found = await read_timeline(scene.db, scene.client, message_id, timeout=5)
    assert found is not None
    kinds = {EventKind.ACCEPTED, EventKind.SUBMITTED, EventKind.RECEIPT, EventKind.FINAL}
    assert {event.kind for event in found.events} >= kinds


async def test_another_time_for_otp(scene: Scene) -> None:
    early = await handed_over(scene, sms_type=OTP)
    assert await after(scene, 2, otp_minutes=MINUTES) == [early]
    assert await after(scene, 1, otp_minutes=2) == []


# -- the walk


async def test_a_message_that_is_stored_late_under_a_low_id_is_not_passed(scene: Scene) -> None:
    """Its transaction is still open, and may hold an id below those that are seen."""
    at_once = verbs.Walk(verbs.OTP, 0.0, 0.0, 0.0)
    columns = "message_id, accepted_at, client_id, queue_id, sms_type, priority, parts, phone, sender, text"
    async with scene.db.transaction() as late:
        low = await late.fetchval("select nextval('message_id')")
        await late.execute(
            f"insert into message ({columns}) values ($1, now(), $2, 1, 2, 1, 1, '1', 'A', 'late')", low, scene.client
        )
        high = await handed_over(scene, sms_type=OTP)
        assert low < high and await verbs.walk_on(scene.db, at_once, 0.0) is False
        assert await scene.value("select passed from text_walk") == 0 and (await scene.row(high))["text"]
    await verbs.walk_on(scene.db, at_once, 0.0)
    assert await scene.value("select passed from text_walk") == high
    assert await scene.ids("message", "text <> ''") == await scene.ids("text_left") == [low]


async def test_batches_and_rows(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "BATCH", 3)
    monkeypatch.setattr(verbs, "ROWS", 7)
    kinds = [OTP, COMMON, COMMON, OTP, OTP, OTP, OTP] + [COMMON] * 9 + [OTP, OTP]
    ids = [(await scene.accept(sms_type=kind))[0] for kind in kinds]
    claims = await scene.claim()
    late = {ids[3], ids[16]}
    await scene.record_all(
        [scene.decided(claim, Accepted(1, str(claim.message_id))) for claim in claims if claim.message_id not in late]
    )
    kept = [message_id for message_id, kind in zip(ids, kinds, strict=True) if kind is COMMON or message_id in late]
    assert await after(scene, 61) == kept
    assert await scene.value("select passed from text_walk") == ids[-1]
    assert await scene.ids("text_left") == sorted(late)
    await scene.record_all(
        [scene.decided(claim, Accepted(1, str(claim.message_id))) for claim in claims if claim.message_id in late]
    )
    assert await after(scene, 61) == [message_id for message_id in kept if message_id not in late]


async def test_a_message_that_another_transaction_is_at_is_wiped_later(scene: Scene) -> None:
    message_id = await handed_over(scene, sms_type=OTP)
    await let_pass(scene, timedelta(minutes=61))
    async with scene.db.transaction() as other:
        await other.fetch("select from message for update")
        async with asyncio.timeout(5):  # it does not wait
            # The transaction wrote nothing yet, so it holds up no walk either.
            assert await run(scene) == [message_id]
    assert await after(scene, 1) == []


async def test_two_processes_at_once_do_no_harm(
    scene: Scene, second: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "BATCH", 10)
    await keep_texts(scene, 1)
    ids = await scene.accept(60, sms_type=OTP) + await scene.accept(60)
    claims = await scene.claim(200)
    done = [claim for claim in claims if claim.message_id % 3]
    await scene.record_all([scene.decided(claim, Accepted(1, str(claim.message_id))) for claim in done])
    await let_pass(scene, timedelta(days=2))
    reports = [scene.report(str(claim.message_id)) for claim in done]
    rounds = (texts.run_once(db, MINUTES) for db in (scene.db, second) * 3)
    _, *_ = await asyncio.gather(scene.receive(*reports), *rounds)
    left = await after(scene, 1)
    while (now := await after(scene, 1)) != left:
        left = now
    assert left == [message_id for message_id in ids if message_id % 3 == 0]
    assert {await scene.state(claim.message_id) for claim in done} == {MessageState.DELIVERED}


async def test_nothing_is_wiped_on_a_line_of_history_that_is_not_known(scene: Scene) -> None:
    message_id = await handed_over(scene, sms_type=OTP)
    await scene.execute("update continuity set line = 'another'")
    assert await after(scene, 61) == [message_id]
    await scene.execute("update continuity set line = history_line()")
    assert await run(scene) == []


@pytest.mark.parametrize("column", ["text", "state", "submitted_at", "receipt_due", "done_at", "operator_id"])
async def test_no_index_holds_what_changes(scene: Scene, column: str) -> None:
    """So that an update stays on its page (HOT): with one index over texts a wiping would write into all of them."""
    found = await scene.value(
        "select count(*) from pg_index i join pg_attribute a on a.attrelid = i.indrelid"
        " where i.indrelid = 'message_100000000'::regclass and a.attname = $1 and (a.attnum = any(i.indkey)"
        " or pg_get_expr(i.indpred, i.indrelid) ~ ('\\m' || $1 || '\\M'))",
        column,
    )
    assert found == 0


# -- other types, by client


async def test_other_types_by_the_days_of_their_client(scene: Scene) -> None:
    other = await add_client(scene.db, "other")
    await keep_texts(scene, 7)
    mine = [await handed_over(scene, name, sms_type=kind) for name, kind in (("a", COMMON), ("b", BATCH))]
    theirs = await handed_over(scene, "c")
    await scene.execute("update message set client_id = $1 where message_id = $2", other, theirs)
    [waiting] = await scene.accept()
    everything = [*mine, theirs, waiting]
    assert await run(scene) == everything
    day = 24 * 60
    assert await after(scene, 7 * day - 1) == everything
    assert await after(scene, 62) == [theirs, waiting]  # passed an hour later than due, with those that took long
    assert await after(scene, 30 * day) == [theirs, waiting]
    [claim] = await scene.claim()
    await scene.record(claim, Accepted(1, "d"))
    assert await after(scene, 6 * day) == [theirs, waiting]
    assert await after(scene, day + 1) == [theirs]


async def test_an_otp_obeys_its_own_setting_whatever_its_client_has(scene: Scene) -> None:
    await keep_texts(scene, 7)
    await handed_over(scene, sms_type=OTP)
    assert await after(scene, 61) == []


async def test_a_setting_that_begins_reaches_what_is_there(scene: Scene) -> None:
    old = await handed_over(scene)
    assert await after(scene, 60 * 24 * 10) == [old]
    await keep_texts(scene, 7)
    young = await handed_over(scene, "b")
    assert await run(scene) == [young]
    await keep_texts(scene, 1)  # shorter: within the hour
    assert await after(scene, 60 * 26) == []


async def test_a_setting_that_ends_keeps_what_is_left(scene: Scene) -> None:
    await keep_texts(scene, 1)
    [waiting] = await scene.accept()
    assert await after(scene, 60 * 26) == [waiting] and await scene.ids("text_left") == [waiting]
    await keep_texts(scene, 0)
    [claim] = await scene.claim()
    await scene.record(claim, Accepted(1, "a"))
    assert await after(scene, 60 * 24 * 40) == [waiting]
    assert await scene.count("text_left") == 0 and await scene.value("select array_agg(client_id) from text_walk") == [
        0
    ]
    await keep_texts(scene, 1)  # and begins again: from the first message on
    assert await run(scene) == []


async def test_a_long_way_of_a_client_does_not_keep_otp_waiting(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "BATCH", 2)
    await keep_texts(scene, 1)
    for number in range(9):
        await handed_over(scene, str(number), sms_type=OTP if number % 2 else COMMON)
    await let_pass(scene, timedelta(days=3))
    assert await texts.run_once(scene.db, MINUTES) == 1
    assert await scene.ids("message", "text <> '' and sms_type = 2") == []
    assert len(await scene.ids("message", "text <> ''")) == 3
    assert await texts.run_once(scene.db, MINUTES) == 1 and await texts.run_once(scene.db, MINUTES) == 0
    assert await scene.ids("message", "text <> ''") == []
