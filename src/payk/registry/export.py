"""The whole registry as a file of `payk apply`: applied where it came from it changes nothing.

Keys stand in it as their digests, passwords encrypted under PAYK_SECRET_KEY, each for the link that it is of; what is
as it would be anyway is left out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import tomli_w

from payk.registry.errors import SecretError
from payk.registry.options import DEFAULTS
from payk.registry.resource import Resource, password_place, resource_of, written
from payk.registry.secrets import SecretBox
from payk.store.database import Database, Readable
from payk.store.registry_pages import (
    StoredResource,
    page_of_clients,
    page_of_keys,
    page_of_links,
    page_of_operators,
    page_of_routes,
    page_of_senders,
    sealed_passwords,
)

__all__ = ["export", "export_document"]

PAGE: Final = 1_000
At = TypeVar("At")


async def export(db: Database, secret_box: SecretBox) -> str:
    """The registry as TOML."""
    rows = await _read(db)
    return await asyncio.to_thread(lambda: tomli_w.dumps(_document(rows, secret_box)))


async def export_document(db: Database, secret_box: SecretBox) -> dict[str, list[dict[str, Any]]]:
    """The registry in the form of the TOML file."""
    rows = await _read(db)
    return await asyncio.to_thread(_document, rows, secret_box)


@dataclass(frozen=True, slots=True)
class _Rows:
    """All that is configured, as it is stored."""

    keys: list[StoredResource]
    senders: list[StoredResource]
    links: list[StoredResource]
    passwords: dict[str, bytes]
    clients: list[StoredResource]
    operators: list[StoredResource]
    routes: list[StoredResource]


async def _read(db: Database) -> _Rows:
    """All of one moment: what is changed meanwhile would stand in it by half."""
    async with db.snapshot() as snapshot:
        return await _read_all(snapshot)


async def _read_all(db: Readable) -> _Rows:
    return _Rows(
        keys=await _all(lambda after: page_of_keys(db, PAGE, after=after), 0, int),
        senders=await _all(lambda after: page_of_senders(db, PAGE, after=after), ("", ""), _pair),
        links=await _all(lambda after: page_of_links(db, PAGE, after=after), "", str),
        passwords=await sealed_passwords(db),
        clients=await _all(lambda after: page_of_clients(db, PAGE, after=after), "", str),
        operators=await _all(lambda after: page_of_operators(db, PAGE, after=after), "", str),
        routes=await _all(lambda after: page_of_routes(db, PAGE, after=after), 0, int),
    )


def _document(rows: _Rows, secret_box: SecretBox) -> dict[str, list[dict[str, Any]]]:
    """The work of seconds where clients are many: nothing of it belongs on the event loop."""
    keys = _by(rows.keys, "client.key", "client")
    senders = _by(rows.senders, "client.sender", "client")
    links = _by(rows.links, "operator.link", "operator")
    return {
        "client": [
            _client(resource_of("client", row), senders.get(row.name, []), keys.get(row.name, []))
            for row in rows.clients
        ],
        "operator": [
            {
                "name": row.name,
                **_beyond_defaults(resource_of("operator", row)),
                "link": [
                    {
                        "name": link.name,
                        "password": {"sealed": _sealed(secret_box, link, rows.passwords[link.name]).hex()},
                        **_beyond_defaults(link),
                    }
                    for link in links.get(row.name, [])
                ],
            }
            for row in rows.operators
        ],
        "route": [{"prefix": row.name, **_beyond_defaults(resource_of("route", row))} for row in rows.routes],
    }


def _sealed(secret_box: SecretBox, link: Resource, stored: bytes) -> bytes:
    """Its password, sealed for where it goes: whoever has the file cannot have it sent to anywhere else."""
    try:
        return secret_box.seal_for(password_place(link.settings), secret_box.open(stored))
    except SecretError:  # sealed under a key that is gone; applied, it is told
        return stored


def _pair(following: str) -> tuple[str, str]:
    client, name = json.loads(following)
    return client, name


async def _all(
    page: Callable[[At], Awaitable[list[StoredResource]]], first: At, after: Callable[[str], At]
) -> list[StoredResource]:
    rows = await page(first)
    while len(rows) % PAGE == 0 and rows:
        more = await page(after(rows[-1].next))
        if not more:
            break
        rows += more
    return rows


def _by(rows: list[StoredResource], heading: str, fact: str) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for row in rows:
        found.setdefault(row.facts[fact], []).append(resource_of(heading, row))
    return found


def _client(client: Resource, senders: list[Resource], keys: list[Resource]) -> dict[str, Any]:
    plain = [sender.name for sender in senders if not _beyond_defaults(sender)]
    apart = [{"name": sender.name, **_beyond_defaults(sender)} for sender in senders if _beyond_defaults(sender)]
    return {
        "name": client.name,
        **_beyond_defaults(client),
        "senders": plain,
        **({"sender": apart} if apart else {}),
        **({"key": [{"sha256": key.name, **_beyond_defaults(key)} for key in keys]} if keys else {}),
    }


def _beyond_defaults(resource: Resource) -> Mapping[str, Any]:
    defaults = {**DEFAULTS[resource.heading], "revoked": False}
    return {
        name: value
        for name, value in written(resource.heading, resource.settings).items()
        if value is not None and resource.settings[name] != defaults.get(name)
    }
