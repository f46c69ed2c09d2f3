"""The parts of a PDU on the wire, one by one: a field of each kind of `layout`, and the optional parameters.

``WRITERS`` give a field's octets or raise `LocalError`. ``READERS`` give its value and where it stopped, or raise
`UnreadableError`; ``lenient`` takes strings of any length, as a response's are taken.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from payk.smpp.errors import LocalError
from payk.smpp.framing import BOUND_LIMIT, HEADER_SIZE
from payk.smpp.layout import DISTRIBUTION_LIST, SM_LENGTH_SENT, SME_ADDRESS, UNSUCCESS_SME, Field, Kind
from payk.smpp.pdu import DistributionList, SmeAddress, UnsuccessSme
from payk.smpp.status import CommandStatus
from payk.smpp.tlv import Tag, Tlv, tlv_oddities

__all__ = ["READERS", "STRAY_OCTETS", "WRITERS", "Reader", "UnreadableError", "Writer", "read_tlvs", "with_tlvs"]

STRAY_OCTETS: Final = "octets behind the last field"
"""The oddity of a PDU that goes on where nothing belongs."""

_TLV_HEADER: Final = struct.Struct(">HH")  # tag, length: section 3.2.4.1
_TLV_HEADER_SIZE: Final = _TLV_HEADER.size
_U32: Final = struct.Struct(">I")

_TO_ADDRESS: Final = 1  # dest_flag, section 5.2.25
_TO_LIST: Final = 2

# Operators cut the last parameter of a receipt (its length says 65, five octets are there): these are still understood.
_KEPT_IF_CUT: Final = frozenset({Tag.RECEIPTED_MESSAGE_ID, Tag.NETWORK_ERROR_CODE, Tag.MESSAGE_STATE})

Writer = Callable[[Field, Any], bytes]
Reader = Callable[[Field, bytes, int, bool], tuple[Any, int]]


class UnreadableError(Exception):
    """A field cannot be read; ``status`` answers a request of this kind."""

    def __init__(self, description: str, status: CommandStatus) -> None:
        super().__init__(description)
        self.status = status


def _write_octet(field: Field, value: Any) -> bytes:
    if not (isinstance(value, int) and 0 <= value <= 0xFF):
        raise LocalError(f"{field.name} {value!r} is no octet")
    return bytes((value,))


def _read_octet(field: Field, frame: bytes, start: int, lenient: bool) -> tuple[int, int]:
    if start >= len(frame):
        raise UnreadableError(f"{field.name} is missing", field.fault)
    return frame[start], start + 1


def _write_text(field: Field, value: Any) -> bytes:
    """The value is not quoted: it may be a password."""
    if isinstance(value, str) and "\0" not in value and _is_sent(field, len(value) + 1):
        try:
            return value.encode("latin-1") + b"\0"
        except UnicodeEncodeError:
            pass  # blamed as the rest is
    raise LocalError(f"{field.name} is no {field.kind.value}, or of more than {field.sent} octets")


def _is_sent(field: Field, size: int) -> bool:
    return size in (1, field.sent) if field.kind is Kind.TIME else size <= field.sent


def _read_text(field: Field, frame: bytes, start: int, lenient: bool) -> tuple[str, int]:
    end = frame.find(0, start)
    if end < 0:
        raise UnreadableError(f"{field.name} has no end", field.fault)
    if end - start >= field.accepted and not lenient:
        raise UnreadableError(f"{field.name} of {end - start} octets", field.fault)
    return frame[start:end].decode("latin-1"), end + 1


def _write_message(field: Field, value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) > SM_LENGTH_SENT:
        raise LocalError(f"{field.name} is not bytes, or more than {SM_LENGTH_SENT}")
    return bytes((len(value),)) + value


def _read_message(field: Field, frame: bytes, start: int, lenient: bool) -> tuple[bytes, int]:
    length, start = _count(frame, start, "sm_length")
    end = start + length
    if end > len(frame):
        raise UnreadableError("sm_length beyond the end of the PDU", CommandStatus.ESME_RINVMSGLEN)
    return frame[start:end], end


def _write_destinations(field: Field, value: Any) -> bytes:
    """Section 4.5.1."""
    if not 1 <= len(value) <= 0xFF:
        raise LocalError(f"{len(value)} destinations; submit_multi takes 1 to 255")
    octets = [bytes((len(value),))]
    for destination in value:
        if isinstance(destination, SmeAddress):
            octets += (bytes((_TO_ADDRESS,)), _write_entry(SME_ADDRESS, destination))
        else:
            octets += (bytes((_TO_LIST,)), _write_entry(DISTRIBUTION_LIST, destination))
    return b"".join(octets)


def _read_destinations(
    field: Field, frame: bytes, start: int, lenient: bool
) -> tuple[tuple[SmeAddress | DistributionList, ...], int]:
    count, start = _count(frame, start, "number_of_dests")
    if not count:
        raise UnreadableError("no destinations", CommandStatus.ESME_RINVNUMDESTS)
    destinations: list[SmeAddress | DistributionList] = []
    for _ in range(count):
        flag, start = _count(frame, start, "dest_flag")
        if flag == _TO_ADDRESS:
            entry, start = _read_entry(SME_ADDRESS, frame, start, lenient)
            destinations.append(SmeAddress(*entry))
        elif flag == _TO_LIST:
            entry, start = _read_entry(DISTRIBUTION_LIST, frame, start, lenient)
            destinations.append(DistributionList(*entry))
        else:
            raise UnreadableError(f"dest_flag {flag}", CommandStatus.ESME_RINVDESTFLAG)
    return tuple(destinations), start


def _write_unsuccess(field: Field, value: Any) -> bytes:
    """Section 4.5.2."""
    if len(value) > 0xFF:
        raise LocalError(f"{len(value)} refused destinations; submit_multi_resp takes 255")
    octets = [bytes((len(value),))]
    for entry in value:
        if not 0 <= entry.error_status_code <= 0xFFFFFFFF:
            raise LocalError(f"error_status_code {entry.error_status_code} has no four octets")
        octets += (_write_entry(UNSUCCESS_SME, entry), _U32.pack(entry.error_status_code))
    return b"".join(octets)


def _read_unsuccess(field: Field, frame: bytes, start: int, lenient: bool) -> tuple[tuple[UnsuccessSme, ...], int]:
    count, start = _count(frame, start, "no_unsuccess")
    refused: list[UnsuccessSme] = []
    for _ in range(count):
        entry, start = _read_entry(UNSUCCESS_SME, frame, start, lenient)
        if start + _U32.size > len(frame):
            raise UnreadableError("error_status_code is missing", CommandStatus.ESME_RINVCMDLEN)
        refused.append(UnsuccessSme(*entry, *_U32.unpack_from(frame, start)))
        start += _U32.size
    return tuple(refused), start


WRITERS: Final[Mapping[Kind, Writer]] = {
    Kind.OCTET: _write_octet,
    Kind.TEXT: _write_text,
    Kind.TIME: _write_text,
    Kind.MESSAGE: _write_message,
    Kind.DESTINATIONS: _write_destinations,
    Kind.UNSUCCESS: _write_unsuccess,
}

READERS: Final[Mapping[Kind, Reader]] = {
    Kind.OCTET: _read_octet,
    Kind.TEXT: _read_text,
    Kind.TIME: _read_text,
    Kind.MESSAGE: _read_message,
    Kind.DESTINATIONS: _read_destinations,
    Kind.UNSUCCESS: _read_unsuccess,
}


def _write_entry(fields: Iterable[Field], entry: Any) -> bytes:
    return b"".join([WRITERS[field.kind](field, getattr(entry, field.name)) for field in fields])


def _read_entry(fields: Iterable[Field], frame: bytes, start: int, lenient: bool) -> tuple[list[Any], int]:
    values: list[Any] = []
    for field in fields:
        value, start = READERS[field.kind](field, frame, start, lenient)
        values.append(value)
    return values, start


def _count(frame: bytes, start: int, name: str) -> tuple[int, int]:
    """One octet that says how much follows, and where that begins."""
    if start >= len(frame):
        raise UnreadableError(f"{name} is missing", CommandStatus.ESME_RINVCMDLEN)
    return frame[start], start + 1


def with_tlvs(body: bytes, tlvs: Iterable[Tlv]) -> bytes:
    """``body`` and its optional parameters. `LocalError` if a tag or a length has no two octets, or all is too long."""
    octets = [body]
    try:
        for tlv in tlvs:
            value = tlv.value
            octets.append(_TLV_HEADER.pack(tlv.tag, len(value)) + value)
    except (struct.error, TypeError) as exc:
        raise LocalError(f"a parameter does not fit: {exc}") from exc
    whole = b"".join(octets)
    if len(whole) > BOUND_LIMIT - HEADER_SIZE:
        raise LocalError(f"a PDU of {HEADER_SIZE + len(whole)} octets")
    return whole


def read_tlvs(frame: bytes, start: int, oddities: list[str] | None) -> tuple[Tlv, ...]:
    """The optional parameters from ``start`` to the end of the PDU. Never fails: what does not fit is left out."""
    tlvs: list[Tlv] = []
    size = len(frame)
    while size - start >= _TLV_HEADER_SIZE:
        tag, length = _TLV_HEADER.unpack_from(frame, start)
        start += _TLV_HEADER_SIZE
        end = start + length
        if end > size:
            if oddities is not None:
                oddities.append(f"parameter 0x{tag:04X} is cut off")
            if tag in _KEPT_IF_CUT and start < size:
                tlvs.append(Tlv(tag, frame[start:]))
            break
        tlvs.append(Tlv(tag, frame[start:end]))
        start = end
    else:
        if start < size and oddities is not None:
            oddities.append(STRAY_OCTETS)
    if oddities is not None:
        oddities += tlv_oddities(tlvs)
    return tuple(tlvs)
