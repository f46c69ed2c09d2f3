"""`payk message search` and `payk message show`: what became of messages, for those whom a customer asks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from payk.app.opening import StartError, opened
from payk.domain.errors import Rejection
from payk.domain.imported import ImportedMessage
from payk.domain.message import MessageState
from payk.domain.search import MessageSearch, SearchRefused
from payk.domain.validity import parse_instant
from payk.domain.whereabouts import cause_of
from payk.printable import printable
from payk.settings import Settings
from payk.store.imported import read_imported
from payk.store.migrations import check_schema
from payk.store.record import MessageRecord, read_record
from payk.store.search import FoundMessage, SearchPage, search_messages
from payk.store.timeline import TimelineEvent

__all__ = ["instant", "search", "show"]

WIDE = 250
"""Columns where no terminal has to hold the rows."""
_COLUMNS = ("MessageId", "Accepted (UTC)", "State", "Client", "Number", "Sender", "Type", "Operator", "Label")


def instant(option: str, written: str | None) -> datetime | None:
    """A time as the documented API takes it, or a day; without a zone it is UTC. Raises StartError."""
    if written is None:
        return None
    try:
        return parse_instant(written if len(written.strip()) > 10 else f"{written.strip()}T00:00:00")
    except Rejection as error:
        raise StartError(f"{option} {written}: a day or a time in UTC is needed, such as 2026-11-20T10:30") from error


async def search(
    settings: Settings, wanted: MessageSearch, *, limit: int, cursor: int | None, whole_numbers: bool, as_json: bool
) -> None:
    """Print a page of messages, and how to see the next one."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        try:
            page = await search_messages(db, wanted, cursor=cursor, limit=limit, whole_numbers=whole_numbers)
        except SearchRefused as error:
            option = error.field.replace("accepted_from", "from").replace("accepted_before", "to").replace("_", "-")
            raise StartError(f"--{option}: {error.rule}") from error
    if as_json:
        items = [_plain(asdict(message)) for message in page.messages]
        following = None if page.cursor is None else str(page.cursor)
        print(json.dumps({"items": items, "next": following, **_plain({"looked_back_to": page.looked_back_to})}))
    else:
        _print_page(page)


async def show(settings: Settings, message_id: int, *, whole_numbers: bool, as_json: bool) -> bool:
    """Print all that is known of a message; whether there is one."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        zone = ZoneInfo(settings.timezone)
        record = await read_record(db, message_id, zone=zone, whole_numbers=whole_numbers)
        imported = None if record else await read_imported(db, message_id)
    if record is not None:
        if as_json:
            print(json.dumps(_record(record)))
        else:
            _print_record(record)
    elif imported is not None:
        _show_imported(*imported, as_json=as_json)
    return record is not None or imported is not None


def _show_imported(client: str, message: ImportedMessage, *, as_json: bool) -> None:
    told = {
        "message_id": message.message_id,
        "client": client,
        "accepted_at": message.submitted_at,
        "done_at": message.done_at,
        "state": message.state,
        "why": "It was sent by another centre, and its state was imported.",
    }
    if as_json:
        print(json.dumps(_plain(told)))
    else:
        _print_pairs(told)


def _record(record: MessageRecord) -> dict[str, Any]:
    events = [_event(event) for event in record.timeline.events]
    cause = str(cause_of(record.timeline.whereabouts))
    return {**_plain(asdict(record.message)), "why": record.why, "why_code": cause, "events": events}


def _event(event: TimelineEvent) -> dict[str, Any]:
    """What its kind has, by the names of the management API."""
    names = {"kind": "event", "smsc_id": "operator_message_id"}
    told = _plain(asdict(event)).items()
    return {names.get(name, name): value for name, value in told if value is not None}


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """As the management API has it: ids as strings, times in UTC with milliseconds, names for numbers."""
    plain = {name: _plain_value(value) for name, value in fields.items()}
    return plain | ({"message_id": str(fields["message_id"])} if "message_id" in fields else {})


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, MessageState):
        return value.label
    if isinstance(value, IntEnum):
        return value.name.lower()
    return value.hex() if isinstance(value, bytes) else value


def _print_page(page: SearchPage) -> None:
    table = Table(*_COLUMNS, box=None, pad_edge=False)
    for message in page.messages:
        table.add_row(*(_shown(cell) for cell in _cells(message)))
    if page.messages:
        _console().print(table)
    if page.looked_back_to is not None:
        moment = f"{page.looked_back_to.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        print(f"looked back to {moment} UTC; what is older: --cursor {page.cursor}", file=sys.stderr)
    elif page.cursor is not None:
        print(f"there may be more: --cursor {page.cursor}", file=sys.stderr)
    elif not page.messages:
        print("no such message", file=sys.stderr)


def _cells(message: FoundMessage) -> Iterator[str]:
    yield str(message.message_id)
    yield f"{message.accepted_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    yield message.state.label
    yield message.client
    yield message.number
    yield message.sender
    yield message.sms_type.name.capitalize()
    yield message.operator or ""
    yield message.label or ""


def _print_record(record: MessageRecord) -> None:
    fields = {name: value for name, value in asdict(record.message).items() if value is not None}
    _print_pairs({**fields, "why": record.why})
    table = Table("Time (UTC)", "Event", "Part", "Attempt", "Operator", "Details", box=None, pad_edge=False)
    for event in record.timeline.events:
        numbers = ("" if number is None else str(number) for number in (event.part, event.attempt))
        cells = (_instant_shown(event.at), event.kind, *numbers, event.operator or "", _details(event))
        table.add_row(*(_shown(cell) for cell in cells))
    _console().print("", table, sep="\n")


def _details(event: TimelineEvent) -> str:
    """What the columns of the table have no room for."""
    told = ("state", "raw_state", "command_status", "reason", "error", "network_error", "smsc_id", "until")
    values = ((name, _plain_value(getattr(event, name))) for name in told)
    return ", ".join(f"{name} {value}" for name, value in values if value is not None)


def _print_pairs(pairs: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in _told(pairs.items()):
        table.add_row(name, _shown(value))
    _console().print(table)


def _told(pairs: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    for name, value in pairs:
        plain = _instant_shown(value) if isinstance(value, datetime) else _plain_value(value)
        yield name, "" if plain is None else str(plain)


def _instant_shown(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")


def _console() -> Console:
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE)


def _shown(cell: str) -> Text:
    """A word of a client or a peer as a terminal may show it: nothing that steers a terminal."""
    return Text(printable(cell))
