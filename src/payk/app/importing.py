"""`payk message import`: statuses of messages that another centre sent."""

from __future__ import annotations

import asyncio
import codecs
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import IO, Any, cast

from payk.app.local import local_actor
from payk.app.messages import instant
from payk.app.opening import StartError, opened
from payk.domain.audit import AuditEntry
from payk.domain.imported import ImportReader, ImportRefused, NumberedRow
from payk.settings import Settings
from payk.store.audit import record
from payk.store.database import Database
from payk.store.imported import add_imported, client_ids, drop_imported, first_message_id
from payk.store.migrations import check_schema

__all__ = ["drop_imported_messages", "import_messages"]

BATCH = 10_000
LINE_MAX = 65_536
"""Characters: no file of rows has longer lines."""
PROGRESS_EVERY = 5.0
"""Seconds."""


async def import_messages(settings: Settings, file: Path, *, encoding: str | None, dry_run: bool) -> bool:
    """Import `file` (`-` = standard input), print what was taken and what not; whether every row was."""
    with ExitStack() as stack:
        lines = _lines(_text(stack.enter_context(_octets(file)), file, encoding), file)
        async with opened(settings) as (db, _):
            await check_schema(db)
            try:
                if not dry_run:
                    await _record(db, "import.begin", file.name, {})
                reader = ImportReader(lines, await client_ids(db), await first_message_id(db), datetime.now(UTC))
                added, completed = await _import(db, reader, dry_run=dry_run)
                counted = {"rows": reader.rows, "added": added, "completed": completed}
                if not dry_run:
                    await _record(db, "import.end", file.name, {**counted, "refused": reader.problems.count})
            except ImportRefused as error:
                raise StartError(f"{file}: {error}") from error
    for problem in reader.problems.lines():
        print(problem, file=sys.stderr)
    refused = reader.problems.count
    counts = f"{added} added, {completed} completed, {reader.rows - added - completed - refused} known already"
    print(f"{reader.rows} rows: {counts}, {refused} refused{' (a dry run: nothing changed)' if dry_run else ''}")
    return not refused


async def drop_imported_messages(settings: Settings, before: str) -> None:
    """Drop imported messages that were submitted before a time, as the documented API writes it or as a day."""
    at = instant("--drop-before", before)
    assert at is not None
    async with opened(settings) as (db, _):
        await check_schema(db)
        await _record(db, "import.drop", "", {"submitted_before": at.isoformat()})
        print(f"{await drop_imported(db, at)} imported messages dropped")


async def _record(db: Database, act: str, name: str, detail: dict[str, Any]) -> None:
    shown = name.encode("utf-8", "replace").decode()[:200]
    await record(db, [AuditEntry(local_actor(), act, "imported messages", shown, detail)])


async def _import(db: Database, reader: ImportReader, *, dry_run: bool) -> tuple[int, int]:
    """Returns how many rows were added, and how many completed. A batch is read while the one before it is stored."""
    began = told = time.monotonic()
    added = completed = 0
    batch = await asyncio.to_thread(reader.batch, BATCH)
    while batch:
        rows, line = reader.rows, reader.line
        stored, following = await asyncio.gather(
            add_imported(db, [row.message for row in batch.values()], dry_run=dry_run),
            asyncio.to_thread(reader.batch, BATCH),
        )
        _note_different(reader, batch, stored.different)
        added, completed, batch = added + stored.added, completed + stored.completed, following
        if time.monotonic() - told > PROGRESS_EVERY:
            told = time.monotonic()
            print(f"line {line}: {rows} rows, {rows / (told - began):.0f} a second", file=sys.stderr, flush=True)
    return added, completed


def _note_different(reader: ImportReader, batch: dict[int, NumberedRow], different: tuple[int, ...]) -> None:
    for message_id in different:
        rule = f"MessageId {message_id} is stored already and otherwise; nothing was overwritten"
        reader.problems.note(batch[message_id].line, rule)


def _octets(file: Path) -> BufferedReader:
    try:
        return cast(BufferedReader, sys.stdin.buffer if str(file) == "-" else file.open("rb"))
    except OSError as error:
        raise StartError(f"{file}: {error.strerror}") from error


def _text(octets: BufferedReader, file: Path, encoding: str | None) -> IO[str]:
    """As text; what cannot be decoded is kept apart, and told where it is needed. UTF-8, or as its first octets say."""
    if encoding is None:
        begins = octets.peek(2)[:2]
        encoding = "utf-16" if begins in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        return TextIOWrapper(octets, encoding=encoding, errors="surrogateescape", newline="")
    except LookupError as error:
        raise StartError(f"--encoding {encoding}: no such encoding; utf-8 and cp1251 are some") from error


def _lines(text: IO[str], file: Path) -> Iterator[str]:
    """Line by line; of one that is longer than LINE_MAX no more than that, which makes it no row."""
    number = 0
    try:
        while line := text.readline(LINE_MAX):
            number += 1
            yield line
            while len(line) == LINE_MAX and not line.endswith(("\n", "\r")):
                line = text.readline(LINE_MAX)
    except (OSError, UnicodeError) as error:
        raise StartError(f"{file}: behind line {number} it cannot be read: {error}") from error
