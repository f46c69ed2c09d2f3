"""10,000 clients, 100,000 senders and 5,000 routes: `payk serve` is ready soon, and a message costs no more."""

from __future__ import annotations

import statistics

from payk.store.database import Database
from tests.end_to_end.measure_large_registry import CLIENTS, ROUTES, fill, seconds_to_start, taking_in
from tests.end_to_end.payk import Payk, registry


async def test_serve_is_ready_soon_and_a_message_costs_no_more(payk_on_server: Payk, database: Database) -> None:
    payk = payk_on_server
    await payk.apply(registry(1))
    small = await fill(database, 9, 9)
    few, centre = await seconds_to_start(payk)
    await centre.program.stop()
    large = await fill(database, CLIENTS - 10, ROUTES - 10)
    assert (len(large.clients), sum(1 for _ in large.routes)) == (CLIENTS, ROUTES)
    assert sum(len(client.senders) for client in large.clients.values()) >= 10 * (CLIENTS - 1)

    many, centre = await seconds_to_start(payk)
    await centre.send()
    # Five seconds are the promise; the rest is what the machine needs beside, by what a small one takes.
    assert many < 5.0 + few, (few, many)

    with_few, with_many = await taking_in(database, small, large, messages=100, turns=7)
    ratio = statistics.median(with_many) / statistics.median(with_few)
    assert ratio < 1.3, (with_few, with_many)
