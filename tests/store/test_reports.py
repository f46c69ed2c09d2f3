"""Reports count every message once, whatever happens to it: against a scan of all messages that knows no counts."""

from __future__ import annotations

import asyncio
import math
import re
import tracemalloc
from collections import Counter
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaos.counts import wrong_counts
from payk.domain.hold import Selection
from payk.domain.latency import histogram, middle
from payk.domain.message import MessageState, SmsType, label_keys
from payk.domain.outcome import Accepted, RefusalKind, Refused, Uncertain
from payk.domain.report import Dimension, ReportAsked, ReportRefused, periods
from payk.domain.search import MessageSearch
from payk.store import report_folding
from payk.store.database import Database
from payk.store.errors import StoreBusy
from payk.store.holds import cancel_messages, place_hold
from payk.store.migrations import migrate, migrations
from payk.store.queries import sql
from payk.store.report_folding import Labels, count_earlier, drop_empty, drop_unused_keys, fold, prune_reports
from payk.store.reports import Failure, ReportRow, counted_since, label_progress, read_report, recent_labels
from payk.store.search import search_messages
from payk.store.statuses import message_statuses
from payk.store.timeline import read_timeline
from payk.store.upkeep import expire, give_up_unanswered, stage_due
from tests.store.rows import add_client, add_queue
from tests.store.scene import Scene, scene_on

S = MessageState
UTC_ZONE = ZoneInfo("UTC")
INSERT = (
    "insert into message (message_id, accepted_at, client_id, queue_id, sms_type, priority, parts, phone, sender, text)"
    " values ({}, now(), $1, $2, 1, 1, 1, '992900000009', 'Late', '')"
)
FAILED = (S.EXPIRED, S.DELETED, S.UNDELIVERABLE, S.UNKNOWN, S.REJECTED)


async def folded(db: Database) -> None:
    while await fold(db):
        pass


async def let_go(scene: Scene) -> None:
    """What is claimed waits again."""
    await scene.execute("update waiting set claimed_by = null, link_id = null")


async def report(db: Database, *group_by: Dimension, zone: str = "UTC", **filters: Any) -> list[ReportRow]:
    """A report of the last days."""
    period = next((each for each in group_by if each in (Dimension.HOUR, Dimension.DAY, Dimension.MONTH)), None)
    now = datetime.now(UTC)
    begin, end, of = periods(now - timedelta(days=40), now + timedelta(hours=1), ZoneInfo(zone), now, period)
    asked = ReportAsked(group_by, begin, end, **filters)
    async with aclosing(read_report(db, asked, of)) as rows:
        return [row async for row in rows]


# -- a scan of all messages, that knows no counts


def _bin(seconds: float) -> int:
    return math.floor(math.log(max(seconds, 0.001)) / math.log(1.1))


async def scan(scene: Scene) -> dict[str, Counter[Any]]:
    """What the counts should be, from the messages alone."""
    async with scene.db.connection() as connection:
        rows = await connection.fetch("select * from message")
    found: dict[str, Counter[Any]] = {name: Counter() for name in ("messages", "parts", "price", "latency", "failure")}
    for row in rows:
        at = row["accepted_at"]
        bucket = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
        key = (
            bucket, row["client_id"], row["queue_id"], row["operator_id"] or 0, row["sms_type"], row["sender"],
            row["label"] or "",
        )  # fmt: skip
        state = S(row["state"])
        found["messages"][*key, state] += 1
        found["parts"][*key, state] += row["parts"]
        found["price"][key] += 0 if row["charged_on"] is None else row["charged"]
        if row["submitted_at"] is not None:
            began = at if row["scheduled_at"] is None else max(at, row["scheduled_at"])
            found["latency"][*key, 1, _bin((row["submitted_at"] - began).total_seconds())] += 1
            if state is S.DELIVERED:
                found["latency"][*key, 2, _bin((row["done_at"] - row["submitted_at"]).total_seconds())] += 1
        if state in FAILED:
            found["failure"][*key, state, row["reason"] or ""] += 1
    return {name: +counter for name, counter in found.items()}


async def counted(scene: Scene, span: int = 0) -> dict[str, Counter[Any]]:
    """What the counts are, in buckets of a span."""
    found: dict[str, Counter[Any]] = {name: Counter() for name in ("messages", "parts", "price", "latency", "failure")}
    key = "began, client_id, queue_id, operator_id, sms_type, sender, label"
    async with scene.db.connection() as connection:
        await connection.execute("set enable_seqscan = on")
        for row in await connection.fetch(f"select {key}, c.* from report_count c join report_key using (key_id)"
                                          " where span = $1", span):  # fmt: skip
            place = tuple(row)[:7]
            for state in S:
                found["messages"][*place, state] += row[f"m{int(state)}"]
                found["parts"][*place, state] += row[f"p{int(state)}"]
            found["price"][place] += row["price"]
            for kind, times in ((1, row["submit_times"]), (2, row["deliver_times"])):
                for number, count in histogram(f"{times:f}").items():
                    found["latency"][*place, kind, number] += count
        for row in await connection.fetch(f"select {key}, state, reason, messages from report_failure"
                                          " join report_key using (key_id) where span = $1", span):  # fmt: skip
            found["failure"][*tuple(row)[:7], S(row["state"]), row["reason"]] += row["messages"]
    assert all(count >= 0 for counter in found.values() for count in counter.values())
    return {name: +counter for name, counter in found.items()}


def wider(counts: dict[str, Counter[Any]], span: timedelta) -> dict[str, Counter[Any]]:
    """Counts of quarters of an hour in wider buckets."""
    start = datetime(2000, 1, 1, tzinfo=UTC)
    found: dict[str, Counter[Any]] = {name: Counter() for name in counts}
    for name, counter in counts.items():
        for (bucket, *rest), count in counter.items():
            found[name][(bucket - (bucket - start) % span, *rest)] += count
    return found


async def assert_exact(scene: Scene) -> None:
    await folded(scene.db)
    expected = await scan(scene)
    assert await counted(scene) == expected
    assert await counted(scene, 1) == wider(expected, timedelta(hours=1))
    assert await counted(scene, 2) == wider(expected, timedelta(days=1))


# -- random histories


