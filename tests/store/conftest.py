"""What the tests of the store share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from payk.store.database import Database
from tests.store.scene import Scene, scene_on


@pytest.fixture
async def scene(database: Database) -> Scene:
    """One client, two operators, a process that claims, in a database of the test's own."""
    return await scene_on(database)


@pytest.fixture
async def second(dsn: str) -> AsyncIterator[Database]:
    """The same database as another process sees it."""
    db = await Database.open(dsn)
    yield db
    await db.close()
