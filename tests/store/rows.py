"""Rows that tests of the store need: a client, an operator with a link, a queue, and messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from payk.domain.message import Priority, SmsType
from payk.store.accept import NewMessage
from payk.store.database import Database

__all__ = ["add_client", "add_operator", "add_queue", "new_message"]


async def add_client(db: Database, name: str = "demo") -> int:
    """A client; returns its id."""
    async with db.connection() as connection:
        return int(await connection.fetchval("insert into client (name) values ($1) returning client_id", name))


async def add_operator(db: Database, name: str = "tcell") -> tuple[int, int]:
    """An operator with one link; returns both ids."""
    async with db.connection() as connection:
        operator = await connection.fetchval("insert into operator (name) values ($1) returning operator_id", name)
        link = await connection.fetchval(
            "insert into link (operator_id, name, host, port, system_id, password)"
            " values ($1, $2, '127.0.0.1', 2775, 'payk', '') returning link_id",
            operator,
            f"{name}-1",
        )
    return int(operator), int(link)


async def add_queue(db: Database, *operators: int) -> int:
    """A queue for these operators; returns its id."""
    async with db.connection() as connection:
        return int(
            await connection.fetchval("insert into queue (operators) values ($1) returning queue_id", list(operators))
        )


_MESSAGE = NewMessage(1, "992900000001", "AlifBank", "hello", SmsType.COMMON, Priority.NORMAL, 1, 1)


def new_message(**changes: Any) -> NewMessage:
    """A small message of client 1 for queue 1, changed as told."""
    return replace(_MESSAGE, **changes)
