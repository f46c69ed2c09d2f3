"""What a door hands in, and what it gets back where that was not simply taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from payk.domain.errors import Rejection
from payk.store.accept import Inserted
from payk.store.kept_answers import AnswerKey

__all__ = ["BulkResult", "ItemRefusal", "Once", "Refused", "Request", "Unconfirmed"]

Result = TypeVar("Result")


@dataclass(slots=True)
class Request:
    """A message as a door read it: JSON types settled, nothing checked. None and blanks mean absent."""

    phone_number: str | None = None
    text: str | None = None
    sender_address: str | None = None
    priority: int | None = None
    sms_type: int | None = None
    scheduled_at: str | None = None
    expires_in: int | None = None
    sms_label: str | None = None
    client_message_id: str | None = None
    unreadable: tuple[Rejection, ...] = ()
    """Fields whose value the door could not read at all."""
    request_id: str | None = None
    """What the door calls the request that it came with."""
    trace: bytes | None = None
    """Context of its trace (payk.tracing); None where there is none."""


class Refused(Exception):
    """The message broke rules; `rejections` holds one per field, in the order of Field, and at least one."""

    def __init__(self, rejections: tuple[Rejection, ...]) -> None:
        super().__init__(*(rejection.code for rejection in rejections))
        self.rejections = rejections


class Unconfirmed(Exception):
    """It is not known whether the store took the request; `repeatable` = a repeat of it would be recognised."""

    def __init__(self, *, repeatable: bool) -> None:
        super().__init__("the store did not confirm in time")
        self.repeatable = repeatable


@dataclass(frozen=True, slots=True)
class ItemRefusal:
    """One refused item of a bulk; `index` counts from 0."""

    index: int
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of a bulk: an entry of `inserted` per item, None where it was not taken."""

    inserted: list[Inserted | None]
    refusals: list[ItemRefusal]


@dataclass(frozen=True, slots=True)
class Once(Generic[Result]):
    """The wish that a request be carried out once, however often it comes: its answer is kept and given again.

    `render` makes the octets of the answer; the same result gives the same octets.
    """

    key: AnswerKey
    render: Callable[[Result], bytes]
