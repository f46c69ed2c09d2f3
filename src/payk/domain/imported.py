"""Statuses of messages that another centre sent, as a file of comma separated values tells them, row by row.

Columns MessageId, Client, MessageState, DateSubmitted, DateDone, in any order and case, separated by comma, semicolon
or tab; other columns are passed over. A row that cannot be taken spoils no other, and is told with its line number.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from payk.domain.errors import Rejection, quoted
from payk.domain.message import MessageState
from payk.domain.states import FINAL
from payk.domain.validity import parse_instant

__all__ = ["COLUMNS", "ImportProblems", "ImportReader", "ImportRefused", "ImportedMessage", "NumberedRow"]

COLUMNS = ("MessageId", "Client", "MessageState", "DateSubmitted", "DateDone")
PROBLEMS_SHOWN = 100
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
_NOTHING = frozenset({"", "null", "0001-01-01t00:00:00", "0001-01-01 00:00:00"})
"""A DateDone that is none: .NET writes its first day."""
_ID_DIGITS = 18
_FIRST_YEAR = 1992
"""Of the first message ever sent: what lies before is a time that nobody set."""
_TOLERANCE = timedelta(days=1)
"""That clocks may differ, of an operator's minute and of a zone that was taken for another."""

_STATES = {state.label.casefold(): state for state in MessageState} | {str(int(state)): state for state in MessageState}


class _Heading(NamedTuple):
    """How rows are written: with how many fields, and at which places those of COLUMNS stand."""

    separator: str
    width: int
    places: list[int]


class ImportRefused(Exception):
    """The file is none of these; str() says why."""


class _RowRefused(Exception):
    """str() names the column and the rule."""


class ImportedMessage(NamedTuple):
    """What is known of a message of another centre. Times are UTC with zone."""

    message_id: int
    client_id: int
    state: MessageState
    submitted_at: datetime
    done_at: datetime | None


class NumberedRow(NamedTuple):
    """A row and the line it stands in, counted from 1."""

    line: int
    message: ImportedMessage


