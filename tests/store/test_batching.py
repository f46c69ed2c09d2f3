"""Batches: a lone item waits for nobody, under load they fill, and every item is answered exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from payk.store.batching import MANY, PATIENCE, Batcher
from payk.store.errors import OutcomeUnknown, StoreBusy, StoreError, StoreRefused, StoreUnavailable

BAD = -1


class Writer:
    """A store that takes batches of numbers, when it is let, and refuses BAD."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = asyncio.Semaphore(0)
        self.gate = asyncio.Event()
        self.gate.set()
        self.refusal: type[StoreError] = StoreRefused

    async def __call__(self, items: Sequence[int], timeout: float) -> list[int]:
        self.batches.append(list(items))
        self.entered.release()
        await self.gate.wait()
        if BAD in items:
            raise self.refusal("bad")
        return [10 * item for item in items]


@asynccontextmanager
async def batching(
    write: Callable[[Sequence[int], float], Awaitable[Sequence[int]]],
    *,
    max_items: int = 500,
    workers: int = 1,
    gather: float = 0.0,
) -> AsyncIterator[Batcher[int, int]]:
    batcher: Batcher[int, int] = Batcher(write, max_items=max_items, workers=workers, gather=gather)
    async with asyncio.TaskGroup() as group:
        tasks = batcher.start(group, "test")
        yield batcher
        for task in tasks:
            task.cancel()


async def results_of(batcher: Batcher[int, int], items: Sequence[int], timeout: float = 5) -> list[int | BaseException]:
    return await asyncio.gather(*(batcher.put(item, timeout) for item in items), return_exceptions=True)


async def test_a_lone_item_waits_for_nobody() -> None:
    writer = Writer()
    async with batching(writer) as batcher:
        assert await batcher.put(1, 5) == 10
        assert await batcher.put(2, 5) == 20
    assert writer.batches == [[1], [2]]


async def test_a_batch_fills_while_the_one_before_it_is_written() -> None:
    writer = Writer()
    async with batching(writer, max_items=3) as batcher:
        writer.gate.clear()
        first = asyncio.create_task(batcher.put(0, 5))
        await writer.entered.acquire()
        others = asyncio.gather(*(batcher.put(item, 5) for item in range(1, 6)))
        await asyncio.sleep(0)
        writer.gate.set()
        assert await first == 0 and await others == [10, 20, 30, 40, 50]
    assert writer.batches == [[0], [1, 2, 3], [4, 5]]


async def test_few_items_are_one_batch() -> None:
    writer = Writer()
    async with batching(writer) as batcher:
        await results_of(batcher, range(2 * MANY - 1))
    assert writer.batches == [[*range(2 * MANY - 1)]]


