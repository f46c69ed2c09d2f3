"""The texts of short messages: alphabets, the form in which a text is kept, its cutting into parts, what it costs.

Pure: no I/O, no clock. The wire (UDH octets, data_coding on a link) is `payk.smpp`'s and the links'.
"""

from __future__ import annotations

from payk.text import gsm, ucs2
from payk.text.cost import Choice, Cost, ForcingCharacter, Spelling, cost_of
from payk.text.errors import UnencodableError
from payk.text.form import find_invalid, normalise
from payk.text.gsm_tables import NationalLanguage
from payk.text.segmentation import ConcatMethod, Encoding, Segment, Segmentation, capacity_of, count_parts, segment
from payk.text.transliteration import PLAIN, Language, plain, transliterate
from payk.text.user_data import Alphabet, alphabet_of, decode_user_data

__all__ = [
    "PLAIN",
    "Alphabet",
    "Choice",
    "ConcatMethod",
    "Cost",
    "Encoding",
    "ForcingCharacter",
    "Language",
    "NationalLanguage",
    "Segment",
    "Segmentation",
    "Spelling",
    "UnencodableError",
    "alphabet_of",
    "capacity_of",
    "cost_of",
    "count_parts",
    "decode_user_data",
    "find_invalid",
    "gsm",
    "normalise",
    "plain",
    "segment",
    "transliterate",
    "ucs2",
]
