"""What is configured: read for a change, written by it, loaded by the processes that work with it.

Rows are known by name here, as a registry file names them; the statements look the numbers up. `options` hold the keys
of the file in their stored form, what JSON can hold.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

import asyncpg

from payk.domain.audit import AuditEntry
from payk.domain.hold import Hold
from payk.store.arrays import slices
from payk.store.audit import append
from payk.store.database import Connection, Database
from payk.store.errors import StoreError
from payk.store.holds import holds_in_force
from payk.store.queries import sql

__all__ = [
    "EVERY_NUMBER",
    "REGISTRY_CHANNEL",
    "ChangedCarrier",
    "ChangedKey",
    "ChangedSender",
    "ChosenLists",
    "ClientRow",
    "InForce",
    "KeyRow",
    "LinkRow",
    "OperatorRow",
    "RegistryChange",
    "RegistryRows",
    "RouteKey",
    "RouteRow",
    "SenderRow",
    "Snapshot",
    "StoredClient",
    "StoredKey",
    "StoredLink",
    "StoredOperator",
    "StoredRoute",
    "Taken",
    "add_queues",
    "announce",
    "changing",
    "note_key_use",
    "read_held",
    "read_snapshot",
    "read_taken",
    "registry_version",
    "route_number",
]

REGISTRY_CHANNEL: Final = "payk_registry"
EVERY_NUMBER: Final = "of every number"
"""What a kept change calls the route without a prefix."""
PUT_AT_ONCE: Final = 500
"""Rows that are written at a time: whatever else there is waits while they are made JSON of, some 15 us each."""


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A client and its settings."""

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SenderRow:
    """A sender name of a client: its status, reason and expires_at."""

    client: str
    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key of a client, by its SHA-256."""

    client: str
    sha256: bytes
    revoked: bool
    options: Mapping[str, Any]
    """Its label, expires_at and allow_from."""


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """An operator and its settings."""

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link of an operator; the password encrypted."""

    operator: str
    name: str
    options: Mapping[str, Any]
    password: bytes = field(repr=False)


