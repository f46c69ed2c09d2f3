"""Texts written with fewer kinds of characters, so that GSM 03.38 holds them: plain typography, Latin for Cyrillic.

Both are for those who ask for them. What has no counterpart here (emoji, other scripts, ₽) stays as it is: nothing is
replaced by '?' and nothing but ь is dropped; such a text is still sent in UCS-2.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import regex

from payk.text import gsm
from payk.text.form import normalise

__all__ = ["PLAIN", "Language", "plain", "transliterate"]


class Language(StrEnum):
    """Whose rules write Cyrillic in Latin; the value is the ISO 639-1 code.

    Tajik serves mixed texts: its table holds every Russian letter. The Russian one leaves ғ ӣ қ ӯ ҳ ҷ as they are.
    """

    RUSSIAN = "ru"
    TAJIK = "tg"


# fmt: off
# ICAO Doc 9303, Machine Readable Travel Documents, part 3, section 6, B: Transliteration of Cyrillic characters. The
# table has no ь: passports leave it out.
_RUSSIAN: Final = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "i",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "ie", "ы": "y", "ь": "", "э": "e", "ю": "iu",
    "я": "ia",
}

# BGN/PCGN romanization system for Tajik, 1994. Its notes 2 to 5 are about the letters abolished in 1998, the last row
# here: щ, ы and ь are as they say; ц, which they make s or ts by its neighbours, is always ts. Note 1 permits a dot
# between г, з, к, с and a following ҳ; GSM 03.38 has none.
_TAJIK: Final = {
    "а": "a", "б": "b", "в": "v", "г": "g", "ғ": "gh", "д": "d", "е": "e", "ё": "yo", "ж": "zh", "з": "z", "и": "i",
    "ӣ": "í", "й": "y", "к": "k", "қ": "q", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s",
    "т": "t", "у": "u", "ӯ": "ŭ", "ф": "f", "х": "kh", "ҳ": "h", "ч": "ch", "ҷ": "j", "ш": "sh", "ъ": "’", "э": "ė",
    "ю": "yu", "я": "ya",
    "ц": "ts", "щ": "sh", "ы": "i", "ь": "",
}
# fmt: on
_FOLDED: Final = str.maketrans({"í": "i", "ŭ": "u", "ė": "e", "’": "'"})  # what GSM 03.38 does not hold

# Letters of neighbours, met in names. Ukrainian, Belarusian, Uzbek: ICAO Doc 9303 as above, without the exceptions it
# makes for one language. Kyrgyz: BGN/PCGN 1979; its ö and ü are in GSM 03.38.
_NEIGHBOURS: Final = {"і": "i", "ї": "i", "є": "ie", "ґ": "g", "ў": "u", "ң": "ng", "ө": "ö", "ү": "ü"}

PLAIN: Final[Mapping[str, str]] = {
    **dict.fromkeys("«»“”„‟″", '"'),
    **dict.fromkeys("‘’‚‛‹›ʻʼ′`´", "'"),
    **dict.fromkeys("‐‑‒–—―−•‣⁃◦▪", "-"),  # hyphens, dashes, the minus sign, bullets
    **dict.fromkeys("\t\u00a0\u1680\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    **dict.fromkeys("\v\u0085\u2028\u2029", "\n"),  # line and paragraph ends of word processors
    "…": "...",
    "№": "No",
    "×": "x",
}
"""Typographic characters that GSM 03.38 does not hold, each with the plain ones that say the same."""

_PLAIN_TABLE: Final = str.maketrans(dict(PLAIN))


def _both_cases(letters: Mapping[str, str]) -> dict[int, str]:
    """A table for str.translate. A capital of several letters is written as at the start of a word: Ж -> Zh."""
    capitals = {letter.upper(): latin.capitalize() for letter, latin in letters.items()}
    return str.maketrans({**letters, **capitals})


_TABLES: Final = {
    Language.RUSSIAN: _both_cases(_RUSSIAN | _NEIGHBOURS) | _PLAIN_TABLE,
    Language.TAJIK: _both_cases({letter: latin.translate(_FOLDED) for letter, latin in _TAJIK.items()} | _NEIGHBOURS)
    | _PLAIN_TABLE,
}


def _among_capitals(table: Mapping[int, str]) -> regex.Pattern[str]:
    """Matches the capitals of several Latin letters that stand before a capital, or after one at the end of a word."""
    capitals = "".join(chr(code) for code, latin in table.items() if chr(code).isupper() and len(latin) > 1)
    return regex.compile(rf"[{capitals}](?:(?=\p{{Lu}})|(?<=\p{{Lu}}.)(?!\p{{L}}))")


_AMONG_CAPITALS: Final = {language: _among_capitals(table) for language, table in _TABLES.items()}


def plain(text: str) -> str:
    """`text` in NFC with the characters of `PLAIN` replaced: curly quotes, dashes, odd spaces. Linear in its length."""
    text = normalise(text)
    return text if gsm.is_encodable(text) else normalise(text.translate(_PLAIN_TABLE))


def transliterate(text: str, language: Language) -> str:
    """`text` in NFC with Cyrillic letters written in Latin and the characters of `PLAIN` replaced.

    A text that GSM 03.38 holds already comes back unchanged; so does everything the tables do not name. A character
    becomes at most four. A capital of several letters is Zh, and ZH before a capital, or after one at the end of a
    word. Linear in the length of `text`. Sources: ICAO Doc 9303 part 3 (Russian), BGN/PCGN 1994 (Tajik).
    """
    text = normalise(text)
    if gsm.is_encodable(text):
        return text
    table = _TABLES[language]
    text = _AMONG_CAPITALS[language].sub(lambda capital: table[ord(capital[0])].upper(), text)
    return normalise(text.translate(table))
