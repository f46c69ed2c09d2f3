"""A text as the octets of a link: which data_coding its operator reads it in, and where it is cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from payk.text import ConcatMethod, Encoding, Segmentation, gsm, segment
from payk.value import value

__all__ = ["TextEncoder", "WireText"]

_UCS2: Final = "ucs2"
_CODECS: Final = {"ascii": "ascii", "latin1": "latin-1"}
_FILL_BITS: Final = {ConcatMethod.UDH8: 1}
"""Between a header of 6 octets and the next septet border; one of 7 octets ends at a border."""


@value
class WireText:
    """The parts of a text in order, without UDH; at least one."""

    data_coding: int
    pieces: tuple[bytes, ...]
    fits_one: bool
    """One short message holds the whole text."""


class TextEncoder:
    """Writes texts by a link's charset_map (data_coding -> gsm, gsm-packed, ascii, latin1 or ucs2)."""

    def __init__(self, charset_map: Mapping[int, str]) -> None:
        self._octet_charsets = [(coding, charset) for coding, charset in charset_map.items() if charset != _UCS2]
        self._ucs2 = next((coding for coding, charset in charset_map.items() if charset == _UCS2), None)

    def encode(self, text: str, method: ConcatMethod) -> WireText | None:
        """None if none of the link's charsets holds `text`.

        A charset of one octet per character is taken only for a text of the GSM alphabet: on the air it will be
        that, and its septets are what is cut by. Everything else is UCS-2.
        """
        segmentation = segment(text, method=method)
        is_gsm = segmentation.encoding is Encoding.GSM7
        if is_gsm:
            for data_coding, charset in self._octet_charsets:
                pieces = _octet_pieces(segmentation, charset, method)
                if pieces is not None:
                    return WireText(data_coding, pieces, segmentation.fits_one)
        if self._ucs2 is None:
            return None
        if is_gsm:
            segmentation = segment(text, method=method, encoding=Encoding.UCS2)
        return WireText(self._ucs2, tuple([part.octets for part in segmentation.segments]), segmentation.fits_one)


def _octet_pieces(segmentation: Segmentation, charset: str, method: ConcatMethod) -> tuple[bytes, ...] | None:
    segments = segmentation.segments
    if charset == "gsm":
        return tuple([part.octets for part in segments])
    if charset == "gsm-packed":
        fill_bits = _FILL_BITS.get(method, 0) if len(segments) > 1 else 0
        return tuple([gsm.pack(part.octets, fill_bits=fill_bits) for part in segments])
    try:
        return tuple([part.text.encode(_CODECS[charset]) for part in segments])
    except UnicodeEncodeError:
        return None
