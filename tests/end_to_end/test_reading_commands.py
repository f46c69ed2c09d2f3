"""Commands that only read, on a database whose secret key, or newest settings, are not known where they run."""

from __future__ import annotations

import asyncpg
import pytest

from tests.end_to_end.payk import Payk, registry

READING = (
    "processes", "message search", "usage bank", "balance show bank", "block list", "queue show", "operator health",
    "link show tcell-1", "audit list",
)  # fmt: skip
NEEDING = (
    "client set bank max_parts=5",
    "export",
    "audit list --number 992900000001",
    "trace --link tcell-1 -o x.pcap",
)
KEYS = "select (select count(*) from payk.secret_key) + (select count(*) from payk.kept_secret)"


async def value(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.fixture
async def keyless(payk_on_server: Payk) -> Payk:
    """A centre with a registry; the commands are told its database alone."""
    await payk_on_server.apply(registry(1))
    del payk_on_server.environment["PAYK_SECRET_KEY"]
    return payk_on_server


async def test_they_need_no_secret_key(keyless: Payk) -> None:
    for command in READING:
        ended = await keyless.run(*command.split())
        assert ended.returncode == 0 and "key" not in ended.stderr, (command, ended.stderr)
    for command in NEEDING:
        ended = await keyless.run(*command.split())
        assert ended.returncode == 2 and "the key of that centre" in ended.stderr, (command, ended.stderr)


async def test_they_leave_no_word_of_a_key(keyless: Payk, dsn: str) -> None:
    await value(dsn, "delete from payk.secret_key")
    await value(dsn, "delete from payk.kept_secret")
    for command in ("processes", "audit list"):
        await keyless.done(*command.split(), PAYK_SECRET_KEY="7c" * 32)
    assert await value(dsn, KEYS) == 0
    await keyless.done("client", "set", "bank", "max_parts=5", PAYK_SECRET_KEY="5a" * 32)
    assert await value(dsn, KEYS) == 2


async def test_most_go_on_where_the_registry_is_not_understood(keyless: Payk, dsn: str) -> None:
    await value(dsn, """update payk.link set options = options || '{"long_text": "morse"}'""")
    for command in ("message search", "balance show bank", "operator health"):
        ended = await keyless.run(*command.split())
        assert ended.returncode == 0, (command, ended.stderr)
    for command in ("processes", "route explain 992900000001"):
        ended = await keyless.run(*command.split())
        assert ended.returncode == 1 and "long_text 'morse' is not known to this Payk" in ended.stderr, command
