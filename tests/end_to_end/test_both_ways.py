"""Each command by a server's address and on the database: the same output, the same exit code, whatever it is told."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from payk.app.local import local_name
from payk.cli import command_line, main
from payk.store.database import Database
from payk.store.errors import StoreUnavailable
from tests.end_to_end.payk import Payk, of_operator, registry

HEADING = "MessageId,Client,MessageState,DateSubmitted,DateDone\n"
ROWS = "7,bank,Delivered,2026-01-02T03:04:05,2026-01-02T03:04:06\n8,bank,Enroute,2026-01-02T03:04:05,\n"
FILES = {
    "old.csv": HEADING + ROWS,
    "bad.csv": HEADING + "x,bank,2,2026-01-02T03:04:05,\n9,nobody,2,2026-01-02T03:04:05,\n",
    "none.csv": "hello\n",
    "numbers.txt": "+992 900 00 00 09\n",
    "bad.txt": "992900000009\nhello\n",
}

READING = (
    "client list", "client show bank", "key list bank", "sender list", "sender list --client bank --status approved",
    "sender show bank AlifBank", "operator list", "operator show tcell", "operator health", "operator shifts",
    "operator shifts tcell", "link list", "link list --operator tcell", "link show tcell-1", "route list",
    "route show {route}", "route explain 992900000001", "change list", "change show 1", "export", "user list",
    "token list", "session list", "message search", "message search --limit 1", "message search --to 2020-01-01",
    "message search --client bank --label sale --type batch --from 2020-01-01T00:00+05:00 --whole-numbers",
    "message show {id}", "message show {id} --text --whole-numbers", "balance show bank", "usage bank", "block list",
    "block list --client bank", "block list --begins 9929 --whole-numbers", "queue show", "queue holds",
    "queue hold --label sale --dry-run", "queue cancel --client bank --type batch --dry-run", "receipt parked",
    "receipt parked --operator tcell --after 5", "processes", "audit list --newest 3",
    "message import old.csv --dry-run",
)  # fmt: skip
REFUSED = (
    "client show nobody", "balance show nobody", "balance add bank -251", "balance add bank 0.00001",
    "balance add bank nan", "balance add nobody 5", "usage nobody", "block add 12",
    "block add 992900000009 --client nobody",
    "block import bad.txt", "block import missing.txt", "block remove 12", "block list --client nobody",
    "block list --begins x", "message search --label x", "message search --client nobody",
    "message search --number 99290", "message search --number-ends 0901", "message search --operator nobody",
    "message search --from 2026-01-02 --to 2026-01-01", "message search --from yesterday",
    "message search --state sent",
    "message show 5", "message show 5 --text", "message import", "message import missing.csv",
    "message import none.csv", "message import bad.csv --dry-run", "message import old.csv --encoding klingon",
    "message import --drop-before soon", "message import --drop-before 2026-01-01 --dry-run", "forget hello",
    "forget 992900000001", "forget hello --export none.jsonl", "forget 992900000077 --export old.csv", "queue hold",
    "queue hold --client bnk", "queue hold --client bnk --dry-run", "queue cancel --operator nobody",
    "queue release 99",
    "operator drain tcel", "operator drain tcell", "link drain nobody", "receipt retry", "receipt forget",
    "change show 99", "change revert 99", "route show 99", "route explain hello", "user disable nobody",
    "token revoke nobody", "session end 77", "key revoke bank 99",
    "sender reject bank Nobody", "audit verify --anchor 1:x",
)  # fmt: skip
REFUSED_WHOLE = ("message import none.csv", "message import old.csv --encoding klingon")
"""Files of which no row is taken: 1 would say that the others were."""
CHANGING = (
    ("queue hold --label none --reason why", ""),
    ("queue release {hold}", ""),
    ("queue cancel --label none", ""),
    ("block add 992900000009 --what batch", "block remove 992900000009"),
    ("block import numbers.txt --reason complaint", "block remove 992900000009"),
    ("block remove 992900000001 --client bank", "block add 992900000001 --client bank --what batch"),
    ("balance add bank 5 --note cash", ""),
    ("balance add bank 7 --reference {file}", ""),
    ("message import old.csv", "message import --drop-before 2030-01-01"),
    ("message import bad.csv", ""),
    ("message import --drop-before 2030-01-01", ""),
    ("forget 992900000077", ""),
    ("operator drain megafon", "operator resume megafon"),
    ("operator resume megafon", ""),
    ("link drain tcell-1 --force", "link resume tcell-1"),
    ("link resume megafon-1", ""),
    ("receipt retry --all", ""),
    ("receipt forget --all", ""),
    ("receipt forget 1 2 --operator tcell", ""),
    ("client set bank max_parts=3", "client set bank max_parts=20"),
    ("operator set megafon health=false", "operator set megafon health=true"),
    ("key set bank 1 label=till", "key set bank 1 label="),
)
"""Commands that change something, each with what takes it back before it is done the other way."""
ELSEWHERE = {
    "test_manage_commands.py": (
        "client create", "client suspend", "client resume", "key create", "key rotate", "sender add",
        "sender approve", "sender withdraw", "operator create", "link create", "link set",
        "route create", "route set", "apply",
    ),
    "test_access_commands.py": (
        "user create", "user enable", "user role", "user password", "user totp", "token create", "audit export",
    ),
    "test_top.py": ("top",),
    "test_trace.py": ("trace",),
}  # fmt: skip
"""Commands that are tested in both ways there."""
MOVES = (
    "queue show",
    "processes",
    "change list",
    "token list",
    "audit list",
    "queue hold",
    "queue release",
    "balance add",
)
"""What they print changes by itself, or with each of them, in its numbers."""


Ended = tuple[int, str, str]
"""Exit code, standard output, standard error."""


class Both:
    """A centre that commands reach in both ways, under one name. They run in this process, which is quicker."""

    def __init__(
        self,
        ways: dict[str, dict[str, str]],
        places: dict[str, str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.ways, self.places = ways, places
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.wrong: list[tuple[object, ...]] = []

    async def run(self, way: str, command: str, *options: str) -> Ended:
        """What a command ends with in one way."""
        with self._monkeypatch.context() as patch:
            for name, value in self.ways[way].items():
                patch.setenv(name, value)
            code = await asyncio.to_thread(main, [*shlex.split(command), *options])
        told = self._capsys.readouterr()
        return code, steady(command, told.out), steady(command, told.err)

    async def same(self, command: str, *options: str) -> Ended:
        """What it ends with in both ways; where that is not the same, it is noted."""
        first, second = [await self.run(way, command.format(**self.places), *options) for way in self.ways]
        self.expect(first == second, command, *options, first, second)
        return first

    def expect(self, is_so: bool, *what: object) -> None:
        if not is_so:
            self.wrong.append(what)


def steady(command: str, printed: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "0", printed) if command.startswith(MOVES) else printed


def takes_json(command: str) -> bool:
    return any("--json" in option.opts for option in named(command).params)


def named(command: str) -> Any:
    group: Any = typer.main.get_command(command_line())
    for word in command.split():
        if not hasattr(group, "commands"):
            break
        group = group.commands[word]
    return group


def by_address(group: Any, before: str = "") -> Iterator[str]:
    """Every command that may ask a server."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from by_address(command, f"{before}{name} ")
        elif any("--admin-url" in option.opts for option in command.params):
            yield f"{before}{name}"


