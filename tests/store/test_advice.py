"""What `payk check` says of a database that works and is unwise: how durable it is, and poolers that break LISTEN."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from payk.store.advice import durability, listening
from payk.store.database import SESSION, Database
from payk.store.errors import StoreUnavailable
from tests.failover.pair import pair
from tests.requires import require_program


async def told(db: Database) -> dict[str, bool]:
    """The first word of each advice, and whether it is fine."""
    return {advice.text.partition(":")[0]: advice.fine for advice in await durability(db)}


async def test_settings_that_lose_what_was_answered(database: Database, dsn: str) -> None:
    assert await told(database) == {"fsync is off": False, "full_page_writes is off": False}  # as these tests want it
    owner = await asyncpg.connect(dsn)
    await owner.execute(f'alter database "{urlsplit(dsn).path[1:]}" set synchronous_commit = off')
    await owner.close()
    other = await Database.open(dsn)
    assert (await told(other))["synchronous_commit is off"] is False
    await other.close()


@pytest.mark.parametrize("synchronous", [True, False])
async def test_a_standby(tmp_path: Path, synchronous: bool) -> None:
    async with pair(tmp_path, synchronous=synchronous) as made:
        db = await Database.open(made.dsn)
        expected = "a COMMIT waits for a standby" if synchronous else "the standby is asynchronous"
        assert await told(db) == {"a COMMIT waits for the disk": True, expected: synchronous}
        await db.close()

        # A role that may not see how its standbys follow is told by the settings alone.
        owner = await asyncpg.connect(made.primary_dsn)
        await owner.execute("create role ordinary nosuperuser login; grant ordinary to payk")
        ordinary = await Database.open(made.dsn)
        async with ordinary.connection() as connection:
            await connection.execute("set role ordinary")
            assert await connection.fetchval("select bool_and(sync_state is null) from pg_stat_replication")
        await ordinary.close()
        await owner.close()


async def test_listen_on_a_direct_connection(database: Database) -> None:
    assert (await listening(database)).fine


@asynccontextmanager
async def pooler(dsn: str, folder: Path, mode: str, ignored: str) -> AsyncIterator[str]:
    """PgBouncer before the database; its DSN."""
    program = require_program("/usr/sbin/pgbouncer", "pgbouncer")
    folder.chmod(0o755)
    parts = urlsplit(dsn)
    host = parse_qs(parts.query)["host"][0]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name = parts.path[1:]
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n{name} = host={host} port=5432 dbname={name} user=payk\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = {mode}\nignore_startup_parameters = {ignored}\n"
    )
    settings.chmod(0o644)
    as_account = ["-u", "payk"] if os.geteuid() == 0 else []  # as whom the server knows us
    running = await asyncio.create_subprocess_exec(
        program, *as_account, settings, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        writer.close()
        yield f"postgresql://payk@127.0.0.1:{port}/{name}"
    finally:
        running.kill()
        await running.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where another account may read."""
    for parent in (tmp_path, *tmp_path.parents[:2]):
        if parent.name.startswith("pytest") and parent.stat().st_uid == os.geteuid():
            parent.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(("mode", "works"), [("session", True), ("transaction", False)])
async def test_a_pooler(dsn: str, folder: Path, mode: str, works: bool) -> None:
    async with pooler(dsn, folder, mode, ",".join(SESSION)) as through:
        db = await Database.open(through)
        advice = await listening(db)
        assert advice.fine is works
        assert works or "pooler" in advice.text
        await db.close()


async def test_a_pooler_that_refuses_our_settings_is_one_line(dsn: str, folder: Path) -> None:
    async with pooler(dsn, folder, "session", "") as through:
        with pytest.raises(StoreUnavailable, match="a pooler\\? Payk needs PostgreSQL itself"):
            await Database.open(through)
