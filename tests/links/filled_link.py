"""A link in a process of its own, for a test that stops it: submits to the port it is given until no more is taken.

Prints when its lease ends, by CLOCK_BOOTTIME, and then lives on.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from random import Random

import uvloop

from payk import logs
from payk.clock import Clock
from payk.domain.operator import Link as LinkSettings
from payk.links import Link
from tests.links.smsc import message

LEASE = 1.0


async def fill(port: int) -> None:
    clock, changed = Clock(), asyncio.Event()
    until = clock.monotonic() + LEASE
    link = Link(
        replace(LinkSettings(7, 1, "tcell-1", "127.0.0.1", port, "payk", b""), window=100_000),
        password="secret",
        lease_held=lambda: clock.monotonic() < until,
        on_result=lambda result: None,
        on_deliver=lambda delivery: None,
        on_change=lambda link: changed.set(),
        clock=clock,
        random=Random(1),
    )
    link.want_binds([1])
    running = asyncio.create_task(link.run())
    await changed.wait()
    number = 0
    while room := link.capacity():
        until = clock.monotonic() + LEASE
        for _ in range(min(500, room)):
            number += 1
            link.submit(message(number % 100_000, text="0" * 160))
        await asyncio.sleep(0)
    print(until, flush=True)
    await running


if __name__ == "__main__":
    logs.configure("json", "warning")  # to standard error
    uvloop.run(fill(int(sys.argv[1])))
