"""The command line: measure, print, write; see ``--help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import report
from bench.families import FAMILIES, Family

__all__ = ["main"]

_BUILD: Final = Path(__file__).parents[1] / "build"


def main(arguments: Sequence[str] | None = None, families: Sequence[Family] = FAMILIES) -> int:
    """The exit code: 1 if ``--check`` was asked for and a figure is below its floor."""
    options = _options(arguments)
    readings = [reading for family in families for reading in family(options.seconds / len(families))]
    print(report.table(readings))
    report.write(readings, options.output)
    misses = report.misses(readings)
    for miss in misses:
        print(miss, file=sys.stderr)
    return 1 if misses and options.check else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure how fast Payk is (docs/performance.md)."
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to measure, all in all (default: 20)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure is below its floor")
    parser.add_argument("--output", type=Path, default=_BUILD / "bench.json", help="where to write the figures to")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
