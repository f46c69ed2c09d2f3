"""Memory stays bounded whatever waits: nothing reads more than it can send."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import psutil

from tests.end_to_end.payk import Centre, Payk, registry

BACKLOG = 120_000
GROWTH = 24_000_000
"""Octets. The backlog itself is larger: as objects of Python its rows have some 1,000 octets each."""

FILL = """
with ids as (select nextval('payk.message_id') as message_id, n from generate_series(1, $1::integer) as n),
stored as (
    insert into payk.message (message_id, accepted_at, client_id, queue_id, sms_type, priority, parts, phone, sender,
                              label, text)
    select message_id, now(), c.client_id, q.queue_id, 3, 1, 1, '99290' || lpad(n::text, 7, '0'), 'AlifBank',
           'label ' || n % 5000, repeat('x', 150)
    from ids, payk.client c, payk.queue q
)
insert into payk.waiting (message_id, client_id, label_key, queue_id, lane, rank)
select message_id, c.client_id, n % 5000, q.queue_id, 4, 1 from ids, payk.client c, payk.queue q
"""
SCHEDULE = """
with moved as (delete from payk.waiting where message_id % 3 = 0 returning *)
insert into payk.staged (due, message_id, client_id, label_key, queue_id, lane, rank)
select now(), message_id, client_id, label_key, queue_id, lane, rank from moved
"""


def memory(centre: Centre) -> int:
    return int(psutil.Process(centre.program.process.pid).memory_info().rss)


async def test_a_backlog_is_not_read_into_memory(payk_on_server: Payk) -> None:
    payk = payk_on_server
    operator = await payk.simulate()
    await payk.apply(registry(operator.port, link="rate = 300"))
    centre = await payk.serve()
    await asyncio.gather(*(centre.send(f"9929{number:08}", SmsType=1) for number in range(300)))
    await operator.record.wait_for(300)
    before = memory(centre)

    connection = await asyncpg.connect(payk.environment["PAYK_DATABASE_URL"])
    await connection.execute("analyze payk.client, payk.queue")
    await connection.fetch(FILL, BACKLOG)
    await connection.execute(SCHEDULE)
    await connection.close()
    most = 0
    deadline = time.monotonic() + 120
    while len(operator.record.submits()) < 1_500:
        assert time.monotonic() < deadline
        most = max(most, memory(centre))
        await asyncio.sleep(0.1)
    assert most - before < GROWTH
    code = await centre.send()  # and a code passes all of it
    await centre.wait_for(code, "Delivered", within=10)
    await centre.program.stop()
