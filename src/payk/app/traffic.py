"""`payk queue`, `payk operator`, `payk link` and `payk receipt`: running traffic seen, and changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from payk.app.ending import ends_told
from payk.app.local import local_actor, local_name
from payk.app.opening import StartError, opened
from payk.app.secrets import unlocked
from payk.domain.directory import Directory
from payk.domain.hold import Hold
from payk.domain.message import SmsType
from payk.domain.receipt import ReceiptWait
from payk.logs import mask
from payk.registry.follow import load as load_directory
from payk.registry.secrets import SecretBox
from payk.registry.traffic import Chosen, cancel, drain, finish, hold, matching, release, resume
from payk.settings import Settings
from payk.store.migrations import check_schema
from payk.store.parked import COUNTED, forget_parked, parked_counts, parked_page, retry_parked
from payk.store.queues import queue_depths

__all__ = [
    "cancel_queue",
    "chosen",
    "hold_queue",
    "release_queue",
    "set_draining",
    "show_holds",
    "show_parked",
    "show_queue",
    "treat_parked",
]

WIDE = 250
"""Columns where no terminal has to hold the rows."""
LISTED = 50
"""Parked receipts that are listed at once."""


def chosen(client: str | None, label: str | None, type_: str | None, operator: str | None) -> Chosen:
    """Which messages the command line means; a type by its name in lower case."""
    return Chosen(client, label, None if type_ is None else SmsType[type_.upper()], operator)


async def show_queue(settings: Settings, as_json: bool) -> None:
    """What waits, by operators, lane and client."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        depths, directory = await queue_depths(db), await load_directory(db)
    held = {
        depth: any(
            one.selection.client_id in (None, depth.client_id)
            and one.selection.covers(depth.client_id, depth.lane, 0, _first(directory, depth.queue_id))
            for one in directory.holds.all
            if one.selection.label is None
        )
        for depth in depths
    }
    rows: list[dict[str, Any]] = [
        {
            "operators": list(depth.operators),
            "lane": depth.lane.name.lower().replace("_", "-"),
            "client": depth.client,
            "waiting": depth.waiting,
            "estimated": depth.estimated,
            "oldest_age": None if depth.oldest_age is None else round(depth.oldest_age, 1),
            "in_flight": depth.in_flight,
            "staged": depth.staged,
            "next_due": _utc(depth.next_due),
            "held": held[depth],
        }
        for depth in depths
    ]
    if as_json:
        _print_json(rows)
        return
    table = _table("Operators", "Lane", "Client", "Waiting", "Oldest", "In flight", "For later", "")
    for row in rows:
        table.add_row(
            ", ".join(row["operators"]),
            row["lane"],
            row["client"],
            f"{'about ' if row['estimated'] else ''}{row['waiting']}",
            "" if row["oldest_age"] is None else _age(row["oldest_age"]),
            str(row["in_flight"]),
            str(row["staged"]),
            "held" if row["held"] else "",
        )
    _print_table(table, "nothing waits")


def _first(directory: Directory, queue_id: int) -> int | None:
    operators = directory.queues.get(queue_id, ())
    return operators[0] if operators else None


async def hold_queue(settings: Settings, which: Chosen, reason: str, *, dry_run: bool, as_json: bool) -> None:
    """Hold back what is chosen, or say how much of it waits."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        if dry_run:
            _say_matching(*await matching(db, which), as_json)
            return
        placed = await hold(db, which, author=local_name(), reason=reason)
    if as_json:
        _print_json([{"hold": placed.hold_id}])
    else:
        print(f"hold {placed.hold_id} stands; release it: payk queue release {placed.hold_id}")


async def release_queue(settings: Settings, hold_id: int, *, as_json: bool) -> None:
    """Let go what a hold keeps, and move its ExpiresIn on."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        if not await release(db, hold_id, author=local_name()):
            raise StartError(f"hold {hold_id} does not stand: payk queue holds lists those that do")
        if not as_json:
            print(f"hold {hold_id} is released", flush=True)
        await finish(db, hold_id)
    if as_json:
        _print_json([{"released": hold_id}])


