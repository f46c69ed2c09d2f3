"""What those who manage clients do about balances and quotas: top up, correct, look.

Amounts are in 1/10,000 of the currency unit. Every change has an author and an entry in the ledger. The balance stands
in a row of its own; it is the sum of all entries that there were, of which old ones are dropped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime

from payk.store.database import Connection, Database
from payk.store.errors import StoreError
from payk.store.queries import sql

__all__ = [
    "BalanceBelowZero",
    "BalanceChange",
    "BalanceEntry",
    "Hook",
    "ReferenceReused",
    "UnknownClient",
    "Usage",
    "change_balance",
    "prune_ledgers",
    "read_balance",
    "read_ledger",
    "read_usage",
]

Hook = Callable[[Connection], Awaitable[None]]
"""What a caller does in the same transaction, such as writing to the audit log."""


class UnknownClient(StoreError):
    """There is no client of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no client '{name}'")


class ReferenceReused(StoreError):
    """The client's ledger has another amount under this reference; nothing was changed."""


class BalanceBelowZero(StoreError):
    """A correction would take more than there is; nothing was changed."""


@dataclass(frozen=True, slots=True)
class BalanceEntry:
    """A line of a ledger. `messages`: how many it was charged for or given back of."""

    entry_id: int
    at: datetime
    kind: str
    amount: int
    messages: int | None
    reference: str | None
    author: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """What became of a change; `repeated` = it was made before under the same reference."""

    entry_id: int
    balance: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """Parts that were taken of a client in the present day or month (UTC)."""

    kind: str
    period: date
    otp: bool
    parts: int


async def change_balance(
    db: Database,
    client: str,
    amount: int,
    *,
    author: str,
    reference: str | None = None,
    note: str | None = None,
    within: Hook | None = None,
    timeout: float = 10.0,
) -> BalanceChange:
    """Add to a balance; a correction takes away, but not below zero. Once for each `reference` of a client.

    Raises UnknownClient, ReferenceReused, BalanceBelowZero, StoreUnavailable; OutcomeUnknown: repeat it with its
    reference.
    """
    async with db.transaction(timeout) as connection:
        client_id = await _client_id(connection, client)
        balance = int(await connection.fetchval(sql("balances.lock_balance"), client_id))
        if reference is not None:
            entry = await connection.fetchrow(sql("balances.find_entry"), client_id, reference)
            if entry is not None:
                if entry["amount"] != amount:
                    raise ReferenceReused(f"reference '{reference}' of client '{client}' is that of another amount")
                return BalanceChange(entry["entry_id"], balance, repeated=True)
        if amount < 0 and balance + amount < 0:
            raise BalanceBelowZero(f"the balance of client '{client}' does not cover this")
        kind = "top-up" if amount > 0 else "correction"
        added = await connection.fetchrow(sql("balances.add_entry"), client_id, kind, amount, reference, author, note)
        assert added is not None  # it was inserted
        if within is not None:
            await within(connection)
        return BalanceChange(added["entry_id"], added["balance"], repeated=False)


async def read_balance(db: Database, client: str, *, timeout: float = 10.0) -> int:
    """What a client has left. Raises UnknownClient and StoreUnavailable."""
    async with db.connection(timeout) as connection:
        return int(await connection.fetchval(sql("balances.read_balance"), await _client_id(connection, client)))


async def read_ledger(
    db: Database, client: str, *, before: int | None = None, limit: int = 100, timeout: float = 10.0
) -> list[BalanceEntry]:
    """Entries of a client, newest first; the next page is that before the last one's entry_id. As read_balance."""
    async with db.connection(timeout) as connection:
        client_id = await _client_id(connection, client)
        rows = await connection.fetch(sql("balances.read_entries"), client_id, before, limit)
    return [BalanceEntry(*row) for row in rows]


async def read_usage(db: Database, client: str, *, timeout: float = 10.0) -> list[Usage]:
    """What a client used of its quotas: day and month, Otp and all others. As read_balance.

    Parts are counted only while a client has a quota or is prepaid.
    """
    async with db.connection(timeout) as connection:
        client_id = await _client_id(connection, client)
        return [Usage(*row) for row in await connection.fetch(sql("balances.read_usage"), client_id)]


async def prune_ledgers(db: Database, days: int, *, after: int, limit: int) -> tuple[int | None, int]:
    """Drop what is older than `days` of the `limit` entries behind `after`.

    Answers behind which entry to go on (None = there is no older one), and how many went.

    An entry with a reference stays: it is what a repetition is known by. Balances are not touched.
    """
    async with db.connection() as connection:
        [row] = await connection.fetch(sql("balances.prune_entries"), after, days, limit)
    return row["last"], int(row["gone"])


async def _client_id(connection: Connection, name: str) -> int:
    client_id = await connection.fetchval(sql("balances.find_client"), name)
    if client_id is None:
        raise UnknownClient(name)
    return int(client_id)
