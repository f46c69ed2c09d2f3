"""The audit log: added to inside the transaction of what it records, walked to see whether it is whole."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain as chain_of
from typing import Any, Final, NamedTuple, Self

from payk.domain.audit import FIRST_HASH, AuditEntry, ChainedEntry, chain
from payk.store.arrays import slices
from payk.store.database import Connection, Database
from payk.store.queries import sql

__all__ = [
    "DigestList",
    "EntriesPage",
    "LookBudget",
    "Verdict",
    "append",
    "entries",
    "head",
    "newest",
    "record",
    "verify",
]

SLICE: Final = 50
"""Entries that are read at a time: codes wait while they are digested."""
ADDED_AT_ONCE: Final = 200
"""Entries that are added at a time, for the same reason: some 20 us each."""


async def append(connection: Connection, new: Iterable[AuditEntry]) -> None:
    """Add entries inside the caller's transaction, as the last thing it does: others who add wait for its end."""
    parts = slices(new, ADDED_AT_ONCE)
    first = next(parts, None)
    if first is None:
        return
    row = await connection.fetchrow(sql("audit.head"))
    assert row is not None  # the migration made it
    sequence, previous, at = int(row["sequence"]), bytes(row["hash"]), row["at"]
    for part in chain_of((first,), parts):
        chained = []
        for entry in part:
            sequence += 1
            chained.append(chain(entry, sequence, at, previous))
            previous = chained[-1].hash
        columns = [[getattr(entry, name) for entry in chained] for name in ChainedEntry.__slots__]
        await connection.execute(sql("audit.add"), *columns)
    await connection.execute(sql("audit.move_head"), sequence, previous)


class DigestList:
    """Digests of what an entry names, where that is much: in a list beside the log, which the entry names by its id and
    SHA-256. It is written before the entry, in its transaction."""

    def __init__(self, connection: Connection, list_id: int) -> None:
        self.id = list_id
        self._connection = connection
        self._place = 0
        self._sum = hashlib.sha256()

    @classmethod
    async def begin(cls, connection: Connection) -> Self:
        """A list with nothing in it."""
        return cls(connection, await connection.fetchval(sql("audit.new_list")))

    async def add(self, digests: bytes) -> None:
        """Add digests, one behind the other."""
        self._sum.update(digests)
        await self._connection.execute(sql("audit.add_to_list"), self.id, self._place, digests)
        self._place += 1

    @property
    def sha256(self) -> str:
        """Of all that was added, in hex."""
        return self._sum.hexdigest()


async def record(db: Database, new: Sequence[AuditEntry]) -> None:
    """Add entries about what changes nothing, such as the reading of a text: before it is shown. StoreError."""
    async with db.transaction() as connection:
        await append(connection, new)


async def head(db: Database) -> tuple[int, bytes]:
    """Sequence and hash of the newest entry, the anchor: kept elsewhere it shows whether the end was cut off."""
    async with db.connection() as connection:
        row = await connection.fetchrow(sql("audit.look_at_head"))
    assert row is not None  # the migration made it
    return int(row["sequence"]), bytes(row["hash"])


async def entries(
    db: Database, *, after: int = 0, since: datetime | None = None, until: datetime | None = None
) -> AsyncIterator[ChainedEntry]:
    """Entries in the order of the log, read in slices: behind `after`, from the first at `since`, up to `until`."""
    if since is not None:
        async with db.connection() as connection:
            first = await connection.fetchval(sql("audit.first_since"), since)
        if first is None:
            return
        after = max(after, int(first) - 1)
    while slice_ := await _slice(db, after):
        for entry in slice_:
            if until is not None and entry.at >= until:
                return
            yield entry
        after = slice_[-1].sequence


class EntriesPage(NamedTuple):
    """Entries, the newest first."""

    entries: list[ChainedEntry]
    cursor: int | None
    """The next page is that before this entry; None = there is nothing more. The page need not be full."""


@dataclass(frozen=True, slots=True)
class LookBudget:
    """What one page of what has no index may cost. A slice of 20,000 takes some 4 ms where the rows are in memory."""

    entries: int = 400_000
    first: int = 1_000
    slice: int = 20_000
    """That slices grow to."""
    seconds: float = 3.0


