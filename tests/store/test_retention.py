"""Old messages go a partition at a time, and only when every one in it is finished; readers and writers go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import structlog

from payk.domain.message import MessageState, SmsType
from payk.domain.outcome import Accepted, Refused, Uncertain
from payk.domain.outcome import RefusalKind as Kind
from payk.maintenance import pruning, retention
from payk.store import leaving
from payk.store import retention as verbs
from payk.store.database import SESSION, Database
from payk.store.receipts import Inbound, parked_due, settle_parked, store_inbound
from payk.store.statuses import message_statuses
from payk.store.timeline import read_timeline
from payk.store.upkeep import ensure_partitions
from tests.store.scene import Scene

OLD = "message_100000000"
DAYS = 90


async def partitions(scene: Scene, below: int = 110_000_000) -> list[str]:
    """Tables of messages and receipts with ids below the present one, attached or not; by default the first ones."""
    found = await scene.value(
        "select coalesce(array_agg(relname::text order by relname), '{}') from pg_class"
        " where relnamespace = 'payk'::regnamespace and relkind = 'r' and relname ~ '^(message|receipt)_1[0-9]{8}$'"
    )
    return [name for name in found if int(name.rsplit("_", 1)[1]) < below]


async def next_partition(scene: Scene, first: int = 110_000_000) -> None:
    """Ids go on in another partition."""
    await scene.execute("select setval('message_id', $1, false)", first)
    await ensure_partitions(scene.db)


async def grow_old(scene: Scene, days: int = 100) -> None:
    """Everything that is there happened so many days earlier."""
    for table, columns in {
        "message": ["accepted_at", "scheduled_at", "submitted_at", "done_at"],
        "uncertain_part": ["submitted_at"],
        "unnamed_part": ["submitted_at"],
        "refusal": ["refused_at"],
        "inbound": ["received_at"],
        "old_partition": ["told_at"],
    }.items():
        changes = ", ".join(f"{column} = {column} - make_interval(days => {days})" for column in columns)
        await scene.execute(f"update {table} set {changes}")


async def run(scene: Scene, days: int = DAYS) -> list[str]:
    """A round of the duty; returns the tables that are left of old ids."""
    assert await retention.run_once(scene.db, days) == 0
    return await partitions(scene)


async def finished(scene: Scene, smsc_id: str = "a") -> int:
    """A message that was delivered."""
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, smsc_id))
    await scene.receive(scene.report(smsc_id))
    return claim.message_id


@asynccontextmanager
async def reader(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A report under way: it has read messages, and its snapshot stays."""
    connection = await asyncpg.connect(dsn, server_settings=SESSION)
    try:
        await connection.execute("begin isolation level repeatable read read only")
        assert await connection.fetchval("select count(*) from message") > 0
        yield connection
    finally:
        connection.terminate()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "PATIENCE", "50ms")


# -- what goes, and what it leaves


async def test_a_finished_old_partition_goes_with_all_that_it_left(scene: Scene) -> None:
    done = await finished(scene)
    refused, uncertain = await scene.claimed(), await scene.claimed(sms_type=SmsType.BATCH)
    await scene.record(refused, Refused(1, 8, Kind.PERMANENT))
    await scene.record(uncertain, Uncertain(1, "time-out"))
    await scene.execute("update awaiting set due = now()")
    await scene.execute("update message set state = 7, done_at = now() where done_at is null")
    await scene.execute("delete from awaiting")
    await store_inbound(scene.db, [Inbound(scene.operator, scene.link, "1", "2", b"old")])
    await next_partition(scene)
    assert OLD in await run(scene)  # nothing of it is old
    await grow_old(scene)
    await store_inbound(scene.db, [Inbound(scene.operator, scene.link, "1", "2", b"young")])
    young = await finished(scene, "b")
    assert await run(scene) == []
    assert await scene.ids("message") == [young] and await scene.ids("receipt") == [young]
    assert await scene.count("uncertain_part") == await scene.count("refusal") == 0
    assert await scene.value("select array_agg(pdu) from inbound") == [b"young"]
    assert await scene.count("old_partition") == await scene.count("leaving_partition") == 0
    # As one that never was.
    assert await message_statuses(scene.db, [(scene.client, done)], timeout=5) == [None]
    assert await read_timeline(scene.db, scene.client, done, timeout=5) is None
    assert await run(scene) == [] and await ensure_partitions(scene.db) == 0