class RouteKey(NamedTuple):
    """What a route matches, which is what it is known by; None = any. A sender is the same in any case of letters."""

    prefix: str
    client: str | None = None
    sender: str | None = None
    sms_type: int | None = None

    def folded(self) -> RouteKey:
        """The same for every spelling of the sender."""
        return self if self.sender is None else self._replace(sender=self.sender.lower())

    @property
    def conditional(self) -> bool:
        """Whether more than the number decides."""
        return self[1:] != (None, None, None)


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A route, known by what it matches; its operators by name, in order."""

    key: RouteKey
    operators: Sequence[str]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RegistryRows:
    """Rows of a part of the registry."""

    clients: list[ClientRow] = field(default_factory=list)
    senders: list[SenderRow] = field(default_factory=list)
    keys: list[KeyRow] = field(default_factory=list)
    operators: list[OperatorRow] = field(default_factory=list)
    links: list[LinkRow] = field(default_factory=list)
    routes: list[RouteRow] = field(default_factory=list)


class ChosenLists(NamedTuple):
    """What the lists of operators that messages get follow from."""

    numbers: Mapping[str, int]
    """operator_id by name."""
    routes: Sequence[tuple[tuple[int, ...], Mapping[str, Any]]]
    """Operators as written and options of every route that counts, each combination once."""
    restrictions: Sequence[Sequence[int]]
    """Every set of operators that senders are restricted to."""


class RegistryChange:
    """A change under way: inside a transaction, alone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def connection(self) -> Connection:
        """For verbs of other tables that belong to the same change."""
        return self._connection

    async def present(
        self, *, clients: Sequence[str], keys: Sequence[bytes], links: Sequence[str], routes: Sequence[RouteKey]
    ) -> RegistryRows:
        """What is there of these, the clients with all their senders; and every operator."""
        fetch = self._connection.fetch
        client_rows = await fetch(sql("registry.clients_named"), clients)
        sender_rows = await fetch(sql("registry.senders_of_clients"), clients)
        return RegistryRows(
            await asyncio.to_thread(lambda: [ClientRow(row[0], json.loads(row[1])) for row in client_rows]),
            await asyncio.to_thread(lambda: [SenderRow(row[0], row[1], json.loads(row[2])) for row in sender_rows]),
            [
                KeyRow(row["client"], row["sha256"], row["revoked"], json.loads(row["options"]))
                for row in await fetch(sql("registry.keys_given"), keys)
            ],
            [OperatorRow(row[0], json.loads(row[1])) for row in await fetch(sql("registry.all_operators"))],
            [
                LinkRow(row["operator"], row["name"], json.loads(row["options"]), row["password"])
                for row in await fetch(sql("registry.links_named"), links)
            ],
            [
                RouteRow(RouteKey(*row[:4]), row[4], json.loads(row[5]))
                for row in await fetch(sql("registry.routes_given"), _keys_as_json(routes))
            ],
        )

    async def put(self, rows: RegistryRows) -> None:
        """Make every row be as given: added where its name is new, replaced where it is known."""
        routes = [
            {**row.key._asdict(), "operators": list(row.operators), "options": row.options} for row in rows.routes
        ]
        await self._put("clients", ({"name": row.name, "options": row.options, **row.options} for row in rows.clients))
        await self._put(
            "keys",
            (
                {"client": row.client, "sha256": row.sha256.hex(), "revoked": row.revoked, **row.options}
                for row in rows.keys
            ),
        )
        await self._put("operators", ({"name": row.name, **row.options} for row in rows.operators))
        await self._put("senders", ({"client": row.client, "name": row.name, **row.options} for row in rows.senders))
        await self._put(
            "links",
            (
                {"operator": row.operator, "name": row.name, "password": row.password.hex(), "options": row.options}
                for row in rows.links
            ),
        )
        await self._put("queues", routes)
        conditional = [row.key.conditional for row in rows.routes]
        await self._put("routes", [row for row, is_so in zip(routes, conditional, strict=True) if not is_so])
        await self._put("conditional_routes", [row for row, is_so in zip(routes, conditional, strict=True) if is_so])

    async def chosen_lists(self) -> ChosenLists:
        """What the lists of operators follow from, with what was written."""
        fetch = self._connection.fetch
        return ChosenLists(
            {row[0]: row[1] for row in await fetch(sql("holds.operator_numbers"))},
            [(tuple(row[0]), json.loads(row[1])) for row in await fetch(sql("registry.lists_in_use"))],
            [row[0] for row in await fetch(sql("registry.restrictions"))],
        )

    async def add_queues(self, lists: Collection[Sequence[int]]) -> None:
        """A queue for each of these lists of operators that has none."""
        await _put_lists(self._connection, lists)

    async def _put(self, what: str, rows: Iterable[Mapping[str, Any]]) -> None:
        for part in slices(rows, PUT_AT_ONCE):
            await self._connection.execute(sql(f"registry.put_{what}"), json.dumps(part))

    async def senders_in_use(self, senders: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Which of these (client, name) were used within a day, to the quarter of an hour."""
        given = json.dumps([{"client": client, "name": name} for client, name in senders])
        return [(row[0], row[1]) for row in await self._connection.fetch(sql("registry.senders_in_use"), given)]

    async def operators_of_senders(self, senders: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
        """By these (client, name), the operators that routes in force lead their messages to: (client, name, one)."""
        given = json.dumps([{"client": client, "name": name} for client, name in senders])
        found = await self._connection.fetch(sql("registry.operators_of_senders"), given)
        return [(row[0], row[1], row[2]) for row in found]

    async def operators_that_carry(self) -> frozenset[str]:
        """Those that are given messages: enabled, not drained, with a link that is so too."""
        return frozenset(row[0] for row in await self._connection.fetch(sql("registry.operators_that_carry")))

    async def routes_carried_by_none(self, lost: Sequence[str], carriers: Sequence[str]) -> list[RouteKey]:
        """The routes that are enabled with an operator of `lost`, and without one of `carriers`."""
        found = await self._connection.fetch(sql("registry.routes_carried_by_none"), lost, carriers)
        return [RouteKey(*row) for row in found]

    async def any_route_left(self, carriers: Sequence[str] | None) -> bool:
        """Whether any route is enabled, and has one of these operators; None: whichever it has."""
        return bool(await self._connection.fetchval(sql("registry.any_route_left"), carriers))

    async def clients_without_routes(self, routes: Sequence[RouteKey], carriers: Sequence[str] | None) -> list[str]:
        """The clients that sent messages within a day which these routes match, and which no route that is enabled and
        has one of `carriers` would take; None: whichever it has."""
        found = await self._connection.fetch(sql("registry.clients_without_routes"), _keys_as_json(routes), carriers)
        return [row[0] for row in found]

    async def operators_with_queues(self, operators: Sequence[str]) -> list[str]:
        """Which of these have messages that wait, or are scheduled, while no operator of their queue carries."""
        return [row[0] for row in await self._connection.fetch(sql("registry.operators_with_queues"), operators)]

    async def clients_with_batch_for_later(self, clients: Sequence[str]) -> list[str]:
        """Which of these have Batch that waits for its time and was not tried yet."""
        found = await self._connection.fetch(sql("registry.clients_with_batch_for_later"), clients)
        return [row[0] for row in found]

    async def record(self, author: str, difference: Mapping[str, Any]) -> int:
        """Keep who changed what; returns the new version."""
        return int(
            await self._connection.fetchval(
                sql("registry.record"), author, await asyncio.to_thread(_lines_as_json, difference)
            )
        )

    async def audit(self, entries: Iterable[AuditEntry]) -> None:
        """Add to the audit log; the last thing that a change does."""
        await append(self._connection, entries)

    async def undo(self) -> None:
        """Take back everything that was written."""
        await self._connection.execute("rollback to savepoint change")


def _lines_as_json(difference: Mapping[str, Sequence[Any]]) -> str:
    """Line by line: a dump of the whole does not let go of the interpreter before it is done, in a thread either."""
    kept = (f"{json.dumps(name)}: [{', '.join(map(json.dumps, lines))}]" for name, lines in difference.items())
    return f"{{{', '.join(kept)}}}"


def _keys_as_json(routes: Sequence[RouteKey]) -> str:
    return json.dumps([key._asdict() for key in routes])


@asynccontextmanager
async def changing(db: Database, timeout: float = 60.0) -> AsyncIterator[RegistryChange]:
    """A change of the registry; another one waits until this is committed, which leaving the context does.

    Raises StoreUnavailable, StoreRefused (nothing was changed) and OutcomeUnknown.
    """
    async with db.transaction(timeout) as connection:
        await connection.execute(sql("registry.lock"))
        await connection.execute("savepoint change")
        yield RegistryChange(connection)


async def announce(db: Database, version: int) -> None:
    """Tell the processes that follow; they look for themselves as well, so a database that is away loses nothing."""
    try:
        async with db.connection(timeout=2.0) as connection:
            await connection.execute(sql("registry.announce"), REGISTRY_CHANNEL, str(version))
    except StoreError:
        pass


class InForce(NamedTuple):
    """What is in force: the version, and whether any number is blocked, which is no part of it."""

    version: int
    block_list: bool


async def registry_version(db: Database, *, timeout: float = 2.0) -> InForce:
    """What is in force."""
    async with db.connection(timeout) as connection:
        [row] = await connection.fetch(sql("registry.in_force"))
        return InForce(*row)


async def add_queues(
    db: Database, lists: Collection[Sequence[int]], *, timeout: float = 5.0
) -> dict[int, tuple[int, ...]]:
    """A queue for each of these lists of operators that has none; answers all queues, as Snapshot has them."""
    async with db.transaction(timeout) as connection:
        await connection.execute(sql("registry.lock"))  # a change under way adds queues too
        await _put_lists(connection, lists)
        return await _load_queues(connection)


async def _put_lists(connection: Connection, lists: Collection[Sequence[int]]) -> None:
    await connection.execute(sql("registry.put_lists"), json.dumps(sorted(map(list, lists))))


async def _load_queues(connection: Connection) -> dict[int, tuple[int, ...]]:
    return {row[0]: tuple(row[1]) for row in await connection.fetch(sql("registry.load_queues"))}


async def route_number(db: Database, key: RouteKey, *, timeout: float = 5.0) -> int:
    """The number of a route; 0 where there is none that matches just this."""
    async with db.connection(timeout) as connection:
        row = await connection.fetchrow(sql("registry.routes_given"), _keys_as_json([key]))
    return 0 if row is None else int(row["route_id"])


async def note_key_use(db: Database, key_ids: Sequence[int], *, timeout: float = 5.0) -> None:
    """Keys that were used just now, sorted."""
    async with db.connection(timeout) as connection:
        await connection.execute(sql("registry.note_key_use"), key_ids)


class StoredClient(NamedTuple):
    """A client, its settings as JSON text, its approved senders, when each of them ends and who carries it.

    `sender_operators`: by sender as JSON text, of those alone that not all operators carry; None where all do.
    """

    client_id: int
    name: str
    options: str
    senders: list[str]
    sender_expiry: list[datetime | None]
    sender_operators: str | None


class StoredKey(NamedTuple):
    """An API key that was not revoked."""

    sha256: bytes
    key_id: int
    client_id: int
    expires_at: datetime | None
    allow_from: list[str]


class StoredOperator(NamedTuple):
    """An operator."""

    operator_id: int
    name: str
    enabled: bool
    draining: bool
    health: bool
    health_refused: float
    health_receipts: float
    health_delay: int


class StoredLink(NamedTuple):
    """A link, its settings as JSON text."""

    link_id: int
    operator_id: int
    name: str
    password: bytes
    options: str


class StoredRoute(NamedTuple):
    """A route."""

    route_id: int
    prefix: str
    client_id: int | None
    sender: str | None
    sms_type: int | None
    queue_id: int
    enabled: bool
    options: str


class ChangedKey(NamedTuple):
    """An API key that was changed, as it is now."""

    stored: StoredKey
    revoked: bool


class ChangedSender(NamedTuple):
    """A sender that was changed, as it is now; `enabled` = approved."""

    client_id: int
    name: str
    enabled: bool
    expires_at: datetime | None


class ChangedCarrier(NamedTuple):
    """An operator, a link or a route that was changed, as it is now; of routes those that are disabled."""

    kind: Literal["operator", "link", "route"]
    number: int
    enabled: bool
    draining: bool
    draining_alone: bool
    """Nothing else of it was changed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What may have been taken away since a version: few rows, however large the registry is."""

    keys: Sequence[ChangedKey]
    clients: Sequence[int]
    """Those that are disabled now."""
    senders: Sequence[ChangedSender]
    carriers: Sequence[ChangedCarrier]
    holds: Sequence[Hold]
    """All that stand."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole registry at one version."""

    version: int
    clients: Sequence[StoredClient]
    keys: Sequence[StoredKey]
    operators: Sequence[StoredOperator]
    links: Sequence[StoredLink]
    queues: Mapping[int, tuple[int, ...]]
    """queue_id -> operators in order."""
    routes: Sequence[StoredRoute]
    holds: Sequence[Hold]
    block_list: bool
    """Whether any number is blocked."""


async def read_snapshot(db: Database, *, timeout: float = 30.0) -> Snapshot:
    """The whole registry as of one instant."""
    async with db.transaction(timeout) as connection:
        fetch = connection.fetch
        await connection.execute(sql("registry.snapshot"))
        return Snapshot(
            int(await connection.fetchval(sql("registry.version"))),
            [StoredClient(*row) for row in await fetch(sql("registry.load_clients"))],
            [StoredKey(*row) for row in await fetch(sql("registry.load_keys"))],
            [StoredOperator(*row) for row in await fetch(sql("registry.load_operators"))],
            [StoredLink(*row) for row in await fetch(sql("registry.load_links"))],
            await _load_queues(connection),
            [StoredRoute(*row) for row in await fetch(sql("registry.load_routes"))],
            await holds_in_force(connection),
            bool(await connection.fetchval(sql("blocked.are_any"))),
        )


async def read_held(db: Database, since: int, upto: int, *, timeout: float = 2.0) -> list[Hold] | None:
    """The holds that stand, where the changes after version `since` and up to `upto` were of holds alone; else None.

    They are as they stand now: a change after `upto` may be in them.
    """
    async with db.connection(timeout) as connection:
        if not await connection.fetchval(sql("registry.holds_alone"), since, upto):
            return None
        return await holds_in_force(connection)


async def read_taken(db: Database, since: int, *, timeout: float = 2.0) -> Taken:
    """What the changes after version `since` may have taken away, as it is now."""
    async with db.connection(timeout) as connection:
        rows = await connection.fetch(sql("registry.taken_away"), since, EVERY_NUMBER)
        holds = await holds_in_force(connection)
    by_kind: dict[str, list[asyncpg.Record]] = {}
    for row in rows:
        by_kind.setdefault(row["kind"], []).append(row)
    return Taken(
        [
            ChangedKey(
                StoredKey(row["sha256"], row["number"], row["client_id"], row["expires_at"], row["allow_from"]),
                revoked=not row["enabled"],
            )
            for row in by_kind.get("api key", ())
        ],
        [row["number"] for row in by_kind.get("client", ())],
        [
            ChangedSender(row["client_id"], row["name"], row["enabled"], row["expires_at"])
            for row in by_kind.get("sender", ())
        ],
        [ChangedCarrier(*row[:5]) for kind in ("operator", "link", "route") for row in by_kind.get(kind, ())],
        holds,
    )
