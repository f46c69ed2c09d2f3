"""One centre per test module: its tests share a database and an event loop, and count only what is theirs."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest_asyncio

from payk.store.database import Database
from tests.conftest import database_url, execute
from tests.web.centre import Centre, centre_on


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def centre(server_url: str, template: str) -> AsyncIterator[Centre]:
    """The public site in front of a freshly migrated database."""
    name = f"payk_test_{uuid.uuid4().hex[:12]}"
    await execute(server_url, f'create database "{name}" template "{template}"')
    db = await Database.open(database_url(server_url, name))
    async with centre_on(db) as running:
        yield running
    await db.close()
    await execute(server_url, f'drop database if exists "{name}" with (force)')
