"""Rules of receipts: what an operator's word means for a message, and which submit a receipt can belong to.

Sources: SMPP 3.4, 5.2.28 (message_state) and Appendix B; docs/operators.md for what operators really send.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from payk.domain.message import MessageState
from payk.domain.operator import IdMode
from payk.value import value

__all__ = [
    "IdForm",
    "ReceiptReport",
    "ReceiptWait",
    "destination_fits",
    "expected_forms",
    "id_forms",
    "is_unmistakable",
    "is_unnamed",
    "number_of",
    "state_of",
]

_STATES = {
    0: MessageState.ENROUTE,  # SCHEDULED (5.0)
    1: MessageState.ENROUTE,
    2: MessageState.DELIVERED,
    3: MessageState.EXPIRED,
    4: MessageState.DELETED,
    5: MessageState.UNDELIVERABLE,
    6: MessageState.ACCEPTED,
    # 7 UNKNOWN says nothing: the message stays as it is until a better receipt comes or the wait is over.
    8: MessageState.REJECTED,
    9: MessageState.UNDELIVERABLE,  # SKIPPED (5.0)
}

_SUFFIX = 7
"""Digits at the end of a number that must agree: operators write numbers with and without country code."""
_LONGEST_NUMBER_ID = 16
"""Longer hexadecimal ids are digests or UUIDs, not numbers in another base."""
_LONGEST_DECIMAL_ID = 20
"""Digits of the same number in decimal."""
_SHORT_ID = 2
"""Characters up to which an id may be a single digit in another base, and so read the same in every one."""
_HEX_DIGITS = frozenset("0123456789abcdef")


@value
class ReceiptReport:
    """One receipt as it came over a link, in plain types."""

    operator_id: int
    link_id: int
    smsc_ids: tuple[str, ...]
    """Ids it may mean, the one from the TLV first."""
    state: MessageState | None
    """What it says of the message; None = nothing that changes it."""
    raw_state: str
    error: str | None
    network_error: bytes | None
    done_date: str | None
    reference: int | None
    source: str
    destination: str
    id_mode: IdMode = IdMode.LEARN
    by_text_alone: bool = False
    """Only its text makes it a receipt: it is one if its id is known, else a subscriber's message."""
    operator_submitted_at: datetime | None = None
    """UTC, by the operator's clock; None = not told, or not readable."""
    operator_done_at: datetime | None = None
    parked_id: int | None = None
    """Set where it comes out of the parked ones."""
    received_at: datetime | None = None
    """When it came, where that was before: a parked one."""


@dataclass(frozen=True, slots=True)
class ReceiptWait:
    """How long final receipts are awaited, in seconds."""

    wait: float = 172_800.0
    """After the last submit, for messages without ExpiresIn."""
    grace: float = 3_600.0
    """After ExpiresIn."""


def state_of(message_state: int | None, *, intermediate: bool = False) -> MessageState | None:
    """The state for a message_state code; None where it says nothing (7 UNKNOWN, reserved codes, no code).

    An `intermediate` notification (SMPP 3.4, 5.2.12) tells of a try, after which the operator goes on trying: whatever
    its code, it makes of a message Enroute at most.
    """
    state = None if message_state is None else _STATES.get(message_state)
    return MessageState.ENROUTE if intermediate and state is not None else state


class IdForm(NamedTuple):
    """One form that the id of a receipt may have had in the answer to its submit."""

    text: str
    """As the store compares: lower case, without leading zeros."""
    written: str
    """As the receipt writes it; an answer that wrote exactly this goes before one that only compares equal."""
    shows: IdMode | None
    """What a match by this form shows of the link; None where the id reads the same in every base."""
    confirmed_by_destination: bool
    """Whether the addresses must speak for a match; else it is enough that they do not speak against it."""


def is_unnamed(smsc_id: str) -> bool:
    """Whether an id in an answer names nothing: empty, or zeros alone."""
    return not smsc_id.strip().lstrip("0")


def id_forms(smsc_ids: Sequence[str], mode: IdMode, learned: IdMode = IdMode.RAW) -> list[IdForm]:
    """The forms to look the ids of a receipt up by, in order; each text once.

    A pinned `mode` has one form per id. LEARN has them all, those of the `learned` mode first; in it another base than
    the receipt's, or than the learned one, must be confirmed by the destination.
    """
    modes = (mode,) if mode is not IdMode.LEARN else (learned, *(each for each in _BASES if each is not learned))
    forms: dict[str, IdForm] = {}
    for written, each, text in _forms(smsc_ids, modes):
        if text not in forms:
            unsure = mode is IdMode.LEARN and (each is not IdMode.RAW or learned is not IdMode.RAW)
            shows = None if len(text) == 1 else each
            forms[text] = IdForm(text, written, shows, unsure)
    return list(forms.values())


def expected_forms(smsc_ids: Sequence[str], mode: IdMode, expected: IdMode) -> list[IdForm]:
    """Those of `id_forms` that nearly all receipts are found by: in the `expected` mode, or the same in every one."""
    if expected is IdMode.RAW and all(map(is_unmistakable, smsc_ids)):
        return id_forms(smsc_ids, IdMode.RAW)
    return [form for form in id_forms(smsc_ids, mode, expected) if form.shows in (None, expected)]


def is_unmistakable(smsc_id: str) -> bool:
    """Whether an id is long enough to read differently in every base."""
    return len(smsc_id.strip().lstrip("0")) > _SHORT_ID


_BASES = (IdMode.RAW, IdMode.HEX_DEC, IdMode.DEC_HEX)


def _forms(smsc_ids: Sequence[str], modes: Sequence[IdMode]) -> Iterator[tuple[str, IdMode, str]]:
    """As written, by which mode, as the store compares; ids that name nothing are left out."""
    for mode in modes:
        for smsc_id in smsc_ids:
            written = smsc_id.strip()
            plain = written.lower().lstrip("0")
            text = _in_answer(plain, mode)
            if text:
                yield written, mode, text


def _in_answer(plain: str, mode: IdMode) -> str | None:
    """How an answer wrote the id that a receipt writes as `plain`; None if it is no number of the receipt's base."""
    if mode is IdMode.RAW:
        return plain
    if not plain.isascii():
        return None
    if mode is IdMode.HEX_DEC and plain.isdecimal() and len(plain) <= _LONGEST_DECIMAL_ID:
        return f"{int(plain):x}"
    if mode is IdMode.DEC_HEX and len(plain) <= _LONGEST_NUMBER_ID and set(plain) <= _HEX_DIGITS and plain:
        return str(int(plain, 16))
    return None


def number_of(address: str) -> str | None:
    """The digits of an address that is a number (+ and 00 dropped), None for names, short codes and nothing."""
    digits = address.strip().removeprefix("+")
    digits = digits.removeprefix("00")
    return digits if digits.isascii() and digits.isdecimal() and len(digits) >= _SUFFIX else None


def destination_fits(phone: str, sender: str, report_source: str, report_destination: str) -> bool | None:
    """Whether a receipt speaks of `phone`: its source does, or (operators that do not swap) its destination.

    None = it names no number but our own sender's, so the addresses say nothing either way.
    """
    if report_source == phone and sender[:1].isalpha():  # nearly all
        return True
    ours = number_of(sender)
    numbers = [number for number in (number_of(report_source), number_of(report_destination)) if number]
    numbers = [number for number in numbers if number != ours]
    if not numbers:
        return None
    return any(number[-_SUFFIX:] == phone[-_SUFFIX:] for number in numbers)
