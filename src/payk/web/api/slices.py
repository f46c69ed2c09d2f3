"""Work on bodies in slices that let others go on."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

__all__ = ["Slices"]

SLICE: Final = 0.002
"""Seconds that work holds the event loop at a time."""


class Slices:
    """What works in slices under one of these takes turns: together it holds the loop no longer than one does."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    def work(self) -> Work:
        """A piece of work, as the block that does it."""
        return Work(self._turn)


class Work:
    """Within the block `pause` is awaited after every step that takes no more than a fraction of a slice."""

    def __init__(self, turn: asyncio.Lock) -> None:
        self._turn = turn
        self._time = asyncio.get_running_loop().time
        self._end = 0.0
        self._has_turn = False

    async def pause(self) -> None:
        """Let others go on, once the slice is over."""
        if self._time() >= self._end:
            self._give_turn()
            await asyncio.sleep(0)
            await self._take_turn()

    async def __aenter__(self) -> Self:
        """Wait for the first turn."""
        await self._take_turn()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Whoever was cancelled while it waited has no turn to give."""
        if self._has_turn:
            self._give_turn()

    async def _take_turn(self) -> None:
        await self._turn.acquire()
        self._has_turn = True
        self._end = self._time() + SLICE

    def _give_turn(self) -> None:
        self._has_turn = False
        self._turn.release()
