"""Reports and exports as both sites answer them: read in one go, put down in a file, passed on as fast as it is taken.

No transaction waits for a reader: the rows of a report are written to a file that is gone with the request, and single
messages are read a page at a time, and no page before the one before it was taken.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from payk.domain.errors import Code
from payk.domain.message import MessageState
from payk.domain.report import Dimension, Period, ReportRefused
from payk.domain.search import LIMIT_MAX, SearchRefused
from payk.store.database import Database
from payk.store.reports import (
    SHARES,
    Failure,
    LabelProgress,
    LabelSeen,
    ReportRow,
    counted_since,
    label_progress,
    read_report,
    recent_labels,
)
from payk.store.search import FoundMessage, SearchBudget, search_messages
from payk.web.problems import Problem
from payk.web.report_query import Format, MessageQuery, ReportQuery
from payk.web.spool import Spool, SpooledFile
from payk.web.tables import Buffer, Cell, CsvTable, JsonTable, Table, XlsxTable
from payk.web.turns import Turns

__all__ = ["MESSAGE_COLUMNS", "Naming", "Prepared", "Reports", "as_documented", "as_managed", "failures"]

AT_ONCE: Final = 3
"""Reports that are read at a time, of one site: whoever sends needs connections too."""
LOOKS: Final = 2
"""Labels that are looked at besides."""
BATCH: Final = 500
"""Rows that are written between two looks at other requests."""
PAGE: Final = SearchBudget(seconds=1.0)
"""What one page of messages may cost."""
TAKING: Final = 1800.0
"""Seconds that the taking of a report may take: its file is in the way of others."""
READING: Final = 60.0
"""Seconds that the reading of a report may take."""

_KINDS: Final = {
    Format.JSON: b"application/json; charset=utf-8",
    Format.CSV: b"text/csv; charset=utf-8",
    Format.XLSX: b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_SUFFIX = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_encode = msgspec.json.Encoder().encode

Naming = Callable[[str], str]
"""How a site writes the name of a member."""


def as_documented(name: str) -> str:
    """SmsLabel"""
    return name


def as_managed(name: str) -> str:
    """sms_label"""
    return _SUFFIX.sub("_", name).lower()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file to be passed on; its octets come once."""

    content_type: bytes
    filename: str
    octets: AsyncGenerator[bytes, None]

    @property
    def disposition(self) -> bytes:
        """The value of Content-Disposition (RFC 6266); JSON is shown, files are saved."""
        kind = "inline" if self.filename.endswith("json") else "attachment"
        return f'{kind}; filename="{self.filename}"'.encode()


class Reports:
    """Makes the reports of a site, a few at a time, and one of each asker: `who` is a client, or who manages."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._reading = Turns(AT_ONCE)
        self._looking = Turns(LOOKS)
        self._writing = Turns(AT_ONCE)
        self._spool = Spool()
        self._threads = ThreadPoolExecutor(AT_ONCE, "tables")
        """Apart from the pool that looks up host names."""

    def now(self) -> datetime:
        """By the database's clock."""
        return self._db.now()

    async def report(self, who: Hashable, query: ReportQuery, naming: Naming, *, timeout: float) -> Prepared:
        """A report, read and ready to be passed on.

        Raises ReportRefused and StoreUnavailable, and Problem where its turn does not come within `timeout` seconds.
        """
        async with self._reading.of(who, timeout):
            since = await counted_since(self._db)
            file = self._spool.file(who)
            sheet = _ReportSheet(file, query, naming, since)
            reading = aclosing(read_report(self._db, query.asked, query.periods, timeout=READING))
            apart = partial(self._apart, who)
            async with _whole_or_gone(file, sheet, apart), reading as rows:
                await _written(rows, sheet.write, apart)
        name = f"report-{query.asked.begins:%Y%m%d}-{query.asked.ends:%Y%m%d}.{query.format}"
        return Prepared(_KINDS[query.format], name, _octets(file))

    async def messages(
        self, who: Hashable, query: MessageQuery, naming: Naming, *, timeout: float, whole_numbers: bool
    ) -> Prepared:
        """Single messages, newest first, passed on while they are read, a page at a time; the first may hold nothing.

        Raises as `report`.
        """
        pages = self._pages(who, query, timeout, whole_numbers=whole_numbers)
        try:
            # What is wrong with the question is told before anything is passed on.
            first = await anext(pages)
        except SearchRefused as error:
            raise ReportRefused(_FIELDS.get(error.field, error.field), error.rule) from error
        begin = partial(_message_table, query.format, naming)
        octets = _passed_on(begin, _chained(first, pages), query.zone, partial(self._apart, who))
        return Prepared(_KINDS[query.format], f"messages.{query.format}", octets)

    async def _pages(
        self, who: Hashable, query: MessageQuery, timeout: float, *, whole_numbers: bool
    ) -> AsyncGenerator[Sequence[FoundMessage], None]:
        """One at least. Each is read in a turn and a transaction of its own, and may be empty."""
        cursor: int | None = None
        while True:
            async with self._reading.of(who, timeout):
                page = await search_messages(
                    self._db, query.search, cursor=cursor, limit=LIMIT_MAX, whole_numbers=whole_numbers, budget=PAGE
                )
            yield page.messages
            cursor, timeout = page.cursor, READING
            if cursor is None:
                return

    async def progress(self, who: Hashable, client_id: int, label: str, *, timeout: float) -> LabelProgress | None:
        """How a label of a client stands; None where it has no messages. StoreUnavailable, Problem as `report`."""
        async with self._looking.of(who, timeout):
            return await label_progress(self._db, client_id, label)

    async def labels(
        self, who: Hashable, client_id: int | None, since: datetime, limit: int, *, timeout: float
    ) -> list[LabelSeen]:
        """The labels of late. Raises as `progress`."""
        async with self._looking.of(who, timeout):
            return await recent_labels(self._db, client_id, since, limit)

    async def _apart(self, who: Hashable, work: Callable[..., None], *arguments: object) -> None:
        """Do the work of a table in a thread, so that nobody else waits for it. Cancelled, it waits for the end."""
        async with self._writing.of(who, READING):
            done = asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *arguments))
            try:
                await asyncio.shield(done)
            except asyncio.CancelledError:
                await asyncio.wait([done])
                raise


