"""A centre for tests: clients, operators and routes, and the public site on a free port in front of a real database."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from payk.clock import Clock
from payk.domain.account import ApiKey, BulkPolicy, Client
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.limits import Limits
from payk.domain.message import SmsType
from payk.domain.operator import Link, Operator
from payk.domain.queue_limit import QueueLimit
from payk.domain.receipt import ReceiptWait
from payk.domain.route import Route, RouteTable
from payk.intake import Intake, QueueDepth
from payk.store.accept import GroupCommit
from payk.store.database import Database
from payk.store.rates import SharedRates
from payk.store.statuses import StatusReader
from payk.store.timeline import TimelineReader
from payk.web.limits import HttpLimits
from payk.web.server import HttpServer, listen
from payk.web.site import PublicOptions, PublicSite

__all__ = ["CLIENTS", "MESSAGE", "Centre", "centre_on", "directory", "key_of", "store_registry"]

SENDERS = {name.casefold(): name for name in ("AlifBank", "AlifSarmoya", "Olami Ashyo", "FifteenLettersX", "4545")}
SENDERS |= {"1234567890123": "1234567890123"}

CLIENTS = (
    Client(1, "demo", senders=SENDERS),
    Client(2, "wild", senders=SENDERS, default_sms_type=SmsType.COMMON, default_country="992"),
    Client(3, "strict", senders=SENDERS, bulk=BulkPolicy.ALL_OR_NOTHING),
    Client(4, "suspended", senders=SENDERS, enabled=False),
    Client(5, "brief", senders=SENDERS, max_parts=2),
    Client(6, "forgetful", senders=SENDERS, client_message_id_window=0),
    Client(7, "twice", senders=SENDERS, repeat_window=60),
    Client(8, "nameless"),
    Client(9, "limited", senders=SENDERS, limits=Limits(requests_per_second=2)),
    Client(10, "codes", senders=SENDERS, limits=Limits(otp_per_minute=3)),
)

MESSAGE = {"PhoneNumber": "992900900900", "Text": "Ваш код: 12345", "SenderAddress": "AlifBank", "SmsType": 2}
"""The smallest message of the documentation."""


def key_of(client_id: int) -> str:
    """The API key of a test client."""
    return f"00000000-0000-4000-8000-{client_id:012}"


def directory() -> Directory:
    """Numbers of 992 go by `tcell`, those of 998 by `narrow`, whose senders have at most 11 characters."""
    operators = {
        1: Operator(1, "tcell", links=(Link(1, 1, "tcell-1", "127.0.0.1", 2775, "payk", b""),)),
        2: Operator(2, "narrow", links=(Link(2, 2, "narrow-1", "127.0.0.1", 2776, "payk", b"", alnum_max=11),)),
    }
    return Directory(
        version=1,
        clients={client.client_id: client for client in CLIENTS},
        keys={
            hashlib.sha256(key_of(client.client_id).encode()).digest(): ApiKey(client.client_id, client.client_id)
            for client in CLIENTS
        },
        operators=operators,
        routes=RouteTable([Route(1, "992", (1, 2), 1), Route(2, "998", (2, 1), 2)]),
        queues={1: (1, 2), 2: (2, 1)},
    )


async def store_registry(db: Database) -> None:
    """The clients, operators and queues of `directory` as rows, for what looks them up in the database."""
    known = directory()
    async with db.connection() as connection:
        for client in known.clients.values():
            statement = "insert into client (client_id, name) overriding system value values ($1, $2)"
            await connection.execute(statement, client.client_id, client.name)
        for operator in known.operators.values():
            statement = "insert into operator (operator_id, name) overriding system value values ($1, $2)"
            await connection.execute(statement, operator.operator_id, operator.name)
        for queue_id, operators in known.queues.items():
            statement = "insert into queue (queue_id, operators) overriding system value values ($1, $2)"
            await connection.execute(statement, queue_id, list(operators))


@dataclass(frozen=True, slots=True)
class Centre:
    """A running site and its database. `http` carries the key of client `demo`; `depth` counts when it is told to."""

    db: Database
    depth: QueueDepth
    directory: CurrentDirectory
    server: HttpServer
    http: httpx.AsyncClient

    async def send(self, body: Any, *, client: int = 1, path: str = "/api/v1/sms", **headers: str) -> httpx.Response:
        """POST `body`, JSON unless it is bytes already."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(path, content=content, headers={"X-Api-Key": key_of(client), **headers})

    async def bulk(self, body: Any, *, client: int = 1, query: str = "", **headers: str) -> httpx.Response:
        """POST `body` to the bulk path."""
        return await self.send(body, client=client, path=f"/api/v1/sms/bulk{query}", **headers)

    async def row(self, message_id: str | int) -> Mapping[str, Any]:
        """The stored message."""
        async with self.db.connection() as connection:
            found = await connection.fetchrow("select * from message where message_id = $1", int(message_id))
        assert found is not None
        return dict(found)

    async def count(self) -> int:
        """How many messages are stored."""
        async with self.db.connection() as connection:
            return int(await connection.fetchval("select count(*) from message"))

    async def raw(self, request: bytes, *, until_closed: bool = True) -> bytes:
        """What comes back for octets written to the socket."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            writer.write(request)
            async with asyncio.timeout(10):
                return await reader.read() if until_closed else await reader.readuntil(b"\r\n\r\n")
        finally:
            writer.close()


async def _ready() -> tuple[bool, list[str]]:
    return True, []


@contextlib.asynccontextmanager
async def centre_on(
    db: Database,
    options: PublicOptions | None = None,
    *,
    patience: int = 6,
    queue_max: int = 1_000_000,
    limits: HttpLimits | None = None,
) -> AsyncIterator[Centre]:
    """The public site over `db`, with the clients above; `patience` and `limits` as in HttpServer."""
    clock = Clock()
    current = CurrentDirectory(directory())
    commits, statuses = GroupCommit(db), StatusReader(db)
    depth, rates = QueueDepth(db, QueueLimit(queue_max), clock), SharedRates(db, clock)
    intake = Intake(db, current, commits, depth, b"k" * 64, clock, rates)
    site = PublicSite(
        *(db, intake, statuses, TimelineReader(db), current, _ready, clock, db.now, rates), ReceiptWait(), options
    )
    server = HttpServer(site, listen("127.0.0.1", 0), patience=patience, limits=limits)

    async def engines() -> None:
        async with asyncio.TaskGroup() as group:
            commits.start(group)
            statuses.start(group)
            group.create_task(rates.run())

    running = asyncio.create_task(engines())
    serving = asyncio.create_task(server.run())
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}", headers={"X-Api-Key": key_of(1)}, timeout=20
    ) as http:
        yield Centre(db, depth, current, server, http)
    server.stop()
    await serving
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
