"""Rates that all processes share: drawing tokens, and the part of a process that keeps them at hand.

One statement draws for all clients that run low; a request waits for it only where the tokens of its client are really
out. While the database is away nothing is drawn, and what is at hand is spent. A draw whose answer was lost cost its
tokens: what is let through is never more than a bucket filled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from payk.clock import Clock
from payk.domain.rate import Allowance, Rate, RateKind
from payk.logs import get_logger
from payk.store.arrays import columns
from payk.store.database import Database
from payk.store.errors import StoreError, StoreUnavailable
from payk.store.queries import sql

__all__ = ["Draw", "Drawn", "SharedRates", "draw_tokens"]

log = get_logger("store")

REST: Final = 0.01
"""Seconds between two draws, while others gather."""
AWAY_PAUSE: Final = 0.2
"""Seconds after a draw that failed."""
SWEEP: Final = 0.5
"""Seconds between two looks for allowances that are not used."""
PATIENCE: Final = 1.0
"""Seconds for one draw."""
MOST: Final = 1_000
"""Buckets of one statement."""

_Name = tuple[int, RateKind]
"""A client's id and what is counted."""


class Draw(NamedTuple):
    """The wish for tokens of one bucket; below zero they are put in."""

    client_id: int
    kind: RateKind
    rate: Rate
    wanted: float


class Drawn(NamedTuple):
    """What a draw brought, and what it left."""

    granted: float
    left: float


async def draw_tokens(db: Database, draws: Iterable[Draw], timeout: float) -> dict[_Name, Drawn]:
    """Draw from buckets that differ. Without an answer: those that another process is making at the same time.

    Raises StoreError; then it may or may not have been done.
    """
    rows = [
        (draw.client_id, int(draw.kind), draw.rate.per_second, draw.rate.burst, draw.wanted)
        for draw in sorted(draws, key=lambda draw: draw[:2])
    ]
    if not rows:
        return {}
    async with db.connection(timeout) as connection:
        answers = await connection.fetch(sql("rates.draw"), *columns(rows))
    return {(row[0], RateKind(row[1])): Drawn(row[2], row[3]) for row in answers}


