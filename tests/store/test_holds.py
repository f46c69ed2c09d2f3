"""Holds and cancels in rows: what they delete, what they move on, and what another process goes on with."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payk.domain.hold import Selection
from payk.domain.message import MessageState, SmsType, label_key, label_keys
from payk.domain.outcome import Accepted, RefusalKind, Refused, Uncertain, Unsent
from payk.maintenance.holds import HoldDuty
from payk.outcome_log import OutcomeLog
from payk.registry.errors import TrafficError
from payk.registry.traffic import Chosen, cancel, continue_holds, finish, hold, release
from payk.store import holds
from payk.store.database import Database
from payk.store.holds import Cancelled, Counts, Step, cancel_messages, cancel_some, settle_some
from payk.store.upkeep import expire, stage_due
from tests.store.scene import Scene

S = MessageState
DEMO = Chosen(client="demo")


async def cancelled(scene: Scene, chosen: Chosen = DEMO) -> Counts:
    return await cancel(scene.db, chosen, scene.wait, author="test")


async def held_since(scene: Scene, seconds: float, chosen: Chosen = DEMO) -> int:
    """A hold that was placed so long ago, over messages that were accepted before it."""
    placed = await hold(scene.db, chosen, author="test", reason="why")
    await scene.execute(
        "update hold set placed_at = placed_at - $1::interval where hold_id = $2",
        timedelta(seconds=seconds),
        placed.hold_id,
    )
    await scene.execute("update message set accepted_at = accepted_at - interval '1 day'")
    return placed.hold_id


async def expiry(scene: Scene, message_id: int) -> float:
    """Seconds until a message expires; its record and its place in the queue agree."""
    of_record = (await scene.row(message_id))["expires_at"]
    of_place = await scene.value(
        "select expires_at from (select message_id, expires_at from waiting union all"
        " select message_id, expires_at from staged) w where message_id = $1",
        message_id,
    )
    assert of_place == of_record
    return float((of_record - datetime.now(UTC)).total_seconds())


# -- cancel


async def test_what_waits_is_deleted_and_what_is_on_its_way_is_not(scene: Scene) -> None:
    sent, claimed = await scene.accept(2)
    claims = await scene.claim()
    await scene.record(claims[0], Accepted(1, "id"))
    waiting = await scene.accept(3)
    later = await scene.accept(2, scheduled_at=datetime.now(UTC) + timedelta(days=1))
    assert await cancelled(scene) == Counts(5, 1, True)
    for message_id in [*waiting, *later]:
        row = await scene.row(message_id)
        assert row["state"] == S.DELETED
        assert row["done_at"] is not None
        assert await scene.places(message_id) == set()
    assert await scene.state(sent) == S.ENROUTE
    assert await scene.places(claimed) == {"claimed"}
    assert await scene.count("hold") == 1
    assert await scene.value("select settled_at is not null from hold")


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        (Chosen(label="sale"), 3),
        (Chosen(sms_type=SmsType.OTP), 3),
        (Chosen(sms_type=SmsType.BATCH), 2),
        (Chosen(client="demo", label="sale", sms_type=SmsType.BATCH), 3),
        (Chosen(operator="tcell"), 0),
        (Chosen(operator="babilon"), 4),
        (Chosen(client="demo"), 0),
    ],
)
async def test_only_what_is_meant_is_deleted(scene: Scene, chosen: Chosen, kept: int) -> None:
    await scene.accept(sms_type=SmsType.COMMON)
    await scene.accept(sms_type=SmsType.OTP)
    await scene.accept(sms_type=SmsType.BATCH, label="sale")
    await scene.accept(sms_type=SmsType.BATCH, label="news")
    assert (await cancelled(scene, chosen)).cancelled == 4 - kept
    assert await scene.count("waiting") == kept


async def test_of_a_message_with_parts_gone_the_rest_is_dropped(scene: Scene) -> None:
    claim = await scene.claimed(parts=3, text="long")
    await scene.record(claim, Accepted(1, "a"), Unsent(2), Refused(3, 0x58, RefusalKind.THROTTLED))
    assert await cancelled(scene) == Counts(0, 1, True)
    assert await scene.states(claim.message_id) == [S.ENROUTE, S.DELETED, S.DELETED]
    assert await scene.places(claim.message_id) == {"awaiting"}


async def test_what_may_have_reached_an_operator_is_not_deleted_and_not_sent_again(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Uncertain(1, "time-out"))
    assert await scene.places(claim.message_id) == {"staged"}
    assert await cancelled(scene) == Counts(0, 1, True)
    assert await scene.state(claim.message_id) == S.ENROUTE
    assert await scene.places(claim.message_id) == {"awaiting"}


async def test_what_was_charged_of_it_is_given_back(scene: Scene) -> None:
    [cancelled_later] = await scene.accept()
    await scene.execute("update message set charged_on = current_date, charged_parts = 1, charged = 1200")
    assert (await cancelled(scene)).cancelled == 1
    assert await scene.value("select amount from client_balance") == 1200
    assert (await scene.row(cancelled_later))["charged_on"] is None


async def test_what_comes_while_it_runs_stays(scene: Scene) -> None:
    [before] = await scene.accept()
    running = asyncio.create_task(cancelled(scene))
    while not await scene.count("hold"):
        await asyncio.sleep(0.01)
    [after] = await scene.accept()
    assert await running == Counts(1, 0, True)
    assert await scene.state(before) == S.DELETED
    assert await scene.places(after) == {"waiting"}
    assert await scene.value("select released_at is not null from hold")


async def test_what_was_claimed_and_comes_back_unsent_is_deleted_too(scene: Scene) -> None:
    claim = await scene.claimed()
    placed = await holds_placed(scene, DEMO)
    assert await cancel_some(scene.db, placed, scene.wait) is Step.MORE
    assert await holds.counts(scene.db, placed) == Counts(0, 1, False)
    await scene.record(claim, Unsent(1))
    assert await cancel_some(scene.db, placed, scene.wait) is Step.LATER
    await scene.execute(
        "update hold set placed_at = placed_at - interval '2 seconds', walk_began = walk_began - interval '2 seconds'"
    )
    while await continue_holds(scene.db, scene.wait):
        pass
    assert await holds.counts(scene.db, placed) == Counts(1, 0, True)
    assert await scene.state(claim.message_id) == S.DELETED


async def holds_placed(scene: Scene, chosen: Chosen) -> int:
    """A cancel whose process ended before its first slice."""
    task = asyncio.create_task(cancelled(scene, chosen))
    while not await scene.count("hold"):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return int(await scene.value("select max(hold_id) from hold"))


async def test_a_cancel_that_was_cut_off_is_finished_by_another_process(
    scene: Scene, second: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "WINDOW", 10)
    monkeypatch.setattr(holds, "FOLLOWED", 0.1)
    await scene.accept(95)
    placed = await holds_placed(scene, DEMO)
    assert await cancel_some(scene.db, placed, scene.wait) is Step.MORE
    duty = HoldDuty(second, scene.wait, OutcomeLog(scene.directory, "maintenance"))
    async with asyncio.timeout(10):
        while not await scene.value("select settled_at is not null from hold"):
            await duty.run_once()
    found = await holds.counts(second, placed)
    assert found == Counts(95, 0, True)
    assert await scene.count("waiting") == 0
    assert await scene.value("select count(*) from message where state = 4") == 95


async def test_claims_that_race_a_cancel_are_too_late_or_deleted_never_both(
    scene: Scene, second: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "WINDOW", 50)
    monkeypatch.setattr(holds, "FOLLOWED", 0.1)
    await scene.accept(1_000)
    claimed: list[int] = []

    async def claim() -> None:
        while True:
            found = await scene.claim(7)
            claimed.extend(each.message_id for each in found)
            await asyncio.sleep(0.001)

    claiming = asyncio.create_task(claim())
    counts = await cancel(second, DEMO, scene.wait, author="test")
    claiming.cancel()
    await asyncio.gather(claiming, return_exceptions=True)
    deleted = set(await scene.ids("message", "state = 4"))
    assert deleted.isdisjoint(claimed)
    assert deleted | set(await scene.ids("waiting")) == set(await scene.ids("message"))
    assert counts.cancelled == len(deleted)
    assert counts.cancelled + counts.too_late == 1_000
    assert claimed


async def test_messages_are_cancelled_by_id_for_their_client_alone(scene: Scene) -> None:
    waiting, claimed, other = await scene.accept(3)
    await scene.execute("update message set client_id = 99 where message_id = $1", other)
    await scene.execute("update waiting set client_id = 99 where message_id = $1", other)
    claims = await scene.claim()
    for claim in claims:
        if claim.message_id == waiting:
            await scene.record(claim, Unsent(1))

    async def run() -> dict[int, Cancelled]:
        return dict(await cancel_messages(scene.db, scene.client, [waiting, claimed, other, 5], scene.wait))

    rest = {claimed: Cancelled.TOO_LATE, other: Cancelled.UNKNOWN, 5: Cancelled.UNKNOWN}
    assert await run() == {waiting: Cancelled.NOW, **rest}
    assert await run() == {waiting: Cancelled.BEFORE, **rest}
    assert await scene.state(other) == S.NONE


# -- hold and release


async def test_while_it_is_held_nothing_expires(scene: Scene) -> None:
    held, staged = [*await scene.accept(expires_in=5, label="sale"), *await scene.accept(expires_in=5, label="sale")]
    [free] = await scene.accept(expires_in=5, label="news")
    await scene.execute(
        "with gone as (delete from waiting where message_id = $1 returning *) insert into staged (due, message_id,"
        " expires_at, client_id, label_key, queue_id, lane, rank) select now() - interval '2 hours',"
        " message_id, expires_at, client_id, label_key, queue_id, lane, rank from gone",
        staged,
    )
    number = await held_since(scene, 3_600, Chosen(label="sale"))
    for table in ("waiting", "staged", "message"):
        await scene.execute(f"update {table} set expires_at = expires_at - interval '60 seconds'")
    assert await expire(scene.db, 100, scene.wait) == 1
    assert await scene.state(free) == S.EXPIRED
    assert await scene.claim() == []  # too late by what is known so far
    assert await release(scene.db, number, author="test")
    assert await expire(scene.db, 100, scene.wait) == 0  # released, and not settled yet
    await finish(scene.db, number)
    assert 3_500 < await expiry(scene, held) < 3_600
    assert 3_500 < await expiry(scene, staged) < 3_600
    assert await expire(scene.db, 100, scene.wait) == 0
    await stage_due(scene.db, 10)
    assert {claim.message_id for claim in await scene.claim()} == {held, staged}


async def test_its_expires_in_counts_from_the_end_of_the_hold_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "WINDOW", 3)
    ids = await scene.accept(10, expires_in=600)
    never = await scene.accept(2)
    number = await held_since(scene, 300)
    await release(scene.db, number, author="test")
    assert await settle_some(scene.db, number) is Step.MORE  # and this process ends
    duty = HoldDuty(scene.db, scene.wait, OutcomeLog(scene.directory, "maintenance"))
    while await duty.run_once():
        pass
    assert await settle_some(scene.db, number) is Step.DONE
    for message_id in ids:
        assert 880 < await expiry(scene, message_id) <= 901
    assert (await scene.row(never[0]))["expires_at"] is None


async def test_what_was_accepted_or_scheduled_after_the_hold_began_moves_by_less(scene: Scene) -> None:
    number = await held_since(scene, 3_600)
    [late] = await scene.accept(expires_in=600)
    [tomorrow] = await scene.accept(expires_in=600, scheduled_at=datetime.now(UTC) + timedelta(days=1))
    await release(scene.db, number, author="test")
    await finish(scene.db, number)
    assert 590 < await expiry(scene, late) < 602
    assert 86_900 < await expiry(scene, tomorrow) < 87_001


async def test_two_holds_over_one_message_count_once(scene: Scene) -> None:
    [message_id] = await scene.accept(expires_in=600, label="sale")
    first = await held_since(scene, 1_000)
    second = await held_since(scene, 400, Chosen(label="sale"))
    for number in (first, second):
        await release(scene.db, number, author="test")
        await finish(scene.db, number)
    assert 1_580 < await expiry(scene, message_id) < 1_602


async def test_a_release_tells_whether_there_was_such_a_hold(scene: Scene) -> None:
    number = (await hold(scene.db, DEMO, author="test")).hold_id
    assert await release(scene.db, number, author="test")
    assert not await release(scene.db, number, author="test")
    assert not await release(scene.db, 99, author="test")


async def test_who_held_what_and_why_is_kept(scene: Scene) -> None:
    placed = await hold(scene.db, Chosen(client="demo", sms_type=SmsType.BATCH), author="anna", reason="wrong text")
    await release(scene.db, placed.hold_id, author="boris")
    async with scene.db.connection() as connection:
        rows = await connection.fetch("select author, difference::text from registry_change order by version")
    assert [row[0] for row in rows] == ["anna", "boris"]
    assert all(word in rows[0][1] for word in ("wrong text", "demo", "batch"))


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (Chosen(), "must be chosen"),
        (Chosen(client="dmo"), 'client: "dmo" is not known; did you mean "demo"'),
        (Chosen(operator="x", label="sale"), "operator: "),
    ],
)
async def test_what_is_not_there_cannot_be_held(scene: Scene, chosen: Chosen, words: str) -> None:
    with pytest.raises(TrafficError, match=words):
        await hold(scene.db, chosen, author="test")
    assert await scene.count("hold") == 0


# -- labels that share a key

SAME = ("plumless", "buckeroo")
"""Two labels with one CRC-32."""


async def test_a_label_that_shares_the_key_of_a_held_one_goes_on(scene: Scene) -> None:
    held, other = SAME
    assert label_key(held) == label_key(other)
    kept = await scene.accept(3, label=held)
    freed = await scene.accept(3, label=other)
    scheduled = await scene.accept(label=other, scheduled_at=datetime.now(UTC) + timedelta(days=1))
    number = (await hold(scene.db, Chosen(label=held), author="test")).hold_id
    await HoldDuty(scene.db, scene.wait, OutcomeLog(scene.directory, "maintenance")).run_once()
    keys: Any = Selection(label=held).label_keys
    assert set(await scene.ids("waiting", f"label_key in ({','.join(map(str, keys))})")) == set(kept)
    assert await scene.ids("waiting", f"label_key = {label_keys(other)[1]}") == freed
    assert await scene.ids("staged", f"label_key = {label_keys(other)[1]}") == scheduled
    await release(scene.db, number, author="test")
    # A hold on the other one keeps what waits under either of its keys, and a cancel takes its own only.
    assert (await cancelled(scene, Chosen(label=other))).cancelled == 4
    assert set(await scene.ids("waiting")) == set(kept)
