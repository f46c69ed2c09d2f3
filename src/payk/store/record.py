"""Everything that is known of one message, for those whom a customer asks: the record, its timeline, where it waits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import asyncpg

from payk.domain.hold import Hold
from payk.domain.message import Lane
from payk.domain.whereabouts import QueueOperator, Whereabouts, why
from payk.logs import mask
from payk.store.database import Connection, Database
from payk.store.errors import OutcomeUnknown, StoreUnavailable
from payk.store.holds import holds_in_force
from payk.store.queries import sql
from payk.store.search import FoundMessage, messages_within
from payk.store.timeline import Timeline, timeline_within

__all__ = ["MessageRecord", "read_record"]


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """A message as of one instant, without its text."""

    message: FoundMessage
    whereabouts: Whereabouts
    why: str
    """The whereabouts in one sentence."""
    timeline: Timeline


async def read_record(
    db: Database, message_id: int, *, client: str | None = None, whole_numbers: bool = False, timeout: float = 10.0
) -> MessageRecord | None:
    """A message with all that happened to it; None where there is none, or not of the `client` of that name.

    StoreUnavailable.
    """
    try:
        async with db.transaction(timeout) as connection:
            await connection.execute(sql("timeline.snapshot"))
            found = await messages_within(connection, [message_id])
            if not found or client not in (None, found[0].client):
                return None
            return await _record(connection, found[0], whole_numbers=whole_numbers)
    except OutcomeUnknown as error:
        raise StoreUnavailable("the connection to the database was lost") from error


async def _record(connection: Connection, message: FoundMessage, *, whole_numbers: bool) -> MessageRecord:
    [row] = await connection.fetch(sql("search.whereabouts"), message.message_id)
    operators = await connection.fetch(sql("search.queue_operators"), row["queue_id"])
    hold = await _hold(connection, message, row) if row["queued"] else None
    timeline = await timeline_within(connection, row["client_id"], message.message_id)
    assert timeline is not None  # of the same instant
    whereabouts = _whereabouts(message, row, operators, hold)
    shown = message if whole_numbers else replace(message, number=mask(message.number))
    return MessageRecord(shown, whereabouts, why(whereabouts), timeline)


async def _hold(connection: Connection, message: FoundMessage, row: asyncpg.Record) -> Hold | None:
    """The first hold that keeps a waiting message back."""
    for hold in await holds_in_force(connection):
        chosen = hold.selection
        if chosen.label in (None, message.label) and chosen.covers(
            row["client_id"], row["lane"], row["label_key"], row["first_operator"]
        ):
            return hold
    return None


def _whereabouts(
    message: FoundMessage, row: asyncpg.Record, operators: list[asyncpg.Record], hold: Hold | None
) -> Whereabouts:
    return Whereabouts(
        at=row["at"],
        state=message.state,
        client=message.client,
        client_enabled=row["client_enabled"],
        operator=message.operator,
        operators=tuple(QueueOperator(*operator) for operator in operators),
        submitted_at=message.submitted_at,
        receipt_due=row["receipt_due"],
        done_at=message.done_at,
        scheduled_at=message.scheduled_at,
        expires_at=message.expires_at,
        queued=row["queued"],
        lane=None if row["lane"] is None else Lane(row["lane"]),
        hold=hold,
        tries=row["tries"] or row["held_tries"] or 0,
        claimed_by=row["claimed_by"],
        claimed_link=row["claimed_link"],
        held_until=row["held_until"],
        has_hours=row["has_hours"],
        set_aside_at=row["set_aside_at"],
    )