class History:
    """Moves messages about at random, by the verbs that move them."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene, self.random, self.ids = scene, Random(seed), 0

    async def step(self) -> None:
        await self.random.choice((
            self.accept, self.accept, self.submit, self.submit, self.receive, self.receive, self.expire, self.give_up,
            self.cancel, self.stage, self.fold, self.wipe,
        ))()  # fmt: skip

    async def accept(self) -> None:
        random, now = self.random, datetime.now(UTC)
        await self.scene.accept(
            random.randint(1, 5),
            label=random.choice((None, "sale", "welcome", "")),
            sms_type=random.choice(list(SmsType)),
            sender=random.choice(("AlifBank", "AlifSarmoya")),
            parts=random.choice((1, 1, 3)),
            price=random.choice((None, 125)),
            scheduled_at=random.choice((None, None, now + timedelta(hours=5))),
        )
        async with self.scene.db.connection() as connection:  # some were accepted before, as of another bucket
            await connection.execute(
                "update message set accepted_at = accepted_at - make_interval(mins => $1)"
                " where message_id = (select max(message_id) from message)",
                random.choice((0, 14, 900, 3000)),
            )

    async def submit(self) -> None:
        for claim in await self.scene.claim(5):
            outcomes = tuple(self.outcome(part) for part in claim.parts_left or range(1, claim.parts + 1))
            await self.scene.record(claim, *outcomes, age=self.random.choice((0.01, 0.3, 7.0)))

    def outcome(self, part: int) -> Any:
        self.ids += 1
        return self.random.choice((
            Accepted(part, f"smsc-id-{self.ids}"),
            Accepted(part, f"smsc-id-{self.ids}"),
            Accepted(part, ""),
            Refused(part, 0x0B, RefusalKind.NUMBER),
            Refused(part, 0x45, RefusalKind.PERMANENT),
            Refused(part, 0x58, RefusalKind.TEMPORARY),
            Uncertain(part, "no answer"),
        ))  # fmt: skip

    async def receive(self) -> None:
        if self.ids:
            picked = [self.random.randint(1, self.ids) for _ in range(4)]
            states = (S.DELIVERED, S.DELIVERED, S.UNDELIVERABLE, S.ACCEPTED, S.EXPIRED, S.REJECTED)
            error = self.random.choice(("000", "011", None))
            await self.scene.receive(
                *(self.scene.report(f"smsc-id-{n}", self.random.choice(states), error=error) for n in picked)
            )

    async def expire(self) -> None:
        await self.scene.execute("update waiting set expires_at = now() where message_id % 3 = 0")
        await expire(self.scene.db, 3, self.scene.wait)

    async def give_up(self) -> None:
        await self.scene.execute("update awaiting set due = now() where message_id % 2 = 0")
        await self.scene.execute(
            "update message m set receipt_due = a.due from awaiting a where a.message_id = m.message_id"
        )
        await give_up_unanswered(self.scene.db, 3)

    async def cancel(self) -> None:
        ids = await self.scene.ids("message")
        if ids:
            await cancel_messages(self.scene.db, self.scene.client, self.random.sample(ids, 1), self.scene.wait)

    async def stage(self) -> None:
        await self.scene.bring_due()
        await stage_due(self.scene.db, 10)

    async def fold(self) -> None:
        await fold(self.scene.db, batch=3)

    async def wipe(self) -> None:
        await self.scene.execute("update message set text = '' where done_at is not null")


@given(st.integers(0, 2**32))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_any_history_the_counts_are_those_of_a_scan(server_url: str, template: str, seed: int) -> None:
    asyncio.run(_live(server_url, template, seed))


async def _live(server_url: str, template: str, seed: int) -> None:
    from tests.conftest import database_url, execute

    name = f"payk_reports_{seed}_{Random().getrandbits(40):x}"
    await execute(server_url, f'create database "{name}" template "{template}"')
    try:
        db = await Database.open(database_url(server_url, name), max_connections=3)
        history = History(await scene_on(db), seed)
        for _ in range(25):
            await history.step()
        await assert_exact(history.scene)
        assert await wrong_counts(database_url(server_url, name)) == []
        await db.close()
    finally:
        await execute(server_url, f'drop database if exists "{name}" with (force)')


async def test_a_scan_finds_what_was_not_counted(scene: Scene, dsn: str) -> None:
    await scene.accept(3)
    await folded(scene.db)
    assert await wrong_counts(dsn) == []
    await scene.execute("update report_count set m0 = m0 + 1 where span = 0")
    [line] = await wrong_counts(dsn)
    assert line.endswith("state 0: +1")


# -- transactions that end in another order than they began


async def test_what_commits_late_is_counted_when_it_commits(scene: Scene, second: Database) -> None:
    async with second.transaction() as connection:
        await connection.execute("select nextval('message_id')")  # a lower id
        await connection.execute(
            INSERT.format("currval('message_id')"),
            scene.client,
            scene.queue,
        )
        await scene.accept(2)
        await folded(scene.db)
        assert [row.total for row in await report(scene.db)] == [2]
    await assert_exact(scene)
    assert [row.total for row in await report(scene.db)] == [3]


async def test_what_is_rolled_back_is_not_counted(scene: Scene, second: Database) -> None:
    await scene.accept(2)
    connection = await second.dedicated()
    await connection.execute("begin; update message set state = 1; rollback")
    connection.terminate()
    await assert_exact(scene)


async def test_two_folds_at_once_count_everything_once(scene: Scene, second: Database) -> None:
    for _ in range(6):
        await scene.accept(2, label="sale")
        await asyncio.gather(*(fold(db, batch=1) for db in (scene.db, second, scene.db)))
    await assert_exact(scene)


async def test_a_fold_waits_no_longer_than_it_is_told_to_for_another_one(scene: Scene, second: Database) -> None:
    await scene.accept(1)
    async with second.transaction() as connection:
        await connection.execute("select pg_advisory_xact_lock(hashtext('payk.report_fold'))")
        with pytest.raises(StoreBusy):
            await fold(scene.db, patience=0.05)
    assert await fold(scene.db, patience=0.05) == 1


# -- messages from before there were reports


async def before_reports(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Database, Scene]:
    """A centre of the version before, with 30 messages."""
    db, steps = await Database.open(empty_dsn), migrations()
    with monkeypatch.context() as before:
        before.setattr("payk.store.migrations.migrations", lambda: [step for step in steps if step.number < 22])
        await migrate(db)
    scene = await scene_on(db)
    for label in (None, "sale", "welcome"):
        await scene.accept(10, label=label)
    return db, scene


async def test_messages_of_before_are_counted_from_the_newest_back(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, scene = await before_reports(empty_dsn, monkeypatch)
    await migrate(db)
    new = await scene.accept(5)
    assert await counted_since(db) == (await scene.row(new[0]))["accepted_at"]
    await folded(db)
    assert [row.total for row in await report(db)] == [5]
    assert await count_earlier(db, 12) == 1
    await folded(db)
    assert [row.total for row in await report(db)] == [17]
    while await count_earlier(db, 12):
        pass
    assert await counted_since(db) is None
    await assert_exact(scene)
    await db.close()


async def test_what_was_submitted_before_is_no_pace(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    db, scene = await before_reports(empty_dsn, monkeypatch)
    await scene.execute("update message set state = 1, submitted_at = now() - interval '1 day' where label = 'sale'")
    await migrate(db)
    while await count_earlier(db, 12):
        pass
    found = await label_progress(db, scene.client, "sale")
    assert found is not None and (found.submitted, found.rate) == (10, 0.0)
    await db.close()


async def test_what_is_folded_late_is_no_pace(scene: Scene) -> None:
    """The pace is that of the submits, not of those who count them."""
    await scene.accept(2, label="sale")
    claims = await scene.claim()
    await scene.record(claims[0], Accepted(1, "an-id-1"))
    await scene.execute("update report_delta set written_at = now() - interval '100 seconds'")
    await scene.record(claims[1], Accepted(1, "an-id-2"))
    await folded(scene.db)
    seconds = await _fetched(scene.db, "select date_part('epoch', now() - minute) from report_pace order by minute")
    assert [row[0] for row in seconds] == pytest.approx([100, 0], abs=3)


async def test_what_changes_while_they_are_counted_is_counted_once(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, scene = await before_reports(empty_dsn, monkeypatch)
    await migrate(db)
    oldest = (await scene.ids("message"))[0]
    other = await Database.open(empty_dsn)
    monkeypatch.setattr(report_folding, "EARLIER_WAIT", 0.05)
    async with other.transaction() as connection:
        # A change that is not committed: nothing is counted meanwhile, for nobody knows what it will be.
        await connection.execute("update message set state = 1, submitted_at = now() where message_id = $1", oldest)
        assert await count_earlier(db, 100) == 0
        assert await counted_since(db) is not None
    for step in range(40):
        if step % 2:
            await count_earlier(db, 4)
        else:
            for claim in await scene.claim(2):
                await scene.record(claim, Refused(1, 0x0B, RefusalKind.NUMBER))
    assert await counted_since(db) is None
    await assert_exact(scene)
    await other.close()
    await db.close()


async def test_a_message_that_got_its_id_before_and_came_behind_is_counted(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, scene = await before_reports(empty_dsn, monkeypatch)
    drawn = await scene.value("select nextval('message_id')")
    await migrate(db)
    await scene.execute(
        INSERT.format(drawn),
        scene.client,
        scene.queue,
    )
    while await count_earlier(db, 7):
        pass
    await count_earlier(db, 7)
    await assert_exact(scene)
    await db.close()


# -- labels beyond what is told apart


async def test_labels_beyond_those_of_a_day_are_counted_as_one(scene: Scene) -> None:
    few = Labels(of_all=4, of_client=2)
    other = await add_client(scene.db, "other")
    for number in range(6):
        await scene.accept(1, label=f"a{number}")
        await fold(scene.db, few)
    for number in range(3):  # of a client that comes late
        await scene.accept(1, label=f"b{number}", client_id=other)
        await fold(scene.db, few)
    claims = await scene.claim()  # what happens to them later goes to the same places
    await scene.record_all([scene.decided(claim, Accepted(1, f"an-id-{claim.message_id}")) for claim in claims])
    await fold(scene.db, few)
    rows = await report(scene.db, Dimension.CLIENT, Dimension.SMS_LABEL)
    seen = {(row.client, row.label, row.other_labels): row.total for row in rows}
    assert seen == {
        **{("demo", f"a{number}", False): 1 for number in range(4)},
        ("demo", None, True): 2,
        ("other", "b0", False): 1,
        ("other", "b1", False): 1,
        ("other", None, True): 1,
    }
    assert all(row.messages[S.ENROUTE] == row.total for row in rows)


async def beyond(scene: Scene) -> None:
    """Yesterday `late` is told apart with its 2 messages; today its 5 are not: it came behind `first` and `second`."""
    few = Labels(of_all=2, of_client=2)
    for label in ("first", "second"):
        await scene.accept(1, label=label)
        await fold(scene.db, few)
    await scene.accept(2, label="late")
    await scene.execute("update message set accepted_at = accepted_at - interval '1 day' where label = 'late'")
    await fold(scene.db, few)
    await scene.accept(5, label="late", sms_type=SmsType.BATCH, parts=2)
    await fold(scene.db, few)
    claims = [claim for claim in await scene.claim() if claim.parts == 2]
    await scene.record(claims[0], Accepted(1, "id-of-part-1"), Accepted(2, "id-of-part-2"))
    await scene.record(claims[1], Refused(1, 0x0B, RefusalKind.NUMBER), Refused(2, 0x0B, RefusalKind.NUMBER))
    await scene.record(claims[2], Refused(1, 0x58, RefusalKind.TEMPORARY), Refused(2, 0x58, RefusalKind.TEMPORARY))
    await let_go(scene)
    await fold(scene.db, few)


async def test_a_label_that_is_not_told_apart_stands_as_its_messages_do(scene: Scene) -> None:
    await beyond(scene)
    found = await label_progress(scene.db, scene.client, "late")
    assert found is not None
    assert (found.planned, found.parts, found.other_labels, found.at_least) == (7, 12, True, False)
    assert (found.queued, found.submitted, found.failed) == (5, 1, 1)
    assert found.failures == (Failure(S.UNDELIVERABLE, "refused: RINVDSTADR", 1),)
    async with scene.db.transaction() as connection:
        await place_hold(connection, Selection(sms_type=SmsType.BATCH), author="test")
    found = await label_progress(scene.db, scene.client, "late")
    assert found is not None
    assert (found.held, found.queued) == (3, 2)
    first = await label_progress(scene.db, scene.client, "first")
    assert first is not None
    assert (first.planned, first.other_labels) == (1, False)


async def test_so_many_of_its_messages_are_looked_at(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await beyond(scene)
    for most, at_least in ((6, True), (7, False)):
        monkeypatch.setattr("payk.store.reports.LOOKS_MAX", most)
        found = await label_progress(scene.db, scene.client, "late")
        assert found is not None
        assert (found.other_labels, found.at_least) == (True, at_least)


async def test_a_report_of_a_label_that_is_not_told_apart_is_refused(scene: Scene) -> None:
    await beyond(scene)
    for filters in ({"label": "late"}, {"label": "late", "client_id": scene.client}):
        with pytest.raises(ReportRefused, match="counted among other labels"):
            await report(scene.db, **filters)
    assert [row.total for row in await report(scene.db, label="first")] == [1]
    assert await report(scene.db, label="nobody") == []
    now = datetime.now(UTC)
    begin, end, of = periods(now - timedelta(days=2), now.replace(hour=0, minute=0), UTC_ZONE, now, None)
    async with aclosing(read_report(scene.db, ReportAsked((), begin, end, label="late"), of)) as rows:
        assert [row.total async for row in rows] == [2]


async def early_and_late(scene: Scene) -> None:
    """Yesterday `early` and `late` have 5 messages each, told apart; today `late` has 2 more, which are not, and there
    are 2 of other labels. Ids are in the order of time."""
    few = Labels(of_all=2, of_client=2)
    for label in ("early", "late"):
        await scene.accept(5, label=label)
    await scene.execute("update message set accepted_at = accepted_at - interval '1 day'")
    await fold(scene.db, few)
    for table in ("report_label", "report_label_count"):  # as if they had never been of today
        await scene.execute(f"delete from {table} where day = (now() at time zone 'UTC')::date")
    for label in ("first", "second"):
        await scene.accept(1, label=label)
        await fold(scene.db, few)
    await scene.accept(2, label="late")
    await fold(scene.db, few)


async def of_today(scene: Scene, label: str) -> list[int]:
    now = datetime.now(UTC)
    begin, end, of = periods(now.replace(hour=0, minute=0), now + timedelta(hours=1), UTC_ZONE, now, None)
    asked = ReportAsked((), begin, end, client_id=scene.client, label=label)
    async with aclosing(read_report(scene.db, asked, of)) as rows:
        return [row.total async for row in rows]


async def test_messages_of_days_that_are_not_asked_for_do_not_hide_those_of_one_that_is(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than are looked at have the label, and the index gives the oldest ones first."""
    await early_and_late(scene)
    for most in (10, 5, 4, 3):
        monkeypatch.setattr("payk.store.reports.LOOKS_MAX", most)
        with pytest.raises(ReportRefused, match="counted among other labels"):
            await of_today(scene, "late")


