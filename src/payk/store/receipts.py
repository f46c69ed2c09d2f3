"""Receipts: which submit each belongs to, what it makes of the message, and where it waits if nobody knows it.

All receipts of a batch are settled in one transaction; only after its commit may the operator be told that we have
them. A receipt that fits no submit is parked and tried again: it may be ahead of its submit_sm_resp.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import asyncpg

from payk.domain.directory import CurrentDirectory
from payk.domain.failure import FAILED, by_receipt
from payk.domain.message import MessageState, Priority, SmsType, lane_of
from payk.domain.operator import IdMode
from payk.domain.receipt import (
    IdForm,
    ReceiptReport,
    ReceiptWait,
    destination_fits,
    expected_forms,
    id_forms,
    is_unmistakable,
    number_of,
)
from payk.domain.states import CORRECTABLE, FINAL, advance, fold, is_final
from payk.logs import get_logger
from payk.metrics.catalogue import LAST_RECEIPT, RECEIPTS, RECEIVED_AFTER
from payk.store.arrays import array_literal, by_kind, columns
from payk.store.database import Connection, Database
from payk.store.ending import count_ended
from payk.store.errors import is_lasting
from payk.store.queries import sql
from payk.store.resending import drop_messages, drop_parts, keep_unnamed
from payk.value import value

__all__ = [
    "Inbound",
    "LearnedIdMode",
    "Settled",
    "Spoken",
    "count_matched",
    "learn_id_mode",
    "learned_id_modes",
    "park_receipts",
    "parked_due",
    "settle_parked",
    "settle_receipts",
    "spoken_of",
    "store_inbound",
]

log = get_logger("store")

_SETTLING: Final = FINAL - CORRECTABLE
"""What a receipt may say that settles its message for good."""
_NEWEST: Final = 50
"""Submits of one id that are looked at, of operators that give it again and again."""
_STATES: Final = {state.value: state for state in MessageState}
_MINUTE: Final = timedelta(minutes=1)
_CLOCKS_APART: Final = timedelta(seconds=30)
"""What an operator's clock may differ from ours where its dates decide between messages."""


class Spoken(NamedTuple):
    """The message that a receipt speaks of, as the log tells of it."""

    client_id: int
    request_id: str | None
    phone: str
    parts: int
    attempt: int | None
    """Which submission of the message it answers, where that is known."""
    age: float | None
    """Seconds since the submit."""
    way: float
    """Seconds since it was accepted."""
    trace: bytes | None
    """Context of its trace (payk.tracing); None where there is none."""


@value
class Settled:
    """What became of one receipt."""

    message_id: int | None
    """None = parked; or not kept, where only its text made it a receipt."""
    parts: tuple[int, ...] = ()
    became: MessageState | None = None
    """The new state of the message, None where it did not change."""
    against: MessageState | None = None
    """The final state of the part that this receipt contradicts; the first one stays."""
    shows: IdMode | None = field(default=None, compare=False)
    """How its id relates to that of the answer; None where it was not matched by id, or the id does not tell."""
    age: float | None = field(default=None, compare=False)
    """Seconds from the submit to it, where it is the first final word on its part (or parts, of one submit); else None.
    """
    attempt: int | None = field(default=None, compare=False)
    """Which submission of the message it answers; None where that is not known."""
    about: Spoken | None = field(default=None, compare=False)
    """Its message, where that was asked for."""
    kind: tuple[int, int] | None = field(default=None, compare=False)
    """SmsType and Priority of its message, where its age is known."""
    alone: bool = field(default=True, compare=False)
    """Whether its submit was the whole message, and was answered."""
    corrects: bool = field(default=False, compare=False)
    """Whether the message was final before, as Unknown."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A deliver_sm that is no receipt."""

    operator_id: int
    link_id: int
    source: str
    destination: str
    pdu: bytes


class _Seen(NamedTuple):
    """A message as it was when it was looked at."""

    state: int
    part_states: list[int] | None
    receipt_due: datetime | None
    """Set once it has left the queue."""


