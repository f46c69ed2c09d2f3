from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.text import (
    ConcatMethod,
    Cost,
    Encoding,
    ForcingCharacter,
    Language,
    Spelling,
    UnencodableError,
    capacity_of,
    cost_of,
    count_parts,
    gsm,
    plain,
    segment,
    transliterate,
)

AS_IS, PLAIN, RUSSIAN, TAJIK = Spelling
texts = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from([*"Салом, Ҷаҳон! Қӯрғонтеппа ЁЖ", "«", "№", "…", "😀", "€", "\r\n", "e\u0301"]), max_size=400
    ).map("".join),
)
methods = st.sampled_from(ConcatMethod)


def spellings(cost: Cost) -> list[Spelling]:
    return [choice.spelling for choice in cost.choices]


def test_a_gsm_text_has_one_price() -> None:
    cost = cost_of("Your code is 482913 €")
    assert cost.forcing == ()
    assert spellings(cost) == [AS_IS]
    choice = cost.as_is
    assert choice is cost.cheapest
    assert (choice.encoding, choice.parts, choice.units, choice.units_left, choice.ends) == (
        Encoding.GSM7,
        1,
        22,
        138,
        (21,),
    )
    assert choice.fits_gsm


def test_an_empty_text() -> None:
    (choice,) = cost_of("").choices
    assert (choice.parts, choice.units, choice.units_left, choice.ends, choice.pieces) == (1, 0, 160, (0,), ("",))


def test_forcing_characters_stand_in_order_of_first_appearance() -> None:
    assert cost_of("№1 «a» №2 ғ😀😀").forcing == (
        ForcingCharacter("№", (0, 7)),
        ForcingCharacter("«", (3,)),
        ForcingCharacter("»", (5,)),
        ForcingCharacter("ғ", (10,)),
        ForcingCharacter("😀", (11, 12)),
    )


def test_positions_are_those_of_the_composed_text() -> None:
    """é is GSM once it is composed; ӣ is one character."""
    cost = cost_of("e\u0301\u0438\u0304№")
    assert cost.forcing == (ForcingCharacter("ӣ", (1,)), ForcingCharacter("№", (2,)))
    assert cost.as_is.text == "éӣ№"


def test_plain_typography_alone_saves_a_part() -> None:
    cost = cost_of("Your order №5 is ready — " + "a" * 70)
    assert spellings(cost) == [PLAIN, AS_IS]
    assert [choice.parts for choice in cost.choices] == [1, 2]
    assert cost.cheapest.text == "Your order No5 is ready - " + "a" * 70
    assert cost.cheapest.fits_gsm and not cost.as_is.fits_gsm


def test_a_russian_text() -> None:
    cost = cost_of("Щи да каша – пища наша. " * 4)
    assert spellings(cost) == [RUSSIAN, TAJIK, AS_IS, PLAIN]
    assert [choice.parts for choice in cost.choices] == [1, 1, 2, 2]
    assert [choice.fits_gsm for choice in cost.choices] == [True, True, False, False]


def test_a_tajik_text_is_served_by_the_tajik_table() -> None:
    cost = cost_of("Салом, Ҷаҳон! Қӯрғонтеппа. " * 5)
    assert spellings(cost) == [TAJIK, AS_IS, RUSSIAN]
    assert [(choice.encoding, choice.parts) for choice in cost.choices] == [
        (Encoding.GSM7, 1),
        (Encoding.UCS2, 3),
        (Encoding.UCS2, 3),
    ]


def test_of_the_same_price_the_gentler_goes_first() -> None:
    cost = cost_of("«Салом»")
    assert spellings(cost) == [AS_IS, PLAIN, RUSSIAN, TAJIK]
    assert cost.cheapest is cost.as_is


def test_an_emoji_forces_ucs2_on_every_spelling() -> None:
    cost = cost_of("Привет 😀")
    assert {choice.encoding for choice in cost.choices} == {Encoding.UCS2}
    assert cost.choices[-1].text == "Privet 😀"


def test_a_spelling_can_cost_more() -> None:
    """Plain dots are three units where the ellipsis is one, and the emoji keeps UCS-2 either way."""
    cost = cost_of("😀" + "…" * 60)
    assert [(choice.spelling, choice.parts) for choice in cost.choices] == [(AS_IS, 1), (PLAIN, 3)]