async def test_callers_that_fell_into_step_are_taken_by_halves() -> None:
    writer = Writer()
    callers = 8 * MANY

    async def call(item: int) -> None:
        for _ in range(5):
            assert await batcher.put(item, 5) == 10 * item

    async with batching(writer, workers=2, gather=0.05) as batcher:
        await asyncio.gather(*(call(item) for item in range(callers)))
    sizes = [len(batch) for batch in writer.batches]
    assert sizes[:2] == [callers // 2] * 2
    assert all(0.4 * callers < size <= callers // 2 for size in sizes[:-1])  # a few of the last ones are alone


async def test_under_load_a_batch_waits_for_its_share() -> None:
    writer = Writer()
    async with batching(writer, workers=2, gather=5.0) as batcher:
        await results_of(batcher, range(4 * MANY))
        lone = asyncio.create_task(batcher.put(1, 5))
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(writer.batches) == 2
        await asyncio.gather(lone, *(batcher.put(item, 5) for item in range(2, 2 * MANY + 1)))
    assert [len(batch) for batch in writer.batches[:2]] == [2 * MANY, 2 * MANY]
    assert writer.batches[2][:2] == [1, 2] and len(writer.batches[2]) > 1.8 * MANY


async def test_callers_that_left_are_forgotten() -> None:
    writer = Writer()
    waits = []
    async with batching(writer, workers=2, gather=0.05) as batcher:
        await results_of(batcher, range(4 * MANY))
        for item in range(8):
            began = asyncio.get_running_loop().time()
            assert await batcher.put(item, 5) == 10 * item
            waits.append(asyncio.get_running_loop().time() - began > 0.04)
    assert waits[0]
    assert not waits[-1]


async def test_where_writing_takes_long_two_full_batches_are_written_at_once() -> None:
    writer = Writer()
    writer.gate.clear()
    async with batching(writer, workers=2, gather=0.05) as batcher:
        results = asyncio.create_task(results_of(batcher, range(4 * MANY)))
        await writer.entered.acquire()
        async with asyncio.timeout(PATIENCE / 2):
            await writer.entered.acquire()
        writer.gate.set()
        await results
    assert [len(batch) for batch in writer.batches] == [2 * MANY, 2 * MANY]


async def test_idle_once_all_is_written() -> None:
    writer = Writer()
    async with batching(writer) as batcher:
        await batcher.idle(0)  # nothing to wait for
        writer.gate.clear()
        results = asyncio.create_task(results_of(batcher, [1, 2]))
        await writer.entered.acquire()
        waiting = asyncio.create_task(batcher.idle(5))
        await batcher.idle(0.001)  # patience is over
        assert not waiting.done()
        writer.gate.set()
        await waiting
        assert await results == [10, 20]


async def test_workers_write_at_the_same_time() -> None:
    writer = Writer()
    async with batching(writer, workers=2, max_items=1) as batcher:
        writer.gate.clear()
        both = asyncio.gather(batcher.put(1, 5), batcher.put(2, 5))
        await writer.entered.acquire()
        await writer.entered.acquire()
        writer.gate.set()
        assert await both == [10, 20]


@pytest.mark.parametrize("refusal", [StoreRefused, StoreBusy])
async def test_a_bad_item_fails_alone(refusal: type[StoreError]) -> None:
    writer = Writer()
    writer.refusal = refusal
    items = [*range(20), BAD, *range(20, 50), BAD]
    async with batching(writer) as batcher:
        results = await results_of(batcher, items)
    for item, result in zip(items, results, strict=True):
        assert type(result) is refusal if item == BAD else result == 10 * item


@pytest.mark.parametrize("error", [StoreUnavailable("away"), OutcomeUnknown()])
async def test_what_befell_a_batch_is_told_to_all_of_it(error: StoreError) -> None:
    async def write(items: Sequence[int], timeout: float) -> list[int]:
        if len(items) > 1:
            raise error
        return [0]

    async with batching(write) as batcher:
        assert await results_of(batcher, [1, 2, 3]) == [error] * 3
        assert await batcher.put(4, 5) == 0


async def test_a_defect_is_survived() -> None:
    async def write(items: Sequence[int], timeout: float) -> list[int]:
        return [1 // items[0]]

    async with batching(write) as batcher:
        with pytest.raises(StoreUnavailable):
            await batcher.put(0, 5)
        assert await batcher.put(1, 5) == 1


async def test_an_item_whose_time_is_up_is_not_written() -> None:
    writer = Writer()
    async with batching(writer, max_items=1) as batcher:
        writer.gate.clear()
        first = asyncio.create_task(batcher.put(0, 5))
        await writer.entered.acquire()
        late = asyncio.create_task(batcher.put(1, 0.02))
        after = asyncio.create_task(batcher.put(2, 5))
        await asyncio.sleep(0.05)
        writer.gate.set()
        assert await first == 0 and await after == 20
        with pytest.raises(StoreUnavailable, match="in time"):
            await late
    assert writer.batches == [[0], [2]]


async def test_what_is_left_of_a_split_batch_is_not_written_after_its_time() -> None:
    """Each half costs time; the callers of the later ones have long been told that nothing was taken."""
    written: list[int] = []

    async def slow(items: Sequence[int], timeout: float) -> list[int]:
        await asyncio.sleep(0.03)
        if BAD in items:
            raise StoreRefused("bad")
        written.extend(items)
        return list(items)

    async with batching(slow) as batcher:
        began = asyncio.get_running_loop().time()
        results = await results_of(batcher, [BAD] * 32, timeout=0.1)
        assert asyncio.get_running_loop().time() - began < 0.5
    assert all(isinstance(result, StoreError) for result in results) and written == []


async def test_the_shortest_time_of_a_batch_is_the_batchs() -> None:
    given: list[float] = []

    async def write(items: Sequence[int], timeout: float) -> list[int]:
        given.append(timeout)
        return list(items)

    async with batching(write) as batcher:
        await asyncio.gather(batcher.put(1, 60), batcher.put(2, 3), batcher.put(3, 60))
    assert 2.5 < given[0] <= 3


async def test_a_caller_that_went_away_withdraws_its_item() -> None:
    writer = Writer()
    async with batching(writer) as batcher:
        writer.gate.clear()
        first = asyncio.create_task(batcher.put(0, 5))
        await writer.entered.acquire()
        gone = asyncio.create_task(batcher.put(1, 5))
        stays = asyncio.create_task(batcher.put(2, 5))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        writer.gate.set()
        assert (await first, await stays) == (0, 20)
    assert writer.batches == [[0], [2]]


async def test_a_caller_that_goes_away_later_changes_nothing_for_its_neighbours() -> None:
    writer = Writer()
    async with batching(writer) as batcher:
        writer.gate.clear()
        callers = [asyncio.create_task(batcher.put(item, 5)) for item in (1, 2)]
        await writer.entered.acquire()
        callers[0].cancel()
        writer.gate.set()
        assert await callers[1] == 20


@pytest.mark.parametrize("items", [[1], [1, BAD, 2, 3, 4]])
async def test_a_stop_amid_a_batch_leaves_nobody_waiting(items: list[int]) -> None:
    """Also not those of a batch that is being split."""
    entered = asyncio.Event()

    async def write(batch: Sequence[int], timeout: float) -> list[int]:
        if len(batch) > 1 and len(batch) == len(items):
            raise StoreRefused("bad")
        entered.set()
        await asyncio.sleep(60)
        return list(batch)

    async with batching(write) as batcher:
        callers = [asyncio.create_task(batcher.put(item, 5)) for item in items]
        await entered.wait()
    async with asyncio.timeout(1):
        results = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(result, StoreError) for result in results)


async def test_a_batch_whose_time_runs_out_is_tried_again_for_those_who_have_more() -> None:
    """Surely nothing of it was stored; only the item that was late fails."""
    batches: list[list[int]] = []

    async def write(items: Sequence[int], timeout: float) -> list[int]:
        batches.append(list(items))
        if 0 in items:
            await asyncio.sleep(timeout)
            raise StoreUnavailable("too slow")
        return [10 * item for item in items]

    async with batching(write) as batcher:
        callers = [asyncio.create_task(batcher.put(item, timeout)) for item, timeout in ((1, 5), (0, 0.1), (2, 5))]
        results = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(results[1], StoreUnavailable) and results[::2] == [10, 20]
    assert batches == [[1, 0, 2], [1, 2]]


async def test_a_batch_that_fails_before_its_time_is_not_tried_again() -> None:
    """The database is away: every item is told at once."""
    batches: list[list[int]] = []

    async def write(items: Sequence[int], timeout: float) -> list[int]:
        batches.append(list(items))
        raise StoreUnavailable("away")

    async with batching(write) as batcher:
        callers = [asyncio.create_task(batcher.put(item, timeout)) for item, timeout in ((1, 60), (2, 5))]
        results = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(result, StoreUnavailable) for result in results)
    assert batches == [[1, 2]]
