"""The command line: measure, print, write; see ``--help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench import report
from bench.families import FAMILIES, Family
from bench.figure import CannotRun

__all__ = ["main"]

_BUILD: Final = Path(__file__).parents[1] / "build"


def main(arguments: Sequence[str] | None = None, families: Mapping[str, Family] = FAMILIES) -> int:
    """The exit code: 1 if ``--check`` was asked for and a figure is below its floor, 2 where it cannot be measured."""
    options = _options(arguments, families)
    chosen = {name: family for name, family in families.items() if name in (options.only or families)}
    scale = 1.0 if options.seconds is None else options.seconds / sum(family.seconds for family in chosen.values())
    try:
        report.known(options.output)  # before anything is measured in vain
        readings = [reading for family in chosen.values() for reading in family.measure(family.seconds * scale)]
    except CannotRun as reason:
        print(f"make bench cannot run: {reason}", file=sys.stderr)
        return 2
    print(report.table(readings))
    report.write(readings, options.output)
    misses = report.misses(readings)
    for miss in misses:
        print(miss, file=sys.stderr)
    return 1 if misses and options.check else 0


def _options(arguments: Sequence[str] | None, families: Mapping[str, Family]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure how fast Payk is (docs/performance.md)."
    )
    parser.add_argument("--seconds", type=float, help="how long to measure, all in all, besides what is set up")
    parser.add_argument("--only", action="append", choices=list(families), help="a family of figures; may be repeated")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure is below its floor")
    parser.add_argument("--output", type=Path, default=_BUILD / "bench.json", help="where to write the figures to")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