async def newest(
    db: Database,
    limit: int,
    *,
    before: int | None = None,
    object_kind: str | None = None,
    object_name: str | None = None,
    actor: str | None = None,
    act: str | None = None,
    number: str | None = None,
    budget: LookBudget | None = None,
) -> EntriesPage:
    """The newest entries of what is asked for; `number`: digest of one that they name.

    Those of one object are found by their index. For all else the log is walked back, as far as `budget` goes.
    """
    asked = (object_kind, object_name, actor, act)
    async with db.connection(10.0) as connection:
        head = await connection.fetchrow(sql("audit.look_at_head"))
        assert head is not None  # the migration made it
        below = int(head["sequence"]) + 1 if before is None else min(before, int(head["sequence"]) + 1)
        if object_kind is not None and object_name is not None and number is None:
            rows = await connection.fetch(sql("audit.newest_of_object"), below, limit, *asked)
            found = [_entry(row) for row in rows]
            return EntriesPage(found, found[-1].sequence if len(found) == limit else None)
        return await _walk_back(connection, below, limit, (*asked, number), budget or LookBudget())


async def _walk_back(
    connection: Connection, below: int, limit: int, asked: Sequence[str | None], budget: LookBudget
) -> EntriesPage:
    loop = asyncio.get_running_loop()
    ends_at, left, size = loop.time() + budget.seconds, budget.entries, max(limit, budget.first)
    found: list[ChainedEntry] = []
    while below > 1 and len(found) < limit and left > 0 and loop.time() < ends_at:
        size = min(size, left)
        low = max(1, below - size)  # there are no gaps
        rows = await connection.fetch(sql("audit.newest"), below, limit - len(found), *asked, low)
        found += map(_entry, rows)
        below, left, size = low, left - size, min(2 * size, budget.slice)
    if len(found) == limit:
        below = found[-1].sequence
    return EntriesPage(found, below if below > 1 else None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk along the chain found."""

    count: int
    """Entries that were looked at."""
    sequence: int
    """The newest entry."""
    hash: bytes
    """Its hash, the anchor."""
    broken: int | None = None
    """The first entry that is not what it was, or that is missing."""
    why: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing was found."""
        return self.broken is None


async def verify(db: Database, *, last: int | None = None, anchor: tuple[int, bytes] | None = None) -> Verdict:
    """Walk the chain, or its last entries, and name the first that is broken.

    `anchor`: sequence and hash that were kept elsewhere; that entry must be in the log as it was.
    """
    sequence, newest_hash = await head(db)
    start = 0 if last is None else max(0, sequence - last)
    previous = FIRST_HASH
    if start:
        before = [entry for entry in await _slice(db, start - 1, 1) if entry.sequence == start]
        if not before:
            return Verdict(0, sequence, newest_hash, start, "it is missing")
        previous = before[0].hash
    expected, count = start + 1, 0
    while expected <= sequence and (slice_ := await _slice(db, expected - 1)):
        for entry in slice_:
            if why := _wrong(entry, expected, previous, anchor) or await _wrong_list(db, entry):
                return Verdict(count, sequence, newest_hash, expected, why)
            previous, expected, count = entry.hash, expected + 1, count + 1
            if expected > sequence:  # those after it came while we walked
                break
    if expected <= sequence:
        return Verdict(count, sequence, newest_hash, expected, "it is missing, and all after it")
    if previous != newest_hash:
        return Verdict(count, sequence, newest_hash, sequence, "the noted newest hash is another one")
    if anchor is not None and anchor[0] > sequence:
        return Verdict(count, sequence, newest_hash, sequence + 1, f"the anchor names entry {anchor[0]}, which is gone")
    return Verdict(count, sequence, newest_hash)


def _wrong(entry: ChainedEntry, expected: int, previous: bytes, anchor: tuple[int, bytes] | None) -> str:
    if entry.sequence != expected:
        return "it is missing"
    if entry.previous_hash != previous:
        return "it does not follow the entry before it"
    if not entry.is_whole():
        return "it is not what it was when it was written"
    if anchor is not None and anchor[0] == entry.sequence and anchor[1] != entry.hash:
        return "the anchor has another hash for it"
    return ""


async def _wrong_list(db: Database, entry: ChainedEntry) -> str:
    """What is wrong with the list beside an entry, if it names one."""
    if not entry.act.startswith("block.") or (named := json.loads(entry.detail).get("list")) is None:
        return ""
    found, place = hashlib.sha256(), 0
    while True:
        async with db.connection(30.0) as connection:
            digests = await connection.fetchval(sql("audit.list_part"), named["id"], place)
        if digests is None:
            return "" if found.hexdigest() == named["sha256"] else "the list beside it is not what it was"
        found.update(digests)
        place += 1


async def _slice(db: Database, after: int, count: int = SLICE) -> list[ChainedEntry]:
    async with db.connection(30.0) as connection:
        return [_entry(row) for row in await connection.fetch(sql("audit.entries_after"), after, count)]


def _entry(row: Any) -> ChainedEntry:
    return ChainedEntry(*row)
