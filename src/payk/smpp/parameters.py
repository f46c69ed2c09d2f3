"""Named values of the integer parameters (SMPP 3.4 section 5.2).

PDUs carry raw integers, for real peers send values outside these tables; these names are for reading and writing them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = [
    "DataCoding",
    "EsmClass",
    "InterfaceVersion",
    "MessageState",
    "Npi",
    "RegisteredDelivery",
    "Ton",
]


class Ton(IntEnum):
    """Type of number, section 5.2.5."""

    UNKNOWN = 0
    INTERNATIONAL = 1
    NATIONAL = 2
    NETWORK_SPECIFIC = 3
    SUBSCRIBER_NUMBER = 4
    ALPHANUMERIC = 5
    ABBREVIATED = 6


class Npi(IntEnum):
    """Numbering plan indicator, section 5.2.6."""

    UNKNOWN = 0
    ISDN = 1
    DATA = 3
    TELEX = 4
    LAND_MOBILE = 6
    NATIONAL = 8
    PRIVATE = 9
    ERMES = 10
    INTERNET = 14
    WAP_CLIENT_ID = 18


class InterfaceVersion(IntEnum):
    """Section 5.2.4; 0x00 to 0x33 all mean 3.3."""

    V3_3 = 0x33
    V3_4 = 0x34
    V5_0 = 0x50


class EsmClass:
    """Masks and values of esm_class, section 5.2.12. Test types with ``esm_class & TYPE_MASK``."""

    MODE_MASK: Final = 0x03
    TYPE_MASK: Final = 0x3C
    RECEIPT: Final = 0x04
    SME_DELIVERY_ACK: Final = 0x08
    SME_USER_ACK: Final = 0x10
    CONVERSATION_ABORT: Final = 0x18
    INTERMEDIATE_NOTIFICATION: Final = 0x20
    UDHI: Final = 0x40
    REPLY_PATH: Final = 0x80


class RegisteredDelivery:
    """Masks and values of registered_delivery, section 5.2.17. Bit 4 asks for intermediate notifications: the text of
    3.4 says bit 5, its matrix and everybody's code say 0x10."""

    RECEIPT_MASK: Final = 0x03
    NONE: Final = 0x00
    ALWAYS: Final = 0x01
    ON_FAILURE: Final = 0x02
    ON_SUCCESS: Final = 0x03
    INTERMEDIATE: Final = 0x10


class DataCoding(IntEnum):
    """Section 5.2.19; what a peer means by each is a matter of its link."""

    DEFAULT = 0
    ASCII = 1
    OCTETS = 2
    LATIN_1 = 3
    OCTETS_8_BIT = 4
    JIS = 5
    CYRILLIC = 6
    HEBREW = 7
    UCS2 = 8


class MessageState(IntEnum):
    """Section 5.2.28; SCHEDULED and SKIPPED are 5.0's."""

    SCHEDULED = 0
    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8
    SKIPPED = 9
