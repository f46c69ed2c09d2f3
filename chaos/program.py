"""A process of Payk that is started again whenever it ends, as an init system would."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from chaos.records import Life

__all__ = ["Program", "run_to_end"]

RESTART = 0.5
"""Seconds from the end of a process to its next start, where a fault does not say otherwise."""
STOP_WITHIN = 12.0
"""Seconds from SIGTERM to the end of a process; then it is killed."""


class Program:
    """`payk` with these arguments. `ready` is what it prints once it works; `on_ready` gets the match.

    What it writes to standard error goes to a file; the folder is the caller's.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        ready: str,
        on_ready: Callable[[re.Match[str]], None] = lambda match: None,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.lives: list[Life] = []
        """Every process there was; the last one may still run."""
        self.ready = asyncio.Event()
        self.stopped = False
        """By SIGSTOP."""
        self._arguments = arguments
        self._environment = environment
        self._ready = re.compile(ready)
        self._on_ready = on_ready
        self._cause: str | None = None
        self._pause = RESTART

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        return self.lives[-1].pid if self.lives and self.lives[-1].ended_at is None else None

    @property
    def healthy(self) -> bool:
        """Whether it works as far as we know."""
        return self.pid is not None and self.ready.is_set() and not self.stopped

    async def supervise(self) -> None:
        """Keep it running until cancelled; no process of it is left then."""
        while True:
            self._cause, self._pause = None, RESTART
            await self._live()
            await asyncio.sleep(self._pause)

    def kill(self, cause: str, *, restart_after: float = RESTART) -> None:
        """As a crash would."""
        self._end(signal.SIGKILL, cause, restart_after)

    async def terminate(self, cause: str) -> float | None:
        """Ask it to stop, and see it start again; the seconds it took to stop, None where it had to be killed."""
        began = time.monotonic()
        life = self.lives[-1]
        self._end(signal.SIGTERM, cause, 0.0)
        while life.ended_at is None:
            if time.monotonic() - began > STOP_WITHIN:
                self.kill(cause, restart_after=0.0)
                return None
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    async def stop_for(self, seconds: float) -> None:
        """Let it stand still for this time."""
        life = self.lives[-1]
        os.kill(life.pid, signal.SIGSTOP)
        self.stopped = True
        try:
            await asyncio.sleep(seconds)
        finally:
            self.stopped = False
            if life.ended_at is None:
                os.kill(life.pid, signal.SIGCONT)

    def _end(self, number: signal.Signals, cause: str, restart_after: float) -> None:
        if (pid := self.pid) is not None:
            self._cause, self._pause = cause, restart_after
            os.kill(pid, number)

    async def _live(self) -> None:
        """One process, from its start to its end."""
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *_command(self._arguments),
                env=_environment(self._environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we end it
            )
        life = Life(self.name, process.pid, time.time())
        self.lives.append(life)
        try:
            assert process.stdout is not None
            async for line in process.stdout:
                found = self._ready.search(line.decode())
                if found is not None:
                    life.ready_at = time.time()
                    self._on_ready(found)
                    self.ready.set()
            await process.wait()
        finally:
            self.ready.clear()
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            life.ended_at = time.time()
            life.ended_by, life.exit_code = self._cause, process.returncode


async def run_to_end(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """A command of `payk` that must succeed. RuntimeError says why it did not."""
    process = await asyncio.create_subprocess_exec(
        *_command(arguments),
        env=_environment(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"payk {arguments[0]} ended with {process.returncode}: {told.decode()[-2000:]}")


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "payk", *arguments]


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PAYK_")} | dict(given)
