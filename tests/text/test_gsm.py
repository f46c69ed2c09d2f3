from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.text import NationalLanguage, UnencodableError, gsm
from payk.text.gsm_tables import DEFAULT_ALPHABET, DEFAULT_EXTENSION, LOCKING_SHIFT, SINGLE_SHIFT

BASIC = DEFAULT_ALPHABET.replace("\x1b", "")
EXTENSION = "".join(DEFAULT_EXTENSION.values())
gsm_texts = st.text(alphabet=BASIC + EXTENSION)
septets = st.binary().map(lambda octets: bytes(octet & 0x7F for octet in octets))

LOREM = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit. Curabitur nec nunc venenatis, ultricies ipsum id, "
    "volutpat ante. Sed pretium ac metus a interdum metus."
)
LOREM_PACKED = (
    "ccb7bcdc06a5e1f37a1b447eb3df72d03c4d0785db653a0b347ebbe7e531bd4cafcb4161721a9e9e8fd3ee33a8cc4ed35da0615d1e16a7e9"
    "7539c85d1e83dc75f718642fbbcbee303d3d6781ea6cba3c3d4e97e7a0347c5e6f83d26416c8fe66d7e9f0301d1476d3cb2ed0b44c06c1e5"
    "657abade0685c7a076995e9f83c2a0b49b5e9693eb6d50bb4cafcf5d"
)


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("@£$¥", "00010203"),
        (" 1a=", "2031613d"),
        ("~^€", "1b3d1b141b65"),
        ("^{}\\[~]|€", "1b141b281b291b2f1b3c1b3d1b3e1b401b65"),
        ("\f", "1b0a"),
        ("\n\r", "0a0d"),
        ("Δ_§¿¡", "10115f6040"),
        ("12345[6]", "31323334351b3c361b3e"),
        ("", ""),
    ],
)
def test_vectors(text: str, octets: str) -> None:
    assert gsm.encode(text).hex() == octets
    assert gsm.decode(bytes.fromhex(octets)) == text


def test_the_whole_default_alphabet_is_in_the_order_of_the_specification() -> None:
    every_septet_but_esc = bytes(septet for septet in range(128) if septet != 0x1B)
    alphabet = (
        "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
        "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
    )
    assert gsm.encode(alphabet) == every_septet_but_esc
    assert gsm.decode(every_septet_but_esc) == alphabet


@pytest.mark.parametrize("text", ["`", "ç", "á", "«", "»", "№", "Салом", "ғ", "\x1b", "\0", "\t", "😀", "你"])
def test_what_is_not_in_the_alphabet(text: str) -> None:
    assert not gsm.is_encodable(text)
    with pytest.raises(UnencodableError):
        gsm.encode(text)


def test_the_error_names_the_first_character_that_does_not_fit() -> None:
    with pytest.raises(UnencodableError) as caught:
        gsm.encode("code №1 «x»")
    assert (caught.value.character, caught.value.index) == ("№", 5)
    assert str(caught.value) == "U+2116 at index 5 cannot be encoded in GSM 03.38"


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("80", "@"),  # bit 7 is masked
        ("e1", "a"),
        ("1b", " "),  # ESC at the end
        ("1b80", "@"),  # unknown after ESC: the main table's character
        ("1b41", "A"),
        ("9be5", "€"),
        ("1b1b", " "),
        ("1b1b65", " e"),
        ("1b1b1b65", " €"),
        ("611b1b62", "a b"),
        ("611b", "a "),
    ],
)
def test_decoding_what_no_encoder_should_write(octets: str, text: str) -> None:
    assert gsm.decode(bytes.fromhex(octets)) == text


def test_what_is_foreign_is_named_with_its_place() -> None:
    assert list(gsm.foreign("№1 «ғ» €№")) == [(0, "№"), (3, "«"), (4, "ғ"), (5, "»"), (8, "№")]
    assert list(gsm.foreign(BASIC + EXTENSION)) == []


