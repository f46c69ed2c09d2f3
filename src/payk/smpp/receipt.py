"""Delivery receipts: recognise one, read what operators write into it, write our own (SMPP 3.4 Appendix B, 5.0 4.3.5).

The text of a receipt is vendor-specific by the specification's own words: labels in any order, some missing, dates and
ids of any shape, the message's text behind it in any charset. So it is searched as octets, nothing in it can make it
unreadable, and what it says comes out as it stands: whose message it is and what to believe is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from payk.smpp.parameters import EsmClass, MessageState
from payk.smpp.pdu import DataSm, DeliverSm
from payk.smpp.tlv import Tag, find_tlv, tlv_int, tlv_text
from payk.smpp.udh import parse_udh
from payk.value import value

__all__ = ["Receipt", "encode_receipt_text", "parse", "parse_receipt"]

_RECEIPT_TYPES: Final = frozenset({EsmClass.RECEIPT, EsmClass.SME_DELIVERY_ACK, EsmClass.INTERMEDIATE_NOTIFICATION})

# Appendix B's words first; what stands behind them is seen in the wild.
_WORDS: Final[Mapping[MessageState, tuple[str, ...]]] = {
    MessageState.SCHEDULED: ("SCHEDLD",),
    MessageState.ENROUTE: ("ENROUTE", "BUFFRED", "BUFFERD"),
    MessageState.DELIVERED: ("DELIVRD", "DELIVERED"),
    MessageState.EXPIRED: ("EXPIRED",),
    MessageState.DELETED: ("DELETED",),
    MessageState.UNDELIVERABLE: ("UNDELIV", "UNDELIVERABLE", "FAILED"),
    MessageState.ACCEPTED: ("ACCEPTD", "ACCEPTED", "ACKED"),
    MessageState.UNKNOWN: ("UNKNOWN",),
    MessageState.REJECTED: ("REJECTD", "REJECTED", "DND_REJECTED"),
    MessageState.SKIPPED: ("SKIPPED",),
}
_STATES: Final = {word: state for state, words in _WORDS.items() for word in words}
_CODES: Final = frozenset(MessageState)

_LABEL: Final = re.compile(rb"(?<![\w-])(id|sub|dlvrd|submit date|done date|stat|err|text):", re.IGNORECASE)
# As Appendix B writes it, which nearly all do: every label once, in this order. Of latin-1 text.
_NAMES: Final = ("id", "sub", "dlvrd", "submit date", "done date", "stat", "err")
_PLAIN: Final = re.compile(" ".join(rf"{name}:([^\s:\0]++)" for name in _NAMES) + r"(?: text:|\Z)", re.IGNORECASE)
_WORD: Final = re.compile(rb"[^\s\0\x1C-\x1F\x85\xA0]+")  # what str.split() leaves whole, once it is latin-1


@value
class Receipt:
    """What a receipt says, unjudged. No string read from its text or its parameters holds a NUL."""

    message_ids: tuple[str, ...]
    """Candidates for the operator's id, as written: of the TLV, then of the text; they may differ in their base."""
    state: str
    """The text's ``stat`` in upper case, else Appendix B's word for ``message_state``; "" if neither is there."""
    message_state: MessageState | None
    """Of the TLV, else of the word; None if it is in no table."""
    err: str | None
    """The text's ``err``."""
    network_error_code: bytes | None
    """The TLV, raw: its network type and two octets, or three ASCII digits."""
    submit_date: str | None
    """As written: ten to sixteen characters, in no known zone."""
    done_date: str | None
    user_message_reference: int | None
    source_addr: str
    """The recipient of our message."""
    destination_addr: str
    """Our sender; empty, "0" or altered by some operators."""
    intermediate: bool
    """An intermediate notification: more will come."""
    by_text_alone: bool = False
    """Nothing but its text says that it is a receipt; anybody can send such a text."""


