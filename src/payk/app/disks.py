"""The disks that this process stands on: looked at by a thread, for one that does not answer holds its asker up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from payk.clock import Clock
from payk.metrics.catalogue import DISK_FREE, DISK_SIZE
from payk.metrics.family import Labels, Readings

__all__ = ["FRESH", "Disks"]

PERIOD = 5.0
"""Seconds between two looks."""
FRESH = 60.0
"""Seconds after which what was seen is told no more: a disk that does not answer has no figures."""


class Disks:
    """Of folders by name. Look once, so that the first scrape finds something; then run."""

    def __init__(self, places: Mapping[str, Path], clock: Clock) -> None:
        self._places = places
        self._clock = clock
        self._found: Readings = {}
        self._found_at = float("-inf")

    @property
    def readings(self) -> Readings:
        """What was seen last; nothing, if that is long ago."""
        return self._found if self._clock.monotonic() - self._found_at < FRESH else {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(PERIOD)

    async def look(self) -> None:
        """Look once."""
        self._found = await asyncio.to_thread(_look, self._places)
        self._found_at = self._clock.monotonic()


def _look(places: Mapping[str, Path]) -> Readings:
    free: dict[Labels, float] = {}
    size: dict[Labels, float] = {}
    for place, folder in places.items():
        with suppress(OSError):  # it may not be there yet
            found = os.statvfs(folder)
            free[(place,)], size[(place,)] = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    return {DISK_FREE: free, DISK_SIZE: size}
