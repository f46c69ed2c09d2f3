"""What happens to requests while ids cross the border of a partition."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from bench.figure import CannotRun
from bench.large.filling import partitions_of_messages
from bench.rig import Rig
from bench.traffic import singles
from bench.wrk import Load, run_wrk
from payk.store.upkeep import ensure_partitions

__all__ = ["Switch", "switch_partition"]

_WARM_UP: Final = 5.0  # seconds
_LOAD: Final = 20.0
_CROSSED: Final = 8.0
"""About when, of that load."""
_BEFORE, _BEHIND = 5.0, 5.0
"""Seconds on either side of the border that are compared."""

_LOOK: Final = 0.05

_COUNTED: Final = """
with stored as (
    select message_id, accepted_at, accepted_at - lag(accepted_at) over (order by accepted_at) as pause
    from message where message_id >= $2
), crossing as (
    select min(accepted_at) as at from stored where message_id >= $1
)
select count(*) filter (where accepted_at < at) as before, count(*) filter (where accepted_at >= at) as behind,
       max(pause) filter (where accepted_at < at) as pause_before, max(pause) filter (where accepted_at >= at) as pause
from stored, crossing
where accepted_at >= at - make_interval(secs => $3) and accepted_at < at + make_interval(secs => $4)
"""


@dataclass(frozen=True, slots=True)
class Switch:
    """Messages accepted a second in the seconds before the crossing and behind it, and the longest time in either in
    which none was, in ms. `requests` were answered, each by a 2xx.
    """

    before: float
    behind: float
    pause_before_ms: float
    pause_ms: float
    requests: int


async def switch_partition(rig: Rig, url: str, prefix: str) -> Switch:
    """Single messages as fast as they go, across a border; the next partitions are made meanwhile, as the duty does.

    Raises CannotRun where a request was refused.
    """
    folder = rig.home.parent
    warm = await run_wrk(f"{url}/api/v1/sms", _WARM_UP, singles(folder, prefix, f"warm-{time.time_ns()}"))
    first, border = await _approach(rig, int(warm.rate * _CROSSED))
    load = asyncio.create_task(run_wrk(f"{url}/api/v1/sms", _LOAD, singles(folder, prefix, f"s-{time.time_ns()}")))
    try:
        await _crossed(rig, border, load)
        await ensure_partitions(rig.db)
        done = await load
    finally:
        load.cancel()
    async with rig.db.connection(timeout=60) as connection:
        row = await connection.fetchrow(_COUNTED, border, first, _BEFORE, _BEHIND)
    if row is None or not row["before"] or not row["behind"]:
        raise CannotRun("there was no load on both sides of the border of a partition")
    return Switch(
        row["before"] / _BEFORE,
        row["behind"] / _BEHIND,
        1000 * row["pause_before"].total_seconds(),
        1000 * row["pause"].total_seconds(),
        done.answered,
    )


async def _approach(rig: Rig, ahead: int) -> tuple[int, int]:
    """Let ids go on `ahead` of the end of their partition; the first of them, and the first of the next partition."""
    known = await partitions_of_messages(rig.db)
    async with rig.db.connection() as connection:
        last = await connection.fetchval("select last_value from message_id")
        here = next(each for each in known if each.low <= last < each.high)
        if here.high - ahead <= last:
            raise CannotRun("a partition has too few ids for the load")
        await connection.execute("select setval('message_id', $1, false)", here.high - ahead)
    return here.high - ahead, here.high


async def _crossed(rig: Rig, border: int, load: asyncio.Task[Load]) -> None:
    """Wait until an id beyond the border was given away."""
    while True:
        async with rig.db.connection() as connection:
            if await connection.fetchval("select last_value from message_id") >= border:
                return
        if load.done():
            await load
            raise CannotRun("the load ended before ids crossed the border of their partition")
        await asyncio.sleep(_LOOK)
