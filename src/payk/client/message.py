"""What is sent: one message, and the words of the documented API for its type and priority."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

__all__ = ["Message", "Priority", "SmsType"]


class SmsType(IntEnum):
    """What a message is for (documented API, parameter SmsType)."""

    COMMON = 1
    OTP = 2
    BATCH = 3


class Priority(IntEnum):
    """How urgent a message is (documented API, parameter Priority)."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one number.

    `phone_number` with the country code, e.g. "992900900900"; `sender` is a name registered for the client.
    `scheduled_at` carries a time zone. `expires_in` in seconds, 0 or None = never.

    `client_message_id` is the caller's own id: the same id with the same number, sender, text and `scheduled_at` within
    12 hours gives the first message again and sends nothing twice. Without one the SDK makes one per call, so that its
    own retries are safe; give one yourself, or the call an idempotency key, where your program may repeat a call.
    """

    phone_number: str
    text: str
    sender: str
    sms_type: SmsType = SmsType.COMMON
    priority: Priority | None = None
    scheduled_at: datetime | None = None
    expires_in: int | None = None
    label: str | None = None
    client_message_id: str | None = None

    def __post_init__(self) -> None:
        if self.scheduled_at is not None and self.scheduled_at.tzinfo is None:
            raise ValueError("scheduled_at needs a time zone, for example datetime.now(UTC) + timedelta(minutes=5)")

    def body(self) -> dict[str, Any]:
        """The JSON object of the documented API; what is None is left out."""
        scheduled = self.scheduled_at and self.scheduled_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        members = {
            "PhoneNumber": self.phone_number,
            "Text": self.text,
            "SenderAddress": self.sender,
            "SmsType": int(self.sms_type),
            "Priority": None if self.priority is None else int(self.priority),
            "ScheduledAt": scheduled,
            "ExpiresIn": self.expires_in,
            "SmsLabel": self.label,
            "ClientMessageId": self.client_message_id,
        }
        return {name: value for name, value in members.items() if value is not None}
