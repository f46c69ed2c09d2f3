"""PDUs as somebody may see them who may not see all: the same PDU with what must not be seen written over.

Passwords never stay. Texts and numbers do where they are allowed. What keeps its length is written over in its place; a
password, whose length is nobody's business, and the body of a PDU that we do not know go, and the PDU is shorter.
"""

from __future__ import annotations

import re
from itertools import cycle, islice
from typing import Final

from payk.logs import mask
from payk.smpp import CommandId, Tag

__all__ = ["addresses", "masked"]

_HEADER: Final = 16
_PASSWORD: Final = b"****"
_BINDS: Final = frozenset(
    {CommandId.BIND_RECEIVER, CommandId.BIND_TRANSMITTER, CommandId.BIND_TRANSCEIVER, CommandId.OUTBIND}
)
_MESSAGES: Final = frozenset({CommandId.SUBMIT_SM, CommandId.DELIVER_SM, CommandId.DATA_SM})
_RESPONSE: Final = 0x8000_0000
_WITH_ID: Final = frozenset(_RESPONSE | int(command) for command in (_BINDS | _MESSAGES) - {CommandId.OUTBIND})
"""Responses whose body begins with one string: a system_id, or a message_id."""
_UDHI: Final = 0x40
_KIND: Final = 0x3C
_RECEIPTS: Final = frozenset({0x04, 0x20})
"""What esm_class says of a receipt, the last and one on the way (SMPP 3.4, 5.2.12)."""
_SEGMENT_ELEMENTS: Final = {0x00: 3, 0x08: 4, 0x04: 2, 0x05: 4}
"""Octets of what a header may say: references of 8 and 16 bits, ports of 8 and 16 bits (3GPP TS 23.040, 9.2.3.24)."""
_RECEIPT_TEXT: Final = re.compile(rb"text:", re.IGNORECASE)
"""What follows is of the message, or of a subscriber."""
_UCS2: Final = 8
_RECEIPT_FIELDS: Final = re.compile(
    rb"\b(?:id|sub|dlvrd|submit date|done date|stat|err):[\x21-\x7e]{0,65}(?: |$)", re.IGNORECASE
)
_NUMBER: Final = 7
"""So many digits are somebody's number, whatever stands between them."""
_SEEN: Final = frozenset(
    int(tag)
    for tag in (
        *(Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM, Tag.USER_MESSAGE_REFERENCE),
        *(Tag.RECEIPTED_MESSAGE_ID, Tag.MESSAGE_STATE, Tag.NETWORK_ERROR_CODE, Tag.SC_INTERFACE_VERSION),
        *(Tag.CONGESTION_STATE, Tag.MORE_MESSAGES_TO_SEND, Tag.PAYLOAD_TYPE, Tag.DELIVERY_FAILURE_REASON),
        *(Tag.LANGUAGE_INDICATOR, Tag.DPF_RESULT, Tag.SOURCE_PORT, Tag.DESTINATION_PORT),
    )
)
"""Optional parameters that hold neither text nor number."""


def masked(pdu: bytes, *, texts: bool, numbers: bool) -> bytes:
    """A whole PDU, with `texts` and `numbers` as they are or written over; of one that cannot be read, its header."""
    try:
        return _masked(pdu, texts, numbers)
    except (ValueError, IndexError):
        return _header(pdu)


def addresses(pdu: bytes) -> tuple[str, str] | None:
    """Source and destination of a message; None where it is none, or cannot be read."""
    if _command(pdu) not in _MESSAGES:
        return None
    try:
        (source, source_end), (destination, destination_end) = _address_places(pdu)
    except ValueError:
        return None
    return pdu[source:source_end].decode("latin-1"), pdu[destination:destination_end].decode("latin-1")


def _command(pdu: bytes) -> int:
    return int.from_bytes(pdu[4:8], "big")


def _header(pdu: bytes) -> bytes:
    return _HEADER.to_bytes(4, "big") + pdu[4:_HEADER]


