"""Which secret key seals, whether the texts of Otp are sealed, sealing anew. Keys and ciphers are not known here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from payk.store.database import Database
from payk.store.queries import sql

__all__ = [
    "SEALED_COLUMNS",
    "SealedColumn",
    "SealedText",
    "Sealing",
    "begin_sealing",
    "current_key",
    "find_texts",
    "keep_secret",
    "look",
    "note_first_key",
    "processes_without_key",
    "put_texts",
    "reseal",
    "sealed_values",
    "take_key",
    "unsealed_because",
]

ROWS: Final = 5_000
"""Messages that are read at a time."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column whose values registry.secrets.SecretBox sealed, and the queries that read it and write a value anew.

    The first answers `key` (text) and `sealed`; the second takes the key, the value that was read and the new one.
    """

    what: str
    """In the plural, as `payk check` tells it."""
    values: str
    put: str


SEALED_COLUMNS: Final = (
    SealedColumn("passwords of links", "sealing.link_passwords", "sealing.put_link_password"),
    SealedColumn("secrets of the centre itself", "sealing.kept_secrets", "sealing.put_kept_secret"),
    SealedColumn("secrets of one-time codes", "access.totp_secrets", "access.put_totp_secret"),
)
"""Everything that a rotation seals anew, besides texts. Who adds such a column adds it here."""


class Sealing(NamedTuple):
    """How things are sealed at present."""

    key_id: bytes | None
    """Of the key that seals; None in a database in which nothing was sealed yet."""
    texts: bool
    """Whether the texts of Otp are sealed."""


class SealedText(NamedTuple):
    """A text as it is stored."""

    message_id: int
    phone: str
    stored: str


async def look(db: Database) -> Sealing:
    """How things are sealed at present."""
    async with db.connection() as connection:
        row = await connection.fetchrow(sql("sealing.look"))
    assert row is not None  # it is one row of two questions
    return Sealing(*row)


async def current_key(db: Database) -> bytes | None:
    """The id of the key that seals; None where nothing is said of it yet."""
    return (await look(db)).key_id


async def note_first_key(db: Database, key_id: bytes) -> None:
    """Say that this key seals, unless another process said so of another one meanwhile."""
    async with db.connection() as connection:
        await connection.execute(sql("sealing.note_first_key"), key_id)


async def keep_secret(db: Database, name: str, sealed: bytes) -> bytes:
    """Keep a secret of the centre itself; the one that is kept, which another process may have made."""
    async with db.connection() as connection:
        kept = await connection.fetchval(sql("sealing.kept_secret"), name)
        if kept is None:
            await connection.execute(sql("sealing.keep_secret"), name, sealed)
            kept = await connection.fetchval(sql("sealing.kept_secret"), name)
    return bytes(kept)


async def begin_sealing(db: Database) -> bool:
    """Have the texts of Otp sealed from now on, if no process is alive that could not open them; whether it began."""
    async with db.transaction() as connection:
        await connection.execute(sql("sealing.lock_sealing"))  # the statement after it sees who came before
        return await connection.fetchval(sql("sealing.begin_sealing")) is not None


async def unsealed_because(db: Database) -> list[tuple[str, int]]:
    """Host and pid of the processes that keep texts from being sealed."""
    async with db.connection() as connection:
        return [(row[0], row[1]) for row in await connection.fetch(sql("sealing.unsealed_because"))]


async def processes_without_key(db: Database, key_id: bytes) -> list[tuple[str, int]]:
    """Host and pid of the living processes that do not have this key."""
    async with db.connection() as connection:
        return [(row[0], row[1]) for row in await connection.fetch(sql("sealing.processes_without_key"), key_id)]


async def take_key(db: Database, key_id: bytes) -> None:
    """Have this key seal from now on."""
    async with db.transaction() as connection:
        await connection.execute(sql("sealing.lock_keys"))
        await connection.execute(sql("sealing.leave_key"), key_id)
        await connection.execute(sql("sealing.take_key"), key_id)


async def sealed_values(db: Database, column: SealedColumn) -> list[bytes]:
    """All values of a column."""
    async with db.connection() as connection:
        return [bytes(row["sealed"]) for row in await connection.fetch(sql(column.values))]


async def reseal(db: Database, column: SealedColumn, again: Callable[[bytes], bytes | None]) -> int:
    """Write what `again` makes of each value, None = it stays; how many were written."""
    written = 0
    async with db.transaction(60.0) as connection:
        for row in await connection.fetch(sql(column.values)):
            new = again(bytes(row["sealed"]))
            if new is not None:
                await connection.execute(sql(column.put), row["key"], row["sealed"], new)
                written += 1
    return written


async def find_texts(db: Database, prefix: str, mark: str) -> AsyncIterator[list[SealedText]]:
    """The texts that are sealed (they begin with `mark`), but not under the key with `prefix`; of some thousand
    messages at a time.
    """
    async with db.connection() as connection:
        first = int(await connection.fetchval(sql("sealing.first_text")))
    for query, start in (("sealing.sealed_texts_left", 0), ("sealing.sealed_texts", first)):
        passed: int | None = start
        while passed is not None:
            async with db.connection(60.0) as connection:
                row = await connection.fetchrow(sql(query), passed, ROWS, prefix, mark)
            assert row is not None  # it is one row of two questions
            passed = row["passed"]
            yield [SealedText(*text) for text in row["texts"]]


async def put_texts(db: Database, texts: Sequence[SealedText], new: Sequence[str]) -> None:
    """Write texts that were sealed anew, where they are still as they were read."""
    async with db.transaction(60.0) as connection:
        await connection.execute(
            sql("sealing.put_texts"), [text.message_id for text in texts], [text.stored for text in texts], new
        )