@value
class _Match:
    message_id: int
    parts: tuple[int, ...]
    """More than one where one submit_sm carried them all (message_payload)."""
    uncertain: bool = False
    """It turns out that the operator took them."""
    unnamed: bool = False
    """The operator gave them no id."""
    reference: int = 0
    attempt: int = 0
    submitted_at: datetime | None = None
    name: str | None = None
    """The id that this receipt gives to parts that had none, as an answer would have."""
    phone: str = ""
    age: float | None = None
    """Seconds since the submit."""
    of: tuple[int, int, int] = (0, 0, 0)
    """SmsType, Priority and parts of its message."""
    shows: IdMode | None = None
    seen: _Seen | None = None
    """Its message, where it was looked at."""


@dataclass(slots=True)
class _Said:
    """What receipts make of their messages, by receipt."""

    became: dict[int, MessageState] = field(default_factory=dict)
    corrected: set[int] = field(default_factory=set)
    """Receipts whose message was final before."""
    against: dict[int, MessageState] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    reasons: dict[int, str] = field(default_factory=dict)
    """Why messages failed, by their ids."""
    came: dict[int, datetime | None] = field(default_factory=dict)
    """When the last receipt that changed a message came, by their ids; None = just now."""


@dataclass(frozen=True, slots=True)
class LearnedIdMode:
    """How ids in the receipts of a link relate to those in its answers, and since when this is known."""

    mode: IdMode
    since: datetime


