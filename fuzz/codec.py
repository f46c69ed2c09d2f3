"""The codec on any frame: a PDU or an error that blames the peer; what it writes it reads back."""

from __future__ import annotations

import re
import struct
from typing import Any, Final

from fuzz.broken import hold
from fuzz.corpus import golden_frames
from fuzz.frames import frame_of, random_frame, with_right_length
from fuzz.heavy import heavy_frames
from fuzz.target import Target
from payk.smpp import (
    FramingError,
    LocalError,
    Pdu,
    PduError,
    UnknownPdu,
    classify,
    decode,
    encode,
    status_name,
    tlv_int,
    tlv_text,
)
from payk.smpp.careful import CarefulCodec
from payk.smpp.command import RESPONSE_BIT
from payk.smpp.layout import LAYOUTS
from payk.smpp.wire import UnreadableError

__all__ = ["CODEC"]

_NUMBER: Final = re.compile(r"0x[0-9A-F]+|\d+")
_CAREFUL: Final = {int(layout.pdu.command_id): CarefulCodec(layout) for layout in LAYOUTS}
"""They go field by field: what the generated functions read and write must be the same."""
_PARAMETERS: Final = 30
"""So many are looked up: each look-up goes through all of them."""


def run(frame: bytes) -> str:
    """One frame with its header."""
    oddities: list[str] = []
    try:
        pdu = decode(frame, oddities)
    except FramingError as exc:
        hold(len(exc.head) <= 64, "the head for the log is short")
        hold(len(frame) < 16 or int.from_bytes(frame[:4], "big") != len(frame), "a right length is no framing error")
        return "FramingError"
    except PduError as exc:
        hold(_read_carefully(frame) == (str(exc), exc.command_status), "both ways of reading blame alike")
        return _refused(frame, exc)
    _check_header(frame, pdu)
    if not isinstance(pdu, UnknownPdu):
        careful: list[str] = []
        hold(_read_carefully(frame, careful) == pdu, "both ways of reading give the same PDU")
        hold(oddities[: len(careful)] == careful, "both ways of reading tell the same oddities")
    hold(decode(frame) == pdu, "the PDU is the same whether oddities are asked for or not")
    hold(all(oddities), "an oddity has words")
    _check_parameters(pdu)
    written = _write(pdu)
    hold(isinstance(pdu, UnknownPdu) or _write_carefully(pdu) == written, "both ways of writing give the same octets")
    if written is not None:
        again = decode(written)
        hold(again == pdu, "what is written is read back")
        hold(encode(again) == written, "what is read back is written alike")
    sent = "not sent" if written is None else "same octets" if written == frame else "other octets"
    phrases = sorted({_NUMBER.sub("#", oddity) for oddity in oddities})
    return "; ".join((type(pdu).__name__, f"status {bool(pdu.command_status)}", sent, *phrases))


def _refused(frame: bytes, exc: PduError) -> str:
    hold(not exc.command_id & RESPONSE_BIT, "a response is never unreadable")
    hold(exc.command_id == int.from_bytes(frame[4:8], "big"), "the error names the command")
    hold(exc.sequence_number == int.from_bytes(frame[12:16], "big"), "the error names the sequence number")
    hold(exc.command_status != 0, "an error is answered by a status that is none of success")
    return f"PduError 0x{exc.command_id:X} {status_name(exc.command_status)}"


def _read_carefully(frame: bytes, oddities: list[str] | None = None) -> Any:
    """The PDU, or what `UnreadableError` says."""
    command_id, status, number = struct.unpack(">III", frame[4:16])
    try:
        return _CAREFUL[command_id].read(frame, status, number, oddities)
    except UnreadableError as exc:
        return str(exc), exc.status


def _write_carefully(pdu: Pdu) -> bytes | None:
    try:
        body = _CAREFUL[pdu.command_id].write(pdu)
    except LocalError:
        return None
    return frame_of(pdu.command_id, body, status=pdu.command_status, sequence_number=pdu.sequence_number)


def _check_header(frame: bytes, pdu: Pdu) -> None:
    hold(pdu.command_id == int.from_bytes(frame[4:8], "big"), "the PDU is of the kind of its frame")
    hold(pdu.command_status == int.from_bytes(frame[8:12], "big"), "the status is the frame's")
    hold(pdu.sequence_number == int.from_bytes(frame[12:16], "big"), "the sequence number is the frame's")


def _check_parameters(pdu: Pdu) -> None:
    """Readers of parameters never raise either."""
    tlvs = getattr(pdu, "tlvs", ())
    for tlv in tlvs[:_PARAMETERS]:
        tlv_int(tlvs, tlv.tag)
        text = tlv_text(tlvs, tlv.tag)
        hold(text is not None and "\0" not in text, "a parameter's text ends before its NUL")
    if pdu.command_status and not isinstance(pdu, UnknownPdu):
        classify(pdu.command_status, tlvs)


def _write(pdu: Pdu) -> bytes | None:
    """None for what we accept and would not send."""
    try:
        return encode(pdu)
    except LocalError:
        return None


CODEC: Final = Target(
    "codec",
    run,
    golden_frames() + heavy_frames(),
    random_frame,
    with_right_length,
    batch=300,
    seconds=0.3,  # five readings, three writings
)
