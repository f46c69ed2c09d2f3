from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.text import Alphabet, NationalLanguage, alphabet_of, decode_user_data


@pytest.mark.parametrize(
    ("data_codings", "alphabet"),
    [
        ((0x00,), Alphabet.GSM),
        ((0x01,), Alphabet.ASCII),
        ((0x02, 0x04), Alphabet.BINARY),
        ((0x03,), Alphabet.LATIN1),
        ((0x06,), Alphabet.CYRILLIC),
        ((0x07,), Alphabet.HEBREW),
        ((0x08,), Alphabet.UCS2),
        ((0x05, 0x09, 0x0A, 0x0D, 0x0E), Alphabet.BINARY),  # sets without a reader
        ((0x10, 0x11, 0x12, 0x13), Alphabet.GSM),  # message classes 0-3
        ((0x14, 0x15), Alphabet.BINARY),
        ((0x18,), Alphabet.UCS2),  # flash
        ((0x19, 0x1A, 0x1B), Alphabet.UCS2),
        ((0x1C, 0x1F), Alphabet.GSM),  # reserved alphabet: read as the default one
        ((0x20, 0x28, 0x38, 0x60, 0x78), Alphabet.BINARY),  # compressed
        ((0x40, 0x50), Alphabet.GSM),
        ((0x48, 0x58), Alphabet.UCS2),  # marked for deletion, else as above
        ((0x80, 0xBF), Alphabet.GSM),  # reserved: read as the default alphabet
        ((0xC0, 0xC8, 0xD0, 0xDF), Alphabet.GSM),  # message waiting
        ((0xE0, 0xE8, 0xEF), Alphabet.UCS2),
        ((0xF0, 0xF1, 0xF2, 0xF3), Alphabet.GSM),
        ((0xF4, 0xF5, 0xF6, 0xF7), Alphabet.BINARY),
    ],
)
def test_the_alphabet_of_a_data_coding(data_codings: tuple[int, ...], alphabet: Alphabet) -> None:
    assert {alphabet_of(data_coding) for data_coding in data_codings} == {alphabet}


@pytest.mark.parametrize(
    ("octets", "alphabet", "text"),
    [
        ("001b65", Alphabet.GSM, "@€"),
        ("4000ff", Alphabet.ASCII, "@\ufffdÿ"),
        ("402460c1", Alphabet.LATIN1, "@$`Á"),
        ("61676a776b6c676a6b7750d3", Alphabet.LATIN1, "agjwklgjkwPÓ"),
        ("61676a776b6c676a6b7750e4", Alphabet.CYRILLIC, "agjwklgjkwPф"),
        ("61676a776b6c676a6b7750f5", Alphabet.HEBREW, "agjwklgjkwPץ"),
        ("a1", Alphabet.HEBREW, "\ufffd"),
        ("fffe100400004f", Alphabet.UCS2, "А\ufffd"),
        ("00ff41", Alphabet.BINARY, "\ufffdÿA"),
    ],
)
def test_decoding(octets: str, alphabet: Alphabet, text: str) -> None:
    assert decode_user_data(bytes.fromhex(octets), alphabet) == text


def test_national_shift_tables_belong_to_the_seven_bit_alphabet() -> None:
    """`03 24 01 03` with data_coding 1 is on the wire (node-smpp), though that data_coding says ASCII."""
    portuguese = NationalLanguage.PORTUGUESE
    assert decode_user_data(b"t\x7bst", Alphabet.GSM, locking=portuguese) == "tãst"
    assert decode_user_data(b"t\x7bst", Alphabet.ASCII, locking=portuguese) == "tãst"
    assert decode_user_data(b"t\x1b\x7bst", Alphabet.ASCII, single=portuguese) == "tãst"
    assert decode_user_data(b"t\x7bst", Alphabet.ASCII, single=portuguese) == "täst"
    assert decode_user_data(b"\x00t\x00\xe3", Alphabet.UCS2, locking=portuguese) == "tã"


@given(st.binary(), st.integers(0, 255), st.none() | st.integers(0, 255), st.none() | st.integers(0, 255))
def test_any_octets_under_any_data_coding_give_a_text_a_store_can_keep(
    octets: bytes, data_coding: int, locking: int | None, single: int | None
) -> None:
    text = decode_user_data(octets, alphabet_of(data_coding), locking, single)
    assert "\0" not in text
    text.encode()  # no lone surrogate
