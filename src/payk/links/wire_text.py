"""A text as the octets of a link: which data_coding its operator reads it in, and where it is cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from payk.text import ConcatMethod, Encoding, Segmentation, segment

__all__ = ["TextEncoder", "WireText"]

_UCS2: Final = "ucs2"
_CODECS: Final = {"ascii": "ascii", "latin1": "latin-1"}
_GSM_WHOLE: Final = 160  # septets of a message that stands alone
_UCS2_WHOLE: Final = 70  # UTF-16 units of the same
_UCS2_PART: Final = {ConcatMethod.UDH8: 67, ConcatMethod.UDH16: 66, ConcatMethod.SAR: 67}


@dataclass(frozen=True, slots=True)
class WireText:
    """The parts of a text in order, without UDH; at least one."""

    data_coding: int
    pieces: tuple[bytes, ...]
    fits_one: bool
    """One short message holds the whole text."""


class TextEncoder:
    """Writes texts by a link's charset_map (data_coding -> gsm, ascii, latin1 or ucs2)."""

    def __init__(self, charset_map: Mapping[int, str]) -> None:
        self._octet_charsets = [(coding, charset) for coding, charset in charset_map.items() if charset != _UCS2]
        self._ucs2 = next((coding for coding, charset in charset_map.items() if charset == _UCS2), None)

    def encode(self, text: str, method: ConcatMethod) -> WireText | None:
        """None if none of the link's charsets holds `text`.

        A charset of one octet per character is taken only for a text of the GSM alphabet: on the air it will be
        that, and its septets are what is cut by. Everything else is UCS-2.
        """
        segmentation = segment(text, method=method)
        units = segmentation.segments[0].units
        if segmentation.encoding is Encoding.GSM7:
            for data_coding, charset in self._octet_charsets:
                pieces = _octet_pieces(segmentation, charset)
                if pieces is not None:
                    return WireText(data_coding, pieces, units <= _GSM_WHOLE and len(pieces) == 1)
        if self._ucs2 is None:
            return None
        if segmentation.encoding is Encoding.GSM7:
            pieces = _ucs2_pieces(segmentation.text, method)
        else:
            pieces = tuple([part.octets for part in segmentation.segments])
        return WireText(self._ucs2, pieces, len(pieces[0]) <= 2 * _UCS2_WHOLE and len(pieces) == 1)


def _octet_pieces(segmentation: Segmentation, charset: str) -> tuple[bytes, ...] | None:
    if charset == "gsm":
        return tuple([part.octets for part in segmentation.segments])
    try:
        return tuple([part.text.encode(_CODECS[charset]) for part in segmentation.segments])
    except UnicodeEncodeError:
        return None


def _ucs2_pieces(text: str, method: ConcatMethod) -> tuple[bytes, ...]:
    """A text of the GSM alphabet for a link that carries it only as UCS-2. The only cluster in it is CR LF."""
    if method is ConcatMethod.PAYLOAD or len(text) <= _UCS2_WHOLE:
        return (text.encode("utf-16-be"),)
    pieces = []
    start = 0
    while start < len(text):
        end = start + _UCS2_PART[method]
        if text[end - 1 : end + 1] == "\r\n":
            end -= 1
        pieces.append(text[start:end].encode("utf-16-be"))
        start = end
    return tuple(pieces)
