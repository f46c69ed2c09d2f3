"""What retention costs the path: `python -m tests.maintenance.measure_retention [MESSAGES]`.

A database as `payk up` starts it (every COMMIT on the disk) holds MESSAGES old ones, three of ten Otp. Then rounds of
the path, one after the other: messages are stored, claimed, handed over, and their receipts settled, in batches of 300
by two lines at once, as fast as it goes. The variants of a turn come in another order each time, so that what else the
machine does meets all of them alike:

- bare: no duty runs. Twice in each turn: how far these two differ is what the figures can tell.
- wiping: the duty wipes Otp that become due as fast as the path brings new ones.
- index: the same, with a partial index over the texts of Otp, the design that was not chosen.
- reading: the duty wipes, and an old partition is read for unfinished messages over and over.

Messages a second depend on what else the machine does; the processor time of the server's processes hardly does.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from payk.domain.message import SmsType
from payk.domain.outcome import Accepted
from payk.maintenance import texts
from payk.store.database import Database
from payk.store.migrations import migrate
from payk.store.retention import Partition, is_old, what_keeps
from tests.homes import shared_server
from tests.store.scene import Scene, scene_on

ROUND: Final = 10.0
TURNS: Final = 5
BATCH: Final = 300
LINES: Final = 2
VARIANTS: Final = ("bare", "wiping", "index", "reading", "bare again")
INDEX: Final = "create index message_text on message (message_id) where sms_type = 2 and text <> ''"
SEED: Final = """
insert into message (message_id, accepted_at, submitted_at, receipt_due, done_at, client_id, queue_id, operator_id,
                     sms_type, priority, state, parts, phone, sender, label, text)
select nextval('message_id'), t, t, t, t, $2, $3, 1, case when n % 10 < 3 then 2 else 1 end, 1, 2, 1,
       '99290' || lpad((n % 10000000)::text, 7, '0'), 'AlifBank', 'spring',
       'Your code is 123456. Never tell it to anybody, not to the bank either.'
from generate_series(1, $1::integer) n, lateral (select now() - interval '100 days' as t) x
"""


async def store(scene: Scene, count: int) -> None:
    async with scene.db.connection(timeout=600) as connection:
        await connection.execute("set statement_timeout = 0")
        for start in range(0, count, 200_000):
            await connection.execute(SEED, min(200_000, count - start), scene.client, scene.queue)
        await connection.execute("set statement_timeout = '30s'")


async def line(scene: Scene, number: int, until: float) -> int:
    """One after the other, batches all the way; returns how many messages."""
    done, low = 0, 0
    while time.perf_counter() < until:
        for sms_type, share in ((SmsType.OTP, 3), (SmsType.COMMON, 7)):
            await scene.accept(BATCH * share // 10, sms_type=sms_type, label=f"line {number}")
        claims = await scene.claim(BATCH, low=low)
        await scene.record_all([scene.decided(claim, Accepted(1, str(claim.message_id))) for claim in claims])
        await scene.receive(*(scene.report(str(claim.message_id)) for claim in claims))
        done += len(claims)
    return done


@dataclass(frozen=True)
class Cost:
    """What a round came to. Processor times are those of the server's processes, in microseconds."""

    per_second: float
    per_message: float
    """Of the path."""
    texts: float
    """Wiped, a second."""
    duty: float
    """Of the duties, per second."""


async def processes(db: Database) -> list[int]:
    """The server's processes that work for somebody."""
    async with db.connection() as connection:
        rows = await connection.fetch(
            "select pid from pg_stat_activity where usename = current_user and backend_type = 'client backend'"
        )
    return [row[0] for row in rows]


