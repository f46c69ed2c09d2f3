"""Searching messages, newest first, in bounded work however many are stored.

Numbers, labels and a client's own ids have indexes, which find their messages at once, in no order. Where these are but
few, they are sorted; where they are many (a mailing of a million has one label), and for whatever has no index, the
search walks back by message id in slices and is over when it has looked at SearchBudget.messages: it answers what it
found and how far it looked, and goes on from there with the next page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import asyncpg

from payk.domain.address import normalise_phone
from payk.domain.errors import Rejection
from payk.domain.message import MessageState, Priority, SmsType
from payk.domain.search import MessageSearch, SearchRefused, check_search
from payk.logs import mask
from payk.store.database import Connection, Database
from payk.store.queries import sql

__all__ = ["FoundMessage", "SearchBudget", "SearchPage", "messages_within", "read_text", "search_messages"]

FEW = 10_000
"""Messages that an index finds and that are sorted; more are walked through."""
FIRST_SLICE = 1_000
QUICK = 0.2
"""Seconds: slices that take less are followed by larger ones."""
ID_SLACK = 60.0
"""Seconds. Ids are drawn before their messages are stored, and a message counts as accepted when its transaction began:
its id may lie among those of another moment: by PAYK_ANSWER_TIMEOUT (5 s) at most, and by more when a clock is set."""


@dataclass(frozen=True, slots=True)
class SearchBudget:
    """What one page may cost. A slice of 20,000 takes some 20 ms where the rows are in memory."""

    messages: int = 400_000
    slice: int = 20_000
    """That slices grow to; the first is small, for most pages are full after it, and disks may be slow."""
    seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """A message without its text. Times are UTC with zone."""

    message_id: int
    client: str
    accepted_at: datetime
    scheduled_at: datetime | None
    expires_at: datetime | None
    submitted_at: datetime | None
    """When a part of it was last written to an operator."""
    done_at: datetime | None
    sms_type: SmsType
    priority: Priority
    state: MessageState
    parts: int
    number: str
    """Whole or masked, as the caller asked."""
    sender: str
    label: str | None
    client_message_id: str | None
    operator: str | None
    """That it was handed to last."""
    reason: str | None
    """Why it failed, in words of payk.domain.failure."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Messages, newest first."""

    messages: tuple[FoundMessage, ...]
    cursor: int | None
    """The next page is that below this message id; None = there is nothing more."""
    looked_back_to: datetime | None
    """Where the search ended for its cost: what came since was looked at. None = the page is full, or all was."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A search in the database's terms."""

    search: MessageSearch
    phone: str | None
    client_id: int | None
    operator_id: int | None
    low: int
    high: int

    def index(self) -> str | None:
        """The index that finds such messages at once (search.look)."""
        if self.search.client_message_id is not None:
            return "client_message_id"
        if self.phone is not None:
            return "number" if self.client_id is None else "number of client"
        return None if self.search.label is None else "label"


async def search_messages(
    db: Database,
    search: MessageSearch,
    *,
    cursor: int | None = None,
    limit: int = 100,
    whole_numbers: bool = False,
    budget: SearchBudget | None = None,
    timeout: float = 10.0,
) -> SearchPage:
    """A page of up to `limit` (1 to 1,000) messages below id `cursor`. Raises SearchRefused and StoreUnavailable."""
    check_search(search, limit)
    async with db.connection(timeout) as connection:
        asked = await _asked(connection, search, cursor)
        if not isinstance(asked, SearchRefused):
            ids, cursor, looked_back_to = await _page(connection, asked, limit, budget or SearchBudget())
            found = await messages_within(connection, ids)
    if isinstance(asked, SearchRefused):  # what is raised amid it costs the connection
        raise asked
    if not whole_numbers:
        found = tuple(replace(message, number=mask(message.number)) for message in found)
    return SearchPage(found, cursor, looked_back_to)


