"""Backups of the embedded database, with real servers: the stream of its log, what a restore holds, what ends amid it.

A row with a number stands for what a client was answered. Everything runs as with PGPORT, PGOPTIONS and a strict umask.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import psutil
import pytest
from structlog.testing import capture_logs

from payk.store.embedded import EmbeddedError, EmbeddedPostgres
from payk.store.embedded.backup import Base, back_up, bases, stop_streaming
from payk.store.embedded.place import Place
from payk.store.embedded.programs import ENVIRONMENT, connection_options, program
from payk.store.embedded.restore import Restored, restore
from payk.store.embedded.wal_stream import SLOT
from tests.homes import new_home

RESTORE = """
import asyncio, sys
from pathlib import Path
from payk.store.embedded.restore import restore

asyncio.run(restore(Path(sys.argv[1]), Path(sys.argv[2]), to=None, name=None))
"""


@pytest.fixture(autouse=True)
def strange_surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGOPTIONS", "-c nonsense=1")
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with new_home(tmp_path / "home") as path:
        yield path


@pytest.fixture
def fresh_home(tmp_path: Path) -> Iterator[Path]:
    with new_home(tmp_path / "fresh") as path:
        yield path


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@asynccontextmanager
async def running(home: Path, **settings: str) -> AsyncIterator[EmbeddedPostgres]:
    """A Payk with its database, as the centre runs it and stops it."""
    database = EmbeddedPostgres(home, settings=settings)
    await database.start()
    tasks = [asyncio.ensure_future(work) for work in (database.supervise(), database.stream_wal())]
    try:
        yield database
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await database.stop()


async def ask(database: EmbeddedPostgres, *statements: str) -> object:
    """The answer to the last one."""
    connection = await asyncpg.connect(database.dsn)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


async def write(database: EmbeddedPostgres, *numbers: int) -> datetime:
    """Commit a row for each; a time after that, before all later ones."""
    for number in numbers:
        await ask(database, "create table if not exists row (n int)", f"insert into row values ({number})")
    at = await ask(database, "select clock_timestamp()")
    assert isinstance(at, datetime)
    return at


async def rows(home: Path) -> object:
    """Those that the database of this home holds."""
    async with running(home) as database:
        return await ask(database, "select array_agg(n order by n) from row")


async def take(database: EmbeddedPostgres, backups: Path, keep: int | None = None) -> Base:
    """Make a base backup, and wait until its log is streamed and it can be restored to the present."""
    base = await back_up(database.place, database.dsn, database.home / "secret-key", backups, keep)
    await until(lambda: len(receivers(backups)) == 1 and datetime.now(UTC) > base.ended_at)
    return base


def receivers(backups: Path) -> list[int]:
    """The programs that stream into this folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or [""]
        if command[0] == program("pg_receivewal") and Path(command[-1]).is_relative_to(backups):
            found.append(process.pid)
    return found


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def set_aside(home: Path) -> list[Path]:
    return sorted(Place.prepare(home).base.glob("data.before-*"))


async def test_all_that_was_committed_is_there(home: Path, fresh_home: Path, backups: Path) -> None:
    async with running(home) as database:
        await take(database, backups)
        await write(database, 1)

        # The program is killed while it makes a file.
        await until(lambda: any(backups.glob("wal/*/*.partial")))
        [receiver], [unfilled] = receivers(backups), backups.glob("wal/*/*.partial")
        os.kill(receiver, signal.SIGKILL)
        os.truncate(unfilled, 1_000_000)
        await until(lambda: receivers(backups) not in ([], [receiver]))
        await write(database, 2)

        # The server is killed; its supervisor starts it again.
        assert database.pid is not None
        [receiver] = receivers(backups)
        server = database.pid
        os.kill(server, signal.SIGKILL)
        await until(lambda: database.pid not in (None, server) and receivers(backups) not in ([], [receiver]))
        await write(database, 3)

        # The backup's disk is slow when we stop, which sends the rest.
        [receiver] = receivers(backups)
        os.kill(receiver, signal.SIGSTOP)
        await write(database, 4)
        asyncio.get_running_loop().call_later(0.5, os.kill, receiver, signal.SIGCONT)
    assert receivers(backups) == []

    restored = await restore(fresh_home, backups, to=None, name=None)
    assert restored.set_aside is None and restored.timeline == 2
    async with running(fresh_home) as database:
        assert await ask(database, "select array_agg(n order by n) from row") == [1, 2, 3, 4]
        assert await ask(database, "select left(pg_walfile_name(pg_current_wal_lsn()), 8)") == "00000002"
        for name in ("restore_command", "recovery_target_time"):
            assert await ask(database, f"show {name}") == ""


async def test_a_stream_that_a_killed_payk_left_is_taken_over(home: Path, backups: Path, tmp_path: Path) -> None:
    database = EmbeddedPostgres(home)
    await database.start()
    await back_up(database.place, database.dsn, home / "secret-key", backups, None)
    sockets = database.place.socket_folder()
    assert sockets is not None
    (tmp_path / "left").mkdir()
    command = [program("pg_receivewal"), *connection_options(sockets), "--slot", SLOT, "--no-loop"]
    left = await asyncio.create_subprocess_exec(
        *command, "--directory", str(tmp_path / "left"), stderr=subprocess.DEVNULL, env=ENVIRONMENT
    )
    try:
        await until(lambda: any((tmp_path / "left").iterdir()))
        with capture_logs() as told:
            streaming = asyncio.ensure_future(database.stream_wal())
            await asyncio.wait_for(left.wait(), 15)
            await until(lambda: len(receivers(backups)) == 1)
        assert told == []
        await stop_streaming(database.place, database.dsn)
        await until(lambda: receivers(backups) == [])
        assert await ask(database, "select count(*) from pg_replication_slots") == 0
        streaming.cancel()
    finally:
        await database.stop()


