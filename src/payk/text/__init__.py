"""The texts of short messages: alphabets, the form in which a text is kept, and its cutting into parts.

Pure: no I/O, no clock. The wire (UDH octets, data_coding on a link) is `payk.smpp`'s and the links'.
"""

from __future__ import annotations

from payk.text import gsm, ucs2
from payk.text.errors import UnencodableError
from payk.text.form import find_invalid, normalise
from payk.text.gsm_tables import NationalLanguage
from payk.text.segmentation import ConcatMethod, Encoding, Segment, Segmentation, count_parts, segment
from payk.text.user_data import Alphabet, alphabet_of, decode_user_data

__all__ = [
    "Alphabet",
    "ConcatMethod",
    "Encoding",
    "NationalLanguage",
    "Segment",
    "Segmentation",
    "UnencodableError",
    "alphabet_of",
    "count_parts",
    "decode_user_data",
    "find_invalid",
    "gsm",
    "normalise",
    "segment",
    "ucs2",
]
