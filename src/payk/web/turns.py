"""Turns at what a process does a few of at a time: nobody has more than its own few, whoever else asks for how many."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final

from payk.domain.errors import Code
from payk.web.problems import Problem

__all__ = ["Turns"]

RETRY_AFTER: Final = 5
"""Seconds after which whoever waited in vain may ask again."""


class Turns:
    """`at_once` turns, of which one asker has `each` at most. Those who wait are served in a circle, not by how many
    they are: an asker of a hundred turns is passed by whoever comes after it."""

    def __init__(self, at_once: int, each: int = 1) -> None:
        self._at_once = at_once
        self._each = each
        self._running: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}
        """By asker, the one that was served last at the end."""

    @asynccontextmanager
    async def of(self, who: Hashable, patience: float) -> AsyncIterator[None]:
        """A turn for the block. After `patience` seconds in vain it raises Problem: RateLimitExceeded where the asker's
        own turns were in the way, else ServiceUnavailable."""
        await self._take(who, patience)
        try:
            yield
        finally:
            self._give_back(who)

    async def _take(self, who: Hashable, patience: float) -> None:
        if self._is_free_for(who):
            self._running[who] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(who, deque())
        queue.append(turn)
        try:
            async with asyncio.timeout(patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # it came at the same instant
                self._give_back(who)
            elif turn in queue:
                queue.remove(turn)
            if isinstance(error, TimeoutError):
                raise self._in_vain(who) from error
            raise

    def _is_free_for(self, who: Hashable) -> bool:
        return self._running.total() < self._at_once and self._running[who] < self._each

    def _give_back(self, who: Hashable) -> None:
        self._running[who] -= 1
        if not self._running[who]:
            del self._running[who]
        for each, queue in list(self._waiting.items()):
            while queue and queue[0].done():  # cancelled, and did not run since
                queue.popleft()
            if not queue:
                del self._waiting[each]
            elif self._is_free_for(each):
                self._running[each] += 1
                queue.popleft().set_result(None)
                self._waiting[each] = self._waiting.pop(each)  # to the end

    def _in_vain(self, who: Hashable) -> Problem:
        if self._running[who] >= self._each:
            detail = "An earlier one of your reports is still being made; one is made at a time. Repeat it later."
            return Problem(Code.RATE_LIMIT_EXCEEDED, detail, retry_after=RETRY_AFTER)
        detail = "Reports of others took all the time there was. Repeat it later."
        return Problem(Code.SERVICE_UNAVAILABLE, detail, retry_after=RETRY_AFTER)
