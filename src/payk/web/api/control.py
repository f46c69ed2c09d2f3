"""DELETE /api/v1/sms/{id}, and POST /api/v1/sms/cancel, /pause and /resume: a client controls what it has waiting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from payk.domain.account import Client
from payk.domain.errors import Code
from payk.domain.message import MessageState
from payk.domain.receipt import ReceiptWait
from payk.domain.states import is_final
from payk.logs import get_logger
from payk.outcome_log import OutcomeLog
from payk.registry.own_traffic import NotCounted, cancel_label, pause_label, resume_label
from payk.store.arrays import chunks
from payk.store.database import Database
from payk.store.errors import OutcomeUnknown, StoreError
from payk.store.holds import Cancelled, cancel_messages
from payk.store.statuses import StatusReader, message_statuses
from payk.web.answers import Answer
from payk.web.api.choosing import read_choice, read_label
from payk.web.api.commands import Command, CommandReader, doubtful
from payk.web.api.question import Questions, known_id, not_found
from payk.web.api.splitting import BULK_ITEMS
from payk.web.api.status import status_object
from payk.web.exchange import Exchange
from payk.web.problems import RETRY_AFTER, Problem

__all__ = ["CANCELLED_MOST", "Control"]

CANCELLED_MOST: Final = BULK_ITEMS
"""Ids of one request to cancel: all of a bulk."""
ANSWER_RESERVE: Final = 0.5
"""Seconds in which the counts of a cancel are read that goes on."""

log = get_logger("web")
_encode = msgspec.json.Encoder().encode


class Control:
    """Cancels, pauses and resumes messages of the calling client."""

    def __init__(
        self,
        db: Database,
        reader: StatusReader,
        questions: Questions,
        commands: CommandReader,
        wait: ReceiptWait,
        outcome_log: OutcomeLog,
    ) -> None:
        self._db = db
        self._reader = reader
        self._questions = questions
        self._commands = commands
        self._wait = wait
        self._outcome_log = outcome_log

    async def cancel_one(self, exchange: Exchange) -> Answer:
        """Cancel the message whose id the path names; its status, Deleted, also where it was so before."""
        client_id, message_id, timeout = await self._questions.asked(exchange)
        exchange.storing = True
        try:
            became = await cancel_messages(
                self._db, client_id, [message_id], self._wait, self._outcome_log.on_ended, timeout=timeout
            )
        except OutcomeUnknown as error:
            raise doubtful() from error
        try:
            row = await self._reader.status(client_id, message_id, timeout)
        except StoreError as error:
            raise doubtful() from error
        if row is None:
            raise not_found(exchange)
        if row.state is not MessageState.DELETED:
            raise Problem(Code.MESSAGE_ALREADY_SENT, _why_too_late(message_id, row.state))
        if became[message_id] is Cancelled.NOW and exchange.client is not None:
            _log_cancelled(exchange.client, exchange.request_id, 1, message_id=message_id)
        return Answer(200, status_object(row))

    async def cancel(self, exchange: Exchange) -> Answer:
        """Cancel what waits under a label, or messages by id."""
        return await self._commands.answered(exchange, "/api/v1/sms/cancel", self._cancel)

    async def pause(self, exchange: Exchange) -> Answer:
        """Hold back what waits and what will under a label."""
        return await self._commands.answered(exchange, "/api/v1/sms/pause", self._pause)

    async def resume(self, exchange: Exchange) -> Answer:
        """Let go what was paused under a label."""
        return await self._commands.answered(exchange, "/api/v1/sms/resume", self._resume)

    async def _cancel(self, command: Command) -> bytes:
        chosen = read_choice(command.body, CANCELLED_MOST)
        if isinstance(chosen, str):
            timeout = max(0.0, command.timeout() - ANSWER_RESERVE)
            counts = await cancel_label(
                self._db,
                command.client,
                chosen,
                self._wait,
                self._outcome_log.on_ended,
                actor=command.actor,
                timeout=timeout,
            )
            return _cancelled(counts.cancelled, counts.too_late, done=counts.done)
        states: list[Cancelled] = []
        ids = sorted(number for written in chosen if (number := known_id(written)) is not None)
        for chunk in chunks(ids):
            states += await self._cancel_some(command, chunk)
        if now := states.count(Cancelled.NOW):
            _log_cancelled(command.client, command.actor.request_id, now)
        return _cancelled(
            states.count(Cancelled.NOW) + states.count(Cancelled.BEFORE), states.count(Cancelled.TOO_LATE)
        )

    async def _cancel_some(self, command: Command, ids: Sequence[int]) -> list[Cancelled]:
        client_id = command.client.client_id
        told = self._outcome_log.on_ended
        became = dict(await cancel_messages(self._db, client_id, ids, self._wait, told, timeout=command.timeout()))
        command.begun = True
        strangers = [message_id for message_id in ids if became[message_id] is Cancelled.UNKNOWN]
        if strangers:  # another centre may have sent them
            keys = [(client_id, message_id) for message_id in strangers]
            for row in await message_statuses(self._db, keys, timeout=command.timeout()):
                if row is not None:
                    deleted = row.state is MessageState.DELETED
                    became[row.message_id] = Cancelled.BEFORE if deleted else Cancelled.TOO_LATE
        return list(became.values())

    async def _pause(self, command: Command) -> bytes:
        label = read_label(command.body)
        try:
            count = await pause_label(self._db, command.client, label, actor=command.actor, timeout=command.timeout())
        except NotCounted as error:
            raise _uncounted("paused") from error
        return _encode({"Messages": count})

    async def _resume(self, command: Command) -> bytes:
        label = read_label(command.body)
        try:
            count = await resume_label(self._db, command.client, label, actor=command.actor, timeout=command.timeout())
        except NotCounted as error:
            raise _uncounted("resumed") from error
        return _encode({"Messages": count})


def _uncounted(became: str) -> Problem:
    detail = f"The label is {became}. How many messages wait could not be counted; to repeat the request does no harm."
    return Problem(Code.OUTCOME_UNKNOWN, detail, retryable=True, retry_after=RETRY_AFTER)


def _log_cancelled(client: Client, request_id: str, count: int, **fields: int) -> None:
    """A cancel by label is in the audit log."""
    log.info("messages cancelled", client=client.name, request_id=request_id, messages=count, **fields)


def _cancelled(cancelled: int, too_late: int, *, done: bool = True) -> bytes:
    answer: dict[str, Any] = {"Cancelled": cancelled, "TooLate": too_late}
    return _encode(answer if done else answer | {"Done": False})


def _why_too_late(message_id: int, state: MessageState) -> str:
    if is_final(state):
        return f"Message {message_id} is {state.label} already."
    return f"Message {message_id} is {state.label}: an operator has it, may have it, or is just getting it."
