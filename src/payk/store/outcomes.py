"""Writing down what came of submissions: one transaction for the outcomes of many messages.

Each message leaves its claim in exactly one way: handed over, refused for good, sent again later, or put back in place.
A claim that was taken away meanwhile (this process was held for dead) is left to whoever took it; the facts, ids that
operators gave and answers that never came, are written all the same, and what an operator took is not sent again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field

import asyncpg

from payk.domain.directory import CurrentDirectory
from payk.domain.failure import by_refusal
from payk.domain.message import MessageState, user_message_reference
from payk.domain.operator import LongText
from payk.domain.outcome import Accepted, PartOutcome, Refused, Uncertain, Unsent
from payk.domain.receipt import ReceiptWait, is_unnamed
from payk.domain.retry import Again, Attempt, Decision, RetryRules, decide, uncertain_policy
from payk.domain.states import advance, fold, is_final
from payk.smpp import status_name
from payk.store.arrays import array_literal, by_kind, columns
from payk.store.charging import refund
from payk.store.claims import Claim
from payk.store.commits import transaction_mark, was_committed
from payk.store.database import Connection, Database
from payk.store.ending import count_ended
from payk.store.errors import OutcomeUnknown, StoreUnavailable
from payk.store.last_commits import Submit
from payk.store.queries import sql
from payk.store.receipts import Spoken, spoken_of
from payk.store.resending import drop_parts, keep_unnamed
from payk.store.wakeups import Flow
from payk.value import value

__all__ = [
    "LateAnswer",
    "Recorded",
    "decided",
    "put_back_unknown",
    "record_late_answers",
    "record_outcomes",
]


@value
class Recorded:
    """The outcomes of one claim and what was decided on them."""

    claim: Claim
    operator_id: int
    outcomes: tuple[PartOutcome, ...]
    decision: Decision
    age: float
    """Seconds since the last part was written (since the claim, where none was)."""
    whole: bool = False
    """Whether one submit_sm carried all parts (message_payload)."""
    times: Mapping[int, tuple[int, int]] | None = field(default=None, compare=False)
    """By part from when to when its submit took, in nanoseconds since 1970; None where nobody asked, or knows."""

    @property
    def parts(self) -> int:
        """How many parts the link made of the message: its charset and headers may cut otherwise than counted."""
        return self.claim.parts if self.claim.parts_left is not None else len(self.outcomes)

    @property
    def is_plain(self) -> bool:
        """Whether it is the ordinary thing: a message of one part that the operator took at the first try."""
        outcomes = self.outcomes
        return (
            len(outcomes) == 1
            and isinstance(outcome := outcomes[0], Accepted)
            and self.claim.parts == 1
            and self.claim.parts_left is None
            and self.claim.try_number == 1
            and not is_unnamed(outcome.smsc_id)
        )

    @property
    def reason(self) -> str | None:
        """Why the operator refused it, by the first part that it refused; None where it refused none."""
        refused = next((outcome for outcome in self.outcomes if isinstance(outcome, Refused)), None)
        return None if refused is None else by_refusal(status_name(refused.command_status))

    def reference(self, part: int) -> int:
        """The user_message_reference of the submit_sm that carried a part."""
        return user_message_reference(self.claim.message_id, 1 if self.whole else part)


def decided(
    claim: Claim,
    outcomes: tuple[PartOutcome, ...],
    age: float,
    directory: CurrentDirectory,
    rules: RetryRules,
    jitter: float,
    times: Mapping[int, tuple[int, int]] | None = None,
) -> Recorded | None:
    """The outcomes of a claim with what follows from them; None if its link is not known here (yet)."""
    link = directory.link_of(claim.link_id)
    if link is None:
        return None
    policy = uncertain_policy(claim.sms_type, directory.value.clients.get(claim.flow.client_id), link)
    attempt = Attempt(claim.attempt, claim.uncertain_count, claim.retrying_since)
    decision = decide(outcomes, attempt, policy, rules, jitter)
    whole = link.long_text is LongText.PAYLOAD and claim.parts_left is None
    return Recorded(claim, link.operator_id, outcomes, decision, age, whole, times)


async def record_outcomes(
    db: Database, incarnation: int, records: Sequence[Recorded], wait: ReceiptWait, *, timeout: float = 10.0
) -> list[int]:
    """Write outcomes in one transaction. Returns the ids of parked receipts that may now be matched.

    Raises StoreUnavailable: nothing was written. A COMMIT that was not confirmed is looked up, however long it takes:
    to write an outcome twice could take a message away from the claim that followed.
    """
    records = sorted(records, key=lambda record: record.claim.message_id)
    plain: list[Recorded] = []
    others: list[Recorded] = []
    for record in records:
        (plain if record.is_plain else others).append(record)
    mark = ""
    early: list[int] = []
    flows: list[tuple[Flow, int]] = []
    ended: _Ended = Counter()
    try:
        async with db.transaction(timeout) as connection:
            if plain:
                mark, early = await _hand_over_plain(connection, incarnation, plain, wait)
            if others:
                mark, of_others = await _write_facts(connection, others)
                early += of_others
                flows = await _leave_claims(connection, incarnation, others, wait, ended)
    except OutcomeUnknown as error:
        if not await was_committed(db, mark, deadline=None, is_there=_were_recorded(records)):
            raise StoreUnavailable("the transaction was rolled back") from error
    count_ended(ended)
    db.last_commits.recorded(_submits(records))
    db.wakeups.add(flows)
    return early


def _were_recorded(records: Sequence[Recorded]) -> Callable[[Connection], Awaitable[bool]]:
    """Asks whether these outcomes are there: one that leaves a row behind stands for all.

    Where none does, nothing was sent. Taken for recorded, claims that are still there go back by themselves
    (put_back_unknown); taken for not recorded, they could go back amid the next try.
    """
    facts = [
        (record.claim.message_id, outcome.part, record.claim.try_number)
        for record in records
        for outcome in record.outcomes
        if not isinstance(outcome, Unsent)
    ]

    async def were_recorded(connection: Connection) -> bool:
        return not facts or bool(await connection.fetchval(sql("outcomes.was_recorded"), *facts[0]))

    return were_recorded


def _submits(records: Sequence[Recorded]) -> Iterator[Submit]:
    """The submits that leave a row behind whatever becomes of the message."""
    return (
        (record.claim.message_id, outcome.part, record.claim.try_number)
        for record in records
        for outcome in record.outcomes
        if isinstance(outcome, Accepted | Uncertain)
    )


@value
class LateAnswer:
    """An operator's yes to a part, come after its time-out."""

    message_id: int
    operator_id: int
    link_id: int
    part: int
    try_number: int
    smsc_id: str


