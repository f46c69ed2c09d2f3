"""Who waits while a test holds a lock."""

from __future__ import annotations

import asyncio

from payk.store.database import Database

__all__ = ["stops_with_its_caller"]

_WAITS = """select count(*) from pg_locks
where not granted and database = (select oid from pg_database where datname = current_database())"""
"""How many wait for a lock of the test's own."""


async def stops_with_its_caller(db: Database, port: int, request: str, begins: bytes = b"") -> None:
    """Send a request for messages, whose answer begins at once, and hang up amid it: nobody reads on for it.

    `request`: its head, each line with its end, short of the last one.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{request}\r\n".encode())
    async with asyncio.timeout(20):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        if begins:
            await reader.readuntil(begins)
        async with db.transaction() as connection:
            # Granted, so no transaction of the answer lasts; it goes on with the next page and waits.
            await connection.execute("lock table message in access exclusive mode")
            while not await connection.fetchval(_WAITS):
                await asyncio.sleep(0.01)
            writer.close()
            while await connection.fetchval(_WAITS):
                await asyncio.sleep(0.01)
