"""The families of figures, in the order in which they are measured and shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bench import loop, promises
from bench.codec import CODEC_PAIRS
from bench.figure import Reading
from bench.reference import RAW_STRUCT
from bench.segmentation import SEGMENT_LONG, SEGMENT_SHORT

__all__ = ["FAMILIES", "Family"]

Family = Callable[[float], list[Reading]]
"""Measures its figures in about so many seconds."""


def _loops(seconds: float) -> list[Reading]:
    return loop.measure((RAW_STRUCT, CODEC_PAIRS, SEGMENT_SHORT, SEGMENT_LONG), seconds)


FAMILIES: Final[tuple[Family, ...]] = (_loops, promises.measure)
