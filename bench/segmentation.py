"""Texts cut into parts: short ones of one part, long ones of five, in both encodings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle, islice
from typing import Final

from bench.figure import Figure
from bench.loop import Loop
from payk.text import segment

__all__ = ["LONG_TEXTS", "SEGMENT_LONG", "SEGMENT_SHORT", "SHORT_TEXTS"]

SHORT_TEXTS: Final = (
    "Ваш код подтверждения: 48213",
    "Your confirmation code is 48213. Do not show it to anyone, not even to an employee of the bank.",
    "Рамзи тасдиқ: 48213. Онро ба ҳеҷ кас нагӯед.",
    "Card *4821: payment of 120.50 TJS [shop]. Balance: 1342.10 TJS. Your bonus of the month is 3.40 €.",
    "Табрик! Ба шумо туҳфа 🎁 расид.",
)
LONG_TEXTS: Final = (
    ("Dear client, the statement of the month is ready. Open the application, choose {Statements}: it is there. " * 7)[
        :700
    ],
    ("Уважаемый клиент, напоминаем о предстоящем платеже: пополните счёт до конца недели. " * 4)[:320],
)


def _segmenting(texts: Sequence[str]) -> Callable[[int], None]:
    def run(times: int) -> None:
        for text in islice(cycle(texts), times):
            segment(text)

    return run


SEGMENT_SHORT: Final = Loop(Figure("segment_short_per_s", floor=100_000), _segmenting(SHORT_TEXTS))
SEGMENT_LONG: Final = Loop(Figure("segment_long_per_s", floor=20_000), _segmenting(LONG_TEXTS))
