"""What is unwise about the database that Payk was given, and works all the same: for `payk check`."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

import asyncpg

from payk.store.database import Database
from payk.store.errors import StoreError, StoreUnavailable
from payk.store.queries import sql

__all__ = ["Advice", "durability", "encryption", "listening"]

LISTEN_PATIENCE = 2.0
"""Seconds that a notification may take before it counts as lost."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One line; `fine` = nothing needs to be done about it."""

    fine: bool
    text: str


async def durability(db: Database) -> list[Advice]:
    """Whether what was answered survives a power failure and a failover. StoreError."""
    async with db.connection() as connection:
        [row] = await connection.fetch(sql("advice.durability"))
    found = [
        Advice(False, f"{name} is off: after a power failure what was answered may be lost; set it to on")
        for name in ("fsync", "full_page_writes", "synchronous_commit")
        if row[name] == "off"
    ]
    found = found or [Advice(True, "a COMMIT waits for the disk")]
    if row["standbys"]:
        waits = row["synchronous_standby_names"] and row["synchronous_commit"] not in ("off", "local")
        # What a role may not see of its standbys (sync_state) is not guessed at.
        if waits and row["synchronous"] is not False:
            found.append(Advice(True, "a COMMIT waits for a standby"))
        else:
            text = (
                "the standby is asynchronous: a failover may lose what was answered, and then nothing is sent until"
                " `payk recover`; set synchronous_standby_names"
            )
            found.append(Advice(False, text))
    return found


async def encryption(db: Database) -> Advice:
    """Whether the way to the database is encrypted, where it leads to another host. StoreError."""
    async with db.connection() as connection:
        [row] = await connection.fetch(sql("advice.encryption"))
    if row["ssl"]:
        return Advice(True, f"the connection to the database is encrypted ({row['version']})")
    if row["here"]:
        return Advice(True, "the connection to the database is not encrypted, and does not leave this host")
    text = (
        "the connection to the database leaves this host and is not encrypted: set up TLS there, and"
        " sslmode=verify-full in PAYK_DATABASE_URL"
    )
    return Advice(False, text)


async def listening(db: Database) -> Advice:
    """Whether LISTEN works on this way to the database: tried. StoreUnavailable."""
    channel = f"payk_check_{secrets.token_hex(8)}"
    heard = asyncio.Event()
    listener = await db.dedicated()
    try:
        await listener.add_listener(channel, lambda *_: heard.set())
        async with db.connection() as connection:
            await connection.execute(f"notify {channel}")
        async with asyncio.timeout(LISTEN_PATIENCE):
            await heard.wait()
    except TimeoutError:
        text = (
            "LISTEN does not work on this way to the database (a pooler in transaction mode?): messages may wait 0.2 s"
            " longer, and statements may fail; connect to PostgreSQL itself, or pool by session"
        )
        return Advice(False, text)
    except StoreError:
        raise
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StoreUnavailable(f"LISTEN failed: {error}") from error
    finally:
        listener.terminate()
    return Advice(True, "LISTEN works")
