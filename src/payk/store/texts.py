"""The verbs of wiping: a text goes some time after nobody needs it any more, the rest of its message stays.

How the texts are found is said in sql/texts.sql. Everything is a transaction of at most BATCH texts, in order of id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from payk.store.database import Connection, Database
from payk.store.queries import sql

__all__ = ["OTP", "Walk", "due_walks", "look_again", "walk_on"]

OTP: Final = 0
"""In the place of a client: the Otp of all."""

DAY: Final = 86_400.0
BATCH: Final = 1_000
"""Texts that are wiped in one transaction."""
ROWS: Final = 5_000
"""Messages that are read for it at most."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A way through the messages, in seconds: of one client, or of the Otp of all (`client_id` OTP)."""

    client_id: int
    passed_after: float
    """The time since they were accepted: somewhat longer than texts are kept, so that nearly all are due by then."""
    pause: float
    """The least time between two looks for what has become old enough, for a look reads younger ones too."""
    longest_pause: float
    """For the time may be changed."""


async def due_walks(db: Database, otp_seconds: float) -> list[Walk]:
    """The walks that may go on now."""
    async with db.connection() as connection:
        await connection.execute(sql("texts.follow_clients"))
        rows = await connection.fetch(sql("texts.due_walks"))
    return [
        Walk(OTP, otp_seconds + 10, 5.0, 60.0) if client_id == OTP else Walk(client_id, days * DAY + 3600, 60.0, 3600.0)
        for client_id, days in rows
    ]


async def walk_on(db: Database, walk: Walk, otp_seconds: float) -> bool:
    """Wipe the texts of the next messages; those not due yet are left for later. Returns whether there are more."""
    async with db.transaction() as connection:
        passed = await connection.fetchval(sql("texts.take_walk"), walk.client_id)
        if passed is None:
            return False
        # A statement of its own, before the look: what is stored in between is younger.
        passable = await connection.fetchval(sql("texts.passable"), walk.passed_after)
        look = await connection.fetchrow(sql("texts.walk_on"), passed, passable, ROWS, BATCH, walk.client_id)
        assert look is not None  # it is one row of counts
        if look["texts"]:
            await _wipe(connection, look["texts"], otp_seconds)
        more = len(look["texts"]) == BATCH or look["messages"] == ROWS
        await connection.execute(
            sql("texts.walked"),
            walk.client_id,
            passed if look["passed"] is None else look["passed"],
            walk.passed_after,
            0.0 if more else walk.pause,
            0.0 if more else walk.longest_pause,
            look["next_accepted_at"],
        )
    return more


async def look_again(db: Database, otp_seconds: float) -> bool:
    """Wipe what was left for later and is due now. Returns whether there is more."""
    async with db.transaction() as connection:
        ids = [row[0] for row in await connection.fetch(sql("texts.due_again"), BATCH)]
        if ids:
            kept = await _wipe(connection, ids, otp_seconds)
            await connection.execute(sql("texts.forget"), [message_id for message_id in ids if message_id not in kept])
    return len(ids) == BATCH


async def _wipe(connection: Connection, ids: list[int], otp_seconds: float) -> set[int]:
    """Wipe those of these texts that are due; returns which are to be looked at again."""
    rows = await connection.fetch(sql("texts.wipe"), ids, otp_seconds)
    wiped = {row[0] for row in rows}
    left = [message_id for message_id in ids if message_id not in wiped]
    if not left:
        return set()
    return {row[0] for row in await connection.fetch(sql("texts.look_again"), left, otp_seconds)}
