"""An upgrade under load: the previous version serves while the schema changes, and beside the new one until it ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import asyncpg
import pytest

from tests.end_to_end.conftest import SHORT_WAITS
from tests.end_to_end.payk import Payk, registry
from tests.failover.load import Load

ROOT = Path(__file__).parents[2]
PREVIOUS = "15c8890"
"""The last commit with the schema before this one, whose newest migration is 0002."""
RATE = 100.0


@pytest.fixture
def previous(tmp_path: Path) -> dict[str, str]:
    """The environment in which a command of Payk is the previous version's."""
    archive = subprocess.run(["git", "-C", ROOT, "archive", PREVIOUS, "src"], capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"this copy lacks the history with commit {PREVIOUS}: git fetch --unshallow")
    folder = tmp_path / "previous"
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    environment = {"PYTHONPATH": str(folder / "src")}
    where = subprocess.run(
        [sys.executable, "-c", "import payk; print(payk.__file__)"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(folder)
    return environment


async def test_the_previous_version_serves_while_it_is_replaced(
    tmp_path: Path, empty_dsn: str, previous: dict[str, str]
) -> None:
    payk = Payk(tmp_path, {"PAYK_DATABASE_URL": empty_dsn, "PAYK_SECRET_KEY": "5a" * 32, **SHORT_WAITS})
    try:
        await upgrade(payk, empty_dsn, previous)
    finally:
        await payk.close()


async def upgrade(payk: Payk, dsn: str, previous: dict[str, str]) -> None:
    assert "0003" not in await payk.done("migrate", **previous)
    operator = await payk.simulate("--latency", "20")
    await payk.apply(registry(operator.port, link="binds = 2"), **previous)
    old = [await payk.serve(**previous), await payk.serve(**previous)]
    load = Load([centre.http for centre in old])
    sending = asyncio.create_task(load.run(RATE))
    await asyncio.sleep(2)

    assert "ran migration 0004" in await payk.done("migrate")
    await asyncio.sleep(2)
    new = []
    for centre in old:
        new.append(await payk.serve())
        load.doors = [*load.doors, new[-1].http]
        await asyncio.sleep(3)  # longer than a heartbeat: both versions look after each other
        load.doors = [door for door in load.doors if door is not centre.http]
        await centre.program.stop()
    await asyncio.sleep(4)  # longer than the last of the old processes keeps texts of Otp from being sealed
    load.stop()
    await sending

    states = await new[0].wait_for_all(load.given, within=60)
    assert set(states.values()) == {"Delivered"}
    taken = [line for line in operator.record.submits() if line["status"] in (0, None)]
    times = Counter(bytes.fromhex(line["octets"]).decode("ascii") for line in taken)
    assert {text: times[text] for text in load.given.values() if times[text] != 1} == {}
    connection = await asyncpg.connect(dsn)
    otp = "select count(*), count(*) filter (where starts_with(text, chr(1))) from payk.message where sms_type = 2"
    codes, sealed = await connection.fetchrow(otp)
    assert 0 < sealed < codes, "the new version seals, and not before the previous one is gone"
    texts = Counter(row[0] for row in await connection.fetch("select text from payk.message"))
    lapsed = await connection.fetchval("select count(*) from payk.process where lapsed")
    await connection.close()
    assert max(texts.values()) == 1 and not (load.refused - set(load.given.values())) & texts.keys()
    assert lapsed == 0, "a live process was ended by one of the other version"
    assert set(load.answers) <= {"200", "503", "none"}
    for centre in [*old, *new]:
        assert '"level":"error"' not in centre.program.stderr.replace(" ", ""), centre.program.stderr
    for centre in new:
        await centre.program.stop()
