"""`payk balance`, `payk block`, `payk usage`: what is counted of clients, on the database directly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich import print as print_rich
from rich.table import Table

from payk.app.local import local_actor, local_name
from payk.app.opening import StartError, opened
from payk.app.secrets import digest_keys, unlocked
from payk.domain.audit import AuditEntry
from payk.logs import mask
from payk.registry.blocking import NumberDigest, recorded
from payk.registry.value import money_text
from payk.settings import Settings
from payk.store.audit import append
from payk.store.balances import Hook, change_balance, read_balance, read_ledger, read_usage
from payk.store.blocked import What, block_numbers, list_blocked, unblock_numbers
from payk.store.database import Connection, Database
from payk.store.migrations import check_schema

__all__ = [
    "add_to_balance",
    "block",
    "import_blocked",
    "show_balance",
    "show_blocked",
    "show_usage",
    "unblock",
]

SHOWN: Final = 20
"""Entries of a ledger that are shown."""
PAGE: Final = 1_000


async def show_balance(settings: Settings, client: str, *, as_json: bool) -> None:
    """What a client has left, and the newest entries of its ledger."""
    async with _database(settings) as db:
        balance, entries = await read_balance(db, client), await read_ledger(db, client, limit=SHOWN)
    if as_json:
        rows = [_plain(asdict(entry)) | {"amount": money_text(entry.amount)} for entry in entries]
        print(json.dumps({"client": client, "balance": money_text(balance), "entries": rows}, ensure_ascii=False))
        return
    print(f"{client} has {money_text(balance)}")
    _print_table(
        ("at", "kind", "amount", "messages", "reference", "author", "note"),
        [
            (entry.at, entry.kind, money_text(entry.amount), entry.messages, entry.reference, entry.author, entry.note)
            for entry in entries
        ],
    )


async def add_to_balance(
    settings: Settings, client: str, amount: int, *, reference: str | None, note: str | None, as_json: bool
) -> None:
    """Top up a balance, or correct it; once for each reference."""
    async with _database(settings) as db:
        detail = {"amount": money_text(amount), "reference": reference, "note": note}
        change = await change_balance(
            db,
            client,
            amount,
            author=local_name(),
            reference=reference,
            note=note,
            within=_recorded("balance.change", client, detail),
        )
    if as_json:
        print(json.dumps({"client": client, "balance": money_text(change.balance), "repeated": change.repeated}))
    elif change.repeated:
        print(f"reference {reference} was entered before; {client} has {money_text(change.balance)}")
    else:
        print(f"{client} has {money_text(change.balance)}")


async def show_usage(settings: Settings, client: str, *, as_json: bool) -> None:
    """The parts that were taken of a client in the present day and month."""
    async with _database(settings) as db:
        usage = await read_usage(db, client)
    if as_json:
        for row in usage:
            print(json.dumps({"client": client, **_plain(asdict(row))}))
        return
    _print_table(
        ("period", "from (UTC)", "messages", "parts"),
        [(row.kind, row.period.isoformat(), "Otp" if row.otp else "all but Otp", row.parts) for row in usage],
    )


async def block(
    settings: Settings, numbers: Sequence[str], *, client: str | None, what: str, reason: str, as_json: bool
) -> None:
    """Block numbers, all of them or none."""
    async with _database(settings) as db:
        detail = {"numbers": len(numbers), "what": what, "reason": reason}
        done = await block_numbers(
            db,
            numbers,
            client=client,
            what=What(what),
            reason=reason,
            author=local_name(),
            within=recorded("block.add", client, detail, local_actor(), await _digest(settings, db)),
            timeout=600.0,
        )
    if as_json:
        print(json.dumps(asdict(done)))
    else:
        print(f"{done.added} numbers are blocked, {done.changed} that were blocked are so otherwise")


async def import_blocked(
    settings: Settings, file: Path, *, client: str | None, what: str, reason: str, as_json: bool
) -> None:
    """Block the numbers of a file, one a line."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{file} cannot be read as lines of text: {error}") from error
    await block(settings, lines, client=client, what=what, reason=reason, as_json=as_json)


async def unblock(settings: Settings, numbers: Sequence[str], *, client: str | None, as_json: bool) -> None:
    """Numbers take messages again."""
    async with _database(settings) as db:
        digest = await _digest(settings, db)
        within = recorded("block.remove", client, {"numbers": len(numbers)}, local_actor(), digest)
        count = await unblock_numbers(db, numbers, client=client, within=within)
    print(json.dumps({"removed": count}) if as_json else f"{count} numbers are blocked no more")


async def show_blocked(settings: Settings, *, client: str | None, begins: str | None, as_json: bool) -> None:
    """All blocked numbers, or those of a client; people see them masked, `--json` whole."""
    async with _database(settings) as db:
        rows, behind = [], 0
        while page := await list_blocked(db, client=client, begins=begins, behind=behind, limit=PAGE):
            rows += page
            behind = page[-1].blocked_id
    if as_json:
        for row in rows:
            print(json.dumps(_plain(asdict(row)), ensure_ascii=False))
        return
    _print_table(
        ("number", "client", "what", "reason", "author", "at"),
        [(mask(row.number), row.client or "all", row.what, row.reason, row.author, row.at) for row in rows],
    )


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    async with opened(settings) as (db, _):
        await check_schema(db)
        yield db


async def _digest(settings: Settings, db: Database) -> NumberDigest:
    return NumberDigest(await digest_keys(db, await unlocked(settings, db)))


def _recorded(act: str, client: str | None, detail: Mapping[str, Any]) -> Hook:
    """An entry of the audit log in the transaction of what it records."""
    entry = AuditEntry(local_actor(), act, "client" if client else "all", client or "", detail)

    async def record(connection: Connection) -> None:
        await append(connection, [entry])

    return record


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """What JSON can hold."""
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in fields.items()}


def _print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(*headings, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(_cell, row))
    print_rich(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)
