"""Which messages a request means: those under a label, or those of these ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from payk.domain.errors import Code, Field, Rejection, quoted
from payk.intake.steps import checked_label
from payk.web.api.question import known_id
from payk.web.api.reading import as_integer, read_members
from payk.web.problems import Problem

__all__ = ["IDS", "read_choice", "read_ids", "read_label"]

IDS: Final = "MessageIds"


def read_label(body: bytes) -> str:
    """The SmsLabel of a body. Raises Problem, and Rejection for one that no message can have."""
    label = _label(read_members(body, Field.SMS_LABEL))
    if label is None:
        raise Problem(Code.JSON_INVALID, "SmsLabel is missing: it says which messages are meant.")
    return label


def read_ids(body: bytes, most: int) -> list[str]:
    """The MessageIds of a body, up to `most` of them, each once, in digits without leading zeros. Raises Problem."""
    ids = _ids(read_members(body, IDS), most)
    if ids is None:
        raise Problem(Code.JSON_INVALID, "MessageIds is missing: an array of ids.")
    return ids


def read_choice(body: bytes, most: int) -> str | list[str]:
    """A label, or up to `most` ids: one of both, as above."""
    members = read_members(body, f"{Field.SMS_LABEL} or {IDS}")
    label, ids = _label(members), _ids(members, most)
    if label is not None and ids is not None:
        raise Problem(Code.JSON_INVALID, "Write SmsLabel or MessageIds; both are here.")
    if label is not None:
        return label
    if ids is not None:
        return ids
    raise Problem(Code.JSON_INVALID, "Neither SmsLabel nor MessageIds is here: one says which messages are meant.")


def _label(members: Mapping[str, Any]) -> str | None:
    value = members.get("smslabel")
    if value is None or isinstance(value, str):
        return checked_label(value)
    integer = as_integer(value)
    if integer is None:
        raise Rejection(Code.JSON_INVALID, "SmsLabel must be a string.", Field.SMS_LABEL)
    return checked_label(str(integer))


def _ids(members: Mapping[str, Any], most: int) -> list[str] | None:
    values = members.get("messageids")
    if values is None or values == "":
        return None
    if type(values) is not list:  # an object is a tuple
        raise Problem(Code.JSON_INVALID, "MessageIds must be an array of ids.")
    if len(values) > most:
        detail = f"MessageIds holds more than {most:,} ids, the limit here. Split it into several requests."
        raise Problem(Code.PAYLOAD_TOO_LARGE, detail)
    return list(dict.fromkeys(_digits(value, place) for place, value in enumerate(values)))


def _digits(value: Any, place: int) -> str:
    written = value.strip() if isinstance(value, str) else str(as_integer(value))
    try:
        known_id(written)
    except ValueError:
        shown = quoted(written) if isinstance(value, str) else "what stands"
        detail = f"MessageIds: {shown} at place {place} is no MessageId; ids consist of digits."
        raise Problem(Code.MESSAGE_ID_INVALID, detail, errors={IDS: [Code.MESSAGE_ID_INVALID]}) from None
    return written.lstrip("0") or "0"
