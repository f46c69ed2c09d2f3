"""The timeline of a message: what happened to it and when, derived from the rows that it left behind; and where it is.

No event is stored for its own sake. Of waits that are over only the first one can be told, from the message itself;
the one that lasts is told from the row that holds it, and begins with the last try.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from payk.domain.hold import Hold
from payk.domain.hours import open_at
from payk.domain.limits import Hours
from payk.domain.message import Lane, MessageState
from payk.domain.recipient_zone import DUSHANBE, recipient_zone
from payk.domain.whereabouts import QueueOperator, Whereabouts
from payk.store.database import Connection, Database
from payk.store.errors import OutcomeUnknown, StoreUnavailable
from payk.store.holds import holds_in_force
from payk.store.queries import sql

__all__ = ["EventKind", "Timeline", "TimelineEvent", "TimelineReader", "in_order", "read_timeline", "timeline_within"]


class EventKind(StrEnum):
    """What happened. The order is that of events of the same instant."""

    ACCEPTED = "accepted"
    DEMOTED = "demoted"
    """An Otp beyond the rate at which its client may send them: it goes as Common High."""
    HELD = "held"
    """Not to be sent before its time, or before another try."""
    QUEUED = "queued"
    SUBMITTED = "submitted"
    """An operator took a part."""
    REFUSED = "refused"
    """An operator refused a part."""
    UNCERTAIN = "uncertain"
    """A part was written to an operator and not answered."""
    RECEIPT = "receipt"
    FINAL = "final"
    """The state of the message became final."""


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One event; what its kind does not have is None. Times are UTC with zone."""

    kind: EventKind
    at: datetime
    part: int | None = None
    attempt: int | None = None
    """Which submission of the message this is, from 1; of a wait between two tries: the one that it is for."""
    operator: str | None = None
    smsc_id: str | None = None
    """The operator's id as written; None where it gave none."""
    until: datetime | None = None
    """Held: when it is due. Uncertain: when it turned out that the operator has the part."""
    reason: str | None = None
    """Final: why it failed, in words of payk.domain.failure."""
    command_status: int | None = None
    state: MessageState | None = None
    """Of a receipt: what it was read as, None where it changes nothing. Final: the state of the message."""
    raw_state: str | None = None
    error: str | None = None
    network_error: bytes | None = None
    """network_error_code (SMPP 3.4, 5.3.2.31), as it came."""
    operator_done_at: datetime | None = None
    """When the operator says it was done, by its clock."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A message of a client with its events, in order, and where it is."""

    message_id: int
    state: MessageState
    parts: int
    events: tuple[TimelineEvent, ...]
    whereabouts: Whereabouts


class _Opening(Enum):
    """Whose opening it is at which a held message is due."""

    NONE = "none"
    NOW = "of the hours that its client has"
    BEFORE = "of hours that it had since the message was taken"


_BEYOND_RATE = "more Otp than the client may send a minute: sent as Common High"
_TRIES = (EventKind.SUBMITTED, EventKind.REFUSED, EventKind.UNCERTAIN)
_PLACES = {kind: place for place, kind in enumerate(EventKind)}
_PLACES |= dict.fromkeys(_TRIES, _PLACES[EventKind.SUBMITTED])


def in_order(events: Iterable[TimelineEvent]) -> tuple[TimelineEvent, ...]:
    """By time; of one instant as EventKind has them: tries by attempt and part, a second wait behind the try before."""
    return tuple(sorted(events, key=_place))


def _place(event: TimelineEvent) -> tuple[datetime, int, bool, int, int]:
    again = event.kind in (EventKind.HELD, EventKind.QUEUED) and event.attempt is not None
    place = _PLACES[EventKind.SUBMITTED] if again else _PLACES[event.kind]
    return event.at, place, again, event.attempt or 0, event.part or 0


async def read_timeline(
    db: Database, client_id: int, message_id: int, *, timeout: float, zone: ZoneInfo = DUSHANBE
) -> Timeline | None:
    """What happened to a message, as of one instant; None where that client has no such message.

    `zone` is where recipients live whose number does not tell. Raises StoreUnavailable.
    """
    try:
        async with db.transaction(timeout) as connection:
            await connection.execute(sql("timeline.snapshot"))
            return await timeline_within(connection, client_id, message_id, zone)
    except OutcomeUnknown as error:
        raise StoreUnavailable("the connection to the database was lost") from error


