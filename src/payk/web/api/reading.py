"""From JSON to intake.Request: a fast path for what the documentation shows, a lenient one for everything else.

The fast path takes objects of known members in PascalCase with values of the documented types and refuses all others,
so no member is ever dropped silently. The lenient path forgives what integrations in production do; see
docs/en/api.md, "Reading requests". Neither checks a rule of a field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from payk.domain.errors import Code, Field, Rejection
from payk.domain.message import Priority, SmsType
from payk.intake import Request
from payk.web.api.slices import Work
from payk.web.api.splitting import ITEM_OCTETS, Item, split_array
from payk.web.api.syntax import text_of, whole
from payk.web.problems import Problem

__all__ = ["as_integer", "read_bulk", "read_members", "read_message"]

_BOM: Final = b"\xef\xbb\xbf"
_INTEGER: Final = re.compile(r"([+-]?[0-9]{1,400})(?:\.0*)?")
_DIGITS_KEPT: Final = 400  # of an integer; no field can hold half as many
_EXACT_FLOAT: Final = 2**53  # floats up to here stand for one integer each


class _Message(msgspec.Struct, rename="pascal", forbid_unknown_fields=True):
    """The documented members with the documented types."""

    phone_number: str | None = None
    text: str | None = None
    sender_address: str | None = None
    priority: int | None = None
    sms_type: int | None = None
    scheduled_at: str | None = None
    expires_in: int | None = None
    sms_label: str | None = None
    client_message_id: str | None = None


_decode_message = msgspec.json.Decoder(_Message).decode


def read_message(body: bytes) -> Request:
    """The one message of a body. Raises Problem (JsonInvalid)."""
    body = body.removeprefix(_BOM)
    try:
        return _request(_decode_message(body))
    except (ValueError, RecursionError):
        value = whole(text_of(body))
    if not isinstance(value, tuple):
        raise Problem(
            Code.JSON_INVALID, "The body must be one JSON object; an array of messages goes to /api/v1/sms/bulk."
        )
    return _lenient_request(value)


def read_members(body: bytes, expected: str) -> dict[str, Any]:
    """The members of the one object of a body, by their names in lower case without `_`; of two the last.

    Values are as payk.web.api.syntax has them; `expected` says what the object must hold. Raises Problem (JsonInvalid).
    """
    value = whole(text_of(body.removeprefix(_BOM)))
    if not isinstance(value, tuple):
        raise Problem(Code.JSON_INVALID, f"The body must be one JSON object with {expected}.")
    return _by_name(value)


async def read_bulk(body: bytes, work: Work) -> Iterator[Request | Rejection]:
    """The messages of a body, read one by one as they are asked for; a Rejection stands for an item that is no object,
    or too large.

    Raises Problem (JsonInvalid, PayloadTooLarge), at once or between items.
    """
    items = await split_array(body, len(_BOM) if body.startswith(_BOM) else 0, work)
    return map(_item, items)


def _item(octets: Item) -> Request | Rejection:
    if octets is None:
        detail = f"The item is larger than {ITEM_OCTETS:,} octets, the limit of one message."
        return Rejection(Code.PAYLOAD_TOO_LARGE, detail)
    try:
        return _request(_decode_message(octets))
    except (ValueError, RecursionError):
        value = whole(text_of(bytes(octets)))
    if isinstance(value, tuple):
        return _lenient_request(value)
    return Rejection(Code.JSON_INVALID, "The item is no JSON object.")


def _request(message: _Message) -> Request:
    """Raises ValueError where a string is blank: it stands for none, which the lenient path knows."""
    strings = (
        message.phone_number, message.text, message.sender_address, message.scheduled_at, message.sms_label,
        message.client_message_id,
    )  # fmt: skip
    for string in strings:
        if string is not None and _is_blank(string):
            raise ValueError
    return Request(
        message.phone_number,
        message.text,
        message.sender_address,
        message.priority,
        message.sms_type,
        message.scheduled_at,
        message.expires_in,
        message.sms_label,
        message.client_message_id,
    )


def _is_blank(string: str) -> bool:
    return not string or string.isspace()


# ---------------------------------------------------------------------------------------------------- the lenient path


_Members = tuple[tuple[str, Any], ...]


def _lenient_request(members: _Members) -> Request:
    given = _by_name(members)
    request = Request()
    unreadable: list[Rejection] = []
    for name, attribute, field, read in _MEMBERS:
        value = given.get(name)
        if value is None or (isinstance(value, str) and _is_blank(value)):
            continue
        try:
            setattr(request, attribute, read(value, field))
        except Rejection as rejection:
            unreadable.append(rejection)
    request.unreadable = tuple(unreadable)
    return request


def _by_name(members: _Members) -> dict[str, Any]:
    return {name.replace("_", "").lower(): value for name, value in members}


def _string(value: Any, field: Field) -> str:
    if isinstance(value, str):
        return value
    raise Rejection(_UNREADABLE[field], f"{field} must be a string.", field)


def _string_or_integer(value: Any, field: Field) -> str:
    if isinstance(value, str):
        return value
    integer = as_integer(value)
    if integer is None or (abs(integer) > _EXACT_FLOAT and not _is_digits(value)):
        raise Rejection(_UNREADABLE[field], f"{field} must be a string.", field)
    return str(integer)


def _integer(value: Any, field: Field) -> int:
    if isinstance(value, str):
        match = _INTEGER.fullmatch(value.strip())
        integer = None if match is None else int(match[1])
    else:
        integer = as_integer(value)
    if integer is None:
        raise Rejection(_UNREADABLE[field], f"{field} must be an integer.", field)
    return integer


def as_integer(value: Any) -> int | None:
    """The integer that a number of payk.web.api.syntax stands for, such as 2 or 2.0; None where it stands for none."""
    if not isinstance(value, bytes):
        return None
    if _is_digits(value):
        return int(value[:_DIGITS_KEPT])
    number = float(value)
    return int(number) if number.is_integer() else None


def _is_digits(number: bytes) -> bool:
    """Whether it was written as an integer."""
    return number.removeprefix(b"-").isdigit()


def _integer_or_name(value: Any, field: Field) -> int:
    names = SmsType if field is Field.SMS_TYPE else Priority
    if isinstance(value, str):
        named = names.__members__.get(value.strip().upper())
        if named is not None:
            return int(named)
    return _integer(value, field)


_UNREADABLE: Final = {
    Field.PHONE_NUMBER: Code.PHONE_NUMBER_INVALID,
    Field.TEXT: Code.TEXT_INVALID,
    Field.SENDER_ADDRESS: Code.SENDER_ADDRESS_INVALID,
    Field.PRIORITY: Code.PRIORITY_INVALID,
    Field.SMS_TYPE: Code.SMS_TYPE_INVALID,
    Field.SCHEDULED_AT: Code.SCHEDULED_AT_INVALID,
    Field.EXPIRES_IN: Code.EXPIRES_IN_INVALID,
    Field.SMS_LABEL: Code.JSON_INVALID,
    Field.CLIENT_MESSAGE_ID: Code.JSON_INVALID,
}
"""The code of a field whose value is of a type that it cannot have."""

_Reader = Callable[[Any, Field], Any]

_MEMBERS: Final[tuple[tuple[str, str, Field, _Reader], ...]] = (
    ("phonenumber", "phone_number", Field.PHONE_NUMBER, _string_or_integer),
    ("text", "text", Field.TEXT, _string),
    ("senderaddress", "sender_address", Field.SENDER_ADDRESS, _string),
    ("priority", "priority", Field.PRIORITY, _integer_or_name),
    ("smstype", "sms_type", Field.SMS_TYPE, _integer_or_name),
    ("scheduledat", "scheduled_at", Field.SCHEDULED_AT, _string),
    ("expiresin", "expires_in", Field.EXPIRES_IN, _integer),
    ("smslabel", "sms_label", Field.SMS_LABEL, _string_or_integer),
    ("clientmessageid", "client_message_id", Field.CLIENT_MESSAGE_ID, _string_or_integer),
)
"""Name without case and underscores, attribute of Request, field, reader."""