async def cancel_queue(settings: Settings, which: Chosen, reason: str, *, dry_run: bool, as_json: bool) -> None:
    """Delete what is chosen, or say how much of it waits."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        if dry_run:
            _say_matching(*await matching(db, which), as_json)
            return
        wait = ReceiptWait(settings.receipt_wait, settings.receipt_grace)
        async with ends_told(db) as told:
            counts = await cancel(db, which, wait, author=local_name(), reason=reason, on_ended=told)
    if as_json:
        _print_json([{"cancelled": counts.cancelled, "too_late": counts.too_late}])
    else:
        print(f"cancelled: {counts.cancelled}; too late for: {counts.too_late}")


def _say_matching(count: int, whole: bool, as_json: bool) -> None:
    if as_json:
        _print_json([{"waiting": count, "at_least": not whole}])
    else:
        print(f"{'' if whole else 'at least '}{count} messages wait that are meant; nothing was changed")


async def show_holds(settings: Settings, as_json: bool) -> None:
    """The holds that stand."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        directory = await load_directory(db)
    rows = [_hold_row(one, directory) for one in directory.holds.all]
    if as_json:
        _print_json(rows)
        return
    table = _table("Hold", "Since (UTC)", "Client", "Label", "Type", "Operator", "By", "Reason")
    for row in rows:
        names = [row[key] or "" for key in ("client", "label", "type", "operator", "author")]
        table.add_row(
            str(row["hold"]), row["since"].replace("T", " "), *names, "cancels" if row["cancels"] else row["reason"]
        )
    _print_table(table, "nothing is held")


def _hold_row(one: Hold, directory: Directory) -> dict[str, Any]:
    selection = one.selection
    client = None if selection.client_id is None else directory.clients[selection.client_id].name
    operator = None if selection.operator_id is None else directory.operators[selection.operator_id].name
    return {
        "hold": one.hold_id,
        "since": _utc(one.placed_at),
        "client": client,
        "label": selection.label,
        "type": None if selection.sms_type is None else selection.sms_type.name.lower(),
        "operator": operator,
        "author": one.author,
        "reason": one.reason,
        "cancels": one.cancels,
    }


async def set_draining(
    settings: Settings, kind: Literal["operator", "link"], name: str, draining: bool, *, force: bool = False
) -> None:
    """Drain or resume an operator or a link, and print the difference."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        box = SecretBox(await unlocked(settings, db))
        operator, link = (name, None) if kind == "operator" else (None, name)
        if draining:
            difference = await drain(db, box, author=local_name(), operator=operator, link=link, force=force)
        else:
            difference = await resume(db, box, author=local_name(), operator=operator, link=link)
    for line in difference.lines():
        print(line)


async def show_parked(settings: Settings, operator: str | None, after: int, as_json: bool) -> None:
    """How many receipts are parked, and the oldest of them."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        counts = await parked_counts(db)
        page = await parked_page(db, operator=operator, after=after, limit=LISTED)
    rows: Sequence[Mapping[str, Any]] = [
        {
            "parked_id": receipt.parked_id,
            "received_at": _utc(receipt.received_at),
            "next_try_at": _utc(receipt.next_try_at),
            "operator": receipt.operator,
            "link": receipt.link,
            "tries": receipt.tries,
            "smsc_id": receipt.smsc_id,
            "state": receipt.raw_state,
            "error": receipt.error,
            "number": mask(receipt.source),
        }
        for receipt in page
    ]
    if as_json:
        _print_json(rows)
        return
    summary = _table("Operator", "Parked", "Oldest (UTC)")
    for count in counts:
        least = "at least " if count.count >= COUNTED else ""
        summary.add_row(count.operator, f"{least}{count.count}", (_utc(count.oldest) or "").replace("T", " "))
    _print_table(summary, "nothing is parked")
    if not rows:
        return
    table = _table("Id", "Received (UTC)", "Link", "Operator's id", "State", "Error", "Number", "Tries")
    for row in rows:
        values = [row[key] for key in ("link", "smsc_id", "state", "error", "number", "tries")]
        table.add_row(str(row["parked_id"]), row["received_at"].replace("T", " "), *(str(v or "") for v in values))
    print()
    _print_table(table, "")
    if len(rows) == LISTED:
        print(f"more: payk receipt parked --after {rows[-1]['parked_id']}")


async def treat_parked(
    settings: Settings, action: Literal["retry", "forget"], ids: Sequence[int], operator: str | None
) -> None:
    """Try parked receipts at once, or drop them for good; those of these ids and of an operator, else all."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        act = retry_parked if action == "retry" else forget_parked
        count = await act(db, ids or None, operator, actor=local_actor())
    print(f"{count} {'will be tried at once' if action == 'retry' else 'forgotten'}")


def _utc(at: datetime | None) -> str | None:
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False)


def _print_table(table: Table, nothing: str) -> None:
    if table.row_count == 0:
        print(nothing)
        return
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE).print(table)
