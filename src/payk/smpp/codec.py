"""PDUs to octets and back (SMPP 3.4 section 3.2 and 4), by the tables of `layout`."""

from __future__ import annotations

import struct
from operator import attrgetter
from typing import Any, Final

from payk.smpp.careful import CarefulCodec
from payk.smpp.errors import FramingError, LocalError, PduError
from payk.smpp.framing import HEADER_SIZE
from payk.smpp.generated import BodyWriter, PduReader, generate_reader, generate_writer, is_generated
from payk.smpp.layout import LAYOUTS
from payk.smpp.parameters import EsmClass
from payk.smpp.pdu import DataSm, DeliverSm, Pdu, SubmitMulti, SubmitSm, UnknownPdu
from payk.smpp.tlv import Tag, find_tlv
from payk.smpp.wire import UnreadableError

__all__ = ["decode", "encode"]

_HEADER: Final = struct.Struct(">IIII")  # command_length, command_id, command_status, sequence_number
_MESSAGES: Final = frozenset(int(pdu.command_id) for pdu in (SubmitSm, DeliverSm, SubmitMulti, DataSm))
# Plain integers: to look up and compare a member of an enumeration costs more than the whole search.
_SAR_MSG_REF_NUM: Final = int(Tag.SAR_MSG_REF_NUM)
_MESSAGE_PAYLOAD: Final = int(Tag.MESSAGE_PAYLOAD)


def _tables() -> tuple[dict[type[Pdu], BodyWriter], dict[int, PduReader]]:
    writers: dict[type[Pdu], BodyWriter] = {UnknownPdu: attrgetter("body")}
    readers: dict[int, PduReader] = {}
    for layout in LAYOUTS:
        careful = CarefulCodec(layout)
        generated = is_generated(layout)
        writers[layout.pdu] = generate_writer(layout, careful.write) if generated else careful.write
        readers[int(layout.pdu.command_id)] = generate_reader(layout, careful.read) if generated else careful.read
    return writers, readers


_WRITERS, _READERS = _tables()


def encode(pdu: Pdu, sequence_number: int | None = None) -> bytes:
    """The octets of one PDU, with ``sequence_number`` in place of its own if given.

    Raises `LocalError` if a value does not fit its field; nothing is ever cut.
    """
    body = _WRITERS[type(pdu)](pdu)
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
    read = _READERS.get(command_id)
    if read is None:
        return UnknownPdu(command_id, frame[HEADER_SIZE:], status, sequence_number)
    try:
        pdu: Pdu = read(frame, status, sequence_number, oddities)
    except UnreadableError as exc:
        raise PduError(
            str(exc), command_id=command_id, sequence_number=sequence_number, command_status=exc.status
        ) from exc
    if oddities is not None and command_id in _MESSAGES:
        oddities += _contradictions(pdu)
    return pdu


def _contradictions(pdu: Any) -> list[str]:
    """Parameters of a message that say the same thing twice."""
    told: list[str] = []
    tlvs = pdu.tlvs
    if tlvs:
        if pdu.esm_class & EsmClass.UDHI and find_tlv(tlvs, _SAR_MSG_REF_NUM) is not None:
            told.append("a user data header and sar parameters")
        if not isinstance(pdu, DataSm) and pdu.short_message and find_tlv(tlvs, _MESSAGE_PAYLOAD):
            told.append("short_message and message_payload")
    return told
