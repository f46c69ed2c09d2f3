"""Backups of the embedded database: taken while it serves, restored to any time since, held until `payk recover`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from payk.store.embedded.backup import bases
from tests.end_to_end.payk import MESSAGE, Payk, registry


@pytest.fixture
async def elsewhere(tmp_path: Path) -> AsyncIterator[Payk]:
    """Another home, as on another machine."""
    (tmp_path / "elsewhere").mkdir()
    payk = Payk(tmp_path / "elsewhere")
    yield payk
    await payk.close()


async def until(condition: Callable[[], bool], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def receivers(wal: Path) -> list[psutil.Process]:
    """The programs that stream into this folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(wal) in (process.info["cmdline"] or []) and "pg_receivewal" in process.info["cmdline"][0]
    ]


def streamed(wal: Path) -> int:
    """Changes when something was streamed."""
    return max((path.stat().st_mtime_ns for path in wal.glob("*")), default=0) if wal.exists() else 0


async def caught_up(wal: Path) -> None:
    """What was committed by now is in the folder: it is streamed at once, and a heartbeat comes every two seconds."""
    seen = streamed(wal)
    await until(lambda: streamed(wal) > seen)
    seen = streamed(wal)
    await until(lambda: streamed(wal) > seen)


async def test_from_backup_to_any_time_since(payk: Payk, elsewhere: Payk, tmp_path: Path) -> None:
    backups, wal = tmp_path / "backups", tmp_path / "backups" / "wal"
    await payk.done("migrate")
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    centre = await payk.serve("--roles", "api,maintenance")
    before = await centre.send("992900900901")

    printed = await payk.done("backup", str(backups))
    assert "can be restored to" in printed
    assert len(bases(backups)) == 1
    assert (backups / "secret-key").stat().st_mode & 0o777 == 0o600
    await until(lambda: len(receivers(wal)) == 1)
    until_here = await centre.send("992900900902")
    await asyncio.sleep(1.1)  # times of restores are told in seconds
    at = datetime.now(UTC)
    later = await centre.send("992900900903")
    await caught_up(wal)

    # Killed, it is started again; a server that crashes goes on with the same stream.
    [receiver] = receivers(wal)
    receiver.kill()
    await until(lambda: any(process.pid != receiver.pid for process in receivers(wal)))
    last = await centre.send("992900900904")
    await caught_up(wal)
    running = await payk.run("restore", str(backups))
    assert running.returncode == 2 and "is running" in running.stderr and running.stderr.count("\n") == 1
    await centre.program.stop()
    assert receivers(wal) == []

    # To a time between two messages, into another home.
    assert "restored base-" in await elsewhere.done("restore", str(backups), "--to", at.isoformat())
    assert (elsewhere.home / "secret-key").read_bytes() == (payk.home / "secret-key").read_bytes()
    restored = await elsewhere.serve()
    states = {
        number: (await restored.http.get(f"/api/v1/sms/{number}")).status_code
        for number in (before, until_here, later, last)
    }
    assert states == {before: 200, until_here: 200, later: 404, last: 404}
    assert (await restored.http.post("/api/v1/sms", json=MESSAGE)).status_code == 503
    assert (await restored.admin.get("/health/ready")).status_code == 503
    assert operator.record.submits() == []
    recovered = await elsewhere.done("recover", "--release")
    assert "set aside: 2 messages" in recovered and "back in the queue: 2" in recovered
    for number in (before, until_here):
        await restored.wait_for(number, "Delivered")
    await restored.program.stop()

    # To the end, over the database that is there.
    printed = await elsewhere.done("restore", str(backups))
    assert "what was there before is now" in printed
    assert len(list(data_folder(elsewhere).parent.glob("data.before-*"))) == 1
    again = await elsewhere.serve()
    assert [await again.state(number) for number in (before, until_here, later, last)] == ["None"] * 4
    await again.program.stop()


def data_folder(payk: Payk) -> Path:
    identifier = payk.home / "database-id"
    base = Path("/var/lib/payk") / identifier.read_text().strip() if identifier.exists() else payk.home / "postgres"
    return base / "data"


async def test_what_cannot_be_restored_is_one_line_and_changes_nothing(payk: Payk, tmp_path: Path) -> None:
    await payk.done("migrate")
    nothing = await payk.run("restore", str(tmp_path))
    assert nothing.returncode == 2 and "holds no backup" in nothing.stderr
    backups = tmp_path / "backups"
    await payk.done("backup", str(backups))
    for arguments, words in (
        (("--to", "2001-01-01T00:00:00Z"), "its first base backup ended"),
        (("--to", "2101-01-01T00:00:00Z"), "its log ends earlier"),
        (("--to", "tomorrow"), "is no time"),
        (("--base", "base-20010101T000000Z"), "holds no base-20010101T000000Z"),
    ):
        refused = await payk.run("restore", str(backups), *arguments)
        assert refused.returncode == 2 and words in refused.stderr and refused.stderr.count("\n") == 1, refused.stderr
    assert await payk.done("migrate") == "the schema is up to date\n"
    inside = await payk.run("backup", str(payk.home / "backups"))
    assert inside.returncode == 2 and "inside the home" in inside.stderr
    url = {"PAYK_DATABASE_URL": "postgresql://payk@127.0.0.1/payk", "PAYK_SECRET_KEY": "5a" * 32}
    own = await payk.run("backup", str(backups), **url)
    assert own.returncode == 2 and "embedded database" in own.stderr


async def test_old_backups_go_with_the_log_that_only_they_need(payk: Payk, tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    await payk.done("migrate")
    centre = payk.start("serve", "--roles", "maintenance", PAYK_ADMIN_PORT="0")
    await centre.line("^(management)")
    await payk.done("backup", str(backups))
    [first] = bases(backups)
    await until(lambda: len(receivers(backups / "wal")) == 1)
    await payk.done("backup", str(backups), "--keep", "1")
    [second] = bases(backups)
    assert second.ended_at > first.ended_at
    names = [path.name for path in (backups / "wal").glob("0*")]
    assert min(names) >= second.first_segment
    await payk.done("backup", "--stop")
    await until(lambda: receivers(backups / "wal") == [])
    await centre.stop()


async def test_a_restore_that_was_ended_half_way_is_done_again(payk: Payk, tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    await payk.done("migrate")
    await payk.done("backup", str(backups))
    data = data_folder(payk)
    (data.parent / "restoring").mkdir()
    data.rename(data.parent / "restoring" / "data")  # between the two renames
    refused = await payk.run("migrate")
    assert refused.returncode == 2 and "run `payk restore` again" in refused.stderr
    assert not data.exists(), "no new database is made in its place"
    await payk.done("restore", str(backups))
    assert await payk.done("migrate") == "the schema is up to date\n"
