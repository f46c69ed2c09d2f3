"""The schema is what the migrations make, and every named query fits it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from payk.store.database import Database
from payk.store.errors import NotOurs, SchemaMissing, SchemaNewer
from payk.store.migrations import check_schema, migrate, migrations
from payk.store.queries import all_queries
from tests.store.locks import until_somebody_waits


async def test_every_query_can_be_prepared(database: Database) -> None:
    queries = all_queries()
    assert queries
    async with database.connection() as connection:
        for name, text in queries.items():
            try:
                await connection.prepare(text)
            except asyncpg.PostgresError as error:
                pytest.fail(f"{name}: {error}")


HOT = (
    "accept.claim_digests", "accept.take", "claims.present_flows", "claims.claim_rows", "counting.take_counted",
    "outcomes.hand_over", "outcomes.insert_receipt_keys", "outcomes.lock_messages", "receipts.settle_plain",
    "receipts.find_keys", "receipts.settle", "statuses.message_statuses", "upkeep.stage_due", "upkeep.unanswered",
)  # fmt: skip
"""What is asked for every batch, or several times a second."""


@pytest.mark.parametrize("looked_at", [False, True])
async def test_no_hot_query_reads_a_whole_table_even_if_planned_while_it_was_empty(
    database: Database, looked_at: bool
) -> None:
    connection = await database.dedicated()
    if looked_at:
        await connection.execute("vacuum analyze")
    for number, name in enumerate(HOT):
        text = all_queries()[name]
        parameters = len((await connection.prepare(text)).get_parameters())
        await connection.execute(f"prepare hot_{number} as {text}")
        values = f"({', '.join(['null'] * parameters)})" if parameters else ""
        plan = [row[0] for row in await connection.fetch(f"explain execute hot_{number}{values}")]
        whole = [line.strip() for line in plan if "Seq Scan" in line]
        assert whole == [], name
    connection.terminate()


async def test_a_digest_is_looked_for_on_one_day_after_the_other(database: Database) -> None:
    """In a range of days PostgreSQL 15 to 17 read every key of a day: seconds, where there are a million."""
    connection = await database.dedicated()
    await connection.execute("set enable_partition_pruning = off")  # or children that it leaves out are not shown
    looked = {}
    for name, text in all_queries().items():
        if "idempotency k" not in text:
            continue
        await connection.execute(f"prepare looking as {text}")
        nulls = ", ".join(["null"] * len((await connection.prepare(text)).get_parameters()))
        plan = [row[0].strip() for row in await connection.fetch(f"explain execute looking({nulls})")]
        await connection.execute("deallocate looking")
        looked[name] = [after for line, after in pairwise(plan) if " on idempotency_" in line and "Scan" in line]
    connection.terminate()
    assert set(looked) >= {
        "accept.take",
        "counting.take_counted",
        "accept.find_digests",
        "accept.take_over_digests",
        "charging.give_back_digests",
    }
    for name, conditions in looked.items():
        assert conditions, name
        for condition in conditions:
            assert re.match(r"Index Cond: .*\(day = .*client_id = .*digest = ", condition), (name, condition)


WHOLE_INDEX = {
    "charging.prune_number_use": "old counts of whatever number, a slice at a time; nothing waits for it",
    "charging.prune_usage": "old days of all clients, now and then; a table of a row a client and a day",
    "retention.awaits": "the last question before a partition goes, asked once",
}
"""Queries that may go through an index without a condition on its first column, and why."""

_FIRST_COLUMNS = """select c.relname, pg_get_indexdef(i.indexrelid, 1, true)
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'payk'"""


def _scans(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The indexes that a plan goes through by a condition, each with it."""
    if "Index Name" in node and "Index Cond" in node:
        yield node["Index Name"], node["Index Cond"]
    for below in node.get("Plans", ()):
        yield from _scans(below)


async def test_no_query_goes_through_an_index_without_a_condition_on_its_first_column(database: Database) -> None:
    """Where the tables are empty any index is as good as another, and the plan is kept while they fill."""
    connection = await database.dedicated()
    first = {row[0]: row[1] for row in await connection.fetch(_FIRST_COLUMNS)}
    found: dict[str, set[tuple[str, str]]] = {}
    for name, text in all_queries().items():
        if re.match("(select|with|insert|update|delete)", re.sub("(?m)^--.*\n", "", text)) is None:
            continue
        await connection.execute(f"prepare planned as {text}")
        nulls = ", ".join(["null"] * len((await connection.prepare(text)).get_parameters()))
        explained = f"explain (format json) execute planned{f'({nulls})' if nulls else ''}"
        plans = json.loads(await connection.fetchval(explained))
        await connection.execute("deallocate planned")
        scans = [scan for plan in plans for scan in _scans(plan["Plan"]) if scan[0] in first]
        whole = {(index, by) for index, by in scans if not re.search(rf"(?<!\w){re.escape(first[index])}(?!\w)", by)}
        if whole:
            found[name] = whole
    connection.terminate()
    assert {name: scans for name, scans in found.items() if name not in WHOLE_INDEX} == {}


