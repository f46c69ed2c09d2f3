"""Statuses of messages that another centre sent are taken over, while the file that tells them comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from payk.domain.access import Actor
from payk.domain.audit import AuditEntry
from payk.domain.import_lines import ImportLines
from payk.domain.imported import ImportReader, NumberedRow
from payk.store.audit import record
from payk.store.database import Database
from payk.store.imported import Added, add_imported, client_ids, drop_imported, first_message_id

__all__ = ["Imported", "drop", "import_statuses"]

BLOCK: Final = 512 * 1024
"""Octets that are read, and whose rows are stored, at a time: some 8,000 rows."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: its rows, how many were added, completed and refused, and a line for what was refused."""

    rows: int
    added: int
    completed: int
    refused: int
    problems: tuple[str, ...]

    @property
    def known(self) -> int:
        """Rows that were stored just so before."""
        return self.rows - self.added - self.completed - self.refused


async def import_statuses(
    db: Database, octets: AsyncIterator[bytes], *, name: str, encoding: str | None, actor: Actor, dry_run: bool = False
) -> Imported:
    """Take over what a file says, block by block. `name`: what the audit log calls it.

    What was taken stays where the file ends early: importing it again adds the rest. With `dry_run` nothing is stored.
    Raises ImportRefused where it is no such file, StoreError, and whatever `octets` does.
    """
    reader = ImportReader(await client_ids(db), await first_message_id(db), datetime.now(UTC))
    lines = ImportLines(encoding)
    if not dry_run:
        await _record(db, actor, "import.begin", name, {})
    counted = _Counted()
    try:
        await _import(db, octets, lines, reader, counted, dry_run=dry_run)
        reader.end()
    except BaseException:  # cancelled too, where the server stops
        if not dry_run:
            await _record(db, actor, "import.end", name, {**counted.told(reader), "broken_off": True})
        raise
    if not dry_run:
        await _record(db, actor, "import.end", name, counted.told(reader))
    problems = reader.problems
    return Imported(reader.rows, counted.added, counted.completed, problems.count, tuple(problems.lines()))


@dataclass(slots=True)
class _Counted:
    """Of what is stored so far."""

    added: int = 0
    completed: int = 0

    def add(self, stored: Added) -> None:
        """A batch was stored."""
        self.added += stored.added
        self.completed += stored.completed

    def told(self, reader: ImportReader) -> dict[str, Any]:
        """For the audit log."""
        return {
            "rows": reader.rows,
            "added": self.added,
            "completed": self.completed,
            "refused": reader.problems.count,
        }


async def _import(
    db: Database,
    octets: AsyncIterator[bytes],
    lines: ImportLines,
    reader: ImportReader,
    counted: _Counted,
    *,
    dry_run: bool,
) -> None:
    """A block is read, in a thread, while the one before it is stored."""

    def read(block: bytes, *, final: bool) -> dict[int, NumberedRow]:
        return reader.read(lines.feed(block, final=final))

    rows: dict[int, NumberedRow] = {}
    async for block, final in _blocks(octets):
        # Both are waited for: none goes on behind an error of the other.
        stored, following = await asyncio.gather(
            add_imported(db, [row.message for row in rows.values()], dry_run=dry_run),
            asyncio.to_thread(read, block, final=final),
            return_exceptions=True,
        )
        if isinstance(stored, BaseException):
            raise stored
        counted.add(stored)
        _note_different(reader, rows, stored.different)
        if isinstance(following, BaseException):
            raise following
        rows = following
    stored = await add_imported(db, [row.message for row in rows.values()], dry_run=dry_run)
    counted.add(stored)
    _note_different(reader, rows, stored.different)


async def _blocks(octets: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, bool]]:
    """The octets in blocks of about BLOCK, each with whether it is the last one."""
    gathered = bytearray()
    async for piece in octets:
        gathered += piece
        while len(gathered) > BLOCK:
            yield bytes(gathered[:BLOCK]), False
            del gathered[:BLOCK]
    yield bytes(gathered), True


def _note_different(reader: ImportReader, rows: Mapping[int, NumberedRow], different: Iterable[int]) -> None:
    for message_id in different:
        rule = f"MessageId {message_id} is stored already and otherwise; nothing was overwritten"
        reader.problems.note(rows[message_id].line, rule)


async def drop(db: Database, before: datetime, *, after: int, patience: float, actor: Actor) -> tuple[int, int | None]:
    """Drop imported messages that were submitted before a time, those of higher ids than `after`; how many, and above
    which id to go on where `patience` seconds were not enough."""
    detail = {"submitted_before": before.isoformat(), **({"after": after} if after else {})}
    await _record(db, actor, "import.drop", "", detail)
    return await drop_imported(db, before, after=after, patience=patience)


async def _record(db: Database, actor: Actor, act: str, name: str, detail: Mapping[str, Any]) -> None:
    await record(db, [AuditEntry(actor, act, "imported messages", name, detail)])
