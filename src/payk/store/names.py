"""Names that begin so, for whoever types one: read by a connection of its own, at once or not at all."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from payk.store.queries import sql

__all__ = ["names_of", "place_of"]


def place_of(dsn: str | None, home: Path) -> str | None:
    """The database at `dsn`, else the embedded one of a home where it runs, else None; none is started."""
    if dsn:
        return dsn
    from payk.store.embedded import running_dsn  # takes a while to load

    return running_dsn(home)


async def names_of(dsn: str, kind: str, begins: str, client: str | None, *, patience: float) -> list[str]:
    """Up to a hundred names of a kind (a query of sql/names.sql), of a client where it takes one.

    OSError, asyncpg.PostgresError and TimeoutError, after `patience` seconds.
    """
    connection = await asyncpg.connect(dsn, timeout=patience, server_settings={"search_path": "payk"})
    try:
        wanted = [begins] if client is None else [begins, client]
        return [row[0] for row in await connection.fetch(sql(f"names.{kind}"), *wanted, timeout=patience)]
    finally:
        connection.terminate()
