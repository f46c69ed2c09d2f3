"""The operator's message ids."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random
from uuid import UUID

from payk.simulator.options import IdForm

__all__ = ["id_maker"]


def id_maker(form: IdForm, first: int, random: Random) -> Callable[[], tuple[str, str]]:
    """A function that gives the next id: as submit_sm_resp says it, and as receipts do.

    Numbers grow from ``first``. Decimal ones have no leading zeros; hexadecimal ones are in lower case.
    """
    numbers = count(first)
    if form is IdForm.UUID:
        return lambda: (made := str(UUID(int=random.getrandbits(128), version=4)), made)
    if form is IdForm.HEX:
        return lambda: (made := format(next(numbers), "x"), made)
    if form is IdForm.HEX_DEC:
        return lambda: (format(number := next(numbers), "x"), str(number))
    return lambda: (made := str(next(numbers)), made)
