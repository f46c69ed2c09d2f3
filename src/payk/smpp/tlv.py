"""Optional parameters (SMPP 3.4 section 5.3): tags, types, reading and writing.

A `Tlv` keeps the raw octets: an unknown tag or a wrong length never costs the PDU. The table says what each tag should
look like; `Tlv.of` writes by it, `tlv_oddities` names what differs from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, IntEnum
from typing import Final, NamedTuple

from payk.smpp.errors import LocalError
from payk.value import value

__all__ = ["TLV_TABLE", "Tag", "Tlv", "TlvKind", "TlvType", "find_tlv", "tlv_int", "tlv_oddities", "tlv_text"]


class Tag(IntEnum):
    DEST_ADDR_SUBUNIT = 0x0005
    DEST_NETWORK_TYPE = 0x0006
    DEST_BEARER_TYPE = 0x0007
    DEST_TELEMATICS_ID = 0x0008
    SOURCE_ADDR_SUBUNIT = 0x000D
    SOURCE_NETWORK_TYPE = 0x000E
    SOURCE_BEARER_TYPE = 0x000F
    SOURCE_TELEMATICS_ID = 0x0010
    QOS_TIME_TO_LIVE = 0x0017
    PAYLOAD_TYPE = 0x0019
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D
    RECEIPTED_MESSAGE_ID = 0x001E
    MS_MSG_WAIT_FACILITIES = 0x0030
    PRIVACY_INDICATOR = 0x0201
    SOURCE_SUBADDRESS = 0x0202
    DEST_SUBADDRESS = 0x0203
    USER_MESSAGE_REFERENCE = 0x0204
    USER_RESPONSE_CODE = 0x0205
    SOURCE_PORT = 0x020A
    DESTINATION_PORT = 0x020B
    SAR_MSG_REF_NUM = 0x020C
    LANGUAGE_INDICATOR = 0x020D
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    CALLBACK_NUM_PRES_IND = 0x0302
    CALLBACK_NUM_ATAG = 0x0303
    NUMBER_OF_MESSAGES = 0x0304
    CALLBACK_NUM = 0x0381
    DPF_RESULT = 0x0420
    SET_DPF = 0x0421
    MS_AVAILABILITY_STATUS = 0x0422
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    DELIVERY_FAILURE_REASON = 0x0425
    MORE_MESSAGES_TO_SEND = 0x0426
    MESSAGE_STATE = 0x0427
    CONGESTION_STATE = 0x0428
    USSD_SERVICE_OP = 0x0501
    BILLING_IDENTIFICATION = 0x060B
    SOURCE_NETWORK_ID = 0x060D
    DEST_NETWORK_ID = 0x060E
    SOURCE_NODE_ID = 0x060F
    DEST_NODE_ID = 0x0610
    DEST_ADDR_NP_RESOLUTION = 0x0611
    DEST_ADDR_NP_INFORMATION = 0x0612
    DEST_ADDR_NP_COUNTRY = 0x0613
    DISPLAY_TIME = 0x1201
    SMS_SIGNAL = 0x1203
    MS_VALIDITY = 0x1204
    ALERT_ON_MESSAGE_DELIVERY = 0x130C
    ITS_REPLY_TYPE = 0x1380
    ITS_SESSION_INFO = 0x1383


class TlvKind(Enum):
    INTEGER = "integer"
    C_OCTETS = "c-octet string"
    OCTETS = "octet string"


class TlvType(NamedTuple):
    """How a parameter's value should look; sizes in octets, the NUL of a C-octet string included."""

    kind: TlvKind
    smallest: int
    largest: int


_U8: Final = TlvType(TlvKind.INTEGER, 1, 1)
_U16: Final = TlvType(TlvKind.INTEGER, 2, 2)
_U32: Final = TlvType(TlvKind.INTEGER, 4, 4)


def _text(largest: int) -> TlvType:
    return TlvType(TlvKind.C_OCTETS, 1, largest)


def _octets(smallest: int, largest: int) -> TlvType:
    return TlvType(TlvKind.OCTETS, smallest, largest)