def parse_receipt(pdu: DeliverSm | DataSm, *, text_receipts: bool = False) -> Receipt | None:
    """The receipt in a deliver_sm or data_sm; None if it is a message. Never raises.

    A receipt says so in its esm_class, or carries both receipted_message_id and message_state. With ``text_receipts`` a
    text that has an id and a stat is one too: anybody can send such a text, so the caller must know the id.
    """
    message_type = pdu.esm_class & EsmClass.TYPE_MASK
    receipted_id = state_code = reference = network_error_code = None
    if tlvs := pdu.tlvs:
        receipted_id = tlv_text(tlvs, Tag.RECEIPTED_MESSAGE_ID)
        state_code = tlv_int(tlvs, Tag.MESSAGE_STATE)
        reference = tlv_int(tlvs, Tag.USER_MESSAGE_REFERENCE)
        network_error_code = find_tlv(tlvs, Tag.NETWORK_ERROR_CODE)
    is_receipt = message_type in _RECEIPT_TYPES or (receipted_id is not None and state_code is not None)
    if not is_receipt and not text_receipts:
        return None
    said = _said(_text(pdu))
    if not is_receipt and not ("id" in said and "stat" in said):
        return None
    word = said.get("stat", "").upper()
    message_state = MessageState(state_code) if state_code in _CODES else _STATES.get(word)
    if not word and message_state is not None:
        word = _WORDS[message_state][0]
    message_ids = (receipted_id or "").split()[:1]
    if (said_id := said.get("id")) and said_id not in message_ids:
        message_ids.append(said_id)
    return Receipt(  # in the order of its fields, which is a third of the price of their names
        tuple(message_ids),
        word,
        message_state,
        said.get("err"),
        network_error_code,
        said.get("submit date"),
        said.get("done date"),
        reference,
        pdu.source_addr,
        pdu.destination_addr,
        message_type == EsmClass.INTERMEDIATE_NOTIFICATION,
        not is_receipt,
    )


parse = parse_receipt


def _text(pdu: DeliverSm | DataSm) -> bytes:
    """short_message, else message_payload; without a user data header."""
    text = pdu.short_message if isinstance(pdu, DeliverSm) else b""
    text = text or find_tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD) or b""
    if pdu.esm_class & EsmClass.UDHI and (user_data := parse_udh(text)):
        return user_data.text
    return text


def _said(text: bytes) -> dict[str, str]:
    """Label and value."""
    plain = _PLAIN.match(text.decode("latin-1"))
    return dict(_fields(text)) if plain is None else dict(zip(_NAMES, plain.groups(), strict=True))


def _fields(text: bytes) -> Iterator[tuple[str, str]]:
    """Label and value, each label once: the first before ``text:`` wins.

    Behind ``text:`` stands the message's own text, which may imitate a receipt. Some operators write ``text:`` early
    and empty: if a label follows it at once, the labels still missing are taken from there.
    """
    found: set[bytes] = set()
    labels = list(_LABEL.finditer(text))
    for index, label in enumerate(labels):
        name = label[1].lower()
        end = labels[index + 1].start() if index + 1 < len(labels) else len(text)
        if name == b"text":
            if text[label.end() : end].strip(b" \0"):
                return
            continue
        value = _WORD.search(text, label.end(), end)
        if value and name not in found:
            found.add(name)
            yield name.decode("ascii"), value[0].decode("latin-1")


def encode_receipt_text(
    message_id: str,
    state: MessageState,
    *,
    submit_date: str,
    done_date: str,
    err: str = "000",
    submitted: int = 1,
    delivered: int = 1,
    text: str = "",
) -> bytes:
    """The text of Appendix B, all ASCII. Dates are YYMMDDhhmm; the first 20 characters of ``text`` are kept."""
    return (
        f"id:{message_id} sub:{submitted:03} dlvrd:{delivered:03} submit date:{submit_date} done date:{done_date} "
        f"stat:{_WORDS[state][0]} err:{err} text:{text[:20]}"
    ).encode("ascii")