async def test_where_too_many_messages_would_have_to_be_looked_at_a_label_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await early_and_late(scene)
    monkeypatch.setattr("payk.store.reports.LOOKS_MAX", 4)  # as many as came today, but for yesterday's within a minute
    await scene.execute("update message set accepted_at = accepted_at - interval '1 day' where label = 'early'")
    assert await of_today(scene, "early") == []
    monkeypatch.setattr("payk.store.reports.LOOKS_MAX", 3)
    with pytest.raises(ReportRefused, match="may be counted among other labels"):
        await of_today(scene, "early")


async def test_whether_a_label_is_beyond_is_seen_without_a_look_at_all_counts(scene: Scene) -> None:
    await many_labels(scene, 2_000)
    await early_and_late(scene)
    values = f"{scene.client}, 'late', now() - interval '9 days', now(), 100, 60"
    assert await work(scene, "reports.is_beyond", values) <= 20


# -- what a report says


async def test_a_report_says_states_parts_price_latencies_and_failures(scene: Scene) -> None:
    await scene.accept(1, label="sale", parts=2, price=100)
    await scene.accept(4, label="sale", price=100)
    two_parts, *claims = await scene.claim()
    await scene.record(two_parts, Accepted(1, "id-of-a-part-1"), Accepted(2, "id-of-a-part-2"), age=2.0)
    await scene.record(claims[0], Refused(1, 0x0B, RefusalKind.NUMBER))
    await scene.record(claims[1], Accepted(1, "id-to-be-undelivered"))
    await scene.record(claims[2], Accepted(1, "id-to-be-delivered"), age=10.0)
    await scene.receive(
        scene.report("id-to-be-undelivered", S.UNDELIVERABLE, raw_state="UNDELIV", error="011"),
        scene.report("id-to-be-delivered"),
    )
    await scene.execute("update message set accepted_at = submitted_at - interval '3 seconds' where state = 2")
    await folded(scene.db)
    rows = await report(scene.db, Dimension.SMS_LABEL, Dimension.OPERATOR)
    [row] = [row for row in rows if row.operator == "tcell"]
    assert row.label == "sale"
    assert {state: count for state, count in row.messages.items() if count} == {
        S.ENROUTE: 1, S.DELIVERED: 1, S.UNDELIVERABLE: 2,
    }  # fmt: skip
    assert row.parts[S.ENROUTE] == 2
    assert row.delivery_rate == pytest.approx(1 / 3)
    assert {(f.state, f.reason, f.messages) for f in row.failures} == {
        (S.UNDELIVERABLE, "refused: RINVDSTADR", 1),
        (S.UNDELIVERABLE, "receipt: 011", 1),
    }
    assert row.latency.to_delivered[0] == pytest.approx(10.0, rel=0.06)
    [rest] = [row for row in await report(scene.db, Dimension.OPERATOR) if row.operator is None]
    assert rest.messages[S.ENROUTE] == 1  # it is claimed
    assert rest.delivery_rate is None
    [whole] = await report(scene.db)
    assert whole.total == 5
    assert whole.price == 100 * 6 - 100  # what the operator refused was given back


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("011", "receipt: 011"),
        ("000", "receipt"),
        (None, "receipt"),
        ("no such subscriber", "receipt"),
        ("\n1", "receipt: 1"),
    ],
)
async def test_the_reason_of_a_receipt_is_its_code(scene: Scene, error: str | None, reason: str) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, "an-id-of-some-length"))
    await scene.receive(scene.report("an-id-of-some-length", S.UNDELIVERABLE, error=error))
    assert (await scene.row(claim.message_id))["reason"] == reason


