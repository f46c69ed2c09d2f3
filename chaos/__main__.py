"""`python -m chaos`: exit code 1 if a promise was broken, or too little happened to say that none was."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import uvloop

from chaos import report as reports
from chaos.run import Options, failed, run
from payk.logs import configure

__all__ = ["main"]

_BUILD: Final = Path(__file__).parents[1] / "build"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    configure("console", "error")  # that the database ended is what we want
    logs = _BUILD / "chaos-logs"
    print(f"{options.seconds:g} s of {options.rate:g} messages a second under faults, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="payk-chaos-") as temporary:
        folder = Path(temporary)
        if options.keep:
            shutil.rmtree(logs, ignore_errors=True)
            logs.mkdir(parents=True)
        given = Options(options.seconds, options.rate, options.seed)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                report = runner.run(_until_told(given, folder, logs if options.keep else folder))
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("ended before its time; nothing of it is left", file=sys.stderr)
            return 2
    reports.write(report, options.output)
    print(reports.table(report))
    reasons = failed(report)
    for reason in reasons:
        print(reason, file=sys.stderr)
    return 1 if reasons else 0


async def _until_told(options: Options, folder: Path, logs: Path) -> dict[str, Any]:
    """SIGTERM ends a run as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(options, folder, logs)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m chaos", description="Show that nothing is lost and nothing sent twice unknowingly."
    )
    parser.add_argument("--seconds", type=float, default=300.0, help="how long the load lasts (default: 300)")
    parser.add_argument("--rate", type=float, default=500.0, help="messages a second (default: 500)")
    parser.add_argument("--seed", type=int, default=1, help="decides what fails, and when (default: 1)")
    parser.add_argument("--output", type=Path, default=_BUILD / "chaos.json", help="where to write the report to")
    parser.add_argument("--keep", action="store_true", help="keep the logs of the processes, in build/chaos-logs")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
