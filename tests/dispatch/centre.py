"""A centre without doors: dispatcher and duties over the real database, towards simulated operators."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from payk.clock import Clock
from payk.dispatch import Dispatcher, DispatchOptions
from payk.domain.directory import CurrentDirectory
from payk.domain.message import MessageState
from payk.domain.receipt import ReceiptWait
from payk.domain.retry import RetryRules
from payk.maintenance import all_duties, keep
from payk.registry.change import apply
from payk.registry.file import read
from payk.registry.follow import Follower, load
from payk.registry.secrets import SecretBox
from payk.sealing import KeyRing, TextSeal
from payk.simulator import Simulator, SimulatorOptions
from payk.store.accept import insert_messages
from payk.store.database import Database
from payk.store.errors import StoreUnavailable
from payk.store.incarnation import Incarnation
from payk.store.listening import tell
from tests.end_to_end.record import Record
from tests.store.rows import new_message

__all__ = [
    "SECRET",
    "TEXTS",
    "Centre",
    "Operator",
    "Starts",
    "accept",
    "configure",
    "running_centre",
    "running_operator",
]

SECRET = bytes(range(32))
TEXTS = TextSeal(KeyRing([SECRET]), on=True)
CLIENT = "demo"
RECORD_LAG = 0.12
"""Seconds until what an operator received stands in its record."""


@dataclass
class Operator:
    """A simulated operator; its record is read back by tests."""

    simulator: Simulator
    record: Record

    @property
    def port(self) -> int:
        return self.simulator.port

    async def submits(self) -> list[dict[str, Any]]:
        """Everything that was submitted so far."""
        await asyncio.sleep(RECORD_LAG)
        return self.record.submits()

    async def times_submitted(self) -> Counter[str]:
        """How often each number was submitted to."""
        return Counter(line["destination"] for line in await self.submits())


@asynccontextmanager
async def running_operator(folder: Path, name: str = "tcell", **options: Any) -> AsyncIterator[Operator]:
    """An operator on a free port unless told otherwise. Run again with the same name it goes on with its record."""
    path = folder / f"{name}.jsonl"
    simulator = Simulator(SimulatorOptions(**({"port": 0, "record": path} | options)), random=Random(1))
    await simulator.start()
    try:
        yield Operator(simulator, Record(path))
    finally:
        await simulator.stop()


async def configure(
    db: Database,
    operators: Mapping[str, Mapping[str, Any] | Sequence[Mapping[str, Any]]],
    *,
    client: Mapping[str, Any] | None = None,
) -> None:
    """Apply a registry: one client, and a route for all numbers to these operators in order.

    Values are the keys of an operator's link, `port` among them, or of each of its links.
    """
    account = {"host": "127.0.0.1", "system_id": "payk", "password": "payk", "response_timeout": 5}
    document = {
        "client": [{"name": CLIENT, "senders": ["AlifBank"], **(client or {})}],
        "operator": [
            {"name": name, "link": [{**account, **link} for link in ([links] if isinstance(links, Mapping) else links)]}
            for name, links in operators.items()
        ],
        "route": [{"prefix": "", "operators": list(operators)}],
    }
    await apply(db, SecretBox(SECRET), read(document, "registry.toml", {}), author="test", force=True)


async def accept(db: Database, *phones: str, **changes: Any) -> list[int]:
    """Take in one message for each number; returns their ids."""
    async with db.connection() as connection:
        client = await connection.fetchval("select client_id from client where name = $1", CLIENT)
        queue = await connection.fetchval("select queue_id from route")
    given = {"client_id": client, "queue_id": queue} | changes
    messages = [new_message(phone=phone, **given) for phone in phones]
    return [row.message_id for row in await insert_messages(db, messages, timeout=10)]


@dataclass
class Centre:
    """What a test may look at, and the heartbeat that it may stop."""

    db: Database
    directory: CurrentDirectory
    incarnation: Incarnation
    dispatcher: Dispatcher
    heartbeat: asyncio.Task[None]

    async def value(self, query: str, *arguments: object) -> Any:
        """The first column of the first row."""
        async with self.db.connection() as connection:
            return await connection.fetchval(query, *arguments)

    async def state(self, message_id: int) -> MessageState:
        """The stored state of a message."""
        return MessageState(await self.value("select state from message where message_id = $1", message_id))

    async def states(self) -> Counter[MessageState]:
        """How many messages are in each state."""
        async with self.db.connection() as connection:
            return Counter(MessageState(row[0]) for row in await connection.fetch("select state from message"))

    async def wait_for(self, query: str, *arguments: object, within: float = 30.0) -> None:
        """Wait until `query` answers true; the database may be away meanwhile."""
        async with asyncio.timeout(within):
            while True:
                with suppress(StoreUnavailable):
                    if await self.value(query, *arguments):
                        return
                await asyncio.sleep(0.02)

    async def all_become(self, state: MessageState, within: float = 30.0) -> None:
        """Wait until every message is in this state."""
        await self.wait_for("select bool_and(state = $1) from message", int(state), within=within)

    async def holds(self, *numbers: int) -> None:
        """Wait until exactly these binds are bound here, by number."""
        async with asyncio.timeout(30):
            while [bind.number for link in self.dispatcher.links.values() for bind in link.binds if bind.bound] != [
                *numbers
            ]:
                await asyncio.sleep(0.02)

    async def bound(self, binds: int = 1) -> None:
        """Wait until so many binds are noted as bound."""
        await self.wait_for("select count(*) = $1 from bind_lease where bound_at is not null", binds)


Starts = Callable[..., AbstractAsyncContextManager[Centre]]
"""Starts a centre as another machine would."""


@asynccontextmanager
async def running_centre(
    db: Database,
    *,
    rules: RetryRules | None = None,
    wait: ReceiptWait | None = None,
    lease: float = 10.0,
) -> AsyncIterator[Centre]:
    """Run until the block ends, then stop as a process does."""
    clock, random = Clock(), Random(1)
    rules = rules or RetryRules(retry_for=600, uncertain_hold=5)
    wait = wait or ReceiptWait(wait=60, grace=60)
    incarnation = Incarnation(db, clock, roles=["dispatch", "maintenance"], lease=lease)
    await incarnation.begin()
    directory = CurrentDirectory(await load(db))
    dispatcher = Dispatcher(
        db,
        directory,
        incarnation,
        open_password=SecretBox(SECRET).open,
        open_text=TEXTS.open,
        seal_text=TEXTS.seal,
        options=DispatchOptions(rules=rules, wait=wait),
        clock=clock,
        random=random,
    )
    async with asyncio.TaskGroup() as group:
        heartbeat = group.create_task(incarnation.run())
        engines = [
            heartbeat,
            group.create_task(tell(db)),
            group.create_task(Follower(db, directory).run()),
        ]
        duties = all_duties(db, directory, random, rules=rules, wait=wait)
        engines += [group.create_task(keep(duty, db, incarnation)) for duty in duties]
        sending = group.create_task(dispatcher.run())
        try:
            yield Centre(db, directory, incarnation, dispatcher, heartbeat)
        finally:
            sending.cancel()
            await asyncio.wait([sending])
            for engine in engines:
                engine.cancel()
            await incarnation.end()