def _masked(pdu: bytes, texts: bool, numbers: bool) -> bytes:
    command = _command(pdu)
    if command in _BINDS:
        return _bind(pdu)
    if len(pdu) == _HEADER or (texts and numbers):
        return pdu
    out = bytearray(pdu)
    if command in _MESSAGES:
        _write_over_message(out, pdu, texts, numbers)
    elif command in _WITH_ID:
        _write_over_tlvs(out, pdu, _string_end(pdu, _HEADER) + 1, texts, numbers)
    else:
        return _header(pdu)
    return bytes(out)


def _string_end(pdu: bytes, start: int) -> int:
    """Where its NUL is. Raises ValueError."""
    return pdu.index(0, start)


def _bind(pdu: bytes) -> bytes:
    start = _string_end(pdu, _HEADER) + 1
    end = _string_end(pdu, start)
    body = pdu[4:start] + (_PASSWORD if end > start else b"") + pdu[end:]
    return (len(body) + 4).to_bytes(4, "big") + body


def _address_places(pdu: bytes) -> list[tuple[int, int]]:
    places = []
    at = _string_end(pdu, _HEADER) + 1  # service_type
    for _ in range(2):
        start = at + 2  # ton, npi
        end = _string_end(pdu, start)
        places.append((start, end))
        at = end + 1
    return places


def _write_over_message(out: bytearray, pdu: bytes, texts: bool, numbers: bool) -> None:
    places = _address_places(pdu)
    if not numbers:
        for start, end in places:
            out[start:end] = _address(pdu[start:end])
    at = places[-1][1] + 1
    esm_class = pdu[at]
    if _command(pdu) == CommandId.DATA_SM:
        coding = pdu[at + 2]
        at += 3
    else:
        at = _string_end(pdu, _string_end(pdu, at + 3) + 1) + 1  # schedule_delivery_time, validity_period
        coding, length = pdu[at + 2], pdu[at + 4]
        at += 5
        if at + length > len(pdu):
            raise ValueError("the text is longer than its PDU")
        if not texts:
            out[at : at + length] = _text(pdu[at : at + length], esm_class, coding)
        at += length
    _write_over_tlvs(out, pdu, at, texts, numbers, esm_class, coding)


def _write_over_tlvs(
    out: bytearray, pdu: bytes, at: int, texts: bool, numbers: bool, esm_class: int = 0, coding: int = 0
) -> None:
    while at < len(pdu):
        tag, length = int.from_bytes(pdu[at : at + 2], "big"), int.from_bytes(pdu[at + 2 : at + 4], "big")
        start, end = at + 4, at + 4 + length
        if end > len(pdu):
            raise ValueError("a parameter is longer than its PDU")
        if tag == Tag.MESSAGE_PAYLOAD:
            if not texts:
                out[start:end] = _text(pdu[start:end], esm_class, coding)
        elif tag not in _SEEN:
            out[start:end] = bytes(length)
        at = end


def _address(octets: bytes) -> bytes:
    written = octets.decode("latin-1")
    is_number = written.lstrip("+").isdigit() or sum(map(str.isdigit, written)) >= _NUMBER
    return mask(written).encode("latin-1") if is_number else octets


def _text(text: bytes, esm_class: int, coding: int) -> bytes:
    """`x` for every character; the header of a segment and the fields of a receipt stay."""
    begins = _header_end(text) if esm_class & _UDHI else 0
    rest = text[begins:]
    written = bytearray(islice(cycle(b"\x00x" if coding == _UCS2 else b"x"), len(rest)))
    if esm_class & _KIND in _RECEIPTS:
        said = _RECEIPT_TEXT.search(rest)
        for field in _RECEIPT_FIELDS.finditer(rest, 0, said.start() if said else len(rest)):
            written[field.start() : field.end()] = field[0]
    return text[:begins] + bytes(written)


def _header_end(text: bytes) -> int:
    """Where the text begins behind a header of segments and ports; 0 where it begins with anything else."""
    end = text[0] + 1 if text else 0
    at, said = 1, set()
    while at < end:
        element, length = (*text[at : at + 2], -1, -1)[:2]
        if element in said or _SEGMENT_ELEMENTS.get(element) != length:
            return 0
        said.add(element)
        at += 2 + length
    return end if at == end <= len(text) else 0
