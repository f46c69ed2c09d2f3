"""The operator's message ids."""

from __future__ import annotations

from random import Random
from uuid import UUID

import pytest

from payk.simulator import IdForm
from payk.simulator.message_id import id_maker

FIRST = 1_763_979_359_000_000


@pytest.mark.parametrize(
    ("form", "first", "second"),
    [
        (IdForm.DEC, ("1763979359000000", "1763979359000000"), ("1763979359000001", "1763979359000001")),
        (IdForm.HEX, ("64454731595c0", "64454731595c0"), ("64454731595c1", "64454731595c1")),
        (IdForm.HEX_DEC, ("64454731595c0", "1763979359000000"), ("64454731595c1", "1763979359000001")),
        (IdForm.DEC_HEX, ("1763979359000000", "64454731595c0"), ("1763979359000001", "64454731595c1")),
        (IdForm.DEC_PADDED, ("1763979359000000", "00001763979359000000"), ("1763979359000001", "00001763979359000001")),
        (IdForm.HEX_PADDED, ("64454731595c0", "00064454731595C0"), ("64454731595c1", "00064454731595C1")),
    ],
)
def test_numbers_grow(form: IdForm, first: tuple[str, str], second: tuple[str, str]) -> None:
    make = id_maker(form, FIRST, Random(7))
    assert (make(), make()) == (first, second)


def test_uuids_differ_and_are_the_same_in_receipts() -> None:
    make = id_maker(IdForm.UUID, FIRST, Random(7))
    made = [make() for _ in range(100)]
    assert len(set(made)) == 100
    assert all(answered == in_receipts and UUID(answered).version == 4 for answered, in_receipts in made)
