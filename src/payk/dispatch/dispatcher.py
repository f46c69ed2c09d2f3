"""The dispatcher: the links of this process, a pump for each, and the recorders of what comes back.

Start order: recorders, flow board, bind keeper, then links as the directory names them. Stop order: pumps stop
claiming, links drain and unbind, recorders write the last outcomes, leases are given back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from zoneinfo import ZoneInfo

from payk.clock import Clock
from payk.dispatch.binds import BindKeeper
from payk.dispatch.closed_hours import ClosedHours
from payk.dispatch.figures import read_links
from payk.dispatch.flows import FlowBoard
from payk.dispatch.health import ReceiptTally, ResultTally, SickOperators
from payk.dispatch.paced_clients import PacedClients
from payk.dispatch.pump import Pump
from payk.dispatch.receipts import ReceiptRecorder
from payk.dispatch.recorder import OutcomeRecorder
from payk.dispatch.telling import LinkTeller
from payk.dispatch.tracing import LinkTracer
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.fairness import DEFAULT_WEIGHTS
from payk.domain.health import carrier, failed
from payk.domain.message import Lane, SmsType
from payk.domain.operator import Link as LinkSettings
from payk.domain.outcome import Submission, SubmissionResult, Unsent
from payk.domain.receipt import ReceiptWait
from payk.domain.retry import RetryRules
from payk.links import Link
from payk.logs import get_logger
from payk.metrics.family import Readings
from payk.registry.errors import SecretError
from payk.sealing import SealError
from payk.store.claims import LABELS_SHOWN, Claim
from payk.store.database import Database
from payk.store.incarnation import Incarnation
from payk.store.outcomes import LateAnswer
from payk.store.rates import SharedRates
from payk.store.wakeups import Flow

__all__ = ["DispatchOptions", "Dispatcher"]

log = get_logger("dispatch")

DRAIN = 7.0
"""Seconds that links get to drain and unbind on stop; outcomes after that."""
DIRECTORY_ROUND = 0.1
OUTCOME_PATIENCE = 0.5
"""Seconds that receipts wait for the outcomes before them to be recorded."""
UNREADABLE_PAUSE = 60.0
"""Seconds until a text that could not be opened is worth another try: by then another process may have its key."""


@dataclass(frozen=True, slots=True)
class DispatchOptions:
    """Settings of dispatching, in seconds."""

    rules: RetryRules = field(default_factory=RetryRules)
    wait: ReceiptWait = field(default_factory=ReceiptWait)
    lane_weights: Mapping[int, int] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Dushanbe"))
    """Where recipients live whose number does not tell."""


@dataclass(slots=True)
class _Running:
    link: Link
    pump: Pump
    pump_task: asyncio.Task[None]
    link_task: asyncio.Task[None]


class Dispatcher:
    """Sends what waits for the operators that this process is bound to."""

    def __init__(
        self,
        db: Database,
        directory: CurrentDirectory,
        incarnation: Incarnation,
        *,
        open_password: Callable[[bytes], str],
        open_text: Callable[[str, str], str],
        seal_text: Callable[[str, str], str],
        options: DispatchOptions,
        clock: Clock,
        random: Random,
    ) -> None:
        self._db = db
        self._directory = directory
        self._incarnation = incarnation
        self._open_password = open_password
        self._open_text = open_text
        self._options = options
        self._clock = clock
        self._random = random
        self._running: dict[int, _Running] = {}
        self._links: dict[int, Link] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._unreadable: set[int] = set()
        self._closed_hours = ClosedHours(directory, options.zone)
        self._rates = SharedRates(db, clock, self._wake)
        self._paced = PacedClients(directory, self._rates, clock)
        self._board = FlowBoard(self._wake, lambda: LABELS_SHOWN + directory.value.holds.labels)
        self._keeper = BindKeeper(db, directory, incarnation, self._links, self._wake)
        self._sick = SickOperators(db, clock, self._wake)
        self._tally = ResultTally(clock)
        self._receipt_tally = ReceiptTally(clock, directory)
        self._carrying: tuple[tuple[Directory, frozenset[int]], frozenset[int]] = (
            (Directory(), self._keeper.up),
            frozenset(),
        )
        """The operators that take new messages, with what that was found from."""
        self._receipts = ReceiptRecorder(
            db, directory, options.wait, lambda: self._recorder.caught_up(OUTCOME_PATIENCE), clock, self._settled
        )
        self._tracer = LinkTracer(db, incarnation, self._links, clock, seal_text)
        self._teller = LinkTeller(
            db,
            incarnation,
            self._links,
            clock,
            self._tally.by_link,
            self._receipt_tally.by_link,
            self._tracer.wanted,
        )
        self._recorder = OutcomeRecorder(
            db,
            directory,
            clock,
            random,
            rules=options.rules,
            wait=options.wait,
            on_early=self._receipts.try_parked,
        )
        db.last_commits.claims = self._recorder.ids

    @property
    def links(self) -> Mapping[int, Link]:
        """The links of this process by link_id."""
        return self._links

    def figures(self) -> Readings:
        """How the links of this process stand."""
        return read_links(self._links.values(), self._directory.value)

    async def run(self) -> None:
        """Send until cancelled; then drain: claims stop, links unbind, the last outcomes are recorded."""
        async with asyncio.TaskGroup() as group:
            engines = [
                group.create_task(self._recorder.run(), name="outcome-recorder"),
                group.create_task(self._receipts.run(), name="receipt-recorder"),
                group.create_task(self._board.follow(self._db), name="flow-board"),
                group.create_task(self._board.listen(self._db), name="flow-listener"),
                group.create_task(self._keeper.run(), name="bind-keeper"),
                group.create_task(self._teller.run(), name="link-teller"),
                group.create_task(self._tracer.run(), name="link-tracer"),
                group.create_task(self._sick.run(), name="sick-operators"),
                group.create_task(self._rates.run(), name="rates"),
            ]
            try:
                await self._follow_directory(group)
            finally:
                await self._drain()
                for engine in engines:
                    engine.cancel()

    async def _follow_directory(self, group: asyncio.TaskGroup) -> None:
        """Start, replace and stop links as the directory changes; a link that did not change is not touched.

        A link is started again only when its old self has unbound: operators count binds.
        """
        known: Directory | None = None
        wanted: Mapping[int, LinkSettings] = {}
        while True:
            directory = self._directory.value
            if directory is not known:
                known, wanted = directory, directory.links()
                self._unreadable.clear()
                for link_id, running in list(self._running.items()):
                    if wanted.get(link_id) != running.link.settings:
                        self._leave(group, link_id)
                self._wake()
            for link_id in wanted.keys() - self._links.keys() - self._unreadable:
                self._start(group, wanted[link_id])
                self._keeper.changed()
            await asyncio.sleep(DIRECTORY_ROUND)

    def _start(self, group: asyncio.TaskGroup, settings: LinkSettings) -> None:
        try:
            password = self._open_password(settings.password)
        except SecretError as error:
            log.error("link not started: its password cannot be read", link=settings.name, error=str(error))
            self._unreadable.add(settings.link_id)
            return
        link = Link(
            settings,
            password=password,
            lease_held=self._incarnation.held,
            on_result=self._result,
            on_deliver=self._receipts.take,
            on_change=self._link_changed,
            on_late=self._late,
            on_room=lambda: self._wake_pump(settings.link_id),
            clock=self._clock,
            random=self._random,
        )
        pump = Pump(
            self._db,
            link,
            self._board,
            self._recorder,
            self._incarnation,
            self._clock,
            weights=self._options.lane_weights,
            serves=lambda flow: self._serves(settings.link_id, flow),
            probe=lambda: self._probe(settings.link_id),
            submit=self._submit,
            closed_hours=self._closed_hours,
            paced=self._paced,
        )
        self._links[settings.link_id] = link
        self._running[settings.link_id] = _Running(
            link,
            pump,
            group.create_task(pump.run(), name=f"pump {settings.name}"),
            group.create_task(link.run(), name=f"link {settings.name}"),
        )

    def _leave(self, group: asyncio.TaskGroup, link_id: int) -> None:
        running = self._running.pop(link_id)
        task = group.create_task(self._stop_link(running), name=f"leave {running.link.settings.name}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _stop_link(self, running: _Running) -> None:
        running.pump.stop()
        await running.link.stop()
        running.link_task.cancel()
        await asyncio.wait([running.pump_task])
        del self._links[running.link.link_id]
        self._keeper.changed()

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(DRAIN):
                await asyncio.gather(*(self._stop_link(running) for running in self._running.values()))
                await asyncio.gather(*self._leaving)
                await self._recorder.drained()
        except TimeoutError:
            log.warning("stopped before everything was recorded; what is missing counts as uncertain")

    # -- between the parts

    def _wake(self) -> None:
        for running in self._running.values():
            running.pump.wake()

    def _link_changed(self, link: Link) -> None:
        self._keeper.changed()
        self._wake_pump(link.link_id)

    def _wake_pump(self, link_id: int) -> None:
        running = self._running.get(link_id)
        if running is not None:
            running.pump.wake()

    def _serves(self, link_id: int, flow: Flow) -> bool:
        """Whether this link may send what waits there: nothing forbids it, and the operator that carries its list is
        this link's."""
        operators = self._open_to(link_id, flow)
        if not operators:
            return False
        link = self._directory.link_of(link_id)
        return link is not None and self._carrier(operators) == link.operator_id

    def _carrier(self, operators: tuple[int, ...]) -> int | None:
        return carrier(operators, self._carrying_now(self._directory.value), self._sick.now)

    def _probe(self, link_id: int) -> Flow | None:
        """Where a message waits that may find out how this link's sick operator is, if one is due: never a one-time
        password, and the least urgent first."""
        link = self._directory.link_of(link_id)
        if link is None or not self._sick.probe_due(link.operator_id):
            return None
        for flow in sorted(self._board.flows(), key=lambda flow: -flow.lane):
            if flow.lane == Lane.OTP:
                continue
            operators = self._open_to(link_id, flow)
            if link.operator_id in operators and self._carrier(operators) != link.operator_id:
                self._sick.probing(link.operator_id)
                return flow
        return None

    def _open_to(self, link_id: int, flow: Flow) -> tuple[int, ...]:
        """The operators of what waits there; none if it is held, or the link is being drained."""
        directory, link = self._directory.value, self._directory.link_of(link_id)
        if link is None or link.draining:
            return ()
        if directory.keeps_back(flow.client_id, flow.lane, flow.label_key, flow.queue_id):
            return ()
        return directory.queues.get(flow.queue_id, ())

    def _carrying_now(self, directory: Directory) -> frozenset[int]:
        """The operators that take new messages; found out anew when the directory or what is bound is another."""
        known_for, carrying = self._carrying
        if known_for[0] is not directory or known_for[1] is not self._keeper.up:
            up = self._keeper.up
            carrying = frozenset(operator for operator in directory.operators if directory.carries(operator, up))
            self._carrying = (directory, up), carrying
        return carrying

    def _submit(self, link: Link, claims: list[Claim]) -> None:
        submissions = []
        for claim in claims:
            text = claim.text if claim.sms_type is not SmsType.OTP else self._opened(link, claim)
            if text is not None:
                submissions.append(_submission(claim, text))
        link.submit(*submissions)

    def _opened(self, link: Link, claim: Claim) -> str | None:
        """The text of an Otp. Of one that cannot be opened nothing is sent: it waits for another try."""
        try:
            return self._open_text(claim.text, claim.phone)
        except SealError as error:
            log.error("not sent: its text cannot be opened", message_id=claim.message_id, error=str(error))
            outcomes = tuple(Unsent(part, UNREADABLE_PAUSE) for part in claim.open_parts)
            self._recorder.take(SubmissionResult(_submission(claim, ""), link.link_id, outcomes, None))
            return None

    def _result(self, result: SubmissionResult) -> None:
        client_id = self._recorder.take(result)
        fault = failed(result.outcomes)
        if client_id is not None and fault is not None:
            self._tally.count(result.link_id, client_id, fault)
            if not fault and len(result.outcomes) == 1:
                self._receipt_tally.taken(result.link_id)
        self._wake_pump(result.link_id)

    def _settled(self, link_id: int, alone: list[float], others: list[float]) -> None:
        """Final receipts of a link were settled, so many seconds after their submits; only `alone` are tallied."""
        link = self._links.get(link_id)
        if link is not None:
            link.received(alone + others)
        self._receipt_tally.received(link_id, alone)

    def _late(self, link_id: int, submission: Submission, part: int, smsc_id: str) -> None:
        link = self._directory.link_of(link_id)
        if link is not None:
            self._recorder.take_late(
                LateAnswer(submission.message_id, link.operator_id, link_id, part, submission.attempt, smsc_id)
            )


def _submission(claim: Claim, text: str) -> Submission:
    """In the order of its fields, which is half the price of their names."""
    return Submission(
        claim.message_id,
        claim.phone,
        claim.sender,
        text,
        claim.sms_type,
        claim.try_number,
        claim.parts_left,
        claim.expires_at,
        claim.now,
    )