_Apart = Callable[..., Awaitable[None]]
"""Reports._apart for somebody."""


@asynccontextmanager
async def _whole_or_gone(file: SpooledFile, table: Table | _ReportSheet, apart: _Apart) -> AsyncIterator[None]:
    """What is written within the block is a whole file behind it; where that fails nothing is left of it."""
    try:
        yield
        await apart(table.close)
    except BaseException:
        table.drop()
        file.close()
        raise


async def _written(rows: AsyncIterator[ReportRow], write: Callable[[Sequence[ReportRow]], None], apart: _Apart) -> None:
    """Write rows by and by."""
    batch: list[ReportRow] = []
    async for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            await apart(write, batch)
            batch = []
    if batch:
        await apart(write, batch)


async def _octets(file: SpooledFile) -> AsyncGenerator[bytes, None]:
    ends_at = asyncio.get_running_loop().time() + TAKING
    with file:
        for chunk in file.octets():
            if asyncio.get_running_loop().time() > ends_at:
                raise Problem(Code.REQUEST_TIMEOUT, f"A report was not taken within {TAKING / 60:.0f} minutes.")
            yield chunk


async def _chained(
    first: Sequence[FoundMessage], pages: AsyncGenerator[Sequence[FoundMessage], None]
) -> AsyncGenerator[Sequence[FoundMessage], None]:
    async with aclosing(pages):
        yield first
        async for page in pages:
            yield page


async def _passed_on(
    begin: Callable[[Buffer], Table],
    pages: AsyncGenerator[Sequence[FoundMessage], None],
    zone: ZoneInfo,
    apart: _Apart,
) -> AsyncGenerator[bytes, None]:
    """A table of messages while it is written."""
    buffer = Buffer()
    table = begin(buffer)
    try:
        async with aclosing(pages):
            if begun := buffer.taken():
                yield begun
            async for page in pages:
                await apart(table.write, [_message_row(message, zone) for message in page])
                if written := buffer.taken():
                    yield written
        await apart(table.close)
    except BaseException:
        table.drop()
        raise
    yield buffer.taken()


# -- messages


def _message_table(kind: Format, naming: Naming, buffer: Buffer) -> Table:
    columns = [naming(column) for column in MESSAGE_COLUMNS]
    match kind:
        case Format.JSON:
            return JsonTable(buffer, naming("Messages"), columns)
        case Format.CSV:
            return CsvTable(buffer, columns)
        case Format.XLSX:
            return XlsxTable(buffer, columns)


MESSAGE_COLUMNS: Final = (
    "MessageId", "Client", "PhoneNumber", "SenderAddress", "SmsType", "Priority", "MessageState", "Reason", "Parts",
    "SmsLabel", "ClientMessageId", "Operator", "DateSubmitted", "ScheduledAt", "ExpiresAt", "DateSent", "DateDone",
)  # fmt: skip
_FIELDS: Final = {"client": "Client", "operator": "Operator", "label": "SmsLabel", "accepted_before": "To"}


def _message_row(message: FoundMessage, zone: ZoneInfo) -> list[Cell]:
    return [
        str(message.message_id),
        message.client,
        message.number,
        message.sender,
        message.sms_type.name.capitalize(),
        message.priority.name.capitalize(),
        message.state.label,
        message.reason,
        message.parts,
        message.label,
        message.client_message_id,
        message.operator,
        *(
            None if at is None else at.astimezone(zone)
            for at in (
                message.accepted_at, message.scheduled_at, message.expires_at, message.submitted_at, message.done_at,
            )
        ),
    ]  # fmt: skip


# -- reports


def _time_of(period: Period, dimension: Dimension) -> str:
    """A period as a row names it: by the clock of the report's zone."""
    match dimension:
        case Dimension.HOUR:
            return period.begins.isoformat(timespec="minutes")
        case Dimension.MONTH:
            return f"{period.begins:%Y-%m}"
        case _:
            return f"{period.begins:%Y-%m-%d}"


