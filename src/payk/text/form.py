"""The form in which texts are kept and sent: NFC, without NUL and without lone surrogates."""

from __future__ import annotations

import unicodedata
from typing import Final

import regex

__all__ = ["find_invalid", "normalise"]

# Python's normalisation sorts a run of combining characters in quadratic time (a run of 50,000 takes seconds). Texts
# up to this length stay below a millisecond whatever they hold; longer ones are looked at for such runs first.
_HARMLESS_LENGTH: Final = 1000
_LONG_RUN: Final = regex.compile(r"\p{M}{32}")
_NON_STARTERS: Final = regex.compile(r"\P{Canonical_Combining_Class=0}{2,}")


def normalise(text: str) -> str:
    """`text` in NFC (Unicode Standard Annex 15), in linear time. Decomposed ӣ, ӯ and й would cost two units each."""
    if len(text) > _HARMLESS_LENGTH and _LONG_RUN.search(text):
        text = _in_canonical_order(text)
    return unicodedata.normalize("NFC", text)


def find_invalid(text: str) -> str | None:
    """Why `text` may not be sent, without quoting it; None if it may."""
    position = text.find("\0")
    if position >= 0:
        return f"NUL at character {position + 1}"
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        return f"lone surrogate U+{ord(text[exc.start]):04X} at character {exc.start + 1}"
    return None


def _in_canonical_order(text: str) -> str:
    """`text` decomposed, its combining characters in canonical order: equivalent, and nothing is left to sort."""
    decomposed = "".join(unicodedata.normalize("NFD", character) for character in text)
    ordered: str = _NON_STARTERS.sub(lambda run: "".join(sorted(run[0], key=unicodedata.combining)), decomposed)
    return ordered