def processor_time(pids: Iterable[int]) -> float:
    """Microseconds that these processes have worked."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except FileNotFoundError:  # a worker of autovacuum that has ended
            continue
        ticks += int(fields[11]) + int(fields[12])
    return 1e6 * ticks / os.sysconf("SC_CLK_TCK")


async def path(scene: Scene) -> tuple[int, float]:
    """Messages all the way, and the seconds it took."""
    began = time.perf_counter()
    done = sum(await asyncio.gather(*(line(scene, number, began + ROUND) for number in range(LINES))))
    return done, time.perf_counter() - began


async def make_due(scene: Scene, first: int, rate: float) -> int:
    """Old messages from id `first` on get their texts again, and become due, `rate` of them a second from now on."""
    count = int(rate * (ROUND + 5))
    async with scene.db.connection(timeout=600) as connection:
        await connection.execute("set statement_timeout = 0")
        # Passed 60 minutes and 10 seconds after they were accepted; the first of them now.
        await connection.execute(
            "update message set accepted_at = now() - interval '60 minutes 10 seconds' + make_interval(secs =>"
            " (message_id - $1) / $3), submitted_at = now() - interval '61 minutes', done_at = submitted_at,"
            " text = 'Your code is 123456.' where message_id >= $1 and message_id < $1 + $2",
            first, count, rate,
        )  # fmt: skip
        await connection.execute("update text_walk set passed = $1, next_at = now() where client_id = 0", first - 1)
        await connection.execute("set statement_timeout = '30s'")
        await connection.execute("vacuum message")
        await connection.execute("checkpoint")
    return count


@asynccontextmanager
async def beside(coroutine: object) -> AsyncIterator[None]:
    task = asyncio.ensure_future(coroutine)  # type: ignore[arg-type]
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def wiping(db: Database) -> None:
    while True:
        await texts.run_once(db, 60)
        await asyncio.sleep(1)


async def reading(db: Database, partition: Partition) -> None:
    while True:
        assert await what_keeps(db, partition, datetime.now(UTC)) is None
        async with db.connection() as connection:
            await connection.execute("delete from old_partition")


async def wiped(scene: Scene, first: int, count: int) -> int:
    where = "message_id >= $1 and message_id < $1 + $2 and sms_type = 2 and text = ''"
    return int(await scene.value(f"select count(*) from message where {where}", first, count))


async def one_round(scene: Scene, own: Database, variant: str, first: int, rate: float, old: Partition) -> Cost:
    """One round; `own` is the connection of the duties."""
    if variant == "index":
        await scene.execute(INDEX)
    count = await make_due(scene, first, rate)  # also where nothing is wiped: the same work goes before every round
    duty = [int(await pid_of(own))]
    others = [pid for pid in await processes(scene.db) if pid not in duty]
    before = processor_time(others), processor_time(duty)
    async with AsyncExitStack() as stack:
        if not variant.startswith("bare"):
            await stack.enter_async_context(beside(wiping(own)))
        if variant == "reading":
            await stack.enter_async_context(beside(reading(own, old)))
        done, seconds = await path(scene)
    of_path, of_duty = processor_time(others) - before[0], processor_time(duty) - before[1]
    if variant == "index":
        await scene.execute("drop index message_text")
    texts_a_second = await wiped(scene, first, count) / seconds
    return Cost(done / seconds, of_path / done, texts_a_second, of_duty / seconds)


async def pid_of(own: Database) -> int:
    async with own.connection() as connection:
        return int(await connection.fetchval("select pg_backend_pid()"))


async def measure(dsn: str, messages: int) -> None:
    db = await Database.open(dsn)
    await migrate(db)
    scene = await scene_on(db)
    await scene.execute("select setval('message_id', 100000000, false)")
    await store(scene, messages)
    old = Partition("message_100000000", "message", 100_000_000, 110_000_000)
    # The path goes on in the next partition, as it would.
    await scene.execute("select setval('message_id', 110000000, false)")
    await scene.execute("vacuum analyze message")
    began = time.perf_counter()
    assert await is_old(db, old, datetime.now(UTC)) and await what_keeps(db, old, datetime.now(UTC)) is None
    print(f"an old partition of {messages:,} messages, read for unfinished ones: {time.perf_counter() - began:.1f} s")
    began = time.perf_counter()
    assert await what_keeps(db, old, datetime.now(UTC)) is None
    print(f"the same once more: {1000 * (time.perf_counter() - began):.1f} ms")
    own = await Database.open(dsn, max_connections=1)
    done, seconds = await path(scene)
    rate = done / seconds
    print(f"first round, not counted: {rate:,.0f} messages a second", flush=True)
    costs: dict[str, list[Cost]] = {variant: [] for variant in VARIANTS}
    for turn in range(TURNS):
        for place in range(len(VARIANTS)):
            variant = VARIANTS[(turn + place) % len(VARIANTS)]
            cost = await one_round(scene, own, variant, 100_000_000, rate, old)
            costs[variant].append(cost)
            print(f"{variant:10}  {told([cost])}", flush=True)
    print("medians")
    for variant, found in costs.items():
        print(f"{variant:10}  {told(found)}")
    updates = "select (n_tup_upd, n_tup_hot_upd)::text from pg_stat_user_tables where relname = 'message_100000000'"
    print("updates of the old partition, and those that stayed on their page:", await scene.value(updates))
    await own.close()
    await db.close()


def told(costs: Sequence[Cost]) -> str:
    """The medians of some rounds."""

    def median(name: str) -> float:
        return statistics.median(getattr(cost, name) for cost in costs)

    return (
        f"{median('per_second'):6,.0f} messages/s  {median('per_message'):5,.0f} us of the server per message"
        f"  {median('texts'):5,.0f} texts wiped/s  {median('duty') / 1e4:5.2f} % of a core for the duties"
    )


def main() -> None:
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder, shared_server(Path(folder) / "home", {}) as dsn:
        asyncio.run(measure(dsn, messages))


if __name__ == "__main__":
    main()