async def test_a_correction_of_unknown_takes_its_reason_away(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, "an-id-of-some-length"))
    await scene.execute("update awaiting set due = now()")
    await scene.execute("update message m set receipt_due = a.due from awaiting a where a.message_id = m.message_id")
    await give_up_unanswered(scene.db, 10)
    await folded(scene.db)
    [row] = await report(scene.db)
    assert [(f.state, f.reason) for f in row.failures] == [(S.UNKNOWN, "no receipt")]
    await scene.receive(scene.report("an-id-of-some-length"))
    await folded(scene.db)
    [row] = await report(scene.db)
    assert row.failures == ()
    assert row.messages[S.DELIVERED] == 1
    await assert_exact(scene)


async def test_days_are_those_of_the_zone(scene: Scene) -> None:
    """18:59 and 19:00 UTC are two days in Dushanbe, and one in UTC; half-hour zones are cut exactly too."""
    await scene.accept(3)
    ids = await scene.ids("message")
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    for message_id, minutes in zip(ids, (18 * 60 + 20, 18 * 60 + 59, 19 * 60), strict=True):
        at = day + timedelta(minutes=minutes)
        await scene.execute("update message set accepted_at = $2 where message_id = $1", message_id, at)
    await folded(scene.db)

    async def totals(zone: str) -> list[tuple[str, int]]:
        rows = await report(scene.db, Dimension.DAY, zone=zone)
        return [(f"{row.period.begins:%d}", row.total) for row in rows if row.period is not None]

    this, after = f"{day:%d}", f"{day + timedelta(days=1):%d}"
    assert await totals("UTC") == [(this, 3)]
    assert await totals("Asia/Dushanbe") == [(this, 2), (after, 1)]
    assert await totals("Asia/Kolkata") == [(this, 1), (after, 2)]


@pytest.mark.parametrize("keys", [0, 1, 20_000])
async def test_filters(scene: Scene, monkeypatch: pytest.MonkeyPatch, keys: int) -> None:
    """However many keys are looked for one by one."""
    monkeypatch.setattr("payk.store.reports.KEYS_MAX", keys)
    await scene.accept(2, label="sale", sender="AlifBank")
    await scene.accept(3, label=None, sender="AlifSarmoya", sms_type=SmsType.OTP)
    await folded(scene.db)

    async def total(**filters: Any) -> int:
        return sum(row.total for row in await report(scene.db, **filters))

    assert await total(label="sale") == 2
    assert await total(label="") == 3
    assert await total(sender="alifsarmoya") == 3
    assert await total(sms_type=SmsType.OTP) == 3
    assert await total(sms_type=SmsType.BATCH) == 0
    assert await total(client_id=scene.client) == 5
    assert await total(client_id=scene.client + 1) == 0
    assert await total(route="tcell,babilon") == 5
    assert await total(operator="tcell") == 0
    for field in ("operator", "route"):
        with pytest.raises(ReportRefused):
            await total(**{field: "nobody"})


async def routed(scene: Scene, *routes: tuple[int, str]) -> None:
    """Routes by their queues, with options; 14 messages for the first order of both operators and 6 for the other."""
    for prefix, (queue, options) in enumerate(routes, 990):
        await scene.execute(
            "insert into route (prefix, queue_id, options) values ($1, $2, $3)", str(prefix), queue, options
        )
    await scene.accept(14)
    await scene.accept(6, queue_id=queue_of(scene, "babilon,tcell"))
    await folded(scene.db)


def queue_of(scene: Scene, names: str) -> int:
    return {"tcell,babilon": scene.queue, "babilon,tcell": scene.queue + 1, "tcell": scene.queue + 2}[names]


@pytest.fixture
async def lists(scene: Scene) -> None:
    """Queues of both operators the other way round, and of one."""
    assert await add_queue(scene.db, scene.other_operator, scene.operator) == queue_of(scene, "babilon,tcell")
    assert await add_queue(scene.db, scene.operator) == queue_of(scene, "tcell")


async def by_route(scene: Scene, **filters: Any) -> dict[str | None, int]:
    return {row.route: row.total for row in await report(scene.db, Dimension.ROUTE, **filters)}


WEIGHTS = '{"weights": {"tcell": 70, "babilon": 30}}'
CHEAPEST = '{"order": "price", "costs": {"tcell": 7, "babilon": 3}}'


@pytest.mark.usefixtures("lists")
@pytest.mark.parametrize(
    ("routes", "name"),
    [
        ([("tcell,babilon", WEIGHTS)], "tcell, babilon"),
        ([("babilon,tcell", WEIGHTS), ("tcell,babilon", "{}")], "babilon, tcell"),
        ([("tcell,babilon", "{}")], "tcell, babilon"),  # it had weights before
        ([("tcell,babilon", CHEAPEST)], "tcell, babilon"),
        ([], "babilon, tcell"),
    ],
)
async def test_a_route_is_one_row_in_whatever_order_its_operators_are_drawn(
    scene: Scene, routes: list[tuple[str, str]], name: str
) -> None:
    await routed(scene, *((queue_of(scene, names), options) for names, options in routes))
    assert await by_route(scene) == {name: 20}
    for asked in ("tcell,babilon", "babilon, tcell"):
        assert await by_route(scene, route=asked) == {name: 20}
    assert await by_route(scene, route="tcell") == {}
    with pytest.raises(ReportRefused):
        await by_route(scene, route="babilon,tcell,tcell")
    claims = await scene.claim(20)
    for claim in claims[:3] + claims[-3:]:
        await scene.record(claim, Refused(1, 0x0B, RefusalKind.NUMBER))
    await folded(scene.db)
    [row] = await report(scene.db, Dimension.ROUTE)
    assert row.messages[MessageState.ENROUTE] == len(claims) - 6
    assert row.failures == (Failure(MessageState.UNDELIVERABLE, "refused: RINVDSTADR", 6),)


@pytest.mark.usefixtures("lists")
async def test_routes_that_differ_by_their_order_are_told_apart(scene: Scene) -> None:
    await routed(scene, (scene.queue, "{}"), (queue_of(scene, "babilon,tcell"), "{}"))
    await scene.accept(2, queue_id=queue_of(scene, "tcell"))  # of a sender that one of them carries
    await folded(scene.db)
    assert await by_route(scene) == {"tcell, babilon": 14, "babilon, tcell": 6, "tcell": 2}
    assert await by_route(scene, route="tcell,babilon") == {"tcell, babilon": 14}
    assert await by_route(scene, route="babilon,tcell") == {"babilon, tcell": 6}
    assert await by_route(scene, route="tcell") == {"tcell": 2}


