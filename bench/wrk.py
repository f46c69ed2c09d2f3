"""The load generator: wrk, a program in C, so that Python does not measure Python."""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figure import CannotRun

__all__ = ["CONNECTIONS", "Load", "find_wrk", "run_wrk"]

CONNECTIONS: Final = 64

_REQUESTS: Final = re.compile(r"^\s*(\d+) requests in ([\d.]+)(us|ms|s|m|h),", re.MULTILINE)
_REFUSED: Final = re.compile(r"^\s*Non-2xx or 3xx responses: (\d+)", re.MULTILINE)
_BROKEN: Final = re.compile(r"^\s*Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", re.MULTILINE)
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Load:
    """What a run of wrk did: answers of 2xx, in so many seconds."""

    answered: int
    seconds: float

    @property
    def rate(self) -> float:
        """Answers of 2xx a second."""
        return self.answered / self.seconds


def find_wrk() -> str:
    """Where wrk is. Raises CannotRun."""
    found = shutil.which("wrk")
    if found is None:
        raise CannotRun("wrk is not installed: apt-get install wrk")
    return found


async def run_wrk(url: str, seconds: float, script: Path | None = None, connections: int = CONNECTIONS) -> Load:
    """Load `url` from one thread. Raises CannotRun where wrk cannot, or any request was not answered by a 2xx."""
    options = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s"]
    if script is not None:
        options += ["-s", str(script)]
    child = await asyncio.create_subprocess_exec(
        find_wrk(), *options, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        told = (await child.communicate())[0].decode(errors="replace")
    except asyncio.CancelledError:
        child.kill()
        raise
    return parse(told)


def parse(told: str) -> Load:
    """What wrk told. Raises CannotRun."""
    match = _REQUESTS.search(told)
    if match is None:
        raise CannotRun(f"wrk did not run: {' '.join(told.split())[:200]}")
    refused = _REFUSED.search(told)
    if refused is not None:
        raise CannotRun(f"{refused[1]} of {match[1]} requests of wrk were not answered by a 2xx")
    broken = _BROKEN.search(told)
    if broken is not None and any(map(int, broken.groups())):
        raise CannotRun(f"wrk lost requests: {broken[0].strip()}")
    return Load(int(match[1]), float(match[2]) * _SECONDS[match[3]])
