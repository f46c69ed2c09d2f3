"""Adaptive batches: a lone item waits for nobody, and under load a batch fills while the one before it is written.

An item is answered exactly once: by its result, by the error of its own batch, or by StoreUnavailable when its time
was up before it was taken. A batch that the database refuses is split until the bad item stands alone, and one whose
time runs out is tried again with the items that have more: no item fails for what a neighbour is, or has.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from payk.logs import get_logger
from payk.metrics.catalogue import BATCH_ITEMS, BATCH_SECONDS
from payk.store.errors import StoreBusy, StoreError, StoreRefused, StoreUnavailable

__all__ = ["LEAST_TIME", "Batcher"]

log = get_logger("store")

PATIENCE = 0.02
"""Seconds that a worker waits for another to finish before it writes beside it."""

QUICK = 0.003
"""Seconds that a quick batch takes; a full one waits so long for it. Where commits take longer two are under way."""

MANY = 16
"""Items of a batch that are no longer few: from twice as many on they are taken by halves."""

LEAST_TIME = 0.05
"""Seconds that a batch is given at least. Whoever has no more left when the time of a batch runs out fails with it."""

Item = TypeVar("Item")
Result = TypeVar("Result")
_Entry = tuple[Item, asyncio.Future[Result], float]
"""An item, who waits for its result, and until when."""


class Batcher(Generic[Item, Result]):
    """Gathers items of concurrent callers and hands them to `write` a batch at a time.

    `write(items, timeout)` returns one result per item, in order. `workers` batches are written at once; the order
    between them is free. Of many items half are taken at a time (see `_share`), and for these a batch waits `gather`
    seconds at most: those whose answers are just out come back with the next request.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item], float], Awaitable[Sequence[Result]]],
        *,
        max_items: int = 500,
        workers: int = 2,
        gather: float = 0.0,
    ) -> None:
        self._write = write
        self._gather = gather
        self._max_items = max_items
        self._workers = workers
        self._queue: deque[_Entry[Item, Result]] = deque()
        self._some = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._taking = asyncio.Lock()
        self._under_way = 0
        """Items that are being written."""
        self._callers = 0
        self._began = 0.0
        """When the last batch was begun."""
        self._wanted = 0
        self._enough = asyncio.Event()
        self._name = ""
        """What figures call its batches."""

    def start(self, group: asyncio.TaskGroup, name: str) -> list[asyncio.Task[None]]:
        """Run the workers in `group` until they are cancelled."""
        self._name = name
        return [group.create_task(self._work(), name=f"{name} {number}") for number in range(self._workers)]

    async def put(self, item: Item, timeout: float) -> Result:
        """Write `item` with others and return its result within `timeout` seconds.

        Cancelling the caller before the batch was taken withdraws the item; after that it changes nothing.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._queue.append((item, future, loop.time() + timeout))
        self._some.set()
        self._idle.clear()
        if len(self._queue) >= self._wanted:
            self._enough.set()
        return await future

    async def idle(self, patience: float) -> None:
        """Wait until nothing waits and nothing is written, `patience` seconds at most."""
        if not self._idle.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._idle.wait()

    async def _work(self) -> None:
        while True:
            async with self._taking:
                batch = await self._next_batch()
            self._under_way += len(batch)
            try:
                await self._write_batch(batch)
            except asyncio.CancelledError:
                self._fail(batch, StoreUnavailable("the process is stopping"))
                raise
            finally:
                self._count_callers()  # now that all who come back are likely to be here
                self._under_way -= len(batch)
                self._free.set()
                self._enough.set()
                if not self._queue and not self._under_way:
                    self._idle.set()

    async def _next_batch(self) -> list[_Entry[Item, Result]]:
        while not self._queue:
            self._some.clear()
            await self._some.wait()
        share = self._share()
        if not self._free.is_set():
            # One full batch costs less than two halves, so another one is begun beside it only if it is a full one too
            # and the first is not a quick one, or if that takes its time.
            await self._wait_for(share, PATIENCE)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._began + QUICK):
                    await self._free.wait()
        if self._gather and share < self._max_items and not await self._wait_for(share, self._gather):
            self._callers -= self._callers // 8
        batch = self._take(share)
        self._began = asyncio.get_running_loop().time()
        self._free.clear()
        return batch

    async def _wait_for(self, items: int, patience: float) -> bool:
        """Until so many wait, or a worker becomes free; False if `patience` seconds were over first."""
        if len(self._queue) >= items:
            return True
        self._wanted = items
        self._enough.clear()
        try:
            async with asyncio.timeout(patience):
                return await self._enough.wait()
        except TimeoutError:
            return False

    def _count_callers(self) -> None:
        self._callers = max(self._callers, len(self._queue) + self._under_way)

    def _share(self) -> int:
        """How many items the next batch should have: half of the callers that there were lately, all of few.

        Callers who wait for their answers before they ask again fall into step: all of them are in one batch, and
        nobody has work while it is written. By halves, there is always one half that is being read and answered while
        the other one is written.
        """
        self._count_callers()
        callers = self._callers
        self._callers -= callers // 50  # those that left are forgotten
        return self._max_items if callers < 2 * MANY else min(self._max_items, (callers + 1) // 2)

    def _take(self, most: int) -> list[_Entry[Item, Result]]:
        batch: list[_Entry[Item, Result]] = []
        while self._queue and len(batch) < most:
            entry = self._queue.popleft()
            if not entry[1].done():  # else the caller went away
                batch.append(entry)
        return batch

    async def _write_batch(self, batch: list[_Entry[Item, Result]]) -> None:
        now = asyncio.get_running_loop().time()
        late = [entry for entry in batch if entry[2] <= now]
        self._fail(late, StoreUnavailable("no connection to the database became free in time"))
        batch = [entry for entry in batch if entry[2] > now]
        if not batch:
            return
        deadline = max(min(entry[2] for entry in batch), now + LEAST_TIME)
        try:
            results = await self._write([entry[0] for entry in batch], deadline - now)
        except (StoreRefused, StoreBusy) as error:
            if len(batch) == 1:
                self._fail(batch, error)
                return
            middle = len(batch) // 2
            await self._write_batch(batch[:middle])
            await self._write_batch(batch[middle:])
        except StoreUnavailable as error:
            soon = asyncio.get_running_loop().time() + LEAST_TIME
            if soon < deadline:  # not for want of time: it would be the same again
                self._fail(batch, error)
                return
            self._fail([entry for entry in batch if entry[2] <= soon], error)
            self._queue.extendleft(entry for entry in reversed(batch) if entry[2] > soon)
            self._some.set()
        except StoreError as error:
            self._fail(batch, error)
        except Exception:  # a defect: its callers are answered, and the workers go on for the others
            log.exception("batch failed", items=len(batch))
            self._fail(batch, StoreUnavailable("internal error"))
        else:
            BATCH_ITEMS.observe((len(batch),), self._name)
            BATCH_SECONDS.observe((asyncio.get_running_loop().time() - now,), self._name)
            for (_, future, _), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)

    @staticmethod
    def _fail(batch: list[_Entry[Item, Result]], error: StoreError) -> None:
        for _, future, _ in batch:
            if not future.done():
                future.set_exception(error)
