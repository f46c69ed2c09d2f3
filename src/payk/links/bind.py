"""One bind of a link: brought up, watched, taken down, and brought up again after a wait, until it is told to leave."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Final, Protocol

from payk.clock import Clock
from payk.domain.operator import BindMode
from payk.domain.operator import Link as LinkSettings
from payk.links.backoff import Backoff, Trouble
from payk.links.delivery import Delivery
from payk.links.leg import BindError, Ending, Leg, TapOf
from payk.links.status import BindStatus
from payk.links.submitting import PartOnItsWay
from payk.links.timing import Timing
from payk.logs import get_logger
from payk.smpp import (
    BindKind,
    DataSm,
    DeliverSm,
    Event,
    LateResponse,
    PeerError,
    RequestReceived,
    RequestUncertain,
    Response,
    ResponseReceived,
)

__all__ = ["Bind", "Traffic"]

_LEGS: Final = {
    BindMode.TRANSCEIVER: (BindKind.TRANSCEIVER,),
    BindMode.PAIR: (BindKind.TRANSMITTER, BindKind.RECEIVER),
}
_WAITING_FOR: Final = {
    Trouble.BROKEN: "operator to be reachable",
    Trouble.STILL_BOUND: "operator to free the bind",
    Trouble.REFUSED: "operator to accept the account",
    Trouble.UNBOUND: "operator to take binds again",
}


class Traffic(Protocol):
    """Whom a bind tells what became of the parts it was given."""

    def handed_back(self, parts: list[PartOnItsWay]) -> None:
        """They waited here and were not written."""

    def answered(self, bind: Bind, part: PartOnItsWay, response: Response) -> None: ...

    def unanswered(self, bind: Bind, part: PartOnItsWay, reason: str) -> None: ...

    def answered_late(self, part: PartOnItsWay, response: Response) -> None: ...

    def has_room(self, bind: Bind) -> None:
        """The operator reads again: `free_window` may be above 0."""


class Bind:
    """Bind number `number` of a link. `turn()` says in how many seconds it may be tried, and takes that turn."""

    def __init__(
        self,
        settings: LinkSettings,
        number: int,
        *,
        password: str,
        traffic: Traffic,
        lease_held: Callable[[], bool],
        turn: Callable[[], float],
        on_change: Callable[[], None],
        on_deliver: Callable[[Delivery], None],
        clock: Clock,
        random: Random,
        timing: Timing,
    ) -> None:
        self.number = number
        self.waiting: deque[PartOnItsWay] = deque()
        """Parts to be written here, in order."""
        self._settings = settings
        self._password = password
        self._traffic = traffic
        self._lease_held = lease_held
        self._turn = turn
        self._on_change = on_change
        self._on_deliver = on_deliver
        self._clock = clock
        self._timing = timing
        self._backoff = Backoff(random)
        self._log = get_logger("links").bind(link=settings.name, bind=number)
        self._tap_of: TapOf | None = None
        self._legs: list[Leg] = []  # of the present session
        self._transmitter: Leg | None = None  # while submits may be written
        self._over: asyncio.Future[Ending] | None = None  # the end of the present session
        self._scope: asyncio.Timeout | None = None  # expires when we are to leave
        self._leaving = False
        self._going_down = False
        self._bound_at: float | None = None
        self._held = 0.0  # seconds the last session was bound
        self._last_error: str | None = None
        self._last_error_at: float | None = None
        self._last_ending: Ending | None = None
        self._waiting_for: str | None = "its turn"

    @property
    def status(self) -> BindStatus:
        in_flight = 0 if self._transmitter is None else self._transmitter.in_flight
        return BindStatus(
            self.number,
            self.up,
            self._bound_at,
            self._last_error,
            self._waiting_for,
            in_flight,
            self._last_error_at,
            None if self.up or self._last_ending is None else self._last_ending.trouble,
        )

    @property
    def up(self) -> bool:
        return self._transmitter is not None

    @property
    def free_window(self) -> int:
        """Submits that may be written now."""
        return 0 if self._transmitter is None else self._transmitter.free_window

    @property
    def room(self) -> int:
        """Submits that may be written once what waits here was; below 0 if not even that may."""
        return self.free_window - len(self.waiting)

    def write(self, part: PartOnItsWay) -> None:
        """Submit a part. `LocalError` if it was not written."""
        assert self._transmitter is not None
        self._transmitter.submit(part.wire.pdu, part)

    def spare_hints(self) -> bool:
        """From now on, and as long as this session lasts, submit without the parameters that a message can do without.
        False if that was so already."""
        return self._transmitter is not None and self._transmitter.spare_hints()

    async def run(self) -> None:
        """Hold the bind until `leave`."""
        try:
            async with asyncio.timeout(None) as self._scope:
                while not self._leaving:
                    await self._live()
        except TimeoutError:
            if not self._leaving:
                raise
        finally:
            self._scope = None

    def leave(self) -> None:
        """Take no more parts, wait for the answers to what was written, unbind; `run` returns then."""
        if self._leaving:
            return
        self._leaving = True
        self._close_door()
        if self._scope is not None and not self._going_down:
            self._scope.reschedule(0)

    def rebind(self, error: str) -> None:
        """The operator says that this session is not fit for submits: leave it in order, and bind anew."""
        self._finish(Ending(Trouble.BROKEN, error))

    def lapse(self) -> None:
        """The lease is lost: before this returns the session is cut, and no submit is written any more; then leave."""
        for leg in self._legs:
            leg.cut("lease lapsed")
        if self._bound_at is not None:
            self._log.warning("bind cut: its lease lapsed")
        self.leave()

    def trace(self, tap_of: TapOf | None) -> None:
        """Let somebody look at the octets of its sessions from now on, None = nobody."""
        self._tap_of = tap_of
        for leg in self._legs:
            leg.trace(tap_of)

    def _finish(self, ending: Ending) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(ending)
            self._note(ending)
            self._close_door()

    def _note(self, ending: Ending) -> None:
        if ending is not self._last_ending:
            self._last_ending = ending
            self._last_error, self._last_error_at = ending.error, self._clock.monotonic()

    async def _live(self) -> None:
        """One life of the bind: from the lease to the end of the wait after its session."""
        while not self._lease_held():
            self._waiting_for = "lease"
            await asyncio.sleep(self._timing.lease)
        self._waiting_for = "its turn"
        await asyncio.sleep(self._turn())
        if not self._lease_held():
            return
        self._waiting_for = "operator to answer"
        self._held = 0.0
        ending = await self._hold_session()
        self._note(ending)
        if self._leaving:
            return
        delay = self._backoff.delay(ending.trouble, held=self._held)
        self._waiting_for = _WAITING_FOR[ending.trouble]
        level = logging.ERROR if ending.trouble is Trouble.REFUSED else logging.WARNING
        self._log.log(level, "bind down", trouble=ending.trouble.value, error=ending.error, retry_in=round(delay, 1))
        self._on_change()
        await asyncio.sleep(delay)

    async def _hold_session(self) -> Ending:
        """Bind, and wait for the end; why it came."""
        over = self._over = asyncio.get_running_loop().create_future()
        legs = self._legs = []

        def on_end(ending: Ending) -> None:
            if self._over is over:  # not a leg of the session before
                self._finish(ending)

        try:
            for kind in _LEGS[self._settings.bind]:
                leg = Leg(
                    self._settings,
                    self._password,
                    kind,
                    timing=self._timing,
                    lease_held=self._lease_held,
                    on_event=self._on_event,
                    on_end=on_end,
                    on_room=lambda: self._traffic.has_room(self),
                )
                leg.trace(self._tap_of)
                legs.append(leg)
                await leg.open()
            if not self._over.done():
                self._open_door(legs[0])
            return await self._over
        except BindError as failed:
            return failed.ending
        finally:
            await self._take_down(legs)

    def _open_door(self, transmitter: Leg) -> None:
        self._transmitter = transmitter
        self._bound_at = self._clock.monotonic()
        self._waiting_for = None
        self._log.info("bind up")
        self._on_change()

    def hand_back(self) -> None:
        """Give back what waits here."""
        if self.waiting:
            parts = list(self.waiting)
            self.waiting.clear()
            self._traffic.handed_back(parts)

    def _close_door(self) -> None:
        """No more submits here."""
        if self._bound_at is None:
            return
        self._transmitter = None
        self._held = self._clock.monotonic() - self._bound_at
        self._bound_at = None
        self._waiting_for = "last answers"
        self.hand_back()
        self._on_change()

    async def _take_down(self, legs: list[Leg]) -> None:
        """In order: the answers to what was written, then unbind."""
        self._close_door()
        self._going_down = True
        try:
            await asyncio.gather(*(leg.leave() for leg in legs))
        finally:
            self._going_down = False
            for leg in legs:
                leg.drop()

    def _on_event(self, leg: Leg, event: Event) -> None:
        match event:
            case ResponseReceived(token=PartOnItsWay() as part, response=response):
                self._traffic.answered(self, part, response)
            case RequestReceived(pdu=(DeliverSm() | DataSm()) as pdu, octets=octets):
                self._on_deliver(Delivery(self._settings.link_id, self.number, pdu, octets, _once(leg, pdu)))
            case RequestUncertain(token=PartOnItsWay() as part, reason=reason):
                self._traffic.unanswered(self, part, reason)
            case LateResponse(token=PartOnItsWay() as part, response=response):
                self._traffic.answered_late(part, response)
            case PeerError(description=description):
                self._log.warning("operator broke the protocol", error=description)
            case RequestReceived(pdu=pdu):
                self._log.info("operator sent", pdu=type(pdu).__name__)
            case _:
                pass


def _once(leg: Leg, request: DeliverSm | DataSm) -> Callable[[int], None]:
    """The answer to a request; only the first call counts."""
    answered = False

    def respond(command_status: int) -> None:
        nonlocal answered
        if not answered:
            answered = True
            leg.respond(request, command_status)

    return respond