async def record_late_answers(
    db: Database, answers: Sequence[LateAnswer], wait: ReceiptWait
) -> tuple[list[int], dict[int, Spoken]]:
    """Keep the ids of late answers, and do not send those parts again. Returns as record_outcomes, and the messages."""
    async with db.transaction() as connection:
        _, early = await _insert_keys(
            connection,
            [(a.message_id, a.smsc_id, (0, a.operator_id, a.link_id, a.part, a.try_number)) for a in answers],
        )
        unnamed = [(a.message_id, a.part, a.try_number) for a in answers if is_unnamed(a.smsc_id)]
        if unnamed:
            await keep_unnamed(connection, unnamed)
        await drop_parts(connection, [(answer.message_id, answer.part) for answer in answers], wait)
        spoken = await spoken_of(connection, [answer.message_id for answer in answers])
    return early, spoken


async def put_back_unknown(db: Database, incarnation: int, link_id: int, known: Collection[int]) -> int:
    """Return claims for a link that this incarnation does not know of, after a claim whose answer was lost.

    No other claim for that link may be under way.
    """
    async with db.connection() as connection:
        rows = await connection.fetch(sql("outcomes.put_back_unknown"), incarnation, link_id, list(known))
    db.wakeups.add((Flow(*row[:5]), row[5]) for row in rows)
    return len(rows)


_REFUSED = frozenset({MessageState.REJECTED, MessageState.UNDELIVERABLE})
"""What a part becomes that the operator refuses for good, or for too long."""
_Ended = Counter[tuple[MessageState, str]]
"""Messages by their new state and what brought it (payk.store.ending.count_ended)."""
_Key = tuple[int, str, tuple[object, ...]]
"""Message, operator's id, and the rest: age in ms, operator, link, part, number of the try."""


async def _insert_keys(connection: Connection, keys: Sequence[_Key]) -> tuple[str, list[int]]:
    """The transaction's mark, and the parked receipts that the ids may belong to."""
    row = await connection.fetchrow(
        sql("outcomes.insert_receipt_keys"),
        [key[0] for key in keys],
        [key[1] for key in keys],
        *by_kind([key[2] for key in keys], 5),
    )
    assert row is not None  # it is one row whatever there is
    return row[0], row[1]


