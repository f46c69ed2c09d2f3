"""The management API inside a command, on the database directly: what has no server to ask is done by the same code."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx

from payk import tracing
from payk.access import Access, Tokens, Users
from payk.app.local import local_name
from payk.app.opening import opened
from payk.app.secrets import digest_keys, unlocked
from payk.domain.access import Principal, PrincipalKind, Role
from payk.domain.directory import CurrentDirectory
from payk.domain.receipt import ReceiptWait
from payk.registry.blocking import NumberDigest
from payk.registry.errors import RegistryError
from payk.registry.follow import load as load_directory
from payk.registry.secrets import SecretBox
from payk.sealing import TextSeal
from payk.settings import Settings
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.migrations import check_schema
from payk.web.admin.management import Management
from payk.web.admin.site import ManagementApi

__all__ = ["managing"]

Result = TypeVar("Result")


async def managing(settings: Settings, ask: Callable[[httpx.AsyncBaseTransport], Awaitable[Result]]) -> Result:
    """What `ask` makes of a transport whose requests are answered here, in the name of whoever runs the command."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        names, not_loaded = await _directory(db)
        keys = await unlocked(settings, db)
        box, local = SecretBox(keys), _local()

        async def authenticate(token: str, address: str) -> Principal | None:
            return local

        tracing.begin()  # of messages that a command ends, the traces are told where the environment asks for them
        try:
            parts = Management(
                db,
                box,
                names,
                Access(db, box),
                Users(db, box),
                Tokens(db),
                TextSeal(keys).open,
                NumberDigest(await digest_keys(db, keys)),
                ReceiptWait(settings.receipt_wait, settings.receipt_grace),
                authenticate,
                zone=ZoneInfo(settings.timezone),
                room="app",
                not_loaded=not_loaded,
            )
            return await ask(_transport(ManagementApi(parts)))
        finally:
            tracing.end()


async def _directory(db: Database) -> tuple[CurrentDirectory, RegistryError | StoreError | None]:
    """The directory; an empty one with what kept it from being loaded: most commands, such as those that end messages,
    need no more of it than names."""
    try:
        return CurrentDirectory(await load_directory(db)), None
    except (RegistryError, StoreError) as error:
        return CurrentDirectory(), error


def _transport(api: ManagementApi) -> httpx.AsyncBaseTransport:
    """Requests go to the API as they are, without a socket."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        whole = False

        async def noted(event: Any) -> None:
            nonlocal whole
            await send(event)
            whole = event["type"] == "http.response.body" and not event.get("more_body", False)

        await api({**scope, "state": {"local": True}, "client": None}, receive, noted, secrets.token_hex(6))
        if not whole:  # as a server closes the connection
            raise httpx.RemoteProtocolError("the answer ended early, and is not whole")

    return httpx.ASGITransport(application)


def _local() -> Principal:
    """Whoever may open the database may do everything; its name stands in the audit log."""
    return Principal(PrincipalKind.LOCAL, 0, local_name(), Role.ADMIN)
