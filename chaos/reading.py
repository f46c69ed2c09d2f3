"""What is read once the load is over: when all is settled, the rows, and what the API says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from itertools import cycle
from typing import Any

import asyncpg

from chaos.door import ClosedDoor, Door, NoAnswer
from chaos.records import Incarnation, Row, State

__all__ = ["read_incarnations", "read_rows", "read_states", "read_timelines", "settled"]

POLL = 0.5
AT_ONCE = 16
TIMEOUT = 10.0
TRIES = 10


async def settled(dsn: str, *, within: float) -> float | None:
    """Wait until every message is final; the seconds that took, None if it took longer than `within`."""
    began = time.monotonic()
    connection = await asyncpg.connect(dsn)
    try:
        while await connection.fetchval("select exists (select from payk.message where done_at is null)"):
            if time.monotonic() > began + within:
                return None
            await asyncio.sleep(POLL)
    finally:
        await connection.close()
    return time.monotonic() - began


async def read_rows(dsn: str) -> list[Row]:
    """Every message."""
    query = """select message_id, phone, sms_type, state, parts, client_message_id, accepted_at, done_at
               from payk.message order by message_id"""
    return [
        Row(message_id, phone, sms_type, State(state), parts, name, accepted_at.timestamp(), _seconds(done_at))
        for message_id, phone, sms_type, state, parts, name, accepted_at, done_at in await _fetch(dsn, query)
    ]


async def read_incarnations(dsn: str) -> list[Incarnation]:
    """Every process that the database knows of."""
    query = "select incarnation, pid, started_at, ended_at from payk.process order by incarnation"
    return [
        Incarnation(number, pid, started_at.timestamp(), _seconds(ended_at))
        for number, pid, started_at, ended_at in await _fetch(dsn, query)
    ]


async def read_states(doors: Sequence[Door], message_ids: Collection[int]) -> dict[int, str | None]:
    """What GET /api/v1/sms/{id} says of each; None where it answers 404."""
    return await _ask(doors, message_ids, "/api/v1/sms/{}", lambda content: str(content["MessageState"]), None)


async def read_timelines(doors: Sequence[Door], message_ids: Collection[int]) -> dict[int, list[dict[str, Any]]]:
    """The events of each, as GET /api/v1/sms/{id}/events tells them; none where it answers 404."""
    return await _ask(doors, message_ids, "/api/v1/sms/{}/events", lambda content: list(content["Events"]), [])


async def _ask(
    doors: Sequence[Door], message_ids: Collection[int], path: str, read: Callable[[Any], Any], unknown: Any
) -> dict[int, Any]:
    found: dict[int, Any] = {}
    left = iter(message_ids)

    async def work(turns: Iterator[Door]) -> None:
        for message_id in left:
            content = await _get(turns, path.format(message_id))
            found[message_id] = unknown if content is None else read(content)

    async with asyncio.TaskGroup() as group:
        for place in range(AT_ONCE):
            group.create_task(work(cycle([*doors[place % len(doors) :], *doors[: place % len(doors)]])))
    return found


async def _get(turns: Iterator[Door], path: str) -> Any:
    """The content; None for 404. RuntimeError if it cannot be had."""
    answer: object = None
    for _ in range(TRIES):
        door = next(turns)
        try:
            status, content = await door.get(path, timeout=TIMEOUT)
        except (ClosedDoor, NoAnswer) as error:
            answer = error
        else:
            if status in (200, 404):
                return content if status == 200 else None
            answer = content
        await asyncio.sleep(POLL)
    raise RuntimeError(f"GET {path} gets no answer: {answer!r}")


async def _fetch(dsn: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