async def test_empty_counts_go_and_old_ones_too(scene: Scene) -> None:
    await scene.accept(2)
    await folded(scene.db)
    claims = await scene.claim()
    await scene.record_all([scene.decided(claim, Accepted(1, f"an-id-{claim.message_id}")) for claim in claims])
    await folded(scene.db)
    await scene.execute("update message set accepted_at = accepted_at - interval '2 days'")
    await folded(scene.db)
    before = await scene.count("report_count")
    await drop_empty(scene.db, timedelta())
    assert await scene.count("report_count") < before
    await assert_exact(scene)
    await scene.receive(*(scene.report(f"an-id-{claim.message_id}") for claim in claims))
    await folded(scene.db)
    assert await prune_reports(scene.db, 400) == 0
    assert await scene.count("report_key") > 0
    assert await prune_reports(scene.db, 1) > 0
    assert await report(scene.db) == []
    assert await scene.count("report_key") == 0


async def test_counts_of_what_is_still_open_stay(scene: Scene) -> None:
    """However old they are: what becomes of such a message later is counted where it is."""
    labels = Labels(1, 1)
    ids = {label: await scene.accept(2, label=label) for label in ("sale", "beyond")}
    await scene.accept(3, label="sale", sms_type=SmsType.BATCH)
    await scene.execute("update message set accepted_at = accepted_at - interval '400 days'")
    await fold(scene.db, labels)
    await cancel_messages(scene.db, scene.client, await scene.ids("message", "sms_type = 3"), scene.wait)
    await fold(scene.db, labels)
    assert await prune_reports(scene.db, 30) > 0  # those that were deleted
    assert await scene.count("report_key") == 2
    for of_label in ids.values():
        await cancel_messages(scene.db, scene.client, of_label, scene.wait)
    await fold(scene.db, labels)
    for span in range(3):
        found = await counted(scene, span)
        assert sum(found["messages"].values()) == sum(found["failure"].values()) == 4
    assert await prune_reports(scene.db, 30) > 0
    assert await scene.count("report_key") == 0
    for kind in ("label", "label_count"):
        assert await scene.count(f"report_{kind} where day < now() - interval '1 day'") == 0


async def test_counts_of_what_may_be_corrected_stay(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, "an-id-1"))
    await scene.execute("update message set state = 7, done_at = now(), accepted_at = now() - interval '400 days'")
    await folded(scene.db)
    assert await prune_reports(scene.db, 30) == 0
    await scene.receive(scene.report("an-id-1"))
    await folded(scene.db)
    assert sum((await counted(scene))["messages"].values()) == 1
    await scene.execute("update message set state = 7, accepted_at = now() - interval '441 days'")
    await folded(scene.db)
    assert await prune_reports(scene.db, 30) > 0
    assert [await scene.count(f"report_{kind}") for kind in ("count", "failure")] == [0, 0]


async def test_nothing_is_below_zero_where_what_it_became_is_counted_first(scene: Scene) -> None:
    """The differences of a message are folded in whatever order."""
    await scene.accept(3, label="sale")
    await scene.execute("create table later as table report_delta")
    await scene.execute("delete from report_delta")
    claims = await scene.claim()
    await scene.record(claims[0], Accepted(1, "an-id-1"))
    await scene.record(claims[1], Refused(1, 0x0B, RefusalKind.NUMBER))
    found = await label_progress(scene.db, scene.client, "sale")
    assert found is not None
    assert (found.planned, found.parts, found.submitted, found.failed, found.queued) == (2, 2, 1, 1, 0)
    for group_by in ((), (Dimension.SMS_LABEL, Dimension.DAY)):
        [row] = await report(scene.db, *group_by)
        assert row.total == 2 and min(row.messages.values()) == min(row.parts.values()) == 0
    [seen] = await recent_labels(scene.db, None, datetime.now(UTC) - timedelta(days=2), 10)
    assert (seen.messages, seen.failed) == (2, 1)
    await scene.execute("insert into report_delta select * from later")
    await folded(scene.db)
    await assert_exact(scene)


async def test_failures_that_no_count_belongs_to_hide_none(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Refused(1, 0x0B, RefusalKind.NUMBER))
    await folded(scene.db)
    await scene.execute(
        "insert into report_key (client_id, queue_id, operator_id, sms_type, sender, label, other)"
        " values (0, 1, 1, 1, 'Aaa', '', false)"
    )
    await scene.execute(
        "insert into report_failure select span, began - interval '1 day', k.key_id, state, reason, 3"
        " from report_failure, report_key k where k.sender = 'Aaa'"
    )
    for group_by in ((Dimension.DAY, Dimension.SENDER_ADDRESS), (Dimension.SENDER_ADDRESS,)):
        [row] = await report(scene.db, *group_by)
        assert [(f.reason, f.messages) for f in row.failures] == [("refused: RINVDSTADR", 1)]


async def many_labels(scene: Scene, count: int) -> None:
    """Counts of yesterday of as many labels, each with two reasons; no two languages agree on the order of these."""
    await scene.execute(
        "insert into report_key (client_id, queue_id, operator_id, sms_type, sender, label, other)"
        " select $1, $2, 1, 3, 'AlifBank', (array['a', 'B', 'ё', 'Я', '-', '_', '😀'])[1 + n % 7] || n, false"
        " from generate_series(1, $3::integer) n",
        scene.client,
        scene.queue,
        count,
    )
    yesterday = "date_trunc('day', now(), 'UTC') - interval '1 day'"
    await scene.execute(
        f"insert into report_count select 2, {yesterday}, key_id, 0, 0, 0, 0, 0, key_id + 5, 0, 0, 0,"
        " 0, 0, 0, 0, 0, key_id + 5, 0, 0, 0, 0, 0, 0 from report_key"
    )
    await scene.execute(
        f"insert into report_failure select 2, {yesterday}, key_id, 5, reason, messages"
        " from report_key, lateral (values ('receipt: 011', key_id), ('refused: RINVDSTADR', 5)) r (reason, messages)"
    )


async def test_failures_are_those_of_their_row_in_whatever_letters(scene: Scene) -> None:
    await many_labels(scene, 700)
    for group_by in ((Dimension.SMS_LABEL,), (Dimension.CLIENT, Dimension.SMS_LABEL, Dimension.DAY)):
        rows = await report(scene.db, *group_by)
        assert len(rows) == 700
        assert all(sorted(f.messages for f in row.failures) == sorted((row.total - 5, 5)) for row in rows)


async def test_a_report_of_many_rows_is_read_row_by_row(scene: Scene) -> None:
    """Neither counts nor failures are in memory, but what comes at a time: 2,000 of each."""
    await many_labels(scene, 20_000)
    now = datetime.now(UTC)
    begin, end, of = periods(now - timedelta(days=40), now + timedelta(hours=1), UTC_ZONE, now, None)
    asked = ReportAsked((Dimension.SMS_LABEL,), begin, end)
    tracemalloc.start()
    try:
        async with aclosing(read_report(scene.db, asked, of, timeout=180.0)) as rows:
            assert sum([len(row.failures) async for row in rows]) == 40_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


async def peak_of(db: Database, asked: ReportAsked, of: Any) -> tuple[int, int]:
    """How many rows a report has, and how much memory it took in Python at most."""
    tracemalloc.start()
    try:
        async with aclosing(read_report(db, asked, of, timeout=180.0)) as rows:
            return len([None async for _ in rows]), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_a_filtered_report_has_no_list_of_all_keys_in_memory(scene: Scene) -> None:
    await many_labels(scene, 100_000)
    now = datetime.now(UTC)
    begin, end, of = periods(now - timedelta(days=40), now + timedelta(hours=1), UTC_ZONE, now, None)
    rows, peak = await peak_of(scene.db, ReportAsked((), begin, end, client_id=scene.client), of)
    assert rows == 1
    assert peak < 2_000_000


async def work(scene: Scene, query: str, values: str) -> float:
    """How many rows the steps of a query of reports had to do with at most, and passed over."""
    await scene.execute("vacuum analyze")
    connection = await scene.db.dedicated()
    await connection.execute("set plan_cache_mode = force_custom_plan")
    await connection.execute(f"prepare asked as {sql(query)}")
    plan = [row[0] for row in await connection.fetch(f"explain (analyze, costs off) execute asked ({values})")]
    connection.terminate()
    steps = [
        (float(rows) * float(loops)) for line in plan for rows, loops in re.findall(r"rows=([\d.]+) loops=(\d+)", line)
    ]
    over = [float(rows) for line in plan for rows in re.findall(r"Rows Removed by [A-Za-z ]+: ([\d.]+)", line)]
    return max([*steps, *over])


