"""Every command and statement of docs/runbook.md, section by section, on a centre that has what the page names."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import asyncpg
import pytest

from tests.end_to_end.payk import Payk, registry
from tests.observe.expressions import alerts
from tests.observe.pages import commands, statements

SECTIONS = [rule["alert"] for rule in alerts()]
SHARES = 9
FALLBACK = """
[[operator]]
name = "babilon"
[[operator.link]]
host = "127.0.0.1"
port = {port}
system_id = "payk"
password = "payk"
"""
NOT_EMBEDDED = {"PAYK_SECRET_KEY": "5a" * 32, "PAYK_PORT": "0", "PAYK_ADMIN_PORT": "0"}
EMBEDDED = "env -u PAYK_DATABASE_URL -u PAYK_SECRET_KEY payk"


@pytest.mark.parametrize("share", range(SHARES))
async def test_every_command_of_the_runbook_runs(tmp_path: Path, dsn: str, share: int) -> None:
    payk = Payk(tmp_path, NOT_EMBEDDED | {"PAYK_DATABASE_URL": dsn})
    try:
        operator, other = await payk.simulate(), await payk.simulate()
        content = registry(operator.port, link='name = "tcell-1"') + FALLBACK.format(port=other.port)
        await payk.apply(content.replace('operators = ["tcell"]', 'operators = ["tcell", "babilon"]'))
        centre = await payk.serve()
        places = {
            "127.0.0.1:9080": f"127.0.0.1:{centre.admin.base_url.port}",
            "port=2776": f"port={operator.port}",
            "echo secret": "echo payk",
            "--seconds 60": "--seconds 1",
            "payk backup": f"{EMBEDDED} migrate && {EMBEDDED} backup",  # it is about the database of our own
        }
        for section in SECTIONS[share::SHARES]:
            await run_commands(payk, commands("runbook.md", section), places)
            await run_statements(dsn, statements("runbook.md", section))
    finally:
        await payk.close()


async def run_commands(payk: Payk, lines: list[str], places: dict[str, str]) -> None:
    assert lines
    for line in lines:
        [printed, *_] = await payk.outputs([line], places)
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
        assert time.monotonic() < deadline, log.read_text("utf-8")
        await asyncio.sleep(0.1)


async def run_statements(dsn: str, lines: list[str]) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for line in lines:
            await connection.fetch(line)
    finally:
        await connection.close()
