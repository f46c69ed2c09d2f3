from __future__ import annotations

import unicodedata
from itertools import accumulate

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from payk.text import (
    ConcatMethod,
    Encoding,
    Segmentation,
    UnencodableError,
    capacity_of,
    count_parts,
    gsm,
    segment,
    ucs2,
)

UDH8, UDH16, SAR, PAYLOAD = ConcatMethod
FAMILY = "👨‍👩‍👧‍👦"  # 11 UTF-16 units, one cluster
CAPACITY = {
    (Encoding.GSM7, UDH8): 153,
    (Encoding.GSM7, UDH16): 152,
    (Encoding.GSM7, SAR): 153,
    (Encoding.UCS2, UDH8): 67,
    (Encoding.UCS2, UDH16): 66,
    (Encoding.UCS2, SAR): 67,
}
cutting_methods = st.sampled_from([UDH8, UDH16, SAR])
encodings = st.sampled_from([None, Encoding.UCS2])  # the best one, and UCS-2 for a text of any alphabet

# Runs long enough to be cut, of everything that has a rule of its own about where a cluster ends.
PIECES = [
    "a",
    "Ҷ",
    "ӣ",
    "\u0438\u0304",
    "\r",
    "\n",
    "\r\n",
    "€",
    "[",
    "😀",
    "👍🏽",
    FAMILY,
    "🇹",
    "🇹🇯",
    "❤\ufe0f",
    "\u0301",
    "\u200d",
    "\u0600",
    "क्ष",
    "नि",
    "\u1100",
    "한",
    "ᄒ",
    "ᅡ",
    "ᆫ",
    "กำ",
    "سلام",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "1\ufe0f\u20e3",
    "🏳️‍🌈",
    "\U0001e4ec",
]
gsm_characters = st.sampled_from(["a", "é", "€", "[", "\r", "\n", "\f", "@"])
runs = st.tuples(st.sampled_from(PIECES), st.integers(1, 90)).map(lambda run: run[0] * run[1])
long_texts = st.one_of(
    st.text(max_size=300),
    st.lists(gsm_characters, min_size=140, max_size=500).map("".join),
    st.lists(st.sampled_from(PIECES), min_size=30, max_size=300).map("".join),
    st.lists(runs, max_size=6).map("".join),
)


def sizes(segmentation: Segmentation) -> list[int]:
    return [part.units for part in segmentation.segments]


def texts(segmentation: Segmentation) -> list[str]:
    return [part.text for part in segmentation.segments]


@pytest.mark.parametrize("method", [UDH8, UDH16, SAR, PAYLOAD])
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("", Encoding.GSM7),
        ("a" * 160, Encoding.GSM7),
        ("€" * 80, Encoding.GSM7),
        ("Ҷ" * 70, Encoding.UCS2),
        ("😀" * 35, Encoding.UCS2),
        ("a" * 69 + "№", Encoding.UCS2),
        ("A" * 68 + "😀", Encoding.UCS2),
    ],
)
def test_a_text_of_one_message_is_not_cut(text: str, encoding: Encoding, method: ConcatMethod) -> None:
    segmentation = segment(text, method=method)
    assert segmentation.encoding is encoding
    assert texts(segmentation) == [text]


@pytest.mark.parametrize(
    ("text", "method", "units"),
    [
        ("a" * 161, UDH8, [153, 8]),
        ("a" * 161, UDH16, [152, 9]),
        ("a" * 161, SAR, [153, 8]),
        ("a" * 161, PAYLOAD, [161]),
        ("a" * 306, UDH8, [153, 153]),
        ("a" * 307, UDH8, [153, 153, 1]),
        ("Ҷ" * 71, UDH8, [67, 4]),
        ("Ҷ" * 71, UDH16, [66, 5]),
        ("Ҷ" * 71, SAR, [67, 4]),
        ("Ҷ" * 71, PAYLOAD, [71]),
        ("a" * 159 + "{", UDH8, [153, 8]),
        ("€" * 81, UDH8, [152, 10]),
        ("p" * 152 + "€" + "p" * 7, UDH8, [152, 9]),
        ("p" * 151 + "{{" + "p" * 7, UDH8, [153, 9]),
        ("a" * 152 + "\r\n" + "a" * 20, UDH8, [152, 22]),
        ("a" * 152 + "\n\r" + "a" * 20, UDH8, [153, 21]),
        ("A" * 66 + "😀BBB", UDH8, [66, 5]),
        ("A" * 65 + "😀BBBB", UDH8, [67, 4]),
        ("Привет мир!\n" * 10, UDH8, [67, 53]),
        ("Ҷ" * 60 + FAMILY + "Ҷ", UDH8, [60, 12]),
        ("Ҷ" * 65 + "🇹🇯🇹🇯", UDH8, [65, 8]),
        ("Ҷ" * 65 + "👍🏽!!", UDH8, [65, 6]),
        ("Ҷ" * 66 + "\u0438\u0301" * 3, UDH8, [66, 6]),
    ],
)
def test_where_the_cut_falls(text: str, method: ConcatMethod, units: list[int]) -> None:
    assert sizes(segment(text, method=method)) == units


