"""Outcomes on their way to the database: in order, as often as it takes, and each for the claim it belongs to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec
import pytest

from payk import tracing
from payk.clock import Clock
from payk.dispatch.recorder import OutcomeRecorder
from payk.domain.message import MessageState
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
from payk.logs import Line, ManyLines
from payk.store.claims import Claim
from payk.store.database import Database
from payk.store.outcomes import LateAnswer, Recorded, record_outcomes
from tests.store.proxy import Network
from tests.store.scene import Scene

S = MessageState
TRACE = bytes(range(24))


class Recording:
    """A recorder at work, and what it says of parked receipts."""

    def __init__(self, recorder: OutcomeRecorder, scene: Scene, early: list[int]) -> None:
        self.recorder = recorder
        self.scene = scene
        self.early = early

    async def claim(self, count: int = 1, **changes: object) -> list[Claim]:
        """New messages, claimed and in flight."""
        await self.scene.accept(count, **changes)
        return await self.fly()

    async def fly(self) -> list[Claim]:
        """Claim what waits."""
        claims = await self.scene.claim()
        self.recorder.add(self.scene.incarnation, claims)
        return claims

    def told(
        self, claim: Claim, *outcomes: PartOutcome, times: Mapping[int, tuple[float, float]] | None = None
    ) -> None:
        """The link gives a submission back, with the times of its parts by `Clock.monotonic`."""
        submission = Submission(
            claim.message_id, claim.phone, claim.sender, claim.text, claim.sms_type, claim.try_number,
            claim.parts_left, None, datetime.now(UTC),
        )  # fmt: skip
        written = max((begun for begun, _ in times.values()), default=None) if times else None
        self.recorder.take(SubmissionResult(submission, claim.link_id, outcomes, written, times or {}))

    def late(self, claim: Claim, part: int = 1, smsc_id: str = "late") -> None:
        """The operator says yes after the time-out."""
        answer = LateAnswer(claim.message_id, self.scene.operator, claim.link_id, part, claim.try_number, smsc_id)
        self.recorder.take_late(answer)

    async def drained(self) -> None:
        async with asyncio.timeout(30):
            await self.recorder.drained()


@asynccontextmanager
async def recording(scene: Scene, db: Database | None = None) -> AsyncIterator[Recording]:
    early: list[int] = []

    def on_early(parked: Sequence[int]) -> None:
        early.extend(parked)

    recorder = OutcomeRecorder(
        db or scene.db, scene.directory, Clock(), Random(1), rules=scene.rules, wait=scene.wait, on_early=on_early
    )
    task = asyncio.create_task(recorder.run())
    try:
        yield Recording(recorder, scene, early)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_outcomes_are_recorded_and_no_longer_in_flight(scene: Scene) -> None:
    async with recording(scene) as centre:
        claims = await centre.claim(5)
        assert sorted(centre.recorder.ids()) == [claim.message_id for claim in claims]
        for claim in claims:
            centre.told(claim, Accepted(1, str(claim.message_id)))
        await centre.drained()
        assert list(centre.recorder.ids()) == []
    assert await scene.count("awaiting") == 5


async def test_parked_receipts_of_what_was_recorded_are_told(scene: Scene) -> None:
    await scene.receive(scene.report("a1"))
    async with recording(scene) as centre:
        [claim] = await centre.claim()
        centre.told(claim, Accepted(1, "A1"))
        await centre.drained()
    assert centre.early == [await scene.value("select parked_id from parked_receipt")]


async def test_outcomes_wait_while_the_database_is_away(scene: Scene, network: Network, through: Database) -> None:
    async with recording(scene, through) as centre:
        claims = await centre.claim(5)
        await network.down()
        for claim in claims:
            centre.told(claim, Accepted(1, str(claim.message_id)))
        await asyncio.sleep(0.3)
        assert len(centre.recorder.ids()) == 5  # nobody takes them for claims that went astray
        await network.up()
        await centre.drained()
    assert await scene.count("receipt_key") == 5 and await scene.count("waiting") == 0


async def test_a_yes_that_comes_before_its_time_out_is_recorded_stops_the_repeat(
    scene: Scene, network: Network, through: Database
) -> None:
    """In the same instant, and over a database that was away: the answers follow the outcomes that they correct."""
    async with recording(scene, through) as centre:
        claims = await centre.claim(3)
        await network.down()
        for claim in claims:
            centre.told(claim, Uncertain(1, "time-out"))
            centre.late(claim, smsc_id=f"late-{claim.message_id}")
        await asyncio.sleep(0.3)
        await network.up()
        await centre.drained()
    assert await scene.count("staged") == 0 and await scene.count("awaiting") == 3


async def test_a_yes_to_a_part_waits_for_the_outcome_of_the_whole(scene: Scene) -> None:
    async with recording(scene) as centre:
        [claim] = await centre.claim(parts=2)
        centre.late(claim, 1)
        await asyncio.sleep(0.1)
        centre.told(claim, Uncertain(1, "time-out"), Accepted(2, "b"))
        await centre.drained()
    assert await scene.places(claim.message_id) == {"awaiting"}


async def test_a_late_yes_has_a_line_that_says_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[dict[str, Any]] = []

    def write(_: ManyLines, lines: Iterable[Line], kind: str) -> None:
        written.extend(map(msgspec.to_builtins, lines))

    monkeypatch.setattr(ManyLines, "on", True)
    monkeypatch.setattr(ManyLines, "write", write)
    async with recording(scene) as centre:
        [claim] = await centre.claim(request_id="r-1")
        centre.told(claim, Uncertain(1, "time-out"))
        await centre.drained()
        centre.late(claim)
        await centre.drained()
    uncertain, late = written
    assert (uncertain["outcome"], "reason" in uncertain) == ("uncertain", False)
    about = ("message_id", "part", "parts", "attempt", "number", "request_id")
    assert {name: late[name] for name in about} == {name: uncertain[name] for name in about}
    assert (late["outcome"], late["level"]) == ("submitted", "info")
    assert late["reason"] == "the answer came after its time-out"
    assert late["answer_ms"] >= 0 and late["total_ms"] >= late["answer_ms"]


async def test_a_stop_waits_for_late_answers_too(scene: Scene) -> None:
    async with recording(scene) as centre:
        [claim] = await centre.claim()
        centre.told(claim, Uncertain(1, "time-out"))
        await centre.drained()
        centre.late(claim)
        await centre.drained()
    assert await scene.count("receipt_key") == 1


async def test_a_message_that_is_claimed_anew_is_in_flight_anew(scene: Scene) -> None:
    """The next claim may be back before the recorder has heard that its COMMIT took place."""
    async with recording(scene) as centre:
        [first] = await centre.claim()
        centre.told(first, Unsent(1))
        again: list[Claim] = []
        async with asyncio.timeout(30):
            while not again:
                again = await scene.claim()
        centre.recorder.add(scene.incarnation, again)
        await asyncio.sleep(0.1)
        assert list(centre.recorder.ids()) == [first.message_id]
        centre.told(again[0], Accepted(1, "a"))
        await centre.drained()
    assert await scene.places(first.message_id) == {"awaiting"}


async def test_receipts_may_wait_for_the_outcomes_before_them(
    scene: Scene, network: Network, through: Database
) -> None:
    async with recording(scene, through) as centre:
        await centre.recorder.caught_up(5)  # nothing to wait for
        [claim] = await centre.claim()
        centre.told(claim, Accepted(1, "a"))
        await centre.recorder.caught_up(5)
        assert await scene.count("receipt_key") == 1
        [claim] = await centre.claim()
        await network.down()
        centre.told(claim, Accepted(1, "b"))
        async with asyncio.timeout(1):
            await centre.recorder.caught_up(0.1)  # but not for ever


class Spans:
    """Where spans go instead of to a collector: by part, when they began and ended, in seconds of the epoch."""

    def __init__(self) -> None:
        self.by_part: dict[int, tuple[float, float]] = {}
        self.recorded_at = 0.0

    def record(
        self, name: str, context: bytes, begun: int, ended: int, attributes: Mapping[str, Any], **_: object
    ) -> None:
        assert (name, context) == ("submit", TRACE)
        self.by_part[attributes["payk.part"]] = begun / 1e9, ended / 1e9
        self.recorded_at = time.time()


async def test_the_span_of_a_submit_is_when_it_was_however_late_its_outcome_is_stored(
    scene: Scene, network: Network, through: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each part by itself: its own write, and its own answer."""
    spans = Spans()
    monkeypatch.setattr(tracing, "_spans", spans)
    async with recording(scene, through) as centre:
        [claim] = await centre.claim(parts=3, trace=TRACE)
        await network.down()
        now, wall = Clock().monotonic(), time.time()
        times = {1: (now - 5.0, now - 4.0), 2: (now - 4.5, now - 0.5)}
        centre.told(claim, Accepted(1, "a"), Uncertain(2, "time-out"), Refused(3, 11, RefusalKind.NUMBER), times=times)
        await asyncio.sleep(0.6)  # in which the database is tried in vain
        await network.up()
        await centre.drained()
    assert spans.recorded_at > wall + 0.5
    for part, (begun, ended) in {1: (5.0, 4.0), 2: (4.5, 0.5), 3: (0.0, 0.0)}.items():
        assert spans.by_part[part] == pytest.approx((wall - begun, wall - ended), abs=0.1), part


