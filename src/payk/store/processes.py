"""Rows of incarnations, and the leases of binds and duties that live and lapse with them (payk.store.incarnation)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from payk.store.arrays import columns
from payk.store.database import Database
from payk.store.queries import sql

__all__ = [
    "Beat",
    "BindNote",
    "Heartbeat",
    "HeldBind",
    "beats",
    "end_dead",
    "end_process",
    "end_silent",
    "heartbeat",
    "held_binds",
    "is_registered",
    "lease_binds",
    "lease_duty",
    "links_up",
    "live_roles",
    "note_binds",
    "register",
    "release_binds",
]

Bind = tuple[int, int]
"""link_id and number of a bind."""


@dataclass(frozen=True, slots=True)
class HeldBind:
    """A leased bind; `leased` counts the leased binds of its link over all processes."""

    link_id: int
    number: int
    leased: int


@dataclass(frozen=True, slots=True)
class BindNote:
    """How a leased bind stands, for everybody to see."""

    bound: bool
    waiting_for: str | None
    """What keeps it from being bound."""
    last_error: str | None
    """Why it came down or was refused last."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The last heartbeat of an incarnation; `at`, by the database's clock, only tells one heartbeat from the next."""

    incarnation: int
    at: datetime
    host: str
    pid: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a heartbeat found: its number, the database's line of history, and whether that is known (continuity)."""

    beats: int
    line: str
    known: bool


async def register(
    db: Database, *, host: str, pid: int, roles: Collection[str], key_ids: Collection[bytes] = ()
) -> int:
    """Begin an incarnation, which has the secret keys with these ids; returns its number."""
    async with db.connection() as connection:
        return int(await connection.fetchval(sql("processes.register"), host, pid, sorted(roles), list(key_ids)))


async def heartbeat(
    db: Database, incarnation: int, *, timeout: float, warnings: Sequence[str] = ()
) -> Heartbeat | None:
    """Say that it is alive, and what is wrong with it; None when it was ended, or is not known."""
    async with db.connection(timeout) as connection:
        row = await connection.fetchrow(sql("processes.heartbeat"), incarnation, list(warnings))
    return None if row is None else Heartbeat(*row)


async def is_registered(db: Database, incarnation: int) -> bool:
    """Whether the database knows of it, ended or not."""
    async with db.connection() as connection:
        return bool(await connection.fetchval(sql("processes.is_registered"), incarnation))


async def end_process(db: Database, incarnation: int) -> None:
    """End an incarnation that stops by itself."""
    async with db.connection(timeout=3.0) as connection:
        await connection.execute(sql("processes.end_process"), incarnation)


async def beats(db: Database, *, timeout: float) -> list[Beat]:
    """The last heartbeats of all incarnations that have not ended."""
    async with db.connection(timeout) as connection:
        return [Beat(*row) for row in await connection.fetch(sql("processes.beats"))]


async def end_silent(db: Database, silent: Sequence[Beat], *, timeout: float) -> list[Beat]:
    """End those of `silent` (at least one) that have not beaten since. What they held is free from then on."""
    rows = columns([(beat.incarnation, beat.at) for beat in silent])
    async with db.connection(timeout) as connection:
        ended = {row["incarnation"] for row in await connection.fetch(sql("processes.end_silent"), *rows)}
    return [beat for beat in silent if beat.incarnation in ended]


async def end_dead(db: Database, incarnations: Collection[int]) -> None:
    """End incarnations whose processes are known to be gone."""
    async with db.connection() as connection:
        await connection.execute(sql("processes.end_dead"), list(incarnations))


async def lease_binds(db: Database, incarnation: int, binds: Iterable[Bind]) -> None:
    """Take those of `binds` that nobody alive holds."""
    wanted = sorted(binds)
    async with db.connection() as connection:
        await connection.execute(
            sql("processes.lease_binds"), incarnation, [bind[0] for bind in wanted], [bind[1] for bind in wanted]
        )


async def held_binds(db: Database, incarnation: int) -> list[HeldBind]:
    """The binds this incarnation holds."""
    async with db.connection() as connection:
        return [HeldBind(*row) for row in await connection.fetch(sql("processes.held_binds"), incarnation)]


async def release_binds(db: Database, incarnation: int, binds: Iterable[Bind]) -> None:
    """Give back leases of binds that are unbound."""
    given = sorted(binds)
    async with db.connection() as connection:
        await connection.execute(
            sql("processes.release_binds"), incarnation, [bind[0] for bind in given], [bind[1] for bind in given]
        )


async def note_binds(db: Database, incarnation: int, notes: Mapping[Bind, BindNote]) -> None:
    """Say how leased binds stand, so that every dispatcher knows which links are up, and everybody what is not."""
    rows = [(*bind, note.bound, note.waiting_for, note.last_error) for bind, note in sorted(notes.items())]
    async with db.connection() as connection:
        await connection.execute(sql("processes.note_binds"), incarnation, *columns(rows))


async def links_up(db: Database) -> frozenset[int]:
    """The links that some live process is bound to."""
    async with db.connection() as connection:
        return frozenset(row[0] for row in await connection.fetch(sql("processes.links_up")))


async def lease_duty(db: Database, incarnation: int, duty: str) -> bool:
    """Whether this incarnation holds the duty, taking it where nobody alive does."""
    async with db.connection() as connection:
        return await connection.fetchval(sql("processes.lease_duty"), incarnation, duty) is not None


async def live_roles(db: Database) -> frozenset[str]:
    """The roles that some live process has."""
    async with db.connection(timeout=2.0) as connection:
        return frozenset(row["role"] for row in await connection.fetch(sql("processes.live_roles")))
