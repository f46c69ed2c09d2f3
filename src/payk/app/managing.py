"""The management API inside a command, on the database directly: what has no server to ask is done by the same code."""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx

from payk import tracing
from payk.access import Access, Tokens, Users
from payk.app.local import local_name
from payk.app.names import load_names
from payk.app.opening import opened
from payk.app.secrets import digest_keys, unlocked
from payk.domain.access import Principal, PrincipalKind, Role
from payk.domain.directory import CurrentDirectory
from payk.domain.receipt import ReceiptWait
from payk.intake.digests import derive_digest_keys
from payk.registry.blocking import NumberDigest
from payk.registry.secrets import SecretBox
from payk.sealing import KeyRing, TextSeal
from payk.sealing.keys import KEY_SIZE
from payk.settings import Settings
from payk.store.database import Database
from payk.store.migrations import check_schema
from payk.web.admin.management import Management
from payk.web.admin.site import ROOT, ManagementApi

__all__ = ["managing"]

Result = TypeVar("Result")


async def managing(settings: Settings, ask: Callable[[httpx.AsyncBaseTransport], Awaitable[Result]]) -> Result:
    """What `ask` makes of a transport whose requests are answered here, in the name of whoever runs the command."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        tracing.begin()  # of messages that a command ends, the traces are told where the environment asks for them
        try:
            return await ask(_transport(_Inside(settings, db)))
        finally:
            tracing.end()


class _Inside:
    """The API on the database: whole, which takes the secret key of the centre; or for requests that only read.

    These need no key, for nothing that they show is sealed, and leave no word of one.
    """

    def __init__(self, settings: Settings, db: Database) -> None:
        self._settings = settings
        self._db = db
        self._whole: ManagementApi | None = None
        self._reading: ManagementApi | None = None

    async def api(self, scope: Any) -> ManagementApi:
        """The one that answers a request. StartError, StoreError."""
        if self._whole is None and _only_reads(scope):
            if self._reading is None:
                keys = KeyRing([os.urandom(KEY_SIZE)])  # nothing is sealed under it, and nothing to be read needs it
                self._reading = await self._made(keys, derive_digest_keys(keys.current.octets))
            return self._reading
        if self._whole is None:
            keys = await unlocked(self._settings, self._db)
            self._whole = await self._made(keys, await digest_keys(self._db, keys))
        return self._whole

    async def _made(self, keys: KeyRing, digests: bytes) -> ManagementApi:
        settings, db, box, local = self._settings, self._db, SecretBox(keys), _local()
        names = CurrentDirectory()
        not_loaded = await load_names(db, names)

        async def authenticate(token: str, address: str) -> Principal | None:
            return local

        return ManagementApi(
            Management(
                db,
                box,
                names,
                Access(db, box),
                Users(db, box),
                Tokens(db),
                TextSeal(keys).open,
                NumberDigest(digests),
                ReceiptWait(settings.receipt_wait, settings.receipt_grace),
                authenticate,
                zone=ZoneInfo(settings.timezone),
                room="app",
                not_loaded=not_loaded,
            )
        )


def _only_reads(scope: Any) -> bool:
    """Whether a request shows what stands in the database as it is: nothing sealed, and nothing found by a key."""
    path = scope["path"].removeprefix(ROOT)
    return (
        scope["method"] == "GET"
        and path != "/export"
        and not path.startswith("/traces/")
        and not (path.startswith("/messages/") and path.endswith("/text"))
        and not (path.startswith("/audit") and b"number=" in scope["query_string"])
    )


def _transport(inside: _Inside) -> httpx.AsyncBaseTransport:
    """Requests go to the API as they are, without a socket."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        whole = False

        async def noted(event: Any) -> None:
            nonlocal whole
            await send(event)
            whole = event["type"] == "http.response.body" and not event.get("more_body", False)

        api = await inside.api(scope)
        await api({**scope, "state": {"local": True}, "client": None}, receive, noted, secrets.token_hex(6))
        if not whole:  # as a server closes the connection
            raise httpx.RemoteProtocolError("the answer ended early, and is not whole")

    return httpx.ASGITransport(application)


def _local() -> Principal:
    """Whoever may open the database may do everything; its name stands in the audit log."""
    return Principal(PrincipalKind.LOCAL, 0, local_name(), Role.ADMIN)
