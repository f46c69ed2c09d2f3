"""What comes back: the id of a message, the outcome of a bulk, the status of a message, what a cancel did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

__all__ = [
    "BulkResult",
    "Cancellation",
    "LabelFailure",
    "LabelProgress",
    "MessageState",
    "Rejection",
    "SentMessage",
    "Status",
]


class MessageState(StrEnum):
    """What became of a message (documented API, MessageState)."""

    NONE = "None"
    ENROUTE = "Enroute"
    DELIVERED = "Delivered"
    EXPIRED = "Expired"
    DELETED = "Deleted"
    UNDELIVERABLE = "Undeliverable"
    ACCEPTED = "Accepted"
    UNKNOWN = "Unknown"
    REJECTED = "Rejected"

    @property
    def is_final(self) -> bool:
        """Nothing more is awaited. Unknown is final too, but a late receipt still corrects it."""
        return self not in (MessageState.NONE, MessageState.ENROUTE, MessageState.ACCEPTED)


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that the centre has stored."""

    message_id: str
    client_message_id: str
    """The id the message was sent under, the SDK's own where the caller gave none."""
    repeated: bool = False
    """The centre knew the request already (an earlier call, or an attempt whose answer was lost)."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one item of a bulk was not taken. `index` counts from 0."""

    index: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The outcome of a bulk of which at least one message was taken."""

    added: int
    message_ids: tuple[str | None, ...]
    """One per item, None where it was rejected."""
    rejections: tuple[Rejection, ...] = ()
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a message; times are UTC."""

    message_id: str
    state: MessageState
    submitted_at: datetime
    done_at: datetime | None
    """When the state became final, else None."""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What a cancel of many messages did."""

    cancelled: int
    """Messages that are Deleted, by this cancel or by one before."""
    too_late: int
    """An operator has them, may have them or is just getting them, or they are final."""
    done: bool = True
    """False: the centre goes on with it, and nothing of what is left leaves meanwhile."""


@dataclass(frozen=True, slots=True)
class LabelFailure:
    """Why messages of a label failed; `reason` None = nobody knows."""

    state: MessageState
    reason: str | None
    messages: int


@dataclass(frozen=True, slots=True)
class LabelProgress:
    """How the messages of a label stand: each is one of scheduled, held, queued, submitted, delivered, failed."""

    label: str
    planned: int
    """All of them."""
    parts: int
    scheduled: int
    held: int
    queued: int
    submitted: int
    delivered: int
    failed: int
    failures: tuple[LabelFailure, ...]
    per_second: float
    """Messages that were submitted, over the last minutes."""
    last_due: datetime | None
    """When the last scheduled one becomes due, UTC."""
    ends_at: datetime | None
    """When all will have left at this rate, scheduled ones too, UTC; None where nothing moves or some are held."""
    body: Mapping[str, Any] = field(repr=False, compare=False)
    """The documented JSON."""
    at_least: bool = False
    """It has more messages than the centre counts for such a label: these are not all."""

    @property
    def is_over(self) -> bool:
        """Nothing is left to be sent, and nothing is awaited; never known where at_least."""
        return self.delivered + self.failed == self.planned and not self.at_least
