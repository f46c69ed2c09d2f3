"""Every command of docs/runbook.md runs, on a centre that has what the page names."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.end_to_end.payk import Payk, registry
from tests.observe.pages import commands, run


@pytest.mark.parametrize("share", range(3))
async def test_every_command_of_the_runbook_runs(tmp_path: Path, dsn: str, share: int) -> None:
    lines = list(dict.fromkeys(commands("runbook.md")))[share::3]
    payk = Payk(tmp_path, {"PAYK_DATABASE_URL": dsn, "PAYK_SECRET_KEY": "5a" * 32})
    try:
        operator = await payk.simulate()
        await payk.apply(registry(operator.port))
        at_once = asyncio.Semaphore(2)

        async def run_one(line: str) -> None:
            async with at_once:
                await run(line, payk)

        await asyncio.gather(*(run_one(line) for line in lines))
    finally:
        await payk.close()
