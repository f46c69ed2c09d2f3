"""A key of a registry file: how it is read, what it is when nobody wrote it, what it means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from payk.registry.value import Reader

__all__ = ["Key", "Option"]


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table: its reader, and what it is, in a sentence with the unit."""

    read: Reader[Any]
    about: str


@dataclass(frozen=True, slots=True)
class Option(Key):
    """A key that is stored as it is written; `default` in its stored form."""

    default: Any
    decode: Callable[[Any], Any] = lambda value: value
    """Its stored form as the domain has it."""
    write: Callable[[Any], Any] = lambda value: value
    """Its stored form as a file has it; None is what a file does not write."""