def test_the_example_in_tajik() -> None:
    segmentation = segment("Салом, Ҷаҳон! Қӯрғонтеппа")
    assert segmentation.encoding is Encoding.UCS2
    assert sizes(segmentation) == [25]
    assert segmentation.segments[0].octets.hex() == (
        "04210430043b043e043c002c002004b6043004b3043e043d00210020049a04ef04400493043e043d04420435043f043f0430"
    )


def test_a_vietnamese_text_is_cut_where_other_stacks_cut_it() -> None:
    text = "biggest gift của Christmas là có nhiều big/challenging/meaningful problems để sấp mặt làm"
    assert texts(segment(text)) == [
        "biggest gift của Christmas là có nhiều big/challenging/meaningful p",
        "roblems để sấp mặt làm",
    ]


def test_an_escape_pair_moves_to_the_next_part_whole() -> None:
    first, second = segment("p" * 152 + "€" + "p" * 7).segments
    assert first.octets == b"p" * 152
    assert second.octets == b"\x1b\x65" + b"p" * 7
    assert gsm.pack(second.octets, fill_bits=1).hex() == "3665381c0e87c3e1"


def test_one_character_makes_the_whole_text_ucs2() -> None:
    assert segment("a" * 100).encoding is Encoding.GSM7
    segmentation = segment("a" * 100 + "ғ")
    assert segmentation.encoding is Encoding.UCS2
    assert sizes(segmentation) == [67, 34]


def test_the_text_is_composed_first() -> None:
    segmentation = segment("\u0438\u0304\u0443\u0304" * 35)
    assert segmentation.text == "ӣӯ" * 35
    assert sizes(segmentation) == [70]
    assert segment("e\u0301").encoding is Encoding.GSM7
    assert count_parts("e\u0301" * 160) == (Encoding.GSM7, 1)


def test_a_cluster_larger_than_a_part_is_cut_between_code_points() -> None:
    giant = "x" + "\u0316" * 99
    assert sizes(segment("ab" + giant + "cd" * 10)) == [2, 67, 53]
    assert sizes(segment("👨" + "\u200d👨" * 40)) == [66, 56]  # the 67th unit would tear a surrogate pair


def test_more_parts_than_a_header_can_count() -> None:
    assert len(segment("Ҷ" * 67 * 300).segments) == 300
    assert count_parts("a" * 153 * 300) == (Encoding.GSM7, 300)


@pytest.mark.parametrize("text", ["\ud83d", "Ҷ" * 100 + "\ude00"])
def test_a_lone_surrogate_is_refused(text: str) -> None:
    with pytest.raises(UnencodableError):
        segment(text)
    with pytest.raises(UnencodableError):
        count_parts(text)


@given(long_texts, cutting_methods, encodings)
def test_parts_fit_and_give_the_text_back(text: str, method: ConcatMethod, encoding: Encoding | None) -> None:
    segmentation = segment(text, method=method, encoding=encoding)
    assert segmentation.encoding is (encoding or segmentation.encoding)
    assert segmentation.text == unicodedata.normalize("NFC", text)
    assert "".join(texts(segmentation)) == segmentation.text
    assert max(sizes(segmentation)) <= capacity_of(segmentation.encoding, method, len(segmentation.segments))
    for part in segmentation.segments:
        assert part.text or text == ""
        if segmentation.encoding is Encoding.GSM7:
            assert gsm.decode(part.octets) == part.text
            assert len(part.octets) == part.units
        else:
            assert part.octets == ucs2.encode(part.text)
            assert len(part.octets) == 2 * part.units