async def _write_facts(connection: Connection, records: Sequence[Recorded]) -> tuple[str, list[int]]:
    """Returns as `_insert_keys`."""
    keys: list[_Key] = []
    unnamed: list[tuple[object, ...]] = []
    uncertain: list[tuple[object, ...]] = []
    refusals: list[tuple[object, ...]] = []
    for record in records:
        claim, operator_id, number = record.claim, record.operator_id, record.claim.try_number
        for outcome in record.outcomes:
            match outcome:
                case Accepted(part=part, smsc_id=smsc_id):
                    age = round(1000 * record.age)
                    keys.append((claim.message_id, smsc_id, (age, operator_id, claim.link_id, part, number)))
                    if is_unnamed(smsc_id):
                        reference = record.reference(part)
                        unnamed.append((claim.message_id, record.age, operator_id, reference, part, number))
                case Uncertain(part=part, reason=reason):
                    uncertain.append(
                        (claim.message_id, record.age, operator_id, claim.link_id, record.reference(part), part,
                         number, reason, claim.phone, claim.sender)
                    )  # fmt: skip
                case Refused(part=part, command_status=status):
                    refusals.append((claim.message_id, operator_id, claim.link_id, status, part, number))
    mark, early = await _insert_keys(connection, keys) if keys else (await transaction_mark(connection), [])
    if unnamed:
        await connection.execute(sql("outcomes.insert_unnamed_parts"), *columns(unnamed))
    if uncertain:
        await connection.execute(sql("outcomes.insert_uncertain_parts"), *columns(uncertain))
    if refusals:
        await connection.execute(sql("outcomes.insert_refusals"), *columns(refusals))
    return mark, early


async def _hand_over_plain(
    connection: Connection, incarnation: int, records: Sequence[Recorded], wait: ReceiptWait
) -> tuple[str, list[int]]:
    """All that follows from plain outcomes, in one statement. Returns as `_insert_keys`."""
    handed = {record.claim.message_id: record for record in records}
    ids = [record.outcomes[0].smsc_id for record in records]  # type: ignore[union-attr]  # they are plain
    mark, early, taken_away = await _hand_over(connection, incarnation, handed, ids, wait)
    if taken_away:
        await drop_parts(connection, [(message_id, 1) for message_id in taken_away], wait)
    return mark, early


async def _hand_over(
    connection: Connection,
    incarnation: int,
    handed: Mapping[int, Recorded],
    smsc_ids: Sequence[str | None],
    wait: ReceiptWait,
) -> tuple[str, list[int], list[int]]:
    """Returns as `_insert_keys`, and the messages whose claim was taken away."""
    kinds = by_kind(
        [(round(1000 * record.age), record.operator_id, record.claim.link_id) for record in handed.values()], 3
    )
    row = await connection.fetchrow(
        sql("outcomes.hand_over"), incarnation, list(handed), smsc_ids, *kinds, wait.wait, wait.grace
    )
    assert row is not None  # it is one row whatever there is
    return row[0], row[1], row[2]


async def _leave_claims(
    connection: Connection, incarnation: int, records: Sequence[Recorded], wait: ReceiptWait, ended: _Ended
) -> list[tuple[Flow, int]]:
    """Every message leaves its claim. Returns what is in the queue again; those that became final are counted."""
    recut = [(record.claim.message_id, record.parts) for record in records if record.parts != record.claim.parts]
    if recut:
        await connection.execute(sql("outcomes.recut"), *columns(recut))
    # Nobody speaks of a message that is handed over at the first try; the others are locked, in order.
    others = [record for record in records if record.parts > 1 or record.decision.left or record.claim.try_number > 1]
    locked: dict[int, asyncpg.Record] = {}
    if others:
        rows = await connection.fetch(sql("outcomes.lock_messages"), [record.claim.message_id for record in others])
        locked = {row["message_id"]: row for row in rows}
    single = [record for record in records if record.parts == 1]
    taken_away, unsent = await _write_single(connection, incarnation, single, wait, ended)
    several = [record for record in records if record.parts > 1]
    if several:
        of_several, unsent_of_several = await _write_several(connection, incarnation, several, locked, wait, ended)
        taken_away += of_several
        unsent += unsent_of_several
    flows = await _send_again(connection, incarnation, others, locked, wait) if others else []
    taken = [
        (record.claim.message_id, outcome.part)
        for record in taken_away
        for outcome in record.outcomes
        if isinstance(outcome, Accepted)
    ]
    if taken:
        await drop_parts(connection, taken, wait)
    # All at once, and after every message: usage and balances come last and sorted, else two transactions deadlock.
    if unsent:
        await refund(connection, sorted(unsent))
    return flows


