"""The systems that are measured, each as its users would run it on one machine, with one link to the operator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.figure import CannotRun, Figure
from bench.peers.callbacks import Customer
from bench.peers.carried import Loading
from bench.peers.kannel import Kannel, sends
from bench.rig import Link, Operator, Rig
from bench.traffic import singles
from bench.wrk import Load, run_wrk

__all__ = ["KANNEL", "PAYK", "SYSTEMS", "System"]

_PREFIX: Final = "992"
_PATIENCE: Final = 60.0  # seconds
_LOOK: Final = 0.5

_DELIVERED: Final = 1
_FINAL: Final = 3
_EVERYTHING: Final = 31
"""dlr-mask: what was delivered; or failed; and what was queued, taken by the operator or refused by it."""


@asynccontextmanager
async def _payk(operator: Operator) -> AsyncIterator[Loading]:
    """Every message is stored before its request is answered, and every receipt before it is confirmed."""
    async with Rig.open() as rig:
        await rig.apply([Link(_PREFIX, operator)])
        url = await rig.serve("api", "api")
        await rig.serve("dispatch", "dispatch,maintenance")
        await rig.bound(1)

        async def load(seconds: float) -> Load:
            script = singles(rig.home.parent, _PREFIX, f"peers-{time.time_ns()}")
            return await run_wrk(f"{url}/api/v1/sms", seconds, script)

        yield load


@asynccontextmanager
async def _kannel(
    operator: Operator, *, reports: int, told: bool = True, stored: bool = False
) -> AsyncIterator[Loading]:
    """`reports` is what it tells of (dlr-mask); where `told`, it calls a customer's server with that."""
    async with AsyncExitStack() as stack:
        kannel = await stack.enter_async_context(Kannel.open(operator, stored=stored))
        answered = 0
        customer = None
        if told:
            customer = await Customer.start()
            stack.push_async_callback(customer.end)
        report_to = None if customer is None else f"http://127.0.0.1:{customer.port}/%d"
        script = sends(kannel.folder, _PREFIX, reports, report_to)

        async def load(seconds: float) -> Load:
            nonlocal answered
            done = await run_wrk(kannel.url, seconds, script)
            answered += done.answered
            return done

        yield load
        if customer is not None:
            await _told(customer, answered)


async def _told(customer: Customer, messages: int) -> None:
    """Wait until the customer was told what became of so many."""
    deadline = time.monotonic() + _PATIENCE
    while (told := await customer.told(f"/{_DELIVERED}")) < messages:
        if time.monotonic() > deadline:
            raise CannotRun(f"Kannel told its customer nothing of {messages - told} messages")
        await asyncio.sleep(_LOOK)


@dataclass(frozen=True, slots=True)
class System:
    """What people and machines call it, and how it is run."""

    name: str
    end_to_end: Figure
    accepted: Figure
    open: Callable[[Operator], AbstractAsyncContextManager[Loading]]


def _system(name: str, short: str, open_it: Callable[[Operator], AbstractAsyncContextManager[Loading]]) -> System:
    return System(name, Figure(f"{short}_end_to_end_per_s"), Figure(f"{short}_accepted_per_s"), open_it)


PAYK: Final = System(
    "Payk",
    Figure("end_to_end_beside_kannel_per_s", 5_000, 7_000),
    Figure("accepted_beside_kannel_per_s"),
    _payk,
)
KANNEL: Final = _system("Kannel", "kannel", partial(_kannel, reports=_EVERYTHING))

SYSTEMS: Final = (
    PAYK,
    KANNEL,
    _system("Kannel, with its store", "kannel_stored", partial(_kannel, reports=_EVERYTHING, stored=True)),
    _system("Kannel, final receipts", "kannel_final_only", partial(_kannel, reports=_FINAL)),
    _system("Kannel, telling nobody", "kannel_untold", partial(_kannel, reports=_FINAL, told=False)),
)
"""In the order of their turns."""
