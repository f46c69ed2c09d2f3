"""Which messages a client has: what they are found by, and how each is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from payk.client.message import Priority, SmsType
from payk.client.result import MessageState

__all__ = ["EVERY_MESSAGE", "MessageFilter", "MessagePage", "StoredMessage"]


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Messages that are all of this; None = whatever. `since` and `before` are when they were taken, with a zone."""

    phone_number: str | None = None
    client_message_id: str | None = None
    label: str | None = None
    sender: str | None = None
    sms_type: SmsType | None = None
    state: MessageState | None = None
    since: datetime | None = None
    before: datetime | None = None

    def __post_init__(self) -> None:
        if any(moment is not None and moment.tzinfo is None for moment in (self.since, self.before)):
            raise ValueError("since and before need a time zone, for example datetime.now(UTC) - timedelta(days=1)")

    def parameters(self) -> dict[str, str]:
        """The query string of the documented API; what is None is left out."""
        given = {
            "PhoneNumber": self.phone_number,
            "ClientMessageId": self.client_message_id,
            "SmsLabel": self.label,
            "SenderAddress": self.sender,
            "SmsType": None if self.sms_type is None else str(int(self.sms_type)),
            "State": self.state,
            "From": None if self.since is None else f"{self.since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "To": None if self.before is None else f"{self.before.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        }
        return {name: value for name, value in given.items() if value is not None}


EVERY_MESSAGE = MessageFilter()
"""All that the client has."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message without its text; times are UTC."""

    message_id: str
    client_message_id: str | None
    phone_number: str
    sender: str
    sms_type: SmsType
    priority: Priority
    label: str | None
    state: MessageState
    parts: int
    operator: str | None
    """That it was handed to last."""
    submitted_at: datetime
    """When the centre took it."""
    scheduled_at: datetime | None
    expires_at: datetime | None
    sent_at: datetime | None
    """When a part of it was last handed to an operator."""
    done_at: datetime | None
    reason: str | None = None
    """Why it failed: `refused: RINVDSTADR`, `receipt: 011`, `not sent in time`, `cancelled`, `no receipt`."""


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages, newest first."""

    messages: tuple[StoredMessage, ...]
    cursor: str | None
    """Of the next page; None where there is nothing more."""
    looked_back_to: datetime | None = None
    """Where the search ended for its cost: what came since was looked at, and the next page goes on."""