async def test_a_restore_can_be_undone_and_backed_up_to_the_same_folder(home: Path, backups: Path) -> None:
    async with running(home) as database:
        first = await take(database, backups)
        one = await write(database, 1)
        two = await write(database, 2)
        await ask(database, "select pg_switch_wal()")
        await write(database, 3)

    restored = await restore(home, backups, to=one, name=None)
    assert restored == Restored(first, restored.until, 2, set_aside(home)[0])
    async with running(home) as database:
        assert await ask(database, "select array_agg(n) from row") == [1]
        second = await take(database, backups)
        assert second.wal != first.wal
        await write(database, 10)

    assert (await restore(home, backups, to=None, name=None)).base == second
    assert await rows(home) == [1, 10]
    assert (await restore(home, backups, to=two, name=None)).base == first
    assert await rows(home) == [1, 2]
    assert (await restore(home, backups, to=None, name=first.folder.name)).base == first
    assert await rows(home) == [1, 2, 3]
    assert len(set_aside(home)) == 4


async def test_a_disk_that_is_away_for_long_costs_the_stream_and_not_the_database(home: Path, backups: Path) -> None:
    async with running(home, max_slot_wal_keep_size="16MB") as database:
        first = await take(database, backups)
        assert first.wal is not None
        [receiver] = receivers(backups)  # before its folder is moved: then it may end by itself
        away = backups.rename(backups.with_name("away"))
        with capture_logs() as told:
            os.kill(receiver, signal.SIGKILL)
            await until(lambda: bool(told))
            assert not backups.exists(), "no folder is made where a disk should be"
            for _ in range(3):
                await ask(database, "select pg_switch_wal()", "create table if not exists filler (n int)", "checkpoint")
            assert await ask(database, "select wal_status from pg_replication_slots") == "lost"
            away.rename(backups)
            second = await take(database, backups)
            assert second.wal != first.wal
            await until(lambda: len(told) > 1)
        assert [line["event"] for line in told] == [
            "the log is not streamed to the backup folder",
            "the log is streamed to the backup folder again",
        ]
        await write(database, 1)
    await restore(home, backups, to=None, name=None)
    assert await rows(home) == [1]


async def test_old_backups_go_with_the_log_that_only_they_need(home: Path, backups: Path) -> None:
    async with running(home) as database:
        await take(database, backups)
        await ask(database, "select pg_switch_wal()")
        second = await take(database, backups)
        third = await take(database, backups, keep=2)
        assert bases(backups) == [second, third]
        assert second.wal is not None and second.wal == third.wal
        assert min(path.name for path in second.wal.iterdir()) == second.first_segment

        await stop_streaming(database.place, database.dsn)
        fourth = await take(database, backups, keep=1)
        assert bases(backups) == [fourth]
        assert list((backups / "wal").iterdir()) == [fourth.wal]


async def test_one_backup_at_a_time(home: Path, backups: Path) -> None:
    async with running(home) as database:
        attempts = [back_up(database.place, database.dsn, home / "secret-key", backups, None) for _ in range(2)]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        [refusal] = [result for result in results if isinstance(result, EmbeddedError)]
        assert "another backup" in str(refusal)
        assert len(bases(backups)) == 1


async def test_a_refused_restore_leaves_a_fresh_home_fresh(home: Path, fresh_home: Path, backups: Path) -> None:
    async with running(home) as database:
        await take(database, backups)
    with pytest.raises(EmbeddedError, match="its log ends earlier"):
        await restore(fresh_home, backups, to=datetime(2101, 1, 1, tzinfo=UTC), name=None)
    async with running(fresh_home) as database:
        assert await ask(database, "select to_regclass('row')") is None


async def test_a_restore_that_was_killed_is_done_again(home: Path, backups: Path) -> None:
    async with running(home) as database:
        await take(database, backups)
        await write(database, 1)
    paths = os.pathsep.join(path for path in sys.path if path)
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RESTORE, str(home), str(backups), env={**os.environ, "PYTHONPATH": paths}
    )
    workshop = Place.prepare(home).base / "restoring" / "data"
    await until((workshop / "postmaster.pid").exists)
    killed.send_signal(signal.SIGSTOP)
    await until(lambda: not (workshop / "recovery.signal").exists())
    server = psutil.Process(int((workshop / "postmaster.pid").read_text().split("\n", 1)[0]))
    killed.kill()
    await killed.wait()
    assert server.is_running()
    assert await rows(home) == [1], "the old database is where it was"

    await restore(home, backups, to=None, name=None)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    assert await rows(home) == [1]
    assert len(set_aside(home)) == 1

    workshop.parent.mkdir()
    Place.prepare(home).data.rename(workshop)  # killed between the two renames
    with pytest.raises(EmbeddedError, match="run `payk restore` again"):
        await EmbeddedPostgres(home).start()
    assert (await restore(home, backups, to=None, name=None)).set_aside == set_aside(home)[-1]
    assert await rows(home) == [1]
