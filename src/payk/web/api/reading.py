"""From JSON to intake.Request: a fast path for what the documentation shows, a lenient one for everything else.

The fast path takes objects of known members in PascalCase with values of the documented types and refuses all others,
so no member is ever dropped silently. The lenient path forgives what integrations in production do; see
docs/en/api.md, "Reading requests". Neither checks a rule of a field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from payk.domain.errors import Code, Field, Rejection
from payk.domain.message import Priority, SmsType
from payk.intake import Request
from payk.web.problems import Problem

__all__ = ["BULK_ITEMS", "as_integer", "read_bulk", "read_members", "read_message"]

BULK_ITEMS: Final = 50_000

_BOM: Final = b"\xef\xbb\xbf"
_INTEGER: Final = re.compile(r"([+-]?[0-9]{1,400})(?:\.0*)?")
_DIGITS_KEPT: Final = 400  # of an integer; no field can hold half as many
_EXACT_FLOAT: Final = 2**53  # floats up to here stand for one integer each
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_AFTER_ITEM: Final = re.compile(r"[ \t\r\n]*([,\]])[ \t\r\n]*")


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


class _Members(list[tuple[str, Any]]):
    """A JSON object as it was written: its members in order, repeated ones included."""


_decode_message = msgspec.json.Decoder(_Message).decode
_split_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read_message(body: bytes) -> Request:
    """The one message of a body. Raises Problem (JsonInvalid)."""
    body = body.removeprefix(_BOM)
    try:
        return _request(_decode_message(body))
    except (ValueError, RecursionError):
        value = _whole(_text(body))
    if not isinstance(value, _Members):
        raise Problem(
            Code.JSON_INVALID, "The body must be one JSON object; an array of messages goes to /api/v1/sms/bulk."
        )
    return _lenient_request(value)


def read_members(body: bytes, expected: str) -> dict[str, Any]:
    """The members of the one object of a body, by their names in lower case without `_`; of two the last.

    `expected` says what the object must hold. Raises Problem (JsonInvalid).
    """
    value = _whole(_text(body.removeprefix(_BOM)))
    if not isinstance(value, _Members):
        raise Problem(Code.JSON_INVALID, f"The body must be one JSON object with {expected}.")
    return _by_name(value)


def read_bulk(body: bytes) -> Iterator[Request | Rejection]:
    """The messages of a body, read one by one as they are asked for; a Rejection stands for an item that is no object.

    Raises Problem (JsonInvalid, PayloadTooLarge), at once or between items.
    """
    body = body.removeprefix(_BOM)
    try:
        items = _split_array(body)
    except (ValueError, RecursionError):
        return _lenient_items(_text(body))
    if len(items) > BULK_ITEMS:
        raise _too_many_items()
    return map(_item, items)


def _item(raw: msgspec.Raw) -> Request | Rejection:
    try:
        return _request(_decode_message(raw))
    except (ValueError, RecursionError):
        return _lenient_item(_whole(_text(bytes(raw))))


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


def _no_json(why: str) -> Problem:
    return Problem(Code.JSON_INVALID, f"The body is not valid JSON: {why}.")


def _too_many_items() -> Problem:
    detail = f"The bulk holds more than {BULK_ITEMS:,} items, the limit. Split it into several requests."
    return Problem(Code.PAYLOAD_TOO_LARGE, detail)


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_Members, parse_int=lambda digits: int(digits[:_DIGITS_KEPT]), parse_constant=_constant
)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as exc:
        raise _no_json(f"octet {exc.start + 1} is not UTF-8") from exc


def _whole(text: str) -> Any:
    """The value that `text` holds, objects as _Members. Raises Problem."""
    value, end = _value(text, _after_blank(text, 0))
    end = _after_blank(text, end)
    if end < len(text):
        raise _no_json(f"there is more after the value, at character {end + 1}")
    return value


def _value(text: str, start: int) -> tuple[Any, int]:
    """The value that begins at `start`, and where it ends. Raises Problem."""
    try:
        return _decoder.raw_decode(text, start)
    except json.JSONDecodeError as exc:
        why = "it is empty" if not text or text.isspace() else f"{exc.msg} at line {exc.lineno}, column {exc.colno}"
        raise _no_json(why) from exc
    except RecursionError as exc:
        raise _no_json("it is nested too deeply") from exc
    except ValueError as exc:
        raise _no_json("NaN and Infinity are no numbers in JSON") from exc


def _after_blank(text: str, start: int) -> int:
    match = _BLANK.match(text, start)
    return start if match is None else match.end()


def _lenient_items(text: str) -> Iterator[Request | Rejection]:
    """The items of an array that holds what the fast path cannot even split, such as half of an emoji."""
    position = _after_blank(text, 0)
    if not text.startswith("[", position):
        _whole(text)
        raise Problem(Code.JSON_INVALID, "The body must be a JSON array; a single message goes to /api/v1/sms.")
    position = _after_blank(text, position + 1)
    for _ in range(BULK_ITEMS):
        value, position = _value(text, position)
        yield _lenient_item(value)
        after = _AFTER_ITEM.match(text, position)
        if after is None:
            raise _no_json(f"a comma or ] is missing at character {position + 1}")
        position = after.end()
        if after[1] == "]":
            if position < len(text):
                raise _no_json(f"there is more after the array, at character {position + 1}")
            return
    raise _too_many_items()


def _lenient_item(value: Any) -> Request | Rejection:
    if isinstance(value, _Members):
        return _lenient_request(value)
    return Rejection(Code.JSON_INVALID, "The item is no JSON object.")


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
    if integer is None or (isinstance(value, float) and abs(integer) > _EXACT_FLOAT):
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
    """The integer that a number of JSON stands for, such as 2 or 2.0; None where it stands for none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None


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
