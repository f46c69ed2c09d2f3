"""TON and NPI of senders and recipients."""

from __future__ import annotations

import pytest

from payk.domain.operator import DEFAULT_TON_NPI, AddressKind
from payk.links.address import recipient_ton_npi, sender_address, sender_kind


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ("AlifBank", (5, 0, "AlifBank")),
        ("Olami Ashyo", (5, 0, "Olami Ashyo")),
        ("24x7", (5, 0, "24x7")),
        ("1234", (3, 0, "1234")),
        ("12345678", (3, 0, "12345678")),
        ("992900900900", (1, 1, "992900900900")),
        ("+992900900900", (1, 1, "992900900900")),
        ("0900900900", (2, 1, "0900900900")),  # no international number begins with 0
        ("01234", (3, 0, "01234")),
    ],
)
def test_a_sender_is_marked_by_its_kind(sender: str, expected: tuple[int, int, str]) -> None:
    assert sender_address(sender, DEFAULT_TON_NPI) == expected


@pytest.mark.parametrize("sender", ["", "Алиф", "a@b", "tab\t", "nul\0", "x" * 21, "٣٤٥"])
def test_what_no_operator_carries_is_no_sender(sender: str) -> None:
    assert sender_address(sender, DEFAULT_TON_NPI) is None


def test_arabic_digits_are_no_digits() -> None:
    assert sender_kind("٣٤٥") is AddressKind.ALNUM


def test_the_link_has_the_last_word() -> None:
    table = {**DEFAULT_TON_NPI, AddressKind.ALNUM: (0, 5), AddressKind.SHORT: (6, 0), AddressKind.INTERNATIONAL: (0, 1)}
    assert sender_address("AlifBank", table) == (0, 5, "AlifBank")
    assert sender_address("1234", table) == (6, 0, "1234")
    assert recipient_ton_npi(table) == (0, 1)


def test_a_recipient_is_international() -> None:
    assert recipient_ton_npi(DEFAULT_TON_NPI) == (1, 1)
