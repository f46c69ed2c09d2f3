"""What a text costs in parts, which characters make it dear, and how it could be spelled to cost less.

Nothing is decided here: the choices stand side by side, and who sends the text picks one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, pairwise
from operator import attrgetter

from payk.text import gsm
from payk.text.form import normalise
from payk.text.segmentation import ConcatMethod, Encoding, capacity_of, segment
from payk.text.transliteration import Language, plain, transliterate

__all__ = ["Choice", "Cost", "ForcingCharacter", "Spelling", "cost_of"]


class Spelling(StrEnum):
    """What is done to a text before it is sent, the gentler first.

    AS_IS: nothing but NFC. PLAIN: `plain`. RUSSIAN, TAJIK: `transliterate` by that language's table, which makes
    typography plain too.
    """

    AS_IS = "as_is"
    PLAIN = "plain"
    RUSSIAN = "ru"
    TAJIK = "tg"


@dataclass(frozen=True, slots=True)
class ForcingCharacter:
    """A character that GSM 03.38 does not hold, and every position of it: code points from 0 in the text in NFC."""

    character: str
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A text in one spelling, in NFC, as it would be sent."""

    spelling: Spelling
    text: str
    encoding: Encoding
    units: int
    """Of all parts together, without UDH: septets (a character of the extension table is two) or UTF-16 units."""
    units_left: int
    """What could be added to the last part before one more is needed, in the same units. 0 or more."""
    ends: tuple[int, ...]
    """Where each part ends, as code points from the beginning of `text`; the last is its length."""

    @property
    def parts(self) -> int:
        """The number of short messages; at least 1."""
        return len(self.ends)

    @property
    def fits_gsm(self) -> bool:
        """GSM 03.38 holds every character of `text`."""
        return self.encoding is Encoding.GSM7

    @property
    def pieces(self) -> tuple[str, ...]:
        """The text of each part, in order; together they are `text`."""
        return tuple(self.text[start:end] for start, end in pairwise((0, *self.ends)))


@dataclass(frozen=True, slots=True)
class Cost:
    """What a text costs."""

    forcing: tuple[ForcingCharacter, ...]
    """The characters that force UCS-2 on the text as it is, in order of first appearance; empty if GSM 03.38 fits."""
    choices: tuple[Choice, ...]
    """The text as it is and the spellings that change it, cheapest first; at least one."""

    @property
    def as_is(self) -> Choice:
        """The text as it is."""
        return next(choice for choice in self.choices if choice.spelling is Spelling.AS_IS)

    @property
    def cheapest(self) -> Choice:
        """The choice of the fewest parts, of several such the gentlest: the text as it is, if nothing saves a part."""
        return self.choices[0]


def cost_of(text: str, *, method: ConcatMethod = ConcatMethod.UDH8, encoding: Encoding | None = None) -> Cost:
    """Which characters of `text` force UCS-2, and what each spelling of it costs, cheapest first.

    `encoding` prescribes one, as in `segment`: UCS2, for an operator that takes no other.

    Of the same number of parts the gentler spelling goes first. A spelling that adds nothing to a gentler one is left
    out: PLAIN if no character of `PLAIN` is there, a language if no letter is there to transliterate. PAYLOAD is
    counted like UDH8: the operator cuts, and bills, such a text by those capacities. Linear in the length of `text`.
    Raises UnencodableError for a lone surrogate.
    """
    if method is ConcatMethod.PAYLOAD:
        method = ConcatMethod.UDH8
    text = normalise(text)
    choices = [_choice(spelling, spelled, method, encoding) for spelling, spelled in _spellings(text).items()]
    choices.sort(key=attrgetter("parts"))  # stable: of the same number the gentler stays first
    return Cost(_forcing(text), tuple(choices))


def _spellings(text: str) -> dict[Spelling, str]:
    """The spellings that differ from gentler ones, in their order."""
    spellings = {Spelling.AS_IS: text}
    if gsm.is_encodable(text):
        return spellings
    plainer = plain(text)
    if plainer != text:
        spellings[Spelling.PLAIN] = plainer
    for spelling, language in ((Spelling.RUSSIAN, Language.RUSSIAN), (Spelling.TAJIK, Language.TAJIK)):
        latin = transliterate(text, language)
        if latin != plainer:
            spellings[spelling] = latin
    return spellings


def _choice(spelling: Spelling, text: str, method: ConcatMethod, encoding: Encoding | None) -> Choice:
    segmentation = segment(text, method=method, encoding=encoding)
    segments = segmentation.segments
    return Choice(
        spelling=spelling,
        text=segmentation.text,
        encoding=segmentation.encoding,
        units=sum(part.units for part in segments),
        units_left=capacity_of(segmentation.encoding, method, len(segments)) - segments[-1].units,
        ends=tuple(accumulate(len(part.text) for part in segments)),
    )


def _forcing(text: str) -> tuple[ForcingCharacter, ...]:
    positions: dict[str, list[int]] = {}
    for position, character in gsm.foreign(text):
        positions.setdefault(character, []).append(position)
    return tuple(ForcingCharacter(character, tuple(places)) for character, places in positions.items())