@pytest.fixture
async def both(
    payk_on_server: Payk, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Both:
    payk = payk_on_server
    for name, content in {**FILES, "centre.toml": registry(2775) + of_operator("megafon", 1)}.items():
        (payk.folder / name).write_text(content)
    monkeypatch.chdir(payk.folder)
    monkeypatch.setattr("payk.logs.configure", lambda *_: None)  # that of this process is the tests'
    for name, value in payk.environment.items():
        monkeypatch.setenv(name, value)
    both = Both({"database": {}}, {}, monkeypatch, capsys)
    assert (await both.run("database", "apply centre.toml"))[0] == 0
    _, token, _ = await both.run("database", shlex.join(["token", "create", local_name(), "--role", "admin"]))
    centre = await payk.serve("--roles", "api,admin")
    ids = [await centre.send("992900000001", SmsType=3, SmsLabel="sale") for _ in range(3)]
    async with database.connection() as connection:
        route = await connection.fetchval("select route_id from route")
    both.ways["server"] = {"PAYK_ADMIN_URL": str(centre.admin.base_url), "PAYK_ADMIN_TOKEN": token.strip()}
    both.places |= {"id": ids[0], "route": str(route)}
    for command in (
        "block add 992900000001 --client bank --what batch",
        "balance add bank 250 --reference first",
        "queue hold --label none",
        "queue hold --label none",
    ):
        code, _, told = await both.run("database", command)
        assert code == 0, told
    await asyncio.sleep(1.2)  # until the server has followed
    async with asyncio.timeout(90), database.connection() as connection:
        while not await connection.fetchval("select bool_or(last_used_at is not null) from api_key"):
            await asyncio.sleep(0.2)  # noted behind the request; a key shows it
    return both


async def test_what_is_read_is_the_same(both: Both) -> None:
    for command in READING:
        code, printed, told = await both.same(command)
        both.expect(code == 0, command, told)
        if takes_json(command):
            code, as_json, told = await both.same(command, "--json")
            both.expect((code, told) == (0, "") and (not printed or as_json != printed), command, as_json, told)
    assert both.wrong == []


async def test_what_is_refused_is_refused_alike(both: Both) -> None:
    for command in REFUSED:
        code, printed, told = await both.same(command)
        both.expect(code in (1, 2) and told != "", command, code, told)
        both.expect(code == 2 or command not in REFUSED_WHOLE, command, code, told)
        both.expect("bad.csv" in command or (printed == "" and told.startswith("payk: ")), command, printed, told)
    assert both.wrong == []
    assert not Path("none.jsonl").exists(), "what could not be exported leaves no file"


@pytest.mark.parametrize("part", [CHANGING[::2], CHANGING[1::2]], ids=["one half", "the other"])
async def test_what_is_changed_is_changed_alike(both: Both, part: Sequence[tuple[str, str]]) -> None:
    for command, undo in part:
        ended = []
        for number, way in enumerate(both.ways, start=1):
            code, printed, told = await both.run(way, command.format(**both.places, hold=number, file=f"{way}.jsonl"))
            ended.append((code, printed.replace(way, "way"), told))
            if undo:
                code, _, told = await both.run(way, undo)
                both.expect(code == 0, undo, told)
        both.expect(ended[0] == ended[1], command, *ended)
        both.expect(ended[0][0] == (1 if "bad.csv" in command else 0), command, *ended)
    assert both.wrong == []


async def test_what_is_exported_is_the_same(both: Both) -> None:
    for way in both.ways:
        assert (await both.run(way, f"forget 992900000001 --export {way}.jsonl"))[0] == 0
    exported = [Path(f"{way}.jsonl") for way in both.ways]
    assert exported[0].read_bytes() == exported[1].read_bytes() != b""
    assert {file.stat().st_mode & 0o777 for file in exported} == {0o600}


async def test_of_an_export_that_ends_early_no_file_is_left(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    async def known(*_: object) -> AsyncIterator[dict[str, object]]:
        yield {"kind": "message"}
        raise StoreUnavailable("the database went away")

    monkeypatch.setattr("payk.web.admin.numbers.known", known)
    code, printed, told = await both.run("database", "forget 992900000001 --export known.jsonl")
    assert (code, printed, told) == (2, "", "payk: the answer ended early, and is not whole\n")
    assert not Path("known.jsonl").exists()


async def test_what_is_for_the_database_alone_says_why(payk_on_server: Payk) -> None:
    for command in ("migrate", "backup", "restore backups", "recover --give-up", "secret rotate"):
        ended = await payk_on_server.run(*command.split(), PAYK_ADMIN_URL="http://127.0.0.1:9", PAYK_ADMIN_TOKEN="x")
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), command
        assert "works on the database alone, for " in ended.stderr
    assert (await payk_on_server.run("check", PAYK_ADMIN_URL="http://127.0.0.1:9")).stdout, "it is about this machine"


def test_every_command_that_may_ask_a_server_is_tested_in_both_ways() -> None:
    here = [*READING, *REFUSED, *(command for command, _ in CHANGING)]
    found = set(by_address(typer.main.get_command(command_line())))
    for file, commands in ELSEWHERE.items():
        text = (Path(__file__).parent / file).read_text("utf-8")
        for command in commands:
            assert ", ".join(f'"{word}"' for word in command.split()) in text, (file, command)
            found.discard(command)
    assert [command for command in sorted(found) if not any(f"{one} ".startswith(f"{command} ") for one in here)] == []
