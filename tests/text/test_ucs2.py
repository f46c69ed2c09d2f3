from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.text import UnencodableError, ucs2


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("Ая", "0410044f"),
        ("😀", "d83dde00"),
        (
            "Салом, Ҷаҳон! Қӯрғонтеппа",
            "04210430043b043e043c002c002004b6043004b3043e043d00210020049a04ef04400493043e043d04420435043f043f0430",
        ),
        ("agjwklgjkwP", "00610067006a0077006b006c0067006a006b00770050"),
        ("ҒғӢӣҚқӮӯҲҳҶҷ", "0492049304e204e3049a049b04ee04ef04b204b304b604b7"),
        ("", ""),
    ],
)
def test_vectors(text: str, octets: str) -> None:
    assert ucs2.encode(text).hex() == octets
    assert ucs2.decode(bytes.fromhex(octets)) == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("0410044f04", "Ая"),  # odd: the last octet is dropped
        ("04", ""),
        ("feff0410044f", "Ая"),
        ("fffe10044f04", "Ая"),
        ("fffe10044f0400", "Ая"),
        ("feff", ""),
        ("0410d83d", "А\ufffd"),  # half a pair at the end
        ("d83d0410", "\ufffdА"),
        ("de000410", "\ufffdА"),
        ("fffe3dd81004", "\ufffdА"),
        ("0410feff", "А\ufeff"),  # only the first one is a mark
    ],
)
def test_decoding_what_peers_get_wrong(octets: str, text: str) -> None:
    assert ucs2.decode(bytes.fromhex(octets)) == text


def test_a_lone_surrogate_cannot_be_encoded() -> None:
    with pytest.raises(UnencodableError) as caught:
        ucs2.encode("Ая\ud83d!")
    assert (caught.value.character, caught.value.index) == ("\ud83d", 2)


@given(st.text())
def test_encoding_is_undone_by_decoding(text: str) -> None:
    if not text.startswith(("\ufeff", "\ufffe")):  # U+FFFE is no character; first, it reads as a mark
        assert ucs2.decode(ucs2.encode(text)) == text


@given(st.binary())
def test_any_octets_decode_to_what_can_be_encoded_again(octets: bytes) -> None:
    ucs2.encode(ucs2.decode(octets))
