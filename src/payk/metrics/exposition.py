"""The text that Prometheus reads: its exposition format, version 0.0.4.

Written by ourselves: a family is filled many values at a time, and thousands of lines are to take few milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

from payk.metrics.family import Counter, Family, Gauge, Histogram, Labels, Readings, Scope

__all__ = ["CONTENT_TYPE", "exposition"]

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"


def exposition(families: Iterable[Family], readings: Readings, *, process: str, role: str) -> str:
    """All of `families` that have values. `process` and `role` are labels of what is this process's own."""
    own = f'process="{_escaped(process)}",role="{_escaped(role)}"'
    lines: list[str] = []
    for family in families:
        samples = [*_samples(family, readings.get(family, {}), own if family.scope is Scope.PROCESS else "")]
        if samples:
            lines.append(f"# HELP {family.name} {_help(family.help)}")
            lines.append(f"# TYPE {family.name} {family.kind}")
            lines += samples
    lines.append("")
    return "\n".join(lines)


def _samples(family: Family, readings: Mapping[Labels, float], own: str) -> Iterator[str]:
    if isinstance(family, Histogram):
        bounds = [*map(_number, family.bounds), "+Inf"]
        for labels, spread in sorted(family.spreads.items()):
            inside = _pairs(family, labels, own)
            opened = f'{family.name}_bucket{{{inside}{"," if inside else ""}le="'
            counts = [*accumulate(spread.counts)]
            yield from [f'{opened}{bound}"}} {count}' for bound, count in zip(bounds, counts, strict=True)]
            yield f"{family.name}_sum{_braced(inside)} {_number(spread.total)}"
            yield f"{family.name}_count{_braced(inside)} {counts[-1]}"
        return
    values = {**family.values, **readings} if isinstance(family, Counter | Gauge) else readings
    for labels, value in sorted(values.items()):
        yield f"{family.name}{_braced(_pairs(family, labels, own))} {_number(value)}"


def _pairs(family: Family, labels: Labels, own: str) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(family.labels, labels, strict=True)]
    return ",".join([own, *pairs] if own else pairs)


def _braced(inside: str) -> str:
    return f"{{{inside}}}" if inside else ""


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
