"""Writing outcomes down: what came of every claim, a batch at a time, until the database has it.

Nothing is forgotten while the database is away: outcomes wait here, and the window of the links keeps their number
small. A claim stays in flight from before its submission until its outcome is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from random import Random

from payk import tracing
from payk.clock import Clock
from payk.dispatch.pace import gather
from payk.domain.directory import CurrentDirectory
from payk.domain.outcome import Accepted, SubmissionResult
from payk.domain.receipt import ReceiptWait, is_unnamed
from payk.domain.retry import RetryRules
from payk.logs import get_logger
from payk.metrics.catalogue import BATCH_ITEMS, BATCH_SECONDS
from payk.outcome_log import OutcomeLog
from payk.store.claims import Claim
from payk.store.database import Database
from payk.store.errors import StoreError, is_lasting
from payk.store.outcome_figures import count_outcomes
from payk.store.outcomes import LateAnswer, Recorded, decided, record_late_answers, record_outcomes

__all__ = ["OutcomeRecorder"]

log = get_logger("dispatch")

MOST = 1_000
AWAY_PAUSE = 0.2


@dataclass(slots=True, eq=False)
class _Held:
    """One claim in flight; a message that is claimed anew is another one."""

    incarnation: int
    claim: Claim
    claimed_at: float
    """Clock.monotonic() when the claim was here; until then it waited (Claim.waited)."""


_Result = tuple[_Held, Recorded, float | None]
"""With the seconds from the claim to the last write of a part, None where none was written."""


class OutcomeRecorder:
    """Holds the claims in flight and records their outcomes."""

    def __init__(
        self,
        db: Database,
        directory: CurrentDirectory,
        clock: Clock,
        random: Random,
        *,
        rules: RetryRules,
        wait: ReceiptWait,
        on_early: Callable[[Sequence[int]], None],
    ) -> None:
        self._db = db
        self._directory = directory
        self._clock = clock
        self._random = random
        self._rules = rules
        self._wait = wait
        self._on_early = on_early
        self._held: dict[tuple[int, int], _Held] = {}  # by message and number of the try
        self._outcome_log = OutcomeLog(directory, "dispatch")
        self._results: list[_Result] = []
        self._late: list[LateAnswer] = []
        self._nameless: set[int] = set()
        """Links whose operator answers without an id: their receipts are found by addresses, if at all."""
        self._some = asyncio.Event()
        self._hurry = asyncio.Event()
        """Set where somebody waits for what was taken to be recorded."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._taken = 0
        self._recorded = 0
        self._advanced = asyncio.Event()

    # -- what the pumps do

    def add(self, incarnation: int, claims: list[Claim]) -> None:
        """Claims that are about to be submitted."""
        now = self._clock.monotonic()
        for claim in claims:
            self._held[claim.message_id, claim.try_number] = _Held(incarnation, claim, now)
        if claims:
            self._idle.clear()

    def ids(self) -> Collection[int]:
        """The messages in flight."""
        return [message_id for message_id, _ in self._held]

    @property
    def behind(self) -> bool:
        """Whether so many outcomes wait for the database that nothing more should be sent before they are written."""
        return len(self._results) > 2 * MOST

    # -- what the links report

    def take(self, result: SubmissionResult) -> int | None:
        """A submission has all its outcomes. Returns whose message it is, None where nobody knows it."""
        held = self._held.get((result.submission.message_id, result.submission.attempt))
        if held is None:
            log.error("outcome of a message that is not in flight", message_id=result.submission.message_id)
            return None
        now = self._clock.monotonic()
        age = 0.0 if result.written_at is None else max(0.0, now - result.written_at)
        traced = held.claim.trace is not None and tracing.is_on()
        record = decided(
            held.claim,
            result.outcomes,
            age,
            self._directory,
            self._rules,
            self._random.random(),
            _by_the_wall(result, now, self._clock.now()) if traced else None,
        )
        if record is None:
            log.error("outcome of an unknown link", link_id=result.link_id)
            return None
        wrote = None if result.written_at is None else result.written_at - held.claimed_at
        self._results.append((held, record, wrote))
        self._taken += 1
        self._some.set()
        return held.claim.flow.client_id

    def take_late(self, answer: LateAnswer) -> None:
        """An operator said yes after the time-out."""
        self._late.append(answer)
        self._idle.clear()
        self._some.set()

    # -- the engine

    async def run(self) -> None:
        """Record until cancelled; call `drained` first to lose nothing."""
        while True:
            await self._some.wait()
            self._some.clear()
            if not await self._record_some():
                self._some.set()
                await asyncio.sleep(AWAY_PAUSE)
            if self._recorded == self._taken:
                self._hurry.clear()
            await gather(lambda: len(self._results), self._hurry)

    async def drained(self) -> None:
        """Wait until nothing is in flight and every outcome is committed."""
        await self._idle.wait()

    async def caught_up(self, patience: float) -> None:
        """Wait until what was taken so far is recorded, `patience` seconds at most.

        The receipt of a message follows its answer closely: recorded in this order, it need not be parked.
        """
        target = self._taken
        if self._recorded < target:
            self._hurry.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._recorded < target:
                    self._advanced.clear()
                    await self._advanced.wait()

    async def _record_some(self) -> bool:
        """Record what there is; False when the database did not take it."""
        early: list[int] = []
        try:
            while self._results:
                incarnation = self._results[0][0].incarnation
                batch = [entry for entry in self._results[:MOST] if entry[0].incarnation == incarnation]
                await self._record(incarnation, batch, early)
            await self._record_late(early)
        except StoreError as error:
            log.warning("outcomes could not be recorded yet", waiting=len(self._results), error=str(error))
            return False
        finally:
            if early:
                self._on_early(early)
        if not self._held and not self._late:
            self._idle.set()
        return True

    async def _record(self, incarnation: int, batch: Sequence[_Result], early: list[int]) -> None:
        """Record a batch; one that the database refuses is split until the bad one stands alone, and so is one that a
        defect of ours keeps from being recorded: it must not end what goes to all operators.
        """
        began = self._clock.monotonic()
        try:
            early += await record_outcomes(self._db, incarnation, [record for _, record, _ in batch], self._wait)
        except Exception as error:
            if not is_lasting(error):
                raise
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._record(incarnation, batch[:middle], early)
                await self._record(incarnation, batch[middle:], early)
                return
            # It stays in flight: given back, its message would be sent again as if nothing had happened. When this
            # process ends it counts as uncertain.
            log.error("outcome cannot be recorded", message_id=batch[0][1].claim.message_id, **_told(error))
            self._results = [entry for entry in self._results if entry[0] is not batch[0][0]]
            self._recorded += 1
            self._advanced.set()
            return
        BATCH_ITEMS.observe((len(batch),), "outcomes")
        BATCH_SECONDS.observe((self._clock.monotonic() - began,), "outcomes")
        try:
            self._look_at([(record, wrote) for _, record, wrote in batch])
        except Exception:  # they are recorded, and must not be so again
            log.exception("outcomes are recorded, and not all was told of them")
        self._forget(batch)

    def _look_at(self, told: Sequence[tuple[Recorded, float | None]]) -> None:
        """What is told and counted of outcomes that are recorded."""
        count_outcomes(told, self._directory)
        self._outcome_log.submitted(told)
        for record, _ in told:
            self._look_for_names(record)

    def _forget(self, batch: Sequence[_Result]) -> None:
        """These are dealt with, and in flight no more; a message among them may be claimed again already."""
        done = {held for held, *_ in batch}
        self._results = [entry for entry in self._results if entry[0] not in done]
        for held in done:
            key = (held.claim.message_id, held.claim.try_number)
            if self._held.get(key) is held:
                del self._held[key]
        self._recorded += len(batch)
        self._advanced.set()

    async def _record_late(self, early: list[int]) -> None:
        """Late answers, after the outcomes that they correct."""
        ready = [answer for answer in self._late if (answer.message_id, answer.try_number) not in self._held]
        for start in range(0, len(ready), MOST):
            batch = ready[start : start + MOST]
            await self._record_late_batch(batch, early)
            done = set(batch)
            self._late = [answer for answer in self._late if answer not in done]

    async def _record_late_batch(self, batch: Sequence[LateAnswer], early: list[int]) -> None:
        """Record a batch, split as in `_record`. An answer that cannot be recorded is given up: its part stays
        uncertain.
        """
        try:
            parked, spoken = await record_late_answers(self._db, batch, self._wait)
        except Exception as error:
            if not is_lasting(error):
                raise
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._record_late_batch(batch[:middle], early)
                await self._record_late_batch(batch[middle:], early)
                return
            log.error("late answer cannot be recorded", message_id=batch[0].message_id, **_told(error))
            return
        early += parked
        try:
            self._outcome_log.answered_late(batch, spoken)
        except Exception:
            log.exception("late answers are recorded, and not all was told of them")

    def _look_for_names(self, record: Recorded) -> None:
        """Tell once of a link whose operator gives no ids."""
        link_id = record.claim.link_id
        if link_id in self._nameless:
            return
        for outcome in record.outcomes:
            if isinstance(outcome, Accepted) and is_unnamed(outcome.smsc_id):
                self._nameless.add(link_id)
                log.error("operator takes messages without giving ids", link_id=link_id)
                return


def _told(error: Exception) -> dict[str, object]:
    """What a line says of an error: of a defect, where it happened."""
    return {"error": str(error)} if isinstance(error, StoreError) else {"exc_info": error}


def _by_the_wall(result: SubmissionResult, monotonic: float, now: datetime) -> dict[int, tuple[int, int]]:
    """By part from when to when its submit took, in nanoseconds since 1970; what was not written, now.

    Told here and not when the outcome is committed: that may be long after.
    """
    at = int(now.timestamp() * 1e6) * 1000

    def wall(moment: float) -> int:
        return at - int((monotonic - moment) * 1e9)

    return {
        outcome.part: (wall(times[0]), wall(times[1])) if (times := result.times.get(outcome.part)) else (at, at)
        for outcome in result.outcomes
    }