@dataclass(slots=True)
class ImportProblems:
    """What could not be taken: how many rows, and of the first hundred why."""

    count: int = 0
    shown: list[str] = field(default_factory=list)
    unknown_clients: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Name -> its first line, and how many rows have it."""

    def note(self, line: int, problem: str) -> None:
        """The row in `line` is not taken."""
        self.count += 1
        if len(self.shown) < PROBLEMS_SHOWN:
            self.shown.append(f"line {line}: {problem}")

    def note_client(self, line: int, name: str) -> None:
        """The row in `line` is of a client that nobody knows, which is told once a client."""
        self.count += 1
        first, rows = self.unknown_clients.get(name, (line, 0))
        if rows or len(self.unknown_clients) < PROBLEMS_SHOWN:
            self.unknown_clients[name] = first, rows + 1

    def lines(self) -> Iterator[str]:
        """One line for each, and one for those that are not shown."""
        for name, (line, rows) in self.unknown_clients.items():
            named = f"client {quoted(name)} is unknown: {rows} rows, the first in line {line}"
            broken = " (not in the encoding of the file; --encoding names another)"
            yield named + (broken if _is_broken(name) else "")
        yield from self.shown
        left = self.count - len(self.shown) - sum(rows for _, rows in self.unknown_clients.values())
        if left:
            yield f"and {left} rows more"


class ImportReader:
    """Reads rows from the lines that it is given; `line` is the number of the last one.

    `clients` are all there are: name -> id. Ids from `first_id` on are this centre's own.
    """

    def __init__(self, clients: Mapping[str, int], first_id: int, now: datetime) -> None:
        self._clients = clients
        self._first_id = first_id
        self._latest = now + _TOLERANCE
        self.line = 0
        self.rows = 0
        self.problems = ImportProblems()
        self._heading: _Heading | None = None

    def read(self, lines: Iterable[str]) -> dict[int, NumberedRow]:
        """The rows of the next lines (with their ends) by their ids; those refused are in `problems`.

        Raises ImportRefused where the first line of all is no heading.
        """
        found: dict[int, NumberedRow] = {}
        for written in lines:
            self.line += 1
            if self._heading is None:
                self._heading = self._heading_in(written)
                continue
            if not written.strip():
                continue
            self.rows += 1
            message = self._message(written, self._heading)
            if message is None:
                continue
            before = found.setdefault(message.message_id, NumberedRow(self.line, message))
            if before.message != message:
                rule = f"line {before.line} says otherwise of MessageId {message.message_id}"
                self.problems.note(self.line, rule)
        return found

    def end(self) -> None:
        """No more lines come. Raises ImportRefused where there was no heading among them."""
        if self._heading is None:
            raise ImportRefused(f"the file is empty; its first line must name {', '.join(COLUMNS)}")

    def _heading_in(self, written: str) -> _Heading | None:
        """What the first line says of all others; None of a line for Excel, behind which the heading comes."""
        if self.line == 1 and written.strip().casefold().startswith("sep="):
            return None
        best: list[str] | None = None
        for separator in _SEPARATORS:
            names = _names(written, separator)
            missing = [column for column in COLUMNS if column.casefold() not in names]
            if not missing:
                twice = [column for column in COLUMNS if names.count(column.casefold()) > 1]
                if twice:
                    raise ImportRefused(f"line {self.line}: the heading names {twice[0]} more than once")
                return _Heading(separator, len(names), [names.index(column.casefold()) for column in COLUMNS])
            if best is None or len(missing) < len(best):
                best = missing
        raise ImportRefused(
            f"line {self.line}: the heading must name {', '.join(COLUMNS)}, separated by {_listed()};"
            f" it lacks {', '.join(best or COLUMNS)}"
        )

    def _message(self, written: str, heading: _Heading) -> ImportedMessage | None:
        try:
            fields = _fields(written, heading.separator)
            if len(fields) != heading.width:
                raise _RowRefused(f"{len(fields)} fields where the heading has {heading.width}")
            message_id, client, state, submitted, done = (fields[place].strip() for place in heading.places)
            own_id = self._id(message_id)
            client_id = self._clients.get(client)
            if client_id is None and client:
                self.problems.note_client(self.line, client)
                return None
            if client_id is None:
                raise _RowRefused("Client is empty")
            return _checked(own_id, client_id, _state(state), self._submitted(submitted), _done(done))
        except _RowRefused as refused:
            self.problems.note(self.line, str(refused))
            return None

    def _id(self, written: str) -> int:
        if not (written.isascii() and written.isdigit() and len(written) <= _ID_DIGITS and int(written)):
            raise _RowRefused(f"MessageId {quoted(written)} is not valid: digits, at most {_ID_DIGITS}")
        message_id = int(written)
        if message_id >= self._first_id:
            rule = f"ids from {self._first_id} on are given away by this centre"
            raise _RowRefused(f"MessageId {message_id} is not allowed: {rule}")
        return message_id

    def _submitted(self, written: str) -> datetime:
        at = _instant("DateSubmitted", written)
        if at.year < _FIRST_YEAR or at > self._latest:
            raise _RowRefused(f"DateSubmitted {quoted(written)} is not valid: a time in the past, not before 1992")
        return at


def _names(heading: str, separator: str) -> list[str]:
    try:
        return [name.strip().casefold().replace("_", "") for name in _fields(heading, separator)]
    except _RowRefused:  # quoted, and separated by another one
        return []


def _listed() -> str:
    *first, last = _SEPARATORS.values()
    return f"{', '.join(first)} or {last}"


def _fields(written: str, separator: str) -> Sequence[str]:
    if '"' not in written:
        return written.split(separator)
    try:
        [fields] = csv.reader([written], delimiter=separator, strict=True, skipinitialspace=True)
    except csv.Error:
        # Read a line at a time: a stray quote takes no other line with it.
        raise _RowRefused("a quotation mark is not closed in its line, or stands within a field") from None
    return fields


def _state(written: str) -> MessageState:
    state = _STATES.get(written.casefold())
    if state is None:
        raise _RowRefused(
            f"MessageState {quoted(written)} is not valid: {', '.join(each.label for each in MessageState)}, or 0 to 8"
        )
    return state


def _done(written: str) -> datetime | None:
    return None if written.casefold() in _NOTHING else _instant("DateDone", written)


def _instant(column: str, written: str) -> datetime:
    try:
        if len(written) == 19:  # as documented; the lenient reader takes five times as long
            at = datetime.fromisoformat(written)
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return parse_instant(written)
    except (ValueError, OverflowError, Rejection):
        raise _RowRefused(f"{column} {quoted(written)} is not valid: UTC, such as 2025-02-17T10:20:30") from None


def _checked(
    message_id: int, client_id: int, state: MessageState, submitted_at: datetime, done_at: datetime | None
) -> ImportedMessage:
    if done_at is not None:
        if state not in FINAL:
            raise _RowRefused(f"DateDone is for final states; {state.label} is none")
        if done_at < submitted_at - _TOLERANCE:
            raise _RowRefused("DateDone lies more than a day before DateSubmitted")
    return ImportedMessage(message_id, client_id, state, submitted_at, done_at)


def _is_broken(name: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in name)
