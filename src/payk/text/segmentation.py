"""A text cut into the parts that one short message each can carry.

The capacity of a short message is 140 octets: 160 septets or 70 UTF-16 units, less when a header (UDH) must say how the
parts join. Every cut falls between grapheme clusters (Unicode Standard Annex 29), so neither an escape pair, nor a
surrogate pair, nor an emoji sequence is torn; only a cluster larger than a part is cut, between code points.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import regex

from payk.text import gsm, ucs2
from payk.text.form import normalise
from payk.value import value

__all__ = ["ConcatMethod", "Encoding", "Segment", "Segmentation", "capacity_of", "count_parts", "segment"]


class Encoding(StrEnum):
    """The encoding of a message to be sent."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


class ConcatMethod(StrEnum):
    """How the receiver learns that several parts are one message.

    UDH8 and UDH16 put a header with an 8 or 16 bit reference before each part. With SAR the operator makes the header
    from TLVs and needs the same room for it. With PAYLOAD the text goes in one piece and the operator cuts it.
    """

    UDH8 = "udh8"
    UDH16 = "udh16"
    SAR = "sar"
    PAYLOAD = "payload"


@value
class Segment:
    """One part: its text, the same encoded (without UDH), and its length in septets or UTF-16 units."""

    text: str
    octets: bytes
    units: int


@value
class Segmentation:
    """A whole text (NFC) and its parts in order; there is at least one."""

    encoding: Encoding
    text: str
    segments: tuple[Segment, ...]

    @property
    def fits_one(self) -> bool:
        """One short message holds the whole text; with PAYLOAD the only part may be longer than that."""
        return len(self.segments) == 1 and self.segments[0].units <= _WHOLE[self.encoding]


# Units of a message that stands alone, and of one part of several. 140 octets; the UDH takes 6 or 7 of them.
_WHOLE: Final = {Encoding.GSM7: 160, Encoding.UCS2: 70}
_PART: Final = {
    (Encoding.GSM7, ConcatMethod.UDH8): 153,
    (Encoding.GSM7, ConcatMethod.UDH16): 152,
    (Encoding.GSM7, ConcatMethod.SAR): 153,
    (Encoding.UCS2, ConcatMethod.UDH8): 67,
    (Encoding.UCS2, ConcatMethod.UDH16): 66,
    (Encoding.UCS2, ConcatMethod.SAR): 67,
}

_CLUSTER: Final = regex.compile(r"\X")
# Between two characters of this class there is always a cluster border (rule GB999); most cuts fall there.
_PLAIN_PAIR: Final = regex.compile(r"\p{Grapheme_Cluster_Break=Other}{2}")


def segment(text: str, *, method: ConcatMethod = ConcatMethod.UDH8, encoding: Encoding | None = None) -> Segmentation:
    """`text` in NFC, encoded in GSM 03.38 if all its characters are there, else in UCS-2, and cut into parts.

    `encoding` prescribes one, for an operator that takes no other. The number of parts has no limit here: a UDH can
    count 255, and callers allow fewer. An empty text is one empty part. Raises UnencodableError for a lone surrogate,
    and for what GSM7 does not hold where it is prescribed.
    """
    text = normalise(text)
    encoding, octets, units = _encode(text, encoding)
    if _is_whole(encoding, units, method):
        return Segmentation(encoding, text, (Segment(text, octets, units),))
    return Segmentation(encoding, text, tuple(_cut(text, octets, encoding, method)))


def count_parts(text: str, method: ConcatMethod = ConcatMethod.UDH8) -> tuple[Encoding, int]:
    """The encoding and number of parts of `segment(text, method=method)`."""
    text = normalise(text)
    encoding, octets, units = _encode(text)
    if _is_whole(encoding, units, method):
        return encoding, 1
    return encoding, sum(1 for _ in _cut(text, octets, encoding, method))


def capacity_of(encoding: Encoding, method: ConcatMethod, parts: int) -> int:
    """What one of `parts` parts holds, in septets or UTF-16 units: 160 or 70 if it is the only one, else less.

    With PAYLOAD there is only one, and it may be larger: there this is what a short message holds without being cut.
    """
    return _WHOLE[encoding] if parts == 1 else _PART[encoding, method]


def _encode(text: str, encoding: Encoding | None = None) -> tuple[Encoding, bytes, int]:
    """In one piece: its encoding, its octets and its length in units."""
    octets = gsm.try_encode(text) if encoding is None else None
    if octets is not None:
        return Encoding.GSM7, octets, len(octets)
    if encoding is Encoding.GSM7:
        octets = gsm.encode(text)
        return encoding, octets, len(octets)
    octets = ucs2.encode(text)
    return Encoding.UCS2, octets, len(octets) // 2


def _is_whole(encoding: Encoding, units: int, method: ConcatMethod) -> bool:
    return units <= _WHOLE[encoding] or method is ConcatMethod.PAYLOAD


def _cut(text: str, octets: bytes, encoding: Encoding, method: ConcatMethod) -> Iterator[Segment]:
    capacity = _PART[encoding, method]
    return _cut_gsm(text, octets, capacity) if encoding is Encoding.GSM7 else _cut_ucs2(text, capacity)


def _cut_gsm(text: str, octets: bytes, capacity: int) -> Iterator[Segment]:
    """Parts of at most `capacity` septets. The only clusters of more than one character in this alphabet are CR LF."""
    start = begin = 0  # of the open part: in `text`, in `octets`
    while begin < len(octets):
        end = begin + capacity
        if end < len(octets):
            last, following = octets[end - 1], octets[end]
            if last == gsm.ESC or (last == gsm.CR and following == gsm.LF):
                end -= 1
        part = octets[begin:end]
        stop = start + len(part) - part.count(gsm.ESC)
        yield Segment(text[start:stop], part, len(part))
        start, begin = stop, end


def _cut_ucs2(text: str, capacity: int) -> Iterator[Segment]:
    """Parts of at most `capacity` UTF-16 units."""
    start = 0
    oversize = 0  # end of the last cluster larger than a part: up to here the text is cut between code points
    while start < len(text):
        octets = _fitting(text[start : start + capacity], capacity)
        limit = stop = start + len(octets.decode("utf-16-be"))
        if limit < len(text) and limit > oversize and not _PLAIN_PAIR.match(text, limit - 1):
            stop = _last_border(text, max(start, oversize), limit)
            if stop > start:
                octets = ucs2.encode(text[start:stop])
            else:
                stop = limit
                oversize = _cluster_end(text, start)
        yield Segment(text[start:stop], octets, len(octets) // 2)
        start = stop


def _fitting(text: str, capacity: int) -> bytes:
    """The longest beginning of `text` that takes at most `capacity` UTF-16 units, encoded, no surrogate pair torn."""
    octets = ucs2.encode(text)[: 2 * capacity]
    ends_in_high_surrogate = octets[-2] & 0xFC == 0xD8
    return octets[:-2] if ends_in_high_surrogate else octets


def _last_border(text: str, border: int, limit: int) -> int:
    """The last cluster border in border..limit, where `border` is one; it depends on nothing past text[limit]."""
    *_, last = _CLUSTER.finditer(text[border : limit + 1])
    return border + last.start()


def _cluster_end(text: str, border: int) -> int:
    cluster = _CLUSTER.match(text, border)
    return border if cluster is None else int(cluster.end())
