"""The real PostgreSQL for every test: one server a run, a migrated template, a database of its own per test.

PAYK_TEST_DATABASE_URL names another server to test on (its user must be allowed to create databases).
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from payk.store.database import Database
from payk.store.migrations import migrate
from tests.homes import shared_server

FAST_SERVER = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "max_connections": "300"}
"""Tests that do not crash the server need not wait for the disk."""


def database_url(server: str, database: str) -> str:
    """The URL of another database on the same server."""
    parts = urlsplit(server)
    return urlunsplit(parts._replace(path=f"/{database}"))


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """A server that all workers of this run share; the first to come starts it, the last to leave stops it."""
    given = os.environ.get("PAYK_TEST_DATABASE_URL")
    if given:
        yield given
        return
    base = tmp_path_factory.getbasetemp()
    with shared_server((base if worker_id == "master" else base.parent) / "payk-server", FAST_SERVER) as url:
        yield url


@pytest.fixture(scope="session")
def template(server_url: str, worker_id: str) -> str:
    """The name of a migrated database that the tests of this worker clone."""
    name = f"payk_template_{worker_id}_{uuid.uuid4().hex[:8]}"

    async def prepare() -> None:
        await execute(server_url, f'create database "{name}"')
        db = await Database.open(database_url(server_url, name), max_connections=2)
        await migrate(db)
        await db.close()

    asyncio.run(prepare())
    return name


async def execute(url: str, statement: str) -> None:
    """Run one statement on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def dsn(server_url: str, template: str) -> AsyncIterator[str]:
    """The URL of a freshly migrated database that only this test uses."""
    name = f"payk_test_{uuid.uuid4().hex[:12]}"
    await execute(server_url, f'create database "{name}" template "{template}"')
    yield database_url(server_url, name)
    await execute(server_url, f'drop database if exists "{name}" with (force)')


@pytest.fixture
async def empty_dsn(server_url: str) -> AsyncIterator[str]:
    """The URL of a database without any schema."""
    name = f"payk_test_{uuid.uuid4().hex[:12]}"
    await execute(server_url, f'create database "{name}"')
    yield database_url(server_url, name)
    await execute(server_url, f'drop database if exists "{name}" with (force)')


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """The test's database, opened."""
    db = await Database.open(dsn)
    yield db
    await db.close()
