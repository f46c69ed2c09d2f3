from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.text import count_parts, find_invalid, normalise

# U+0344 and U+0F73 decompose into two combining characters; U+034F and U+0F73 are marks that nothing may cross.
MARKS = "\u0301\u0316\u0327\u0344\u034f\u0e38\u0f71\u0f73\u1dce\u3099"


def test_decomposed_letters_are_composed() -> None:
    assert normalise("\u0438\u0304 \u0443\u0304 \u0438\u0306") == "ӣ ӯ й"
    assert normalise("ғқҳҷ") == "ғқҳҷ"
    assert normalise("\u2126\u212b") == "ΩÅ"  # Ohm and Angstrom are Greek and Swedish letters then, both GSM


@given(st.text(alphabet=MARKS, min_size=32, max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_long_runs_of_marks_get_the_same_form(marks: str, before: str, after: str) -> None:
    text = before + marks + after + "x" * 1000
    assert normalise(text) == unicodedata.normalize("NFC", text)


@given(st.text())
def test_normalising_is_nfc(text: str) -> None:
    assert normalise(text) == unicodedata.normalize("NFC", text)


def test_a_hostile_run_of_marks_is_normalised_in_linear_time() -> None:
    """A plain NFC takes minutes for this text."""
    text = "q" + "\u0301\u0316" * 200_000
    ordered = "q" + "\u0316" * 200_000 + "\u0301" * 200_000
    composed = normalise(text)
    assert composed == ordered, "differs"  # a text of this length is no message to print
    assert count_parts(text)[1] == -(-400_001 // 67)


@pytest.mark.parametrize("text", ["", "Ваш код 482913", "\n\r\t\x1b\x7f", "👨‍👩‍👧‍👦", "\ufeff\ufffe\uffff\U0010ffff"])
def test_any_unicode_may_be_sent(text: str) -> None:
    assert find_invalid(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ab\0", "NUL at character 3"),
        ("\ud83d", "lone surrogate U+D83D at character 1"),
        ("ab\udc00c", "lone surrogate U+DC00 at character 3"),
    ],
)
def test_nul_and_lone_surrogates_may_not(text: str, reason: str) -> None:
    assert find_invalid(text) == reason


@given(st.text(alphabet=st.characters(codec=None)))
def test_what_may_be_sent_is_unicode_without_nul(text: str) -> None:
    sendable = "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
    assert (find_invalid(text) is None) == sendable