TLV_TABLE: Final[Mapping[int, TlvType]] = {
    Tag.DEST_ADDR_SUBUNIT: _U8,  # 5.3.2.1
    Tag.DEST_NETWORK_TYPE: _U8,  # 5.3.2.3
    Tag.DEST_BEARER_TYPE: _U8,  # 5.3.2.5
    Tag.DEST_TELEMATICS_ID: _U16,  # 5.3.2.7
    Tag.SOURCE_ADDR_SUBUNIT: _U8,  # 5.3.2.2
    Tag.SOURCE_NETWORK_TYPE: _U8,  # 5.3.2.4
    Tag.SOURCE_BEARER_TYPE: _U8,  # 5.3.2.6
    Tag.SOURCE_TELEMATICS_ID: TlvType(TlvKind.INTEGER, 1, 2),  # 5.3.2.8: one octet in 3.4, two in 5.0
    Tag.QOS_TIME_TO_LIVE: _U32,  # 5.3.2.9, seconds
    Tag.PAYLOAD_TYPE: _U8,  # 5.3.2.10
    Tag.ADDITIONAL_STATUS_INFO_TEXT: _text(256),  # 5.3.2.11
    Tag.RECEIPTED_MESSAGE_ID: _text(65),  # 5.3.2.12
    Tag.MS_MSG_WAIT_FACILITIES: _U8,  # 5.3.2.13
    Tag.PRIVACY_INDICATOR: _U8,  # 5.3.2.14
    Tag.SOURCE_SUBADDRESS: _octets(2, 23),  # 5.3.2.15
    Tag.DEST_SUBADDRESS: _octets(2, 23),  # 5.3.2.16
    Tag.USER_MESSAGE_REFERENCE: _U16,  # 5.3.2.17
    Tag.USER_RESPONSE_CODE: _U8,  # 5.3.2.18
    Tag.SOURCE_PORT: _U16,  # 5.3.2.20
    Tag.DESTINATION_PORT: _U16,  # 5.3.2.21
    Tag.SAR_MSG_REF_NUM: _U16,  # 5.3.2.22
    Tag.LANGUAGE_INDICATOR: _U8,  # 5.3.2.19
    Tag.SAR_TOTAL_SEGMENTS: _U8,  # 5.3.2.23
    Tag.SAR_SEGMENT_SEQNUM: _U8,  # 5.3.2.24
    Tag.SC_INTERFACE_VERSION: _U8,  # 5.3.2.25
    Tag.CALLBACK_NUM_PRES_IND: _U8,  # 5.3.2.37
    Tag.CALLBACK_NUM_ATAG: _octets(0, 65),  # 5.3.2.38
    Tag.NUMBER_OF_MESSAGES: _U8,  # 5.3.2.39
    Tag.CALLBACK_NUM: _octets(4, 19),  # 5.3.2.36
    Tag.DPF_RESULT: _U8,  # 5.3.2.28
    Tag.SET_DPF: _U8,  # 5.3.2.29
    Tag.MS_AVAILABILITY_STATUS: _U8,  # 5.3.2.30
    Tag.NETWORK_ERROR_CODE: _octets(3, 3),  # 5.3.2.31
    Tag.MESSAGE_PAYLOAD: _octets(0, 65535),  # 5.3.2.32
    Tag.DELIVERY_FAILURE_REASON: _U8,  # 5.3.2.33
    Tag.MORE_MESSAGES_TO_SEND: _U8,  # 5.3.2.34
    Tag.MESSAGE_STATE: _U8,  # 5.3.2.35
    Tag.CONGESTION_STATE: _U8,  # 5.0
    Tag.USSD_SERVICE_OP: _U8,  # 5.3.2.44
    Tag.BILLING_IDENTIFICATION: _octets(0, 1024),  # 5.0
    Tag.SOURCE_NETWORK_ID: _octets(0, 65),  # 5.0
    Tag.DEST_NETWORK_ID: _octets(0, 65),  # 5.0
    Tag.SOURCE_NODE_ID: _octets(6, 6),  # 5.0
    Tag.DEST_NODE_ID: _octets(6, 6),  # 5.0
    Tag.DEST_ADDR_NP_RESOLUTION: _U8,  # 5.0
    Tag.DEST_ADDR_NP_INFORMATION: _octets(10, 10),  # 5.0
    Tag.DEST_ADDR_NP_COUNTRY: _octets(1, 5),  # 5.0
    Tag.DISPLAY_TIME: _U8,  # 5.3.2.26
    Tag.SMS_SIGNAL: _U16,  # 5.3.2.40
    Tag.MS_VALIDITY: TlvType(TlvKind.INTEGER, 1, 4),  # 5.3.2.27: one octet in 3.4, up to four in 5.0
    Tag.ALERT_ON_MESSAGE_DELIVERY: _octets(0, 1),  # 5.3.2.41: empty in 3.4
    Tag.ITS_REPLY_TYPE: _U8,  # 5.3.2.42
    Tag.ITS_SESSION_INFO: _octets(2, 2),  # 5.3.2.43
}

