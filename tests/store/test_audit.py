"""The audit log: only added to, a chain without a gap whoever adds to it, and what was tampered with is found."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest

from payk.domain.access import Actor, PrincipalKind
from payk.domain.audit import FIRST_HASH, AuditEntry
from payk.store import audit
from payk.store.database import Database
from payk.store.errors import StoreRefused

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
    assert [e.sequence for e in await audit.newest(database, 2, object_name="u3")] == [4]
    assert [e.sequence for e in await audit.newest(database, 2, before=10)] == [9, 8]
