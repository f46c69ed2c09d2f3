"""What figures cost: `python -m tests.metrics.measure_scrape [MESSAGES]`.

What a message costs to be counted, in batches of 500. Then a centre (`payk serve`, all roles) with ten operators of
three links each, whose host does not answer, with MESSAGES that wait for them in three lanes: GET /metrics a hundred
times, and what a round of the duty `figures` takes.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
import timeit
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg

from payk.clock import Clock
from payk.dispatch.figures import count_receipts
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.message import MessageState, SmsType
from payk.domain.operator import Operator
from payk.domain.outcome import Accepted
from payk.domain.receipt import ReceiptReport
from payk.domain.retry import Decision
from payk.maintenance.figures import CentreFigures
from payk.registry.follow import load
from payk.store.claims import Claim
from payk.store.database import Database
from payk.store.migrations import migrate
from payk.store.outcome_figures import count_outcomes
from payk.store.outcomes import Recorded
from payk.store.receipts import Settled
from payk.store.wakeups import Flow
from tests.end_to_end.payk import KEY, Payk
from tests.homes import shared_server

OPERATORS: Final = [f"operator-{number}" for number in range(10)]
SEED: Final = """
with queue as (
    select queue_id, row_number() over (order by queue_id) - 1 as number from payk.queue
), taken as (
    insert into payk.message (message_id, accepted_at, client_id, queue_id, sms_type, priority, parts, phone, sender,
                              text)
    select nextval('payk.message_id'), now(), (select client_id from payk.client limit 1), q.queue_id, 1, n % 3, 1,
           '99290' || lpad((n % 9999999)::text, 7, '0'), 'AlifBank', 'hello'
    from generate_series(1, $1::integer) n join queue q on q.number = n % 10
    returning message_id, client_id, queue_id, priority
)
insert into payk.waiting (message_id, client_id, label_key, queue_id, lane, rank)
select message_id, client_id, 0, queue_id, 3 - priority, 0 from taken
"""


def count() -> None:
    """Print what counting costs a message that is taken at the first try and delivered."""
    directory, now = CurrentDirectory(Directory(operators={1: Operator(1, "tcell")})), datetime.now(UTC)
    records = [
        Recorded(
            Claim(
                number,
                Flow(1, number % 3, 1, 0, 0),
                *(0, 0, None, None, None, 1, "992900900900", "AlifBank", "hello", SmsType.OTP, 1, now),
                waited=0.02,
            ),
            1,
            (Accepted(1, "x"),),
            Decision({1: MessageState.ENROUTE}),
            0.03,
        )
        for number in range(500)
    ]
    state = MessageState.DELIVERED
    reports = [ReceiptReport(1, 1, ("x",), state, "DELIVRD", None, None, None, None, "a", "b")] * 500
    settled = [Settled(number, (1,), state, age=2.0, kind=(1 + number % 3, 1)) for number in range(500)]
    for name, work in {
        "outcomes": lambda: count_outcomes([(record, 0.01) for record in records], directory),
        "receipts": lambda: count_receipts(reports, settled, directory, now),
    }.items():
        print(f"{name}: {min(timeit.repeat(work, number=1, repeat=100)) / 500 * 1e6:.2f} microseconds a message")


def registry() -> str:
    parts = [f'[[client]]\nname = "bank"\napi_keys = ["{KEY}"]\nsenders = ["AlifBank"]\n']
    for number, name in enumerate(OPERATORS):
        parts.append(f'[[operator]]\nname = "{name}"\n')
        parts += [
            f'[[operator.link]]\nname = "{name}-{link}"\nhost = "127.0.0.1"\nport = 1\nsystem_id = "payk"\n'
            'password = "payk"\n'
            for link in range(3)
        ]
        parts.append(f'[[route]]\nprefix = "9929{number}"\noperators = ["{name}"]\n')
    return "".join(parts)


async def measure(folder: Path, url: str, messages: int) -> None:
    db = await Database.open(url)
    await migrate(db)
    payk = Payk(folder, {"PAYK_DATABASE_URL": url, "PAYK_SECRET_KEY": "5a" * 32})
    try:
        await payk.apply(registry())
        connection = await asyncpg.connect(url)
        await connection.execute(SEED.replace("$1", str(messages)))
        await connection.execute("vacuum analyze")
        await connection.close()
        figures = CentreFigures(db, CurrentDirectory(await load(db)), Clock(), 10)
        rounds = []
        for _ in range(5):
            began = time.perf_counter()
            await figures.run_once()
            rounds.append(time.perf_counter() - began)
        print(f"{messages:,} messages wait; a round of the duty: {statistics.median(rounds) * 1000:.0f} ms")
        token = (await payk.done("token", "create", "x", "--role", "operator", "--scopes", "read-metrics")).strip()
        centre = await payk.serve()
        took: list[float] = []
        size, figures_there = 0, 0
        while figures_there < 100:
            began = time.perf_counter()
            answer = await centre.admin.get("/metrics", headers={"Authorization": f"Bearer {token}"})
            spent = time.perf_counter() - began
            if "payk_centre_queue_messages" in answer.text:
                took.append(spent)
                size, figures_there = answer.text.count("\n"), figures_there + 1
            await asyncio.sleep(0.1)
        took.sort()
        print(
            f"a scrape, {size:,} lines: median {took[50] * 1000:.1f} ms, of a hundred the slowest {took[-1] * 1000:.1f}"
        )
    finally:
        await payk.close()
        await db.close()


def main() -> None:
    count()
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with shared_server(folder / "server", {}) as url:
            asyncio.run(measure(folder, url, messages))


if __name__ == "__main__":
    main()
