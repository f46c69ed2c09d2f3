"""The receipt parser on any deliver_sm, data_sm and text: it never raises, and its values are plain words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Final

from fuzz.broken import hold
from fuzz.corpus import golden_frames, receipt_texts
from fuzz.dictionary import RECEIPT_TOKENS
from fuzz.frames import random_frame, with_right_length
from fuzz.heavy import heavy_texts
from fuzz.target import Target
from payk.smpp import (
    DataSm,
    DeliverSm,
    PduError,
    Receipt,
    Tag,
    Tlv,
    decode,
    parse_network_error,
    parse_receipt,
    parse_receipt_date,
)
from payk.smpp.errors import FramingError
from payk.smpp.layout import LAYOUTS

__all__ = ["RECEIPT", "RECEIPT_TEXT"]

_ZONE: Final = timezone(timedelta(hours=5))
_NOW: Final = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)
_LAYOUTS: Final = [layout for layout in LAYOUTS if layout.pdu in (DeliverSm, DataSm)]


def run_frame(frame: bytes) -> str:
    """A whole frame of any kind; only those two can be receipts."""
    try:
        pdu = decode(frame)
    except (PduError, FramingError) as exc:
        return type(exc).__name__
    if not isinstance(pdu, DeliverSm | DataSm):
        return "no carrier of receipts"
    return f"{type(pdu).__name__}: {_parse(pdu)}"


def run_text(text: bytes) -> str:
    """The text of a receipt: in short_message, in message_payload, and where nothing says that it is one."""
    short = DeliverSm(esm_class=0x04, short_message=text)
    said = _parse(short)
    hold(_parse(DeliverSm(esm_class=0x04, tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, text),))) == said, "the payload reads alike")
    hold(_parse(DataSm(esm_class=0x04, tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, text),))) == said, "data_sm reads alike")
    hold(parse_receipt(DeliverSm(short_message=text)) is None, "a message that says nothing of receipts is none")
    _parse(DeliverSm(esm_class=0x44, short_message=text))
    return said


def _parse(pdu: DeliverSm | DataSm) -> str:
    strict = parse_receipt(pdu)
    by_text = parse_receipt(pdu, text_receipts=True)
    hold(strict is None or by_text == strict, "a receipt is the same one whether texts are believed or not")
    if by_text is None:
        return "no receipt"
    _check(by_text)
    return f"{_kind(by_text)}{'' if strict else ' by text'} | {_values(by_text)}"


def _kind(receipt: Receipt) -> str:
    """Which values are there."""
    state = "no state" if receipt.message_state is None else receipt.message_state.name
    there = {
        "err": receipt.err,
        "network error": receipt.network_error_code,
        "submitted": receipt.submit_date,
        "done": receipt.done_date,
        "reference": receipt.user_message_reference,
        "word": receipt.state,
    }
    names = [name for name, value in there.items() if value not in (None, "")]
    return ", ".join((f"{len(receipt.message_ids)} ids", state, *names))


def _values(receipt: Receipt) -> str:
    """As findings.txt compares them."""
    return f"id {' '.join(receipt.message_ids)} state {receipt.state} err {receipt.err}"[:300]


def _check(receipt: Receipt) -> None:
    words = [*receipt.message_ids, *filter(None, (receipt.state, receipt.err, receipt.submit_date, receipt.done_date))]
    for word in words:
        hold(word, "a value that is there has characters")
        hold("\0" not in word, "no value holds a NUL")
        hold(word.split() == [word], "no value holds a blank")
    hold(len(set(receipt.message_ids)) == len(receipt.message_ids) <= 2, "there are two ids at most, and they differ")
    hold(receipt.state == receipt.state.upper(), "the state is in upper case")
    hold((receipt.user_message_reference or 0) < 1 << 32, "a reference is an integer of SMPP")
    parse_network_error(receipt.network_error_code or b"")
    for date in filter(None, (receipt.submit_date, receipt.done_date)):
        moment = parse_receipt_date(date, _ZONE, _NOW)
        hold(moment is None or moment.tzinfo is UTC, "a date that can be read is a moment in UTC")


def make_frame(random: Random) -> bytes:
    return random_frame(random, random.choice(_LAYOUTS))


def make_text(random: Random) -> bytes:
    return b"".join(random.choices(RECEIPT_TOKENS, k=random.randrange(1, 16)))


RECEIPT: Final = Target("receipt", run_frame, golden_frames(), make_frame, with_right_length, batch=200)
RECEIPT_TEXT: Final = Target(
    "receipt_text",
    run_text,
    receipt_texts() + heavy_texts(RECEIPT_TOKENS),
    make_text,
    batch=100,
    seconds=0.5,  # nine readings
)
