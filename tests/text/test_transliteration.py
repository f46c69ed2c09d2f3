from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.text import PLAIN, Language, gsm, plain, transliterate
from payk.text.gsm_tables import DEFAULT_ALPHABET, DEFAULT_EXTENSION

RUSSIAN, TAJIK = Language
GSM = DEFAULT_ALPHABET.replace("\x1b", "") + "".join(DEFAULT_EXTENSION.values())
RUSSIAN_LETTERS = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
TAJIK_LETTERS = "абвгғдеёжзиӣйкқлмнопрстуӯфхҳчҷшъэюя"
TYPOGRAPHY = "".join(PLAIN)


def both_cases(letters: str) -> str:
    return letters + letters.upper()


russian_texts = st.text(alphabet=both_cases(RUSSIAN_LETTERS) + GSM + TYPOGRAPHY)
mixed_texts = st.text(alphabet=both_cases(RUSSIAN_LETTERS + TAJIK_LETTERS) + GSM + TYPOGRAPHY)
gsm_texts = st.text(alphabet=GSM)
languages = st.sampled_from(Language)


def one_by_one(letters: str, language: Language) -> str:
    return " ".join(transliterate(letter, language) for letter in letters)


def test_the_russian_letters_of_icao_9303() -> None:
    latin = "a b v g d e e zh z i i k l m n o p r s t u f kh ts ch sh shch ie y  e iu ia"
    assert one_by_one(RUSSIAN_LETTERS, RUSSIAN) == latin
    assert one_by_one(RUSSIAN_LETTERS.upper(), RUSSIAN) == latin.title()


def test_the_tajik_letters_of_bgn_pcgn_folded_to_gsm() -> None:
    latin = "a b v g gh d e yo zh z i i y k q l m n o p r s t u u f kh h ch j sh ' e yu ya"
    assert one_by_one(TAJIK_LETTERS, TAJIK) == latin
    assert one_by_one(TAJIK_LETTERS.upper(), TAJIK) == latin.title()
    assert one_by_one("цщыь", TAJIK) == "ts sh i "  # abolished in 1998


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("Ваш код 482913", "Vash kod 482913"),
        ("Щербаков Юрий Ильич", "Shcherbakov Iurii Ilich"),
        ("Наталья Соловьёва", "Natalia Soloveva"),
        ("Объект, подъезд, съёмка", "Obieekt, podieezd, sieemka"),
        ("Хабаровск, Цюрупинск, Чита, Эльбрус", "Khabarovsk, Tsiurupinsk, Chita, Elbrus"),
        ("И\u0306од, е\u0308ж", "Iod, ezh"),  # decomposed Й and ё
    ],
)
def test_russian(text: str, latin: str) -> None:
    assert transliterate(text, RUSSIAN) == latin


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("Салом, Ҷаҳон! Қӯрғонтеппа", "Salom, Jahon! Qurghonteppa"),
        ("Тоҷикистон, Душанбе, Бағдод, Истаравшан", "Tojikiston, Dushanbe, Baghdod, Istaravshan"),
        ("Саъдӣ, таъриф, эй, июн, дарё, сурайё", "Sa'di, ta'rif, ey, iyun, daryo, surayyo"),
        ("меоянд, бояд, хӯрдан, фурӯғ, заҳоб", "meoyand, boyad, khurdan, furugh, zahob"),
        ("соҳиби ҳисоб: Щукин Цой Рыбьев", "sohibi hisob: Shukin Tsoy Ribev"),  # Russian names in a Tajik text
        ("\u0438\u0304 \u0443\u0304 \u0418\u0304", "i u I"),  # decomposed ӣ ӯ Ӣ
    ],
)
def test_tajik(text: str, latin: str) -> None:
    assert transliterate(text, TAJIK) == latin


def test_the_russian_table_leaves_tajik_letters() -> None:
    assert transliterate("Ғафуров Ҷӯра, Хуҷанд", RUSSIAN) == "Ғafurov Ҷӯra, Khuҷand"


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("Жук", "Zhuk"),
        ("ЖУК", "ZHUK"),
        ("БОРЩ", "BORSHCH"),
        ("БОРЩ!", "BORSHCH!"),
        ("БОРЩ и ЩИ, Щи, щи", "BORSHCH i SHCHI, Shchi, shchi"),
        ("Ж", "Zh"),
        ("Ж. Ж.", "Zh. Zh."),
        ("Я иду", "Ia idu"),
        ("МЫШЬ", "MYSH"),
        ("ОБЪЯВЛЕНИЕ", "OBIEIAVLENIE"),
        ("ЮНЕСКО, ЦЮРИХ-Я", "IUNESKO, TSIURIKH-Ia"),
        ("ООО «Хлеб»", 'OOO "Khleb"'),
        ("ОАО ЯЩ5", "OAO IASHCH5"),
        ("SMSЦ, Цru", "SMSTS, Tsru"),
        ("жЖ", "zhZh"),
    ],
)
def test_capitals_follow_their_neighbours(text: str, latin: str) -> None:
    assert transliterate(text, RUSSIAN) == latin


