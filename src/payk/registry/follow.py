"""The directory of this process: loaded whole, and followed as it changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, TypeVar

from payk.domain.account import Client
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.hold import Holds
from payk.domain.limits import NO_LIMITS, Limits
from payk.domain.message import SmsType
from payk.domain.operator import Link, Operator
from payk.domain.route import Carriers, Route, RouteTable, lists_drawn
from payk.logs import get_logger
from payk.metrics.catalogue import REGISTRY_NOT_UNDERSTOOD
from payk.metrics.family import Readings
from payk.registry.drawing import carriers_of
from payk.registry.errors import DirectoryError
from payk.registry.key import Key, Option
from payk.registry.limit_options import LIMITS
from payk.registry.options import CLIENT, LINK, ROUTE
from payk.registry.taken import key_of, without
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.listening import listen
from payk.store.registry import (
    REGISTRY_CHANNEL,
    Snapshot,
    StoredClient,
    StoredLink,
    StoredRoute,
    add_queues,
    read_held,
    read_snapshot,
    read_taken,
    registry_version,
)

__all__ = ["Follower", "load"]

POLL: Final = 0.5
"""Seconds between two looks at the version, for announcements that were lost."""
SLICE: Final = 200
"""Rows that are built before other tasks have their turn."""

log = get_logger("registry")
Row = TypeVar("Row")


async def load(db: Database) -> Directory:
    """The registry as of now. Raises StoreError, and DirectoryError where a row cannot be understood."""
    snapshot = await read_snapshot(db)
    clients = {row.client_id: _client(row) async for row in _in_turn(snapshot.clients)}
    keys = {row.sha256: key_of(row) async for row in _in_turn(snapshot.keys)}
    links: dict[int, list[Link]] = {}
    async for row in _in_turn(snapshot.links):
        links.setdefault(row.operator_id, []).append(_link(row))
    operators = {
        row.operator_id: Operator(*row, links=tuple(links.get(row.operator_id, ()))) for row in snapshot.operators
    }
    ways = await _ways(snapshot)
    restrictions = {allowed for client in clients.values() for allowed in client.sender_operators.values()}
    needed = lists_drawn({way for row, way in zip(snapshot.routes, ways, strict=True) if row.enabled}, restrictions)
    queues = snapshot.queues
    if missing := needed.difference(queues.values()):
        queues = await add_queues(db, missing)
    queue_of = {operators: queue_id for queue_id, operators in queues.items()}
    rows = [*zip(snapshot.routes, ways, strict=True)]
    routes = [_route(row, *way, queue_of) async for row, way in _in_turn(rows)]
    return Directory(
        snapshot.version,
        clients,
        keys,
        operators,
        RouteTable(routes),
        queues,
        Holds(snapshot.holds),
        snapshot.block_list,
    )


class Follower:
    """Keeps `current` at the version that the database has.

    What is taken away (keys, clients, senders, operators, links, routes), drained or held is in force first, however
    large the registry is and even where the rest of it cannot be understood. While the database is away the last known
    directory stays in force. `on_change` is called with each directory that was loaded, after it came into force.

    Changes of holds alone load nothing: clients pause and resume their own traffic as often as they like.
    """

    def __init__(self, db: Database, current: CurrentDirectory) -> None:
        self.on_change: list[Callable[[Directory], None]] = []
        self._db = db
        self._current = current
        self._announced = asyncio.Event()
        self._base = current.value
        """As it was loaded; what is in force is this without what was taken away since."""
        self._followed = current.value.version
        """What was taken away up to this version is not in force."""
        self._loading = False
        self._loaded: Directory | None = None
        """A directory that is not in force yet."""
        self._not_understood: int | None = None
        self._not_loaded: int | None = None
        """A version that could not be read; it is tried again."""

    def warnings(self) -> list[str]:
        """What is worth knowing of this process: that it cannot follow the registry."""
        if self._not_understood is not None:
            why = f"version {self._not_understood} of the registry is not known to this Payk"
        elif self._not_loaded is not None:
            why = f"version {self._not_loaded} of the registry could not be read yet by this Payk"
        else:
            return []
        taken = f"without what was taken away up to version {self._followed}"
        return [f"{why}, which works by version {self._base.version}, {taken}; its log says why"]

    def figures(self) -> Readings:
        """The same as a figure."""
        return {REGISTRY_NOT_UNDERSTOOD: {(): bool(self.warnings())}}

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="registry-listen")
            group.create_task(self._poll(group), name="registry-poll")

    async def _listen(self) -> None:
        await listen(self._db, REGISTRY_CHANNEL, lambda _: self._announced.set(), self._announced.set)

    async def _poll(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._announced.clear()
            with suppress(StoreError):  # away: what is known stays in force
                version, block_list = await registry_version(self._db)
                if block_list is not self._current.value.block_list:
                    self._current.value = replace(self._current.value, block_list=block_list)
                try:
                    await self._follow(version)
                except StoreError as error:  # too much for a look: the whole, which has longer, says it too
                    log.warning("what was taken away could not be read", version=version, error=str(error))
                if not self._loading and version not in (self._base.version, self._not_understood):
                    self._loading = True
                    group.create_task(self._load(version), name="registry-load")
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._announced.wait()

    async def _load(self, version: int) -> None:
        """Beside the looks, which go on: more may be taken away meanwhile."""
        try:
            self._loaded = await load(self._db)
            self._announced.set()
        except StoreError as error:  # the next look begins anew
            log.warning("registry could not be loaded", version=version, error=str(error))
            self._not_loaded = version
        except DirectoryError as error:
            log.error("registry_not_understood", version=version, kept=self._base.version, error=str(error))
            self._not_understood = version
        finally:
            self._loading = False

    async def _follow(self, version: int) -> None:
        """Put into force what was loaded, and what was taken away up to `version`, which was looked up after that."""
        loaded = self._loaded
        if loaded is None and version == self._followed:
            return
        base = await self._with_holds(loaded or self._base, version)
        directory = base if base.version >= version else without(base, await read_taken(self._db, base.version))
        block_list = self._current.value.block_list
        self._current.value = (
            directory if directory.block_list is block_list else replace(directory, block_list=block_list)
        )
        self._base, self._followed = base, version
        if loaded is not None or base.version == version:
            self._not_understood = self._not_loaded = None
        if loaded is not None:
            self._loaded = None
            log.info("registry_changed", version=loaded.version)
            for tell in self.on_change:
                tell(self._current.value)

    async def _with_holds(self, base: Directory, version: int) -> Directory:
        """`base` at `version`, where nothing but holds was changed since; else as it is."""
        if base.version >= version:
            return base
        held = await read_held(self._db, base.version, version)
        return base if held is None else replace(base, version=version, holds=Holds(held))


async def _in_turn(rows: Sequence[Row]) -> AsyncIterator[Row]:
    """The rows, with a pause for other tasks every few."""
    for number, row in enumerate(rows, start=1):
        yield row
        if number % SLICE == 0:
            await asyncio.sleep(0)


def _client(row: StoredClient) -> Client:
    options, limits = _client_options(row.name, row.options)
    endings = zip(row.senders, row.sender_expiry, strict=True)
    return Client(
        client_id=row.client_id,
        name=row.name,
        senders={name.casefold(): name for name in row.senders},
        sender_expiry={name.casefold(): ends for name, ends in endings if ends is not None},
        sender_operators=_sender_operators(row.sender_operators) if row.sender_operators else {},
        limits=limits,
        **options,
    )


def _sender_operators(stored: str) -> dict[str, frozenset[int]]:
    return {name.casefold(): frozenset(operators) for name, operators in json.loads(stored).items()}


def _client_options(name: str, options: str) -> tuple[Mapping[str, Any], Limits]:
    """Most clients of a large centre are set alike: what one text says is made out once."""
    try:
        return _alike(options)
    except DirectoryError as error:
        raise DirectoryError(f"client {name}: {error}") from error


@lru_cache(maxsize=1_024)
def _alike(options: str) -> tuple[Mapping[str, Any], Limits]:
    found = _decoded(CLIENT, options)
    limits = Limits(**{name: found.pop(name) for name in LIMITS})
    return found, NO_LIMITS if limits == NO_LIMITS else limits


def _link(row: StoredLink) -> Link:
    try:
        options = _decoded(LINK, row.options)
    except DirectoryError as error:
        raise DirectoryError(f"link {row.name}: {error}") from error
    return Link(link_id=row.link_id, operator_id=row.operator_id, name=row.name, password=row.password, **options)


async def _ways(snapshot: Snapshot) -> list[Carriers]:
    """How each route draws its operators."""
    numbers = {operator.name: operator.operator_id for operator in snapshot.operators}
    return [
        carriers_of(snapshot.queues[row.queue_id], _route_options(row.options), numbers)
        async for row in _in_turn(snapshot.routes)
    ]


def _route(
    row: StoredRoute, operators: tuple[int, ...], weights: tuple[int, ...], queue_of: Mapping[tuple[int, ...], int]
) -> Route:
    return Route(
        row.route_id,
        row.prefix,
        operators,
        queue_of.get(operators, row.queue_id),
        row.enabled,
        _route_options(row.options)["price"],
        row.client_id,
        None if row.sender is None else row.sender.casefold(),
        None if row.sms_type is None else SmsType(row.sms_type),
        weights,
    )


@lru_cache(maxsize=1_024)
def _route_options(options: str) -> Mapping[str, Any]:
    return _decoded(ROUTE, options)


def _decoded(keys: Mapping[str, Key], options: str) -> dict[str, Any]:
    """Options in the words of the domain; what this Payk does not know is left out, what is missing has its default."""
    stored = json.loads(options)
    found = {}
    for name, key in keys.items():
        if isinstance(key, Option):
            value = stored.get(name, key.default)
            try:
                found[name] = key.decode(value)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DirectoryError(f"{name} {value!r} is not known to this Payk") from error
    return found
