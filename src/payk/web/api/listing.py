"""GET /api/v1/sms: which messages the calling client has, newest first, a page at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from payk.domain.account import Client
from payk.domain.errors import Code, Field, Rejection, quoted
from payk.domain.search import LIMIT_MAX, MessageSearch, SearchRefused
from payk.domain.validity import parse_instant, with_plus
from payk.intake.steps import checked_label
from payk.store.database import Database
from payk.store.search import FoundMessage, SearchPage, search_messages
from payk.text import find_invalid
from payk.web.answers import Answer
from payk.web.api.question import Questions, known_id
from payk.web.api.status import written_time
from payk.web.exchange import Exchange
from payk.web.kinds import sms_type_of, state_of
from payk.web.problems import Problem, parameter_invalid

__all__ = ["LIMIT", "PARAMETERS", "Listing"]

LIMIT: Final = 100
"""Messages on a page where none is asked for."""

PARAMETERS: Final = (
    Field.PHONE_NUMBER, Field.CLIENT_MESSAGE_ID, Field.SMS_LABEL, Field.SENDER_ADDRESS, Field.SMS_TYPE,
    "State", "From", "To", "Cursor", "Limit",
)  # fmt: skip

_NUMBERS: Final = re.compile(r"[0-9]{1,9}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIELDS_MOST: Final = 100
_PARAMETER_OF: Final = {"number": Field.PHONE_NUMBER, "accepted_before": "To", "limit": "Limit"}
"""The parameter for a field of a search that is refused."""

_Read = TypeVar("_Read")
_encode = msgspec.json.Encoder().encode


class Listing:
    """Lists messages without their texts."""

    def __init__(self, db: Database, questions: Questions) -> None:
        self._db = db
        self._questions = questions

    async def page(self, exchange: Exchange) -> Answer:
        """The messages that are all of what the query string names."""
        client, timeout = await self._questions.caller(exchange)
        given = _given(exchange.scope["query_string"])
        cursor, limit = _read(given, "Cursor", _cursor), _read(given, "Limit", _limit)
        limit = LIMIT if limit is None else limit
        search = _search(given, client)
        try:
            found = await search_messages(
                self._db, search, cursor=cursor, limit=limit, whole_numbers=True, timeout=timeout
            )
        except SearchRefused as refused:
            raise parameter_invalid(_PARAMETER_OF.get(refused.field, refused.field), refused.rule) from refused
        return Answer(200, _encode(_body(found)))


def _given(query: bytes) -> Mapping[str, str]:
    """The parameters by their names in lower case without `_`, blank ones left out; of two the last."""
    try:
        pairs = parse_qsl(query.decode("utf-8", "replace"), max_num_fields=_FIELDS_MOST)
    except ValueError:
        raise Problem(Code.PARAMETER_INVALID, f"The address has more than {_FIELDS_MOST} parameters.") from None
    return {name.replace("_", "").lower(): value for name, value in pairs if value and not value.isspace()}


def _search(given: Mapping[str, str], client: Client) -> MessageSearch:
    return MessageSearch(
        number=_read(given, Field.PHONE_NUMBER, _storable),
        client=client.name,
        label=_read(given, Field.SMS_LABEL, checked_label),
        sender=_read(given, Field.SENDER_ADDRESS, _storable),
        sms_type=_read(given, Field.SMS_TYPE, sms_type_of),
        state=_read(given, "State", state_of),
        client_message_id=_read(given, Field.CLIENT_MESSAGE_ID, _storable),
        accepted_from=_read(given, "From", _moment),
        accepted_before=_read(given, "To", _moment),
    )


def _read(given: Mapping[str, str], name: str, read: Callable[[str], _Read]) -> _Read | None:
    value = given.get(name.lower())
    if value is None:
        return None
    try:
        return read(value)
    except ValueError as error:
        raise parameter_invalid(name, str(error)) from None
    except Rejection as rejection:
        raise parameter_invalid(name, rejection.detail.partition(": ")[2] or rejection.detail) from None


def _storable(value: str) -> str:
    fault = find_invalid(value)
    if fault is not None:
        raise ValueError(f"no message has it: {fault}")
    return value


def _moment(value: str) -> datetime:
    value = with_plus(value.strip())
    try:
        return parse_instant(f"{value}T00:00" if _DAY.fullmatch(value) else value)
    except Rejection:
        raise ValueError(f"{quoted(value)} is no time; write 2025-02-17T10:20:30Z or 2025-02-17 (UTC)") from None


def _cursor(value: str) -> int:
    try:
        cursor = known_id(value.strip())
    except ValueError:
        cursor = None
    if cursor is None:
        raise ValueError(f"{quoted(value)} is no Cursor; it is taken from the page before")
    return cursor


def _limit(value: str) -> int:
    if not _NUMBERS.fullmatch(value.strip()):
        raise ValueError(f"{quoted(value)} is no number; 1 to {LIMIT_MAX} messages a page are allowed")
    return int(value)


def _body(found: SearchPage) -> dict[str, Any]:
    body: dict[str, Any] = {
        "Messages": [_members(message) for message in found.messages],
        "Cursor": None if found.cursor is None else str(found.cursor),
    }
    if found.looked_back_to is not None:
        body["LookedBackTo"] = written_time(found.looked_back_to)
    return body


def _members(message: FoundMessage) -> dict[str, Any]:
    return {
        "MessageId": str(message.message_id),
        Field.CLIENT_MESSAGE_ID: message.client_message_id,
        Field.PHONE_NUMBER: message.number,
        Field.SENDER_ADDRESS: message.sender,
        Field.SMS_TYPE: int(message.sms_type),
        Field.PRIORITY: int(message.priority),
        Field.SMS_LABEL: message.label,
        "MessageState": message.state.label,
        "Reason": message.reason,
        "Parts": message.parts,
        "Operator": message.operator,
        "DateSubmitted": written_time(message.accepted_at),
        Field.SCHEDULED_AT: written_time(message.scheduled_at),
        "ExpiresAt": written_time(message.expires_at),
        "DateSent": written_time(message.submitted_at),
        "DateDone": written_time(message.done_at),
    }
