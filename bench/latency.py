"""How long a one-time password takes from its HTTP request to its submit_sm at the operator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil
from typing import Final

from bench.figure import CannotRun
from bench.http import Connection, connect, post
from bench.rig import BANK, Operator, Rig
from bench.traffic import bulks, single_body, store_backlog
from bench.wrk import run_wrk
from payk.domain.message import SmsType

__all__ = ["Delays", "otp_during_bulk_intake", "otp_idle", "otp_under_bulk"]

_EVERY: Final = 0.04  # seconds between two codes
_PATIENCE: Final = 30.0
_CODES_AT_ONCE: Final = 8  # connections; a code that waits must not hold up the next one's measurement
_BULK: Final = 50_000
_INTO_THE_BULKS: Final = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Delays:
    """Milliseconds from request to submit_sm, of every code sent."""

    sorted_ms: list[float]

    def percentile(self, share: float) -> float:
        """What `share` of them did not exceed (nearest rank)."""
        return self.sorted_ms[max(0, ceil(share * len(self.sorted_ms)) - 1)]


async def otp_idle(url: str, operator: Operator, prefix: str, seconds: float) -> Delays:
    """Codes alone."""
    return await _send_codes(url, operator, prefix, seconds)


async def otp_under_bulk(
    rig: Rig, url: str, operator: Operator, prefix: str, queue_id: int, backlog: int, seconds: float
) -> Delays:
    """Codes while a mailing of the same client drains over the same link."""
    await store_backlog(rig.db, backlog, client_id=1, queue_id=queue_id, prefix=prefix, label="mailing")
    await asyncio.sleep(_INTO_THE_BULKS)
    delays = await _send_codes(url, operator, prefix, seconds)
    if await _waiting(rig, queue_id) == 0:
        raise CannotRun("the mailing had drained before the last code was sent")
    return delays


async def otp_during_bulk_intake(rig: Rig, url: str, operator: Operator, prefix: str, seconds: float) -> Delays:
    """Codes while bulks of 50,000 come in back to back, and are sent."""
    script = bulks(rig.home.parent, _BULK, prefix)
    load = asyncio.create_task(run_wrk(f"{url}/api/v1/sms/bulk", seconds + 2 * _INTO_THE_BULKS, script, 1))
    try:
        await asyncio.sleep(_INTO_THE_BULKS)
        delays = await _send_codes(url, operator, prefix, seconds)
        if load.done():
            raise CannotRun("the bulks had ended before the last code was sent")
        await load
    finally:
        load.cancel()
    return delays


async def _waiting(rig: Rig, queue_id: int) -> int:
    async with rig.db.connection() as connection:
        return int(await connection.fetchval("select count(*) from waiting where queue_id = $1", queue_id))


async def _send_codes(url: str, operator: Operator, prefix: str, seconds: float) -> Delays:
    """One every 40 ms, whatever became of the one before."""
    prefix = f"{prefix}77"
    await operator.ask(f"watch {prefix}")
    loop = asyncio.get_running_loop()
    sent: dict[str, float] = {}
    async with _connections(url) as free, asyncio.TaskGroup() as group:
        start = loop.time()
        for number in range(max(50, int(seconds / _EVERY))):
            await asyncio.sleep(max(0.0, start + number * _EVERY - loop.time()))
            phone = f"{prefix}{int(time.time()) % 100:02d}{number:05d}"
            group.create_task(_send_code(free, phone, sent))
    deadline = time.monotonic() + _PATIENCE
    while True:
        seen = await operator.ask(f"seen {prefix}")
        if all(phone in seen for phone in sent):
            return Delays(sorted(1000 * (seen[phone] - at) for phone, at in sent.items()))
        if time.monotonic() > deadline:
            raise CannotRun(f"{sum(phone not in seen for phone in sent)} codes were not submitted in time")
        await asyncio.sleep(0.1)


@asynccontextmanager
async def _connections(url: str) -> AsyncIterator[asyncio.Queue[Connection]]:
    free: asyncio.Queue[Connection] = asyncio.Queue()
    connections = [await connect(url) for _ in range(_CODES_AT_ONCE)]
    for connection in connections:
        free.put_nowait(connection)
    try:
        yield free
    finally:
        for _, writer in connections:
            writer.close()


async def _send_code(free: asyncio.Queue[Connection], phone: str, sent: dict[str, float]) -> None:
    body = single_body(phone, SmsType.OTP).encode()
    sent[phone] = time.monotonic()
    connection = await free.get()
    await post(connection, "/api/v1/sms", BANK, body)
    free.put_nowait(connection)
