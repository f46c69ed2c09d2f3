"""What a run tells: a table for people, a file for machines."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.figure import CannotRun, Figure, Reading
from bench.reference import RAW_STRUCT

__all__ = ["known", "merge", "misses", "table", "told", "write"]


def told(figure: Figure, value: float) -> Reading:
    """The reading of a figure that is measured once, told at once to whoever waits for the table."""
    sys.stderr.write(f"{figure.name} {value:,.{figure.digits}f}\n")
    return Reading(figure, value, value)


def table(readings: Sequence[Reading]) -> str:
    """One line for each figure; the last column is its best over that of the raw struct, where that was measured."""
    raw = next((reading.best for reading in readings if reading.figure is RAW_STRUCT.figure), None)
    rows = [("figure", "best", "median", "floor", "aim", "to raw_struct")]
    for reading in readings:
        figure = reading.figure
        ratio = "" if raw is None or figure.less_is_better else f"{reading.best / raw:.4f}"
        rows.append(
            (
                figure.name,
                _shown(reading.best, figure),
                _shown(reading.median, figure),
                _shown(figure.floor, figure),
                _shown(figure.aim, figure),
                ratio,
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


def _shown(value: float | None, figure: Figure) -> str:
    return "" if value is None else f"{value:,.{figure.digits}f}"


def misses(readings: Iterable[Reading]) -> list[str]:
    """One line for each figure that does not reach its floor."""
    return [
        f"{reading.figure.name} is {'above' if reading.figure.less_is_better else 'below'} its floor:"
        f" {_shown(reading.best, reading.figure)} of {_shown(reading.figure.floor, reading.figure)}"
        for reading in readings
        if reading.missed
    ]


def write(readings: Iterable[Reading], path: Path) -> None:
    """The best of each figure under its name, its median beside it, and what they were measured on; figures of other
    commands stay. All or nothing.
    """
    facts = known(path)
    for reading in readings:
        digits = max(1, reading.figure.digits)
        facts[reading.figure.name] = round(reading.best, digits)
        facts[f"{reading.figure.name}_median"] = round(reading.median, digits)
    facts |= {"python": platform.python_version(), "machine": platform.machine(), "cpus": os.cpu_count()}
    _replace(facts, path)


def merge(readings: Iterable[Reading], path: Path) -> None:
    """The median of each figure under its name, among the figures of other runs, which stay. All or nothing."""
    facts = known(path)
    facts |= {reading.figure.name: round(reading.median, max(1, reading.figure.digits)) for reading in readings}
    _replace(facts, path)


def known(path: Path) -> dict[str, float | str | None]:
    """What is in the file. Raises CannotRun where it is there and cannot be read."""
    try:
        facts: object = json.loads(path.read_text()) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise CannotRun(f"{path} cannot be read: {error}") from error
    if not isinstance(facts, dict):
        raise CannotRun(f"{path} holds no figures")
    return facts


def _replace(facts: dict[str, float | str | None], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.new")
    try:
        unfinished.write_text(json.dumps(facts, indent=2) + "\n")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
