"""The operator's message ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from random import Random
from typing import Final
from uuid import UUID

from payk.simulator.options import IdForm

__all__ = ["id_maker"]

# How a number is written in submit_sm_resp, and how in receipts if not the same.
_FORMS: Final[Mapping[IdForm, tuple[str, str | None]]] = {
    IdForm.DEC: ("d", None),
    IdForm.HEX: ("x", None),
    IdForm.HEX_DEC: ("x", "d"),
    IdForm.DEC_HEX: ("d", "x"),
    IdForm.DEC_PADDED: ("d", "020d"),
    IdForm.HEX_PADDED: ("x", "016X"),
}


def id_maker(form: IdForm, first: int, random: Random) -> Callable[[], tuple[str, str]]:
    """A function that gives the next id: as submit_sm_resp says it, and as receipts do.

    Numbers grow from ``first``. Only the padded forms have leading zeros, and only in receipts.
    """
    if form is IdForm.UUID:
        return lambda: (made := str(UUID(int=random.getrandbits(128), version=4)), made)
    numbers = count(first)
    answered, in_receipts = _FORMS[form]
    if in_receipts is None:
        return lambda: (made := format(next(numbers), answered), made)
    return lambda: (format(number := next(numbers), answered), format(number, in_receipts))
