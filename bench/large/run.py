"""One run over all figures. What is compared with a small store or a short queue is measured by turns with it, on the
same server: absolute times drift with the machine.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench import queueing
from bench.figure import CannotRun, Figure, Reading
from bench.large.asking import LIST, answer_ms, count_stored, report_of_yesterday
from bench.large.filling import Stock, fill
from bench.large.load import RATE, steady_load
from bench.large.snapshot import snapshot
from bench.large.switching import switch_partition
from bench.report import told
from bench.rig import Link, Operator, Rig
from bench.seeding import seed_queue
from bench.traffic import polls
from bench.wrk import find_wrk, run_wrk
from payk.store.claims import present_flows
from payk.store.database import Database

__all__ = ["disk_needed", "measure"]

_QUEUED: Final = 10_000_000
_DELIVERED: Final = 10_000_000
_FEW_STORED: Final = 1_000_000
_SHORT_QUEUE: Final = 10_000

_MAILING, _CODES = "992", "993"
"""Prefixes, each of a link of its own: at 900/s for the backlog, at any rate for single messages."""

_CLAIMS: Final = 100
_LOOKS: Final = 20
_STATUS_TURNS: Final = 3
_STATUS_SECONDS: Final = 8.0
_WARM_UP: Final = 3.0
_SNAPSHOT: Final = 600.0  # seconds
_SETTLED: Final = 60.0
"""Into these memory is read for the first time; a trial has a sixth of its time."""
_SHORTEST: Final = 12.0
"""Seconds that a trial holds the snapshot at least."""
_MARGIN: Final = 30.0  # seconds of load behind the last reading
_FULL: Final = 0.98
"""What the queue may have shrunk to while as much comes in as goes out."""

_DISK: Final = (4_000_000_000, 18_000_000_000)
"""Octets: in any case, and at full size on top."""

STATUS_FEW: Final = Figure("status_at_1m_per_s")
STATUS_MANY: Final = Figure("status_at_20m_per_s")
STATUS_RATIO: Final = Figure("status_1m_to_20m", 1.5, 1.1, less_is_better=True, digits=2)
LIST_FEW: Final = Figure("list_page_ms_at_1m", less_is_better=True, digits=1)
LIST_MANY: Final = Figure("list_page_ms_at_20m", less_is_better=True, digits=1)
LIST_RATIO: Final = Figure("list_page_ms_20m_to_1m", 1.5, 1.1, less_is_better=True, digits=2)
REPORT_FEW: Final = Figure("report_day_ms_at_1m", less_is_better=True, digits=1)
REPORT_MANY: Final = Figure("report_day_ms_at_20m", less_is_better=True, digits=1)
REPORT_RATIO: Final = Figure("report_day_ms_20m_to_1m", 1.5, 1.1, less_is_better=True, digits=2)
CLAIM_SHORT: Final = Figure("claim_1000_ms_at_10k_beside_10m", less_is_better=True, digits=1)
CLAIM_LONG: Final = Figure("claim_1000_ms_at_10m", less_is_better=True, digits=1)
CLAIM_RATIO: Final = Figure("claim_1000_ms_at_10m_to_10k", 1.6, 1.3, less_is_better=True, digits=2)
LOOK: Final = Figure("flows_look_ms_at_10m", less_is_better=True, digits=1)
SUBMITTED: Final = Figure("submitted_per_s_old_snapshot")
CLAIM_SHORT_THEN: Final = Figure("claim_1000_ms_at_10k_beside_old_snapshot", less_is_better=True, digits=1)
CLAIM_OLD: Final = Figure("claim_1000_ms_old_snapshot", less_is_better=True, digits=1)
CLAIM_OLD_RATIO: Final = Figure("claim_1000_ms_old_snapshot_to_10k", 1.6, 1.3, less_is_better=True, digits=2)
LOOK_OLD: Final = Figure("flows_look_ms_old_snapshot", less_is_better=True, digits=1)
BEFORE_SWITCH: Final = Figure("accepted_before_partition_switch_per_s")
AT_SWITCH: Final = Figure("accepted_at_partition_switch_per_s")
PAUSE_BEFORE: Final = Figure("longest_pause_ms_before_partition_switch", less_is_better=True)
PAUSE_AT: Final = Figure("longest_pause_ms_at_partition_switch", less_is_better=True)

_OF_THE_CENTRE: Final = ("api", "dispatch", "maintenance")
_MEMORY: Final = (200.0, 120.0)
"""Megabytes that a process of the centre may have, and should."""
_GROWTH: Final = 10.0
"""Percent by which it may grow."""


def disk_needed(scale: float) -> int:
    """Octets."""
    always, whole = _DISK
    return int(always + scale * whole)


def measure(scale: float) -> list[Reading]:
    """Everything, with counts and the snapshot's time at `scale` of what the figures are named after. CannotRun."""
    find_wrk()
    return asyncio.run(_measure(scale))


