"""What is counted of clients: their balances with the ledgers, what they used, and the numbers that are blocked."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field

from payk.domain.access import Permission
from payk.domain.audit import AuditEntry
from payk.domain.management_errors import ManagementCode
from payk.logs import mask
from payk.registry.blocking import recorded
from payk.registry.value import money_text, signed_money
from payk.store import audit
from payk.store.balances import BalanceEntry, change_balance, read_balance, read_ledger, read_usage
from payk.store.blocked import BlockedNumber, NumbersInvalid, What, block_numbers, list_blocked, unblock_numbers
from payk.store.database import Connection
from payk.web.admin.clients import client_named
from payk.web.admin.configured import Limit, WholeNumbers
from payk.web.admin.given import Given
from payk.web.admin.management import Caller, Known, Management, Name, Parts
from payk.web.admin.times import moment
from payk.web.problems import Problem

__all__ = ["router"]

router = APIRouter(tags=["limits"])

PLAIN: Final = "text/plain"
BLOCKING: Final = 600.0
"""Seconds for the numbers of a file."""
SHOWN: Final = 20
"""Wrong lines that are told of a file."""
Number = Annotated[str, Field(min_length=1, max_length=40)]
Before = Annotated[int | None, Query(ge=1, lt=2**62)]


class EntryShown(BaseModel):
    """A line of a ledger."""

    entry_id: int
    at: str | None
    amount: str = Field(description='Such as "250" or "-0.12".')
    kind: str
    messages: int = Field(description="How many it was charged for or given back of.")
    reference: str | None
    note: str | None
    author: str | None


class BalanceShown(BaseModel):
    """What a client has left, and the newest entries of its ledger."""

    client: str
    balance: str
    entries: list[EntryShown]
    next: int | None = Field(description="`before` of the next page; null on the last one.")


class BalanceNew(Given):
    """A payment, or a correction below zero."""

    amount: Annotated[str, Field(max_length=30, description='Such as "250", "0.12" or "-10".')]
    reference: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None, description="Yours, such as an invoice: it is entered but once."
    )
    note: Annotated[str, Field(max_length=255)] | None = None


class BalanceChanged(BaseModel):
    """What became of it."""

    balance: str
    repeated: bool = Field(description="It was entered before under the same reference.")


class UsageShown(BaseModel):
    """Parts that were taken in the present day or month (UTC)."""

    period: str
    since: str
    otp: bool
    parts: int


class Usages(BaseModel):
    """Day and month, Otp and all others."""

    items: list[UsageShown]


class BlockedShown(BaseModel):
    """A blocked number."""

    blocked_id: int
    client: str | None = Field(description="null: for all of them.")
    number: str = Field(description="Masked, unless whole numbers were asked for.")
    what: str
    reason: str
    author: str
    at: str | None


class BlockedPage(BaseModel):
    """Blocked numbers, in the order in which they were blocked."""

    items: list[BlockedShown]
    next: int | None = Field(description="`after` of the next page; null on the last one.")


class BlockNew(Given):
    """Numbers to block: all of them or, where one is none, nothing."""

    numbers: Annotated[list[Number], Field(min_length=1, max_length=10_000)]
    client: Annotated[str, Field(max_length=64)] | None = Field(None, description="null: for all of them.")
    what: What = What.EVERYTHING
    reason: Annotated[str, Field(max_length=255)] = ""


class Unblock(Given):
    """Numbers that take messages again."""

    numbers: Annotated[list[Number], Field(min_length=1, max_length=10_000)]
    client: Annotated[str, Field(max_length=64)] | None = None


class Blocked(BaseModel):
    """What came of it."""

    added: int = 0
    changed: int = 0
    removed: int = 0


def _recorded(caller: Caller, act: str, kind: str, name: str, detail: dict[str, Any]) -> Any:
    """Adds the audit entry in the transaction of the change."""

    async def append(connection: Connection) -> None:
        await audit.append(connection, [AuditEntry(caller.actor, act, kind, name, detail)])

    return append


def _entry(entry: BalanceEntry) -> EntryShown:
    return EntryShown(
        entry_id=entry.entry_id,
        at=moment(entry.at),
        amount=money_text(entry.amount),
        kind=str(entry.kind),
        messages=entry.messages or 0,
        reference=entry.reference,
        note=entry.note,
        author=entry.author,
    )


@router.get("/clients/{name}/balance")
async def show_balance(
    caller: Known, parts: Parts, name: Name, before: Before = None, limit: Limit = 100
) -> BalanceShown:
    """What a client has left."""
    await client_named(parts, caller, name, Permission.READ_REGISTRY)
    entries = await read_ledger(parts.db, name, before=before, limit=limit)
    return BalanceShown(
        client=name,
        balance=money_text(await read_balance(parts.db, name)),
        entries=[_entry(entry) for entry in entries],
        next=entries[-1].entry_id if len(entries) == limit else None,
    )


@router.post("/clients/{name}/balance", status_code=201)
async def add_to_balance(caller: Known, parts: Parts, name: Name, new: BalanceNew) -> BalanceChanged:
    """Enter a payment or a correction; repeated with the same reference it is entered but once."""
    await client_named(parts, caller, name, Permission.CHANGE_LIMITS)
    try:
        amount = signed_money(new.amount)
    except ValueError as error:
        raise Problem(ManagementCode.VALUE_INVALID, f"amount: {error}.", errors={"amount": [str(error)]}) from error
    detail = {"amount": money_text(amount), "reference": new.reference, "note": new.note}
    changed = await change_balance(
        parts.db,
        name,
        amount,
        author=caller.author,
        reference=new.reference,
        note=new.note,
        within=_recorded(caller, "balance.change", "client", name, detail),
    )
    return BalanceChanged(balance=money_text(changed.balance), repeated=changed.repeated)


@router.get("/clients/{name}/usage")
async def show_usage(caller: Known, parts: Parts, name: Name) -> Usages:
    """What a client used of its quotas; counted only while it has one or is prepaid."""
    await client_named(parts, caller, name, Permission.READ_REGISTRY)
    return Usages(
        items=[
            UsageShown(period=str(row.kind), since=row.period.isoformat(), otp=row.otp, parts=row.parts)
            for row in await read_usage(parts.db, name)
        ]
    )


async def _may_block(caller: Caller, parts: Parts, client: str | None) -> None:
    if client is None:
        caller.check(Permission.CHANGE_LIMITS)
    else:
        await client_named(parts, caller, client, Permission.CHANGE_LIMITS)


@router.get("/blocks")
async def list_blocks(
    caller: Known,
    parts: Parts,
    client: Annotated[str | None, Query(max_length=64)] = None,
    of_all: Annotated[bool, Query(description="Those that are blocked for all clients.")] = False,
    begins: Annotated[str | None, Query(pattern="^[0-9]{1,15}$", description="The first digits.")] = None,
    after: Annotated[int, Query(ge=0, lt=2**62)] = 0,
    limit: Limit = 100,
    whole_numbers: WholeNumbers = False,
) -> BlockedPage:
    """Numbers that are blocked."""
    caller.check(Permission.READ_REGISTRY)
    if whole_numbers:
        caller.check(Permission.READ_TEXTS)
        detail = {"begins": None if begins is None else mask(begins), "after": after}
        await audit.record(
            parts.db, [AuditEntry(caller.actor, "numbers.read", "blocked numbers", client or "", detail)]
        )
    found = await list_blocked(parts.db, client=client, of_all=of_all, begins=begins, behind=after, limit=limit)
    return BlockedPage(
        items=[_blocked(row, whole=whole_numbers) for row in found],
        next=found[-1].blocked_id if len(found) == limit else None,
    )


def _blocked(row: BlockedNumber, *, whole: bool) -> BlockedShown:
    return BlockedShown(
        blocked_id=row.blocked_id,
        client=row.client,
        number=row.number if whole else mask(row.number),
        what=str(row.what),
        reason=row.reason,
        author=row.author,
        at=moment(row.at),
    )


@router.post("/blocks", status_code=201)
async def block(caller: Known, parts: Parts, new: BlockNew) -> Blocked:
    """Block numbers; in force on every process within a second."""
    await _may_block(caller, parts, new.client)
    return await _blocked_now(caller, parts, new.numbers, len(new.numbers), new.client, new.what, new.reason)


@router.post("/blocks/import")
async def import_blocks(
    caller: Known,
    parts: Parts,
    text: Annotated[str, Body(media_type=PLAIN, description="A number a line; blank lines are passed over.")],
    client: Annotated[str | None, Query(max_length=64, description="For this client; without it for all.")] = None,
    what: What = What.EVERYTHING,
    reason: Annotated[str, Query(max_length=255)] = "",
) -> Blocked:
    """Block the numbers of a file: all of them or, where a line is none, nothing."""
    await _may_block(caller, parts, client)
    lines = text.removeprefix("\N{BYTE ORDER MARK}").replace("\r\n", "\n").replace("\r", "\n")
    try:
        return await _blocked_now(
            caller, parts, io.StringIO(lines), lines.strip().count("\n") + 1, client, what, reason
        )
    except NumbersInvalid as error:
        wrong = [f"line {line}: {why}" for line, why in error.lines[:SHOWN]]
        raise Problem(ManagementCode.VALUE_INVALID, f"numbers: {error}.", errors={"numbers": wrong}) from error


async def _blocked_now(
    caller: Caller, parts: Management, numbers: Iterable[str], count: int, client: str | None, what: What, reason: str
) -> Blocked:
    detail = {"numbers": count, "what": str(what), "reason": reason}
    done = await block_numbers(
        parts.db,
        numbers,
        client=client,
        what=what,
        reason=reason,
        author=caller.author,
        within=recorded("block.add", client, detail, caller.actor, parts.number_digest),
        timeout=BLOCKING,
    )
    return Blocked(added=done.added, changed=done.changed)


@router.post("/blocks/remove")
async def unblock(caller: Known, parts: Parts, gone: Unblock) -> Blocked:
    """Have numbers take messages again."""
    await _may_block(caller, parts, gone.client)
    detail = {"numbers": len(gone.numbers)}
    removed = await unblock_numbers(
        parts.db,
        gone.numbers,
        client=gone.client,
        within=recorded("block.remove", gone.client, detail, caller.actor, parts.number_digest),
    )
    return Blocked(removed=removed)
