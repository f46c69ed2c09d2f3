"""What the tests of the dispatcher share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from payk.store import incarnation as incarnations
from payk.store.database import Database
from tests.dispatch.centre import Centre, Operator, Starts, running_centre, running_operator
from tests.store.proxy import Network, network_to
from tests.store.scene import Scene, scene_on


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    """An operator that delivers, and does what its scripted numbers say."""
    async with running_operator(tmp_path) as operator:
        yield operator


@pytest.fixture
async def scene(database: Database) -> Scene:
    """Rows without a dispatcher: one client, two operators, a process that claims."""
    return await scene_on(database)


@pytest.fixture
async def network(dsn: str) -> AsyncIterator[Network]:
    """A network to the database that can be cut."""
    async with network_to(dsn) as network:
        yield network


@pytest.fixture
async def through(network: Network) -> AsyncIterator[Database]:
    """The database as it is seen through that network."""
    db = await Database.open(network.dsn)
    yield db
    await db.close()


@pytest.fixture
def process(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Starts:
    """Starts a centre as another machine would: neighbours of one machine look each other up by their numbers."""

    @asynccontextmanager
    async def start(machine: str, **options: Any) -> AsyncIterator[Centre]:
        db = await Database.open(dsn)
        monkeypatch.setattr(incarnations, "host_identity", lambda: machine)
        async with running_centre(db, **options) as centre:
            yield centre
        await db.close()

    return start
