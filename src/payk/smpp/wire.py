"""The pieces that PDUs are made of, each able to write itself and to read itself back.

A run of integers and strings is compiled once into a format string and a regular expression: both do their whole run
in C, on latin-1 text, in which a character is an octet. Only when an expression does not match is the run walked field
by field, to find out which one is to blame.

Every piece has two methods. ``write(pdu)`` gives octets or raises `LocalError`. ``read(frame, text, start, values)``
appends the fields' values and returns where it stopped, or raises `UnreadableError`; ``text`` is ``frame`` in latin-1.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from operator import attrgetter, call, itemgetter
from typing import Any, Final, Protocol

from payk.smpp.errors import LocalError
from payk.smpp.layout import DISTRIBUTION_LIST, SM_LENGTH_SENT, SME_ADDRESS, UNSUCCESS_SME, Field, Kind
from payk.smpp.pdu import DistributionList, SmeAddress, UnsuccessSme
from payk.smpp.status import CommandStatus
from payk.smpp.tlv import Tag, Tlv

__all__ = ["Destinations", "Message", "Piece", "Run", "UnreadableError", "Unsuccess", "read_tlvs", "write_tlvs"]

_TLV_HEADER: Final = struct.Struct(">HH")  # tag, length: section 3.2.4.1
_U32: Final = struct.Struct(">I")

_TO_ADDRESS: Final = 1  # dest_flag, section 5.2.25
_TO_LIST: Final = 2

# Operators cut the last parameter of a receipt (its length says 65, five octets are there): these are still understood.
_KEPT_IF_CUT: Final = frozenset({Tag.RECEIPTED_MESSAGE_ID, Tag.NETWORK_ERROR_CODE, Tag.MESSAGE_STATE})


class UnreadableError(Exception):
    """A field cannot be read; ``status`` answers a request of this kind."""

    def __init__(self, description: str, status: CommandStatus) -> None:
        super().__init__(description)
        self.status = status


class Piece(Protocol):
    def write(self, pdu: Any) -> bytes: ...

    def read(self, frame: bytes, text: str, start: int, values: list[Any]) -> int: ...


class Run:
    """Neighbouring integers and strings. ``lenient``: strings of any length are read, as a response's are."""

    __slots__ = ("_converters", "_fields", "_fits", "_format", "_get", "_lenient", "_match", "_texts")

    def __init__(self, fields: Sequence[Field], *, lenient: bool = False) -> None:
        texts = [index for index, field in enumerate(fields) if field.kind is not Kind.OCTET]
        self._fields = fields
        self._lenient = lenient
        self._get = _tuple_getter(attrgetter, [field.name for field in fields])
        self._texts = _tuple_getter(itemgetter, texts)
        # Joined by NULs, the strings fit this expression only if each is short enough and none holds a NUL itself.
        self._fits = re.compile("\0".join(_sent(fields[index]) for index in texts)).fullmatch
        self._format = "".join("%c" if field.kind is Kind.OCTET else "%s\0" for field in fields)
        self._match = re.compile("".join(_accepted(field, lenient) for field in fields), re.DOTALL).match
        self._converters = [ord if field.kind is Kind.OCTET else str for field in fields]

    def write(self, pdu: Any) -> bytes:
        values = self._get(pdu)
        try:
            if self._fits("\0".join(self._texts(values))):
                return (self._format % values).encode("latin-1")
        except (TypeError, ValueError, OverflowError):
            pass  # an integer of no octet, a string that is none: blamed below
        raise self._misfit(values)

    def read(self, frame: bytes, text: str, start: int, values: list[Any]) -> int:
        match = self._match(text, start)
        if match is None:
            raise self._unreadable(text, start, values)
        values += map(call, self._converters, match.groups())
        return match.end()

    def _misfit(self, values: Sequence[Any]) -> LocalError:
        for field, value in zip(self._fields, values, strict=True):
            if field.kind is Kind.OCTET:
                if not (isinstance(value, int) and 0 <= value <= 0xFF):
                    return LocalError(f"{field.name} {value!r} is no octet")
            elif not (isinstance(value, str) and re.fullmatch(_sent(field), value)):
                return LocalError(f"{field.name} is no {field.kind.value}, or of more than {field.sent} octets")
        raise AssertionError("a run was refused and each of its fields fits")

    def _unreadable(self, text: str, start: int, values: list[Any]) -> UnreadableError:
        """The fields before the one to blame are kept in ``values``."""
        for field in self._fields:
            if field.kind is Kind.OCTET:
                if start == len(text):
                    return UnreadableError(f"{field.name} is missing", field.fault)
                values.append(ord(text[start]))
                start += 1
            else:
                end = text.find("\0", start)
                if end < 0:
                    return UnreadableError(f"{field.name} has no end", field.fault)
                if end - start >= field.accepted and not self._lenient:
                    return UnreadableError(f"{field.name} of {end - start} octets", field.fault)
                values.append(text[start:end])
                start = end + 1
        raise AssertionError("a run was refused and each of its fields can be read")


