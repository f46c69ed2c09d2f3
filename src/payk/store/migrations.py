"""Numbered migrations under a lock, and the question whether a database is one that this code can serve.

A migration is a file migrations/NNNN_name.sql, run once, in order; all that are to be run in one transaction. What has
run is kept in payk.migration. Everything lives in a schema of its own, `payk`, so that a database that holds something
else is seen.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from importlib.resources import files

from payk.store.database import Connection, Database
from payk.store.errors import NotOurs, SchemaMissing, SchemaNewer, StoreBusy

__all__ = ["Migration", "check_schema", "clock_difference", "migrate", "migrations"]

LOWEST_SERVER_VERSION = 15
_LOCK = "payk.migrate"
_TRIES = 60
_PAUSE = 0.5
"""Seconds between two tries, for those who waited behind the first."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    statements: str


def migrations() -> list[Migration]:
    """Every migration this code knows, in order."""
    found = []
    for entry in (files("payk.store") / "migrations").iterdir():
        match = re.fullmatch(r"(\d{4})_(\w+)\.sql", entry.name)
        if match:
            found.append(Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.number)


async def migrate(db: Database, *, first_message_id: int | None = None) -> list[Migration]:
    """Bring the schema up to this code; returns what was run. `first_message_id` is for a new database only.

    The version before may serve meanwhile. Its locks and ours come in different orders, and everybody waits behind who
    waits for a whole table: so this gives way before a deadlock is found, and tries again.
    Raises NotOurs and SchemaNewer, whose text is one line that says what to do; StoreBusy after a minute of trying.
    """
    for _ in range(_TRIES - 1):
        try:
            return await _migrate(db, first_message_id)
        except StoreBusy:
            await asyncio.sleep(_PAUSE)
    return await _migrate(db, first_message_id)


async def _migrate(db: Database, first_message_id: int | None) -> list[Migration]:
    async with db.transaction(timeout=600.0) as connection:
        await connection.execute("set local statement_timeout = 0")
        await connection.execute("select pg_advisory_xact_lock(hashtext($1))", _LOCK)
        await connection.execute("set local lock_timeout = '0.8s'")  # deadlock_timeout is 1 s
        known = migrations()
        present = await _present(connection)
        _refuse_newer(present, known)
        if present is None:
            await _refuse_foreign(connection)
            await connection.execute("create schema payk")
            await connection.execute(
                "create table payk.migration (number integer primary key, name text not null,"
                " run_at timestamptz not null default now())"
            )
        todo = [migration for migration in known if migration.number > (present or 0)]
        for migration in todo:
            await connection.execute(migration.statements)
            await connection.execute(
                "insert into migration (number, name) values ($1, $2)", migration.number, migration.name
            )
        if first_message_id is not None:
            await _set_first_message_id(connection, first_message_id)
        await connection.execute("select ensure_partitions()")
    return todo


async def _set_first_message_id(connection: Connection, first: int) -> None:
    highest = await connection.fetchval("select last_value from message_id where is_called")
    if highest is not None and highest >= first:
        raise NotOurs(f"message ids have already reached {highest}; --first-message-id must be above that")
    imported = await connection.fetchval("select max(message_id) from imported_message")
    if imported is not None and imported >= first:
        raise NotOurs(f"messages of another centre have ids up to {imported}; --first-message-id must be above that")
    if highest is None:
        await connection.execute("update first_message_id set message_id = $1", first)
    await connection.execute("select setval('message_id', $1, false)", first)


async def check_schema(db: Database) -> None:
    """Raise SchemaMissing, SchemaNewer or NotOurs unless this database can be served as it is."""
    async with db.connection(timeout=10.0) as connection:
        version = int(await connection.fetchval("show server_version_num")) // 10_000
        if version < LOWEST_SERVER_VERSION:
            raise NotOurs(f"PostgreSQL {version} is too old, Payk needs {LOWEST_SERVER_VERSION} or newer")
        known = migrations()
        present = await _present(connection)
        _refuse_newer(present, known)
        if present is None:
            await _refuse_foreign(connection)
            raise SchemaMissing("the database has no schema of Payk yet; run `payk migrate`")
        if present < known[-1].number:
            raise SchemaMissing(
                f"the database is at migration {present}, this Payk needs {known[-1].number}; run `payk migrate`"
            )


async def clock_difference(db: Database) -> float:
    """Seconds that the database's clock is ahead of this machine's."""
    async with db.connection() as connection:
        before = time.time()
        theirs = float(await connection.fetchval("select extract(epoch from clock_timestamp())::double precision"))
        return theirs - (before + time.time()) / 2


async def _present(connection: Connection) -> int | None:
    """The number of the newest migration that has run, None in a database without our schema."""
    if await connection.fetchval("select to_regclass('payk.migration')") is None:
        return None
    return int(await connection.fetchval("select coalesce(max(number), 0) from payk.migration"))


def _refuse_newer(present: int | None, known: list[Migration]) -> None:
    if present is not None and present > known[-1].number:
        raise SchemaNewer(
            f"the database is at migration {present}, this Payk only knows {known[-1].number}; use a newer Payk"
        )


async def _refuse_foreign(connection: Connection) -> None:
    tables = await connection.fetch(
        "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')"
        " and n.nspname not like 'pg\\_%' order by 1"
    )
    if tables:
        database = await connection.fetchval("select current_database()")
        raise NotOurs(
            f"database {database!r} is not Payk's: it holds {len(tables)} other tables, such as {tables[0][0]};"
            " give Payk a database of its own"
        )
