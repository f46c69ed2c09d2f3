"""Parked receipts, for those who look after them: how many, of whom, and what becomes of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from payk.domain.access import Actor
from payk.domain.audit import AuditEntry
from payk.store.audit import append
from payk.store.database import Connection, Database, affected
from payk.store.queries import sql

__all__ = ["COUNTED", "Parked", "ParkedCount", "forget_parked", "parked_counts", "parked_page", "retry_parked"]

COUNTED: Final = 100_000
"""Receipts of an operator that are counted: so many are "at least"."""
SLICE: Final = 5_000


@dataclass(frozen=True, slots=True)
class ParkedCount:
    """The parked receipts of an operator, at most COUNTED of them; `oldest` is the oldest of those."""

    operator: str
    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Parked:
    """A receipt that no submit is known for. Times are UTC."""

    parked_id: int
    received_at: datetime
    next_try_at: datetime
    operator: str
    link: str
    tries: int
    smsc_id: str
    """The operator's id of the message."""
    raw_state: str
    error: str | None
    source: str
    """The number it speaks of, whole: whoever shows it masks it."""
    destination: str


async def parked_counts(db: Database) -> list[ParkedCount]:
    """By operator, by name."""
    async with db.connection() as connection:
        return [ParkedCount(*row[1:]) for row in await connection.fetch(sql("parked.counts"), COUNTED)]


async def parked_page(db: Database, *, operator: str | None = None, after: int = 0, limit: int = 100) -> list[Parked]:
    """The next ones, the oldest first: those above the `parked_id` of the last one that was seen."""
    async with db.connection() as connection:
        return [Parked(*row) for row in await connection.fetch(sql("parked.page"), after, operator, limit)]


async def retry_parked(
    db: Database,
    parked_ids: Collection[int] | None = None,
    operator: str | None = None,
    *,
    actor: Actor | None = None,
) -> int:
    """Try these at the next look, at most half a second from now; None = all, of an operator or of any. How many.

    `actor`: who stands in the audit log.
    """
    async with db.transaction(timeout=60.0) as connection:
        tag = await connection.execute(sql("parked.retry"), _numbers(parked_ids), operator)
        return await _recorded(connection, actor, "receipt.retry", operator, affected(tag))


async def forget_parked(
    db: Database,
    parked_ids: Collection[int] | None = None,
    operator: str | None = None,
    *,
    actor: Actor | None = None,
) -> int:
    """Drop these for good, a slice at a time; None = all, of an operator or of any. How many.

    `actor`: who stands in the audit log, in an entry for each slice.
    """
    total = 0
    while True:
        async with db.transaction() as connection:
            tag = await connection.execute(sql("parked.forget"), _numbers(parked_ids), operator, SLICE)
            gone = await _recorded(connection, actor, "receipt.forget", operator, affected(tag))
        total += gone
        if gone < SLICE:
            return total


async def _recorded(connection: Connection, actor: Actor | None, act: str, operator: str | None, count: int) -> int:
    """The count of what was done, which is in the audit log now."""
    if actor is not None and count:
        await append(connection, [AuditEntry(actor, act, "operator", operator or "", {"receipts": count})])
    return count


def _numbers(parked_ids: Collection[int] | None) -> list[int] | None:
    return None if parked_ids is None else sorted(parked_ids)