async def _measure(scale: float) -> list[Reading]:
    async with AsyncExitStack() as stack:
        operator = await Operator.start(receipt_after=2.0)
        stack.push_async_callback(operator.end)
        rig = await stack.enter_async_context(Rig.open(disk_needed(scale)))
        few = await stack.enter_async_context(rig.beside("few_stored"))
        short = await stack.enter_async_context(rig.beside("short_queue"))
        links = [Link(_MAILING, operator, rate=RATE), Link(_CODES, operator)]
        for each in (rig, few, short):
            await each.apply(links)
        run = _Run(rig, few, short, operator, (await rig.queues())[_MAILING], scale, len(links))
        await run.fill()
        await run.status()
        await run.claims()
        await run.old_snapshot()
        await run.partition_switch()
    return run.readings


@dataclass(slots=True)
class _Run:
    """What each step starts, the next one finds running. `few` has few messages stored, `short` few that wait; their
    queues have the numbers of those of `rig`.
    """

    rig: Rig
    few: Rig
    short: Rig
    operator: Operator
    queue_id: int
    scale: float
    links: int
    url: str = ""
    ids: range = range(0)
    few_ids: range = range(0)
    readings: list[Reading] = field(default_factory=list)

    async def fill(self) -> None:
        """The stores that are compared; in two of them half of the messages wait."""
        self.few_ids = await fill(self.few.db, self._stock(_FEW_STORED // 2, _FEW_STORED // 2))
        await seed_queue(
            self.short.db, _SHORT_QUEUE, client_id=1, queue_id=self.queue_id, prefix=_MAILING,
            label=queueing.REFILL_LABEL,
        )  # fmt: skip
        began = time.monotonic()
        self.ids = await fill(self.rig.db, self._stock(_DELIVERED, _QUEUED))
        took = time.monotonic() - began
        for rig, ids in ((self.few, self.few_ids), (self.rig, self.ids)):
            await count_stored(rig.db, ids.stop)
        sys.stderr.write(
            f"{len(self.ids):,} messages stored in {took:.0f} s, {1e6 * took / len(self.ids):.1f} us each\n"
        )

    async def status(self) -> None:
        """Questions about messages all over the store, lists and reports, to a process of each."""
        self.url = await self.rig.serve("api", "api")
        url = await self.few.serve("api-few", "api")
        few, many = [], []
        for turn in range(_STATUS_TURNS + 1):
            seconds = _STATUS_SECONDS if turn else _WARM_UP
            few.append(await self._asked(url, self.few_ids, seconds))
            many.append(await self._asked(self.url, self.ids, seconds))
        self.read(STATUS_FEW, median(few[1:]))
        self.read(STATUS_MANY, median(many[1:]))
        self.read(STATUS_RATIO, median(few[1:]) / median(many[1:]))
        await self._by_turns(LIST, url, LIST_FEW, LIST_MANY, LIST_RATIO)
        await self._by_turns(report_of_yesterday(), url, REPORT_FEW, REPORT_MANY, REPORT_RATIO)
        await self.few.stop()

    async def claims(self) -> None:
        """With nothing else going on."""
        short, long = await self._claims_by_turns()
        self.read(CLAIM_SHORT, short)
        self.read(CLAIM_LONG, long)
        self.read(CLAIM_RATIO, long / short)
        self.read(LOOK, await _look_ms(self.rig.db))

    async def old_snapshot(self) -> None:
        """A centre at work at a steady pace beside a snapshot, what its processes take meanwhile, and claims then."""
        seconds = max(_SHORTEST, self.scale * _SNAPSHOT)
        settled = min(_SETTLED, seconds / 6)
        async with snapshot(self.rig.db) as old:
            async with steady_load(self.rig, self.url, _MAILING, _CODES, seconds + min(_MARGIN, seconds / 2)):
                began = time.monotonic()
                await self._dispatch()
                await asyncio.sleep(began + settled - time.monotonic())
                first, submits = self.rig.memory(), await self._submits()
                counted_from = time.monotonic()
                await asyncio.sleep(began + seconds - time.monotonic())
                last, submits = self.rig.memory(), await self._submits() - submits
                rate = submits / (time.monotonic() - counted_from)
            await self.rig.stop("dispatch", "maintenance")
            await self._look_at_queue()
            self._memory(first, last)
            self.read(SUBMITTED, rate)
            short, long = await self._claims_by_turns()
            self.read(CLAIM_SHORT_THEN, short)
            self.read(CLAIM_OLD, long)
            self.read(CLAIM_OLD_RATIO, long / short)
            self.read(LOOK_OLD, await _look_ms(self.rig.db))
            await old.look()

    async def partition_switch(self) -> None:
        """The centre at work as before, single messages as fast as they go."""
        await self._dispatch()
        switch = await switch_partition(self.rig, self.url, _CODES)
        self.read(BEFORE_SWITCH, switch.before)
        self.read(AT_SWITCH, switch.behind)
        self.read(PAUSE_BEFORE, switch.pause_before_ms)
        self.read(PAUSE_AT, switch.pause_ms)
        sys.stderr.write(f"{switch.requests:,} requests across the border of a partition, none refused\n")

    def read(self, figure: Figure, value: float) -> None:
        """Note a figure, and tell whoever waits for the table."""
        self.readings.append(told(figure, value))

    def _stock(self, delivered: int, queued: int) -> Stock:
        return Stock(
            int(delivered * self.scale), int(queued * self.scale), self.queue_id, _MAILING, queueing.REFILL_LABEL
        )

    async def _dispatch(self) -> None:
        for role in ("dispatch", "maintenance"):
            await self.rig.serve(role, role)
        await self.rig.bound(self.links)

    async def _by_turns(self, path: str, few_url: str, few: Figure, many: Figure, ratio: Figure) -> None:
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(_STATUS_TURNS + 1):
            for url, of_url in zip((few_url, self.url), times, strict=True):
                of_url.append(await answer_ms(url, path))
        at_few, at_many = (median(of_url[1:]) for of_url in times)
        self.read(few, at_few)
        self.read(many, at_many)
        self.read(ratio, at_many / at_few)

    async def _asked(self, url: str, ids: range, seconds: float) -> float:
        return (await run_wrk(url, seconds, polls(self.rig.home.parent, ids.start, len(ids)))).rate

    async def _submits(self) -> int:
        return int((await self.operator.ask("counts"))["submits"])

    async def _claims_by_turns(self) -> tuple[float, float]:
        """Medians of the short queue and of the long one, whose claims follow one another between halves of those."""
        half = _CLAIMS // 2
        short = await queueing.claim_times(self.short.db, self.queue_id, 1, half, _MAILING)
        long = await queueing.claim_times(self.rig.db, self.queue_id, 1, _CLAIMS, _MAILING)
        short += await queueing.claim_times(self.short.db, self.queue_id, 1, half, _MAILING)
        return median(short), median(long)

    async def _look_at_queue(self) -> None:
        async with self.rig.db.connection(timeout=60) as connection:
            waiting = await connection.fetchval("select count(*) from waiting where queue_id = $1", self.queue_id)
        if waiting < _FULL * _QUEUED * self.scale:
            raise CannotRun(f"only {waiting:,} messages were left in the queue: fewer came in than went out")

    def _memory(self, first: Mapping[str, float], last: Mapping[str, float]) -> None:
        floor, aim = _MEMORY
        for name in _OF_THE_CENTRE:
            self.read(Figure(f"rss_mb_at_10m_{name}", floor, aim, less_is_better=True), max(first[name], last[name]))
            growth = 100 * (last[name] / first[name] - 1)
            self.read(Figure(f"rss_growth_percent_at_10m_{name}", _GROWTH, less_is_better=True, digits=1), growth)
        self.read(Figure("rss_mb_at_10m_postgresql", less_is_better=True), last["postgresql"])


async def _look_ms(db: Database) -> float:
    """Milliseconds of the look into the queue that a dispatcher takes five times a second."""
    times = []
    for _ in range(_LOOKS):
        began = time.perf_counter()
        await present_flows(db)
        times.append(1000 * (time.perf_counter() - began))
    return median(times)