async def many_labels_of_two_days(scene: Scene) -> None:
    """Counts of 1,990 labels of yesterday, and of ten of the day before."""
    await many_labels(scene, 2_000)
    for table in ("report_count", "report_failure"):
        await scene.execute(
            f"update {table} set began = began - interval '1 day'"
            " where key_id in (select key_id from report_key order by key_id limit 10)"
        )


@pytest.mark.parametrize("query", ["reports.read_counts", "reports.read_failures"])
@pytest.mark.parametrize("by_key", [False, True])
async def test_a_filtered_report_of_a_day_costs_what_the_day_has(scene: Scene, query: str, by_key: bool) -> None:
    await many_labels_of_two_days(scene)
    keys = ",".join(map(str, sorted(await keys_of(scene))[:30]))
    day = "date_trunc('day', now(), 'UTC') - interval '2 days'"
    time = f"'{{2}}', array[{day}], array[{day} + interval '1 day'], array[{day}]"
    filters = f"{scene.client}, null, null, null, null, null"
    assert (
        await work(
            scene, query, f"{time}, {f'array[{keys}]' if by_key else 'null'}, '{{label}}', {filters}, null, null"
        )
        <= 30
    )


async def test_what_a_filter_leaves_is_the_same_by_key_and_by_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many_labels_of_two_days(scene)
    for filters in ({"client_id": scene.client}, {"sender": "alifbank"}, {"label": "a7"}, {"sms_type": SmsType.OTP}):
        both = []
        for keys in (20_000, 0):
            monkeypatch.setattr("payk.store.reports.KEYS_MAX", keys)
            both.append(await report(scene.db, Dimension.SMS_LABEL, Dimension.DAY, **filters))
        assert both[0] == both[1]
        assert len(both[0]) == (0 if "sms_type" in filters else 1 if "label" in filters else 2_000)


async def test_a_report_of_too_many_rows_is_refused_before_the_first_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many_labels(scene, 30)
    monkeypatch.setattr("payk.store.reports.ROWS_MAX", 30)
    assert len(await report(scene.db, Dimension.SMS_LABEL)) == 30
    monkeypatch.setattr("payk.store.reports.ROWS_MAX", 29)
    now = datetime.now(UTC)
    begin, end, of = periods(now - timedelta(days=40), now + timedelta(hours=1), UTC_ZONE, now, None)
    async with aclosing(read_report(scene.db, ReportAsked((Dimension.SMS_LABEL,), begin, end), of)) as rows:
        with pytest.raises(ReportRefused, match="more than 29 rows"):
            await anext(rows)


async def test_a_message_fails_for_the_part_that_was_refused_first(scene: Scene) -> None:
    claim = await scene.claimed(parts=2)
    await scene.record(claim, Refused(1, 0x0B, RefusalKind.NUMBER), Accepted(2, "id-of-the-other-part"))
    await scene.receive(scene.report("id-of-the-other-part"))
    await folded(scene.db)
    [row] = await report(scene.db)
    assert [(f.state, f.reason) for f in row.failures] == [(S.UNDELIVERABLE, "refused: RINVDSTADR")]


async def test_what_is_put_off_has_not_left_the_queue(scene: Scene) -> None:
    await scene.accept(3, label="sale")
    await folded(scene.db)
    await scene.execute("update message set scheduled_at = now() + interval '3 hours'")
    found = await label_progress(scene.db, scene.client, "sale")
    assert found is not None
    assert (found.scheduled, found.queued, found.rate) == (3, 0, 0.0)


async def test_a_refused_report_costs_no_connection(database: Database) -> None:
    scene = await scene_on(database)
    pid = "select pg_backend_pid()"
    async with database.connection() as connection:
        before = await connection.fetchval(pid)
    with pytest.raises(ReportRefused):
        await report(scene.db, operator="nobody")
    async with database.connection() as connection:
        assert await connection.fetchval(pid) == before


# -- a label as it stands


async def test_the_progress_of_a_label(scene: Scene) -> None:
    assert await label_progress(scene.db, scene.client, "sale") is None
    await scene.accept(6, label="sale")
    await scene.accept(2, label="sale", scheduled_at=datetime.now(UTC) + timedelta(hours=2))
    await scene.accept(9, label="another")
    claims = [
        claim for claim in await scene.claim() if claim.message_id in (await scene.ids("message", "label = 'sale'"))
    ]
    await scene.record(claims[0], Accepted(1, "id-of-the-first-one"))
    await scene.record(claims[1], Accepted(1, "id-of-the-second-one"))
    await scene.record(claims[2], Refused(1, 0x0B, RefusalKind.NUMBER))
    await scene.receive(scene.report("id-of-the-first-one"))
    await let_go(scene)
    found = await label_progress(scene.db, scene.client, "sale")
    assert found is not None
    assert (found.planned, found.scheduled, found.held, found.queued) == (8, 2, 0, 3)
    assert (found.submitted, found.delivered, found.failed) == (1, 1, 1)
    assert [(f.reason, f.messages) for f in found.failures] == [("refused: RINVDSTADR", 1)]
    assert found.rate > 0
    assert found.ends_at is not None and found.last_due is not None
    assert found.ends_at >= found.last_due


async def test_a_mailing_that_was_accepted_long_ago_has_a_progress(scene: Scene) -> None:
    await scene.accept(2, label="sale", scheduled_at=datetime.now(UTC) + timedelta(hours=2))
    await scene.execute("update message set accepted_at = accepted_at - interval '360 days'")
    found = await label_progress(scene.db, scene.client, "sale")
    assert found is not None and (found.planned, found.scheduled) == (2, 2)


async def test_no_end_is_told_while_nothing_moves(scene: Scene) -> None:
    await scene.accept(2, label="sale", scheduled_at=datetime.now(UTC) + timedelta(hours=2))
    found = await label_progress(scene.db, scene.client, "sale")
    assert found is not None
    assert (found.scheduled, found.rate, found.ends_at) == (2, 0.0, None)
    assert found.last_due is not None


async def test_the_end_is_that_of_the_scheduled_ones_too(scene: Scene) -> None:
    """They take their time like the others, and none is gone before the last one is due."""
    await scene.accept(100, label="sale")
    await submitted(scene, 50, 50.0)
    await scene.accept(450, label="sale", scheduled_at=datetime.now(UTC) + timedelta(seconds=90))
    found, left = await paced(scene)
    assert found == pytest.approx(1, rel=0.2)
    assert left == pytest.approx(500 / found, abs=1.5)
    await scene.accept(1, label="sale", scheduled_at=datetime.now(UTC) + timedelta(hours=3))
    progress = await label_progress(scene.db, scene.client, "sale")
    assert progress is not None and progress.ends_at == progress.last_due


async def submitted(scene: Scene, count: int, ago: float = 0.0) -> None:
    """So many messages of `sale` were submitted so long ago."""
    claims = await scene.claim(count)
    assert len(claims) == count
    await scene.record_all([scene.decided(claim, Accepted(1, f"an-id-{claim.message_id}")) for claim in claims])
    await folded(scene.db)
    await scene.execute(
        "update report_pace set minute = minute - make_interval(secs => $1)"
        " where minute > now() - interval '8 seconds'",
        ago,
    )


async def paced(scene: Scene) -> tuple[float, float | None]:
    """Messages a second, and seconds until the end."""
    found = await label_progress(scene.db, scene.client, "sale")
    assert found is not None
    return found.rate, None if found.ends_at is None else (found.ends_at - scene.db.now()).total_seconds()


@pytest.mark.parametrize(("ago", "rate"), [(0.0, 100 / 5), (20.0, 100 / 20), (50.0, 100 / 50), (150.0, 100 / 150)])
async def test_the_pace_is_from_the_first_message_on(scene: Scene, ago: float, rate: float) -> None:
    await scene.accept(300, label="sale")
    await submitted(scene, 100, ago)
    found, left = await paced(scene)
    assert found == pytest.approx(rate, rel=0.2)
    assert left == pytest.approx(200 / found, abs=1.5)


