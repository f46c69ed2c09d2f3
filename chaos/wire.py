"""As much of SMPP 3.4 as a witness has to read: headers, and of a submit_sm to whom it goes and which part it is.

It is written out from the specification and shares nothing with the codec under test.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = [
    "BINDS",
    "BIND_ANSWERS",
    "SUBMIT_SM",
    "SUBMIT_SM_RESP",
    "Frame",
    "Stream",
    "number_and_part",
]

SUBMIT_SM: Final = 0x00000004
SUBMIT_SM_RESP: Final = 0x80000004
BINDS: Final = frozenset({0x00000001, 0x00000002, 0x00000009})  # receiver, transmitter, transceiver
BIND_ANSWERS: Final = frozenset({0x80000001, 0x80000002, 0x80000009})

_HEADER: Final = struct.Struct(">IIII")
_UDHI: Final = 0x40
_PARTS_OF_8_BITS: Final = b"\x05\x00\x03"  # length of the header, element 00, its length: reference, total, number


class Frame(NamedTuple):
    """A PDU; `octets` from its header on."""

    command_id: int
    command_status: int
    sequence_number: int
    octets: bytes


class Stream:
    """Cuts what one side sends into PDUs."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The PDUs that are complete now."""
        octets = self._rest + data if self._rest else data
        start, end = 0, len(octets)
        while end - start >= _HEADER.size:
            length, command_id, command_status, sequence_number = _HEADER.unpack_from(octets, start)
            if length < _HEADER.size:
                raise ValueError(f"a PDU of {length} octets")
            if end - start < length:
                break
            yield Frame(command_id, command_status, sequence_number, octets[start : start + length])
            start += length
        self._rest = octets[start:]


def number_and_part(submit_sm: bytes) -> tuple[str, int]:
    """The destination_addr, and which part it is, from 1 (section 4.4.1; 3GPP 23.040, 9.2.3.24.1)."""
    find = submit_sm.index
    service_type = find(0, _HEADER.size)
    source = find(0, service_type + 3)
    number = find(0, source + 3)
    phone = submit_sm[source + 3 : number].decode("ascii")
    if not submit_sm[number + 1] & _UDHI:
        return phone, 1
    schedule = find(0, number + 4)
    validity = find(0, schedule + 1)
    short_message = validity + 6
    if submit_sm[short_message : short_message + 3] != _PARTS_OF_8_BITS:
        raise ValueError(f"no part of a text: {submit_sm[short_message : short_message + 6].hex()}")
    return phone, submit_sm[short_message + 5]