class SharedRates:
    """The allowances of this process. `on_tokens` is called after tokens came."""

    def __init__(self, db: Database, clock: Clock, on_tokens: Callable[[], None] | None = None) -> None:
        self._db = db
        self._clock = clock
        self._on_tokens = on_tokens
        self._allowances: dict[_Name, Allowance] = {}
        self._low: set[_Name] = set()
        self._work = asyncio.Event()
        self._sweep_at = 0.0
        self._answer: asyncio.Future[None] | None = None
        """Of the next draw, where somebody waits for it."""

    def allowance(self, client_id: int, kind: RateKind, rate: Rate) -> Allowance:
        """That of this process, at the rate that is in force."""
        allowance = self._allowances.get((client_id, kind))
        if allowance is None:
            allowance = self._allowances[client_id, kind] = Allowance(rate, self._clock.monotonic())
            self._work.set()
        elif allowance.rate != rate:
            allowance.change(rate)
        return allowance

    def take_at_hand(self, client_id: int, kind: RateKind, rate: Rate, count: int) -> int:
        """Take up to `count` tokens without waiting; how many. More are drawn where that leaves few."""
        allowance, now = self.allowance(client_id, kind, rate), self._clock.monotonic()
        taken = allowance.take(count, now)
        self._draw_if_low((client_id, kind), allowance, now)
        return taken

    def at_hand(self, client_id: int, kind: RateKind, rate: Rate, least: int) -> int:
        """How many tokens can be taken without waiting; more are drawn where these are few, or fewer than `least`."""
        allowance, now = self.allowance(client_id, kind, rate), self._clock.monotonic()
        there = allowance.look(least, now)
        self._draw_if_low((client_id, kind), allowance, now)
        return there

    async def take(self, client_id: int, kind: RateKind, rate: Rate, count: int, timeout: float) -> int:
        """Take up to `count` tokens, and wait for the database while it is not known that it has none; how many.

        Raises StoreUnavailable, as when it did not answer within `timeout` seconds; nothing was taken then.
        """
        taken = self.take_at_hand(client_id, kind, rate, count)
        if taken == count:
            return taken
        try:
            async with asyncio.timeout(timeout):
                while taken < count and not self.allowance(client_id, kind, rate).is_out(self._clock.monotonic()):
                    await self._next_answer()
                    taken += self.take_at_hand(client_id, kind, rate, count - taken)
        except TimeoutError as error:
            self.allowance(client_id, kind, rate).put_back(taken)
            raise StoreUnavailable("the rate of this client could not be looked up in time") from error
        except (StoreError, asyncio.CancelledError):
            self.allowance(client_id, kind, rate).put_back(taken)
            raise
        return taken

    async def run(self) -> None:
        """Draw for whoever runs low, and give back what is not used, until cancelled."""
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SWEEP if self._allowances else None):
                        await self._work.wait()
                self._work.clear()
                await asyncio.sleep(REST if await self._round() else AWAY_PAUSE)
        finally:
            self._settle(StoreUnavailable("the process is stopping"), self._answer)

    def _draw_if_low(self, name: _Name, allowance: Allowance, now: float) -> None:
        if allowance.runs_low(now):
            self._low.add(name)
            self._work.set()

    async def _next_answer(self) -> None:
        """Until the next draw is answered. Raises StoreUnavailable where it was not."""
        if self._db.away:
            raise StoreUnavailable("the database is away")
        if self._answer is None:
            self._answer = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._answer)

    async def _round(self) -> bool:
        """One draw for all that run low, MOST at a time; False where the database did not answer."""
        waiting, self._answer = self._answer, None
        names, self._low = sorted(self._low), set()
        try:
            for start in range(0, len(names), MOST):
                await self._draw(names[start : start + MOST])
            if self._clock.monotonic() >= self._sweep_at:
                self._sweep_at = self._clock.monotonic() + SWEEP
                await self._give_back()
        except StoreError as error:
            if not self._db.away:  # of that the watch tells (payk.store.watch)
                log.warning("rates of clients could not be drawn", error=str(error))
            self._settle(StoreUnavailable(str(error)), waiting)
            return False
        except asyncio.CancelledError:
            self._settle(StoreUnavailable("the process is stopping"), waiting)
            raise
        self._settle(None, waiting)
        return True

    async def _draw(self, names: Sequence[_Name]) -> None:
        now = self._clock.monotonic()
        asked: dict[_Name, Draw] = {}
        for name in names:
            allowance = self._allowances.get(name)
            if allowance is not None and (wanted := allowance.ask(now)) > 0:
                asked[name] = Draw(*name, allowance.rate, wanted)
        drawn = await draw_tokens(self._db, asked.values(), PATIENCE)
        now = self._clock.monotonic()
        for name, answer in drawn.items():
            if (allowance := self._allowances.get(name)) is not None:
                allowance.answered(asked[name].wanted, answer.granted, answer.left, now)
        if drawn and self._on_tokens is not None:
            self._on_tokens()

    async def _give_back(self) -> None:
        """Give back what is not used, MOST at a time, and forget it."""
        now = self._clock.monotonic()
        idle = [name for name, allowance in self._allowances.items() if allowance.is_idle(now)][:MOST]
        given = {name: self._allowances[name].give_up() for name in idle}
        draws = [Draw(*name, self._allowances[name].rate, -held) for name, held in given.items() if held]
        paid: Mapping[_Name, Drawn] = {}
        try:
            paid = await draw_tokens(self._db, draws, PATIENCE)
        finally:
            for name, held in given.items():
                allowance = self._allowances[name]
                if held < 0:
                    allowance.put_back(held + (paid[name].granted if name in paid else 0.0))
                if allowance.is_idle(self._clock.monotonic()) and allowance.held == 0:
                    del self._allowances[name]

    @staticmethod
    def _settle(error: StoreError | None, waiting: asyncio.Future[None] | None) -> None:
        if waiting is None or waiting.done():
            return
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)
            waiting.exception()  # whoever waited may have gone
