"""The submits of a link: which bind a message goes over, when each part is written, and what came of it.

Exactly one result follows every submission. Parts wait here only for a token of the rate or a place in a window; when
the operator wants less they go back, so that what it refused is the next to be sent.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final

from payk.clock import Clock
from payk.domain.operator import Link as LinkSettings
from payk.domain.outcome import (
    Accepted,
    PartOutcome,
    RefusalKind,
    Refused,
    Submission,
    SubmissionResult,
    Uncertain,
    Unsent,
)
from payk.links.bind import Bind
from payk.links.figures import Figures
from payk.links.pacing import RateControl, Slowdown
from payk.links.parts import PartsEncoder, UnsendableError, WirePart, without_hints
from payk.links.refusal import outcome_of, status_overrides
from payk.links.status import PaceStatus
from payk.links.submitting import MessageOnItsWay, PartOnItsWay
from payk.logs import get_logger
from payk.smpp import (
    STATUS_CLASSES,
    CommandStatus,
    LocalError,
    Response,
    StatusClass,
    Tag,
    classify,
    status_name,
    tlv_int,
)
from payk.text import count_parts

__all__ = ["Submitter"]

_SHORTEST_WAIT: Final = 0.001  # seconds; event loops round their timers to this
_AHEAD: Final = 0.02
"""Seconds before its token that a message is asked for: fetching it takes about as long, and the rate would never be
reached otherwise. It waits here for the rest of the time."""
_PATIENCE: Final = 1.0
"""Seconds that a message may wait here for its turn; it was asked for before the rate was cut, and others may be more
urgent by then."""


class Submitter:
    """`binds` is the link's own mapping, live.

    `on_late(link_id, submission, part, smsc_id)` is told of an operator's id that came after its part was given back as
    `Uncertain`; `on_room()` that `capacity` may be above 0 because an operator reads again.

    Without the lease nothing is written, and what waits goes back; the sessions stay, for that may be a matter of a
    moment. Whoever knows that it is lost says so to the binds (`payk.links.bind.Bind.lapse`).
    """

    def __init__(
        self,
        settings: LinkSettings,
        binds: Mapping[int, Bind],
        *,
        lease_held: Callable[[], bool],
        on_result: Callable[[SubmissionResult], None],
        on_late: Callable[[int, Submission, int, str], None] | None,
        on_room: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._binds = binds
        self._lease_held = lease_held
        self._on_result = on_result
        self._on_late = on_late
        self._on_room = on_room
        self._clock = clock
        self._encoder = PartsEncoder(settings)
        self._overrides = status_overrides(settings.status_classes)
        self.figures = Figures()
        """What was submitted lately, and how it was answered."""
        self._pace = RateControl(settings.rate or None, clock.monotonic())
        self._results: deque[SubmissionResult] = deque()
        """What is to be given back in the next turn of the loop."""
        self._timer: asyncio.TimerHandle | None = None
        self._rotation = 0
        self._refusals_told: set[int] = set()
        self._log = get_logger("links").bind(link=settings.name)

    def set_rate_share(self, share: float) -> None:
        if self._settings.rate > 0:
            self._pace.set_contract(self._settings.rate * share, self._clock.monotonic())
            self._write_waiting()

    @property
    def pace(self) -> PaceStatus:
        return self._pace.status(self._clock.monotonic())

    def capacity(self) -> int:
        """How many messages of one part would be written at once, or within `_AHEAD`."""
        now = self._clock.monotonic()
        if self._pace.paused(now) or not self._lease_held():
            return 0
        return max(0, min(self._room(), self._pace.available(now, _AHEAD) - self._waiting()))

    def capacity_at(self) -> float | None:
        """When `capacity` is next above 0 by time alone, on `Clock.monotonic()`; None if time alone does not help."""
        if self._room() == 0 or not self._lease_held():
            return None
        now = self._clock.monotonic()
        at = max(self._pace.resumes(now), self._turn_at(now) - _AHEAD)
        return at if at < math.inf else None

    def submit(self, submissions: Iterable[Submission]) -> None:
        """Put each in line at the bind with the most room, and write what has a place and a token."""
        now = self._clock.monotonic()
        up = [] if self._pace.paused(now) else [bind for bind in self._binds.values() if bind.up]
        tokens_go_round = len(up) > 1 and not self._pace.unlimited
        for submission in submissions:
            parts = self._parts_of(submission)
            if not up or self._turn_at(now) > now + _PATIENCE:
                self.handed_back(parts)
                continue
            # All its parts go over the same bind: some operators do not join them otherwise.
            bind = up[0] if len(up) == 1 else max(up, key=attrgetter("room"))
            bind.waiting += parts
            if tokens_go_round:  # by the order of the messages, whichever bind they go over
                self._write_from(bind, now)
        for bind in up:
            self._write_from(bind, now)

    def _parts_of(self, submission: Submission) -> list[PartOnItsWay]:
        """What is to be written of it; nothing, if it is unsendable."""
        try:
            parts = self._encoder.encode(submission)
        except UnsendableError as unsendable:
            self._give_up(submission, unsendable)
            return []
        if submission.parts_left is None:
            message = MessageOnItsWay(submission, sum([len(part.numbers) for part in parts]))
        else:
            message = MessageOnItsWay(submission, len(submission.parts_left))
            self._refuse_foreign(message, submission.parts_left, parts)
        return [PartOnItsWay(message, part) for part in parts]

    # What became of parts: `payk.links.bind.Traffic`

    def handed_back(self, parts: Sequence[PartOnItsWay]) -> None:
        for part in parts:
            self._settle(part.message, [Unsent(number) for number in part.wire.numbers])

    def answered(self, bind: Bind, part: PartOnItsWay, response: Response) -> None:
        status = response.command_status
        if status and status == CommandStatus.ESME_ROPTPARNOTALLWD and self._spare_hints(bind, part):
            return
        now = self._clock.monotonic()
        self.figures.answered(now - part.written_at, now)
        outcomes = [outcome_of(number, response, self._overrides) for number in part.wire.numbers]
        match outcomes[0]:
            case Accepted():
                if self._pace.accepted(written_at=part.written_at, now=now):
                    self._log.info("throttling over")
            case Refused(command_status=command_status, kind=kind):
                self.figures.refused(kind.name.lower(), now)
                self._refused(bind, part, command_status, kind)
        self._heed_congestion(part, response)
        self._settle(part.message, outcomes, (part.written_at, now))
        self._write_from(bind, now)

    def unanswered(self, bind: Bind, part: PartOnItsWay, reason: str) -> None:
        now = self._clock.monotonic()
        self.figures.refused("uncertain", now)
        outcomes = [Uncertain(number, reason) for number in part.wire.numbers]
        self._settle(part.message, outcomes, (part.written_at, now))
        self._write_from(bind, now)

    def answered_late(self, part: PartOnItsWay, response: Response) -> None:
        self._heed_congestion(part, response)
        if self._on_late is None:
            return
        for number in part.wire.numbers:
            outcome = outcome_of(number, response, self._overrides)
            if isinstance(outcome, Accepted):
                self._on_late(self._settings.link_id, part.message.submission, number, outcome.smsc_id)

    def has_room(self, bind: Bind) -> None:
        self._write_from(bind, self._clock.monotonic())
        self._on_room()

    def _refused(self, bind: Bind, part: PartOnItsWay, command_status: int, kind: RefusalKind) -> None:
        if kind is RefusalKind.THROTTLED:
            self._throttled(part, command_status)
        elif kind is RefusalKind.LINK:
            bind.rebind(status_name(command_status))
        elif kind is RefusalKind.PERMANENT and command_status not in self._refusals_told:
            self._refusals_told.add(command_status)
            ours = classify(command_status, (), self._overrides) is StatusClass.PERMANENT_CONFIG
            alarming = ours or command_status not in STATUS_CLASSES
            level = logging.ERROR if alarming else logging.WARNING
            self._log.log(level, "operator refuses for good", status=status_name(command_status))

    def _spare_hints(self, bind: Bind, part: PartOnItsWay) -> bool:
        """Optional parameters are not allowed here: send the part once more, without those it can do without."""
        pdu = without_hints(part.wire.pdu)
        if pdu is part.wire.pdu or CommandStatus.ESME_ROPTPARNOTALLWD in self._overrides:
            return False
        if bind.spare_hints():
            self._log.warning("operator takes no optional parameters")
        part.wire = WirePart(part.wire.numbers, pdu)
        bind.waiting.appendleft(part)
        if bind.up:
            self._write_from(bind, self._clock.monotonic())
        else:
            bind.hand_back()
        return True

    def _throttled(self, part: PartOnItsWay, command_status: int) -> None:
        now = self._clock.monotonic()
        self._slow_down(self._pace.refused(command_status, written_at=part.written_at, now=now), command_status)

    def _heed_congestion(self, part: PartOnItsWay, response: Response) -> None:
        tlvs = getattr(response, "tlvs", ())
        if tlvs and (state := tlv_int(tlvs, Tag.CONGESTION_STATE)) is not None:
            slowdown = self._pace.congested(state, written_at=part.written_at, now=self._clock.monotonic())
            self._slow_down(slowdown, response.command_status)

    def _slow_down(self, slowdown: Slowdown | None, command_status: int) -> None:
        if slowdown is None:
            return
        pace = self.pace
        first = slowdown.before == pace.contract
        self._log.log(
            logging.INFO if first or slowdown.pause else logging.DEBUG,
            "throttled",
            status=status_name(command_status),
            congestion_state=pace.congestion_state,
            rate_before=_rounded(slowdown.before),
            rate=_rounded(slowdown.after),
            pause=slowdown.pause,
        )
        self._hand_back_all()

    def _give_up(self, submission: Submission, unsendable: UnsendableError) -> None:
        self._log.error("message unsendable", message_id=submission.message_id, reason=str(unsendable))
        numbers = submission.parts_left
        if numbers is None:
            numbers = tuple(range(1, count_parts(submission.text)[1] + 1))
        message = MessageOnItsWay(submission, len(numbers))
        self._settle(message, _unsendable(numbers, unsendable.command_status))

    def _refuse_foreign(self, message: MessageOnItsWay, asked: Sequence[int], parts: Sequence[WirePart]) -> None:
        """Parts of a text that another link cut in another way; their neighbours are sent already."""
        numbers = [number for part in parts for number in part.numbers]
        foreign = [number for number in asked if number not in numbers]
        if foreign or not asked:
            self._settle(message, _unsendable(foreign, CommandStatus.ESME_RINVMSGLEN))

    def _settle(
        self, message: MessageOnItsWay, outcomes: Sequence[PartOutcome], times: tuple[float, float] | None = None
    ) -> None:
        if message.settle(outcomes, times):
            if not self._results:
                asyncio.get_running_loop().call_soon(self._give_results)
            self._results.append(message.result(self._settings.link_id))

    def _give_results(self) -> None:
        results = self._results
        try:
            for _ in range(len(results)):
                self._on_result(results.popleft())
        finally:
            if results:  # new ones; or one was not taken, and the others are given all the same
                asyncio.get_running_loop().call_soon(self._give_results)

    # Writing

    def _turn_at(self, now: float) -> float:
        """When one more part would be written, as far as the rate goes."""
        return now if self._pace.unlimited else self._pace.ready_at(self._waiting() + 1, now)

    def _room(self) -> int:
        return sum([max(0, bind.room) for bind in self._binds.values()])

    def _waiting(self) -> int:
        return sum([len(bind.waiting) for bind in self._binds.values()])

    def _write_from(self, bind: Bind, now: float) -> None:
        """Write what waits at a bind, as far as its window and the rate go."""
        waiting = bind.waiting
        room = bind.free_window if waiting else 0
        if room and not self._lease_held():  # once for all of it: the wire asks again when it leaves
            bind.hand_back()
        while waiting and room:
            if not self._pace.take(now):
                self._write_later(self._pace.ready_at(1, now) - now)
                return
            part = waiting.popleft()
            try:
                bind.write(part)
            except LocalError as error:  # a field that cannot be encoded
                self._log.error("part unsendable", message_id=part.message.submission.message_id, reason=str(error))
                self._settle(part.message, _unsendable(part.wire.numbers, CommandStatus.ESME_RSUBMITFAIL))
            else:
                part.written(now)
                self.figures.submitted(now)
                room -= 1

    def _write_waiting(self) -> None:
        """Write what has a place and a token; each time another bind goes first."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        binds = list(self._binds.values())
        self._rotation += 1
        first = self._rotation % max(1, len(binds))
        now = self._clock.monotonic()
        for bind in binds[first:] + binds[:first]:
            self._write_from(bind, now)

    def _write_later(self, delay: float) -> None:
        if delay == math.inf:
            self._hand_back_all()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(_SHORTEST_WAIT, delay), self._write_waiting)

    def _hand_back_all(self) -> None:
        for bind in list(self._binds.values()):
            bind.hand_back()


def _unsendable(numbers: Sequence[int], command_status: int) -> list[PartOutcome]:
    """Refused for good, without having asked the operator."""
    return [Refused(number, command_status, RefusalKind.PERMANENT) for number in numbers]


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 1)
