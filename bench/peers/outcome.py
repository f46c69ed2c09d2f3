"""What all turns came to: a table and a line for people, figures for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from bench.figure import Figure, Reading
from bench.peers.carried import Carried
from bench.peers.systems import KANNEL, PAYK, System

__all__ = ["RATIO", "Turns", "misses", "readings", "summary", "table"]

RATIO: Final = Figure("end_to_end_ratio", 2.5, digits=2)

Turns = Mapping[System, Sequence[Carried]]


def readings(turns: Turns) -> list[Reading]:
    """The medians of all turns, and the ratio of the medians of Payk and Kannel."""
    told = []
    for system, carried in turns.items():
        told.append(_reading(system.end_to_end, [each.end_to_end for each in carried]))
        told.append(_reading(system.accepted, [each.accepted for each in carried]))
    ratio = _end_to_end(turns, PAYK) / _end_to_end(turns, KANNEL)
    return [*told, Reading(RATIO, ratio, ratio)]


def table(turns: Turns) -> str:
    """One line for each system: its medians, and each turn from end to end."""
    rows = [("messages a second", "accepted", "end to end", "drain, s", "turns")]
    for system, carried in turns.items():
        rows.append(
            (
                system.name,
                f"{median(each.accepted for each in carried):,.0f}",
                f"{_end_to_end(turns, system):,.0f}",
                f"{median(each.drain for each in carried):.1f}",
                " ".join(f"{each.end_to_end:,.0f}" for each in carried),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def summary(turns: Turns) -> str:
    """Both systems and their ratio, in one line."""
    ours, theirs = _end_to_end(turns, PAYK), _end_to_end(turns, KANNEL)
    return (
        f"end to end: Payk {ours:,.0f}/s, Kannel {theirs:,.0f}/s, ratio {ours / theirs:.2f};"
        f" floors {PAYK.end_to_end.floor:,.0f}/s and {RATIO.floor}"
    )


def misses(told: Sequence[Reading]) -> list[str]:
    """One line for each figure below its floor."""
    lines = []
    for figure, value in ((reading.figure, reading.best) for reading in told if reading.missed):
        lines.append(f"{figure.name} is below its floor: {value:,.{figure.digits}f} of {figure.floor:,}")
    return lines


def _reading(figure: Figure, rates: Sequence[float]) -> Reading:
    """The median stands for the best too: no turn is a better measure of a whole system than the others."""
    return Reading(figure, median(rates), median(rates))


def _end_to_end(turns: Turns, system: System) -> float:
    return median(carried.end_to_end for carried in turns[system])