_SIZES: Final = {int(tag): (expected.smallest, expected.largest) for tag, expected in TLV_TABLE.items()}
_VENDOR_TAGS: Final = range(0x1400, 0x4000)
_WIDEST: Final = 4  # octets of an integer (section 3.1)


@value
class Tlv:
    """One optional parameter: ``tag`` is a u16 (a `Tag` if known), ``value`` its octets."""

    tag: int
    value: bytes

    def __repr__(self) -> str:
        """Without the octets: message_payload is a text that must not get into a log."""
        return f"Tlv(0x{self.tag:04X}, {len(self.value)} octets)"

    @classmethod
    def of(cls, tag: Tag, value: int | str | bytes = b"") -> Tlv:
        """Written by the table: an integer in its width, text in latin-1 with its NUL. `LocalError` if it can't be."""
        kind, smallest, largest = TLV_TABLE[tag]
        try:
            match value:
                case int() if kind is TlvKind.INTEGER:
                    raw = value.to_bytes(smallest, "big")
                case str() if kind is TlvKind.C_OCTETS:
                    raw = value.encode("latin-1") + b"\0"
                case bytes():
                    raw = value
                case _:
                    raise LocalError(f"{tag.name.lower()} is of the type {kind.value}")
        except (OverflowError, UnicodeEncodeError) as exc:
            raise LocalError(f"{tag.name.lower()}: {exc}") from exc
        if not smallest <= len(raw) <= largest:
            raise LocalError(f"{tag.name.lower()} takes {smallest} to {largest} octets, got {len(raw)}")
        return cls(tag, raw)


def find_tlv(tlvs: Iterable[Tlv], tag: int) -> bytes | None:
    """The raw value of the first parameter with this tag."""
    for tlv in tlvs:
        if tlv.tag == tag:
            return tlv.value
    return None


def tlv_int(tlvs: Iterable[Tlv], tag: int) -> int | None:
    """The first parameter with this tag as an integer of one to four octets, as wide as it came; else None."""
    value = find_tlv(tlvs, tag)
    return int.from_bytes(value, "big") if value and len(value) <= _WIDEST else None


def tlv_text(tlvs: Iterable[Tlv], tag: int) -> str | None:
    """The first parameter with this tag as text up to its NUL, which may be missing; None if absent."""
    value = find_tlv(tlvs, tag)
    return None if value is None else value.split(b"\0", 1)[0].decode("latin-1")


def tlv_oddities(tlvs: Iterable[Tlv]) -> list[str]:
    """What differs from the table, one phrase each: unknown tags outside the vendors' range, wrong sizes, repeats."""
    told: list[str] = []
    seen: set[int] = set()
    for tlv in tlvs:
        tag, size = tlv.tag, len(tlv.value)
        if tag in seen:
            told.append(f"repeated parameter 0x{tag:04X}")
        seen.add(tag)
        sizes = _SIZES.get(tag)
        if sizes is None:
            if tag not in _VENDOR_TAGS:
                told.append(f"unknown parameter 0x{tag:04X}")
        elif not sizes[0] <= size <= sizes[1]:
            told.append(f"parameter 0x{tag:04X} of {size} octets")
    return told
