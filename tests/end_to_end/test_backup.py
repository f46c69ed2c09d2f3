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


def receivers(backups: Path) -> list[psutil.Process]:
    """The programs that stream into this folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if "pg_receivewal" in (command := process.info["cmdline"] or [""])[0]
        and Path(command[-1]).is_relative_to(backups)
    ]


async def test_from_backup_to_any_time_since(payk: Payk, elsewhere: Payk, tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    await payk.done("migrate")
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    centre = await payk.serve("--roles", "api,maintenance")
    before = await centre.send("992900900901")

    (payk.home / "secret-key.old").write_text("ab" * 32 + "\n")
    printed = await payk.done("backup", str(backups))
    assert "can be restored to" in printed and printed.count("\n") == 1
    assert (backups / "secret-key.old").stat().st_mode & 0o777 == 0o600
    assert (backups / "secret-key").stat().st_mode & 0o777 == 0o600
    await until(lambda: len(receivers(backups)) == 1)
    until_here = await centre.send("992900900902")
    [base] = bases(backups)
    await until(lambda: datetime.now(UTC) > base.ended_at)
    at = datetime.now(UTC)
    later = await centre.send("992900900903")
    running = await payk.run("restore", str(backups))
    assert running.returncode == 2 and "is running" in running.stderr and running.stderr.count("\n") == 1
    last = await centre.send("992900900904")
    await centre.program.stop()
    assert receivers(backups) == []

    # To a time between two messages, into another home.
    assert "restored base-" in await elsewhere.done("restore", str(backups), "--to", at.isoformat())
    for name in ("secret-key", "secret-key.old"):
        assert (elsewhere.home / name).read_bytes() == (payk.home / name).read_bytes()
        assert (elsewhere.home / name).stat().st_mode & 0o777 == 0o600
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
    again = await elsewhere.serve()
    assert [await again.state(number) for number in (before, until_here, later, last)] == ["None"] * 4

    # From there on to the same folder.
    await elsewhere.done("backup", str(backups), "--keep", "1")
    assert base not in bases(backups) and len(bases(backups)) == 1
    await until(lambda: len(receivers(backups)) == 1)
    await elsewhere.done("backup", "--stop")
    await until(lambda: receivers(backups) == [])
    await again.program.stop()


async def test_what_was_tried_goes_on_elsewhere(payk: Payk, elsewhere: Payk, tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    centre = await payk.up()
    await payk.done("backup", str(backups))
    await until(lambda: len(receivers(backups)) == 1)
    delivered = await centre.send()
    await centre.wait_for(delivered, "Delivered")
    await centre.program.stop()

    await elsewhere.done("restore", str(backups))
    restored = await elsewhere.up()
    assert await restored.state(delivered) == "Delivered"
    assert (await restored.http.post("/api/v1/sms", json=MESSAGE)).status_code == 503
    assert "nothing is set aside" in await elsewhere.done("recover")
    await restored.wait_for(await restored.send(), "Delivered")
    assert len(elsewhere.record.submits()) == 1


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
