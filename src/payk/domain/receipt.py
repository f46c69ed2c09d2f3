"""Rules of receipts: what an operator's word means for a message, and which submit a receipt can belong to.

Sources: SMPP 3.4, 5.2.28 (message_state) and Appendix B; docs/operators.md for what operators really send.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from payk.domain.message import MessageState
from payk.domain.operator import IdMode

__all__ = ["ReceiptReport", "ReceiptWait", "destination_fits", "id_forms", "number_of", "state_of"]

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


@dataclass(frozen=True, slots=True)
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
    parked_id: int | None = None
    """Set where it comes out of the parked ones."""


@dataclass(frozen=True, slots=True)
class ReceiptWait:
    """How long final receipts are awaited, in seconds."""

    wait: float = 172_800.0
    """After the last submit, for messages without ExpiresIn."""
    grace: float = 3_600.0
    """After ExpiresIn."""


def state_of(message_state: int | None) -> MessageState | None:
    """The state for a message_state code; None where it says nothing (7 UNKNOWN, reserved codes, no code)."""
    return None if message_state is None else _STATES.get(message_state)


def id_forms(smsc_ids: Sequence[str], mode: IdMode) -> list[tuple[int, str]]:
    """The normal forms to look an id up by, with a rank: 0 = as written (zeros and case aside), 1 = in another base.

    `mode` pins how the answer's base differs from the receipt's; LEARN tries both directions.
    """
    forms: dict[str, int] = {}
    for smsc_id in smsc_ids:
        plain = smsc_id.strip().lower().lstrip("0")
        if mode not in (IdMode.HEX_DEC, IdMode.DEC_HEX):
            forms.setdefault(plain, 0)
        if not plain or len(plain) > _LONGEST_NUMBER_ID + 4 or not plain.isascii():
            continue
        if mode in (IdMode.LEARN, IdMode.HEX_DEC) and plain.isdecimal():
            forms.setdefault(f"{int(plain):x}", 0 if mode is IdMode.HEX_DEC else 1)
        if (
            mode in (IdMode.LEARN, IdMode.DEC_HEX)
            and len(plain) <= _LONGEST_NUMBER_ID
            and all(character in "0123456789abcdef" for character in plain)
        ):
            forms.setdefault(str(int(plain, 16)), 0 if mode is IdMode.DEC_HEX else 1)
    return [(rank, form) for form, rank in forms.items()]


def number_of(address: str) -> str | None:
    """The digits of an address that is a number (+ and 00 dropped), None for names, short codes and nothing."""
    digits = address.strip().removeprefix("+")
    digits = digits.removeprefix("00")
    return digits if digits.isascii() and digits.isdecimal() and len(digits) >= _SUFFIX else None


def destination_fits(phone: str, sender: str, report_source: str, report_destination: str) -> bool | None:
    """Whether a receipt speaks of `phone`: its source does, or (operators that do not swap) its destination.

    None = it names no number but our own sender's, so the addresses say nothing either way.
    """
    ours = number_of(sender)
    numbers = [number for number in (number_of(report_source), number_of(report_destination)) if number]
    numbers = [number for number in numbers if number != ours]
    if not numbers:
        return None
    return any(number[-_SUFFIX:] == phone[-_SUFFIX:] for number in numbers)
