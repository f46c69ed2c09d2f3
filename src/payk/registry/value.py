"""Reading single values of a registry file: each reader checks one, and answers it in the form in which it is stored.

A reader that finds something wrong says so at its place and answers None; the file is refused as a whole later, so
nobody looks at that None.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final, TypeVar

from payk.registry.errors import Problem

__all__ = [
    "EnoughProblems",
    "Place",
    "Reader",
    "boolean",
    "choice",
    "decode_moment",
    "decode_networks",
    "described",
    "integer",
    "listing",
    "mapping",
    "moment",
    "money",
    "money_text",
    "networks",
    "number",
    "schema_of",
    "shown",
    "signed_money",
    "suggestion",
    "text",
]

SHOWN_MAX: Final = 40
PROBLEMS_MAX: Final = 300
"""Nobody reads more of them, and what is wrong everywhere would take long."""
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class EnoughProblems(Exception):
    """So many were noted that reading on is of no use."""


@dataclass(frozen=True, slots=True)
class Place:
    """A key of the document, and the list that problems with it go to."""

    path: str
    problems: list[Problem]

    def key(self, name: str) -> Place:
        """The key `name` of the table at this place."""
        quoted = name if _BARE_KEY.fullmatch(name) else json.dumps(name)
        return Place(f"{self.path}.{quoted}" if self.path else quoted, self.problems)

    def item(self, index: int) -> Place:
        """An element of the list at this place, counted from 0."""
        return Place(f"{self.path}[{index}]", self.problems)

    def wrong(self, wrong: str, right: str) -> None:
        """Note a problem: what is wrong here, and what would be right. Raises EnoughProblems behind PROBLEMS_MAX."""
        if len(self.problems) >= PROBLEMS_MAX:
            raise EnoughProblems
        self.problems.append(Problem(self.path, wrong, right))


Value = TypeVar("Value")
Item = TypeVar("Item")
Reader = Callable[[object, Place], Value | None]
Schema = Mapping[str, Any]
"""JSON Schema, as OpenAPI 3.1 has it."""


def described(schema: Schema) -> Callable[[Reader[Value]], Reader[Value]]:
    """Says of a reader which values it takes."""

    def note(read: Reader[Value]) -> Reader[Value]:
        setattr(read, "schema", schema)  # noqa: B010 - a function has no such attribute to the type checker
        return read

    return note


def schema_of(read: Reader[Any]) -> Schema:
    """Which values a reader takes; {} where nobody said it."""
    found: Schema = getattr(read, "schema", {})
    return found


def shown(value: object) -> str:
    """A value as an error line may quote it: short, on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            quoted = json.dumps(value, ensure_ascii=False)
            return quoted if len(quoted) <= SHOWN_MAX else quoted[: SHOWN_MAX - 4] + '..."'
        case int() | float():
            return str(value) if isinstance(value, float) or abs(value) < 10**SHOWN_MAX else "a huge number"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return f"a {type(value).__name__}"


def suggestion(name: str, known: Collection[str]) -> str:
    """`did you mean "window"?` where a known name is near, else the known names."""
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {shown(near[0])}?"
    return f"known here: {', '.join(sorted(known))}" if known else "none is known here"


@described({"type": "boolean"})
def boolean(value: object, place: Place) -> bool | None:
    """true or false."""
    if isinstance(value, bool):
        return value
    place.wrong(f"{shown(value)} is neither true nor false", "write true or false, without quotes")
    return None


def integer(low: int, high: int, *, unit: str = "") -> Reader[int]:
    """A whole number from `low` to `high`."""
    right = f"write a whole number{unit and f' of {unit}'} from {low} to {high}"

    @described({"type": "integer", "minimum": low, "maximum": high})
    def read(value: object, place: Place) -> int | None:
        if isinstance(value, bool) or not isinstance(value, int):
            place.wrong(f"{shown(value)} is not a whole number", right)
        elif not low <= value <= high:
            place.wrong(f"{shown(value)} is out of range", right)
        else:
            return value
        return None

    return read


def number(low: float, high: float, *, unit: str = "") -> Reader[float]:
    """A number from `low` to `high`, with or without a fraction."""
    right = f"write a number{unit and f' of {unit}'} from {low:g} to {high:g}"

    @described({"type": "number", "minimum": low, "maximum": high})
    def read(value: object, place: Place) -> float | None:
        no_number = isinstance(value, float) and math.isnan(value)  # an integer may be beyond every float
        if no_number or isinstance(value, bool) or not isinstance(value, int | float):
            place.wrong(f"{shown(value)} is not a number", right)
        elif not low <= value <= high:
            place.wrong(f"{shown(value)} is out of range", right)
        else:
            return float(value)
        return None

    return read


def text(pattern: str, right: str, *, secret: bool = False) -> Reader[str]:
    """Text that matches `pattern` as a whole; `right` says in words what that is. A secret one is never quoted."""
    compiled = re.compile(pattern)

    @described({"type": "string", "pattern": f"^(?:{pattern})$"})
    def read(value: object, place: Place) -> str | None:
        if not isinstance(value, str):
            place.wrong("this is not text" if secret else f"{shown(value)} is not text", right)
        elif not compiled.fullmatch(value):
            place.wrong("this does not fit" if secret else f"{shown(value)} does not fit", right)
        else:
            return value
        return None

    return read


