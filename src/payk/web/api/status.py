"""GET /api/v1/sms/{id} and POST /api/v1/sms/status, and the status object."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, overload

import msgspec

from payk.domain.errors import Code
from payk.store.database import Database
from payk.store.statuses import StatusReader, StatusRow, message_statuses
from payk.web.answers import Answer
from payk.web.api.choosing import read_ids
from payk.web.api.commands import Command, CommandReader
from payk.web.api.question import Questions, known_id, not_found
from payk.web.exchange import Exchange

__all__ = ["ASKED_MOST", "Statuses", "status_object", "written_time"]


ASKED_MOST: Final = 1_000
"""Ids of one request."""


class _Status(msgspec.Struct, rename="pascal"):
    message_id: str
    command_status: str
    message_state: str | None
    date_submitted: str | None
    date_done: str | None


class _Statuses(msgspec.Struct, rename="pascal"):
    statuses: list[_Status]


_encode = msgspec.json.Encoder().encode


class Statuses:
    """Tells what became of one message of the calling client."""

    def __init__(self, db: Database, reader: StatusReader, questions: Questions, commands: CommandReader) -> None:
        self._db = db
        self._reader = reader
        self._questions = questions
        self._commands = commands

    async def one(self, exchange: Exchange) -> Answer:
        """The status of the message whose id the path names."""
        client_id, message_id, timeout = await self._questions.asked(exchange)
        row = await self._reader.status(client_id, message_id, timeout)
        if row is None:
            raise not_found(exchange)
        return Answer(200, status_object(row))

    async def many(self, exchange: Exchange) -> Answer:
        """The statuses of the messages whose ids the body names, in its order; each id once."""
        return await self._commands.answered(exchange, "/api/v1/sms/status", self._many, changes=False)

    async def _many(self, command: Command) -> bytes:
        written = read_ids(command.body, ASKED_MOST)
        known = [number for one in written if (number := known_id(one)) is not None]
        keys = [(command.client.client_id, number) for number in known]
        rows = await message_statuses(self._db, keys, timeout=command.timeout())
        found = {str(row.message_id): row for row in rows if row is not None}
        return _encode(_Statuses([_status(found[one]) if one in found else _unknown(one) for one in written]))


def _unknown(message_id: str) -> _Status:
    return _Status(message_id, Code.MESSAGE_NOT_FOUND, None, None, None)


def status_object(row: StatusRow) -> bytes:
    """The documented object of a message."""
    return _encode(_status(row))


def _status(row: StatusRow) -> _Status:
    return _Status(
        message_id=str(row.message_id),
        command_status="OK",
        message_state=row.state.label,
        date_submitted=written_time(row.accepted_at),
        date_done=written_time(row.done_at),
    )


@overload
def written_time(at: datetime) -> str: ...
@overload
def written_time(at: datetime | None) -> str | None: ...
def written_time(at: datetime | None) -> str | None:
    """A time as the documented API writes it: UTC, whole seconds, no zone."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