def test_where_the_text_is_cut() -> None:
    choice = cost_of("Ҷ" * 60 + "👨‍👩‍👧‍👦" + "Ҷ" * 60).as_is
    assert choice.ends == (60, 67 + 56, 67 + 60)
    assert choice.pieces == ("Ҷ" * 60, "👨‍👩‍👧‍👦" + "Ҷ" * 56, "Ҷ" * 4)
    assert (choice.units, choice.units_left) == (131, 63)


@pytest.mark.parametrize(
    ("method", "text", "parts", "left"),
    [
        (ConcatMethod.UDH8, "a" * 306, 2, 0),
        (ConcatMethod.UDH16, "a" * 306, 3, 150),
        (ConcatMethod.SAR, "a" * 306, 2, 0),
        (ConcatMethod.PAYLOAD, "a" * 306, 2, 0),
        (ConcatMethod.PAYLOAD, "ғ" * 70, 1, 0),
        (ConcatMethod.UDH16, "ғ" * 71, 2, 61),
    ],
)
def test_the_method_tells_the_capacities(method: ConcatMethod, text: str, parts: int, left: int) -> None:
    choice = cost_of(text, method=method).as_is
    assert (choice.parts, choice.units_left) == (parts, left)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(UnencodableError):
        cost_of("ғ\ud83d")


@given(texts, methods)
def test_choices_are_what_would_be_sent(text: str, method: ConcatMethod) -> None:
    cutting = ConcatMethod.UDH8 if method is ConcatMethod.PAYLOAD else method
    cost = cost_of(text, method=method)
    spelled = {
        AS_IS: unicodedata.normalize("NFC", text),
        PLAIN: plain(text),
        RUSSIAN: transliterate(text, Language.RUSSIAN),
        TAJIK: transliterate(text, Language.TAJIK),
    }
    for choice in cost.choices:
        segmentation = segment(choice.text, method=cutting)
        assert choice.text == spelled[choice.spelling]
        assert choice.encoding is segmentation.encoding
        assert choice.pieces == tuple(part.text for part in segmentation.segments)
        assert choice.units == sum(part.units for part in segmentation.segments)
        assert (choice.encoding, choice.parts) == count_parts(choice.text, cutting)
        assert choice.fits_gsm == gsm.is_encodable(choice.text)


@given(texts, methods)
def test_choices_are_sorted_and_differ(text: str, method: ConcatMethod) -> None:
    cost = cost_of(text, method=method)
    order = list(Spelling)
    ranks = [(choice.parts, order.index(choice.spelling)) for choice in cost.choices]
    assert ranks == sorted(ranks)
    assert cost.cheapest.parts <= cost.as_is.parts
    others = [choice.text for choice in cost.choices if choice.spelling is not AS_IS]
    assert cost.as_is.text not in others
    assert len(set(spellings(cost))) == len(cost.choices)


@given(texts, methods)
def test_what_is_left_is_what_can_be_added(text: str, method: ConcatMethod) -> None:
    for choice in cost_of(text, method=method).choices:
        filler = "a" if choice.fits_gsm else "ғ"
        cutting = ConcatMethod.UDH8 if method is ConcatMethod.PAYLOAD else method
        assert 0 <= choice.units_left <= capacity_of(choice.encoding, cutting, choice.parts)
        full = choice.text + filler * choice.units_left
        assert count_parts(full, cutting) == (choice.encoding, choice.parts)
        assert count_parts(full + filler, cutting) == (choice.encoding, choice.parts + 1)


@given(texts)
def test_forcing_characters_are_all_that_gsm_does_not_hold(text: str) -> None:
    cost = cost_of(text)
    composed = cost.as_is.text
    places = {place: one.character for one in cost.forcing for place in one.positions}
    assert places == {place: one for place, one in enumerate(composed) if not gsm.is_encodable(one)}
    firsts = [one.positions[0] for one in cost.forcing]
    assert firsts == sorted(firsts)
    assert cost.as_is.fits_gsm == (not cost.forcing)
