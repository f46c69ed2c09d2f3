"""The decorator of the values that every message makes: PDUs, claims, outcomes, receipts.

``@value`` is ``dataclass(frozen=True, slots=True)`` to the type checker. At run time the class is not frozen: a frozen
dataclass sets each field through ``object.__setattr__``, which makes a submit_sm eight times as dear to construct
(1.9 against 0.23 microseconds, tried).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

__all__ = ["value"]

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[_T]) -> type[_T]:
    return dataclass(slots=True, unsafe_hash=True)(cls)
