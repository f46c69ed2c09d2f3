"""What the tests of the duties share."""

from __future__ import annotations

import pytest

from payk.store.database import Database
from tests.store.scene import Scene, scene_on


@pytest.fixture
async def scene(database: Database) -> Scene:
    """One client, two operators, a process that claims, in a database of the test's own."""
    return await scene_on(database)
