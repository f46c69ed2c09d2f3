"""What would become of a message that is not sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["BrokenRule", "ForcingCharacter", "Preview", "PreviewOperator", "PreviewRoute", "ShorterText"]


@dataclass(frozen=True, slots=True)
class ForcingCharacter:
    """A character that the GSM alphabet does not hold; `at` counts characters of the text in NFC from 0."""

    character: str
    at: int
    count: int


@dataclass(frozen=True, slots=True)
class ShorterText:
    """The text in a spelling that needs fewer parts: `plain` typography, or transliterated as `ru` or `tg`."""

    spelling: str
    text: str
    encoding: str
    parts: int
    characters_left: int


@dataclass(frozen=True, slots=True)
class PreviewOperator:
    """An operator of the route, in the order in which they are tried."""

    name: str
    weight: int
    carries: bool
    why: str | None


@dataclass(frozen=True, slots=True)
class PreviewRoute:
    """Where the message would go, and why."""

    prefix: str
    why: str
    operators: tuple[PreviewOperator, ...]


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """Why the message would be refused; `field` None where it is about none."""

    field: str | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What is known of the message. What its text says is None where it has none that could be sent."""

    phone_number: str | None
    encoding: str | None
    """GSM7 or UCS2."""
    parts: int | None
    units: int | None
    """Septets of GSM7, or UTF-16 units of UCS2, of all parts."""
    characters_left: int | None
    """What could be added to the last part, in units."""
    ends: tuple[int, ...] | None
    """Where each part ends: characters from the beginning of the text in NFC."""
    forced_by: tuple[ForcingCharacter, ...]
    shorter: ShorterText | None
    route: PreviewRoute | None
    price: str | None
    """Of a part; None where the client is not prepaid."""
    cost: str | None
    rejections: tuple[BrokenRule, ...]
    """Empty: it would be taken."""
    body: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The documented JSON as it came."""
