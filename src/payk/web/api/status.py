"""GET /api/v1/sms/{id}, and the status object."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from payk.store.statuses import StatusReader, StatusRow
from payk.web.answers import Answer
from payk.web.api.question import Questions, not_found
from payk.web.exchange import Exchange

__all__ = ["Statuses", "status_object"]


class _Status(msgspec.Struct, rename="pascal"):
    message_id: str
    command_status: str
    message_state: str
    date_submitted: str
    date_done: str | None


_encode = msgspec.json.Encoder().encode


class Statuses:
    """Tells what became of one message of the calling client."""

    def __init__(self, reader: StatusReader, questions: Questions) -> None:
        self._reader = reader
        self._questions = questions

    async def one(self, exchange: Exchange) -> Answer:
        """The status of the message whose id the path names."""
        client_id, message_id, timeout = await self._questions.asked(exchange)
        row = await self._reader.status(client_id, message_id, timeout)
        if row is None:
            raise not_found(exchange)
        return Answer(200, status_object(row))


def status_object(row: StatusRow) -> bytes:
    """The documented object of a message."""
    return _encode(
        _Status(
            message_id=str(row.message_id),
            command_status="OK",
            message_state=row.state.label,
            date_submitted=_written(row.accepted_at),
            date_done=None if row.done_at is None else _written(row.done_at),
        )
    )


def _written(at: datetime) -> str:
    """A time as the documented API writes it: UTC, whole seconds, no zone."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
