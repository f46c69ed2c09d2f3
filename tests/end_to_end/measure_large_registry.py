"""What a large registry costs: `python -m tests.end_to_end.measure_large_registry`.

How long `payk serve` takes from its start until it is ready, with 10,000 clients, 100,000 senders, 30,000 keys and
5,000 routes and with one client; and what taking a message in over HTTP costs with either, by turns in one process.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from payk.domain.directory import Directory
from payk.registry.follow import load
from payk.store.database import Database
from payk.store.migrations import migrate
from tests.end_to_end.payk import KEY, Centre, Payk, registry
from tests.homes import shared_server
from tests.web.centre import MESSAGE, centre_on

__all__ = ["fill", "seconds_to_start", "taking_in"]

CLIENTS: Final = 10_000
ROUTES: Final = 5_000


async def fill(db: Database, clients: int, routes: int) -> Directory:
    """Add clients with ten senders and three keys each, and routes by prefix; what is in force then."""
    async with db.transaction(120) as connection:
        await connection.execute(
            "insert into client (name) select 'c' || (n + (select count(*) from client))"
            " from generate_series(1, $1::integer) n",
            clients,
        )
        await connection.execute(
            "insert into sender (client_id, name) select client_id, 'Sender ' || n"
            " from client c, generate_series(1, 10) n"
            " where not exists (select from sender s where s.client_id = c.client_id)"
        )
        await connection.execute(
            "insert into api_key (sha256, client_id)"
            " select sha256((name || n)::bytea), client_id from client c, generate_series(1, 3) n"
            " where not exists (select from api_key k where k.client_id = c.client_id)"
        )
        await connection.execute(
            "insert into route (prefix, queue_id) select (1000000 + n + (select count(*) from route))::text,"
            " (select min(queue_id) from queue) from generate_series(1, $1::integer) n",
            routes,
        )
        await connection.execute("update registry_version set version = version + 1")
    async with db.connection() as connection:
        await connection.execute("analyze")
    return await load(db)


async def seconds_to_start(payk: Payk) -> tuple[float, Centre]:
    """From the start of `payk serve` until it says that it is ready; and what runs then."""
    began = time.perf_counter()
    centre = await payk.serve("--roles", "api,admin")
    while (await centre.http.get("/health/ready")).status_code != 200:
        assert time.perf_counter() - began < 60
    return time.perf_counter() - began, centre


async def taking_in(
    db: Database, small: Directory, large: Directory, *, messages: int, turns: int
) -> tuple[list[float], list[float]]:
    """Processor seconds of this process, the caller and the site, for a message, in each turn of the two."""
    spent: tuple[list[float], list[float]] = ([], [])
    async with centre_on(db) as centre:
        for turn in range(2 * turns + 2):
            centre.directory.value = (small, large)[turn % 2]
            began = time.process_time()
            for _ in range(messages):
                answer = await centre.send(MESSAGE, **{"X-Api-Key": KEY})
                assert answer.json()["MessageResult"] == "OK", answer.text
            if turn >= 2:  # the first two warm up
                spent[turn % 2].append((time.process_time() - began) / messages)
    return spent


async def measure(folder: Path, url: str) -> None:
    db = await Database.open(url)
    await migrate(db)
    payk = Payk(folder, {"PAYK_DATABASE_URL": url, "PAYK_SECRET_KEY": "5a" * 32})
    try:
        await payk.apply(registry(1))
        directories = []
        for clients, routes in ((10, 10), (CLIENTS - 10, ROUTES - 10)):
            directories.append(await fill(db, clients, routes))
            starts = []
            for _ in range(5):
                took, centre = await seconds_to_start(payk)
                starts.append(took)
                await centre.program.stop()
            known = directories[-1]
            senders = sum(len(client.senders) for client in known.clients.values())
            print(
                f"{len(known.clients):,} clients, {senders:,} senders, {len(known.keys):,} keys,"
                f" {sum(1 for _ in known.routes):,} routes: ready in {statistics.median(starts):.2f} s"
                f" ({min(starts):.2f} to {max(starts):.2f})"
            )
        small, large = await taking_in(db, *directories, messages=300, turns=9)
        few, many = statistics.median(small) * 1e6, statistics.median(large) * 1e6
        print(f"a message, caller and site: {few:.0f} microseconds with few, {many:.0f} with many: {many / few:.2f}")
    finally:
        await payk.close()
        await db.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with shared_server(folder / "server", {}) as url:
            asyncio.run(measure(folder, url))


if __name__ == "__main__":
    main()
