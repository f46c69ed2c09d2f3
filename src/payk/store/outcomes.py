"""Writing down what came of submissions: one transaction for the outcomes of many messages.

Each message leaves its claim in exactly one way: handed over, refused for good, sent again later, or put back in place.
A claim that was taken away meanwhile (this process was held for dead) is left to whoever took it; the facts, ids that
operators gave and answers that never came, are written all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from payk.domain.directory import CurrentDirectory
from payk.domain.message import MessageState, user_message_reference
from payk.domain.outcome import Accepted, PartOutcome, Refused, Uncertain
from payk.domain.retry import Again, Attempt, Decision, RetryRules, decide, uncertain_policy
from payk.domain.states import advance, fold, is_final
from payk.store.arrays import array_literal, columns
from payk.store.claims import Claim
from payk.store.database import Connection, Database
from payk.store.queries import sql
from payk.store.wakeups import Flow

__all__ = [
    "LateAnswer",
    "ReceiptWait",
    "Recorded",
    "decided",
    "put_back_unknown",
    "record_late_answers",
    "record_outcomes",
]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The outcomes of one claim and what was decided on them."""

    claim: Claim
    operator_id: int
    outcomes: tuple[PartOutcome, ...]
    decision: Decision
    age: float
    """Seconds since the last part was written (since the claim, where none was)."""

    @property
    def parts(self) -> int:
        """How many parts the link made of the message: its charset and headers may cut otherwise than counted."""
        return self.claim.parts if self.claim.parts_left is not None else len(self.outcomes)

    @property
    def try_number(self) -> int:
        """Which submission of the message this was, from 1."""
        return self.claim.attempt + self.claim.uncertain_count + 1


@dataclass(frozen=True, slots=True)
class ReceiptWait:
    """How long final receipts are awaited, in seconds."""

    wait: float = 172_800.0
    """After the last submit, for messages without ExpiresIn."""
    grace: float = 3_600.0
    """After ExpiresIn."""


def decided(
    claim: Claim,
    outcomes: tuple[PartOutcome, ...],
    age: float,
    directory: CurrentDirectory,
    rules: RetryRules,
    jitter: float,
) -> Recorded | None:
    """The outcomes of a claim with what follows from them; None if its link is not known here (yet)."""
    link = directory.link_of(claim.link_id)
    if link is None:
        return None
    policy = uncertain_policy(claim.sms_type, directory.value.clients.get(claim.flow.client_id), link)
    attempt = Attempt(claim.attempt, claim.uncertain_count, claim.retrying_since)
    return Recorded(claim, link.operator_id, outcomes, decide(outcomes, attempt, policy, rules, jitter), age)


async def record_outcomes(
    db: Database, incarnation: int, records: Sequence[Recorded], wait: ReceiptWait, *, timeout: float = 10.0
) -> list[int]:
    """Write outcomes in one transaction. Returns the ids of parked receipts that may now be matched.

    Raises StoreUnavailable or OutcomeUnknown; writing the same records again is safe in both cases.
    """
    records = sorted(records, key=lambda record: record.claim.message_id)
    flows: list[tuple[Flow, int]] = []
    async with db.transaction(timeout) as connection:
        early = await _write_facts(connection, records)
        recut = [(record.claim.message_id, record.parts) for record in records if record.parts != record.claim.parts]
        if recut:
            await connection.execute(sql("outcomes.recut"), *columns(recut))
        single = [record for record in records if record.parts == 1]
        await _write_single(connection, incarnation, single, wait)
        several = [record for record in records if record.parts > 1]
        if several:
            await _write_several(connection, incarnation, several, wait)
        flows = await _send_again(connection, incarnation, records)
    db.wakeups.add(flows)
    return early


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An operator's yes to a part, come after its time-out."""

    message_id: int
    operator_id: int
    link_id: int
    part: int
    try_number: int
    smsc_id: str


async def record_late_answers(db: Database, answers: Sequence[LateAnswer], wait: ReceiptWait) -> list[int]:
    """Keep the ids of late answers, and do not send those parts again. Returns as record_outcomes."""
    async with db.transaction() as connection:
        early = await _insert_keys(
            connection,
            [(0.0, a.message_id, a.operator_id, a.link_id, a.part, a.try_number, a.smsc_id) for a in answers],
        )
        for answer in sorted(answers, key=lambda answer: answer.message_id):
            await connection.execute(sql("outcomes.settle_uncertain_part"), answer.message_id, answer.part)
            emptied = await connection.fetchval(sql("outcomes.unstage_part"), answer.message_id, answer.part)
            if emptied:
                await connection.execute(sql("outcomes.unstage"), answer.message_id, wait.wait, wait.grace)
    return early


async def put_back_unknown(db: Database, incarnation: int, link_id: int, known: Collection[int]) -> int:
    """Return claims for a link that this incarnation does not know of, after a claim whose answer was lost.

    No other claim for that link may be under way.
    """
    async with db.connection() as connection:
        rows = await connection.fetch(sql("outcomes.put_back_unknown"), incarnation, link_id, list(known))
    db.wakeups.add((Flow(*row[:5]), row[5]) for row in rows)
    return len(rows)