def choice(options: type[Enum] | Collection[str]) -> Reader[str]:
    """One of a few words."""
    words = [str(option.value) for option in options] if isinstance(options, type) else list(options)

    @described({"type": "string", "enum": words})
    def read(value: object, place: Place) -> str | None:
        if isinstance(value, str) and value in words:
            return value
        near = get_close_matches(value.lower(), words, n=1) if isinstance(value, str) else []
        right = f"did you mean {shown(near[0])}?" if near else f"write one of {', '.join(map(shown, words))}"
        place.wrong(f"{shown(value)} is not known here", right)
        return None

    return read


def listing(
    item: Reader[Item], *, noun: str, least: int = 0, same: Callable[[Item], object] = lambda value: value
) -> Reader[list[Item]]:
    """A list of distinct values; `same` gives what makes two of them the same."""

    @described({"type": "array", "items": schema_of(item), "minItems": least})
    def read(value: object, place: Place) -> list[Item]:
        if not isinstance(value, list):
            place.wrong(f"{shown(value)} is not a list", f"write a list of {noun} in brackets: [...]")
            return []
        if len(value) < least:
            place.wrong("the list is empty", f"name at least {least} of {noun}")
        first_at: dict[object, int] = {}
        found = []
        for index, element in enumerate(value):
            at = place.item(index)
            result = item(element, at)
            if result is None:
                continue
            first = first_at.setdefault(same(result), index)
            if first != index:
                at.wrong(f"the same as {place.item(first).path}", "name it once")
            else:
                found.append(result)
        return found

    return read


def mapping(key: Reader[str], item: Reader[Item], *, example: str) -> Reader[dict[str, Item]]:
    """An inline table; `key` reads the name of each entry, `item` its value."""

    @described({"type": "object", "propertyNames": schema_of(key), "additionalProperties": schema_of(item)})
    def read(value: object, place: Place) -> dict[str, Item] | None:
        if not isinstance(value, dict):
            place.wrong(f"{shown(value)} is not a table", f"write a table such as {example}")
            return None
        found: dict[str, Item] = {}
        for name, element in value.items():
            at = place.key(name)
            known = key(name, at)
            result = item(element, at)
            if known is None or result is None:
                continue
            if known in found:
                at.wrong("this entry is there twice, spelled differently", "write it once")
            found[known] = result
        return found

    return read


@described({"type": ["string", "null"], "format": "date-time"})
def moment(value: object, place: Place) -> str | None:
    """A moment with its zone: TOML's own kind, or ISO 8601 as text; stored as text in UTC, to the second."""
    right = 'write a moment with its zone, such as 2027-01-01T00:00:00Z, or "" for none'
    if value == "":
        return None
    at = value
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            at = None
    if not isinstance(at, datetime) or at.tzinfo is None:
        place.wrong(f"{shown(value)} is no moment with a zone", right)
        return None
    try:
        return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    except OverflowError:
        place.wrong(f"{shown(value)} is beyond all calendars", right)
        return None


def decode_moment(stored: str | None) -> datetime | None:
    """What `moment` read, as the domain has it."""
    return None if stored is None else datetime.fromisoformat(stored)


@described({"type": "array", "items": {"type": "string"}})
def networks(value: object, place: Place) -> list[str]:
    """A list of IP networks or addresses; stored in their one spelling."""
    return listing(_network, noun="networks")(value, place) or []


def _network(value: object, place: Place) -> str | None:
    right = 'write an address or a network, such as "10.1.2.3", "10.1.0.0/16" or "2001:db8::/32"'
    try:
        if isinstance(value, str):
            return str(ip_network(value))
    except ValueError as error:
        if "host bits" in str(error):
            right = f"did you mean {shown(str(ip_network(str(value), strict=False)))}?"
    place.wrong(f"{shown(value)} is no network", right)
    return None


def decode_networks(stored: Collection[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """What `networks` read, as the domain has it."""
    return tuple(map(ip_network, stored))


MONEY_UNIT: Final = 10_000
"""Stored units in one unit of the currency."""
MONEY_MAX: Final = 10**11


@described({"type": ["string", "number"], "examples": ["0.12"]})
def money(value: object, place: Place) -> int | None:
    """An amount of money of at most four decimals, as text or a number; stored as 1/10,000 of the currency unit."""
    right = 'write an amount from 0 to 100000000000 with at most four decimals, in quotes, such as "0.12"'
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            units = Decimal(str(value)) * MONEY_UNIT
            if 0 <= units <= MONEY_MAX * MONEY_UNIT and units == int(units):
                return int(units)
        except (InvalidOperation, ValueError, OverflowError):
            pass
    place.wrong(f"{shown(value)} is no amount of money", right)
    return None


def signed_money(written: str) -> int:
    """An amount that may be below zero, in 1/10,000 of the currency unit. ValueError says what would be right."""
    try:
        units = Decimal(written) * MONEY_UNIT
        if abs(units) <= MONEY_MAX * MONEY_UNIT and units == int(units):
            return int(units)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    raise ValueError('write an amount with at most four decimals, such as "250", "0.12" or "-10"')


def money_text(stored: int) -> str:
    """What `money` read, as it is written: `"0.12"`."""
    sign, units = "-" if stored < 0 else "", abs(stored)
    return f"{sign}{units // MONEY_UNIT}.{units % MONEY_UNIT:04}".rstrip("0").rstrip(".")
