"""network_error_code: every kind of network, numbers in digits, and octets of any length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.smpp import NetworkError, parse_network_error

ROWS = [
    ("01001b", "ANSI-136 access denied", 27),
    ("020001", "IS-95 access denied", 1),
    ("03001b", "GSM", 27),
    ("03ffff", "GSM", 65_535),
    ("040100", "ANSI-136 cause", 256),
    ("050000", "IS-95 cause", 0),
    ("060020", "ANSI-41", 32),
    ("07000b", "SMPP", 11),
    ("080400", "MC-specific", 1_024),
    # kinds of no table
    ("000001", "0x00", 1),
    ("090001", "0x09", 1),
    ("ff0001", "0xFF", 1),
    # three ASCII digits are a number
    ("303030", None, 0),
    ("303237", None, 27),
    ("393939", None, 999),
    # digits in part are none
    ("033031", "GSM", 0x3031),
    ("333100", "0x33", 0x3100),
    # other lengths, as they stand
    ("", None, "0x"),
    ("03", None, "0x03"),
    ("0301", None, "0x0301"),
    ("03001b00", None, "0x03001b00"),
    ("3030", None, "0x3030"),
]


@pytest.mark.parametrize(("octets", "network", "code"), ROWS)
def test_what_it_says(octets: str, network: str | None, code: int | str) -> None:
    assert parse_network_error(bytes.fromhex(octets)) == NetworkError(network, code)


@given(st.binary(max_size=8))
def test_any_octets_say_something(octets: bytes) -> None:
    said = parse_network_error(octets)
    if isinstance(said.code, str):
        assert (said.network, bytes.fromhex(said.code[2:])) == (None, octets)
    else:
        assert len(octets) == 3 and 0 <= said.code <= 0xFFFF


@given(st.binary(min_size=3, max_size=3))
def test_nothing_of_three_octets_is_lost(octets: bytes) -> None:
    said = parse_network_error(octets)
    assert isinstance(said.code, int)
    if said.network is None:
        assert f"{said.code:03}".encode() == octets
    else:
        assert said.code.to_bytes(2, "big") == octets[1:]