async def _insert_keys(connection: Connection, rows: list[tuple[object, ...]]) -> list[int]:
    if not rows:
        return []
    await connection.execute(sql("outcomes.insert_receipt_keys"), *columns(rows))
    found = await connection.fetch(sql("outcomes.early_receipts"), [row[2] for row in rows], [row[6] for row in rows])
    return [row[0] for row in found]


async def _write_facts(connection: Connection, records: Sequence[Recorded]) -> list[int]:
    keys: list[tuple[object, ...]] = []
    uncertain: list[tuple[object, ...]] = []
    refusals: list[tuple[object, ...]] = []
    for record in records:
        claim, operator_id, number = record.claim, record.operator_id, record.try_number
        for outcome in record.outcomes:
            match outcome:
                case Accepted(part=part, smsc_id=smsc_id):
                    keys.append((record.age, claim.message_id, operator_id, claim.link_id, part, number, smsc_id))
                case Uncertain(part=part, reason=reason):
                    reference = user_message_reference(claim.message_id, part)
                    uncertain.append(
                        (claim.message_id, record.age, operator_id, claim.link_id, reference, part, number, reason,
                         claim.phone, claim.sender)
                    )  # fmt: skip
                case Refused(part=part, command_status=status):
                    refusals.append((claim.message_id, operator_id, claim.link_id, status, part, number))
    early = await _insert_keys(connection, keys)
    if uncertain:
        await connection.execute(sql("outcomes.insert_uncertain_parts"), *columns(uncertain))
    if refusals:
        await connection.execute(sql("outcomes.insert_refusals"), *columns(refusals))
    return early


async def _write_single(
    connection: Connection, incarnation: int, records: Sequence[Recorded], wait: ReceiptWait
) -> None:
    handed: list[tuple[object, ...]] = []
    refused: list[tuple[object, ...]] = []
    again: list[tuple[object, ...]] = []
    for record in records:
        message_id, decision = record.claim.message_id, record.decision
        state = decision.part_states.get(1)
        if decision.left:
            if state is MessageState.ENROUTE:
                again.append((message_id, record.operator_id, record.age))
        elif state is MessageState.ENROUTE:
            handed.append((message_id, record.operator_id, record.age))
        elif state is not None:
            refused.append((message_id, record.operator_id, int(state), record.age))
    if handed:
        await connection.execute(sql("outcomes.hand_over"), incarnation, *columns(handed), wait.wait, wait.grace)
    if refused:
        await connection.execute(sql("outcomes.refuse"), incarnation, *columns(refused))
    if again:
        await connection.execute(sql("outcomes.mark_submitted"), *columns(again))


async def _write_several(
    connection: Connection, incarnation: int, records: Sequence[Recorded], wait: ReceiptWait
) -> None:
    locked = await connection.fetch(sql("outcomes.lock_parts"), [record.claim.message_id for record in records])
    states = {row["message_id"]: row for row in locked}
    rows: list[tuple[object, ...]] = []
    for record in records:
        row = states.get(record.claim.message_id)
        if row is None:
            continue
        parts = [MessageState(state) for state in row["part_states"]]
        for part, state in record.decision.part_states.items():
            parts[part - 1] = advance(parts[part - 1], state)
        current = MessageState(row["state"])
        folded = fold(parts)
        new = folded if folded is current else advance(current, folded)
        submitted = record.decision.part_states != {}
        rows.append(
            (record.claim.message_id, int(current), int(new), array_literal(parts), is_final(new),
             record.operator_id if submitted else None, record.age if submitted else None)
        )  # fmt: skip
    if rows:
        await connection.execute(sql("outcomes.write_parts"), *columns(rows))
    done = [record.claim.message_id for record in records if not record.decision.left]
    if done:
        await connection.execute(sql("outcomes.leave_queue"), incarnation, done, wait.wait, wait.grace)


async def _send_again(connection: Connection, incarnation: int, records: Sequence[Recorded]) -> list[tuple[Flow, int]]:
    later: list[tuple[object, ...]] = []
    in_place: list[tuple[object, ...]] = []
    for record in records:
        decision, claim = record.decision, record.claim
        if not decision.left:
            continue
        left = None if len(decision.left) == record.parts else array_literal(decision.left)
        if decision.again is Again.LATER:
            later.append(
                (claim.message_id, decision.delay, decision.attempt, decision.uncertain_count, decision.counted, left)
            )
        else:
            in_place.append((claim.message_id, left))
    if later:
        await connection.execute(sql("outcomes.send_later"), incarnation, *columns(later))
    if not in_place:
        return []
    rows = await connection.fetch(sql("outcomes.put_back"), incarnation, *columns(in_place))
    return [(Flow(*row[:5]), row[5]) for row in rows]
