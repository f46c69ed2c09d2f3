"""A command of Payk in a process of its own: its lines, its exit, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["STOP_WITHIN", "Ended", "Program", "run"]

STOP_WITHIN = 10.0
"""Seconds from SIGTERM to the end of a process."""
ENDS_WITHIN = 90.0
"""Seconds for a command that ends by itself."""
POLL = 0.02

Ended = subprocess.CompletedProcess[str]


def _command(arguments: Sequence[str], script: Path | None = None) -> list[str]:
    return [sys.executable, *(("-m", "payk") if script is None else ("-P", str(script))), *arguments]


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PAYK_")} | dict(given)


async def run(*arguments: str, environment: Mapping[str, str], folder: Path, stdin: str = "") -> Ended:
    """A command that ends by itself."""
    return await asyncio.to_thread(
        subprocess.run,
        _command(arguments),
        env=_environment(environment),
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN,
        check=False,
    )


class Program:
    """A command that runs until it is told to stop. What it writes goes to files in `folder`. `script`: run it by this
    in place of `payk`."""

    def __init__(
        self, *arguments: str, environment: Mapping[str, str], folder: Path, name: str, script: Path | None = None
    ) -> None:
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                _command(arguments, script),
                env=_environment(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    @property
    def stdout(self) -> str:
        return self._out.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return self._err.read_text(encoding="utf-8")

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    async def line(self, pattern: str, *, within: float = 60.0) -> str:
        """The first group of `pattern` in what it prints, waited for."""
        deadline = time.monotonic() + within
        while (found := re.search(pattern, self.stdout, re.MULTILINE)) is None:
            assert self.runs, f"ended with {self.process.returncode}: {self.stderr[-2000:]}"
            assert time.monotonic() < deadline, (
                f"no {pattern!r} within {within:g} s: {self.stdout}{self.stderr[-2000:]}"
            )
            await asyncio.sleep(POLL)
        return found[1]

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Stop it in order; the seconds that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        while self.runs:
            assert time.monotonic() - began < STOP_WITHIN, f"still runs {STOP_WITHIN:g} s after {number.name}"
            await asyncio.sleep(POLL)
        assert self.process.returncode == 0, f"ended with {self.process.returncode}: {self.stderr[-2000:]}"
        return time.monotonic() - began

    def kill(self) -> None:
        """As a crash would."""
        self.process.kill()
        self.process.wait()
