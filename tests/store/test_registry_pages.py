"""Pages of what is configured are read by themselves, however much there is before them."""

from __future__ import annotations

import json

from payk.store.database import Database
from payk.store.queries import sql
from payk.store.registry_pages import page_of_senders


async def test_a_page_of_senders_reads_nothing_before_it(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("insert into client (name) select 'c' || n from generate_series(10001, 12000) n")
        await connection.execute(
            "insert into sender (client_id, name) select client_id, 'S' || n from client, generate_series(1, 10) n"
        )
        await connection.execute("analyze")
    page = await page_of_senders(database, 3, after=("c11990", "s7"))
    assert [(row.facts["client"], row.name) for row in page] == [("c11990", "S8"), ("c11990", "S9"), ("c11991", "S1")]
    own = await database.dedicated()
    await own.execute("set plan_cache_mode = force_generic_plan")
    await own.execute(f"prepare page as {sql('registry_pages.senders')}")
    plan = await own.fetchval(
        "explain (analyze, buffers, format json) execute page ('c11990', 's7', null, '', 100, null)"
    )
    own.terminate()
    [told] = json.loads(plan)
    assert told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"] < 500