async def timeline_within(
    connection: Connection, client_id: int | None, message_id: int, zone: ZoneInfo
) -> Timeline | None:
    """As read_timeline, in a transaction of the caller's that sees one instant (timeline.snapshot); of any client where
    `client_id` is None."""
    message = await connection.fetchrow(sql("timeline.find_message"), client_id, message_id)
    return None if message is None else await _read(connection, message_id, message, zone)


class TimelineReader:
    """Reads few timelines at once, so that whoever asks for many leaves connections to those who send."""

    def __init__(self, db: Database, zone: ZoneInfo = DUSHANBE, *, at_once: int = 2) -> None:
        self._db = db
        self._zone = zone
        self._turn = asyncio.Semaphore(at_once)

    async def timeline(self, client_id: int, message_id: int, timeout: float) -> Timeline | None:
        """As read_timeline, within `timeout` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        try:
            async with asyncio.timeout_at(deadline):
                await self._turn.acquire()
        except TimeoutError as error:
            raise StoreUnavailable("other timelines took all the time there was") from error
        try:
            left = max(deadline - loop.time(), 0.05)
            return await read_timeline(self._db, client_id, message_id, timeout=left, zone=self._zone)
        finally:
            self._turn.release()


async def _read(connection: Connection, message_id: int, message: asyncpg.Record, zone: ZoneInfo) -> Timeline:
    submits = await connection.fetch(sql("timeline.find_submits"), message_id, message["accepted_at"])
    uncertain = await connection.fetch(sql("timeline.find_uncertain"), message_id)
    refusals = await connection.fetch(sql("timeline.find_refusals"), message_id)
    receipts = await connection.fetch(sql("timeline.find_receipts"), message_id)
    tries = [
        *(_event(EventKind.SUBMITTED, row) for row in submits),
        *(_event(EventKind.UNCERTAIN, row) for row in uncertain),
        *(_event(EventKind.REFUSED, row) for row in refusals),
    ]
    events = in_order([*_way(message, tries), *(_event(EventKind.RECEIPT, row) for row in receipts)])
    operators = await connection.fetch(sql("timeline.find_queue_operators"), message["queue_id"])
    hold = await _hold(connection, message)
    hours = await _hours(connection, message, zone)
    whereabouts = _whereabouts(message, operators, hold, hours, doubtful=_is_doubtful(tries))
    return Timeline(message_id, MessageState(message["state"]), message["parts"], events, whereabouts)


async def _hold(connection: Connection, message: asyncpg.Record) -> Hold | None:
    """The first hold that keeps a message back which waits, or will once its time has come."""
    if message["lane"] is None:
        return None
    for hold in await holds_in_force(connection):
        chosen = hold.selection
        if chosen.label in (None, message["label"]) and chosen.covers(
            message["client_id"], message["lane"], message["label_key"], message["first_operator"]
        ):
            return hold
    return None


async def _hours(connection: Connection, message: asyncpg.Record, zone: ZoneInfo) -> _Opening:
    """Whether what is held until then waits for hours that its client has, or had since it was taken."""
    due = message["held_until"]
    if due is None or not message["is_batch"] or message["tries"]:
        return _Opening.NONE
    local = recipient_zone(message["phone"], zone)
    if message["batch_hours"] is not None and open_at(Hours.of(message["batch_hours"]), local, due):
        return _Opening.NOW
    before = await connection.fetch(sql("timeline.find_hours_before"), message["client"], message["accepted_at"])
    return _Opening.BEFORE if any(open_at(Hours.of(row[0]), local, due) for row in before) else _Opening.NONE


def _is_doubtful(tries: Iterable[TimelineEvent]) -> bool:
    """Whether the last try of some part was not answered, and nothing was heard of it since."""
    last: dict[int | None, TimelineEvent] = {}
    for event in in_order(tries):
        last[event.part] = event
    return any(event.kind is EventKind.UNCERTAIN and event.until is None for event in last.values())


def _whereabouts(
    message: asyncpg.Record,
    operators: Iterable[asyncpg.Record],
    hold: Hold | None,
    opening: _Opening,
    *,
    doubtful: bool,
) -> Whereabouts:
    lane = message["lane"]
    is_aside = message["set_aside_at"] is not None and message["dealt_with_at"] is None
    return Whereabouts(
        at=message["at"],
        state=MessageState(message["state"]),
        client=message["client"] or "",
        client_enabled=message["client_enabled"],
        operator=message["operator"],
        operators=tuple(QueueOperator(*operator) for operator in operators),
        submitted_at=message["submitted_at"],
        receipt_due=message["receipt_due"],
        done_at=message["done_at"],
        scheduled_at=message["scheduled_at"],
        expires_at=message["expires_at"],
        reason=message["reason"],
        queued=message["queued"],
        lane=None if lane is None else Lane(lane),
        hold=hold,
        tries=message["tries"] or 0,
        doubtful=doubtful,
        claimed_by=message["claimed_by"],
        claimed_link=message["claimed_link"],
        held_until=message["held_until"],
        hours_open=opening is _Opening.NOW,
        hours_before=opening is _Opening.BEFORE,
        pace=message["pace"] or None if lane != Lane.OTP else None,
        set_aside_at=message["set_aside_at"] if is_aside else None,
    )


def _event(kind: EventKind, row: asyncpg.Record) -> TimelineEvent:
    """A row whose columns are named as the event's fields."""
    fields: dict[str, Any] = dict(row)
    if fields.get("state") is not None:
        fields["state"] = MessageState(fields["state"])
    return TimelineEvent(kind, **fields)