def _tuple_getter(make: Callable[..., Callable[[Any], Any]], keys: Sequence[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """An attrgetter or itemgetter that gives a tuple for a single key too."""
    get = make(*keys)
    return get if len(keys) > 1 else lambda source: (get(source),)


def _sent(field: Field) -> str:
    longest = field.sent - 1
    return f"(?:[\x01-\xff]{{{longest}}})?" if field.kind is Kind.TIME else f"[\x01-\xff]{{0,{longest}}}"


def _accepted(field: Field, lenient: bool) -> str:
    if field.kind is Kind.OCTET:
        return "(.)"
    return "([^\0]*)\0" if lenient else f"([^\0]{{0,{field.accepted - 1}}})\0"


class Message:
    """sm_length and short_message (sections 5.2.21, 5.2.22)."""

    def write(self, pdu: Any) -> bytes:
        message = pdu.short_message
        if not isinstance(message, bytes) or len(message) > SM_LENGTH_SENT:
            raise LocalError(f"short_message is not bytes, or more than {SM_LENGTH_SENT}")
        return bytes((len(message),)) + message

    def read(self, frame: bytes, text: str, start: int, values: list[Any]) -> int:
        length, start = _count(frame, start, "sm_length")
        end = start + length
        if end > len(frame):
            raise UnreadableError("sm_length beyond the end of the PDU", CommandStatus.ESME_RINVMSGLEN)
        values.append(frame[start:end])
        return end


class Destinations:
    """number_of_dests and as many addresses or names of lists (section 4.5.1)."""

    def __init__(self) -> None:
        self._address = Run(SME_ADDRESS)
        self._list = Run(DISTRIBUTION_LIST)

    def write(self, pdu: Any) -> bytes:
        destinations = pdu.dest_address
        if not 1 <= len(destinations) <= 0xFF:
            raise LocalError(f"{len(destinations)} destinations; submit_multi takes 1 to 255")
        octets = [bytes((len(destinations),))]
        for destination in destinations:
            if isinstance(destination, SmeAddress):
                octets += (bytes((_TO_ADDRESS,)), self._address.write(destination))
            else:
                octets += (bytes((_TO_LIST,)), self._list.write(destination))
        return b"".join(octets)

    def read(self, frame: bytes, text: str, start: int, values: list[Any]) -> int:
        count, start = _count(frame, start, "number_of_dests")
        if not count:
            raise UnreadableError("no destinations", CommandStatus.ESME_RINVNUMDESTS)
        destinations: list[SmeAddress | DistributionList] = []
        for _ in range(count):
            flag, start = _count(frame, start, "dest_flag")
            entry: list[Any] = []
            if flag == _TO_ADDRESS:
                start = self._address.read(frame, text, start, entry)
                destinations.append(SmeAddress(*entry))
            elif flag == _TO_LIST:
                start = self._list.read(frame, text, start, entry)
                destinations.append(DistributionList(*entry))
            else:
                raise UnreadableError(f"dest_flag {flag}", CommandStatus.ESME_RINVDESTFLAG)
        values.append(tuple(destinations))
        return start


class Unsuccess:
    """no_unsuccess and as many refused addresses (section 4.5.2)."""

    def __init__(self) -> None:
        self._address = Run(UNSUCCESS_SME, lenient=True)

    def write(self, pdu: Any) -> bytes:
        refused = pdu.unsuccess_sme
        if len(refused) > 0xFF:
            raise LocalError(f"{len(refused)} refused destinations; submit_multi_resp takes 255")
        octets = [bytes((len(refused),))]
        for entry in refused:
            if not 0 <= entry.error_status_code <= 0xFFFFFFFF:
                raise LocalError(f"error_status_code {entry.error_status_code} has no four octets")
            octets += (self._address.write(entry), _U32.pack(entry.error_status_code))
        return b"".join(octets)

    def read(self, frame: bytes, text: str, start: int, values: list[Any]) -> int:
        count, start = _count(frame, start, "no_unsuccess")
        refused: list[UnsuccessSme] = []
        for _ in range(count):
            entry: list[Any] = []
            start = self._address.read(frame, text, start, entry)
            if start + _U32.size > len(frame):
                raise UnreadableError("error_status_code is missing", CommandStatus.ESME_RINVCMDLEN)
            refused.append(UnsuccessSme(*entry, *_U32.unpack_from(frame, start)))
            start += _U32.size
        values.append(tuple(refused))
        return start


def _count(frame: bytes, start: int, name: str) -> tuple[int, int]:
    """One octet that says how much follows, and where that begins."""
    if start >= len(frame):
        raise UnreadableError(f"{name} is missing", CommandStatus.ESME_RINVCMDLEN)
    return frame[start], start + 1


def write_tlvs(tlvs: Sequence[Tlv]) -> bytes:
    """`LocalError` if a tag or a length has no two octets."""
    try:
        return b"".join([_TLV_HEADER.pack(tlv.tag, len(tlv.value)) + tlv.value for tlv in tlvs])
    except (struct.error, TypeError) as exc:
        raise LocalError(f"a parameter does not fit: {exc}") from exc


def read_tlvs(frame: bytes, start: int, oddities: list[str] | None = None) -> tuple[Tlv, ...]:
    """The optional parameters from ``start`` to the end of the PDU. Never fails: what does not fit is left out."""
    tlvs: list[Tlv] = []
    end = len(frame)
    while end - start >= _TLV_HEADER.size:
        tag, length = _TLV_HEADER.unpack_from(frame, start)
        start += _TLV_HEADER.size
        if start + length > end:
            if oddities is not None:
                oddities.append(f"parameter 0x{tag:04X} is cut off")
            if tag in _KEPT_IF_CUT and start < end:
                tlvs.append(Tlv(tag, frame[start:]))
            return tuple(tlvs)
        tlvs.append(Tlv(tag, frame[start : start + length]))
        start += length
    if start < end and oddities is not None:
        oddities.append("octets behind the last field")
    return tuple(tlvs)
