"""User data headers, written and read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.smpp import Concatenation, LocalError, UserData, concatenation_8bit, concatenation_16bit, parse_udh


def test_written() -> None:
    assert concatenation_8bit(0x42, 3, 1) == bytes.fromhex("050003420301")
    assert concatenation_16bit(0xD202, 2, 1) == bytes.fromhex("060804d2020201")


@pytest.mark.parametrize(
    ("reference", "total", "number"), [(256, 2, 1), (-1, 2, 1), (1, 2, 0), (1, 2, 3), (1, 0, 0), (1, 256, 1)]
)
def test_impossible_parts_are_refused(reference: int, total: int, number: int) -> None:
    with pytest.raises(LocalError):
        concatenation_8bit(reference, total, number)
    with pytest.raises(LocalError):
        concatenation_16bit(reference << 8, total, number)


@pytest.mark.parametrize(
    ("octets", "concatenation", "text"),
    [
        ("0500034203013132", Concatenation(0x42, 3, 1), b"12"),
        ("0500034203023334", Concatenation(0x42, 3, 2), b"34"),
        ("05000342030335", Concatenation(0x42, 3, 3), b"5"),
        ("06080401000201", Concatenation(256, 2, 1), b""),
        ("0b0504062d00000003010201", Concatenation(1, 2, 1), b""),
        ("03240103747b7374", None, b"t{st"),
        ("0074", None, b"t"),
    ],
)
def test_read(octets: str, concatenation: Concatenation | None, text: bytes) -> None:
    user_data = parse_udh(bytes.fromhex(octets))
    assert user_data is not None
    assert (user_data.concatenation, user_data.text) == (concatenation, text)


def test_all_elements_are_given() -> None:
    user_data = parse_udh(bytes.fromhex("0b0504062d00000003010201"))
    assert user_data == UserData(((5, b"\x06\x2d\0\0"), (0, b"\1\2\1")), Concatenation(1, 2, 1), b"")


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "54657374",  # "Test": the header would be longer than the message
        "0500034203",  # cut off
        "05000442030105",  # an element that reaches beyond the header
        "050803420301",  # a 16-bit reference in three octets
        "06000442420301",  # an 8-bit reference in four
        "050003420001",  # of no parts
        "050003420300",  # part 0
        "050003420304",  # part 4 of 3
        "0100",  # an element without its length
        "060804d2020100",  # part 0 of 1
    ],
)
def test_what_is_no_header(octets: str) -> None:
    assert parse_udh(bytes.fromhex(octets)) is None


@given(st.binary(max_size=40))
def test_nothing_makes_it_raise(octets: bytes) -> None:
    user_data = parse_udh(octets)
    if user_data is not None:
        assert octets.endswith(user_data.text)


@given(st.integers(0, 255), st.integers(1, 255), st.data(), st.binary(max_size=134))
def test_what_is_written_is_read(reference: int, total: int, data: st.DataObject, text: bytes) -> None:
    number = data.draw(st.integers(1, total))
    for header in (concatenation_8bit(reference, total, number), concatenation_16bit(reference, total, number)):
        user_data = parse_udh(header + text)
        assert user_data is not None
        assert (user_data.concatenation, user_data.text) == (Concatenation(reference, total, number), text)
