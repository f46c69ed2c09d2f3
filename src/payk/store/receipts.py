"""Receipts: which submit each belongs to, what it makes of the message, and where it waits if nobody knows it.

All receipts of a batch are settled in one transaction; only after its commit may the operator be told that we have
them. A receipt that fits no submit is parked and tried again: it may be ahead of its submit_sm_resp.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import asyncpg

from payk.domain.directory import CurrentDirectory
from payk.domain.message import MessageState
from payk.domain.operator import IdMode
from payk.domain.receipt import ReceiptReport, ReceiptWait, destination_fits, id_forms, number_of
from payk.domain.states import advance, fold, is_final
from payk.store.arrays import array_literal, columns
from payk.store.database import Connection, Database
from payk.store.queries import sql
from payk.store.resending import drop_messages, drop_parts

__all__ = ["Inbound", "Settled", "parked_due", "settle_parked", "settle_receipts", "store_inbound"]


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one receipt."""

    message_id: int | None
    """None = parked."""
    parts: tuple[int, ...] = ()
    became: MessageState | None = None
    """The new state of the message, None where it did not change."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A deliver_sm that is no receipt."""

    operator_id: int
    link_id: int
    source: str
    destination: str
    pdu: bytes


@dataclass(frozen=True, slots=True)
class _Match:
    message_id: int
    parts: tuple[int, ...]
    """More than one where one submit_sm carried them all (message_payload)."""
    uncertain: bool = False


async def settle_receipts(
    db: Database, reports: Sequence[ReceiptReport], wait: ReceiptWait, *, timeout: float = 10.0
) -> list[Settled]:
    """Settle or park each receipt, in one transaction; one answer each, in order.

    Raises StoreUnavailable and OutcomeUnknown; settling the same receipts again is safe in both cases.
    """
    async with db.transaction(timeout) as connection:
        return await _settle(connection, reports, wait)


async def settle_parked(
    db: Database, parked_ids: Sequence[int], directory: CurrentDirectory, wait: ReceiptWait
) -> list[Settled]:
    """Try parked receipts again; those that another process is trying are passed over."""
    async with db.transaction() as connection:
        rows = await connection.fetch(sql("receipts.parked_by_id"), sorted(parked_ids))
        return await _settle(connection, [_unparked(row, directory) for row in rows], wait)


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
        parked_id=row["parked_id"],
    )


async def _settle(connection: Connection, reports: Sequence[ReceiptReport], wait: ReceiptWait) -> list[Settled]:
    matches = await _match_keys(connection, reports, range(len(reports)))
    unmatched = [index for index in range(len(reports)) if index not in matches]
    if unmatched and (uncertain := await _match_uncertain(connection, reports, unmatched)):
        # An answer may have been recorded between the two looks.
        matches |= uncertain | await _match_keys(connection, reports, uncertain)
    became = await _advance(connection, reports, matches, wait) if matches else {}
    parked = [report for index, report in enumerate(reports) if index not in matches]
    if parked:
        await _park(connection, parked)
    done = [report.parked_id for index, report in enumerate(reports) if index in matches and report.parked_id]
    if done:
        await connection.execute(sql("receipts.unpark"), done)
    return [
        Settled(matches[index].message_id, matches[index].parts, became.get(index))
        if index in matches
        else Settled(None)
        for index in range(len(reports))
    ]


async def _match_keys(
    connection: Connection, reports: Sequence[ReceiptReport], indexes: Iterable[int]
) -> dict[int, _Match]:
    """The newest submit whose id and destination fit. In another base, the destination must speak for it."""
    wanted = [
        (index, report.operator_id, form, rank)
        for index in indexes
        for report in (reports[index],)
        for rank, form in id_forms(report.smsc_ids, report.id_mode)
        if form
    ]
    if not wanted:
        return {}
    matches: dict[int, _Match] = {}
    of_submit: dict[int, tuple[int, str, int]] = {}
    for row in await connection.fetch(sql("receipts.find_keys"), *columns(wanted)):
        index, found = row["ord"], matches.get(row["ord"])
        if found is not None:
            if (row["message_id"], row["smsc_id"], row["attempt"]) == of_submit[index]:
                matches[index] = replace(found, parts=tuple(sorted({*found.parts, row["part"]})))
            continue
        fits = destination_fits(row["phone"], row["sender"], reports[index].source, reports[index].destination)
        if fits or (fits is None and row["form"] == 0):
            matches[index] = _Match(row["message_id"], (row["part"],))
            of_submit[index] = (row["message_id"], row["smsc_id"], row["attempt"])
    return matches