async def test_the_pace_is_over_three_minutes_where_it_went_on_before(scene: Scene) -> None:
    await scene.accept(300, label="sale")
    for count, ago in ((100, 200.0), (60, 90.0), (30, 0.0)):
        await submitted(scene, count, ago)
    found, left = await paced(scene)
    assert found == pytest.approx(90 / 180, rel=0.01)
    assert left == pytest.approx(110 / found, abs=3)


async def test_the_pace_is_since_the_last_hold(scene: Scene) -> None:
    await scene.accept(300, label="sale")
    await submitted(scene, 100, 120.0)
    async with scene.db.transaction() as connection:
        await place_hold(connection, Selection(client_id=scene.client, label="sale"), author="test")
    released = "update hold set released_at = now() - interval '10 seconds', settled_at = now()"
    await scene.execute(released)
    await submitted(scene, 100)
    found, left = await paced(scene)
    assert found == pytest.approx(100 / 10, rel=0.2)
    assert left == pytest.approx(100 / found, abs=1.5)
    await scene.execute("update hold set label = 'another'")
    assert (await paced(scene))[0] == pytest.approx(200 / 120, rel=0.1)


async def test_what_was_not_submitted_is_no_pace(scene: Scene) -> None:
    ids = await scene.accept(30, label="sale")
    await cancel_messages(scene.db, scene.client, ids[:10], scene.wait)
    await scene.execute("update waiting set expires_at = now() where message_id = any($1)", ids[10:20])
    assert await expire(scene.db, 100, scene.wait) == 10
    assert await paced(scene) == (0.0, None)
    claims = await scene.claim()
    await scene.record(claims[0], Refused(1, 0x0B, RefusalKind.NUMBER))
    await scene.record(claims[1], Accepted(1, "id-of-the-second-one"))
    await scene.record(claims[2], Refused(1, 0x58, RefusalKind.TEMPORARY))
    assert (await paced(scene))[0] == pytest.approx(2 / 5, rel=0.2)
    await scene.receive(scene.report("id-of-the-second-one"))
    assert (await paced(scene))[0] == pytest.approx(2 / 5, rel=0.2)


async def test_what_is_held_is_told_apart(scene: Scene) -> None:
    await scene.accept(4, label="sale", sms_type=SmsType.BATCH)
    await scene.accept(3, label="sale", sms_type=SmsType.OTP)
    async with scene.db.transaction() as connection:
        selection = Selection(client_id=scene.client, label="sale", sms_type=SmsType.BATCH)
        await place_hold(connection, selection, author="test")
    found = await label_progress(scene.db, scene.client, "sale")
    assert found is not None
    assert (found.held, found.queued, found.ends_at) == (4, 3, None)


