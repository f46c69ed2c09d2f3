"""What the kernel says of processes: their processor time and their memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

__all__ = ["Usage", "resident_mb", "usage"]

_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of processor time by the name of what used them."""

    seconds: dict[str, float]

    def since(self, before: Usage) -> dict[str, float]:
        """What was used after `before`."""
        return {name: seconds - before.seconds.get(name, 0.0) for name, seconds in self.seconds.items()}


def usage(pids: dict[str, int]) -> Usage:
    """What these processes have used, each with its children, those that have ended too."""
    return Usage({name: _family_seconds(pid) for name, pid in pids.items()})


def resident_mb(pids: dict[str, int]) -> dict[str, float]:
    """Megabytes that each of these processes has in memory; memory that is shared with others counts by its share."""
    return {name: _proportional(_family(pid)) / _MEGABYTE for name, pid in pids.items()}


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _family_seconds(pid: int) -> float:
    total = 0.0
    for process in _family(pid):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if process.pid == pid:
            total += times.children_user + times.children_system
    return total


def _proportional(family: Iterable[psutil.Process]) -> float:
    total = 0
    for process in family:
        try:
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        except (OSError, ValueError):  # it has ended
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total
