"""The families of figures, in the order in which they are measured and shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bench import centre, loop, promises, reporting, seeing
from bench.codec import CODEC_PAIRS
from bench.figure import Reading
from bench.reference import RAW_STRUCT
from bench.routing import CHECK_CONDITIONS, CHECK_FEW, CHECK_FEW_CONDITIONS, CHECK_SHARED, many_to_few
from bench.segmentation import SEGMENT_LONG, SEGMENT_SHORT

__all__ = ["FAMILIES", "Family"]


@dataclass(frozen=True, slots=True)
class Family:
    """`measure` takes its figures in about so many seconds, `seconds` if nobody wants it otherwise."""

    measure: Callable[[float], list[Reading]]
    seconds: float


def _loops(seconds: float) -> list[Reading]:
    readings = loop.measure(
        (
            RAW_STRUCT,
            CODEC_PAIRS,
            SEGMENT_SHORT,
            SEGMENT_LONG,
            CHECK_FEW,
            CHECK_FEW_CONDITIONS,
            CHECK_CONDITIONS,
            CHECK_SHARED,
        ),
        seconds,
    )
    return [*readings, many_to_few(readings)]


FAMILIES: Final[Mapping[str, Family]] = {
    "parts": Family(_loops, 10.0),
    "promises": Family(promises.measure, 10.0),
    "reports": Family(reporting.measure, 10.0),
    "centre": Family(centre.measure, 250.0),
    "seeing": Family(seeing.measure, 40.0),
}