def _of(row: ReportRow, dimension: Dimension) -> str | None:
    match dimension:
        case Dimension.CLIENT:
            return row.client
        case Dimension.SMS_LABEL:
            return row.label
        case Dimension.SENDER_ADDRESS:
            return row.sender
        case Dimension.SMS_TYPE:
            return None if row.sms_type is None else row.sms_type.name.capitalize()
        case Dimension.OPERATOR:
            return row.operator
        case Dimension.ROUTE:
            return row.route
        case _:
            return None if row.period is None else _time_of(row.period, dimension)


def _price(price: int) -> str:
    return f"{price / 10_000:.4f}".rstrip("0").rstrip(".")


def failures(of: Sequence[Failure], naming: Naming) -> list[dict[str, Any]]:
    """Why messages failed, as members."""
    names = naming("MessageState"), naming("Reason"), naming("Messages")
    return [dict(zip(names, (each.state.label, each.reason or None, each.messages), strict=True)) for each in of]


class _ReportSheet:
    """A report as a file."""

    def __init__(self, file: SpooledFile, query: ReportQuery, naming: Naming, since: datetime | None) -> None:
        self._file, self._query, self._naming = file, query, naming
        self._table: Table | None = None
        self._rows = 0
        if query.format is Format.JSON:
            head = {
                naming(name): value
                for name, value in (
                    ("From", query.asked.begins.isoformat(timespec="minutes")),
                    ("To", query.asked.ends.isoformat(timespec="minutes")),
                    ("TimeZone", query.zone.key),
                    ("GroupBy", [str(dimension) for dimension in query.asked.group_by]),
                    ("CountedSince", None if since is None else since.isoformat(timespec="seconds")),
                )
            }
            file.write(_encode(head)[:-1] + b',"%b":[' % naming("Rows").encode())
        else:
            self._table = (CsvTable if query.format is Format.CSV else XlsxTable)(file, self._columns())

    def write(self, rows: Sequence[ReportRow]) -> None:
        """Add rows."""
        if self._table is not None:
            self._table.write(map(self._cells, rows))
            return
        self._file.write((b",\n" if self._rows else b"\n") + b",\n".join(_encode(self._members(row)) for row in rows))
        self._rows += len(rows)

    def close(self) -> None:
        """Write what is left."""
        if self._table is not None:
            self._table.close()
        else:
            self._file.write(b"]}\n")

    def drop(self) -> None:
        """Give up amid it."""
        if self._table is not None:
            self._table.drop()

    def _members(self, row: ReportRow) -> dict[str, Any]:
        naming = self._naming
        members: dict[str, Any] = {naming(each): _of(row, each) for each in self._query.asked.group_by}
        if Dimension.SMS_LABEL in self._query.asked.group_by and row.other_labels:
            members[naming("OtherLabels")] = True
        return members | {
            naming("Messages"): row.total,
            naming("Parts"): sum(row.parts.values()),
            naming("States"): _by_state(row.messages),
            naming("PartsByState"): _by_state(row.parts),
            naming("DeliveryRate"): None if row.delivery_rate is None else round(row.delivery_rate, 4),
            naming("Price"): _price(row.price),
            naming("SecondsToSubmit"): self._percentiles(row.latency.to_submit),
            naming("SecondsToDelivered"): self._percentiles(row.latency.to_delivered),
            naming("Failures"): failures(row.failures, naming),
        }

    def _percentiles(self, seconds: Sequence[float | None]) -> dict[str, float | None]:
        return {self._naming(f"P{share * 100:g}"): each for share, each in zip(SHARES, seconds, strict=True)}

    def _columns(self) -> list[str]:
        states = [state.label for state in MessageState]
        percentiles = [f"P{share * 100:g}" for share in SHARES]
        columns = [
            *(str(dimension) for dimension in self._query.asked.group_by),
            "Messages",
            "Parts",
            *states,
            *(f"Parts{state}" for state in states),
            "DeliveryRate",
            "Price",
            *(f"SecondsToSubmit{each}" for each in percentiles),
            *(f"SecondsToDelivered{each}" for each in percentiles),
            "Failures",
        ]
        return [self._naming(column) for column in columns]

    def _cells(self, row: ReportRow) -> list[Cell]:
        other = "(other labels)" if row.other_labels else None
        return [
            *(
                other if dimension is Dimension.SMS_LABEL and other else _of(row, dimension)
                for dimension in self._query.asked.group_by
            ),
            row.total,
            sum(row.parts.values()),
            *row.messages.values(),
            *row.parts.values(),
            None if row.delivery_rate is None else round(row.delivery_rate, 4),
            row.price / 10_000,
            *row.latency.to_submit,
            *row.latency.to_delivered,
            "; ".join(f"{f.state.label} ({f.reason or 'no reason known'}): {f.messages}" for f in row.failures),
        ]


def _by_state(counts: Mapping[MessageState, int]) -> dict[str, int]:
    return {state.label: count for state, count in counts.items()}