async def settle_receipts(
    db: Database,
    reports: Sequence[ReceiptReport],
    wait: ReceiptWait,
    learned: Mapping[int, IdMode] | None = None,
    *,
    timeout: float = 10.0,
    about: bool = False,
) -> list[Settled]:
    """Settle or park each receipt; one answer each, in order.

    Those that say the ordinary thing of an ordinary message are settled by one statement, all others in a transaction
    behind it.

    `learned` tells by link_id how ids were found to relate so far, for links that are to learn it.
    One by text alone is never parked, nor matched by addresses: whoever sends such a text could wait for an id to come.
    `about`: with what the log tells of their messages.

    Raises StoreUnavailable and OutcomeUnknown; settling the same receipts again is safe in both cases.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    learned = learned or {}
    plain = _plain(reports, learned)
    settled = await _settle_plain(db, reports, plain, timeout) if plain else {}
    others = [index for index in range(len(reports)) if index not in settled]
    if others:
        of_others = [reports[index] for index in others]
        async with db.transaction(deadline - loop.time()) as connection:
            rest = await _settle(connection, of_others, wait, learned, locked=False)
            if rest is None:
                await connection.execute("rollback; begin")
                rest = await _settle(connection, of_others, wait, learned, locked=True)
            assert rest is not None  # under locks nothing changes
            if about:
                rest = await _with_messages(connection, rest)
        settled |= zip(others, rest, strict=True)
    return [settled[index] for index in range(len(reports))]


async def park_receipts(db: Database, reports: Sequence[ReceiptReport], *, timeout: float = 10.0) -> None:
    """Park receipts without a look at what they belong to, because that look fails: a later version may match them."""
    if reports:
        async with db.connection(timeout) as connection:
            await _park(connection, reports)


async def settle_parked(
    db: Database,
    parked_ids: Sequence[int],
    directory: CurrentDirectory,
    wait: ReceiptWait,
    on_settled: Callable[[Sequence[ReceiptReport], Sequence[Settled]], None] | None = None,
) -> list[Settled]:
    """Try parked receipts again; those that another process is trying are passed over. `on_settled` is told of them
    with what the log tells of their messages.

    One that cannot be settled, by a defect of ours or because the database refuses what follows from it, is told of,
    and stays parked; it does not keep the others.
    """
    try:
        reports, settled = await _settle_parked(db, parked_ids, directory, wait, about=on_settled is not None)
    except Exception as error:
        if not is_lasting(error):
            raise
        if len(parked_ids) > 1:
            middle = len(parked_ids) // 2
            first = await settle_parked(db, parked_ids[:middle], directory, wait, on_settled)
            return first + await settle_parked(db, parked_ids[middle:], directory, wait, on_settled)
        log.exception("parked receipt cannot be settled", parked_id=parked_ids[0])
        async with db.connection() as connection:
            await connection.execute(sql("receipts.postpone_parked"), parked_ids)
        return [Settled(None)]
    count_matched(reports, settled, directory, db.now())
    if on_settled is not None:
        on_settled(reports, settled)
    return settled


async def _settle_parked(
    db: Database, parked_ids: Sequence[int], directory: CurrentDirectory, wait: ReceiptWait, *, about: bool
) -> tuple[list[ReceiptReport], list[Settled]]:
    """Those that no other process is trying, and what became of them."""
    async with db.transaction() as connection:
        rows = await connection.fetch(sql("receipts.parked_by_id"), sorted(parked_ids))
        learned = {link_id: known.mode for link_id, known in (await _learned(connection)).items()}
        reports = [_unparked(row, directory) for row in rows]
        settled = await _settle(connection, reports, wait, learned, locked=True)
        assert settled is not None  # under locks nothing changes
        if about:
            settled = await _with_messages(connection, settled)
        settled = [_as_it_came(one, row["waited"]) for one, row in zip(settled, rows, strict=True)]
    return reports, settled


def count_matched(
    reports: Sequence[ReceiptReport], settled: Sequence[Settled], directory: CurrentDirectory, now: datetime
) -> None:
    """Count the receipts that were matched and how old they were, those at once and those that were parked before; and
    the messages that they ended. By `now` it is noted when each operator's last one was.
    """
    told: Counter[tuple[int, str]] = Counter()
    ages: dict[tuple[int, tuple[int, int]], list[float]] = defaultdict(list)
    ended: Counter[tuple[MessageState, str]] = Counter()
    for report, one in zip(reports, settled, strict=True):
        if one.became is not None:
            ended[one.became, "correction" if one.corrects else "receipt"] += 1
        if one.message_id is not None:
            told[report.operator_id, "other" if report.state is None else report.state.name.lower()] += 1
            if one.age is not None and one.kind is not None:
                ages[report.operator_id, one.kind].append(one.age)
    name = directory.value.operator_name
    for (operator_id, state), count in told.items():
        RECEIPTS.add(name(operator_id), state, amount=count)
        LAST_RECEIPT.set(name(operator_id), value=now.timestamp())
    for (operator_id, (sms_type, priority)), seconds in ages.items():
        lane = lane_of(SmsType(sms_type), Priority(priority))
        RECEIVED_AFTER.observe(seconds, name(operator_id), lane.name.lower())
    count_ended(ended)


async def _with_messages(connection: Connection, settled: Sequence[Settled]) -> list[Settled]:
    """The same with their messages."""
    spoken = await spoken_of(connection, [one.message_id for one in settled if one.message_id is not None])
    return [
        one
        if one.message_id not in spoken
        else replace(one, about=spoken[one.message_id]._replace(attempt=one.attempt))
        for one in settled
    ]


async def spoken_of(connection: Connection, message_ids: Sequence[int]) -> dict[int, Spoken]:
    """Messages by id, as the log tells of them; which submission is not known here."""
    rows = await connection.fetch(sql("receipts.about"), message_ids) if message_ids else []
    return {
        message_id: Spoken(client_id, request_id, phone, parts, None, age, way, trace)
        for message_id, client_id, request_id, phone, parts, age, way, trace in rows
    }


async def parked_due(db: Database, limit: int) -> list[int]:
    """Parked receipts whose next try has come."""
    async with db.connection() as connection:
        return [row[0] for row in await connection.fetch(sql("receipts.parked_due"), limit)]


async def store_inbound(db: Database, messages: Sequence[Inbound], *, timeout: float = 10.0) -> None:
    """Keep what subscribers sent."""
    async with db.connection(timeout) as connection:
        await connection.execute(
            sql("receipts.insert_inbound"),
            *columns([(m.operator_id, m.link_id, m.source, m.destination, m.pdu) for m in messages]),
        )


async def learned_id_modes(db: Database) -> dict[int, LearnedIdMode]:
    """What was learned of each link, by link_id."""
    async with db.connection() as connection:
        return await _learned(connection)


async def _learned(connection: Connection) -> dict[int, LearnedIdMode]:
    rows = await connection.fetch(sql("receipts.learned_id_modes"))
    return {row["link_id"]: LearnedIdMode(IdMode(row["id_mode"]), row["learned_at"]) for row in rows}


async def learn_id_mode(db: Database, link_id: int, mode: IdMode) -> None:
    """Keep what matched receipts showed of a link."""
    async with db.connection() as connection:
        await connection.execute(sql("receipts.learn_id_mode"), link_id, mode.value)


def _as_it_came(one: Settled, waited: float) -> Settled:
    """With the age that a parked receipt had when it came: none, where it was ahead of the answer."""
    if one.age is not None:
        one = replace(one, age=max(0.0, one.age - waited))
    if one.about is not None:
        age, way = one.about.age, max(0.0, one.about.way - waited)
        one = replace(one, about=one.about._replace(age=None if age is None else max(0.0, age - waited), way=way))
    return one


def _unparked(row: asyncpg.Record, directory: CurrentDirectory) -> ReceiptReport:
    link = directory.link_of(row["link_id"])
    return ReceiptReport(
        operator_id=row["operator_id"],
        link_id=row["link_id"],
        smsc_ids=tuple(row["candidates"]),
        state=None if row["state"] is None else MessageState(row["state"]),
        raw_state=row["raw_state"],
        error=row["error"],
        network_error=row["network_error"],
        done_date=row["done_date"],
        reference=row["reference"],
        source=row["source"],
        destination=row["destination"],
        id_mode=IdMode.LEARN if link is None else link.id_mode,
        operator_submitted_at=row["operator_submitted_at"],
        operator_done_at=row["operator_done_at"],
        parked_id=row["parked_id"],
        received_at=row["received_at"],
    )


def _plain(reports: Sequence[ReceiptReport], learned: Mapping[int, IdMode]) -> list[int]:
    """The receipts that `settle_plain` may try: final, with one id, which is expected to be written as in the answer.

    Of several that name the same id the first one counts, whichever way it is settled.
    """
    plain: list[int] = []
    named: set[tuple[int, str]] = set()
    for index, report in enumerate(reports):
        known = len(named)
        for smsc_id in report.smsc_ids:
            named.add((report.operator_id, smsc_id.lower().lstrip("0")))
        if (
            len(report.smsc_ids) == 1
            and len(named) > known
            and report.state in _SETTLING
            and not report.by_text_alone
            and _expected_mode(report, learned) is IdMode.RAW
            and is_unmistakable(report.smsc_ids[0])
        ):
            plain.append(index)
    return plain


async def _settle_plain(
    db: Database, reports: Sequence[ReceiptReport], plain: Sequence[int], timeout: float
) -> dict[int, Settled]:
    """Those of the receipts that belong to messages as `settle_plain` says, with what became of them."""
    tried = [reports[index] for index in plain]
    kinds = by_kind(
        [
            (r.operator_id, r.link_id, r.state, r.raw_state, r.error, r.network_error, r.done_date,
             r.operator_done_at, by_receipt(r.error) if r.state in FAILED else None)
            for r in tried
        ],
        9,
    )  # fmt: skip
    async with db.connection(timeout) as connection:
        rows = await connection.fetch(
            sql("receipts.settle_plain"), [r.smsc_ids[0] for r in tried], [r.source for r in tried], *kinds
        )
    return {
        plain[place]: Settled(
            message_id, (1,), (report := tried[place]).state, None, IdMode.RAW, age, attempt,
            Spoken(client_id, request_id, report.source, 1, attempt, age, way, trace), (sms_type, priority),
        )
        for place, message_id, age, client_id, request_id, attempt, way, sms_type, priority, trace in rows
    }  # fmt: skip


async def _settle(
    connection: Connection,
    reports: Sequence[ReceiptReport],
    wait: ReceiptWait,
    learned: Mapping[int, IdMode],
    *,
    locked: bool,
) -> list[Settled] | None:
    """None where a message was changed by another transaction after it was looked at, which locks rule out.

    Then nothing may be committed. Locking costs as much as all the rest of a receipt, and that is rare.
    """
    matches = await _match_keys(connection, reports, range(len(reports)), learned)
    unmatched = [index for index in range(len(reports)) if index not in matches and not reports[index].by_text_alone]
    if unmatched:
        matches |= await _match_addresses(connection, reports, unmatched, learned)
    said = await _advance(connection, reports, matches, wait, locked=locked) if matches else _Said()
    if said is None:
        return None
    parked = [reports[index] for index in unmatched if index not in matches]
    if parked:
        await _park(connection, parked)
    done = [report.parked_id for index, report in enumerate(reports) if index in matches and report.parked_id]
    if done:
        await connection.execute(sql("receipts.unpark"), done)
    return [
        Settled(
            matches[index].message_id,
            matches[index].parts,
            said.became.get(index),
            said.against.get(index),
            matches[index].shows,
            matches[index].age if index in said.changed and reports[index].state in _SETTLING else None,
            matches[index].attempt or None,
            kind=matches[index].of[:2],
            alone=matches[index].of[2] == 1 and not matches[index].uncertain,
            corrects=index in said.corrected,
        )
        if index in matches
        else Settled(None)
        for index in range(len(reports))
    ]


async def _match_keys(
    connection: Connection,
    reports: Sequence[ReceiptReport],
    indexes: Iterable[int],
    learned: Mapping[int, IdMode],
) -> dict[int, _Match]:
    """The best submit whose id and destination fit: by the form of its id, and of equal ones the newest.

    Nearly all are found by the form that is expected of their link; the others are looked for only without it.
    """
    expected: dict[int, list[IdForm]] = {}
    others: dict[int, list[IdForm]] = {}
    for index in indexes:
        report = reports[index]
        expected[index] = expected_forms(report.smsc_ids, report.id_mode, _expected_mode(report, learned))
    matches = await _look_up(connection, reports, expected)
    for index in expected.keys() - matches.keys():
        forms = _forms(reports[index], learned)
        others[index] = [form for form in forms if form not in expected[index]]
    if unsure := await _look_up(connection, reports, others):
        # In another base it may be the id of a message that is not answered yet.
        rows = [(index, match.message_id, match.phone) for index, match in unsure.items()]
        early = {row["ord"] for row in await connection.fetch(sql("receipts.others_on_their_way"), *columns(rows))}
        matches |= {index: match for index, match in unsure.items() if index not in early}
    return matches


async def _look_up(
    connection: Connection, reports: Sequence[ReceiptReport], forms: Mapping[int, Sequence[IdForm]]
) -> dict[int, _Match]:
    """The submits that these forms find, by receipt."""
    places: dict[tuple[int, str], int] = {}  # of operator and id, for one id may be in many receipts
    for index, of_index in forms.items():
        for form in of_index:
            places.setdefault((reports[index].operator_id, form.text), len(places))
    if not places:
        return {}
    found: dict[int, list[asyncpg.Record]] = defaultdict(list)
    wanted = columns((place, *of_id) for of_id, place in places.items())
    for row in await connection.fetch(sql("receipts.find_keys"), *wanted, _NEWEST):
        found[row["place"]].append(row)
    matches: dict[int, _Match] = {}
    deeper: dict[int, list[IdForm]] = {}
    for index, of_index in forms.items():
        report = reports[index]
        for form in of_index:
            rows = found.get(places[report.operator_id, form.text], ())
            match = _fitting(report, form, rows)
            if match is not None:
                matches[index] = match
                break
            if len(rows) >= _NEWEST:
                deeper.setdefault(index, []).append(form)
    return matches | await _look_deeper(connection, reports, deeper) if deeper else matches


async def _look_deeper(
    connection: Connection, reports: Sequence[ReceiptReport], forms: Mapping[int, Sequence[IdForm]]
) -> dict[int, _Match]:
    """The submits among very many of one id, by the numbers that receipts name: of operators whose ids name nothing."""
    tried = [(index, form) for index, of_index in forms.items() for form in of_index]
    wanted = [
        (place, reports[index].operator_id, form.text, number)
        for place, (index, form) in enumerate(tried)
        for number in {number_of(reports[index].source), number_of(reports[index].destination)}
        if number
    ]
    if not wanted:
        return {}
    found: dict[int, list[asyncpg.Record]] = defaultdict(list)
    for row in await connection.fetch(sql("receipts.find_keys_by_number"), *columns(wanted)):
        found[row["place"]].append(row)
    matches: dict[int, _Match] = {}
    for place, (index, form) in enumerate(tried):
        match = _fitting(reports[index], form, found.get(place, ()))
        if match is not None:
            matches.setdefault(index, match)
    return matches


def _fitting(report: ReceiptReport, form: IdForm, rows: Sequence[asyncpg.Record]) -> _Match | None:
    """The best of the submits of an id, newest first, whose destination fits: written exactly so, then the newest."""
    match: _Match | None = None
    submit: tuple[int, str, int] | None = None
    parts: set[int] = set()
    for row in rows if len(rows) < 2 else sorted(rows, key=lambda row: row["smsc_id"] != form.written):
        _, message_id, part, attempt, smsc_id, phone, sender, age, sms_type, priority, of_parts, *seen = row
        if match is not None:
            if (message_id, smsc_id, attempt) == submit:
                parts.add(part)
            continue
        fits = destination_fits(phone, sender, report.source, report.destination)
        if fits or (fits is None and not form.confirmed_by_destination):
            match = _Match(
                message_id, (part,), attempt=attempt, phone=phone, age=age, of=(sms_type, priority, of_parts),
                shows=form.shows, seen=_Seen(*seen),
            )  # fmt: skip
            submit, parts = (message_id, smsc_id, attempt), {part}
    return match if match is None or len(parts) == 1 else replace(match, parts=tuple(sorted(parts)))


def _expected_mode(report: ReceiptReport, learned: Mapping[int, IdMode]) -> IdMode:
    return learned.get(report.link_id, IdMode.RAW) if report.id_mode is IdMode.LEARN else report.id_mode


def _forms(report: ReceiptReport, learned: Mapping[int, IdMode]) -> list[IdForm]:
    return id_forms(report.smsc_ids, report.id_mode, _expected_mode(report, learned))


async def _match_addresses(
    connection: Connection,
    reports: Sequence[ReceiptReport],
    unmatched: Sequence[int],
    learned: Mapping[int, IdMode],
) -> dict[int, _Match]:
    """Of the submits that have no id, the one whose reference the receipt echoes, else the only one that fits.

    A receipt that has an id names its part, and the next ones are matched by that. Where another message is on its way
    to the same number, neither proves anything: the receipt may be ahead of that one's answer.
    """
    wanted = []
    for index in unmatched:
        report = reports[index]
        wanted += [
            (index, report.operator_id, number, report.reference)
            for number in {number_of(report.source), number_of(report.destination)}
            if number
        ]
    if not wanted or not await connection.fetch(sql("receipts.find_by_address"), *columns(wanted)):
        return {}
    # A receipt takes its part from the ones behind it, on other processes too.
    await connection.execute(sql("receipts.lock_addresses"), sorted({operator_id for _, operator_id, *_ in wanted}))
    candidates: dict[int, list[asyncpg.Record]] = defaultdict(list)
    for row in await connection.fetch(sql("receipts.find_by_address"), *columns(wanted)):
        candidates[row["ord"]].append(row)
    # An answer may have been recorded between the looks.
    by_id = await _match_keys(connection, reports, unmatched, learned)
    return by_id | _hand_out(reports, candidates, by_id.keys(), learned)


def _hand_out(
    reports: Sequence[ReceiptReport],
    candidates: Mapping[int, Sequence[asyncpg.Record]],
    matched: Collection[int],
    learned: Mapping[int, IdMode],
) -> dict[int, _Match]:
    """Candidates to receipts, in the order of the receipts: a part that got its id, or its end, is gone."""
    matches: dict[int, _Match] = {}
    named: dict[tuple[int, int, str], _Match] = {}  # by operator, message and id
    gone: set[tuple[int, int]] = set()
    for index in sorted(candidates.keys() - matched):
        report, rows = reports[index], candidates[index]
        form = next(iter(_forms(report, learned)), None)
        if form is not None:
            names = [(report.operator_id, row["message_id"], form.text) for row in rows]
            known = next((named[name] for name in names if name in named), None)
            if known is not None:
                matches[index] = _Match(known.message_id, known.parts, age=known.age, of=known.of)
                continue
        match = _match_address(report, [row for row in rows if (row["message_id"], row["reference"]) not in gone])
        if match is None:
            continue
        if form is not None:
            match = replace(match, name=_as_answered(form))
            named[report.operator_id, match.message_id, form.text] = match
        if form is not None or _ends(report.state):
            gone.add((match.message_id, match.reference))
        matches[index] = match
    return matches


def _as_answered(form: IdForm) -> str:
    """The id of a receipt as an answer would have written it."""
    return form.written if form.written.lower().lstrip("0") == form.text else form.text


def _match_address(report: ReceiptReport, rows: Sequence[asyncpg.Record]) -> _Match | None:
    if report.reference is None:
        addresses = (report.destination.casefold(), report.source.casefold())
        rows = [row for row in rows if row["sender"].casefold() in addresses]
    if any(row["another"] for row in rows):
        return None
    if all(row["taken"] for row in rows):
        rows = _submitted_at(rows, report.operator_submitted_at)
    rows = _of_one_submit(rows)
    if len({(row["message_id"], row["reference"]) for row in rows}) != 1:
        return None
    parts = tuple(sorted({row["part"] for row in rows}))
    taken = [bool(row["taken"]) for row in rows]
    last = max(rows, key=lambda row: row["attempt"])
    return _Match(
        rows[0]["message_id"],
        parts,
        uncertain=not all(taken),
        unnamed=any(taken),
        reference=last["reference"],
        attempt=last["attempt"],
        submitted_at=last["submitted_at"],
        age=last["age"],
        of=(last["sms_type"], last["priority"], last["parts"]),
    )


def _submitted_at(rows: Sequence[asyncpg.Record], date: datetime | None) -> Sequence[asyncpg.Record]:
    """Those that were submitted when the operator says; dates of receipts know minutes at best."""
    if date is None:
        return rows
    # Not the date plus or minus anything: one that was parked by an earlier version may lie at an end of the calendar.
    return [row for row in rows if -_CLOCKS_APART <= row["submitted_at"] - date <= _MINUTE + _CLOCKS_APART] or rows


def _of_one_submit(rows: Sequence[asyncpg.Record]) -> Sequence[asyncpg.Record]:
    """Unnamed parts of one message: whichever a receipt speaks of, the message becomes the same, so the first one."""
    unnamed = [row for row in rows if row["taken"]]
    if not unnamed or len({row["message_id"] for row in rows}) != 1:
        return rows
    first = min(unnamed, key=lambda row: (row["part"], row["attempt"]))
    return [row for row in rows if row["reference"] == first["reference"]]


async def _advance(
    connection: Connection,
    reports: Sequence[ReceiptReport],
    matches: dict[int, _Match],
    wait: ReceiptWait,
    *,
    locked: bool,
) -> _Said | None:
    """Write the receipts and the states they bring. Returns as `_settle`."""
    before = {match.message_id: match.seen for match in matches.values() if match.seen is not None}
    if locked or len(before) < len({match.message_id for match in matches.values()}):
        before = await _locked(connection, {match.message_id for match in matches.values()})
    states = {message_id: _STATES[seen.state] for message_id, seen in before.items()}
    parts = {
        message_id: [_STATES[state] for state in seen.part_states]
        for message_id, seen in before.items()
        if seen.part_states is not None
    }
    said = _Said()
    for index in sorted(matches):
        match, report = matches[index], reports[index]
        if report.state is not None and match.message_id in states:
            _say(said, index, report.state, match, states, parts)
            if index in said.changed and report.state in FAILED:
                said.reasons.setdefault(match.message_id, by_receipt(report.error))
            if index in said.changed:
                _note_when(said, match.message_id, report.received_at)
    if not await _write(connection, _rows(reports, matches, said), before, states, parts, said):
        return None
    queued = [
        message_id for message_id, seen in before.items() if seen.receipt_due is None and is_final(states[message_id])
    ]
    if queued:
        await drop_messages(connection, queued)
    uncertain = [(match.message_id, part) for match in matches.values() if match.uncertain for part in match.parts]
    if uncertain:
        await drop_parts(connection, uncertain, wait)
    await _name(connection, reports, matches)
    return said


async def _locked(connection: Connection, message_ids: Collection[int]) -> dict[int, _Seen]:
    rows = await connection.fetch(sql("receipts.lock_messages"), sorted(message_ids))
    return {row[0]: _Seen(*row[1:]) for row in rows}


async def _name(connection: Connection, reports: Sequence[ReceiptReport], matches: Mapping[int, _Match]) -> None:
    """Parts without an id get the one of their receipt; without one, they are found by addresses until they end."""
    found = [
        (reports[index], match, part)
        for index, match in matches.items()
        if match.uncertain or match.unnamed
        for part in match.parts
    ]
    named = [
        (match.submitted_at, match.message_id, report.operator_id, report.link_id, part, match.attempt, match.name)
        for report, match, part in found
        if match.name is not None
    ]
    if named:
        await connection.execute(sql("receipts.name_parts"), *columns(named))
    taken = [
        (match.message_id, part, match.attempt)
        for _, match, part in found
        if match.uncertain and not match.unnamed and match.name is None
    ]
    if taken:
        await keep_unnamed(connection, taken)
    done = [(match.message_id, part) for report, match, part in found if match.name is not None or _ends(report.state)]
    if done:
        await connection.execute(sql("receipts.forget_unnamed"), *columns(done))


def _say(
    said: _Said,
    index: int,
    new: MessageState,
    match: _Match,
    states: dict[int, MessageState],
    parts: dict[int, list[MessageState]],
) -> None:
    """What one receipt makes of the parts it speaks of, and of their message."""
    message_id = match.message_id
    of_parts = parts.get(message_id)
    if of_parts is None:
        before, after = [states[message_id]], new
    else:
        known = [part - 1 for part in match.parts if part <= len(of_parts)]  # another link may have cut it into fewer
        before = [of_parts[part] for part in known]
        for part in known:
            of_parts[part] = advance(of_parts[part], new)
        after = fold(of_parts)
    if any(advance(state, new) is not state for state in before):
        said.changed.add(index)
    elif _ends(new) and (against := next((state for state in before if _ends(state) and state is not new), None)):
        said.against[index] = against
    if advance(states[message_id], after) is not states[message_id]:
        if is_final(states[message_id]):
            said.corrected.add(index)
        states[message_id] = said.became[index] = after


def _note_when(said: _Said, message_id: int, received_at: datetime | None) -> None:
    """Of several the last one counts."""
    before = said.came.get(message_id, received_at)
    said.came[message_id] = None if before is None or received_at is None else max(before, received_at)


def _ends(state: MessageState | None) -> bool:
    """Whether no receipt changes it any more."""
    return state is not None and is_final(state) and state not in CORRECTABLE


def _rows(
    reports: Sequence[ReceiptReport], matches: Mapping[int, _Match], said: _Said
) -> list[tuple[int, str | None, tuple[object, ...]]]:
    """The receipts of a batch, each once, for operators repeat what they think was lost: message, id and the rest."""
    rows: dict[tuple[object, ...], tuple[int, str | None, tuple[object, ...]]] = {}
    for index in sorted(matches):
        match, report = matches[index], reports[index]
        smsc_id = report.smsc_ids[0] if report.smsc_ids else None
        said_once = (match.message_id, match.parts[0], report.state, report.raw_state, report.error,
                     report.network_error, smsc_id)  # fmt: skip
        if said_once not in rows:
            kind = (
                report.operator_id, report.link_id, match.parts[0], report.state, report.raw_state, report.error,
                report.network_error, report.done_date, report.operator_done_at, report.received_at,
                index not in said.changed,
            )  # fmt: skip
            rows[said_once] = (match.message_id, smsc_id, kind)
    return list(rows.values())


async def _write(
    connection: Connection,
    receipts: Sequence[tuple[int, str | None, tuple[object, ...]]],
    before: Mapping[int, _Seen],
    states: Mapping[int, MessageState],
    parts: Mapping[int, list[MessageState]],
    said: _Said,
) -> bool:
    """Write receipts, and the states of the messages that they change; False where one is not as it was `before`."""
    changes: list[tuple[int, datetime | None, tuple[object, ...]]] = []
    for message_id in sorted(before):
        seen, state = before[message_id], states[message_id]
        if message_id in parts:
            arrays: tuple[str | None, ...] = (array_literal(seen.part_states or ()), array_literal(parts[message_id]))
        elif state != seen.state:
            arrays = (None, None)
        else:
            continue
        final = is_final(state)
        kind = (seen.state, int(state), final, *arrays, said.reasons.get(message_id), said.came.get(message_id))
        changes.append((message_id, seen.receipt_due if final else None, kind))
    written = await connection.fetchval(
        sql("receipts.settle"),
        [row[0] for row in receipts],
        [row[1] for row in receipts],
        *by_kind([row[2] for row in receipts], 11),
        [change[0] for change in changes],
        [change[1] for change in changes],
        *by_kind([change[2] for change in changes], 7),
    )
    return bool(written == len(changes))


async def _park(connection: Connection, reports: Sequence[ReceiptReport]) -> None:
    again = [report.parked_id for report in reports if report.parked_id is not None]
    if again:
        await connection.execute(sql("receipts.postpone_parked"), again)
    new = [report for report in reports if report.parked_id is None]
    if new:
        await connection.execute(
            sql("receipts.park"),
            *columns(
                (r.operator_id, r.link_id, r.reference, r.state, r.raw_state, r.error, r.network_error, r.done_date,
                 r.operator_submitted_at, r.operator_done_at, r.source, r.destination,
                 r.smsc_ids[0] if r.smsc_ids else "", _text_array(r.smsc_ids))
                for r in new
            ),
        )  # fmt: skip


def _text_array(values: Iterable[str]) -> str:
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"