async def test_what_a_suspended_client_has_waiting_is_held(scene: Scene) -> None:
    await scene.accept(4, label="sale")
    await scene.accept(2, label="sale", scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    await scene.execute("update client set enabled = false where client_id = $1", scene.client)
    found = await label_progress(scene.db, scene.client, "sale")
    assert found is not None
    assert (found.scheduled, found.held, found.queued, found.ends_at) == (2, 4, 0, None)


async def _fetched(db: Database, query: str) -> list[Any]:
    async with db.connection() as connection:
        return list(await connection.fetch(query))


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_held_is_exact_whatever_a_hold_names(scene: Scene, seed: int) -> None:
    """Against each message, as the rule of the holds has it: some due, some not, some refused for the moment."""
    random = Random(seed)
    await scene.execute("insert into queue (queue_id, operators) overriding system value values (77, '{2,1}')")
    later = datetime.now(UTC) + timedelta(hours=2)
    for _ in range(12):
        kind = random.choice((SmsType.BATCH, SmsType.COMMON, SmsType.OTP))
        due = random.choice((None, later, later + timedelta(seconds=random.randrange(200))))
        changes = {"sms_type": kind, "queue_id": random.choice((scene.queue, 77)), "scheduled_at": due}
        label = random.choice(("sale", "sale", "sale", "other", None))
        await scene.accept(random.randrange(1, 5), label=label, **changes)
    await scene.execute(
        "with gone as (delete from waiting where message_id = (select min(message_id) from waiting) returning *)"
        " insert into staged (due, message_id, client_id, label_key, queue_id, lane, rank, attempt)"
        " select $1, message_id, client_id, label_key, queue_id, lane, rank, 1 from gone",
        later,  # refused for the moment: it is not scheduled, though it waits for the same minute
    )
    chosen = [
        {"sms_type": SmsType.BATCH},
        {"operator_id": scene.operator},
        {"sms_type": SmsType.COMMON, "operator_id": scene.other_operator},
        {"client_id": scene.client, "label": "sale", "sms_type": SmsType.OTP},
        {"label": "other"},
        {"client_id": scene.client, "label": "sale"},
    ]
    placed: list[Selection] = []
    for selection in [Selection(**names) for names in random.sample(chosen, len(chosen))]:
        async with scene.db.transaction() as connection:
            await place_hold(connection, selection, author="test")
        placed.append(selection)
        found = await label_progress(scene.db, scene.client, "sale")
        assert found is not None
        rows = await _fetched(
            scene.db,
            "select m.client_id, w.lane, w.label_key, q.operators[1] as operator_id,"
            " m.scheduled_at is not null as later from message m join queue q using (queue_id)"
            " join (select message_id, lane, label_key from waiting"
            " union all select message_id, lane, label_key from staged) w using (message_id) where m.label = 'sale'",
        )
        held = [
            row
            for row in rows
            if not row["later"]
            and any(each.covers(row["client_id"], row["lane"], row["label_key"], row["operator_id"]) for each in placed)
        ]
        scheduled = sum(row["later"] for row in rows)
        assert (found.scheduled, found.held, found.queued) == (scheduled, len(held), len(rows) - scheduled - len(held))


async def test_what_is_held_is_counted_without_a_look_at_what_waits(scene: Scene) -> None:
    await scene.accept(1000, label="sale", sms_type=SmsType.BATCH)
    later = datetime.now(UTC) + timedelta(hours=2)
    await scene.accept(30, label="sale", sms_type=SmsType.BATCH, scheduled_at=later)
    await scene.accept(1000, label="another", scheduled_at=later + timedelta(minutes=2))
    await folded(scene.db)
    async with scene.db.transaction() as connection:
        await place_hold(connection, Selection(sms_type=SmsType.BATCH), author="test")
    await scene.execute("vacuum analyze")
    connection = await scene.db.dedicated()
    await connection.execute(f"prepare due_held as {sql('reports.label_due_held')}")
    keys = ",".join(map(str, label_keys("sale")))
    values = f"{scene.client}, 'sale', array[{keys}], array[3], array[null]::integer[]"
    plan = [row[0] for row in await connection.fetch(f"explain (analyze, costs off) execute due_held ({values})")]
    connection.terminate()
    assert [line for line in plan if "Seq Scan" in line or "Sort" in line] == []
    assert [line for line in plan if "staged_pkey" in line]
    assert max(float(found) for line in plan for found in re.findall(r"rows=([\d.]+)", line)) <= 30
    found = await label_progress(scene.db, scene.client, "sale")
    assert found is not None
    assert (found.scheduled, found.held, found.queued) == (30, 1000, 0)


async def test_what_is_being_handed_over_is_enroute_wherever_it_is_asked_for(scene: Scene) -> None:
    """Status, list, timeline, report and the progress of a label: one state, while it is claimed and after."""
    ids = [*await scene.accept(2, label="sale"), *await scene.accept(1, label="sale", parts=2, sms_type=SmsType.BATCH)]
    await scene.accept(2, label="other")
    claimed = [claim.message_id for claim in await scene.claim(1)]  # one of each flow: two of the sale
    assert len(claimed) == 3
    await folded(scene.db)
    enroute = sorted(set(claimed) & set(ids))
    assert len(enroute) == 2

    statuses = await message_statuses(scene.db, [(scene.client, each) for each in ids], timeout=5)
    assert [each.message_id for each in statuses if each and each.state is MessageState.ENROUTE] == enroute
    for state, expected in ((MessageState.ENROUTE, enroute), (MessageState.NONE, sorted(set(ids) - set(enroute)))):
        search = MessageSearch(client="demo", label="sale", state=state)
        found = await search_messages(scene.db, search)
        assert [each.message_id for each in found.messages][::-1] == expected
        assert {each.state for each in found.messages} == {state}
    for each in ids:
        timeline = await read_timeline(scene.db, scene.client, each, timeout=5)
        assert timeline is not None and (timeline.state is MessageState.ENROUTE) is (each in enroute)

    rows = {row.label: row for row in await report(scene.db, Dimension.SMS_LABEL)}
    assert (rows["sale"].messages[MessageState.NONE], rows["sale"].messages[MessageState.ENROUTE]) == (1, 2)
    assert (rows["sale"].parts[MessageState.NONE], rows["sale"].parts[MessageState.ENROUTE]) == (1, 3)
    assert (rows["other"].messages[MessageState.NONE], rows["other"].messages[MessageState.ENROUTE]) == (1, 1)
    everything = (
        Dimension.CLIENT, Dimension.SMS_LABEL, Dimension.SENDER_ADDRESS, Dimension.SMS_TYPE, Dimension.OPERATOR,
        Dimension.ROUTE, Dimension.HOUR,
    )  # fmt: skip
    for group_by in ((), (Dimension.DAY,), (Dimension.SMS_TYPE, Dimension.HOUR), everything):
        enroute_rows = [row.messages[MessageState.ENROUTE] for row in await report(scene.db, *group_by)]
        assert sum(enroute_rows) == 3, group_by
    [of_label] = await report(scene.db, label="sale", sms_type=SmsType.BATCH)
    assert (of_label.messages[MessageState.ENROUTE], of_label.parts[MessageState.ENROUTE]) == (1, 2)

    progress = await label_progress(scene.db, scene.client, "sale")
    assert progress is not None
    assert (progress.planned, progress.queued, progress.submitted) == (3, 1, 2)
    async with scene.db.transaction() as connection:
        await place_hold(connection, Selection(scene.client, "sale", SmsType.BATCH), author="ann")
    progress = await label_progress(scene.db, scene.client, "sale")
    assert progress is not None and (progress.held, progress.queued, progress.submitted) == (0, 1, 2)
    async with scene.db.transaction() as connection:
        await place_hold(connection, Selection(scene.client, "sale"), author="client:demo")
    progress = await label_progress(scene.db, scene.client, "sale")
    assert progress is not None and (progress.held, progress.queued, progress.submitted) == (1, 0, 2)


async def test_what_is_claimed_before_it_is_counted_takes_nothing_from_others(scene: Scene) -> None:
    await scene.accept(1, label="sale")
    await folded(scene.db)
    await scene.accept(3, label="sale")
    assert len(await scene.claim()) == 4
    [row] = await report(scene.db, label="sale")
    assert (row.messages[MessageState.NONE], row.messages[MessageState.ENROUTE], row.total) == (0, 1, 1)


async def test_labels_of_late(scene: Scene) -> None:
    other = await add_client(scene.db, "other")
    await scene.accept(2, label="sale")
    await scene.accept(3, label="welcome", client_id=other)
    await scene.accept(1)
    await folded(scene.db)
    since = datetime.now(UTC) - timedelta(days=2)
    everybody = [(seen.client, seen.label, seen.messages) for seen in await recent_labels(scene.db, None, since, 10)]
    assert everybody == [("other", "welcome", 3), ("demo", "sale", 2)]
    assert [seen.label for seen in await recent_labels(scene.db, scene.client, since, 10)] == ["sale"]


async def test_labels_of_late_are_those_of_the_last_days_that_there_is_room_for(scene: Scene) -> None:
    for label, count, days in (
        ("old", 9, 3),
        ("small", 1, 1),
        ("large", 2, 1),
        ("new", 1, 0),
        ("old", 1, 0),
        ("no", 9, 40),
    ):
        ids = await scene.accept(count, label=label)
        await scene.execute(
            "update message set accepted_at = accepted_at - make_interval(days => $2) where message_id = any($1)",
            ids,
            days,
        )
    await folded(scene.db)
    since = datetime.now(UTC) - timedelta(days=31)
    expected = [("old", 10), ("new", 1), ("large", 2), ("small", 1)]
    for limit in (9, 4, 3, 2):
        found = await recent_labels(scene.db, scene.client, since, limit)
        assert [(seen.label, seen.messages) for seen in found] == expected[:limit]
        assert found[0].last_at.date() == datetime.now(UTC).date()


async def test_labels_of_late_cost_what_their_day_has(scene: Scene) -> None:
    await many_labels_of_two_days(scene)
    await scene.execute(
        "insert into report_label select distinct (began at time zone 'UTC')::date, client_id, label"
        " from report_count join report_key using (key_id)"
    )
    for client in ("null", str(scene.client)):
        assert await work(scene, "reports.labels_on", f"{client}, (now() at time zone 'UTC')::date - 2, 1000") <= 10
    values = f"array[{scene.client}], array['a7'], now() - interval '9 days'"
    assert await work(scene, "reports.label_totals", values) <= 1


# -- keys that nothing is counted under


async def keys_of(scene: Scene) -> set[int]:
    return set(await scene.value("select coalesce(array_agg(key_id), '{}') from report_key"))


async def test_unused_keys_go_and_others_stay(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_folding, "ROWS", 3)
    await many_labels(scene, 17)
    keys = await keys_of(scene)
    unused = set(sorted(keys)[:8:2])
    await scene.execute("delete from report_count where key_id = any($1)", unused)
    assert await drop_unused_keys(scene.db) == 0  # there are failures
    await scene.execute("delete from report_failure where key_id = any($1)", [*unused, max(keys)])
    assert await drop_unused_keys(scene.db) == len(unused)
    assert await keys_of(scene) == keys - unused


async def test_who_folds_does_not_wait_while_keys_are_looked_at(scene: Scene, second: Database) -> None:
    await many_labels(scene, 17)
    async with second.transaction() as connection:
        await connection.execute("select pg_advisory_xact_lock(hashtext('payk.report_fold'))")
        assert await asyncio.wait_for(drop_unused_keys(scene.db), 5) == 0


async def test_a_key_that_came_into_use_again_stays(scene: Scene, second: Database) -> None:
    await many_labels(scene, 2)
    await scene.execute("delete from report_failure")
    await scene.execute(
        "create table again as select * from report_count where key_id = (select max(key_id) from report_key)"
    )
    await scene.execute("delete from report_count")
    async with second.transaction() as connection:
        await connection.execute("select pg_advisory_xact_lock(hashtext('payk.report_fold'))")
        dropping = asyncio.create_task(drop_unused_keys(scene.db))
        while not await connection.fetchval("select exists (select from pg_locks where not granted)"):
            pass
        await connection.execute("insert into report_count select * from again")
    assert await dropping == 1
    assert await scene.count("report_key") == 1


# -- bins


def test_the_middle_of_a_bin_is_within_five_percent() -> None:
    for number in range(-72, 140):
        low, high = 1.1**number, 1.1 ** (number + 1)
        assert middle(number) == float(f"{middle(number):.4g}")  # as it is told
        assert abs(middle(number) - low) / low < 0.05
        assert abs(middle(number) - high) / high < 0.05


async def test_the_database_bins_as_we_do(database: Database) -> None:
    random = Random(7)
    times = [random.uniform(-3, 6) for _ in range(500)]
    async with database.connection() as connection:
        found = await connection.fetch(
            "select report_bin(now(), now() + make_interval(secs => s)) as bin, s from unnest($1::float8[]) s",
            [10**exponent for exponent in times],
        )
    for row in found:
        assert abs(middle(row["bin"]) / max(row["s"], 0.001) - 1) < 0.051
