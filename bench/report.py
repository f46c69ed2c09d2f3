"""What a run tells: a table for people, a file for machines."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.figure import Reading
from bench.reference import RAW_STRUCT

__all__ = ["misses", "table", "write"]


def table(readings: Sequence[Reading]) -> str:
    """One line for each figure; the last column is its best over that of the raw struct."""
    [raw] = [reading.best for reading in readings if reading.figure is RAW_STRUCT.figure]
    rows = [("figure", "best", "median", "floor", "to raw_struct")]
    for reading in readings:
        floor = reading.figure.floor
        rows.append(
            (
                reading.figure.name,
                f"{reading.best:,.0f}",
                f"{reading.median:,.0f}",
                "" if floor is None else f"{floor:,.0f}",
                f"{reading.best / raw:.4f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def misses(readings: Iterable[Reading]) -> list[str]:
    """One line for each figure below its floor."""
    return [
        f"{reading.figure.name} is below its floor: {reading.best:,.0f} of {reading.figure.floor:,.0f}"
        for reading in readings
        if reading.missed
    ]


def write(readings: Iterable[Reading], path: Path) -> None:
    """The best of each figure under its name, its median beside it, and what they were measured on. All or nothing."""
    facts: dict[str, float | str | None] = {}
    for reading in readings:
        facts[reading.figure.name] = round(reading.best, 1)
        facts[f"{reading.figure.name}_median"] = round(reading.median, 1)
    facts |= {"python": platform.python_version(), "machine": platform.machine(), "cpus": os.cpu_count()}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.new")
    try:
        unfinished.write_text(json.dumps(facts, indent=2) + "\n")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