@given(gsm_texts)
def test_encoding_is_undone_by_decoding(text: str) -> None:
    octets = gsm.encode(text)
    assert gsm.is_encodable(text)
    assert gsm.decode(octets) == text


@given(st.text() | st.text(st.characters(max_codepoint=127)))
def test_a_text_encodes_if_it_is_said_to(text: str) -> None:
    if gsm.is_encodable(text):
        assert gsm.decode(gsm.encode(text)) == text
        assert gsm.try_encode(text) == gsm.encode(text)
    else:
        assert gsm.try_encode(text) is None
        with pytest.raises(UnencodableError) as caught:
            gsm.encode(text)
        assert text.index(caught.value.character) == caught.value.index
        assert gsm.is_encodable(text[: caught.value.index])


@given(st.binary(), st.none() | st.integers(0, 255), st.none() | st.integers(0, 255))
def test_any_octets_decode(octets: bytes, locking: int | None, single: int | None) -> None:
    text = gsm.decode(octets, locking=locking, single=single)
    assert len(octets) / 2 <= len(text) <= len(octets)
    assert "\x1b" not in text


def test_turkish() -> None:
    locking, single = NationalLanguage.TURKISH, NationalLanguage.TURKISH
    assert gsm.decode(bytes.fromhex("1b3d1b14040b"), locking=locking) == "~^€Ğ"
    assert gsm.decode(bytes.fromhex("040b0c071c1d4060"), locking=locking) == "€ĞğıŞşİç"
    assert gsm.decode(bytes.fromhex("1b471b491b531b631b651b671b691b73"), single=single) == "ĞİŞç€ğış"
    assert gsm.decode(b"\x1b\x0c", locking=locking, single=single) == "ğ"  # falls back to the table that is locked


def test_spanish_has_a_single_shift_table_only() -> None:
    single = NationalLanguage.SPANISH
    assert gsm.decode(bytes.fromhex("1b3d1b141b651b75"), single=single) == "~^€ú"
    assert gsm.decode(bytes.fromhex("1b091b411b491b4f1b551b611b691b6f1b75"), single=single) == "çÁÍÓÚáíóú"
    assert gsm.decode(b"A\x40\x60", locking=NationalLanguage.SPANISH) == "A¡¿"


def test_portuguese() -> None:
    language = NationalLanguage.PORTUGUESE
    assert gsm.decode(b" 1a=\x5b", locking=language) == " 1a=Ã"
    assert gsm.decode(b"t\x7bst", locking=language) == "tãst"
    assert gsm.decode(b"t\x1b\x7bst", single=language) == "tãst"
    assert gsm.decode(bytes.fromhex("1b3d1b141b18"), single=language) == "~^Σ"
    assert (
        gsm.decode(bytes.fromhex("0405060708090b0c0e0f12131415161718191a1c1d1e1f24405b5c5d60 7b7c7d"), locking=language)
        == "êéúíóçÔôÁáªÇÀ∞^\\€Ó|ÂâÊÉºÍÃÕÚ~ãõ`"
    )
    codes = "05090b0c0e0f1213151617181f1941494f555b5c6165696f757b7c7f"
    octets = b"".join(bytes((gsm.ESC, code)) for code in bytes.fromhex(codes))
    assert gsm.decode(octets, single=language) == "êçÔôÁáΦΓΩΠΨΣÊΘÀÍÓÚÃÕÂ€íóúãõâ"


def test_a_language_without_a_table_reads_as_the_default() -> None:
    assert gsm.decode(b"\x00\x1b\x65\x40", locking=13, single=13) == "@€¡"


def test_national_tables_are_whole() -> None:
    assert len(DEFAULT_ALPHABET) == 128
    for table in LOCKING_SHIFT.values():
        assert len(table) == 128
        assert table[gsm.ESC] == "\x1b"
    for shift in SINGLE_SHIFT.values():
        assert DEFAULT_EXTENSION.items() <= shift.items()
        assert gsm.ESC not in shift


