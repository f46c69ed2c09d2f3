"""A management site for tests: on a free port, over a real database, with a caller for each role."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from argon2 import PasswordHasher

from payk.access import Access, Passwords, Tokens, Users
from payk.domain.access import Principal
from payk.domain.directory import CurrentDirectory
from payk.domain.management_errors import MANAGEMENT_ERRORS, ManagementCode
from payk.domain.receipt import ReceiptWait
from payk.registry.blocking import NumberDigest
from payk.registry.follow import load
from payk.registry.secrets import SecretBox
from payk.store.database import Database
from payk.web.admin.management import Management
from payk.web.admin.site import ROOT
from payk.web.server import HttpServer, listen
from payk.web.site import ManagementSite
from tests.web.answers import problem

__all__ = ["SECRET_BOX", "Managed", "managed_on", "refusal"]

QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
SECRET_BOX = SecretBox(bytes(range(32)))


@dataclass(slots=True)
class Managed:
    """A running site; `callers` are who a token, which is the key, belongs to."""

    db: Database
    directory: CurrentDirectory
    server: HttpServer
    http: httpx.AsyncClient
    callers: dict[str, Principal]

    async def __call__(
        self, method: str, path: str, body: Any = None, *, token: str = "admin", **how: Any
    ) -> httpx.Response:
        """Ask below ROOT."""
        headers = {"Authorization": f"Bearer {token}", **how.pop("headers", {})}
        return await self.http.request(method, ROOT + path, json=body, headers=headers, **how)

    async def done(self, method: str, path: str, body: Any = None, **how: Any) -> Any:
        """The same, where it must succeed: the body."""
        response = await self(method, path, body, **how)
        assert response.status_code in (200, 201), response.text
        await self.follow()
        return response.json()

    async def follow(self) -> None:
        """What a follower does."""
        self.directory.value = await load(self.db)


def refusal(response: httpx.Response, code: str) -> dict[str, Any]:
    """The body of a refusal, checked against the shape that every site has."""
    if code not in ManagementCode.__members__.values():
        return problem(response, code)
    body: dict[str, Any] = response.json()
    assert body["MessageResult"] == code, body
    kind = MANAGEMENT_ERRORS[ManagementCode(code)]
    assert (response.status_code, body["Status"], body["Title"]) == (kind.status, kind.status, kind.title)
    assert response.headers["x-request-id"] == body["RequestId"]
    assert body["MessageError"] is True
    return body


async def _ready() -> tuple[bool, list[str]]:
    return True, []


@contextlib.asynccontextmanager
async def managed_on(
    db: Database, callers: dict[str, Principal], open_text: Callable[[str, str], str] = lambda stored, phone: stored
) -> AsyncIterator[Managed]:
    """The management site over `db`."""

    async def authenticate(token: str, address: str) -> Principal | None:
        return callers.get(token) or await access.authenticate(token, address)

    directory = CurrentDirectory(await load(db))
    access = Access(db, SECRET_BOX, passwords=QUICK)
    parts = Management(
        *(db, SECRET_BOX, directory, access, Users(db, SECRET_BOX, QUICK), Tokens(db)),
        open_text=open_text,
        number_digest=NumberDigest(b"d" * 64),
        receipt_wait=ReceiptWait(),
        authenticate=authenticate,
    )
    site = ManagementSite(_ready, parts)
    server = HttpServer(site, listen("127.0.0.1", 0))
    serving = asyncio.create_task(server.run())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=20) as http:
        yield Managed(db, directory, server, http, callers)
    server.stop()
    await serving
