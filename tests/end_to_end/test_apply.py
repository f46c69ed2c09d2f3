"""`payk apply`: what it prints, what it leaves alone, and that running processes follow."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import pytest

from tests.end_to_end.payk import KEY, MESSAGE, Payk, registry

BANK = registry(2775)


async def test_the_second_time_nothing_changes(payk_on_server: Payk) -> None:
    first = await payk_on_server.apply(BANK)
    assert all(line.startswith("+ ") for line in first.splitlines())
    for row in ("client bank", "sender AlifBank", "sender AlifSarmoya", "operator tcell", "link tcell-1", "route"):
        assert f"+ {row}" in first
    assert await payk_on_server.apply(BANK) == "nothing changes\n"


async def test_a_dry_run_prints_the_difference_and_changes_nothing(payk_on_server: Payk) -> None:
    printed = await payk_on_server.apply(BANK, "--dry-run")
    assert "+ client bank" in printed
    assert await tables(payk_on_server) == {"client": 0, "operator": 0, "link": 0, "route": 0}
    assert await payk_on_server.apply(BANK) == printed
    changed = await payk_on_server.apply(BANK.replace("response_timeout = 5", "window = 50"), "--dry-run")
    assert changed == "~ link tcell-1 of operator tcell: window 100 -> 50\n"
    assert await payk_on_server.apply(BANK) == "nothing changes\n"


async def test_secrets_are_stored_as_digest_and_cipher_and_printed_nowhere(payk_on_server: Payk) -> None:
    file = BANK.replace('password = "payk"', 'password = {env = "TCELL_PASSWORD"}')
    (payk_on_server.folder / "env.toml").write_text(file)
    printed = await payk_on_server.done("apply", "env.toml", TCELL_PASSWORD="hidden-42")
    assert "hidden-42" not in printed
    assert KEY not in printed
    connection = await asyncpg.connect(payk_on_server.environment["PAYK_DATABASE_URL"])
    try:
        names = await connection.fetch("select tablename from pg_tables where schemaname = 'payk'")
        for (name,) in names:
            for (row,) in await connection.fetch(f'select t::text from payk."{name}" t'):
                assert KEY not in row and "hidden-42" not in row, name
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[[client]]\nname = ", "this is not TOML"),
        (BANK.replace("response_timeout", "respones_timeout"), "operator[0].link[0].respones_timeout: "),
        (BANK.replace('"tcell"]', '"tcel"]'), "route[0].operators[0]: "),
        ("[[client]]\nname = 5\n", "client[0].name: "),
        ("[[clients]]\n", "clients: "),
    ],
    ids=["broken", "unknown key", "unknown operator", "wrong type", "unknown table"],
)
async def test_a_wrong_file_is_told_with_file_and_path_and_changes_nothing(
    payk_on_server: Payk, text: str, line: str
) -> None:
    file = payk_on_server.folder / "wrong.toml"
    file.write_text(text)
    ended = await payk_on_server.run("apply", "wrong.toml")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("payk: wrong.toml")
    assert line in ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert await tables(payk_on_server) == {"client": 0, "operator": 0, "link": 0, "route": 0}


async def test_a_missing_file_is_one_line(payk_on_server: Payk) -> None:
    ended = await payk_on_server.run("apply", "none.toml")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert ended.stderr.startswith("payk: none.toml")


async def test_a_running_centre_follows_within_a_second(payk_on_server: Payk) -> None:
    operators = [await payk_on_server.simulate() for _ in range(2)]
    centre = await payk_on_server.serve()
    refused = await centre.http.post("/api/v1/sms", json=MESSAGE)
    assert (refused.status_code, refused.json()["MessageResult"]) == (401, "Unauthorized")

    await payk_on_server.apply(registry(operators[0].port))
    await asyncio.sleep(1)
    await centre.wait_for(await centre.send(), "Delivered")
    assert len(operators[0].record.submits()) == 1

    await payk_on_server.apply(registry(operators[1].port))
    await asyncio.sleep(1)
    began = time.monotonic()
    await centre.wait_for(await centre.send(), "Delivered")
    assert time.monotonic() - began < 4
    assert len(operators[1].record.submits()) == 1

    await payk_on_server.apply(registry(operators[1].port, client="enabled = false"))
    await asyncio.sleep(1)
    refused = await centre.http.post("/api/v1/sms", json=MESSAGE)
    assert (refused.status_code, refused.json()["MessageResult"]) == (403, "ClientSuspended")


async def tables(payk: Payk) -> dict[str, int]:
    connection = await asyncpg.connect(payk.environment["PAYK_DATABASE_URL"])
    try:
        names = ("client", "operator", "link", "route")
        return {name: int(await connection.fetchval(f"select count(*) from payk.{name}")) for name in names}
    finally:
        await connection.close()
