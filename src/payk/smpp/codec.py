"""PDUs to octets and back (SMPP 3.4 section 3.2 and 4), by the tables of `layout`."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import fields
from itertools import groupby
from typing import Any, Final

from payk.smpp.command import RESPONSE_BIT
from payk.smpp.errors import FramingError, LocalError, PduError
from payk.smpp.framing import BOUND_LIMIT, HEADER_SIZE
from payk.smpp.layout import LAYOUTS, Field, Kind, Layout
from payk.smpp.parameters import EsmClass
from payk.smpp.pdu import DataSm, DeliverSm, Pdu, SubmitMulti, SubmitSm, UnknownPdu
from payk.smpp.tlv import Tag, Tlv, find_tlv, tlv_oddities
from payk.smpp.wire import Destinations, Message, Piece, Run, UnreadableError, Unsuccess, read_tlvs, write_tlvs

__all__ = ["decode", "encode"]

_HEADER: Final = struct.Struct(">IIII")  # command_length, command_id, command_status, sequence_number

_PIECES: Final[dict[Kind, Callable[[], Piece]]] = {
    Kind.MESSAGE: Message,
    Kind.DESTINATIONS: Destinations,
    Kind.UNSUCCESS: Unsuccess,
}


class _Codec:
    """One PDU's encoder and decoder."""

    __slots__ = ("_first", "_is_response", "_make", "_missing", "_pieces", "_takes_tlvs")

    def __init__(self, layout: Layout) -> None:
        self._make: Any = layout.pdu
        self._takes_tlvs = layout.takes_tlvs
        self._is_response = bool(layout.pdu.command_id & RESPONSE_BIT)
        self._pieces = list(_pieces(layout.fields, lenient=self._is_response))
        self._first = layout.fields[0].name if layout.fields else ""
        defaults = {field.name: field.default for field in fields(layout.pdu)}
        # What stands for the fields that a response did not bring; its first is its id.
        self._missing = [None, *(defaults[field.name] for field in layout.fields[1:])]

    def body(self, pdu: Any) -> bytes:
        if self._is_response and self._first and getattr(pdu, self._first) is None:
            if self._takes_tlvs and pdu.tlvs:
                raise LocalError(f"parameters without a body: {self._first} is None")
            return b""
        body = b""
        for piece in self._pieces:
            body += piece.write(pdu)
        if self._takes_tlvs and pdu.tlvs:
            body += write_tlvs(pdu.tlvs)
            if len(body) > BOUND_LIMIT - HEADER_SIZE:
                raise LocalError(f"a PDU of {HEADER_SIZE + len(body)} octets")
        return body

    def pdu(self, frame: bytes, status: int, sequence_number: int, oddities: list[str] | None) -> Any:
        """Raises `UnreadableError` for a request only."""
        values: list[Any] = []
        end = HEADER_SIZE
        if self._pieces:
            text = frame.decode("latin-1")
            try:
                for piece in self._pieces:
                    end = piece.read(frame, text, end, values)
            except UnreadableError as exc:
                if not self._is_response:
                    raise
                return self._truncated(frame, status, sequence_number, values, exc, oddities)
        if self._takes_tlvs:
            values.append(() if end == len(frame) else read_tlvs(frame, end, oddities))
        elif end < len(frame) and oddities is not None:
            oddities.append("octets behind the last field")
        return self._make(*values, status, sequence_number)

    def _truncated(
        self,
        frame: bytes,
        status: int,
        sequence_number: int,
        values: list[Any],
        exc: UnreadableError,
        oddities: list[str] | None,
    ) -> Any:
        """A response without a body, or with a broken one, still answers its request: with what can be read."""
        if len(frame) > HEADER_SIZE and not status and oddities is not None:
            oddities.append(str(exc))
        values += self._missing[len(values) :]
        if self._takes_tlvs:
            values.append(())
        return self._make(*values, status, sequence_number)


def _pieces(layout: Iterable[Field], *, lenient: bool) -> Iterable[Piece]:
    for piece, neighbours in groupby(layout, lambda field: _PIECES.get(field.kind)):
        yield piece() if piece else Run(tuple(neighbours), lenient=lenient)


_CODECS: Final = {int(layout.pdu.command_id): _Codec(layout) for layout in LAYOUTS}


def encode(pdu: Pdu, sequence_number: int | None = None) -> bytes:
    """The octets of one PDU, with ``sequence_number`` in place of its own if given.

    Raises `LocalError` if a value does not fit its field; nothing is ever cut.
    """
    body = pdu.body if isinstance(pdu, UnknownPdu) else _CODECS[pdu.command_id].body(pdu)
    number = pdu.sequence_number if sequence_number is None else sequence_number
    try:
        return _HEADER.pack(HEADER_SIZE + len(body), pdu.command_id, pdu.command_status, number) + body
    except struct.error as exc:
        raise LocalError(f"a number of the header has no four octets: {exc}") from exc


def decode(frame: bytes, oddities: list[str] | None = None) -> Pdu:
    """The PDU of one whole frame, header included.

    What can be tolerated is, and named in ``oddities`` if a list is given. Raises `PduError` for a request whose body
    cannot be read (a response is then given with what is known: its request has been answered), `FramingError` if
    ``frame`` is not as long as it says.
    """
    if len(frame) < HEADER_SIZE:
        raise FramingError(f"a frame of {len(frame)} octets", head=frame)
    length, command_id, status, sequence_number = _HEADER.unpack_from(frame)
    if length != len(frame):
        raise FramingError(
            f"command_length {length} in a frame of {len(frame)} octets",
            head=frame[:64],
            command_id=command_id,
            sequence_number=sequence_number,
        )
    codec = _CODECS.get(command_id)
    if codec is None:
        return UnknownPdu(command_id, frame[HEADER_SIZE:], status, sequence_number)
    try:
        pdu: Pdu = codec.pdu(frame, status, sequence_number, oddities)
    except UnreadableError as exc:
        raise PduError(
            str(exc), command_id=command_id, sequence_number=sequence_number, command_status=exc.status
        ) from exc
    if oddities is not None:
        tlvs: tuple[Tlv, ...] = getattr(pdu, "tlvs", ())
        if tlvs:
            oddities += tlv_oddities(tlvs)
            oddities += _contradictions(pdu)
    return pdu


def _contradictions(pdu: Pdu) -> Iterable[str]:
    """Parameters that say the same thing twice."""
    if not isinstance(pdu, SubmitSm | DeliverSm | SubmitMulti | DataSm):
        return
    if pdu.esm_class & EsmClass.UDHI and find_tlv(pdu.tlvs, Tag.SAR_MSG_REF_NUM) is not None:
        yield "a user data header and sar parameters"
    if not isinstance(pdu, DataSm) and pdu.short_message and find_tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD):
        yield "short_message and message_payload"
