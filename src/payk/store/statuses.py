"""Reading what became of messages. Look-ups of the same instant share one query."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payk.domain.message import MessageState
from payk.store.batching import Batcher
from payk.store.database import Connection, Database
from payk.store.queries import sql

__all__ = ["StatusReader", "StatusRow", "message_statuses"]


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One message as its client may see it. Times are UTC with zone; `done_at` only when the state is final."""

    message_id: int
    state: MessageState
    accepted_at: datetime
    done_at: datetime | None


async def message_statuses(db: Database, keys: Sequence[tuple[int, int]], *, timeout: float) -> list[StatusRow | None]:
    """The status of each (client_id, message_id), None where that client has no such message.

    Only what is not among our own messages is looked for among those of another centre (payk.store.imported).
    """
    found: list[StatusRow | None] = [None] * len(keys)
    async with db.connection(timeout) as connection:
        await _find(connection, "statuses.message_statuses", keys, found, range(len(keys)))
        missing = [place for place, row in enumerate(found) if row is None]
        if missing:
            await _find(connection, "statuses.imported_statuses", keys, found, missing)
    return found


async def _find(
    connection: Connection,
    query: str,
    keys: Sequence[tuple[int, int]],
    found: list[StatusRow | None],
    places: Sequence[int],
) -> None:
    """Fill in `found` at these places."""
    clients, ids = [keys[place][0] for place in places], [keys[place][1] for place in places]
    for row in await connection.fetch(sql(query), clients, ids):
        found[places[row["ord"] - 1]] = StatusRow(
            row["message_id"], MessageState(row["state"]), row["accepted_at"], row["done_at"]
        )


class StatusReader:
    """Answers many concurrent look-ups with few queries."""

    def __init__(self, db: Database, *, workers: int = 2) -> None:
        async def read(keys: Sequence[tuple[int, int]], timeout: float) -> list[StatusRow | None]:
            return await message_statuses(db, keys, timeout=timeout)

        self._batcher: Batcher[tuple[int, int], StatusRow | None] = Batcher(read, max_items=500, workers=workers)

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Run the readers in `group`."""
        return self._batcher.start(group, "status reader")

    async def status(self, client_id: int, message_id: int, timeout: float) -> StatusRow | None:
        """The status of one message; StoreUnavailable when the database cannot tell."""
        return await self._batcher.put((client_id, message_id), timeout)
