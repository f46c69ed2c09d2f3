"""The audit log: only added to, a chain without a gap whoever adds to it, and what was tampered with is found."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from payk.domain.access import Actor, PrincipalKind
from payk.domain.audit import FIRST_HASH, AuditEntry
from payk.store import audit
from payk.store.database import Database
from payk.store.errors import StoreRefused
from payk.store.queries import sql

BORIS = Actor(PrincipalKind.USER, "boris", 7, "192.0.2.1", "abc")


def entry(number: int = 0, **detail: object) -> AuditEntry:
    return AuditEntry(BORIS, "user.disable", "user", f"u{number}", detail)


async def by_force(db: Database, statement: str) -> None:
    """As whoever owns the tables can."""
    connection = await db.dedicated()
    await connection.execute("alter table audit_entry disable trigger user")
    await connection.execute(statement)
    await connection.execute("alter table audit_entry enable trigger user")
    connection.terminate()


async def test_the_chain_is_as_documented(database: Database) -> None:
    await audit.record(database, [entry(1, b=1.5, a="Салом\0"), entry(2)])
    first, second = [found async for found in audit.entries(database)]
    assert (first.sequence, first.previous_hash, second.sequence, second.previous_hash) == (
        1,
        FIRST_HASH,
        2,
        first.hash,
    )
    shown = first.as_json()
    members = [value for name, value in shown.items() if name not in ("hash", "previous_hash")]
    members[-1] = json.dumps(shown["detail"], separators=(",", ":"), sort_keys=True)
    written = json.dumps([*members, shown["previous_hash"]], separators=(",", ":"))
    assert hashlib.sha256(written.encode()).hexdigest() == shown["hash"]
    assert json.loads(first.detail) == {"a": "Салом\0", "b": 1.5}


async def test_what_two_pools_add_at_once_is_one_chain(dsn: str, database: Database) -> None:
    other = await Database.open(dsn)
    await asyncio.gather(*(audit.record(db, [entry(n), entry(n)]) for n in range(40) for db in (database, other)))
    await other.close()
    verdict = await audit.verify(database)
    assert (verdict.whole, verdict.count) == (True, 160)
    assert [found.sequence async for found in audit.entries(database)] == list(range(1, 161))


async def test_what_is_rolled_back_leaves_no_gap(database: Database) -> None:
    await audit.record(database, [entry(1)])

    async def give_up() -> None:
        async with database.transaction() as connection:
            await audit.append(connection, [entry(2)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await give_up()
    await audit.record(database, [entry(3)])
    assert [(e.sequence, e.object_name) async for e in audit.entries(database)] == [(1, "u1"), (2, "u3")]
    assert (await audit.verify(database)).whole


@pytest.mark.parametrize(
    "statement",
    ["update audit_entry set act = 'x'", "delete from audit_entry", "truncate audit_entry"],
)
async def test_nothing_is_changed_or_removed(database: Database, statement: str) -> None:
    await audit.record(database, [entry()])

    async def run() -> None:
        async with database.transaction() as connection:
            await connection.execute(statement)

    with pytest.raises(StoreRefused, match="only added to"):
        await run()
    assert (await audit.verify(database)).count == 1


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        *(
            (f"update audit_entry set {change} where sequence = 3", 3)
            for change in (
                "at = at + interval '1 us'", "actor_kind = 'local'", "actor_id = 8", "actor_name = 'anna'",
                "address = ''", "request_id = ''", "act = 'x'", "object_kind = 'x'", "object_name = 'x'",
                "detail = '{ }'", "previous_hash = hash", "hash = previous_hash",
            )
        ),
        ("delete from audit_entry where sequence = 1", 1),
        ("delete from audit_entry where sequence = 3", 3),
        ("delete from audit_entry where sequence > 3", 4),
        ("delete from audit_entry", 1),
        ("update audit_entry set sequence = sequence + 10 where sequence > 3", 4),
        ("update audit_head set hash = sha256('x')", 5),
    ],
)  # fmt: skip
async def test_what_was_tampered_with_is_named(database: Database, statement: str, broken: int) -> None:
    await audit.record(database, [entry(number) for number in range(5)])
    await by_force(database, statement)
    verdict = await audit.verify(database)
    assert verdict.broken == broken and verdict.why


async def test_the_last_entries_can_be_verified_alone(database: Database) -> None:
    await audit.record(database, [entry(number) for number in range(20)])
    await by_force(database, "update audit_entry set act = 'x' where sequence = 5")
    assert (await audit.verify(database)).broken == 5
    verdict = await audit.verify(database, last=10)
    assert (verdict.whole, verdict.count) == (True, 10)
    assert (await audit.verify(database, last=16)).broken == 5


async def test_an_anchor_shows_that_the_end_was_cut_off_or_written_anew(database: Database) -> None:
    await audit.record(database, [entry(number) for number in range(5)])
    anchor = await audit.head(database)
    assert (await audit.verify(database, anchor=anchor)).whole
    before = [found async for found in audit.entries(database)][2]
    await by_force(
        database,
        "delete from audit_entry where sequence > 3;"
        f" update audit_head set sequence = 3, hash = decode('{before.hash.hex()}', 'hex')",
    )
    assert (await audit.verify(database)).whole  # nothing in the database shows it any more
    assert (await audit.verify(database, anchor=anchor)).broken == 4
    await audit.record(database, [entry(number) for number in range(5)])
    assert (await audit.verify(database, anchor=anchor)).broken == 5


async def test_a_walk_in_slices(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await audit.record(database, [entry(number) for number in range(2_500)])
    verdict = await audit.verify(database)
    assert (verdict.whole, verdict.count) == (True, 2_500)
    assert [e.sequence for e in (await audit.newest(database, 2, object_name="u3")).entries] == [4]
    assert [e.sequence for e in (await audit.newest(database, 2, before=10)).entries] == [9, 8]


async def long_log(db: Database, count: int) -> datetime:
    """A log of so many entries, a second apart, each tenth of another actor and act; when the first one was made."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    async with db.connection() as connection:
        await connection.execute(
            "insert into audit_entry select n, $1::timestamptz + make_interval(secs => n), 'user', 7,"
            " 'user ' || n % 10, '', '', 'act ' || n % 10, 'client', 'client ' || n % 1000, '{}', '', ''"
            " from generate_series(1, $2) n",
            began,
            count,
        )
        await connection.execute("update audit_head set sequence = $1", count)
        await connection.execute("analyze audit_entry")
    return began


