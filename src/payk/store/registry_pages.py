"""What is configured, a page at a time: for those who look at it, not for those who work with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from payk.store.database import Connection, Database, Readable
from payk.store.queries import sql

__all__ = [
    "StoredChange",
    "StoredResource",
    "TrafficChange",
    "changes_since",
    "newest_key",
    "page_of_changes",
    "page_of_clients",
    "page_of_keys",
    "page_of_links",
    "page_of_operators",
    "page_of_routes",
    "page_of_senders",
    "sealed_passwords",
    "traffic_changes",
]

_NO_VERSION = 2**62


@dataclass(frozen=True, slots=True)
class StoredResource:
    """One thing that is configured: what it is known by, its settings, and what is known of it besides.

    `name` of a key is its SHA-256 in hex, that of a route its prefix. `next` is where the page after it begins.
    """

    name: str
    options: Mapping[str, Any]
    facts: Mapping[str, Any]
    next: str


class StoredChange(NamedTuple):
    """A change of the registry."""

    version: int
    changed_at: datetime
    author: str
    difference: Mapping[str, Any]


class TrafficChange(NamedTuple):
    """What a change did to traffic."""

    what: Literal["hold", "cancel", "release"]
    hold_id: int
    stands: bool
    """Whether that hold, or cancel, is in force now."""


async def _page(db: Readable, query: str, *values: object) -> list[StoredResource]:
    async with db.connection() as connection:
        rows = await connection.fetch(sql(f"registry_pages.{query}"), *values)
    return [_resource(row) for row in rows]


def _resource(row: Any) -> StoredResource:
    return StoredResource(row[0], json.loads(row[1]), json.loads(row[2]), row[3])


async def page_of_clients(
    db: Readable, limit: int, *, after: str = "", part: str = "", only: str | None = None
) -> list[StoredResource]:
    """Clients by name."""
    return await _page(db, "clients", after, part, limit, only)


async def page_of_keys(
    db: Readable, limit: int, *, after: int = 0, client: str | None = None, only: int | None = None
) -> list[StoredResource]:
    """API keys by number, the revoked ones too."""
    return await _page(db, "keys", after, client, limit, only)


async def newest_key(connection: Connection, client: str, fingerprint: str) -> StoredResource:
    """The newest of the keys of a client whose SHA-256 begins with `fingerprint`, in the caller's transaction."""
    number = await connection.fetchval(sql("registry_pages.newest_key"), client, fingerprint)
    [row] = await connection.fetch(sql("registry_pages.keys"), number - 1, client, 1, number)
    return _resource(row)


async def page_of_senders(
    db: Readable,
    limit: int,
    *,
    after: Sequence[str] = ("", ""),
    client: str | None = None,
    status: str = "",
    only: str | None = None,
) -> list[StoredResource]:
    """Senders by client and name."""
    return await _page(db, "senders", *after, client, status, limit, only)


async def page_of_operators(
    db: Readable, limit: int, *, after: str = "", only: str | None = None
) -> list[StoredResource]:
    """Operators by name."""
    return await _page(db, "operators", after, limit, only)


async def page_of_links(
    db: Readable, limit: int, *, after: str = "", operator: str | None = None, only: str | None = None
) -> list[StoredResource]:
    """Links by name; their passwords stay where they are."""
    return await _page(db, "links", after, operator, limit, only)


async def page_of_routes(db: Readable, limit: int, *, after: int = 0, only: int | None = None) -> list[StoredResource]:
    """Routes by number."""
    return await _page(db, "routes", after, limit, only)


async def page_of_changes(
    db: Database, limit: int, *, before: int | None = None, only: int | None = None
) -> list[StoredChange]:
    """Changes, newest first."""
    async with db.connection() as connection:
        rows = await connection.fetch(
            sql("registry_pages.changes"), _NO_VERSION if before is None else before, limit, only
        )
    return [_change(row) for row in rows]


def _change(row: Any) -> StoredChange:
    return StoredChange(row[0], row[1], row[2], json.loads(row[3]))


async def changes_since(db: Database, version: int, limit: int) -> list[StoredChange]:
    """Changes of settings from `version` on, newest first: those of traffic are left out."""
    async with db.connection() as connection:
        rows = await connection.fetch(sql("registry_pages.changes_since"), version, limit)
    return [_change(row) for row in rows]


async def traffic_changes(db: Database, version: int, *, only: bool = False) -> list[TrafficChange]:
    """What was held, cancelled and released from `version` on, or by that change alone, oldest first."""
    last = version if only else _NO_VERSION
    async with db.connection() as connection:
        return [
            TrafficChange(*row) for row in await connection.fetch(sql("registry_pages.traffic_changes"), version, last)
        ]


async def sealed_passwords(db: Readable) -> dict[str, bytes]:
    """The password of every link by its name, encrypted."""
    async with db.connection() as connection:
        return {row[0]: row[1] for row in await connection.fetch(sql("registry_pages.passwords"))}