async def _write_single(
    connection: Connection, incarnation: int, records: Sequence[Recorded], wait: ReceiptWait, ended: _Ended
) -> tuple[list[Recorded], list[int]]:
    """Messages of one part, but for those that are sent again. Returns those whose claim was taken away, and the
    messages that surely nobody took, of which something may be given back.
    """
    handed: dict[int, Recorded] = {}
    refused: list[tuple[object, ...]] = []
    again: list[tuple[object, ...]] = []
    unsent: list[int] = []
    for record in records:
        message_id, decision = record.claim.message_id, record.decision
        state = decision.part_states.get(1)
        if decision.left:
            if state is MessageState.ENROUTE:
                again.append((message_id, record.operator_id, record.age))
        elif state is MessageState.ENROUTE:
            handed[message_id] = record
        elif state is not None:
            refused.append((message_id, record.operator_id, int(state), record.age, record.reason))
    if handed:
        _, _, taken_away = await _hand_over(connection, incarnation, handed, [None] * len(handed), wait)
        handed = {message_id: handed[message_id] for message_id in taken_away}
    if refused:
        row = await connection.fetchrow(sql("outcomes.refuse"), incarnation, *columns(refused))
        assert row is not None  # it is one row whatever there is
        unsent = row["unsent"]
        ended.update((MessageState(state), "refusal") for state in row["states"])
    if again:
        await connection.execute(sql("outcomes.mark_submitted"), *columns(again))
    return list(handed.values()), unsent


async def _write_several(
    connection: Connection,
    incarnation: int,
    records: Sequence[Recorded],
    locked: Mapping[int, asyncpg.Record],
    wait: ReceiptWait,
    ended: _Ended,
) -> tuple[list[Recorded], list[int]]:
    """Messages of several parts: the states of the parts and what they fold into. Returns as `_write_single`."""
    ids = [record.claim.message_id for record in records]
    ours = {row[0] for row in await connection.fetch(sql("outcomes.still_claimed"), incarnation, ids)}
    rows: list[tuple[object, ...]] = []
    unsent: list[int] = []
    for record in records:
        message_id = record.claim.message_id
        row = locked.get(message_id)
        if row is None or row["part_states"] is None:
            continue
        parts = [MessageState(state) for state in row["part_states"]]
        for part, state in record.decision.part_states.items():
            # What was refused to a claim that was taken away may still be sent; what was taken is a fact.
            if part <= len(parts) and (message_id in ours or state is MessageState.ENROUTE):
                parts[part - 1] = advance(parts[part - 1], state)
        current = MessageState(row["state"])
        new = advance(current, fold(parts))
        if current is MessageState.NONE and record.claim.uncertain_count == 0 and _REFUSED.issuperset(parts):
            unsent.append(message_id)
        if new is not current:
            ended[new, "correction" if is_final(current) else "refusal"] += 1
        submitted = record.decision.part_states != {}
        rows.append(
            (message_id, int(current), int(new), array_literal(parts), is_final(new),
             record.operator_id if submitted else None, record.age if submitted else None,
             record.reason)  # kept while its other parts are open: if the message fails, that is why
        )  # fmt: skip
    if rows:
        await connection.execute(sql("outcomes.write_parts"), *columns(rows))
    done = [record.claim.message_id for record in records if not record.decision.left]
    if done:
        await connection.execute(sql("outcomes.leave_queue"), incarnation, done, wait.wait, wait.grace)
    return [record for record in records if record.claim.message_id not in ours], unsent


async def _send_again(
    connection: Connection,
    incarnation: int,
    records: Sequence[Recorded],
    locked: Mapping[int, asyncpg.Record],
    wait: ReceiptWait,
) -> list[tuple[Flow, int]]:
    """Messages with parts left go where they wait, but for what turned out meanwhile to be taken."""
    repeats = [record.claim.message_id for record in records if record.claim.uncertain_count and record.decision.left]
    rows = await connection.fetch(sql("outcomes.taken_parts"), repeats) if repeats else []
    taken = {(row["message_id"], row["part"]) for row in rows}
    later: list[tuple[object, ...]] = []
    in_place: list[tuple[object, ...]] = []
    ended: list[int] = []
    for record in records:
        decision, message_id = record.decision, record.claim.message_id
        if not decision.left:
            continue
        parts = [part for part in decision.left if (message_id, part) not in taken]
        left = None if len(parts) == record.parts else array_literal(parts)
        if not parts or message_id not in locked or is_final(MessageState(locked[message_id]["state"])):
            ended.append(message_id)
        elif decision.again is Again.LATER:
            later.append(
                (message_id, decision.delay, decision.attempt, decision.uncertain_count, decision.counted, left)
            )
        else:
            in_place.append((message_id, left))
    if ended:
        await connection.execute(sql("outcomes.leave_queue"), incarnation, ended, wait.wait, wait.grace)
    if later:
        await connection.execute(sql("outcomes.send_later"), incarnation, *columns(later))
    if not in_place:
        return []
    back = await connection.fetch(sql("outcomes.put_back"), incarnation, *columns(in_place))
    return [(Flow(*row[:5]), row[5]) for row in back]