def _way(message: asyncpg.Record, tries: list[TimelineEvent]) -> Iterator[TimelineEvent]:
    """The message's own events, between them its tries."""
    accepted_at, done_at = message["accepted_at"], message["done_at"]
    yield TimelineEvent(EventKind.ACCEPTED, accepted_at)
    if message["demoted"]:
        yield TimelineEvent(EventKind.DEMOTED, accepted_at, reason=_BEYOND_RATE)
    yield from _first_wait(message, tried=bool(tries))
    yield from _time_aside(message)
    yield from tries
    if tries:
        last = max(each.at for each in tries)
        if message["held_until"] is not None:
            until = message["held_until"]
            yield TimelineEvent(EventKind.HELD, last, attempt=message["tries"] + 1, until=until)
        elif message["queued"]:
            yield TimelineEvent(EventKind.QUEUED, last, attempt=message["tries"] + 1)
    if done_at is not None:
        state = MessageState(message["state"])
        yield TimelineEvent(EventKind.FINAL, done_at, state=state, reason=message["reason"])


def _time_aside(message: asyncpg.Record) -> Iterator[TimelineEvent]:
    """While nobody knew whether it had been sent, for the database was restored (payk.store.recovery)."""
    if message["set_aside_at"] is not None:
        dealt_with_at = message["dealt_with_at"]
        reason = "the database was restored: it may have been sent"
        yield TimelineEvent(EventKind.HELD, message["set_aside_at"], reason=reason, until=dealt_with_at)
        if message["released"]:
            yield TimelineEvent(EventKind.QUEUED, dealt_with_at)


def _first_wait(message: asyncpg.Record, *, tried: bool) -> Iterator[TimelineEvent]:
    """Until the message may be sent for the first time, and its entry into the queue."""
    accepted_at, scheduled_at, done_at = message["accepted_at"], message["scheduled_at"], message["done_at"]
    if message["held_until"] is not None and not tried:
        yield TimelineEvent(EventKind.HELD, accepted_at, until=message["held_until"])
        return
    ready_at = accepted_at
    if scheduled_at is not None and scheduled_at > accepted_at:
        yield TimelineEvent(EventKind.HELD, accepted_at, until=scheduled_at)
        ready_at = scheduled_at
    if done_at is None or done_at >= ready_at:
        yield TimelineEvent(EventKind.QUEUED, ready_at)
