"""A centre in rows: one client, two operators, a process that claims. Tests move messages through it by the verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from payk.domain.account import Client
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.message import MessageState
from payk.domain.operator import IdMode, Link, Operator
from payk.domain.outcome import PartOutcome
from payk.domain.receipt import ReceiptReport, ReceiptWait
from payk.domain.retry import RetryRules
from payk.store.accept import insert_messages
from payk.store.claims import Claim, Quota, claim_rows, present_flows
from payk.store.database import Database
from payk.store.outcomes import Recorded, decided, record_outcomes
from payk.store.processes import register
from payk.store.receipts import Settled, settle_receipts
from tests.store.rows import add_client, add_operator, add_queue, new_message

__all__ = ["PHONE", "SENDER", "Scene", "scene_on"]

PHONE = "992900000001"
SENDER = "AlifBank"
RULES = RetryRules(retry_for=600, uncertain_hold=60)
WAIT = ReceiptWait(wait=1_000, grace=100)


@dataclass
class Scene:
    """Times are seconds; states of the store are read back as `MessageState`."""

    db: Database
    client: int
    operator: int
    link: int
    other_operator: int
    other_link: int
    queue: int
    incarnation: int
    directory: CurrentDirectory
    rules: RetryRules = RULES
    wait: ReceiptWait = WAIT

    # -- verbs

    async def accept(self, count: int = 1, **changes: Any) -> list[int]:
        """Take messages in; returns their ids."""
        message = new_message(**{"client_id": self.client, "queue_id": self.queue} | changes)
        return [row.message_id for row in await insert_messages(self.db, [message] * count, timeout=5)]

    async def claim(
        self, count: int = 100, *, low: int = 0, link: int | None = None, incarnation: int | None = None
    ) -> list[Claim]:
        """Claim up to `count` messages of every flow."""
        flows = await present_flows(self.db)
        quotas = [Quota(flow, low, count) for flow in flows]
        return await claim_rows(self.db, incarnation or self.incarnation, link or self.link, quotas)

    async def claimed(self, **changes: Any) -> Claim:
        """A message that was just claimed."""
        [message_id] = await self.accept(**changes)
        return next(claim for claim in await self.claim() if claim.message_id == message_id)

    def decided(self, claim: Claim, *outcomes: PartOutcome, age: float = 0.0) -> Recorded:
        """The outcomes of a claim, to be recorded."""
        record = decided(claim, outcomes, age, self.directory, self.rules, 0.0)
        assert record is not None
        return record

    async def record(self, claim: Claim, *outcomes: PartOutcome, age: float = 0.0) -> list[int]:
        """Record the outcomes of a claim; returns parked receipts that may be matched now."""
        return await self.record_all([self.decided(claim, *outcomes, age=age)])

    async def record_all(self, records: Sequence[Recorded], incarnation: int | None = None) -> list[int]:
        """Record outcomes of several claims."""
        return await record_outcomes(self.db, incarnation or self.incarnation, records, self.wait)

    def report(
        self, smsc_id: str | tuple[str, ...] = (), state: MessageState | None = MessageState.DELIVERED, **changes: Any
    ) -> ReceiptReport:
        """A receipt from the operator, as it swaps the addresses."""
        ids = (smsc_id,) if isinstance(smsc_id, str) else smsc_id
        report = ReceiptReport(
            self.operator, self.link, ids, state, "DELIVRD", "000", None, "2502171020", None, PHONE, SENDER,
            IdMode.LEARN,
        )  # fmt: skip
        return replace(report, **changes)

    async def receive(self, *reports: ReceiptReport) -> list[Settled]:
        """Settle receipts that arrive together."""
        return await settle_receipts(self.db, reports, self.wait)

    # -- looking

    async def value(self, query: str, *arguments: object) -> Any:
        """The first column of the first row."""
        async with self.db.connection() as connection:
            return await connection.fetchval(query, *arguments)

    async def execute(self, query: str, *arguments: object) -> None:
        async with self.db.connection() as connection:
            await connection.execute(query, *arguments)

    async def row(self, message_id: int) -> Mapping[str, Any]:
        """The record of a message."""
        async with self.db.connection() as connection:
            found = await connection.fetchrow("select * from message where message_id = $1", message_id)
        assert found is not None
        return dict(found)

    async def state(self, message_id: int) -> MessageState:
        return MessageState((await self.row(message_id))["state"])

    async def states(self, message_id: int) -> list[MessageState]:
        """The states of its parts."""
        return [MessageState(state) for state in (await self.row(message_id))["part_states"]]

    async def ids(self, table: str, where: str = "true") -> list[int]:
        """The messages in a table."""
        async with self.db.connection() as connection:
            rows = await connection.fetch(f"select message_id from {table} where {where} order by message_id")
        return [row[0] for row in rows]

    async def places(self, message_id: int) -> set[str]:
        """Where a message is: waiting, claimed, staged, awaiting."""
        found = {table for table in ("staged", "awaiting") if message_id in await self.ids(table)}
        for name, where in (("waiting", "claimed_by is null"), ("claimed", "claimed_by is not null")):
            found |= {name} if message_id in await self.ids("waiting", where) else set()
        return found

    async def count(self, table: str) -> int:
        return int(await self.value(f"select count(*) from {table}"))

    async def bring_due(self) -> None:
        """The time of everything that is staged has come."""
        await self.execute("update staged set due = now() - interval '1 second'")


async def scene_on(db: Database) -> Scene:
    """A new scene in an empty database."""
    client = await add_client(db)
    operator, link = await add_operator(db, "tcell")
    other_operator, other_link = await add_operator(db, "babilon")
    queue = await add_queue(db, operator, other_operator)
    links = {
        each: Link(each, owner, name, "127.0.0.1", 2775, "payk", b"")
        for each, owner, name in ((link, operator, "tcell-1"), (other_link, other_operator, "babilon-1"))
    }
    directory = Directory(
        clients={client: Client(client, "demo")},
        operators={
            operator: Operator(operator, "tcell", links=(links[link],)),
            other_operator: Operator(other_operator, "babilon", links=(links[other_link],)),
        },
        queues={queue: (operator, other_operator)},
    )
    incarnation = await register(db, host="here", pid=1, roles=["dispatch"])
    return Scene(
        db, client, operator, link, other_operator, other_link, queue, incarnation, CurrentDirectory(directory)
    )
