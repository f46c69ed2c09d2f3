"""Types and states as the query strings of every site write them: by name in any case, or by number."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import TypeVar

from payk.domain.errors import quoted
from payk.domain.message import MessageState, SmsType

__all__ = ["sms_type_of", "state_of"]

_Kind = TypeVar("_Kind", bound=IntEnum)


def sms_type_of(written: str) -> SmsType:
    """`Batch`, `batch` or `3`. ValueError: what else there is."""
    return _one_of(SmsType, written)


def state_of(written: str) -> MessageState:
    """`Delivered`, `delivered` or `2`. ValueError: what else there is."""
    return _one_of(MessageState, written)


def _one_of(kinds: Iterable[_Kind], written: str) -> _Kind:
    known = {spelling: kind for kind in kinds for spelling in (kind.name.lower(), str(int(kind)))}
    found = known.get(written.strip().lower())
    if found is None:
        names = ", ".join(f"{int(kind)} ({kind.name.capitalize()})" for kind in kinds)
        raise ValueError(f"{quoted(written)} is none of {names}")
    return found
