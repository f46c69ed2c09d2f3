"""Thousands of clients are exported and applied beside customers, who wait for the same loop."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Iterator
from typing import TypeVar

import pytest

from payk.store.database import Database
from tests.web.admin.managed import Managed

Answer = TypeVar("Answer")
TOML = {"content-type": "application/toml"}
LONGEST = 0.4
"""Seconds. Measured 0.07, and 0.7 where all was done on the loop; the rest is room for a machine that is busy."""


@pytest.fixture(autouse=True)
def collected_as_in_a_centre() -> Iterator[None]:
    """What was there before is none of what the collector goes through (payk.app.centre)."""
    gc.collect()
    gc.freeze()
    before = gc.get_threshold()
    gc.set_threshold(20_000, 20, 50)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


async def beside(work: Awaitable[Answer]) -> tuple[Answer, float]:
    """The answer, and the longest time that the loop stood still meanwhile, in seconds."""
    working = asyncio.ensure_future(work)
    longest, last = 0.0, time.perf_counter()
    while not working.done():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return await working, longest


def clients(count: int) -> str:
    """A file with clients of ten senders each."""
    senders = ", ".join(f'"Sender {number}"' for number in range(10))
    return "\n".join(f'[[client]]\nname = "client {number}"\nsenders = [{senders}]\n' for number in range(count))


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_file_of_thousands_of_clients_lets_others_in_between(managed: Managed, dry_run: bool) -> None:
    applied = managed.http.post(
        f"/api/admin/v1/apply?dry_run={str(dry_run).lower()}",
        content=clients(2_000),
        headers={**TOML, "Authorization": "Bearer admin"},
    )
    response, longest = await beside(applied)
    assert len(response.json()["difference"]) == 22_000, response.text
    assert longest < LONGEST


async def test_an_export_of_thousands_of_clients_lets_others_in_between(managed: Managed, database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("insert into client (name) select 'client ' || n from generate_series(1, 4000) n")
        await connection.execute(
            "insert into sender (client_id, name)"
            " select client_id, 'Sender ' || n from client, generate_series(1, 10) n"
        )
        await connection.execute("analyze")
    response, longest = await beside(managed("GET", "/export"))
    assert response.status_code == 200 and response.text.count("[[client]]") == 4_000
    assert longest < LONGEST