async def test_what_is_young_stays_and_zero_keeps_all(scene: Scene) -> None:
    message_id = await finished(scene)
    await next_partition(scene)
    await grow_old(scene, 89)
    assert OLD in await run(scene)
    await grow_old(scene, 2)
    assert OLD in await run(scene, 0)
    assert OLD in await run(scene, 92)
    assert await scene.ids("message") == [message_id]
    assert await run(scene) == [] and await scene.ids("message") == []


async def test_one_young_message_among_old_ones_keeps_them(scene: Scene) -> None:
    first = await finished(scene)
    for number in range(3):
        await finished(scene, f"n{number}")
    await next_partition(scene)
    await grow_old(scene)
    await scene.execute("update message set accepted_at = now() where message_id = $1", first)
    assert OLD in await run(scene)
    # By its last ids a partition may look old: that is no more than a reason to read it.
    await scene.execute("update message set accepted_at = now() - interval '89 days' where message_id = $1", first)
    old = verbs.Partition(OLD, "message", 100_000_000, 110_000_000)
    before = datetime.now(UTC) - timedelta(days=90)
    assert await verbs.what_keeps(scene.db, old, before) == verbs.Kept("message", first)


async def test_the_partition_of_the_present_id_and_those_ahead_stay(scene: Scene) -> None:
    await finished(scene)
    await grow_old(scene)
    before = await partitions(scene)
    assert await run(scene) == before and OLD in before
    await scene.execute("select setval('message_id', 109999999)")  # the last id of the first partition
    assert await run(scene) == before
    await scene.execute("select setval('message_id', 110000000)")
    assert await finished(scene, "b") == 110_000_001
    assert OLD not in await run(scene)
    assert await scene.accept() == [110_000_002]  # no id is given twice


async def test_a_repeat_that_may_still_be_recognised_keeps_its_message(scene: Scene) -> None:
    keyed = {"repeat_digest": b"d" * 16, "repeat_window": 5 * 86_400}
    [first] = await scene.accept(**keyed)
    [claim] = await scene.claim()
    await scene.record(claim, Accepted(1, "a"))
    await scene.receive(scene.report("a"))
    await next_partition(scene)
    await grow_old(scene, 4)
    await scene.execute("update client set client_message_id_window = 5 * 86400")
    assert OLD in await run(scene, 1)
    assert await scene.accept(**keyed) == [first]
    await grow_old(scene, 2)
    assert await run(scene, 1) == []


# -- what keeps a partition


async def staged(scene: Scene) -> int:
    [message_id] = await scene.accept(scheduled_at=datetime.now(UTC) + timedelta(days=300))
    return message_id


async def waiting(scene: Scene) -> int:
    [message_id] = await scene.accept()
    return message_id


async def claimed(scene: Scene) -> int:
    return (await scene.claimed()).message_id


async def awaited(scene: Scene) -> int:
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, "awaited"))
    return claim.message_id


async def set_aside(scene: Scene) -> int:
    [message_id] = await scene.accept()
    await scene.execute(
        "with gone as (delete from waiting returning *) insert into set_aside (message_id, client_id, label_key,"
        " queue_id, lane, rank, attempt, uncertain_count) select message_id, client_id, label_key, queue_id, lane,"
        " rank, attempt, uncertain_count from gone"
    )
    return message_id


async def unknown_a_moment_ago(scene: Scene) -> int:
    """Its receipt may still come, and be found by its addresses."""
    claim = await scene.claimed(sms_type=SmsType.BATCH)
    await scene.record(claim, Uncertain(1, "time-out"))
    await scene.execute("delete from awaiting where message_id = $1", claim.message_id)
    await scene.execute(
        "update message set state = 7, done_at = now(), accepted_at = accepted_at - interval '1 hour'"
        " where message_id = $1", claim.message_id
    )  # fmt: skip
    return claim.message_id


KEEPERS = {
    staged: "staged", waiting: "waiting", claimed: "waiting", awaited: "message", set_aside: "set aside",
    unknown_a_moment_ago: "uncertain",
}  # fmt: skip


@pytest.mark.parametrize("unfinished", KEEPERS)
async def test_one_unfinished_message_keeps_its_partition(scene: Scene, unfinished: object) -> None:
    await finished(scene)
    message_id = await unfinished(scene)  # type: ignore[operator]
    await finished(scene, "b")
    await next_partition(scene)
    await grow_old(scene)
    if unfinished is unknown_a_moment_ago:
        await scene.execute("update uncertain_part set submitted_at = now() - interval '1 day'")
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            assert OLD in await run(scene)
        [line] = lines  # once a day
        assert (line["partition"], line["message_id"]) == (OLD, message_id)
        assert line["found_in"] == KEEPERS[unfinished]  # type: ignore[index]
        await grow_old(scene, 2)
        await scene.execute("update uncertain_part set submitted_at = now() - interval '1 day'")
        assert OLD in await run(scene) and len(lines) == 2
    for table in ("waiting", "staged", "set_aside", "awaiting", "uncertain_part"):
        await scene.execute(f"delete from {table}")
    await scene.execute(
        "update message set state = 5, done_at = now() where message_id = $1 and done_at is null", message_id
    )
    assert await run(scene) == []


