"""What the promises of docs/guarantees.md cost, in the database: the same work with a promise and without it.

Only here can a promise be left out; nothing in Payk can switch one off. The ways take turns on two servers that differ
in nothing but that one does not wait for its disk.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

from bench.figure import Figure, Reading
from payk.domain.message import MessageState, Priority, SmsType
from payk.domain.outcome import Accepted
from payk.domain.receipt import ReceiptWait
from payk.domain.retry import Decision
from payk.store.accept import Inserted, Keyed, NewMessage, NewRequest, Row, insert_requests
from payk.store.claims import Quota, claim_rows, present_flows
from payk.store.database import Database
from payk.store.embedded import EmbeddedPostgres
from payk.store.embedded.place import SYSTEM_STATE
from payk.store.kept_answers import AnswerKey
from payk.store.migrations import migrate
from payk.store.outcomes import Recorded, record_outcomes
from payk.store.processes import register

__all__ = ["FIGURES", "measure"]

_BATCH: Final = 500
_ROUNDS: Final = 6
_CARELESS: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_MESSAGE: Final = NewMessage(
    1, "992900000001", "AlifBank", "Ваш код подтверждения: 48213", SmsType.OTP, Priority.NORMAL, 1, 1
)
_WAIT: Final = ReceiptWait(172_800, 3600)


@dataclass(frozen=True, slots=True)
class _Store:
    """A migrated database with a client, a link and a process."""

    db: Database
    link: int
    incarnation: int


_Way = Callable[[_Store], Awaitable[None]]
_numbers = count(1)


async def _take(store: _Store, requests: Sequence[NewRequest]) -> None:
    await insert_requests(store.db, requests, timeout=30)


async def _plain(store: _Store) -> None:
    await _take(store, [NewRequest((_MESSAGE,))] * _BATCH)


async def _with_client_message_ids(store: _Store) -> None:
    digests = [next(_numbers).to_bytes(16, "big") for _ in range(_BATCH)]
    messages = [replace(_MESSAGE, repeat_digest=digest, repeat_window=43_200) for digest in digests]
    await _take(store, [NewRequest((message,)) for message in messages])


async def _with_keys(store: _Store) -> None:
    keys = [AnswerKey(1, next(_numbers).to_bytes(16, "big"), b"0" * 16) for _ in range(_BATCH)]
    await _take(store, [NewRequest((_MESSAGE,), Keyed(key, _answer)) for key in keys])


def _answer(rows: Sequence[Row]) -> bytes:
    [row] = rows
    assert isinstance(row, Inserted)
    return b'{"MessageId":"%d","MessageResult":"OK","MessageError":false}' % row.message_id


async def _whole_way(store: _Store) -> None:
    """Taken in, claimed, and handed over."""
    await _plain(store)
    flows = await present_flows(store.db)
    quotas = [Quota(flow, low, _BATCH) for flow, low in flows.items()]
    claims = await claim_rows(store.db, store.incarnation, store.link, quotas)
    records = [
        Recorded(claim, 1, (Accepted(1, str(next(_numbers))),), Decision({1: MessageState.ENROUTE}), 0.01)
        for claim in claims
    ]
    await record_outcomes(store.db, store.incarnation, records, _WAIT)


_WAYS: Final[tuple[tuple[Figure, _Way, bool], ...]] = (
    (Figure("store_taken_per_s"), _plain, True),
    (Figure("store_taken_without_fsync_per_s"), _plain, False),
    (Figure("store_taken_with_client_message_id_per_s"), _with_client_message_ids, True),
    (Figure("store_taken_with_idempotency_key_per_s"), _with_keys, True),
    (Figure("store_whole_way_per_s"), _whole_way, True),
    (Figure("store_whole_way_without_fsync_per_s"), _whole_way, False),
)
"""A figure, the way, and whether its server waits for the disk."""

FIGURES: Final = tuple(figure for figure, _, _ in _WAYS)


def measure(seconds: float) -> list[Reading]:
    """All ways take turns in every round; `seconds` is for all of them together, without the start of the servers."""
    return asyncio.run(_measure(seconds))


async def _measure(seconds: float) -> list[Reading]:
    share = seconds / _ROUNDS / len(_WAYS)
    async with opened_store({}) as durable, opened_store(_CARELESS) as careless:
        stores = [durable if waits else careless for _, _, waits in _WAYS]
        for (_, way, _), store in zip(_WAYS, stores, strict=True):
            await way(store)  # statements are prepared
        rounds = [
            [await _rate(way, store, share) for (_, way, _), store in zip(_WAYS, stores, strict=True)]
            for _ in range(_ROUNDS)
        ]
    of_ways = zip(*rounds, strict=True)
    return [Reading(figure, max(rates), median(rates)) for figure, rates in zip(FIGURES, of_ways, strict=True)]


async def _rate(way: _Way, store: _Store, seconds: float) -> float:
    done = 0
    start = perf_counter()
    while True:
        await way(store)
        done += _BATCH
        elapsed = perf_counter() - start
        if elapsed >= seconds:
            break
    async with store.db.connection() as connection:  # what one way leaves in the queue is not the next one's work
        await connection.execute("truncate waiting")
    return done / elapsed


@asynccontextmanager
async def opened_store(settings: dict[str, str]) -> AsyncIterator[_Store]:
    with tempfile.TemporaryDirectory(prefix="payk-bench-") as folder:
        home = Path(folder) / "home"
        server = EmbeddedPostgres(home, settings=settings)
        try:
            db = await Database.open(await server.start())
            try:
                await migrate(db)
                yield await _furnish(db)
            finally:
                await db.close()
        finally:
            await server.stop()
            if os.geteuid() == 0 and (home / "database-id").exists():
                shutil.rmtree(SYSTEM_STATE / (home / "database-id").read_text().strip())


async def _furnish(db: Database) -> _Store:
    async with db.connection() as connection:
        await connection.execute("insert into client (name) values ('bank')")
        operator = await connection.fetchval("insert into operator (name) values ('tcell') returning operator_id")
        await connection.execute("insert into queue (operators) values (array[$1::integer])", operator)
        link = await connection.fetchval(
            "insert into link (operator_id, name, host, port, system_id, password)"
            " values ($1, 'tcell-1', '127.0.0.1', 2775, 'payk', '') returning link_id",
            operator,
        )
    return _Store(db, link, await register(db, host="bench", pid=1, roles=["dispatch"]))
