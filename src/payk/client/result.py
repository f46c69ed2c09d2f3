"""What comes back: the id of a message, the outcome of a bulk, the status of a message, what a cancel did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["BulkResult", "Cancellation", "MessageState", "Rejection", "SentMessage", "Status"]


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
