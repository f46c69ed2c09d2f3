"""The pump of one link: as long as the link can take messages and there are any, claim and submit them.

Claims are paced: while messages keep coming, one claim every 20 to 100 ms brings many at once instead of few each
time. A one-time password waits for no pace.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Protocol

from payk.clock import Clock
from payk.dispatch.closed_hours import ClosedHours
from payk.dispatch.flows import FlowBoard
from payk.dispatch.pace import PACE, after_claim
from payk.dispatch.paced_clients import PacedClients
from payk.domain.fairness import Turns
from payk.domain.message import Lane
from payk.links import Link
from payk.logs import get_logger
from payk.metrics.catalogue import BATCH_ITEMS, BATCH_SECONDS
from payk.store.claims import Claim, Quota, claim_rows
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.holding import hold_claimed
from payk.store.incarnation import Incarnation
from payk.store.outcomes import put_back_unknown
from payk.store.wakeups import Flow

__all__ = ["InFlight", "Pump"]

log = get_logger("dispatch")

MOST = 1_000
"""Messages of one claim."""
MOST_BESIDE_CODES = 128
"""The same while one-time passwords come: one that arrives during a claim waits until it is submitted."""
CODES_COME = 2.0
"""Seconds after a one-time password in which more of them are expected."""
CHECK = 10.0
"""Seconds between two looks for claims that nobody here knows of."""
AWAY_PAUSE = 0.2
"""Seconds until a database that did not answer is asked again."""


class InFlight(Protocol):
    """Where claims are kept until their outcome is recorded."""

    def add(self, incarnation: int, claims: list[Claim]) -> None:
        """Claims that are about to be submitted."""

    @property
    def behind(self) -> bool:
        """Whether outcomes wait for the database, and nothing more should be sent."""

    def ids(self) -> Collection[int]:
        """The messages in flight."""


class Pump:
    """Moves messages from the queues that a link serves into the link."""

    def __init__(
        self,
        db: Database,
        link: Link,
        board: FlowBoard,
        in_flight: InFlight,
        incarnation: Incarnation,
        clock: Clock,
        *,
        weights: Mapping[int, int],
        serves: Callable[[Flow], bool],
        probe: Callable[[], Flow | None],
        submit: Callable[[Link, list[Claim]], None],
        closed_hours: ClosedHours,
        paced: PacedClients,
    ) -> None:
        self._db = db
        self._link = link
        self._board = board
        self._in_flight = in_flight
        self._incarnation = incarnation
        self._clock = clock
        self._turns = Turns(weights)
        self._serves = serves
        self._probe = probe
        self._submit = submit
        self._closed_hours = closed_hours
        self._paced = paced
        self._work = asyncio.Event()
        self._next_claim = 0.0
        self._codes_until = 0.0
        self._next_check = clock.monotonic() + CHECK
        self._parts = 1.0
        """Parts of a message in the last claim: places are counted in parts, messages are claimed whole."""
        self._stopping = False
        self._doubtful: int | None = None
        """Incarnation of a claim whose answer was lost: the database may hold claims that nobody here knows of."""

    def wake(self) -> None:
        """Something changed: messages came, the link can take more, an operator went up or down."""
        self._work.set()

    def stop(self) -> None:
        """Claim nothing more; a claim under way is still given to the link, and then `run` returns."""
        self._stopping = True
        self._work.set()

    async def run(self) -> None:
        """Pump until `stop`."""
        while not self._stopping:
            self._work.clear()
            wait = await self._pump_once()
            if wait is None or wait > 0:
                try:
                    async with asyncio.timeout(CHECK if wait is None else wait):
                        await self._work.wait()
                except TimeoutError:
                    pass
        while self._doubtful is not None:
            if not await self._settle_doubt():
                await asyncio.sleep(AWAY_PAUSE)

    async def _pump_once(self) -> float | None:
        """Claim and submit once. Returns the seconds to wait for a wake-up, None = as long as it takes."""
        if self._clock.monotonic() >= self._next_check:
            # The network may deliver a claim long after it was given up here.
            self._next_check = self._clock.monotonic() + CHECK
            self._doubtful = self._doubtful or self._incarnation.number
        if not await self._settle_doubt() or self._in_flight.behind:
            return AWAY_PAUSE
        capacity = self._link.capacity()
        if capacity <= 0 or not self._incarnation.held():
            return self._until_capacity()
        probe = self._probe()
        if probe is not None and self._paced.most([probe]).get(probe.client_id, 1) > 0:
            return AWAY_PAUSE if await self._claim({probe: 1}, [probe]) is None else 0.0
        flows = [flow for flow in self._board.flows() if self._serves(flow)]
        if not flows:
            return None
        now = self._clock.monotonic()
        if any(flow.lane == Lane.OTP for flow in flows):  # they get all places, and so come by themselves
            self._codes_until = now + CODES_COME
            claimed = await self._claim(self._turns.allot(min(capacity, MOST), flows), flows)
            return AWAY_PAUSE if claimed is None else 0.0  # codes that keep coming must not hold up what follows them
        if now < self._next_claim:
            return self._next_claim - now
        paced = self._paced.most(flows)
        if paced:
            flows = [flow for flow in flows if paced.get(flow.client_id, 1) > 0]
            if not flows:
                return self._paced.wait(paced)
        most = MOST_BESIDE_CODES if now < self._codes_until else MOST
        places = min(most, max(1, int(capacity / self._parts)))
        claimed = await self._claim(self._turns.allot(places, flows, paced), flows)
        if claimed is None:
            return AWAY_PAUSE
        emptied = claimed < places  # else the link's free places would wait
        self._next_claim = self._clock.monotonic() + (after_claim(claimed) if emptied else PACE)
        return 0.0

    def _until_capacity(self) -> float | None:
        at = self._link.capacity_at()
        return None if at is None else max(0.001, at - self._clock.monotonic())

    async def _settle_doubt(self) -> bool:
        """Give back what a claim without an answer may have taken; False while the database does not answer."""
        if self._doubtful is not None:
            try:
                await put_back_unknown(self._db, self._doubtful, self._link.link_id, self._in_flight.ids())
            except StoreError:
                return False
            self._doubtful = None
        return True

    async def _claim(self, allotted: Mapping[tuple[int, int, int, int, int], int], flows: list[Flow]) -> int | None:
        """Claim and submit what is allotted; how many came, None where the answer was lost."""
        lows = self._board.flows()
        quotas = [Quota(Flow(*flow), lows[Flow(*flow)], count) for flow, count in allotted.items()]
        since = self._board.mark()
        number = self._incarnation.number
        began = self._clock.monotonic()
        tokens = self._paced.take(allotted)  # those of a claim without an answer are lost: it may come to be sent
        try:
            claims = await claim_rows(self._db, number, self._link.link_id, quotas)
        except StoreError as error:
            if not self._db.away:  # of that the watch tells (payk.store.watch)
                log.warning("claim failed", link=self._link.settings.name, error=str(error))
            self._doubtful = number
            return None
        if claims:
            BATCH_ITEMS.observe((len(claims),), "claim")
            BATCH_SECONDS.observe((self._clock.monotonic() - began,), "claim")
        closed = self._closed_hours.find(claims)
        sent = [claim for claim in claims if claim.message_id not in closed] if closed else claims
        self._in_flight.add(number, sent)
        self._paced.put_back(tokens, (claim.flow for claim in sent))
        self._note(quotas, claims, flows, since)
        if sent:
            self._parts = sum(len(claim.open_parts) for claim in sent) / len(sent)
            self._submit(self._link, sent)
        if closed and not await self._hold(number, closed, claims):
            return None
        return len(claims)

    async def _hold(self, number: int, openings: Mapping[int, datetime], claims: list[Claim]) -> bool:
        """Put claims away until the hours of their recipients open; False where it is not known whether it was done.

        What turns out to have been begun goes on.
        """
        try:
            begun = set((await hold_claimed(self._db, number, openings)).begun)
            if begun:
                going_on = [claim for claim in claims if claim.message_id in begun]
                self._in_flight.add(number, going_on)
                self._submit(self._link, going_on)
        except StoreError as error:
            if not self._db.away:
                log.warning("cannot hold", link=self._link.settings.name, messages=len(openings), error=str(error))
            self._doubtful = number
            return False
        return True

    def _note(self, quotas: list[Quota], claims: list[Claim], flows: list[Flow], since: int) -> None:
        got = Counter(claim.flow for claim in claims)
        last = {claim.flow: claim.message_id for claim in claims}  # a flow's claims come in the order of their ids
        present = set(flows)
        for quota in quotas:
            flow = quota.flow
            if self._board.claimed(flow, asked=quota.count, got=got[flow], last_id=last.get(flow), since=since):
                present.discard(flow)
                self._turns.ran_dry(
                    flow,
                    lane=not any(other.lane == flow.lane for other in present),
                    client=not any(other.lane == flow.lane and other.client_id == flow.client_id for other in present),
                )
