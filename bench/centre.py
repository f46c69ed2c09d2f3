"""The figures of a whole centre, one after the other on one database, beside the measures of the machine."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench import latency, limiting, queueing, raw, throughput
from bench.figure import Figure, Reading
from bench.report import told
from bench.rig import Link, Operator, Rig
from bench.seeding import seed_queue
from bench.wrk import find_wrk

__all__ = ["measure"]

_USUAL: Final = 250.0
"""Seconds of a run whose phases last as long as stands below; another length scales them."""

_MAIN, _QUICK, _SLOW, _CLIENTS, _LABELS = "992", "993", "994", "995", "996"
"""Prefixes, each of a link of its own: at any rate with receipts after 2 s; the same with receipts at once; at 500/s;
and two at 100/s."""

RAW_INSERTS: Final = Figure("raw_inserts_per_s")
RAW_HTTP: Final = Figure("raw_http_per_s")
END_TO_END: Final = Figure("end_to_end_per_s", 5_000, 7_000)
END_TO_END_ACCEPTED: Final = Figure("end_to_end_accepted_per_s")
LIMITED: Final = Figure("end_to_end_limited_per_s", 5_000)
UNLIMITED: Final = Figure("end_to_end_unlimited_per_s")
LIMITS_COST: Final = Figure("limits_cost_percent", None, 15, less_is_better=True, digits=1)
"""Of the processor time that a message takes in all processes of a centre."""
ACCEPT_SINGLE: Final = Figure("accept_single_per_s")
ACCEPT_BULK: Final = Figure("accept_bulk_per_s", 40_000)
DISPATCH: Final = Figure("dispatch_per_s", 8_000, 12_000)
OPERATOR_SHARE: Final = Figure("dispatch_operator_processor_percent", less_is_better=True, digits=1)
STATUS: Final = Figure("status_per_s", 8_000, 12_000)
OTP_IDLE_P50: Final = Figure("otp_idle_p50_ms", less_is_better=True, digits=1)
OTP_IDLE_P99: Final = Figure("otp_idle_p99_ms", 25, 15, less_is_better=True, digits=1)
OTP_UNDER_BULK: Final = Figure("otp_under_bulk_p99_ms", 250, 100, less_is_better=True, digits=1)
OTP_DURING_INTAKE: Final = Figure("otp_during_bulk_intake_p99_ms", 100, 50, less_is_better=True, digits=1)
CLAIM_10K: Final = Figure("claim_1000_ms_at_10k", less_is_better=True, digits=1)
FAIR_FIRST: Final = Figure("fair_first_submit_ms", 1_000, less_is_better=True)
FAIR_CLIENTS: Final = Figure("fair_clients_off_percent", 10, less_is_better=True, digits=1)
FAIR_LABELS: Final = Figure("fair_labels_off_percent", 10, less_is_better=True, digits=1)

_MEMORY: Final = {"api": 200.0, "dispatch": 200.0}
"""Megabytes that a process may have."""


def measure(seconds: float) -> list[Reading]:
    """Everything, in about so many seconds besides what it takes to set up. Raises CannotRun."""
    find_wrk()
    return asyncio.run(_measure(seconds / _USUAL))


async def _measure(scale: float) -> list[Reading]:
    async with AsyncExitStack() as stack:
        late, soon = [await Operator.start(receipt_after=after) for after in (2.0, 0.2)]
        stack.push_async_callback(late.end)
        stack.push_async_callback(soon.end)
        rig = await stack.enter_async_context(Rig.open())
        links = [
            Link(_MAIN, late), Link(_QUICK, soon), Link(_SLOW, late, rate=500),
            Link(_CLIENTS, late, rate=100), Link(_LABELS, late, rate=100),
        ]  # fmt: skip
        await rig.apply(links)
        run = _Run(rig, late, soon, await rig.queues(), scale, len(links))
        await run.throughput()
        await run.codes()
        await run.queue()
    return run.readings


@dataclass(slots=True)
class _Run:
    """One run over all figures; what each of them starts, the next one finds running."""

    rig: Rig
    late: Operator
    soon: Operator
    queues: dict[str, int]
    scale: float
    links: int
    url: str = ""
    readings: list[Reading] = field(default_factory=list)

    async def throughput(self) -> None:
        """Through the doors, out, back, and questions about it."""
        rig, scale = self.rig, self.scale
        self.read(RAW_INSERTS, await raw.raw_inserts(rig, 6 * scale))
        self.read(RAW_HTTP, await raw.raw_http(6 * scale))
        self.url = await rig.serve("api", "api")
        self.read(ACCEPT_SINGLE, await throughput.accept_single(rig, self.url, _MAIN, 10 * scale))
        self.read(STATUS, await throughput.status(rig, self.url, 8 * scale))
        await rig.empty()
        self.read(ACCEPT_BULK, await throughput.accept_bulk(rig, self.url, _MAIN, 10 * scale))
        await rig.empty()
        rate, share = await throughput.dispatch(
            rig, self.soon, _QUICK, self.queues[_QUICK], self.links, int(120_000 * scale)
        )
        self.read(DISPATCH, rate)
        self.read(OPERATOR_SHARE, 100 * share)
        await rig.empty()
        way = await throughput.end_to_end(rig, self.url, self.late, _MAIN, 24 * scale)
        self.read(END_TO_END, way.rate)
        self.read(END_TO_END_ACCEPTED, way.accepted)
        for name, used in way.processor_us.items():
            self.read(Figure(f"processor_us_{name}", less_is_better=True, digits=1), used)
        for name, size in way.memory_mb.items():
            self.read(Figure(f"rss_mb_{name}", _MEMORY.get(name), less_is_better=True), size)
        await rig.empty()
        limits = await limiting.limited(rig, self.url, self.late, _MAIN, 48 * scale)
        self.read(LIMITED, limits.limited)
        self.read(UNLIMITED, limits.unlimited)
        self.read(LIMITS_COST, limits.costs)

    async def codes(self) -> None:
        """One-time passwords: alone, beside a mailing that is sent, beside mailings that come in."""
        rig, scale = self.rig, self.scale
        idle = await latency.otp_idle(self.url, self.late, _MAIN, 12 * scale)
        self.read(OTP_IDLE_P50, idle.percentile(0.50))
        self.read(OTP_IDLE_P99, idle.percentile(0.99))
        seconds = 16 * scale
        under = await latency.otp_under_bulk(
            rig, self.url, self.late, _SLOW, self.queues[_SLOW], int(500 * (seconds + 10)), seconds
        )
        self.read(OTP_UNDER_BULK, under.percentile(0.99))
        during = await latency.otp_during_bulk_intake(rig, self.url, self.late, _MAIN, 16 * scale)
        self.read(OTP_DURING_INTAKE, during.percentile(0.99))

    async def queue(self) -> None:
        """Who may send, and what a claim costs."""
        rig, scale = self.rig, self.scale
        await rig.stop("dispatch")
        await rig.empty()
        queue_id = self.queues[_MAIN]
        await seed_queue(rig.db, 10_000, client_id=1, queue_id=queue_id, prefix=_MAIN, label=queueing.REFILL_LABEL)
        self.read(CLAIM_10K, median(await queueing.claim_times(rig.db, queue_id, 1, 100, _MAIN)))
        await rig.empty()
        await rig.serve("dispatch", "dispatch,maintenance")
        await rig.bound(self.links)
        fair = await queueing.fairness(
            rig,
            self.url,
            self.late,
            (_CLIENTS, self.queues[_CLIENTS]),
            (_LABELS, self.queues[_LABELS]),
            int(1_000_000 * min(1.0, scale)),
            60 * scale,
        )
        self.read(FAIR_FIRST, fair.first_ms)
        self.read(FAIR_CLIENTS, fair.clients_off)
        self.read(FAIR_LABELS, fair.labels_off)

    def read(self, figure: Figure, value: float) -> None:
        """Note a figure, and tell whoever waits for the table."""
        self.readings.append(told(figure, value))
