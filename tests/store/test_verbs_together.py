"""All verbs at once, of two processes and on the same messages: none is in another's way, and no message gets lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from payk.domain.message import MessageState, user_message_reference
from payk.domain.outcome import Accepted, PartOutcome, RefusalKind, Refused, Uncertain, Unsent
from payk.domain.receipt import ReceiptWait
from payk.metrics.catalogue import MESSAGES_ENDED
from payk.store.claims import Claim, Quota, claim_rows, present_flows
from payk.store.database import Database
from payk.store.outcomes import LateAnswer, record_late_answers, record_outcomes
from payk.store.processes import register
from payk.store.receipts import count_matched, parked_due, settle_parked, settle_receipts
from payk.store.upkeep import expire, give_up_unanswered, stage_due
from tests.store.scene import Scene

ROUNDS = 40
STATES = (MessageState.ENROUTE, MessageState.ACCEPTED, MessageState.DELIVERED, MessageState.UNDELIVERABLE)
IMPOSSIBLE = {
    "an open message is nowhere": "m.state in (0, 1, 6) and w is null and s is null and a is null",
    "a message is in two places": "num_nonnulls(w, s, a) > 1",
    "a final message awaits receipts": "m.done_at is not null and a is not null",
    "a final message is to be sent": "m.state in (2, 4, 5, 8) and s is not null",
}


class Traffic:
    """What operators may say of messages that were claimed."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.random = Random(5)
        self.told: list[tuple[Claim, int, str]] = []
        """Claim, part, and the id that the operator gave it ("?" = it did not answer)."""

    def outcome(self, claim: Claim, part: int) -> PartOutcome:
        kind = self.random.randrange(10)
        if kind < 5:
            smsc_id = self.random.choice(("", f"{claim.message_id}{part}"))
            self.told.append((claim, part, smsc_id))
            return Accepted(part, smsc_id)
        if kind < 8:
            self.told.append((claim, part, "?"))
            return Uncertain(part, "time-out")
        return self.random.choice((Unsent(part), Refused(part, 8, RefusalKind.TEMPORARY)))

    async def dispatch(self, db: Database, incarnation: int) -> None:
        quotas = [Quota(flow, 0, 30) for flow in await present_flows(db)]
        claims = await claim_rows(db, incarnation, self.scene.link, quotas)
        if claims:
            records = [
                self.scene.decided(claim, *(self.outcome(claim, part) for part in claim.open_parts)) for claim in claims
            ]
            early = await record_outcomes(db, incarnation, records, self.scene.wait)
            await settle_parked(db, early, self.scene.directory, self.scene.wait)

    async def receive(self, db: Database) -> None:
        reports = []
        for claim, part, smsc_id in self.some(30):
            of_receipt = smsc_id.replace("?", "") or self.random.choice(("", f"r{claim.message_id}{part}"))
            echo = self.random.choice((None, user_message_reference(claim.message_id, part)))
            state = self.random.choice(STATES)
            reports.append(self.scene.report(of_receipt, state, source=claim.phone, reference=echo))
        settled = await settle_receipts(db, reports, self.scene.wait)
        count_matched(reports, settled, self.scene.directory, db.now())
        await settle_parked(db, await parked_due(db, 100), self.scene.directory, self.scene.wait)

    async def answer_late(self, db: Database) -> None:
        answers = [
            LateAnswer(claim.message_id, self.scene.operator, self.scene.link, part, claim.try_number, smsc_id)
            for claim, part, answered in self.some(30)
            if answered == "?"
            for smsc_id in (self.random.choice(("", f"late{claim.message_id}{part}")),)
        ]
        if answers:
            await record_late_answers(db, answers, self.scene.wait)

    async def upkeep(self, db: Database) -> None:
        await self.scene.execute(
            "update staged set due = now() where message_id in (select message_id from staged for update skip locked)"
        )
        await stage_due(db, 100)
        await expire(db, 50, self.scene.wait)
        await give_up_unanswered(db, 10)

    def some(self, count: int) -> list[tuple[Claim, int, str]]:
        return self.random.sample(self.told, min(len(self.told), count))


async def test_verbs_of_two_processes_take_turns(scene: Scene, second: Database) -> None:
    traffic, before = Traffic(scene), counted()
    scene.wait = ReceiptWait(wait=1.0, grace=0.1)
    for number in range(300):
        await scene.accept(parts=1 + number % 3, phone=f"9929000000{number % 40:02}", expires_in=1 + number % 90)
    other = await register(second, host="there", pid=2, roles=["dispatch"])
    await traffic.dispatch(scene.db, scene.incarnation)

    async def again(verb: Callable[..., Awaitable[None]], *arguments: object) -> None:
        for _ in range(ROUNDS):
            await verb(*arguments)

    async with asyncio.TaskGroup() as group:
        for db, incarnation in ((scene.db, scene.incarnation), (second, other)):
            group.create_task(again(traffic.dispatch, db, incarnation))
            group.create_task(again(traffic.receive, db))
            group.create_task(again(traffic.answer_late, db))
        group.create_task(again(traffic.upkeep, second))

    places = " ".join(
        f"left join (select message_id as {name} from {table}) {table} on {name} = m.message_id"
        for name, table in (("w", "waiting"), ("s", "staged"), ("a", "awaiting"))
    )
    for what, condition in IMPOSSIBLE.items():
        assert await scene.value(f"select count(*) from message m {places} where {condition}") == 0, what
    ended = await scene.value("select count(*) from message where done_at is not null")
    assert ended > 50
    assert counted() - before == ended


async def test_a_message_stays_on_its_page_all_the_way_however_large_the_batches(scene: Scene) -> None:
    """Where it moves, every index of it is written anew, which costs more than the update."""
    named = "select array_agg(inhrelid::regclass::text) from pg_inherits where inhparent = 'message'::regclass"
    for partition in await scene.value(named):
        await scene.execute(f"alter table {partition} set (autovacuum_enabled = off)")  # it pins the page that it reads
    texts = ("Ваш код 4711. Никому его не сообщайте!", "Код 1")
    ids = [one for number in range(16) for one in await scene.accept(60, text=texts[number % 2], expires_in=600)]
    pages = await pages_of(scene)
    assert len(set(pages)) > 10
    claims = await scene.claim(len(ids))
    await scene.record_all([scene.decided(claim, Accepted(1, f"id-of-{claim.message_id}")) for claim in claims])
    assert moved(pages, await pages_of(scene)) < FEW
    reports = [scene.report(f"id-of-{message_id}", MessageState.DELIVERED) for message_id in ids]
    assert len(await scene.receive(*reports)) == len(ids)
    assert await scene.value("select count(*) from message where state = 2") == len(ids)
    assert moved(pages, await pages_of(scene)) < FEW


FEW = 0.2
"""Of all messages: the server's own writers pin a page at times, and what is changed meanwhile has to leave it."""


def moved(before: list[int], after: list[int]) -> float:
    """The share of messages whose page is another one."""
    return sum(one != other for one, other in zip(before, after, strict=True)) / len(before)


async def pages_of(scene: Scene) -> list[int]:
    """The page of each message, by id."""
    return list(await scene.value("select array_agg((ctid::text::point)[0]::integer order by message_id) from message"))


def counted() -> float:
    """Messages that ended, as figures tell it."""
    return sum(value for (_, by), value in MESSAGES_ENDED.values.items() if by != "correction")
