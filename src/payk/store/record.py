"""Everything that is known of one message, for those whom a customer asks: the record, its timeline, where it waits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from payk.domain.whereabouts import why
from payk.logs import mask
from payk.store.database import Database
from payk.store.errors import OutcomeUnknown, StoreUnavailable
from payk.store.queries import sql
from payk.store.search import FoundMessage, messages_within
from payk.store.timeline import Timeline, timeline_within

__all__ = ["MessageRecord", "read_record"]


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """A message as of one instant, without its text."""

    message: FoundMessage
    timeline: Timeline

    @property
    def why(self) -> str:
        """Where it is, and why, for those who run the centre."""
        return why(self.timeline.whereabouts)


async def read_record(
    db: Database,
    message_id: int,
    *,
    zone: ZoneInfo,
    client: str | None = None,
    whole_numbers: bool = False,
    timeout: float = 10.0,
) -> MessageRecord | None:
    """A message with all that happened to it; None where there is none, or not of the `client` of that name.

    `zone` as in read_timeline. Raises StoreUnavailable.
    """
    try:
        async with db.transaction(timeout) as connection:
            await connection.execute(sql("timeline.snapshot"))
            found = await messages_within(connection, [message_id])
            if not found or client not in (None, found[0].client):
                return None
            timeline = await timeline_within(connection, None, message_id, zone)
    except OutcomeUnknown as error:
        raise StoreUnavailable("the connection to the database was lost") from error
    assert timeline is not None  # of the same instant
    message = found[0] if whole_numbers else replace(found[0], number=mask(found[0].number))
    return MessageRecord(message, timeline)