async def test_every_query_says_what_it_does() -> None:
    assert [name for name, text in all_queries().items() if not text.startswith("-- ")] == []


async def test_migrating_twice_does_nothing_the_second_time(empty_dsn: str) -> None:
    db = await Database.open(empty_dsn)
    with pytest.raises(SchemaMissing, match="payk migrate"):
        await check_schema(db)
    assert [step.number for step in await migrate(db)] == [step.number for step in migrations()]
    assert await migrate(db) == []
    await check_schema(db)
    await db.close()


async def test_two_processes_migrate_at_the_same_instant(empty_dsn: str) -> None:
    first, second = await Database.open(empty_dsn), await Database.open(empty_dsn)
    done = await asyncio.gather(migrate(first), migrate(second))
    assert sorted(len(steps) for steps in done) == [0, len(migrations())]
    await first.close()
    await second.close()


async def test_migrating_gives_way_to_the_version_that_serves(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its transactions lock the same tables in an order of their own, and none of them fails."""
    db, steps = await Database.open(empty_dsn), migrations()
    with monkeypatch.context() as before:
        before.setattr("payk.store.migrations.migrations", lambda: steps[:1])
        await migrate(db)
    async with db.transaction() as serving:
        await serving.execute("select from receipt_key")
        migrating = asyncio.create_task(migrate(db))
        await until_somebody_waits(db)
        columns = "message_id, operator_id, link_id, part, raw_state"
        await serving.execute(f"insert into receipt ({columns}) values (100000000, 1, 1, 1, '')")
    assert [step.number for step in await migrating] == [step.number for step in steps[1:]]
    await db.close()


async def test_an_index_that_was_built_while_all_went_on_is_taken_over(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/operations.md says, for those whose outcomes cannot wait."""
    page = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
    [statement] = re.findall(r"```sql\n(select format\('create index.*?)```", page, re.DOTALL)
    db, steps = await Database.open(empty_dsn), migrations()
    with monkeypatch.context() as before:
        before.setattr("payk.store.migrations.migrations", lambda: [step for step in steps if step.number < 28])
        await migrate(db)
    async with db.connection(timeout=60) as connection:
        lines = [row[0] for row in await connection.fetch(statement)]
        for line in lines:
            await connection.execute(line)
    await migrate(db)
    async with db.connection() as connection:
        built = await connection.fetch(
            "select tablename, count(*) as times from pg_indexes"
            " where tablename like 'receipt\\_key\\_%' and indexdef like '%ltrim%submitted_at%' group by tablename"
        )
        children = await connection.fetchval(
            "select count(*) from pg_inherits where inhparent = 'receipt_key_newest'::regclass"
        )
    assert {row["times"] for row in built} == {1} and children == len(lines) == len(built) > 1
    await db.close()


async def test_a_database_that_holds_something_else_is_refused(empty_dsn: str) -> None:
    db = await Database.open(empty_dsn)
    async with db.connection() as connection:
        await connection.execute("create table public.invoices (id integer)")
    with pytest.raises(NotOurs, match=r"public\.invoices"):
        await check_schema(db)
    with pytest.raises(NotOurs, match="a database of its own"):
        await migrate(db)
    await db.close()


async def test_a_newer_schema_is_refused(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("insert into migration (number, name) values (9999, 'future')")
    with pytest.raises(SchemaNewer, match="9999"):
        await check_schema(database)
    with pytest.raises(SchemaNewer):
        await migrate(database)


async def test_the_first_message_id_is_a_setting_of_a_new_database(empty_dsn: str) -> None:
    db = await Database.open(empty_dsn)
    await migrate(db, first_message_id=123_861_959)
    async with db.connection() as connection:
        assert await connection.fetchval("select nextval('message_id')") == 123_861_959
        assert await connection.fetchval("select to_regclass('payk.message_120000000') is not null")
    with pytest.raises(NotOurs, match="already reached 123861959"):
        await migrate(db, first_message_id=5)
    await db.close()