def test_tajik_capitals_follow_their_neighbours() -> None:
    assert transliterate("Ғолиб ҒОЛИБ БОҒ Ёр ЁР ДАРЁ", TAJIK) == "Gholib GHOLIB BOGH Yor YOR DARYO"


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("Іван Ґонта", "Ivan Gonta"),
        ("Євген ЄВГЕН їжак", "Ievgen IEVGEN izhak"),
        ("Ўткур ЎТКУР", "Utkur UTKUR"),
        ("Дөбө ДӨБӨ Өмүр Таң ТАҢ", "Döbö DÖBÖ Ömür Tang TANG"),
    ],
)
def test_letters_of_neighbours(text: str, latin: str, language: Language) -> None:
    assert transliterate(text, language) == latin


@pytest.mark.parametrize(
    ("text", "plainer"),
    [
        ("«Алиф» “Банк” „x”", '"Алиф" "Банк" "x"'),
        ("O’zbek ‘x’ ʼ ‹y›", "O'zbek 'x' ' 'y'"),
        ("1–2 — 3‑4 −5", "1-2 - 3-4 -5"),
        ("ждите…", "ждите..."),
        ("1\u00a0000\u202f000\u2009с.\t№5", "1 000 000 с. No5"),
        ("• раз\u2028• два", "- раз\n- два"),
        ("2×50", "2x50"),
        ("e\u0301 \u0438\u0306", "é й"),
        ("₽ 😀 ғ 你 á \u200b", "₽ 😀 ғ 你 á \u200b"),
    ],
)
def test_typography_made_plain(text: str, plainer: str) -> None:
    assert plain(text) == plainer


def test_the_plain_characters_are_gsm_and_the_others_are_not() -> None:
    for character, plainer in PLAIN.items():
        assert len(character) == 1
        assert unicodedata.is_normalized("NFC", character)
        assert not gsm.is_encodable(character)
        assert plainer and gsm.is_encodable(plainer)


def test_every_space_and_dash_of_unicode_has_a_plain_one() -> None:
    for code in range(0x10000):
        if unicodedata.category(chr(code)) == "Zs":
            assert plain(chr(code)) == " "
    assert plain("‐‑‒–—―−") == "-" * 7


@pytest.mark.parametrize("language", Language)
def test_what_has_no_counterpart_stays(language: Language) -> None:
    others = "😀👨‍👩‍👧‍👦 你好 سلام ₽ ₸ ქართული á ç ă \u200b\u00ad\ufeff ә ҕ"
    assert transliterate(others, language) == others
    assert transliterate(f"Жук {others}", language) == f"Zhuk {others}"


@given(mixed_texts)
def test_the_tajik_table_brings_any_russian_or_tajik_text_into_gsm(text: str) -> None:
    assert gsm.is_encodable(transliterate(text, TAJIK))


@given(russian_texts)
def test_the_russian_table_brings_any_russian_text_into_gsm(text: str) -> None:
    assert gsm.is_encodable(transliterate(text, RUSSIAN))


@given(st.text(alphabet=both_cases(RUSSIAN_LETTERS)))
def test_russian_letters_become_ascii_letters(text: str) -> None:
    latin = transliterate(text, RUSSIAN)
    assert latin == "" or (latin.isascii() and latin.isalpha())


@given(gsm_texts, languages)
def test_a_gsm_text_stays_as_it_is(text: str, language: Language) -> None:
    assert transliterate(text, language) == text
    assert plain(text) == text


@given(st.text() | mixed_texts, languages)
def test_doing_it_twice_changes_nothing_more(text: str, language: Language) -> None:
    assert plain(plain(text)) == plain(text)
    once = transliterate(text, language)
    assert transliterate(once, language) == once


@given(st.text() | mixed_texts, languages)
def test_lengths_are_bounded(text: str, language: Language) -> None:
    composed = unicodedata.normalize("NFC", text)
    assert len(plain(text)) <= 3 * len(composed)
    dropped = composed.count("ь") + composed.count("Ь")
    latin = unicodedata.normalize("NFD", transliterate(text, language))
    assert len(composed) - dropped <= len(latin) <= 4 * len(unicodedata.normalize("NFD", text))


@given(st.text() | mixed_texts, languages)
def test_results_are_in_nfc(text: str, language: Language) -> None:
    assert unicodedata.is_normalized("NFC", plain(text))
    assert unicodedata.is_normalized("NFC", transliterate(text, language))


@given(mixed_texts, languages)
def test_case_changes_nothing_but_case(text: str, language: Language) -> None:
    """But for its case, the result is that of the characters one by one."""
    pieces = "".join(transliterate(character, language) for character in text)
    assert transliterate(text, language).casefold() == pieces.casefold()


@given(st.text(alphabet="".join(set(both_cases(RUSSIAN_LETTERS + TAJIK_LETTERS))), min_size=2))
def test_capitals_give_capitals(text: str) -> None:
    latin = transliterate(text.upper(), TAJIK)
    assert latin == latin.upper()


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("piece", ["Ж", "Ж\u0301", "Ж\u0316\u0301", "ж№…", "Жa"])
def test_hostile_texts_take_linear_time(piece: str, language: Language) -> None:
    text = piece * 100_000
    assert len(transliterate(text, language)) >= len(text)
