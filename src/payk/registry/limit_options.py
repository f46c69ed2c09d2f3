"""The keys of a client that limit it: read as all keys are, decoded into payk.domain.limits.Limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from payk.domain.limits import Hours
from payk.domain.message import Priority, SmsType
from payk.registry.key import Option
from payk.registry.value import (
    Place,
    boolean,
    choice,
    described,
    integer,
    listing,
    mapping,
    money,
    money_text,
    number,
    shown,
    text,
)

__all__ = ["LIMITS"]

_MOST: Final = 1_000_000_000
_TYPES: Final = choice([kind.name.lower() for kind in SmsType])
_PRIORITIES: Final = choice([priority.name.lower() for priority in Priority])


_HOURS: Final = re.compile(r"((?:[01]\d|2[0-3]):[0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d)")


@described({"type": ["string", "null"], "examples": ["08:00-21:00"]})
def _hours(value: object, place: Place) -> str | None:
    if value == "":
        return None
    found = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[1] == found[2]:
        place.wrong(f"{shown(value)} is no part of a day", 'write "08:00-21:00", or "" for all day')
        return None
    return found[0]


def _decode_hours(stored: str | None) -> Hours | None:
    return None if stored is None else Hours.of(stored)


LIMITS: Final[Mapping[str, Option]] = {
    "requests_per_second": Option(
        number(0, 100_000), "Requests a second, over all processes; a bulk counts as one. 0 = any number.", 0.0
    ),
    "pace": Option(
        number(0, 100_000),
        "Messages a second that leave for operators, over all links and processes, Otp apart. 0 = any number.",
        0.0,
    ),
    "sms_types": Option(
        listing(_TYPES, noun="types"),
        'SmsTypes that it may send, of ["common", "otp", "batch"]; [] = all.',
        [],
        lambda stored: frozenset(SmsType[name.upper()] for name in stored),
    ),
    "max_priority": Option(
        mapping(_TYPES, _PRIORITIES, example='{common = "normal"}'),
        "The highest Priority by SmsType: low, normal or high.",
        {},
        lambda stored: {SmsType[kind.upper()]: Priority[name.upper()] for kind, name in stored.items()},
    ),
    "destinations": Option(
        listing(text(r"[1-9][0-9]{0,14}", "write 1 to 15 digits, such as 992"), noun="prefixes"),
        'Prefixes of numbers that it may send to, such as ["992"]; [] = all.',
        [],
        tuple,
    ),
    "batch_hours": Option(
        _hours,
        'When Batch may leave, by the clock of the recipient, such as "08:00-21:00"; outside it waits for the next '
        'opening, and ExpiresIn counts from then. "" = all day.',
        None,
        _decode_hours,
    ),
    "parts_per_day": Option(
        integer(0, _MOST), "Parts of all but Otp that are taken in a day (UTC). 0 = any number.", 0
    ),
    "parts_per_month": Option(integer(0, _MOST), "The same in a month.", 0),
    "otp_parts_per_day": Option(integer(0, _MOST), "Parts of Otp that are taken in a day (UTC). 0 = any number.", 0),
    "otp_parts_per_month": Option(integer(0, _MOST), "The same in a month.", 0),
    "number_per_hour": Option(
        integer(0, _MOST), "Messages but Otp that one number may get within an hour. 0 = any number.", 0
    ),
    "number_per_day": Option(integer(0, _MOST), "The same within 24 hours.", 0),
    "otp_number_per_hour": Option(integer(0, _MOST), "Otp that one number may get within an hour. 0 = any number.", 0),
    "otp_number_per_day": Option(integer(0, _MOST), "The same within 24 hours.", 0),
    "otp_per_minute": Option(
        number(0, 6_000_000),
        "Sustained rate of Otp; what comes beyond it is sent as Common High and shown as demoted. 0 = any.",
        0.0,
    ),
    "prepaid": Option(boolean, "true: parts are paid from the balance, by the price of the route.", False),
    "otp_reserve": Option(
        money,
        'What of a prepaid balance is kept for Otp, such as "50": others are refused before they take from it.',
        0,
        write=money_text,
    ),
    "otp_overdraft": Option(
        money,
        'How far below zero Otp may take a prepaid balance, such as "100". Others never do.',
        0,
        write=money_text,
    ),
}