class Defect(Exception):
    """Something that nobody thought of."""


async def test_a_defect_costs_one_outcome_and_nobody_else(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async with recording(scene) as centre:
        claims = await centre.claim(5)
        unlucky = claims[2]

        async def broken(db: Database, incarnation: int, records: Sequence[Recorded], *rest: Any) -> list[int]:
            if any(record.claim is unlucky for record in records):
                raise Defect
            return await record_outcomes(db, incarnation, records, *rest)

        monkeypatch.setattr("payk.dispatch.recorder.record_outcomes", broken)
        for claim in claims:
            centre.told(claim, Accepted(1, str(claim.message_id)))
        await centre.recorder.caught_up(30)
        assert list(centre.recorder.ids()) == [unlucky.message_id], "in flight, and uncertain when this process ends"
        [claim] = await centre.claim()
        centre.told(claim, Accepted(1, "a"))
        await centre.recorder.caught_up(30)
    assert await scene.count("awaiting") == 5
    assert await scene.places(unlucky.message_id) == {"claimed"}


async def test_a_late_answer_that_cannot_be_recorded_keeps_no_other(scene: Scene) -> None:
    """Nor a stop: it was tried for ever."""
    endless = "".join(Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=60_000))  # no index takes that
    async with recording(scene) as centre:
        claims = await centre.claim(3)
        for claim in claims:
            centre.told(claim, Uncertain(1, "time-out"))
        await centre.drained()
        for claim, smsc_id in zip(claims, ("a", endless, "c"), strict=True):
            centre.late(claim, smsc_id=smsc_id)
        await centre.drained()
    assert await scene.ids("receipt_key") == [claims[0].message_id, claims[2].message_id]


async def test_a_defect_in_telling_of_outcomes_records_none_twice(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise Defect

    monkeypatch.setattr("payk.dispatch.recorder.count_outcomes", broken)
    async with recording(scene) as centre:
        for claim in await centre.claim(3):
            centre.told(claim, Accepted(1, "a"))
        await centre.drained()
    assert await scene.count("receipt_key") == 3
