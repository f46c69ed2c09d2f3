"""A link: one SMPP account at an operator, through all the binds of it that this process holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from random import Random
from typing import Final

from payk.clock import Clock
from payk.domain.operator import Link as LinkSettings
from payk.domain.outcome import Submission, SubmissionResult
from payk.links.bind import Bind
from payk.links.delivery import Delivery
from payk.links.figures import LinkFigures
from payk.links.leg import TapOf
from payk.links.status import BindStatus, PaceStatus
from payk.links.submitter import Submitter
from payk.links.timing import Timing
from payk.logs import get_logger

__all__ = ["Link"]

_PASSWORD: Final = 8  # characters that SMPP 3.4 allows (section 4.1.1); many operators take more


class Link:
    """Keeps the wanted binds up and submits messages over them.

    `on_result` is called once per submission, `on_change` when a bind came up, went down or is gone, both never from
    within a method of the link; `on_deliver` for what the operator sends by itself, `on_late` and `on_room` as
    `Submitter` says. `lease_held` is asked at each write of a submit_sm and before each bind; whoever finds that the
    lease was lost calls `lapse`.
    """

    def __init__(
        self,
        settings: LinkSettings,
        *,
        password: str,
        lease_held: Callable[[], bool],
        on_result: Callable[[SubmissionResult], None],
        on_deliver: Callable[[Delivery], None],
        on_change: Callable[[Link], None],
        clock: Clock,
        random: Random,
        on_late: Callable[[int, Submission, int, str], None] | None = None,
        on_room: Callable[[], None] = lambda: None,
        timing: Timing | None = None,
    ) -> None:
        self._settings = settings
        self._password = password
        self._lease_held = lease_held
        self._on_deliver = on_deliver
        self._on_change = on_change
        self._clock = clock
        self._random = random
        self._timing = timing or Timing()
        self._binds: dict[int, Bind] = {}
        self._wanted: frozenset[int] = frozenset()
        self._tap_of: TapOf | None = None
        self._next_turn = clock.monotonic()
        self._stopping = False
        self._reconsider = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._log = get_logger("links").bind(link=settings.name)
        self._submitter = Submitter(
            settings,
            self._binds,
            lease_held=lease_held,
            on_result=on_result,
            on_late=on_late,
            on_room=on_room,
            clock=clock,
        )

    @property
    def settings(self) -> LinkSettings:
        return self._settings

    @property
    def link_id(self) -> int:
        return self._settings.link_id

    @property
    def binds(self) -> list[BindStatus]:
        """Every bind that is held or still being left, by number."""
        return [bind.status for _, bind in sorted(self._binds.items())]

    @property
    def pace(self) -> PaceStatus:
        """How fast this process submits, and what the operator lets through."""
        return self._submitter.pace

    def figures(self) -> LinkFigures:
        """What it did in the last minutes."""
        return self._submitter.figures.summary(self._clock.monotonic())

    def received(self, ages: Iterable[float]) -> None:
        """Final receipts were settled, so many seconds after their submits."""
        self._submitter.figures.received(ages, self._clock.monotonic())

    def trace(self, tap_of: TapOf | None) -> None:
        """Let somebody look at the octets of all its sessions from now on, None = nobody."""
        self._tap_of = tap_of
        for bind in self._binds.values():
            bind.trace(tap_of)

    def want_binds(self, numbers: Collection[int]) -> None:
        """Hold exactly these binds. The others are left in order, and are gone from `binds` once they are unbound."""
        self._wanted = frozenset(numbers)
        for number, bind in list(self._binds.items()):
            if number not in self._wanted:
                bind.leave()
        self._reconsider.set()

    def lapse(self) -> None:
        """What was leased is lost: before this returns every session is cut, with an unbind where nothing is on its
        way before it, and no submit is written any more. Binds come back by `want_binds` only."""
        self._wanted = frozenset()
        for bind in list(self._binds.values()):
            bind.lapse()

    async def run(self) -> None:
        """Keep the wanted binds up until `stop`."""
        if len(self._password) > _PASSWORD:
            self._log.warning("password longer than SMPP 3.4 allows", characters=len(self._password))
        self._ended.clear()
        try:
            async with asyncio.TaskGroup() as group:
                while not self._stopping:
                    self._reconsider.clear()
                    for number in sorted(self._wanted - self._binds.keys()):
                        bind = self._binds[number] = self._bind(number)
                        group.create_task(self._hold(bind), name=f"bind {number} of {self._settings.name}")
                    await self._reconsider.wait()
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Take no more submissions, wait up to 5 s for answers, unbind, close. All results were given by its end."""
        self._stopping = True
        self.want_binds(())
        await self._ended.wait()
        await asyncio.sleep(0)  # callbacks that are already scheduled run first

    def set_rate_share(self, share: float) -> None:
        """The fraction of the link's rate, 0 to 1, that this process may use."""
        self._submitter.set_rate_share(share)

    def capacity(self) -> int:
        """How many messages `submit` would write right now: places in the windows of the binds that are up, as far as
        the rate goes, less the parts that wait inside; 0 during a pause or without a lease."""
        return self._submitter.capacity()

    def capacity_at(self) -> float | None:
        """`Clock.monotonic()` from which `capacity` is above 0 by time alone (rate, pause). None: not by time; a
        result or a change of a bind will tell."""
        return self._submitter.capacity_at()

    def submit(self, *submissions: Submission) -> None:
        """Submit messages; exactly one result follows each, whatever happens."""
        self._submitter.submit(submissions)

    def _bind(self, number: int) -> Bind:
        bind = Bind(
            self._settings,
            number,
            password=self._password,
            traffic=self._submitter,
            lease_held=self._lease_held,
            turn=self._turn,
            on_change=self._changed,
            on_deliver=self._delivered,
            clock=self._clock,
            random=self._random,
            timing=self._timing,
        )
        bind.trace(self._tap_of)
        return bind

    def _delivered(self, delivery: Delivery) -> None:
        self._submitter.figures.delivered(self._clock.monotonic())
        self._on_deliver(delivery)

    async def _hold(self, bind: Bind) -> None:
        try:
            await bind.run()
        finally:
            del self._binds[bind.number]
            self._reconsider.set()
            self._changed()

    def _turn(self) -> float:
        now = self._clock.monotonic()
        turn = max(now, self._next_turn)
        self._next_turn = turn + self._timing.stagger
        return turn - now

    def _changed(self) -> None:
        asyncio.get_running_loop().call_soon(self._on_change, self)
