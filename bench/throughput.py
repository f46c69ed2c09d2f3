"""How many messages a centre carries: through its doors, out to an operator, and back as receipts."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

from bench.figure import CannotRun
from bench.rig import BANK, Operator, Rig
from bench.traffic import bulks, polls, singles, store_backlog
from bench.wrk import Load, run_wrk

__all__ = ["BULK", "EndToEnd", "accept_bulk", "accept_single", "dispatch", "end_to_end", "status"]

BULK: Final = 1_000  # messages of a bulk
_BULK_CONNECTIONS: Final = 4
_WARM_UP: Final = 3.0  # seconds
_STEADY: Final = 0.97  # receipts per message taken, in a state that lasts
_PATIENCE: Final = 120.0  # seconds for what is under way to end
_LOOK: Final = 0.05


@dataclass(frozen=True, slots=True)
class EndToEnd:
    """`rate` is messages a second from request to final receipt, `accepted` those taken while the load lasted."""

    rate: float
    accepted: float
    processor_us: dict[str, float] = field(default_factory=dict)
    """Microseconds of processor time a message, by process."""
    memory_mb: dict[str, float] = field(default_factory=dict)


async def end_to_end(rig: Rig, url: str, operator: Operator, prefix: str, seconds: float, key: str = BANK) -> EndToEnd:
    """Single messages, each recognised when it is repeated, until the operator was told that their receipts are stored.

    Where receipts keep up with requests the rate is that of the receipts while the load lasts, else all of them by the
    time that all took.
    """
    folder = rig.home.parent
    await run_wrk(f"{url}/api/v1/sms", _WARM_UP, singles(folder, prefix, f"warm-{time.time_ns()}", key))
    await _all_confirmed(operator)
    first = await operator.ask("counts")
    began = time.monotonic()
    script = singles(folder, prefix, f"e2e-{time.time_ns()}", key)
    load = asyncio.create_task(run_wrk(f"{url}/api/v1/sms", seconds, script))
    await asyncio.sleep(seconds * 0.3)
    early, used = await operator.ask("counts"), rig.usage(operator=operator.pid)
    early_at = time.monotonic()
    await asyncio.sleep(max(0.0, began + seconds * 0.98 - time.monotonic()))
    late, used_after = await operator.ask("counts"), rig.usage(operator=operator.pid)
    late_at = time.monotonic()
    memory = rig.memory()
    done: Load = await load
    last = await _all_confirmed(operator)
    if last["confirmed"] - first["confirmed"] < done.answered:
        raise CannotRun("messages were taken whose receipts never came")
    async with rig.db.connection() as connection:
        if await connection.fetchval("select exists (select from parked_receipt)"):
            raise CannotRun("receipts came that belong to no message")
    in_window = late["confirmed"] - early["confirmed"]
    confirmed = in_window / (late_at - early_at)
    whole = done.answered / (last["last_confirmed_at"] - began)
    rate = min(confirmed, done.rate) if confirmed >= _STEADY * done.rate else whole
    used_by = {name: 1e6 * used_s / in_window for name, used_s in used_after.since(used).items()}
    return EndToEnd(rate, done.rate, used_by, memory)


async def accept_single(rig: Rig, url: str, prefix: str, seconds: float) -> float:
    """Single messages taken a second, with nothing being sent."""
    script = singles(rig.home.parent, prefix, f"single-{time.time_ns()}")
    return (await run_wrk(f"{url}/api/v1/sms", seconds, script)).rate


async def accept_bulk(rig: Rig, url: str, prefix: str, seconds: float) -> float:
    """Messages of bulks taken a second, with nothing being sent."""
    load = await run_wrk(f"{url}/api/v1/sms/bulk", seconds, bulks(rig.home.parent, BULK, prefix), _BULK_CONNECTIONS)
    return load.rate * BULK


async def dispatch(
    rig: Rig, operator: Operator, prefix: str, queue_id: int, links: int, count: int
) -> tuple[float, float]:
    """A stored backlog through one process, receipts included: messages a second, and the operator's share of a
    core.
    """
    await store_backlog(rig.db, count, client_id=1, queue_id=queue_id, prefix=prefix)
    before = await operator.ask("counts")
    await rig.serve("dispatch", "dispatch,maintenance")
    await rig.bound(links)
    deadline = time.monotonic() + _PATIENCE
    while True:
        counts = await operator.ask("counts")
        if counts["confirmed"] - before["confirmed"] >= count:
            break
        if time.monotonic() > deadline:
            raise CannotRun("the backlog was not sent in time")
        await asyncio.sleep(_LOOK)
    took = counts["last_confirmed_at"] - counts["first_submit_at"]
    return count / took, (counts["cpu_s"] - before["cpu_s"]) / took


async def status(rig: Rig, url: str, seconds: float) -> float:
    """Statuses told a second, of messages all over those that are stored."""
    async with rig.db.connection() as connection:
        first = await connection.fetchval("select min(message_id) from message")
        last = await connection.fetchval("select max(message_id) from message")
        stored = await connection.fetchval(
            "select count(*) from message where message_id between $1 and $2", first, last
        )
    if last - first + 1 != stored:
        raise CannotRun("there are gaps among the ids whose status is asked for")
    return (await run_wrk(url, seconds, polls(rig.home.parent, first, stored))).rate


async def _all_confirmed(operator: Operator) -> dict[str, float]:
    """Wait until nothing is on its way at the operator: all it took has its receipt."""
    deadline = time.monotonic() + _PATIENCE
    before = -1
    while True:
        counts = await operator.ask("counts")
        if counts["submits"] == counts["confirmed"] == before:
            return counts
        if time.monotonic() > deadline:
            raise CannotRun("receipts were not confirmed in time")
        before = counts["submits"]
        await asyncio.sleep(0.5)
