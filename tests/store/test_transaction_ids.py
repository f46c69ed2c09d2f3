"""A server that crashed gives the ids of transactions that it lost away again: they say nothing of those any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from payk.store.accept import insert_messages
from payk.store.database import Database
from payk.store.errors import StoreUnavailable
from payk.store.migrations import migrate
from tests.end_to_end.server import Server
from tests.store.proxy import Cut, Network, network_to
from tests.store.rows import new_message


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path / "database")
    await server.start()
    yield server
    await server.close()


async def test_a_lost_transaction_is_not_taken_for_the_one_that_got_its_id(server: Server) -> None:
    db = await Database.open(server.dsn, max_connections=2)
    await migrate(db)
    await db.close()
    for _ in range(10):
        async with network_to(server.dsn) as network:
            if await lost_and_reused(server, network):
                return
    pytest.fail("the server kept the ids of all that it lost")


async def lost_and_reused(server: Server, network: Network) -> bool:
    """A COMMIT that never came, a crash, others who go on, and the look. Whether the id was given away again."""
    through = await Database.open(network.dsn, max_connections=2)
    watching = await asyncpg.connect(server.dsn)
    network.on("commit", Cut.BEFORE)
    insert = asyncio.create_task(insert_messages(through, [new_message()], timeout=15))
    await network.met.wait()
    lost = await watching.fetchval("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    server.kill()
    await network.down()
    await server.stop()
    await server.start()
    others = await asyncpg.connect(server.dsn)
    given = [await others.fetchval("select pg_current_xact_id()::text::bigint")]
    while given[-1] < lost:
        given.append(await others.fetchval("select pg_current_xact_id()::text::bigint"))
    assert await others.fetchval("select count(*) from payk.message") == 0
    await others.close()
    await network.up()
    with pytest.raises(StoreUnavailable):
        await insert
    await through.close()
    return lost in given