async def test_a_receipt_that_is_awaited_keeps_even_a_message_that_looks_final(scene: Scene) -> None:
    message_id = await awaited(scene)
    await scene.execute("update message set state = 2, done_at = now()")
    await next_partition(scene)
    await grow_old(scene)
    old = verbs.Partition(OLD, "message", 100_000_000, 110_000_000)
    assert await verbs.what_keeps(scene.db, old, datetime.now(UTC)) == verbs.Kept("awaiting", message_id)


async def test_what_was_read_is_not_read_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "STRETCH", 2)
    ids = [await finished(scene, f"n{number}") for number in range(4)]
    ids.append(await awaited(scene))
    ids.append(await finished(scene, "last"))
    await next_partition(scene)
    await grow_old(scene)
    assert OLD in await run(scene)
    assert await scene.value("select finished_below from old_partition") == ids[4]
    # Nobody asks for the first ones a second time, so this is not seen.
    await scene.execute("update message set state = 1, done_at = null where message_id = $1", ids[0])
    await scene.receive(scene.report("awaited"))
    assert await run(scene) == []


async def test_a_partition_without_messages_goes_when_the_next_one_is_old(scene: Scene) -> None:
    await next_partition(scene, 150_000_000)
    await run(scene)
    assert len(await partitions(scene, 150_000_000)) == 6  # of nothing nobody knows the age
    message_id = await finished(scene)
    await run(scene)
    assert len(await partitions(scene, 150_000_000)) == 6
    await scene.execute("update message set accepted_at = accepted_at - interval '100 days'")
    await run(scene)
    assert await partitions(scene, 150_000_000) == [] and await scene.ids("message") == [message_id]


async def test_between_two_partitions_rows_of_dropped_messages_go_too(scene: Scene) -> None:
    kept = await staged(scene)
    await next_partition(scene, 110_000_000)
    refused = await scene.claimed()
    await scene.record(refused, Refused(1, 8, Kind.PERMANENT))
    await next_partition(scene, 120_000_000)
    await scene.execute("insert into refusal values ($1, now(), 1, 1, 8, 1, 1)", kept)
    await grow_old(scene)
    await finished(scene)
    await run(scene)
    assert await partitions(scene, 120_000_000) == [OLD, "receipt_100000000"]
    assert await scene.ids("refusal") == [kept]


def test_gaps_between_partitions() -> None:
    def partition(low: int, high: int) -> verbs.Partition:
        return verbs.Partition("", "message", low, high)

    assert verbs.gaps([]) == []
    assert verbs.gaps([partition(0, 10), partition(10, 20)]) == []
    assert verbs.gaps([partition(10, 20), partition(30, 40), partition(40, 50)]) == [(0, 10), (20, 30)]


async def test_nothing_goes_on_a_line_of_history_that_is_not_known(scene: Scene) -> None:
    await finished(scene)
    await next_partition(scene)
    await grow_old(scene)
    await scene.execute("update continuity set line = 'another'")
    assert OLD in await run(scene)
    await scene.execute("update continuity set line = history_line()")
    assert await run(scene) == []


async def test_a_receipt_for_a_dropped_message_is_parked_and_given_up(scene: Scene) -> None:
    await finished(scene)
    await next_partition(scene)
    await grow_old(scene)
    assert await run(scene) == []
    [settled] = await scene.receive(scene.report("a"))
    assert settled.message_id is None and await scene.count("parked_receipt") == 1
    await scene.execute("update parked_receipt set next_try_at = now()")
    due = await parked_due(scene.db, 10)
    [settled] = await settle_parked(scene.db, due, scene.directory, scene.wait)
    assert settled.message_id is None
    await scene.execute("update parked_receipt set received_at = now() - interval '73 hours'")
    await pruning.run_once(scene.db)
    assert await scene.count("parked_receipt") == 0


# -- readers, writers, other processes, interruptions


