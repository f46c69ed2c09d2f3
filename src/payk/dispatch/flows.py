"""What waits where: the flows of all queues as this process knows them.

Filled by wake-ups (at once) and by a look into the database every 200 ms (the net under lost wake-ups). A flow that
gave less than it was asked for is dropped unless a wake-up named it meanwhile. A look shows but so many labels of one
client; when these are empty the next ones are looked for at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

from payk.domain.message import Lane
from payk.logs import get_logger
from payk.store.claims import LABELS_SHOWN, present_flows
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.listening import listen
from payk.store.wakeups import QUEUE_CHANNEL, Flow, Wakeup, decode_wakeup

__all__ = ["FlowBoard"]

log = get_logger("dispatch")

REFRESH = 0.2


class FlowBoard:
    """The flows with messages waiting, each with the lowest id it may hold. Pure but for `follow` and `listen`."""

    def __init__(self, on_change: Callable[[], None], labels: Callable[[], int] = lambda: LABELS_SHOWN) -> None:
        """`labels`: of one client so many are looked at together, those that are held among them."""
        self._labels = labels
        self._lows: dict[Flow, int] = {}
        self._touched: dict[Flow, int] = {}
        self._hidden: Counter[tuple[int, ...]] = Counter()
        """By flow without its label, where more labels may wait than are known: how many of the known ones are left."""
        self._generation = 0
        self._on_change = on_change
        self._look = asyncio.Event()

    def __contains__(self, flow: Flow) -> bool:
        return flow in self._lows

    def flows(self) -> Mapping[Flow, int]:
        """Flow -> the lowest message id it may hold."""
        return self._lows

    def has_otp(self) -> bool:
        """Whether a one-time password waits anywhere."""
        return any(flow.lane == Lane.OTP for flow in self._lows)

    def mark(self) -> int:
        """A point in time, to be given to `claimed` and `replace`."""
        return self._generation

    def wake(self, wakeup: Wakeup) -> None:
        """A wake-up: these flows gained messages."""
        self._generation += 1
        for flow, lowest in wakeup.flows.items():
            self._lows[flow] = min(lowest, self._lows.get(flow, lowest))
            self._touched[flow] = self._generation
        if wakeup.everything:
            self._look.set()
        self._on_change()

    def claimed(self, flow: Flow, *, asked: int, got: int, last_id: int | None, since: int) -> bool:
        """A claim of `asked` messages that began at mark `since` brought `got`. Returns whether the flow ran dry."""
        if self._touched.get(flow, 0) > since:
            return False
        if got < asked:
            self._touched.pop(flow, None)
            if self._lows.pop(flow, None) is not None:
                self._uncover(flow)
            return True
        if last_id is not None and flow in self._lows:
            self._lows[flow] = last_id
        return False

    def replace(self, present: Mapping[Flow, int], since: int) -> None:
        """What the database shows; flows that were touched after mark `since` stay."""
        lows = dict(present)
        for flow, generation in self._touched.items():
            if generation > since and flow in self._lows:
                lows[flow] = min(self._lows[flow], lows.get(flow, self._lows[flow]))
        self._touched = {flow: mark for flow, mark in self._touched.items() if mark > since}
        self._lows = lows
        shown = Counter(flow[:4] for flow in present)
        self._hidden = Counter({head: count for head, count in shown.items() if count >= self._labels()})
        if lows:
            self._on_change()

    def _uncover(self, dry: Flow) -> None:
        """Look at once for the labels behind the known ones when the last of these ran dry."""
        head = dry[:4]
        if head in self._hidden:
            self._hidden[head] -= 1
            if self._hidden[head] <= 0:
                self._look.set()

    async def follow(self, db: Database) -> None:
        """Look into the database every 200 ms, or at once when a wake-up could not name its flows."""
        while True:
            since = self.mark()
            try:
                self.replace(await present_flows(db, self._labels()), since)
            except StoreError as error:
                if not db.away:  # of that the watch tells (payk.store.watch)
                    log.warning("cannot look for waiting messages", error=str(error))
            try:
                async with asyncio.timeout(REFRESH):
                    await self._look.wait()
            except TimeoutError:
                pass
            self._look.clear()

    async def listen(self, db: Database) -> None:
        """Take wake-ups as they come."""
        await listen(db, QUEUE_CHANNEL, lambda payload: self.wake(decode_wakeup(payload)), self._look.set)
