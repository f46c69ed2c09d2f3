"""GET /api/v1/sms/{id}."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from payk.clock import Clock
from payk.domain.errors import Code, quoted
from payk.intake import Intake
from payk.store.statuses import StatusReader
from payk.web.answers import Answer
from payk.web.auth import Authenticator
from payk.web.exchange import Exchange
from payk.web.problems import Problem

__all__ = ["Statuses", "asked_id", "not_found"]

_ID_DIGITS = 18
"""The most digits an id can have: message ids are 64-bit."""


class _Status(msgspec.Struct, rename="pascal"):
    message_id: str
    command_status: str
    message_state: str
    date_submitted: str
    date_done: str | None


_encode = msgspec.json.Encoder().encode


class Statuses:
    """Tells what became of one message of the calling client."""

    def __init__(
        self,
        reader: StatusReader,
        intake: Intake,
        authenticator: Authenticator,
        clock: Clock,
        answer_timeout: float,
    ) -> None:
        self._reader = reader
        self._intake = intake
        self._authenticator = authenticator
        self._clock = clock
        self._answer_timeout = answer_timeout

    async def one(self, exchange: Exchange) -> Answer:
        """The status of the message whose id the path names."""
        client = self._authenticator.client(exchange)
        message_id = asked_id(exchange)
        timeout = self._intake.store_timeout(self._clock.monotonic() + self._answer_timeout)
        row = await self._reader.status(client.client_id, message_id, timeout)
        if row is None:
            raise not_found(exchange)
        return Answer(
            200,
            _encode(
                _Status(
                    message_id=str(row.message_id),
                    command_status="OK",
                    message_state=row.state.label,
                    date_submitted=_written(row.accepted_at),
                    date_done=None if row.done_at is None else _written(row.done_at),
                )
            ),
        )

    async def delete_nothing(self, exchange: Exchange) -> Answer:
        """DELETE of an empty id: refused, for it must never mean all messages."""
        self._authenticator.client(exchange)
        raise _invalid(exchange.message_id)


def asked_id(exchange: Exchange) -> int:
    """The id that the path names. Raises Problem: MessageIdInvalid, MessageNotFound where no message can have it."""
    written = exchange.message_id
    if not (written.isascii() and written.isdigit()):
        raise _invalid(written)
    digits = written.lstrip("0")
    if len(digits) > _ID_DIGITS:
        raise not_found(exchange)
    return int(digits or "0")


def not_found(exchange: Exchange) -> Problem:
    """No message of this client has the id that the path names."""
    return Problem(Code.MESSAGE_NOT_FOUND, f"This client has no message {quoted(exchange.message_id)}.")


def _invalid(written: str) -> Problem:
    detail = f"{quoted(written)} is no MessageId: the path is /api/v1/sms/ and the digits of an id."
    return Problem(Code.MESSAGE_ID_INVALID, detail)


def _written(at: datetime) -> str:
    """A time as the documented API writes it: UTC, whole seconds, no zone."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