@pytest.mark.parametrize(
    ("language", "locked", "shifted"),
    [
        (NationalLanguage.TURKISH, "04070b0c1c1d4060", "47495363676973"),
        (NationalLanguage.SPANISH, "", "0941494f5561696f75"),
        (
            NationalLanguage.PORTUGUESE,
            "0406070809 0b0c0e0f 12131415161718191a 1c1d1e 24 40 5b5c5d 60 7b7c7d",
            "05090b0c0e0f 1213 1516171819 1f 41494f55 5b5c 61696f75 7b7c7f",
        ),
    ],
)
def test_national_tables_differ_from_the_default_there_and_nowhere_else(
    language: NationalLanguage, locked: str, shifted: str
) -> None:
    """3GPP TS 23.038 annex A."""
    main = LOCKING_SHIFT.get(language, DEFAULT_ALPHABET)
    assert bytes(code for code in range(128) if main[code] != DEFAULT_ALPHABET[code]) == bytes.fromhex(locked)
    assert bytes(sorted(SINGLE_SHIFT[language].keys() - DEFAULT_EXTENSION.keys())) == bytes.fromhex(shifted)


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("", ""),
        ("1", "31"),
        ("12", "3119"),
        ("123456", "31d98c56b301"),
        ("12345678", "31d98c56b3dd70"),
        ("123456789", "31d98c56b3dd7039"),
        ("\f", "1b05"),
        ("hellohello", "e8329bfd4697d9ec37"),
        ("^{}\\[~]|€", "1bca06b5496d5e1bdea6b7f16d809b32"),
        (LOREM, LOREM_PACKED),
    ],
)
def test_packed_vectors(text: str, packed: str) -> None:
    assert gsm.pack(gsm.encode(text)).hex() == packed
    assert gsm.decode(gsm.unpack(bytes.fromhex(packed))) == text


def test_packed_after_a_header_of_six_octets() -> None:
    """The header's 48 bits leave one bit up to a septet border; seven spare bits at the end become CR."""
    first, second = gsm.encode("p" * 152), gsm.encode("€" + "p" * 7)
    assert gsm.pack(second, fill_bits=1).hex() == "3665381c0e87c3e1"
    assert gsm.unpack(bytes.fromhex("3665381c0e87c3e1"), fill_bits=1) == second
    packed = gsm.pack(first, fill_bits=1)
    assert len(packed) == 134
    assert packed.hex() == "e070381c0e87c3" + "e170381c0e87c3" * 18 + "1b"
    assert gsm.unpack(packed, fill_bits=1) == first
    assert gsm.unpack(packed, fill_bits=1, count=153) == first + b"\r"


def test_seven_spare_bits_are_no_commercial_at() -> None:
    packed = gsm.pack(b"1234567")
    assert packed.hex() == "31d98c56b3dd1a"
    assert gsm.unpack(packed) == b"1234567"
    assert gsm.unpack(bytes.fromhex("31d98c56b3dd00"), count=7) == b"1234567"


@given(septets, st.integers(0, 6))
def test_packing_is_undone_by_unpacking(codes: bytes, fill_bits: int) -> None:
    packed = gsm.pack(codes, fill_bits=fill_bits)
    assert len(packed) == (-(-(7 * len(codes) + fill_bits) // 8) if codes else 0)
    assert gsm.unpack(packed, fill_bits=fill_bits, count=len(codes)) == codes
    if not codes.endswith(b"\r"):
        assert gsm.unpack(packed, fill_bits=fill_bits) == codes


@given(st.binary(), st.integers(0, 6))
def test_any_octets_unpack(octets: bytes, fill_bits: int) -> None:
    fitting = max(8 * len(octets) - fill_bits, 0) // 7
    codes = gsm.unpack(octets, fill_bits=fill_bits)
    assert len(codes) in (fitting, fitting - 1)
    assert all(code < 0x80 for code in codes)
