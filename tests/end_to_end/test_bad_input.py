"""What Payk cannot start with is one clear line on standard error and exit code 2, within seconds."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from payk.store.migrations import migrations
from tests.end_to_end.payk import Payk

KEY = {"PAYK_SECRET_KEY": "5a" * 32}
FREE = {"PAYK_PORT": "0", "PAYK_ADMIN_PORT": "0"}
NEWEST = migrations()[-1].number


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def refused(payk: Payk, *arguments: str, **environment: str) -> str:
    """The one line that a command is refused with."""
    ended = await payk.run(*arguments, **environment)
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert ended.stderr.startswith("payk: ")
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr.removeprefix("payk: ").rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "environment", "line"),
    [
        (["serve", "--prot", "1"], {}, "No such option: --prot"),
        (["up", "extra"], {}, "Got unexpected extra argument(s) (extra)"),
        (["apply"], {}, "Missing argument 'FILE'"),
        (["serve", "--port", "70000"], {}, "--port: '70000' should be less than or equal to 65535"),
        (["serve"], {"PAYK_PORT": "tcp://10.0.0.1:80"}, "PAYK_PORT: 'tcp://10.0.0.1:80' should be a valid integer"),
        (["serve"], {"PAYK_SECRET_KEY": "5a"}, "PAYK_SECRET_KEY should be 64 hex digits"),
        (["serve"], {"PAYK_SECRET_KEY": "zz" * 32}, "PAYK_SECRET_KEY should be 64 hex digits"),
        (["serve"], {"PAYK_DATBASE_URL": "x"}, "PAYK_DATBASE_URL is no setting; did you mean PAYK_DATABASE_URL?"),
        (["up"], {"PAYK_RECIEPT_WAIT": "5"}, "PAYK_RECIEPT_WAIT is no setting; did you mean PAYK_RECEIPT_WAIT?"),
        (["migrate"], {"PAYK_DATABASE_URL": "mysql://x"}, "PAYK_DATABASE_URL should begin with postgresql://"),
        (["simulate", "--rate", "-1"], {}, "--rate"),
        (["simulate", "--scenario", "none.toml"], {}, "none.toml"),
    ],
)  # fmt: skip
async def test_what_is_written_wrongly(
    payk: Payk, arguments: list[str], environment: dict[str, str], line: str
) -> None:
    assert line in await refused(payk, *arguments, **environment)
    assert not payk.home.exists()


@pytest.mark.parametrize("command", ["up", "serve"])
async def test_a_taken_port(payk: Payk, taken: int, command: str) -> None:
    line = f"cannot listen on 127.0.0.1:{taken}: the port is taken by another program; choose another one"
    assert await refused(payk, command, PAYK_PORT=str(taken)) == line
    assert await refused(payk, command, PAYK_PORT="0", PAYK_ADMIN_PORT=str(taken)) == line
    assert payk.processes() == []


async def test_a_taken_port_of_the_operator(payk: Payk, taken: int) -> None:
    assert str(taken) in await refused(payk, "simulate", "--port", str(taken))
    assert str(taken) in await refused(payk, "up", **FREE, PAYK_SIMULATOR_PORT=str(taken))
    assert payk.processes() == [], "the database was started before, and must be stopped"


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["apply", "x.toml"]], ids=lambda command: command[0])
async def test_a_database_that_is_not_reachable(payk: Payk, command: list[str]) -> None:
    (payk.folder / "x.toml").write_text("")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://payk:s3cret@127.0.0.1:{nobody.getsockname()[1]}/payk"
        line = await refused(payk, *command, PAYK_DATABASE_URL=url, **KEY, **FREE)
    assert line.startswith("the database cannot be reached: ")
    assert "s3cret" not in line


async def test_a_database_that_takes_the_connection_and_is_silent(payk: Payk, taken: int) -> None:
    url = f"postgresql://payk@127.0.0.1:{taken}/payk"
    assert "the database cannot be reached" in await refused(payk, "serve", PAYK_DATABASE_URL=url, **KEY, **FREE)


@pytest.mark.parametrize("database", ["no_such_database", "postgres&user=nobody"])
async def test_a_database_or_user_that_does_not_exist(payk: Payk, server_url: str, database: str) -> None:
    path, _, user = database.partition("&user=")
    url = server_url.replace("/payk?", f"/{path}?")
    url = url.replace("payk@", f"{user}@") if user else url
    line = await refused(payk, "serve", PAYK_DATABASE_URL=url, **KEY, **FREE)
    assert "database" in line


async def test_an_unmigrated_database_names_payk_migrate(payk: Payk, empty_dsn: str, tmp_path: Path) -> None:
    for command in (["serve"], ["apply", "x.toml"]):
        (tmp_path / "x.toml").write_text("")
        line = await refused(payk, *command, PAYK_DATABASE_URL=empty_dsn, **KEY, **FREE)
        assert line == "the database has no schema of Payk yet; run `payk migrate`"


async def test_an_unmigrated_embedded_database_names_payk_migrate(payk: Payk) -> None:
    line = await refused(payk, "serve", **FREE)
    assert line == "the database has no schema of Payk yet; run `payk migrate`"
    assert payk.processes() == []


@pytest.mark.parametrize("command", ["serve", "migrate"])
async def test_a_database_that_is_not_ours(payk: Payk, empty_dsn: str, command: str) -> None:
    await execute(empty_dsn, "create table public.invoice (id integer)")
    line = await refused(payk, command, PAYK_DATABASE_URL=empty_dsn, **KEY, **FREE)
    assert "is not Payk's: it holds 1 other tables, such as public.invoice" in line


@pytest.mark.parametrize("command", ["serve", "migrate"])
async def test_a_database_newer_than_the_code(payk: Payk, dsn: str, command: str) -> None:
    await execute(dsn, f"insert into payk.migration (number, name) values ({NEWEST + 1}, 'future')")
    line = await refused(payk, command, PAYK_DATABASE_URL=dsn, **KEY, **FREE)
    assert line == f"the database is at migration {NEWEST + 1}, this Payk only knows {NEWEST}; use a newer Payk"


async def test_a_database_of_the_users_own_without_a_secret_key(payk: Payk, dsn: str) -> None:
    line = await refused(payk, "serve", PAYK_DATABASE_URL=dsn, **FREE)
    assert line.startswith(
        f"no secret key: set PAYK_SECRET_KEY to 64 hex digits, or write them to {payk.home / 'secret-key'}; "
    )
    assert "the key of that centre" in line and line.endswith("or ask its server by PAYK_ADMIN_URL")


async def test_a_secret_key_file_that_holds_something_else(payk: Payk, dsn: str) -> None:
    payk.home.mkdir()
    for content in ("no key", "5a" * 31, ""):
        (payk.home / "secret-key").write_text(content)
        assert "64 hex digits" in await refused(payk, "serve", PAYK_DATABASE_URL=dsn, **FREE)


async def test_a_home_that_is_a_file(payk: Payk) -> None:
    payk.home.write_text("")
    for command in ("up", "migrate"):
        assert str(payk.home) in await refused(payk, command, **(FREE if command == "up" else {}))
    payk.home.unlink()


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