async def test_a_long_reader_holds_up_nobody_but_the_drop(scene: Scene, dsn: str, hasty: None) -> None:
    old = await finished(scene)
    await next_partition(scene)
    await grow_old(scene)
    young = await finished(scene, "b")
    async with reader(dsn) as report:
        with structlog.testing.capture_logs() as lines:
            assert OLD in await run(scene)
        assert lines[-1]["partitions"] == [OLD]
        assert await scene.value("select inhdetachpending from pg_inherits where inhrelid = $1::regclass", OLD)
        # The report goes on to see what it saw; everybody else sees nothing of it, and goes on.
        assert await report.fetchval("select array_agg(message_id order by message_id) from message") == [old, young]
        assert await message_statuses(scene.db, [(scene.client, old)], timeout=5) == [None]
        third = await finished(scene, "c")
        await next_partition(scene, 170_000_000)
        assert OLD in await run(scene)  # still read
    async with asyncio.timeout(10):
        while OLD in await run(scene):
            pass  # the server has not noticed yet that the reader is gone
    assert await scene.ids("message") == [young, third] and await scene.count("leaving_partition") == 0


async def test_writers_go_on_while_the_drop_waits_for_a_reader(scene: Scene, second: Database, dsn: str) -> None:
    await finished(scene)
    await next_partition(scene)
    await grow_old(scene)
    await finished(scene, "b")
    async with reader(dsn):
        dropping = asyncio.create_task(retention.run_once(second, DAYS))
        while not await scene.value("select exists (select from pg_inherits where inhdetachpending)"):
            assert not dropping.done()
        # It waits now, for 2 s; each of these would wait behind it if it held a lock.
        await scene.execute("set lock_timeout = '100ms'")
        [message_id] = await scene.accept()
        for claim in await scene.claim():
            await scene.record(claim, Accepted(1, "c"))
        await scene.receive(scene.report("c"))
        assert not dropping.done()
        assert await scene.state(message_id) is MessageState.DELIVERED
        await dropping
    await scene.execute("reset lock_timeout")


@pytest.mark.parametrize("stage", ["marked", "detached", "dropped"])
async def test_what_was_interrupted_goes_on(scene: Scene, stage: str) -> None:
    await finished(scene)
    await next_partition(scene)
    await grow_old(scene)
    await scene.execute("insert into leaving_partition (name, parent) values ($1, 'message')", OLD)
    if stage != "marked":
        await scene.execute(f"alter table message detach partition {OLD}")
    if stage == "dropped":
        await scene.execute(f"drop table {OLD}")
    assert await run(scene) == [] and await scene.count("leaving_partition") == 0


async def test_a_mark_alone_does_not_drop_what_is_to_stay_by_now(scene: Scene) -> None:
    message_id = await finished(scene)
    await next_partition(scene)
    await grow_old(scene)
    await scene.execute("insert into leaving_partition (name, parent) values ($1, 'message')", OLD)
    assert OLD in await run(scene, 365) and await scene.ids("message") == [message_id]
    assert await scene.count("leaving_partition") == 0


async def test_what_somebody_detached_by_hand_is_theirs(scene: Scene) -> None:
    await finished(scene)
    await next_partition(scene)
    await grow_old(scene)
    await scene.execute(f"alter table message detach partition {OLD}")
    assert OLD in await run(scene) and await scene.value(f"select count(*) from {OLD}") == 1


async def test_keys_of_requests_whose_detaching_was_interrupted_go_too(scene: Scene, dsn: str, hasty: None) -> None:
    await scene.execute(
        "do $$ begin execute format('create table payk.idempotency_%s partition of payk.idempotency for values"
        " from (%L) to (%L)', to_char(current_date - 40, 'YYYYMMDD'), current_date - 40, current_date - 39); end $$"
    )
    await scene.accept()
    old = "select count(*) from pg_class where relname = 'idempotency_' || to_char(current_date - 40, 'YYYYMMDD')"
    connection = await asyncpg.connect(dsn, server_settings=SESSION)
    await connection.execute("begin; select from idempotency")
    await pruning.run_once(scene.db)
    assert await scene.value(old) == 1
    await connection.execute("commit")
    await connection.close()
    await pruning.run_once(scene.db)
    assert await scene.value(old) == 0


async def test_two_processes_at_once_do_no_harm(scene: Scene, second: Database) -> None:
    for number, first in enumerate((110_000_000, 120_000_000, 130_000_000)):
        await finished(scene, str(number))
        await next_partition(scene, first)
    kept = await finished(scene, "kept")
    await scene.execute(
        "update message set accepted_at = accepted_at - interval '100 days' where message_id < $1", kept
    )
    await asyncio.gather(*(retention.run_once(db, DAYS) for db in (scene.db, second) * 2))
    await run(scene)
    assert await partitions(scene, 130_000_000) == [] and await scene.ids("message") == [kept]
    assert await scene.count("leaving_partition") == await scene.count("old_partition") == 0