@given(long_texts, cutting_methods, encodings)
def test_a_cluster_that_fits_a_part_is_never_cut(text: str, method: ConcatMethod, encoding: Encoding | None) -> None:
    segmentation = segment(text, method=method, encoding=encoding)
    capacity = CAPACITY[segmentation.encoding, method]
    cuts = set(accumulate(len(part) for part in texts(segmentation)))
    for cluster in regex.finditer(r"\X", segmentation.text):
        if cuts.intersection(range(cluster.start() + 1, cluster.end())):
            assert units_of(cluster[0], segmentation.encoding) > capacity


@given(long_texts, cutting_methods, encodings)
@example("x" + "\u0316" * 200 + "\U0001f1f9\U0001f1ef" * 40, UDH8, None)
@example("я\r\n" * 60, UDH8, None)
@example("a\r\n" * 60, UDH16, Encoding.UCS2)
@example("Ҷ" * 66 + "\r\n" + "Ҷ" * 66, UDH8, None)
@example("\U0001f468" + "\u200d\U0001f468" * 40 + "क्ष" * 40, UDH16, None)
def test_parts_are_those_of_the_rule_spelled_out(text: str, method: ConcatMethod, encoding: Encoding | None) -> None:
    """Cluster by cluster, as the rule reads: add it if it fits, else a new part; larger than a part: code points."""
    segmentation = segment(text, method=method, encoding=encoding)
    if len(segmentation.segments) > 1:
        capacity = CAPACITY[segmentation.encoding, method]
        assert texts(segmentation) == spelled_out(segmentation.text, segmentation.encoding, capacity)


def units_of(piece: str, encoding: Encoding) -> int:
    return len(gsm.encode(piece)) if encoding is Encoding.GSM7 else len(piece.encode("utf-16-be")) // 2


def spelled_out(text: str, encoding: Encoding, capacity: int) -> list[str]:
    parts = [""]
    for cluster in regex.findall(r"\X", text):
        if parts[-1] and units_of(parts[-1] + cluster, encoding) > capacity:
            parts.append("")
        for piece in [cluster] if units_of(cluster, encoding) <= capacity else list(cluster):
            if units_of(parts[-1] + piece, encoding) > capacity:
                parts.append("")
            parts[-1] += piece
    return parts


@given(long_texts, st.sampled_from(ConcatMethod))
def test_counting_gives_what_segmenting_gives(text: str, method: ConcatMethod) -> None:
    segmentation = segment(text, method=method)
    assert count_parts(text, method) == (segmentation.encoding, len(segmentation.segments))


@given(long_texts, encodings)
def test_a_payload_is_one_piece(text: str, encoding: Encoding | None) -> None:
    (part,) = segment(text, method=PAYLOAD, encoding=encoding).segments
    assert part.text == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("method", [UDH8, UDH16, SAR, PAYLOAD])
@pytest.mark.parametrize("encoding", Encoding)
def test_the_capacities(encoding: Encoding, method: ConcatMethod) -> None:
    assert capacity_of(encoding, method, 1) == {Encoding.GSM7: 160, Encoding.UCS2: 70}[encoding]
    if method is not PAYLOAD:
        assert {capacity_of(encoding, method, parts) for parts in (2, 3, 255)} == {CAPACITY[encoding, method]}


def test_an_operator_without_the_gsm_alphabet_gets_ucs2() -> None:
    text = "a" * 66 + "\r\n" + "b" * 10
    parts = segment(text, encoding=Encoding.UCS2)
    assert parts.encoding is Encoding.UCS2
    assert [part.text for part in parts.segments] == ["a" * 66, "\r\n" + "b" * 10]
    assert segment("a" * 70, encoding=Encoding.UCS2).fits_one
    assert not segment("a" * 71, encoding=Encoding.UCS2, method=ConcatMethod.PAYLOAD).fits_one


@pytest.mark.parametrize("text", ["ғ", "a" * 200 + "№"])
def test_the_gsm_alphabet_cannot_be_prescribed_for_what_it_does_not_hold(text: str) -> None:
    with pytest.raises(UnencodableError) as caught:
        segment(text, encoding=Encoding.GSM7)
    assert (caught.value.character, caught.value.alphabet) == (text[-1], "GSM 03.38")
    assert segment(text[:-1], encoding=Encoding.GSM7) == segment(text[:-1])
