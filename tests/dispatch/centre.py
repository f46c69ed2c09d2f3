"""A centre without doors: dispatcher and duties over the real database, towards a simulated operator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

from payk.clock import Clock
from payk.dispatch import Dispatcher, DispatchOptions
from payk.domain.directory import CurrentDirectory
from payk.domain.retry import RetryRules
from payk.maintenance import all_duties, keep
from payk.registry.follow import Follower, load
from payk.registry.secrets import SecretBox
from payk.store.database import Database
from payk.store.listening import tell
from payk.store.outcomes import ReceiptWait
from payk.store.processes import Incarnation

__all__ = ["Centre", "running_centre"]

SECRET = bytes(range(32))


@dataclass
class Centre:
    """What a test may look at."""

    db: Database
    directory: CurrentDirectory
    incarnation: Incarnation
    dispatcher: Dispatcher

    async def state(self, message_id: int) -> int:
        """The stored state of a message."""
        async with self.db.connection() as connection:
            return int(await connection.fetchval("select state from message where message_id = $1", message_id))

    async def wait_for(self, query: str, *arguments: object, within: float = 10.0) -> None:
        """Wait until `query` answers true."""
        async with asyncio.timeout(within):
            while True:
                async with self.db.connection() as connection:
                    if await connection.fetchval(query, *arguments):
                        return
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running_centre(
    db: Database,
    *,
    rules: RetryRules | None = None,
    wait: ReceiptWait | None = None,
    lease: float = 10.0,
    duties: bool = True,
) -> AsyncIterator[Centre]:
    """Run until the block ends, then stop as a process does."""
    clock, random = Clock(), Random(1)
    rules = rules or RetryRules(retry_for=600, uncertain_hold=5)
    wait = wait or ReceiptWait(wait=60, grace=60)
    directory = CurrentDirectory(await load(db))
    incarnation = Incarnation(db, clock, roles=["dispatch", "maintenance"], lease=lease)
    await incarnation.begin()
    dispatcher = Dispatcher(
        db,
        directory,
        incarnation,
        open_password=SecretBox(SECRET).open,
        options=DispatchOptions(rules=rules, wait=wait),
        clock=clock,
        random=random,
    )
    async with asyncio.TaskGroup() as group:
        engines = [
            group.create_task(incarnation.run()),
            group.create_task(tell(db)),
            group.create_task(Follower(db, directory).run()),
        ]
        if duties:
            of_time = all_duties(db, incarnation, directory, random, rules=rules, wait=wait)
            engines += [group.create_task(keep(duty, db, incarnation)) for duty in of_time]
        sending = group.create_task(dispatcher.run())
        try:
            yield Centre(db, directory, incarnation, dispatcher)
        finally:
            sending.cancel()
            await asyncio.wait([sending])
            for engine in engines:
                engine.cancel()
            await incarnation.end()
