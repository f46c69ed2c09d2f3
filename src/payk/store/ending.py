"""Messages that end without a receipt: late, unanswered, cancelled, forgotten, given up.

What ended is counted, and told to whoever wants to know, once its transaction is committed: never what was rolled back,
and each once. Where nobody wants to know, nothing more is read of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final

import asyncpg

from payk.domain.failure import by_ending
from payk.domain.message import MessageState
from payk.domain.states import advance, fold, is_final
from payk.metrics.catalogue import MESSAGES_ENDED
from payk.store.arrays import array_literal, columns
from payk.store.charging import refund
from payk.store.commits import transaction_mark, was_committed
from payk.store.database import Connection, Database
from payk.store.errors import OutcomeUnknown, StoreError
from payk.store.queries import sql
from payk.value import value

__all__ = ["Cause", "Ended", "Endings", "OnEnded", "count_ended", "ending"]

TOLD: Final = 200
"""Messages that are told of at once; between, the event loop is others'."""
LOOKED_UP: Final = 2.0
"""Seconds to find out whether a COMMIT took place that timed out: it has used up what there was. One whose connection
broke is looked up in what is left, for somebody waits for the answer.
"""
_UNSENT: Final = (MessageState.EXPIRED, MessageState.DELETED)
"""Endings of messages that nobody was to send any more."""


class Cause(StrEnum):
    """What ended a message, as it is counted."""

    LATE = "expired"
    UNANSWERED = "unanswered"
    CANCELLED = "cancelled"
    FORGOTTEN = "forgotten"
    GIVEN_UP = "given_up"


@value
class Ended:
    """A message of which nothing more is sent, or awaited, as the log tells of it."""

    message_id: int
    became: MessageState
    client_id: int
    operator_id: int | None
    """Of its last submit."""
    request_id: str | None
    phone: str
    parts: int
    way: float
    """Seconds since it was accepted."""
    trace: bytes | None
    """Context of its trace (payk.tracing); None where there is none."""


OnEnded = Callable[[Sequence[Ended], Cause, str], None]
"""Is told of messages that ended, what ended them, and why in words."""


class Endings:
    """What one transaction ends; `why`, in words, may still be set within it."""

    def __init__(self, connection: Connection, why: str) -> None:
        self.why = why
        self.became: dict[int, MessageState] = {}
        """What became of those that were not final, by message_id."""
        self._was: dict[int, MessageState] = {}
        """What they were when they were locked first."""
        self._connection = connection

    async def finish(
        self, rows: Sequence[asyncpg.Record], ending: MessageState, *, only: tuple[MessageState, ...]
    ) -> None:
        """End messages, and parts of messages, that are in one of the states `only`; `rows` are locked, with states.

        What was charged of those of which no part was handed over is given back.
        """
        unsent: set[int] = set()
        changes: list[tuple[object, ...]] = []
        for row in rows:
            state = MessageState(row["state"])
            array = None
            new = ending if state in only else state
            if ending in _UNSENT and state is MessageState.NONE and not any(row["part_states"] or ()):
                unsent.add(row["message_id"])
            if row["part_states"] is not None:
                parts = [MessageState(part) for part in row["part_states"]]
                parts = [ending if part in only else part for part in parts]
                array = array_literal(parts)
                folded = fold(parts)
                new = folded if is_final(folded) else advance(state, folded)
            if not is_final(state):
                self.became[row["message_id"]] = new
                self._was.setdefault(row["message_id"], state)
                reason = by_ending(ending) if new is ending else None  # else a part that failed before says why
                changes.append((row["message_id"], int(state), int(new), array, is_final(new), reason))
        if changes:
            charged = await self._connection.fetchval(sql("ending.finish"), *columns(changes))
            await refund(self._connection, sorted(unsent.intersection(charged)))

    async def is_there(self, connection: Connection) -> bool:
        """Whether this was written, by a message whose state is another since; where there is none nobody can tell."""
        for message_id, new in self.became.items():
            if new is not self._was[message_id]:
                return bool(await connection.fetchval(sql("ending.is_there"), message_id, int(new)))
        return False

    async def told(self) -> list[asyncpg.Record]:
        """What is told of them, in the order of their ids."""
        return await self._connection.fetch(sql("ending.told"), list(self.became))


@asynccontextmanager
async def ending(
    db: Database, cause: Cause, on_ended: OnEnded | None = None, *, why: str = "", timeout: float = 10.0
) -> AsyncIterator[tuple[Connection, Endings]]:
    """A transaction that ends messages. Once it is committed they are counted, and `on_ended` is told of them.

    Where COMMIT got no answer it is asked whether it took place, within what is left of `timeout`, or LOOKED_UP seconds
    where nothing is, before OutcomeUnknown is raised.
    """
    ends_at = asyncio.get_running_loop().time() + timeout
    rows: list[asyncpg.Record] = []
    mark = ""
    try:
        async with db.transaction(timeout) as connection:
            endings = Endings(connection, why)
            yield connection, endings
            if endings.became:
                mark = await transaction_mark(connection)
                rows = [] if on_ended is None else await endings.told()
    except OutcomeUnknown:
        if mark and await _took_place(db, mark, endings, ends_at):
            await _tell(endings, rows, cause, on_ended)
        raise
    await _tell(endings, rows, cause, on_ended)


async def _took_place(db: Database, mark: str, endings: Endings, ends_at: float) -> bool:
    now = asyncio.get_running_loop().time()
    deadline = ends_at if ends_at > now else now + LOOKED_UP
    try:
        return await was_committed(db, mark, deadline, is_there=endings.is_there)
    except StoreError:
        return False


async def _tell(endings: Endings, rows: Sequence[asyncpg.Record], cause: Cause, on_ended: OnEnded | None) -> None:
    """Whoever is cancelled meanwhile tells the rest at once: it is committed."""
    count_ended({(state, cause.value): count for state, count in Counter(endings.became.values()).items()})
    if on_ended is None:
        return
    pieces = (rows[start : start + TOLD] for start in range(0, len(rows), TOLD))
    try:
        for piece in pieces:
            on_ended(_ended(piece, endings.became), cause, endings.why)
            await asyncio.sleep(0)
    finally:
        for piece in pieces:
            on_ended(_ended(piece, endings.became), cause, endings.why)


def _ended(rows: Sequence[asyncpg.Record], became: Mapping[int, MessageState]) -> list[Ended]:
    return [Ended(message_id, became[message_id], *rest) for message_id, *rest in rows]


def count_ended(counts: Mapping[tuple[MessageState, str], int]) -> None:
    """Count those that became final, by their state and by what ended them."""
    for (state, by), count in counts.items():
        if is_final(state):
            MESSAGES_ENDED.add(state.label.lower(), by, amount=count)
