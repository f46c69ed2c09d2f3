"""The command line: measure, print, write; see ``--help``."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench import report
from bench.figure import CannotRun, Reading
from bench.large import run
from bench.rig import database_disk
from payk.store.errors import StoreError

__all__ = ["main"]

_BUILD: Final = Path(__file__).parents[2] / "build"
_SMALLEST: Final = 0.001
"""A claim of 1,000 needs a queue."""

Measure = Callable[[float], list[Reading]]


def main(arguments: Sequence[str] | None = None, measure: Measure = run.measure) -> int:
    """The exit code: 1 if ``--check`` was asked for and a figure misses its floor, 2 where it cannot be measured."""
    options = _options(arguments)
    whole = options.scale == 1
    output = options.output or (_BUILD / "bench.json" if whole else None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends this ends what it has started
    needed = f"make bench-large needs about {run.disk_needed(options.scale) / 1e9:.0f} GB of disk"
    sys.stderr.write(f"{needed} for {database_disk()}{', and up to 30 minutes' if whole else ''}\n")
    try:
        if output is not None:
            report.known(output)
        readings = measure(options.scale)
        if output is not None:
            report.merge(readings, output)
    except (CannotRun, StoreError) as reason:
        print(f"make bench-large cannot run: {reason}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if not whole:
        print(f"A trial at {options.scale:g} of the size: these are not the figures that the names promise.")
    print(report.table(readings))
    misses = report.misses(readings)
    for miss in misses:
        print(miss, file=sys.stderr)
    return 1 if misses and options.check else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.large", description="Measure a centre with 20 million messages (docs/performance.md)."
    )
    parser.add_argument(
        "--scale", type=_scale, default=1.0, help="a part of the size, for trials, which are only written to --output"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure misses its floor")
    parser.add_argument("--output", type=Path, help="where to add the figures (default: build/bench.json)")
    return parser.parse_args(arguments)


def _scale(text: str) -> float:
    scale = float(text)
    if not _SMALLEST <= scale <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from {_SMALLEST} to 1")
    return scale


if __name__ == "__main__":
    sys.exit(main())
