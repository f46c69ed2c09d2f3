"""What a message is: its type, priority, states and lane, in the words of the documented API."""

from __future__ import annotations

import hashlib
import zlib
from enum import IntEnum

__all__ = [
    "Lane",
    "MessageState",
    "Priority",
    "SmsType",
    "concatenation_reference",
    "label_key",
    "label_keys",
    "lane_of",
    "rank_of",
    "user_message_reference",
]


class SmsType(IntEnum):
    """What a message is for (documented API, parameter SmsType)."""

    COMMON = 1
    OTP = 2
    BATCH = 3


class Priority(IntEnum):
    """How urgent the client calls a message (documented API, parameter Priority)."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


class MessageState(IntEnum):
    """What became of a message (documented API, MessageState; SMPP 3.4, 5.2.28 uses other numbers)."""

    NONE = 0
    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8

    @property
    def label(self) -> str:
        """The documented name, such as `Delivered`."""
        return self.name.capitalize()


class Lane(IntEnum):
    """Where a message waits. Otp goes first, always; the others share what it leaves, by weight."""

    OTP = 0
    COMMON_HIGH = 1
    COMMON_NORMAL = 2
    COMMON_LOW = 3
    BATCH = 4


_COMMON_LANE = {
    Priority.HIGH: Lane.COMMON_HIGH,
    Priority.NORMAL: Lane.COMMON_NORMAL,
    Priority.LOW: Lane.COMMON_LOW,
}


def lane_of(sms_type: SmsType, priority: Priority) -> Lane:
    """The lane of a message: SmsType decides, Priority only among Common."""
    if sms_type is SmsType.OTP:
        return Lane.OTP
    if sms_type is SmsType.BATCH:
        return Lane.BATCH
    return _COMMON_LANE[priority]


def rank_of(sms_type: SmsType, priority: Priority) -> int:
    """The order among a client's own Batch messages: 0 goes first. Other lanes know no rank."""
    return Priority.HIGH - priority if sms_type is SmsType.BATCH else 0


def label_key(label: str | None) -> int:
    """A signed 32-bit key for a label; two labels that share one share their turns."""
    return 0 if label is None else zlib.crc32(label.encode("utf-8", "surrogatepass")) - 2**31


def label_keys(label: str | None) -> tuple[int, int]:
    """The keys that messages with a label wait under: its own, and another for while a label that shares it is held.

    The other one is of another kind: labels of one length that share a CRC share it with anything put before them too.
    """
    digest = hashlib.sha256((label or "").encode("utf-8", "surrogatepass")).digest()
    return label_key(label), int.from_bytes(digest[:4], "big", signed=True)


def user_message_reference(message_id: int, part: int) -> int:
    """The user_message_reference (SMPP 3.4, 5.3.2.17) of a part, counted from 1: 16 bits.

    It is the same at every try and in every process, so that a receipt that echoes it tells which part was taken. Of
    messages up to 255 ids apart no two parts have the same one, of 65,536 messages of one part neither.
    """
    return (message_id * _STRIDE + part) % 65_536


_STRIDE = 23_079
"""Multiples of it up to the 255th lie at least 209 apart, modulo 65,536."""


def concatenation_reference(message_id: int, phone: str) -> int:
    """What joins the parts of a long message on the phone (3GPP TS 23.040, 9.2.3.24.1): 16 bits, of which a header of
    8 bits takes the lower ones.

    A counter for each sender and recipient would be a state that every process needs before it may send, and that a
    crash may not lose: what is left of a message must join what was sent of it before, whoever sends it. So it follows
    from the message alone. Within 256 ids no two messages have the same one. Beyond that it is as good as drawn by
    lot, and for each recipient anew: the low bits of the id alone would be the same in two mailings whose lengths are
    a multiple of 256, for all their recipients.
    """
    block, place = divmod(message_id, 256)
    drawn = hashlib.blake2b(f"{block} {phone}".encode(), digest_size=2).digest()
    return int.from_bytes(drawn, "big") ^ place
