"""The queue itself: what a claim costs, and whether clients and labels share a link fairly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.figure import CannotRun
from bench.http import connect, post
from bench.rig import SHOP, Operator, Rig
from bench.seeding import seed_queue
from bench.traffic import bulk_body, store_backlog
from payk.store.claims import Quota, claim_rows
from payk.store.database import Database
from payk.store.processes import heartbeat, register
from payk.store.wakeups import Flow

__all__ = ["claim_times", "fairness"]

CLAIM: Final = 1_000
"""Messages of a claim that is measured."""
REFILL_LABEL: Final = "mailing"
FIRST_CLIENT, SECOND_CLIENT = "AlifBank", "Shop"
FIRST_LABEL, SECOND_LABEL = "LabelOne", "LabelTwo"
"""By their senders the operator tells them apart."""

_AHEAD: Final = 3.0  # seconds that the first ones have the link to themselves


async def claim_times(db: Database, queue_id: int, link_id: int, claims: int, refill_prefix: str) -> list[float]:
    """Milliseconds of successive claims; what one took leaves the queue, and as many come behind, as in a centre."""
    incarnation = await register(db, host="bench", pid=1, roles=["dispatch"])
    flow = await _flow(db, queue_id)
    async with db.connection() as connection:
        low = await connection.fetchval("select min(message_id) from waiting where queue_id = $1", queue_id)
    times = []
    for _ in range(claims):
        await heartbeat(db, incarnation, timeout=30)  # else who is alive ends it on a machine with much to do
        began = time.perf_counter()
        claimed = await claim_rows(db, incarnation, link_id, [Quota(flow, low, CLAIM)])
        times.append(1000 * (time.perf_counter() - began))
        if len(claimed) < CLAIM:
            raise CannotRun(f"a claim of {CLAIM} brought {len(claimed)}")
        low = claimed[-1].message_id
        async with db.connection() as connection:
            await connection.execute(
                "delete from waiting where message_id = any($1::bigint[])", [claim.message_id for claim in claimed]
            )
        await seed_queue(
            db, CLAIM, client_id=flow.client_id, queue_id=queue_id, prefix=refill_prefix, label=REFILL_LABEL
        )
    return times


async def _flow(db: Database, queue_id: int) -> Flow:
    async with db.connection() as connection:
        row = await connection.fetchrow(
            "select queue_id, lane, client_id, rank, label_key from waiting where queue_id = $1 limit 1", queue_id
        )
    if row is None:
        raise CannotRun("there is nothing to claim")
    return Flow(*row)


@dataclass(frozen=True, slots=True)
class Fairness:
    """`first_ms` from the second client's first request, of one message, to its submit_sm; the others in percent of an
    equal share.
    """

    first_ms: float
    clients_off: float
    labels_off: float


async def fairness(
    rig: Rig,
    url: str,
    operator: Operator,
    clients: tuple[str, int],
    labels: tuple[str, int],
    million: int,
    seconds: float,
) -> Fairness:
    """A second client beside the million of another one, and a second label beside the first of one client.

    `clients` and `labels` are the prefix and the queue of a link of rate 100 each; both are watched at the same time.
    """
    prefix, queue_id = clients
    await seed_queue(rig.db, million, client_id=1, queue_id=queue_id, prefix=prefix, label="mailing")
    prefix, queue_id = labels
    many = int(200 * seconds)
    await store_backlog(rig.db, many, label="first", client_id=1, queue_id=queue_id, prefix=prefix, sender=FIRST_LABEL)
    await operator.ask("order on")
    await asyncio.sleep(_AHEAD)
    began = time.monotonic()
    connection = await connect(url)
    await post(connection, "/api/v1/sms/bulk", SHOP, bulk_body(1, clients[0], "sale", SECOND_CLIENT))
    await post(connection, "/api/v1/sms/bulk", SHOP, bulk_body(many, clients[0], "sale", SECOND_CLIENT))
    connection[1].close()
    both = time.monotonic()
    await store_backlog(
        rig.db, many, label="second", client_id=1, queue_id=queue_id, prefix=prefix, sender=SECOND_LABEL
    )
    await asyncio.sleep(seconds + 3)
    told = await operator.ask("order")
    first = told["first"]
    missing = [name for name in (FIRST_CLIENT, SECOND_CLIENT, FIRST_LABEL, SECOND_LABEL) if name not in first]
    if missing:
        raise CannotRun(f"nothing was submitted of {', '.join(missing)}")
    counts = told["counts"]
    return Fairness(
        1000 * (first[SECOND_CLIENT] - began),
        _off(counts, FIRST_CLIENT, SECOND_CLIENT, both, seconds),
        _off(counts, FIRST_LABEL, SECOND_LABEL, first[SECOND_LABEL], seconds),
    )


def _off(counts: Mapping[str, Mapping[str, int]], one: str, other: str, since: float, seconds: float) -> float:
    """By how many percent of an equal share the two differ from it, from the second after `since` on."""
    window = range(int(since) + 1, int(since) + 1 + int(seconds))
    sums = [sum(counts[name].get(str(second), 0) for second in window) for name in (one, other)]
    return 100 * abs(sums[0] - sums[1]) / sum(sums)
