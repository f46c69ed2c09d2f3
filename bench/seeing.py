"""What it costs a message to be seen: in reports, in the log, on graphs.

Two centres on one server carry the same load by turns. One runs as it does everywhere, and is scraped three times as
often as Prometheus would; the other one counts nothing for reports and logs no outcomes. What neither can do without
(counting for /metrics, columns that the log tells of) is measured by `python -m tests.metrics.measure_scrape`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import httpx

from bench.figure import CannotRun, Figure, Reading
from bench.report import told
from bench.rig import Link, Operator, Rig
from bench.throughput import EndToEnd, end_to_end
from bench.wrk import find_wrk

__all__ = ["measure"]

SEEN: Final = Figure("end_to_end_seen_per_s")
UNSEEN: Final = Figure("end_to_end_unseen_per_s")
COSTS: Final = Figure("seeing_costs_percent", 10, less_is_better=True, digits=1)
"""Of the processor time that a message takes in all processes of a centre."""

_PREFIX: Final = "992"
_SCRAPE_EVERY: Final = 5.0
_TURNS: Final = (True, False, False, True)
"""Whether it is the one that is seen: what changes steadily on the machine changes both alike."""


@dataclass(frozen=True, slots=True)
class _Centre:
    rig: Rig
    operator: Operator
    url: str


def measure(seconds: float) -> list[Reading]:
    """All turns, in about so many seconds besides what they take to warm up and to end. Raises CannotRun."""
    find_wrk()
    return asyncio.run(_measure(seconds / len(_TURNS)))


async def _measure(seconds: float) -> list[Reading]:
    ways: dict[bool, list[EndToEnd]] = {True: [], False: []}
    async with AsyncExitStack() as stack:
        rig = await stack.enter_async_context(Rig.open())
        unseen = await stack.enter_async_context(rig.beside("unseen"))
        unseen.environment["PAYK_LOG_OUTCOMES"] = "off"
        async with unseen.db.connection() as connection:
            await connection.execute("alter table message disable trigger user")
        centres = {is_seen: await _begin(stack, each) for is_seen, each in ((True, rig), (False, unseen))}
        for is_seen in _TURNS:
            ways[is_seen].append(await _turn(centres[is_seen], seconds, is_scraped=is_seen))
    costs = [100 * (_used(seen) / _used(other) - 1) for seen, other in zip(ways[True], ways[False], strict=True)]
    return [
        told(SEEN, fmean(way.rate for way in ways[True])),
        told(UNSEEN, fmean(way.rate for way in ways[False])),
        told(COSTS, fmean(costs)),
    ]


async def _begin(stack: AsyncExitStack, rig: Rig) -> _Centre:
    operator = await Operator.start(receipt_after=2.0)
    stack.push_async_callback(operator.end)
    await rig.apply([Link(_PREFIX, operator)])
    url = await rig.serve("api", "api")
    await rig.serve("dispatch", "dispatch,maintenance")
    await rig.bound(1)
    return _Centre(rig, operator, url)


async def _turn(centre: _Centre, seconds: float, *, is_scraped: bool) -> EndToEnd:
    scraping = asyncio.create_task(_scrape(list(centre.rig.management.values()))) if is_scraped else None
    try:
        way = await end_to_end(centre.rig, centre.url, centre.operator, _PREFIX, seconds)
        if scraping is not None and scraping.done():
            scraping.result()  # it says why it ended
    finally:
        if scraping is not None:
            scraping.cancel()
            await asyncio.gather(scraping, return_exceptions=True)
    await centre.rig.empty()
    return way


async def _scrape(listeners: Sequence[str]) -> None:
    async with httpx.AsyncClient() as client:
        while True:
            for url in listeners:
                answer = await client.get(f"{url}/metrics")
                if answer.status_code != 200 or "payk_" not in answer.text:
                    raise CannotRun(f"GET {url}/metrics was not answered")
            await asyncio.sleep(_SCRAPE_EVERY)


def _used(way: EndToEnd) -> float:
    """Microseconds of processor time a message, of the centre alone."""
    return sum(used for name, used in way.processor_us.items() if name != "operator")
