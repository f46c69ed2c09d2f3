"""The command line: install what is missing, measure by turns, print, write; see ``--help``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench import report
from bench.figure import CannotRun
from bench.peers import outcome
from bench.peers.carried import Carried, carry
from bench.peers.packages import provide
from bench.peers.systems import SYSTEMS, System
from bench.rig import Operator

__all__ = ["main"]

_BUILD: Final = Path(__file__).parents[2] / "build"
_RECEIPT_AFTER: Final = 2.0  # seconds
_PROGRAMS: Final = (("wrk", "wrk"), ("bearerbox", "kannel"), ("smsbox", "kannel"))
"""Programs, and the packages they are in."""

Measure = Callable[[int, float], outcome.Turns]


def measure(rounds: int, seconds: float) -> outcome.Turns:
    """All systems take turns, so many rounds of them. Raises CannotRun."""
    for program, package in _PROGRAMS:
        provide(program, package)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends this ends what it has started
    return asyncio.run(_measure(rounds, seconds))


def main(arguments: Sequence[str] | None = None, measure: Measure = measure) -> int:
    """The exit code: 1 if ``--check`` was asked for and a figure is below its floor, 2 where it cannot be measured."""
    options = _options(arguments)
    try:
        report.known(options.output)
        turns = measure(options.rounds, options.seconds)
    except CannotRun as reason:
        print(f"make bench-peers cannot run: {reason}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    readings = outcome.readings(turns)
    print(outcome.table(turns))
    print(outcome.summary(turns))
    report.merge(readings, options.output)
    misses = outcome.misses(readings)
    for miss in misses:
        print(miss, file=sys.stderr)
    return 1 if misses and options.check else 0


async def _measure(rounds: int, seconds: float) -> outcome.Turns:
    turns: dict[System, list[Carried]] = {system: [] for system in SYSTEMS}
    for number in range(rounds):
        for system in SYSTEMS:
            carried = await _turn(system, seconds)
            turns[system].append(carried)
            sys.stderr.write(f"round {number + 1}: {system.name}: {carried.end_to_end:,.0f}/s end to end\n")
    return turns


async def _turn(system: System, seconds: float) -> Carried:
    """With an operator of its own, so that nobody finds what another one left there."""
    operator = await Operator.start(receipt_after=_RECEIPT_AFTER)
    try:
        async with system.open(operator) as load:
            return await carry(operator, load, seconds)
    finally:
        await operator.end()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers", description="Measure Payk and Kannel by turns (docs/performance.md)."
    )
    parser.add_argument("--rounds", type=int, default=2, help="turns of each (default: 2)")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long a turn's load lasts (default: 20)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure is below its floor")
    parser.add_argument("--output", type=Path, default=_BUILD / "bench.json", help="where to add the figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
