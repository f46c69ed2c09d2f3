"""Every command and statement of docs/runbook.md, section by section, on a centre that has what the page names."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.end_to_end.payk import Centre, Payk, of_operator, registry
from tests.observe.expressions import alerts
from tests.observe.pages import commands, statements
from tests.ports import free_port

SECTIONS = [rule["alert"] for rule in alerts()]
SHARES = 9
NOT_EMBEDDED = {"PAYK_SECRET_KEY": "5a" * 32}
EMBEDDED = "env -u PAYK_DATABASE_URL -u PAYK_SECRET_KEY payk"


@pytest.mark.parametrize("share", range(SHARES))
async def test_every_command_of_the_runbook_runs(tmp_path: Path, dsn: str, share: int) -> None:
    ports = {
        "PAYK_PORT": str(free_port()),
        "PAYK_ADMIN_PORT": str(free_port()),
    }  # as they are set on a host: for all its commands
    payk = Payk(tmp_path, NOT_EMBEDDED | {"PAYK_DATABASE_URL": dsn} | ports)
    try:
        operator, other = await payk.simulate(), await payk.simulate()
        content = registry(operator.port, link='name = "tcell-1"') + of_operator("babilon", other.port)
        await payk.apply(content.replace('operators = ["tcell"]', 'operators = ["tcell", "babilon"]'))
        centre = await payk.serve(**ports)
        [connect] = [line for line in commands("observe.md", "Metrics") if "token create" in line]
        await payk.outputs([connect], {})  # Prometheus was connected before it could tell of anything
        places = {
            "127.0.0.1:9080": f"127.0.0.1:{centre.admin.base_url.port}",
            "port=2776": f"port={operator.port}",
            "echo secret": "echo payk",
            "--seconds 60": "--seconds 1",
            "payk backup": f"{EMBEDDED} migrate && {EMBEDDED} backup",  # it is about the database of our own
        }
        for section in SECTIONS[share::SHARES]:
            await run_commands(payk, centre, commands("runbook.md", section), places)
            await run_statements(dsn, statements("runbook.md", section))
    finally:
        await payk.close()


@pytest.fixture
async def reader(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody who is in the way of the duty `partitions`."""
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "report"})
    await connection.execute("begin; select from payk.message")
    yield connection
    connection.terminate()


async def test_only_a_reader_of_this_database_is_ended(dsn: str, empty_dsn: str, reader: asyncpg.Connection) -> None:
    look, act = statements("runbook.md", "PaykPartitionsEnd")
    own = reader.get_server_pid()
    connection, elsewhere = await asyncpg.connect(dsn), await asyncpg.connect(empty_dsn)
    try:
        await elsewhere.execute("begin; select 1")
        found = await connection.fetch(look.replace("10 minutes", "0 seconds"))
        assert [row["pid"] for row in found] == [own]
        for pid, ended in ((elsewhere.get_server_pid(), []), (own, [True])):
            assert [row[0] for row in await connection.fetch(act.replace("4711", str(pid)))] == ended
    finally:
        await connection.close()
        await elsewhere.close()


async def run_commands(payk: Payk, centre: Centre, lines: list[str], places: dict[str, str]) -> None:
    assert lines
    for line in lines:
        if line.startswith("payk serve >"):  # it is missing
            centre.program.kill()
        [printed, *_] = await payk.outputs([line], places | {"9081": str(free_port())})
        if placed := re.search(r"^hold (\d+) stands", printed, re.MULTILINE):
            places |= {"queue release 1": f"queue release {placed[1]}"}
        if line == "payk key list bank":  # the newest one is that which was made in place of the first
            places |= {
                "key set bank 2": f"key set bank {max(re.findall(r'^([0-9]+) ', printed, re.MULTILINE), key=int)}"
            }
        if begun := re.search(r"> (\w+\.log) 2>&1 &$", line):
            await until_it_runs(payk.folder / begun[1])


async def until_it_runs(log: Path) -> None:
    """A process was left behind that says where it listens."""
    deadline = time.monotonic() + 60
    while "\nmanagement " not in f"\n{log.read_text('utf-8')}":
        assert "is taken" not in log.read_text("utf-8") and time.monotonic() < deadline, log.read_text("utf-8")
        await asyncio.sleep(0.1)


async def run_statements(dsn: str, lines: list[str]) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for line in lines:
            await connection.fetch(line)
    finally:
        await connection.close()
