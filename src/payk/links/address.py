"""Addresses as a link writes them: which kind an address is, and the TON and NPI its operator wants on that kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from payk.domain.operator import AddressKind

__all__ = ["Address", "recipient_ton_npi", "sender_address", "sender_kind"]

_SHORT_DIGITS: Final = 8  # a number of so few digits is a short code
_LONGEST: Final = 20  # source_addr and destination_addr hold 20 characters and a NUL
# An @ of the GSM alphabet is 0x00 and would end the field; operators read the others each in their own alphabet.
_ALPHANUMERIC: Final = re.compile(r"[ -?A-~]+")


class Address(NamedTuple):
    ton: int
    npi: int
    text: str
    """Digits, or the name of an alphanumeric sender."""


def sender_kind(sender: str) -> AddressKind:
    """Only digits: a short code or a number. Anything else is a name. No international number begins with 0."""
    digits = sender.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return AddressKind.ALNUM
    if len(digits) <= _SHORT_DIGITS:
        return AddressKind.SHORT
    return AddressKind.NATIONAL if sender.startswith("0") else AddressKind.INTERNATIONAL


def sender_address(sender: str, ton_npi: Mapping[AddressKind, tuple[int, int]]) -> Address | None:
    """The source address for `sender`; None if no operator can carry it as it is."""
    if not 1 <= len(sender) <= _LONGEST or not _ALPHANUMERIC.fullmatch(sender):
        return None
    kind = sender_kind(sender)
    return Address(*ton_npi[kind], sender if kind is AddressKind.ALNUM else sender.removeprefix("+"))


def recipient_ton_npi(ton_npi: Mapping[AddressKind, tuple[int, int]]) -> tuple[int, int]:
    """The kind of every destination address: a recipient is a normalised international number."""
    return ton_npi[AddressKind.INTERNATIONAL]
