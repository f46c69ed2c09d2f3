"""How long the event loop is held while something runs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from typing import Self

__all__ = ["Held"]


class Held:
    """Within the block others want to go on all the time. `longest`: processor seconds for which they could not.

    Processor time, for on a busy machine whoever waits is kept from it by other processes as well. What was there
    before is nothing to the collector, as in a running process (payk.app.centre).
    """

    def __init__(self) -> None:
        self.stretches: list[float] = []

    @property
    def longest(self) -> float:
        """Of the stretches."""
        return max(self.stretches)

    def told(self) -> str:
        """The longest stretches, in milliseconds."""
        return " ".join(f"{stretch * 1e3:.1f}" for stretch in sorted(self.stretches)[-5:])

    async def _watch(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.stretches.append(now - before)
            before = now

    async def __aenter__(self) -> Self:
        """Begin to watch."""
        gc.collect()
        gc.freeze()
        self._watching = asyncio.create_task(self._watch())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *error: object) -> None:
        """What runs since the last look is a stretch too."""
        await asyncio.sleep(0)
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching
        gc.unfreeze()