async def read_text(
    db: Database, message_id: int, opens: Callable[[str, str], str], *, timeout: float = 10.0
) -> str | None:
    """The text of a message, empty where it was wiped; None where there is no such message.

    `opens` makes the text of what is stored and the number (payk.sealing.TextSeal.open); what it raises comes through.
    Reading a text is an act that is recorded: by the caller, who knows whose it is.
    """
    async with db.connection(timeout) as connection:
        row = await connection.fetchrow(sql("search.read_text"), message_id)
    return None if row is None else opens(row["text"], row["phone"])


async def _asked(connection: Connection, search: MessageSearch, cursor: int | None) -> _Asked | SearchRefused:
    client_id = country = operator_id = phone = None
    if search.client is not None:
        found = await connection.fetchrow(sql("search.find_client"), search.client)
        if found is None:
            return SearchRefused("client", f"there is no client '{search.client}'")
        client_id, country = found["client_id"], found["default_country"]
    if search.operator is not None:
        operator_id = await connection.fetchval(sql("search.find_operator"), search.operator)
        if operator_id is None:
            return SearchRefused("operator", f"there is no operator '{search.operator}'")
    if search.number is not None:
        try:
            phone = normalise_phone(search.number, country)
        except Rejection as error:
            return SearchRefused("number", error.detail.rpartition(": ")[2].rstrip("."))  # not the number
    [span] = await connection.fetch(sql("search.id_range"), search.accepted_from, search.accepted_before, ID_SLACK)
    high = span["high"] if cursor is None else min(span["high"], cursor)
    return _Asked(search, phone, client_id, operator_id, span["low"], high)


async def _look(connection: Connection, asked: _Asked, index: str, count: int, high: int, limit: int) -> asyncpg.Record:
    search = asked.search
    [looked] = await connection.fetch(
        sql("search.look"),
        index,
        count,
        asked.low,
        high,
        limit,
        asked.client_id,
        asked.phone,
        search.number_ends,
        search.label,
        search.sender,
        search.sms_type,
        search.state,
        asked.operator_id,
        search.client_message_id,
        search.accepted_from,
        search.accepted_before,
    )
    return looked


_Found = tuple[list[int], int | None, datetime | None]
"""Ids, cursor, looked_back_to."""


async def _page(connection: Connection, asked: _Asked, limit: int, budget: SearchBudget) -> _Found:
    index = asked.index()
    if index is not None:
        looked = await _look(connection, asked, index, FEW + 1, asked.high, limit + 1)
        if looked["looked_at"] <= FEW:
            ids = looked["found"]
            return ids[:limit], ids[limit - 1] if len(ids) > limit else None, None
    return await _walk(connection, asked, limit, budget)


async def _walk(connection: Connection, asked: _Asked, limit: int, budget: SearchBudget) -> _Found:
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + budget.seconds
    index = "id" if asked.client_id is None else "client"
    ids: list[int] = []
    left, high, size = budget.messages, asked.high, min(FIRST_SLICE, budget.slice)
    while True:
        size, began = min(size, left), loop.time()
        looked = await _look(connection, asked, index, size, high, limit - len(ids))
        ids += looked["found"]
        if len(ids) == limit:
            return ids, ids[-1], None
        if looked["looked_at"] < size:
            return ids, None, None
        left, high = left - size, looked["lowest"]
        if left <= 0 or loop.time() >= ends_at:
            return ids, high, looked["lowest_at"]
        if loop.time() - began < QUICK:
            size = min(2 * size, budget.slice)


async def messages_within(connection: Connection, ids: Sequence[int]) -> tuple[FoundMessage, ...]:
    """These messages as far as there are any, newest first, with whole numbers; in a transaction of the caller's."""
    return tuple(_message(row) for row in await connection.fetch(sql("search.read_messages"), list(ids)))


def _message(row: asyncpg.Record) -> FoundMessage:
    fields: dict[str, Any] = dict(row)
    kinds = {"sms_type": SmsType, "priority": Priority, "state": MessageState}
    return FoundMessage(**fields | {name: kind(fields[name]) for name, kind in kinds.items()})
