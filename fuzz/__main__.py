"""`python -m fuzz`: exit code 1 if something was found, 0 and a line of figures if not."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Sequence

from fuzz.campaign import campaign
from fuzz.fuzzer import Report
from fuzz.targets import TARGETS

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    seed = secrets.randbits(32) if options.seed is None else options.seed
    print(
        f"fuzzing {', '.join(options.target)} for {options.seconds:g} s in {options.jobs} processes, seed {seed}",
        flush=True,
    )
    report = campaign(options.target, seed, options.seconds, options.jobs)
    for finding in report.findings:
        print(f"{finding}\n  seed {seed}")
    print(_figures(report))
    print(f"{len(report.findings)} findings, seed {seed}" if report.findings else f"nothing found, seed {seed}")
    return 1 if report.findings else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Fuzz what foreign octets reach first.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, help="repeats a run; without it a random one is taken, and printed")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--target", action="append", choices=TARGETS, help="this one alone; may be repeated")
    options = parser.parse_args(arguments)
    options.target = options.target or list(TARGETS)
    return options


def _figures(report: Report) -> str:
    rows = [f"{'target':<14}{'inputs':>12}{'a second':>10}{'kinds':>8}"]
    for name, count in report.executions.items():
        spent = report.seconds.get(name)
        rate = f"{count / spent:,.0f}" if spent else "-"
        rows.append(f"{name:<14}{count:>12,}{rate:>10}{report.kinds[name]:>8,}")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
