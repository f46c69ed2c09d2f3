"""The measures of the machine for a whole centre: what its database and its HTTP server do when nothing is asked of
them.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import uvicorn
from starlette.types import Receive, Scope, Send

from bench.rig import SENDER, Rig
from bench.traffic import TEXT
from bench.wrk import run_wrk
from payk.web.server import listen

__all__ = ["raw_http", "raw_inserts"]

_CONNECTIONS: Final = 4
_ROWS: Final = 1_000

_TABLES: Final = """
create table if not exists bench_message (like payk.message including all);
create table if not exists bench_waiting (like payk.waiting including all);
"""

_INSERT: Final = """
with given as (
    select * from unnest($1::bigint[], $2::text[]) as g (message_id, phone)
), stored as (
    insert into bench_message (message_id, accepted_at, client_id, queue_id, sms_type, priority, parts, phone, sender,
                               label, text)
    select message_id, now(), 1, 1, 3, 1, 1, phone, $3, 'mailing', $4 from given
)
insert into bench_waiting (message_id, client_id, label_key, queue_id, lane, rank)
select message_id, 1, 1, 1, 4, 0 from given
"""


async def raw_inserts(rig: Rig, seconds: float) -> float:
    """Rows a second into copies of the message and the queue table, 1,000 a transaction on 4 connections."""
    connections = [await rig.db.dedicated() for _ in range(_CONNECTIONS)]
    numbers = iter(range(10**9))
    try:
        await connections[0].execute(_TABLES)
        loop = asyncio.get_running_loop()
        start = loop.time()

        async def insert(number: int) -> int:
            done = 0
            while loop.time() - start < seconds:
                ids = [next(numbers) for _ in range(_ROWS)]
                phones = [f"99290{each:07d}" for each in ids]
                await connections[number].execute(_INSERT, ids, phones, SENDER, TEXT)
                done += _ROWS
            return done

        done = sum(await asyncio.gather(*map(insert, range(_CONNECTIONS))))
        rate = done / (loop.time() - start)
        await connections[0].execute("drop table bench_message, bench_waiting")
        return rate
    finally:
        for connection in connections:
            connection.terminate()


async def raw_http(seconds: float) -> float:
    """Requests a second that an ASGI application without content answers, on the same server, under the same load."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.raw", stdout=asyncio.subprocess.PIPE)
    try:
        assert child.stdout is not None
        port = int(await child.stdout.readline())
        return (await run_wrk(f"http://127.0.0.1:{port}/", seconds)).rate
    finally:
        child.kill()
        await child.wait()


async def _empty(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


def _serve_nothing() -> None:
    config = uvicorn.Config(_empty, port=0, log_level="error", http="httptools", loop="uvloop", lifespan="off")
    server = uvicorn.Server(config)
    listener = listen("127.0.0.1", 0)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    server.run([listener])


if __name__ == "__main__":
    _serve_nothing()
