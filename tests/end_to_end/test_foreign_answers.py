"""What the commands that manage do with arguments, files and servers that are not as they should be."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from payk.cli import main
from payk.cli.managing import TEXT_SETTINGS, read_settings, reason_of, written_to
from payk.registry.options import TABLES
from payk.registry.value import schema_of


@contextlib.asynccontextmanager
async def answering(body: bytes, kind: str = "application/json", status: str = "200 OK") -> AsyncIterator[str]:
    """A server that answers everything so; its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


COMMANDS = (
    ("client", "list"),
    ("client", "show", "bank"),
    ("key", "create", "bank"),
    ("change", "list"),
    ("change", "show", "1"),
    ("change", "revert", "1"),
    ("route", "explain", "992900000001"),
    ("message", "show", "1", "--text"),
    ("forget", "992900000001"),
    ("forget", "992900000001", "--export", "known.jsonl"),
    ("balance", "show", "bank"),
    ("balance", "add", "bank", "5"),
    ("block", "add", "992900000001"),
    ("block", "list"),
    ("usage", "bank"),
    ("processes",),
    ("message", "search"),
    ("message", "import", "/dev/null"),
    ("message", "import", "--drop-before", "2026-01-01"),
    ("operator", "health"),
    ("queue", "show"),
    ("queue", "cancel", "--label", "sale"),
    ("queue", "holds"),
    ("operator", "drain", "tcell"),
    ("receipt", "parked"),
)
ANSWERS = {
    "a page": (b"<html>welcome</html>", "text/html", "200 OK"),
    "an error of a proxy": (b"<html>bad gateway</html>", "text/html", "502 Bad Gateway"),
    "half of an object": (b'{"items": [', "application/json", "200 OK"),
    "a list": (b"[1, 2]", "application/json", "200 OK"),
    "another object": (b'{"hello": "world"}', "application/json", "200 OK"),
    "items that are none": (b'{"items": 3, "changes": 3, "difference": 3, "rules": "x"}', "application/json", "200 OK"),
    "deep": (b'{"items": ' + b"[" * 100_000, "application/json", "200 OK"),
    "an error of somebody else": (b'{"error": "no"}', "application/json", "400 Bad Request"),
    "an odd error": (b'{"Errors": [], "Detail": 3}', "application/json", "400 Bad Request"),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_foreign_answer_is_one_line(
    answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    async with answering(*ANSWERS[answer]) as url:
        monkeypatch.setenv("PAYK_ADMIN_URL", url)
        monkeypatch.setenv("PAYK_ADMIN_TOKEN", "x")
        for command in COMMANDS:
            code = await asyncio.to_thread(main, command)
            told = capsys.readouterr().err
            if answer in ("another object", "items that are none") and command == ("client", "show", "bank"):
                continue  # it shows whatever there is of a client
            assert (code, told.count("\n")) == (2, 1), (command, told)
            assert told.startswith("payk: ") and "Payk" in told, (command, told)
    assert list(tmp_path.iterdir()) == [], "no half of an export is left"


def problem(code: str, **errors: list[str]) -> bytes:
    return json.dumps({"MessageResult": code, "Detail": "There is nothing at this path.", "Errors": errors}).encode()


MASKED = {"items": [{"number": "992900****01"}], "next": None}
OTHER_ACTS = {"items": [{"act": "block.add"}, {"act": "client.set"}], "next": None}
_JSON = "application/json"


@pytest.mark.parametrize(
    ("command", "answer", "code", "told"),
    [
        ("client list", (problem("RequestTimeout"), _JSON, "408 Request Timeout"), 2, "There is nothing at this path."),
        ("client list", (problem("ServiceUnavailable"), _JSON, "503 x"), 2, "There is nothing at this path."),
        ("client list", (problem("PathNotFound"), _JSON, "404 x"), 2, "the server has nothing there; it is of another"),
        ("client show x", (problem("ResourceNotFound"), _JSON, "404 x"), 1, "There is nothing at this path."),
        ("block list", (problem("ValueInvalid", begins=["no"]), _JSON, "400 x"), 1, "begins: no"),
        ("message import {file}", (problem("ValueInvalid", file=["no"]), _JSON, "400 x"), 2, "old.csv: no"),
        ("block list --whole-numbers", (json.dumps(MASKED).encode(), _JSON, "200 OK"), 2, "shows numbers masked alone"),
        ("message search --whole-numbers", (json.dumps(MASKED).encode(), _JSON, "200 OK"), 2, "masked alone"),
        ("message search --whole-numbers --json", (json.dumps(MASKED).encode(), _JSON, "200 OK"), 2, "masked alone"),
        (
            "message show 1 --whole-numbers",
            (json.dumps(MASKED["items"][0]).encode(), _JSON, "200 OK"),
            2,
            "masked alone",
        ),
        (
            "audit list --number 992900000001",
            (json.dumps(OTHER_ACTS).encode(), _JSON, "200 OK"),
            2,
            "not of this number",
        ),
    ],
)
async def test_what_an_older_server_or_none_answers_is_told_apart(
    command: str,
    answer: tuple[bytes, str, str],
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    (tmp_path / "old.csv").touch()
    async with answering(*answer) as url:
        monkeypatch.setenv("PAYK_ADMIN_URL", url)
        monkeypatch.setenv("PAYK_ADMIN_TOKEN", "x")
        ended = await asyncio.to_thread(main, command.format(file=tmp_path / "old.csv").split())
    printed = capsys.readouterr()
    assert (ended, printed.out, printed.err.count("\n")) == (code, "", 1), printed.err
    assert told in printed.err


@pytest.mark.parametrize(
    ("command", "sent"),
    [
        ("receipt retry 1", {"parked_ids": [1], "operator": None}),
        ("receipt retry --all", {"parked_ids": None, "operator": None}),
        ("receipt forget 1", {"parked_ids": [1], "operator": None}),
        ("receipt forget --operator tcell", {"parked_ids": None, "operator": "tcell"}),
        ("receipt forget --all", {"parked_ids": None, "operator": None, "all": True}),
    ],
)
def test_what_older_servers_do_not_know_is_sent_where_it_is_needed(
    command: str, sent: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def ask(*request: object) -> dict[str, int]:
        asked.append(request[-1])
        return {"receipts": 1}

    monkeypatch.setattr("payk.cli.traffic.ask", ask)
    assert main(command.split()) == 0
    assert asked == [sent]


async def test_what_steers_a_terminal_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change = {"sign": "+", "kind": "client", "name": "\x1b[31mred"}
    shown = {"version": 1, "changed_at": "\x1b[2J", "author": "\x1b]0;x\x07", "changes": [change]}
    done = {"difference": ["+ client \x1b[31mred"], "left": ["\x9b31m"]}
    async with answering(json.dumps({**shown, **done, "items": [shown]}).encode()) as url:
        monkeypatch.setenv("PAYK_ADMIN_URL", url)
        monkeypatch.setenv("PAYK_ADMIN_TOKEN", "x")
        for command in (("change", "list"), ("change", "show", "1"), ("change", "revert", "1")):
            assert await asyncio.to_thread(main, command) == 0
            told = capsys.readouterr()
            assert "\N{REPLACEMENT CHARACTER}" in told.out
            assert not {"\x1b", "\x9b", "\x07"} & {*told.out, *told.err}, command


TOKEN = "payk_0123456789abcdef"


async def test_a_line_end_of_windows_belongs_to_no_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with answering(b'{"items": [], "next": null}') as url:
        monkeypatch.setenv("PAYK_ADMIN_URL", f"{url}\r")
        monkeypatch.setenv("PAYK_ADMIN_TOKEN", f"{TOKEN}\r")
        assert await asyncio.to_thread(main, ["client", "list", "--json"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("wrong", ["\r", "\0", "\x7f", " ", "\u043a", "\udcff"])
def test_a_token_that_cannot_be_one_is_not_printed(
    wrong: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.environ", {**os.environ, "PAYK_ADMIN_TOKEN": f"{TOKEN}{wrong}x"})
    for command in ("client list", "top --once", "audit export", "apply /dev/null", "trace --link x -o /dev/null"):
        assert main([*command.split(), "--admin-url", "http://127.0.0.1:9"]) == 2
        told = capsys.readouterr()
        assert told.err == "payk: PAYK_ADMIN_TOKEN is no token: a token consists of visible ASCII characters\n"
        assert TOKEN not in told.out


def test_what_the_http_library_says_of_a_header_is_not_printed() -> None:
    for error in (httpx.LocalProtocolError(f"Illegal header value b'Bearer {TOKEN}'"), UnicodeError(TOKEN)):
        assert TOKEN not in reason_of(error)
    assert reason_of(httpx.ReadError("reset")) == "reset"
    assert reason_of(httpx.ReadError("")) == "ReadError"


@pytest.mark.parametrize("tag", ["a\r", "\u043a"])
def test_an_etag_that_cannot_be_one_is_one_line(tag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["client", "set", "bank", "max_parts=5", "--if-match", tag]) == 2
    assert capsys.readouterr().err == "payk: --if-match should be an ETag, as `show` prints it\n"


async def test_taking_back_tells_what_had_better_not_be_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = {"difference": ["~ client bank: otp_reserve 5 -> 0"], "left": ["x"], "warnings": ["bank is prepaid"]}
    async with answering(json.dumps(done).encode()) as url:
        monkeypatch.setenv("PAYK_ADMIN_URL", url)
        monkeypatch.setenv("PAYK_ADMIN_TOKEN", "x")
        assert await asyncio.to_thread(main, ["change", "revert", "1"]) == 0
    told = "payk: cannot be taken back: x\npayk: warning: bank is prepaid\n"
    assert capsys.readouterr() == ("~ client bank: otp_reserve 5 -> 0\n", told)


def test_an_argument_that_is_not_utf_8_is_one_line() -> None:
    ended = subprocess.run(
        [os.fsencode(sys.executable), b"-m", b"payk", b"client", b"show", b"caf\xe9"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr == b"payk: 'caf?' is not UTF-8, as every argument should be\n"


@pytest.mark.parametrize(
    "command",
    [
        ("token", "create", "x", "--role", "admin", "--days", "nan"),
        ("token", "create", "x", "--role", "admin", "--days", "inf"),
        ("token", "create", "x", "--role", "admin", "--days", "1e300"),
        ("recover", "--release", "--younger-than", "nan"),
        ("recover", "--release", "--older-than", "inf"),
    ],
)
def test_what_is_no_number_is_one_line(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAYK_HOME", str(tmp_path / "none"))
    assert main(command) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "Invalid value" in told
    assert not (tmp_path / "none").exists()


def test_text_is_sent_as_it_is_typed() -> None:
    typed = ["default_country=992", "label=1e3", "reason=true", "system_id=0x10", "prefix=992", "host=2001:db8::1"]
    assert read_settings(typed) == dict(pair.split("=") for pair in typed)
    assert read_settings(["expires_at=2027-01-01T00:00:00Z"]) == {"expires_at": "2027-01-01T00:00:00Z"}
    assert read_settings(['label="2024"', "system_id='12'", 'sender=""']) == {
        "label": "2024",
        "system_id": "12",
        "sender": "",
    }
    others = {"max_parts": 5, "enabled": False, "default_sms_type": 2, "otp_reserve": 1.5, "rate": 5}
    assert read_settings([f"{name}={json.dumps(value)}" for name, value in others.items()]) == others


def test_which_settings_are_text_is_as_the_registry_has_it() -> None:
    types: dict[str, set[str]] = {}
    for keys in TABLES.values():
        for name, key in keys.items():
            of_key = schema_of(key.read)["type"]
            types.setdefault(name, set()).update({of_key} if isinstance(of_key, str) else of_key)
    assert {name for name, of_key in types.items() if of_key in ({"string"}, {"string", "null"})} == TEXT_SETTINGS


def test_numbers_that_json_has_not_are_left_to_the_server_as_words() -> None:
    assert read_settings(["rate=nan", "rates=[1.5, inf]", "other=1.5"]) == {
        "rate": "nan",
        "rates": [1.5, "inf"],
        "other": 1.5,
    }


def test_a_file_that_is_there_is_ours_alone_before_anything_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "export.toml"
    file.write_text("much longer than what comes")
    file.chmod(0o644)
    with written_to(file) as write:
        assert file.stat().st_mode & 0o777 == 0o600
        write("short")
    assert file.read_text() == "short"
    with written_to(Path("/dev/null")) as write:
        write("x")


LINES = "".join(f'{{"sequence": {number}, "act": "client.set"}}\n' for number in range(1_000))
ITEMS = {"items": [{"name": f"client {number}"} for number in range(1_000)], "next": None}
BEGUN = {"trace_id": 1, "held_by": 1, "goes_on": True, "lost": 0, "full": False, "items": [], "next": 0}
NO_ROOM = "No space left on device"
FULL = f"payk: the output cannot be written: {NO_ROOM}\n"


@pytest.mark.parametrize(
    ("command", "answer", "told"),
    [
        ("--version", (b"", "text/plain"), FULL),
        ("client list", (json.dumps(ITEMS).encode(), _JSON), FULL),
        ("client list --json", (json.dumps(ITEMS).encode(), _JSON), FULL),
        ("audit export", (LINES.encode(), "application/x-ndjson"), FULL),
        ("export", (b"[[client]]", "application/toml"), FULL),
        ("export -o /dev/full", (b"[[client]]", "application/toml"), f"payk: /dev/full: {NO_ROOM}\n"),
        ("trace --link x -o /dev/full", (json.dumps(BEGUN).encode(), _JSON, "201 x"), f"payk: /dev/full: {NO_ROOM}\n"),
        (
            "forget 992900000001 --export known",
            (LINES.encode(), "application/x-ndjson"),
            "payk: known: File too large\n",
        ),
    ],
)
async def test_an_output_that_has_no_room_is_one_line(
    command: str, answer: tuple[bytes, str], told: str, tmp_path: Path
) -> None:
    async with answering(*answer) as url:
        full = os.open("/dev/full", os.O_WRONLY)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "payk", *command.split()),
            env={**os.environ, "PAYK_ADMIN_URL": url, "PAYK_ADMIN_TOKEN": "x"},
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
        )
        os.close(full)
        _, complaint = await process.communicate()
    assert (complaint.decode(), process.returncode) == (told, 2)
    assert list(tmp_path.iterdir()) == []


def test_the_moment_that_a_log_is_exported_from_is_looked_up_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        after = int(request.url.params["after"])
        lines = [json.dumps({"sequence": number}) for number in range(after + 1, min(after + 1_000, 2_500) + 1)]
        return httpx.Response(200, headers={"content-type": "application/x-ndjson"}, text="\n".join(lines))

    async def exchanged(exchange: Callable[[httpx.AsyncClient], Awaitable[object]]) -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://payk") as client:
            await exchange(client)

    monkeypatch.setattr("payk.cli.access.exchanged", lambda command, url, home, work: asyncio.run(exchanged(work)))
    monkeypatch.setattr("payk.cli.access.ask", lambda *request, **how: {"sequence": 2_500, "hash": "0"})
    assert main(["audit", "export", "--from", "2026-01-01", "--to", "2026-02-01"]) == 0
    assert capsys.readouterr().out.count("\n") == 2_500
    assert [("since" in page, "until" in page, page["after"]) for page in asked] == [
        (True, True, "0"),
        (False, True, "1000"),
        (False, True, "2000"),
    ]
