"""Numbers that take no messages: of one client or of all, Batch or everything."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from payk.domain.address import normalise_phone
from payk.domain.errors import Rejection
from payk.store.balances import UnknownClient
from payk.store.database import Connection, Database
from payk.store.errors import StoreError
from payk.store.queries import sql
from payk.store.registry import announce

__all__ = [
    "WRONG_MOST",
    "BlockedNumber",
    "Blocking",
    "Changed",
    "Noted",
    "NumbersInvalid",
    "What",
    "block_numbers",
    "list_blocked",
    "unblock_numbers",
]

Changed = Mapping[str, Sequence[str]]
"""Numbers in their normal form, sorted, by what was done to them: added, changed, removed."""
Noted = Callable[[Connection, Changed], Awaitable[None]]
"""What is written with a change, in its transaction, as the last thing."""

CHUNK = 5_000
"""Numbers of one statement."""
SHOWN = 5
"""Lines that an error names."""
BEGINNING = 8
"""Digits by which numbers are parted before they are sorted: no thread of the process gets a turn while a sort runs."""
WRONG_MOST = 1_000
"""Wrong lines after which no more are read: it is another kind of file."""


class What(StrEnum):
    """What a number does not take."""

    BATCH = "batch"
    EVERYTHING = "everything"


class NumbersInvalid(StoreError):
    """Lines that are no numbers, counted from 1, each with why; nothing was changed. No more than WRONG_MOST: what
    follows them was not read."""

    def __init__(self, lines: list[tuple[int, str]]) -> None:
        told = "; ".join(f"line {line}: {why}" for line, why in lines[:SHOWN])
        more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        more += ", behind which nothing was read" if len(lines) >= WRONG_MOST else ""
        super().__init__(told + more)
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Blocking:
    """What came of it: numbers that were not blocked before, and those that are blocked otherwise than before."""

    added: int
    changed: int


@dataclass(frozen=True, slots=True)
class BlockedNumber:
    """A blocked number; `client` None = for all of them."""

    blocked_id: int
    client: str | None
    number: str
    what: What
    reason: str
    author: str
    at: datetime


async def block_numbers(
    db: Database,
    numbers: Iterable[str],
    *,
    client: str | None,
    what: What,
    reason: str,
    author: str,
    within: Noted | None = None,
    timeout: float = 60.0,
) -> Blocking:
    """Block numbers for a client, or for all; in force on every process within a second. All of them or none.

    Raises NumbersInvalid, UnknownClient and StoreUnavailable.
    """
    client_id, phones = await _read(db, client, numbers)
    async with db.transaction(timeout) as connection:
        added: list[str] = []
        changed: list[str] = []
        for start in range(0, len(phones), CHUNK):
            chunk = phones[start : start + CHUNK]
            for row in await connection.fetch(sql("blocked.block"), client_id, chunk, what, reason, author):
                (changed if row["known"] else added).append(row["phone"])
        if within is not None:
            await within(connection, {"added": added, "changed": changed})
    await announce(db, 0)
    return Blocking(len(added), len(changed))


async def unblock_numbers(
    db: Database,
    numbers: Iterable[str],
    *,
    client: str | None,
    within: Noted | None = None,
    timeout: float = 60.0,
) -> int:
    """Numbers take messages of a client again, or of all where they were blocked for all.

    Returns how many were blocked. Raises as block_numbers.
    """
    client_id, phones = await _read(db, client, numbers)
    async with db.transaction(timeout) as connection:
        removed = [row["phone"] for row in await connection.fetch(sql("blocked.unblock"), client_id, phones)]
        if within is not None:
            await within(connection, {"removed": removed})
    await announce(db, 0)
    return len(removed)


async def list_blocked(
    db: Database,
    *,
    client: str | None = None,
    of_all: bool = False,
    begins: str | None = None,
    behind: int = 0,
    limit: int = 100,
    timeout: float = 10.0,
) -> list[BlockedNumber]:
    """A page of blocked numbers, in the order in which they were blocked: of one client, those `of_all`, or any.

    The next page is that `behind` the last one's blocked_id. Raises UnknownClient and StoreUnavailable.
    """
    async with db.connection(timeout) as connection:
        client_id = None if client is None else (await _client(connection, client))[0]
        rows = await connection.fetch(sql("blocked.list_blocked"), behind, limit, client_id, of_all, begins)
    return [BlockedNumber(**dict(row) | {"what": What(row["what"])}) for row in rows]


async def _read(db: Database, client: str | None, numbers: Iterable[str]) -> tuple[int | None, list[str]]:
    """The client's id and the numbers in their normal form, sorted; blank lines are passed over."""
    client_id: int | None = None
    country: str | None = None
    if client is not None:
        async with db.connection() as connection:
            client_id, country = await _client(connection, client)
    # Apart from the loop, and before a transaction waits for it: a file may hold two million of them.
    return client_id, await asyncio.to_thread(_phones, numbers, country)


def _phones(numbers: Iterable[str], country: str | None) -> list[str]:
    by_beginning: defaultdict[str, set[str]] = defaultdict(set)
    invalid: list[tuple[int, str]] = []
    for line, number in enumerate(numbers, start=1):
        if not number.strip():
            continue
        try:
            phone = normalise_phone(number.strip(), country)
        except Rejection as error:
            invalid.append((line, error.detail.rpartition(": ")[2].rstrip(".")))  # without the number
            if len(invalid) == WRONG_MOST:
                break
        else:
            by_beginning[phone[:BEGINNING]].add(phone)
    if invalid:
        raise NumbersInvalid(invalid)
    return [phone for beginning in sorted(by_beginning) for phone in sorted(by_beginning[beginning])]


async def _client(connection: Connection, name: str) -> tuple[int, str | None]:
    row = await connection.fetchrow(sql("blocked.find_client"), name)
    if row is None:
        raise UnknownClient(name)
    return row["client_id"], row["default_country"]
