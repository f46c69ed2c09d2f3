"""Continuity: whether the database is still the one that this process wrote to.

A standby that is promoted, or a backup that is restored, begins a new line of history. It may lack what was committed
last: ids that clients were given, submits that operators took. So on a line that is not known no id is given away and
nothing is claimed (`line_is_known()` in the queries). How a line becomes known:

1. Every process that lived on the line before looks for its own last commits: messages it took in, outcomes it
   recorded, claims it holds, its heartbeats. Commits reach a standby in order, so the last ones stand for all.
2. It found them all: it vouches for the line. When every such process has, the line is known, and all goes on.
3. Something is missing, or no process lived through it: the line stays unknown until somebody runs `payk recover`.

This is about histories that lose commits. A server that crashed and recovered goes on with the line it had.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payk.store.arrays import columns
from payk.store.database import Database
from payk.store.last_commits import LastCommits
from payk.store.queries import sql

__all__ = ["History", "find_missing", "look", "mark_lost", "recognise", "vouch"]


@dataclass(frozen=True, slots=True)
class History:
    """The line of history that the server writes, and the one that messages are sent on."""

    line: str
    known_line: str
    since: datetime
    """When the known line became known."""
    lost_what: str | None
    """What a process missed on the present line."""
    highest_id: int | None
    """The highest id that such a process had given away."""

    @property
    def known(self) -> bool:
        """Whether messages are taken and sent."""
        return self.line == self.known_line

    @property
    def why_held(self) -> str | None:
        """One line for people, None where nothing is held."""
        if self.known:
            return None
        reason = self.lost_what or "no process has found its last commits on it"
        return f"the database was restored or lost commits ({reason}): nothing is taken or sent until `payk recover`"


async def look(db: Database) -> History:
    """Where the database stands."""
    async with db.connection(timeout=2.0) as connection:
        [row] = await connection.fetch(sql("continuity.look"))
    return History(row["line"], row["known_line"], row["since"], row["lost_what"], row["highest_id"])


async def find_missing(db: Database, incarnation: int, last: LastCommits) -> str | None:
    """What this process wrote and does not find, in words; None where all is there."""
    async with db.connection() as connection:
        messages = await connection.fetch(sql("continuity.missing_messages"), list(last.messages))
        outcomes = (
            await connection.fetch(sql("continuity.missing_outcomes"), *columns(last.outcomes)) if last.outcomes else []
        )
        held = list(last.claims())
        claims = await connection.fetch(sql("continuity.missing_claims"), incarnation, held) if held else []
    still_held = set(last.claims())  # of the others the outcomes were recorded meanwhile
    missing = {
        "messages taken in": len(messages),
        "outcomes": len(outcomes),
        "claims": sum(row[0] in still_held for row in claims),
    }
    told = [f"{count} of the last {what}" for what, count in missing.items() if count]
    return f"{' and '.join(told)} are missing" if told else None


async def vouch(db: Database, incarnation: int, line: str) -> None:
    """Say that this process found on `line` all that it had written."""
    async with db.connection() as connection:
        await connection.execute(sql("continuity.vouch"), incarnation, line)


async def mark_lost(db: Database, line: str, what: str, highest_id: int | None) -> None:
    """Say that something is missing on `line`: it stays unknown until `payk recover`."""
    async with db.connection() as connection:
        await connection.execute(sql("continuity.mark_lost"), line, what, highest_id)


async def recognise(db: Database) -> bool:
    """Go on if every process vouched for the present line; whether it is known from here on by this call."""
    async with db.connection() as connection:
        return await connection.fetchval(sql("continuity.recognise")) is not None