async def _match_uncertain(
    connection: Connection, reports: Sequence[ReceiptReport], unmatched: Sequence[int]
) -> dict[int, _Match]:
    """An uncertain submit whose reference the receipt echoes, or the only one between these two addresses.

    Where another message is on its way to the same number, the addresses alone prove nothing: the receipt may be ahead
    of that one's answer.
    """
    wanted = []
    for index in unmatched:
        report = reports[index]
        wanted += [
            (index, report.operator_id, number)
            for number in {number_of(report.source), number_of(report.destination)}
            if number
        ]
    if not wanted:
        return {}
    candidates: dict[int, list[asyncpg.Record]] = defaultdict(list)
    for row in await connection.fetch(sql("receipts.find_uncertain"), *columns(wanted)):
        candidates[row["ord"]].append(row)
    matches: dict[int, _Match] = {}
    for index, rows in candidates.items():
        report = reports[index]
        if report.reference is not None:
            rows = [row for row in rows if row["reference"] == report.reference]
        else:
            addresses = (report.destination.casefold(), report.source.casefold())
            rows = [row for row in rows if row["sender"].casefold() in addresses]
            if any(row["another"] for row in rows):
                continue
        submits = {(row["message_id"], row["reference"]) for row in rows}
        if len(submits) == 1:
            parts = tuple(sorted({row["part"] for row in rows}))
            matches[index] = _Match(rows[0]["message_id"], parts, uncertain=True)
    return matches


async def _advance(
    connection: Connection, reports: Sequence[ReceiptReport], matches: dict[int, _Match], wait: ReceiptWait
) -> dict[int, MessageState]:
    """Write the receipts and the states they bring; returns the new state by report where there is one."""
    ids = sorted({match.message_id for match in matches.values()})
    locked = {row["message_id"]: row for row in await connection.fetch(sql("receipts.lock_messages"), ids)}
    states = {message_id: MessageState(row["state"]) for message_id, row in locked.items()}
    parts = {
        message_id: [MessageState(state) for state in row["part_states"]]
        for message_id, row in locked.items()
        if row["part_states"] is not None
    }
    became: dict[int, MessageState] = {}
    for index in sorted(matches):
        match, report = matches[index], reports[index]
        if report.state is None or match.message_id not in states:
            continue
        new = report.state
        if match.message_id in parts:
            of_parts = parts[match.message_id]
            for part in match.parts:
                if part <= len(of_parts):  # another link may have cut it into fewer since
                    of_parts[part - 1] = advance(of_parts[part - 1], new)
            new = fold(of_parts)
        if advance(states[match.message_id], new) is not states[match.message_id]:
            states[match.message_id] = became[index] = new
    await connection.execute(
        sql("receipts.insert_receipts"),
        *columns(
            (matches[i].message_id, r.operator_id, r.link_id, matches[i].parts[0], r.state, r.raw_state, r.error,
             r.network_error, r.done_date, r.smsc_ids[0] if r.smsc_ids else None)
            for i, r in enumerate(reports) if i in matches
        ),
    )  # fmt: skip
    await _write_states(connection, locked, states, parts)
    uncertain = [(match.message_id, part) for match in matches.values() if match.uncertain for part in match.parts]
    if uncertain:
        await drop_parts(connection, uncertain, wait)
    return became


async def _write_states(
    connection: Connection,
    locked: dict[int, asyncpg.Record],
    states: dict[int, MessageState],
    parts: dict[int, list[MessageState]],
) -> None:
    rows: list[tuple[object, ...]] = []
    for message_id, row in locked.items():
        state = states[message_id]
        if message_id in parts or state != row["state"]:
            array = array_literal(parts[message_id]) if message_id in parts else None
            rows.append((message_id, row["state"], int(state), array, is_final(state)))
    if not rows:
        return
    await connection.execute(sql("receipts.settle"), *columns(rows))
    final = [message_id for message_id in locked if is_final(states[message_id])]
    if final:
        await drop_messages(connection, final)
    due = [(locked[message_id]["receipt_due"], message_id) for message_id in final]
    due = [(at, message_id) for at, message_id in due if at is not None]
    if due:
        await connection.execute(sql("receipts.stop_awaiting"), *columns(sorted(due)))


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
                 r.source, r.destination, r.smsc_ids[0] if r.smsc_ids else "", _text_array(r.smsc_ids))
                for r in new
            ),
        )  # fmt: skip


def _text_array(values: Iterable[str]) -> str:
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"