async def pages_read(db: Database, query: str, values: str) -> int:
    """Pages that a statement reads, with a plan that is made without its values."""
    connection = await db.dedicated()
    await connection.execute("set plan_cache_mode = force_generic_plan")
    await connection.execute(f"prepare looked as {sql(query)}")
    [told] = json.loads(await connection.fetchval(f"explain (analyze, buffers, format json) execute looked ({values})"))
    connection.terminate()
    return int(told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"])


async def test_the_first_entry_since_a_moment_is_looked_up_and_not_read_up_to(database: Database) -> None:
    began = await long_log(database, 50_000)
    since = began + timedelta(seconds=49_000)
    assert [found.sequence async for found in audit.entries(database, since=since)] == list(range(49_000, 50_001))
    assert await pages_read(database, "audit.first_since", f"'{since}'") < 100


async def test_a_clock_that_was_set_back_keeps_no_entry_from_those_since_a_moment(database: Database) -> None:
    began = await long_log(database, 2_000)
    await by_force(database, f"update audit_entry set at = '{began}' where sequence = 1500")
    await by_force(database, "update audit_entry set at = at + interval '60 s' where sequence = 1499")
    since = began + timedelta(seconds=1_510)
    assert [found.sequence async for found in audit.entries(database, since=since)][:2] == [1_499, 1_500]


async def test_entries_of_an_object_are_found_by_their_index(database: Database) -> None:
    await long_log(database, 50_000)
    page = await audit.newest(database, 3, object_kind="client", object_name="client 7", actor="user 7")
    assert [found.sequence for found in page.entries] == [49_007, 48_007, 47_007] and page.cursor == 47_007
    page = await audit.newest(database, 3, object_kind="client", object_name="client 7", before=2_007)
    assert [found.sequence for found in page.entries] == [1_007, 7] and page.cursor is None
    values = "50001, 3, 'client', 'client 7', null, null"
    assert await pages_read(database, "audit.newest_of_object", values) < 30


async def test_what_has_no_index_is_looked_for_as_far_back_as_a_page_may_cost(database: Database) -> None:
    await long_log(database, 10_000)
    budget = audit.LookBudget(entries=3_000, first=500, slice=1_000)
    assert await pages_read(database, "audit.newest", "9001, 3, null, null, 'nobody', null, null, 8001") < 100
    found, before, pages = [], None, 0
    while pages == 0 or before is not None:
        page = await audit.newest(database, 200, actor="user 3", before=before, budget=budget)
        found += [entry.sequence for entry in page.entries]
        before, pages = page.cursor, pages + 1
    assert found == list(range(9_993, 0, -10))
    page = await audit.newest(database, 5, actor="nobody", budget=budget)
    assert page == ([], 7_001)
    assert (await audit.newest(database, 5, act="act 1", before=12)).entries[0].sequence == 11
    assert await audit.newest(database, 5, actor="nobody", before=100) == ([], None)
    assert await audit.newest(database, 5, before=1) == ([], None)


async def test_an_empty_log_has_no_page_after_it(database: Database) -> None:
    assert await audit.newest(database, 5) == ([], None)
