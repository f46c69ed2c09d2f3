"""Addresses: the normal form of a phone number, and the rules of sender names.

Source: docs/en/api.md, "Fields of a message", PhoneNumber and SenderAddress.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from payk.domain.account import Client
from payk.domain.errors import Code, Field, Rejection, quoted

__all__ = [
    "NATIONAL_DIGITS",
    "SENDER_MAX",
    "check_sender_fits",
    "normalise_phone",
    "registered_sender",
    "sender_fits",
    "ways_to_write",
]

NATIONAL_DIGITS: Mapping[str, int] = {"7": 10, "992": 9, "993": 8, "996": 9, "998": 9}
"""Country code -> digits of a national number, for countries where all have the same length (ITU-T E.164 plans)."""

_EXACT_LENGTH: Mapping[str, int] = {"992": 12}
"""Country code -> digits of a whole number, where any other length is refused."""

SENDER_MAX = 15

_PUNCTUATION = str.maketrans("", "", " -().\t\r\n\v\f\u00a0\u202f")
_NUMBER = re.compile(r"[1-9][0-9]{6,14}")
_SENDER = re.compile(r"[!-?A-~](?:[ -?A-~]*[!-?A-~])?")  # printable ASCII without @, no space at either end


def normalise_phone(raw: str, default_country: str | None = None) -> str:
    """The digits of a number with its country code; `raw` may be punctuated and begin with + or 00.

    A number of exactly the national length of `default_country`, written without + or 00, is national.
    Raises Rejection (PhoneNumberInvalid).
    """
    digits, international = raw, False
    if not _NUMBER.fullmatch(raw):  # most are written plainly
        bare = raw.translate(_PUNCTUATION)
        international = bare.startswith(("+", "00"))
        digits = bare[1 if bare[0] == "+" else 2 :] if international else bare
        if not _NUMBER.fullmatch(digits):
            raise _invalid_phone(raw, "7 to 15 digits with the country code, such as 992900900900")
    if default_country and not international and len(digits) == NATIONAL_DIGITS.get(default_country):
        digits = default_country + digits
    for country, length in _EXACT_LENGTH.items():
        if digits.startswith(country) and len(digits) != length:
            raise _invalid_phone(raw, f"a number of country {country} has {length} digits")
    return digits


def _invalid_phone(raw: str, rule: str) -> Rejection:
    detail = f"PhoneNumber {quoted(raw)} is not valid: {rule}."
    return Rejection(Code.PHONE_NUMBER_INVALID, detail, Field.PHONE_NUMBER)


def registered_sender(raw: str, client: Client, now: Callable[[], datetime]) -> str:
    """The sender as it is registered for `client`, compared without case; `now` is asked only where approvals end.

    Raises Rejection (SenderAddressTooLong, SenderAddressInvalid, SenderAddressNotAllowed).
    """
    if len(raw) > SENDER_MAX:
        detail = f"SenderAddress has {len(raw)} characters; at most {SENDER_MAX} are allowed."
        raise Rejection(Code.SENDER_ADDRESS_TOO_LONG, detail, Field.SENDER_ADDRESS)
    if not _SENDER.fullmatch(raw):
        detail = f"SenderAddress {quoted(raw)} is not valid: printable ASCII without @, and no space at either end."
        raise Rejection(Code.SENDER_ADDRESS_INVALID, detail, Field.SENDER_ADDRESS)
    sender = client.senders.get(raw.casefold())
    ends = client.sender_expiry.get(raw.casefold()) if client.sender_expiry else None
    if sender is not None and ends is not None and ends <= now():
        detail = f"The approval of SenderAddress {quoted(raw)} ended {ends:%Y-%m-%dT%H:%M:%S} UTC."
        raise Rejection(Code.SENDER_ADDRESS_NOT_ALLOWED, detail, Field.SENDER_ADDRESS)
    if sender is None:
        count = len(client.senders)
        names = "name" if count == 1 else "names"
        detail = f"SenderAddress {quoted(raw)} is not among the {count} {names} registered for client '{client.name}'."
        raise Rejection(Code.SENDER_ADDRESS_NOT_ALLOWED, detail, Field.SENDER_ADDRESS)
    return sender


def sender_fits(sender: str, alnum_max: int) -> bool:
    """Whether an operator that carries alphanumeric senders of at most `alnum_max` characters carries this one whole.

    A sender of digits alone is no alphanumeric one.
    """
    return len(sender) <= alnum_max or sender.isdigit()


def check_sender_fits(sender: str, alnum_max: int, operator: str) -> None:
    """An operator gets no sender that it does not carry whole. Raises Rejection (SenderAddressTooLong)."""
    if not sender_fits(sender, alnum_max):
        detail = (
            f"SenderAddress {quoted(sender)} has {len(sender)} characters; operator '{operator}', which carries this"
            f" number, takes at most {alnum_max}."
        )
        raise Rejection(Code.SENDER_ADDRESS_TOO_LONG, detail, Field.SENDER_ADDRESS)


def ways_to_write(phone: str) -> list[str]:
    """The digits by which an operator may mean this number: with the country code, 00 before it, or without."""
    ways = [phone, f"00{phone}"]
    for country, digits in NATIONAL_DIGITS.items():
        if phone.startswith(country) and len(phone) == len(country) + digits:
            ways += [phone[len(country) :], f"0{phone[len(country) :]}"]
    return ways
