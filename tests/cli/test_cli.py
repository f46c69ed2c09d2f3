"""The command line in a process of its own: what it prints where, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from payk import __version__
from payk.cli import command_line
from payk.cli.entry import PARTS
from payk.settings import COMMAND_VARIABLES, Settings
from tests.client.fake_centre import Answer, FakeCentre, running_centre

ONE = ["send", "--to", "992900900900", "--text", "Салом", "--sender", "AlifBank"]
MEANT_ONCE = {"--force", "--all"}
"""Options that no variable stands for: each time they are meant anew."""
TAKEN = Answer(body={"MessageId": "100000001", "MessageResult": "OK", "MessageError": False})


@pytest.fixture
def centre() -> Iterator[FakeCentre]:
    with running_centre() as centre:
        yield centre


@pytest.fixture
def place(tmp_path: Path, centre: FakeCentre) -> dict[str, str]:
    """The environment of a shell in which `payk up` of `centre` was started."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "demo-key").write_text("demo-key-of-at-least-32-characters\n")
    rest = {name: value for name, value in os.environ.items() if not name.startswith("PAYK_")}
    return {**rest, "PAYK_HOME": str(home), "PAYK_PORT": centre.url.rpartition(":")[2]}


def payk(
    *arguments: str, environment: dict[str, str] | None = None, python: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    rest = {name: value for name, value in os.environ.items() if not name.startswith("PAYK_")}
    return subprocess.run(
        [sys.executable, *python, "-m", "payk", *arguments],
        env=environment or rest,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def state(name: str, message_id: str = "100000001", done: str | None = None) -> Answer:
    return Answer(
        body={
            "MessageId": message_id,
            "CommandStatus": "OK",
            "MessageState": name,
            "DateSubmitted": "2025-02-17T10:20:30",
            "DateDone": done,
        }
    )


def refusal(code: str, status: int, detail: str) -> Answer:
    return Answer(status, {"MessageId": None, "MessageResult": code, "MessageError": True, "Detail": detail})


def assert_one_line(done: subprocess.CompletedProcess[str], line: str, code: int = 2) -> None:
    assert done.stderr == f"payk: {line}\n"
    assert done.stdout == ""
    assert done.returncode == code


# -- What is asked wrongly -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["frobnicate"], "No such command 'frobnicate' (see payk --help)"),
        (["serv"], "No such command 'serv'. Did you mean 'serve', 'user', 'sender'? (see payk --help)"),
        (["--frob"], "No such option: --frob (see payk --help)"),
        (["status", "--frob"], "No such option: --frob (see payk --help)"),
        (["serve", "extra"], "Got unexpected extra argument(s) (extra) (see payk --help)"),
        (["serve", "--port"], "Option '--port' requires an argument (see payk --help)"),
        (["status"], "Missing argument 'ID...' (see payk --help)"),
        (
            ["send", "--to", "992900900900", "--text", "x"],
            "Missing option '--sender' (env var: 'PAYK_SEND_SENDER') (see payk --help)",
        ),
        (
            [*ONE, "--type", "flash"],
            (
                "Invalid value for '--type' (env var: 'PAYK_SEND_TYPE'):"
                " 'flash' is not one of 'common', 'otp', 'batch' (see payk --help)"
            ),
        ),
        ([*ONE, "--url", "sms"], "'sms' is no address of an SMS centre; write it as https://sms.example.com"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments: list[str], line: str) -> None:
    key = ["--api-key", "k"] if "--url" in arguments else []
    assert_one_line(payk(*arguments, *key), line)


@pytest.mark.parametrize("command", ["up", "serve", "migrate", "check"])
def test_a_wrong_setting_is_one_line(command: str, place: dict[str, str]) -> None:
    done = payk(command, environment={**place, "PAYK_RETRY_FOR": "soon"})
    assert_one_line(done, "PAYK_RETRY_FOR: 'soon' should be a valid number")


def test_a_wrong_option_is_one_line(place: dict[str, str]) -> None:
    assert_one_line(
        payk("serve", "--roles", "api,smpp", environment=place),
        "--roles: 'api,smpp' names 'smpp': role smpp comes with a later version; there are api, admin, dispatch,"
        " maintenance",
    )


def test_help_and_version() -> None:
    assert payk("--version").stdout == f"payk {__version__}\n"
    done = payk("--help")
    assert done.returncode == 0
    for command in ("up", "serve", "migrate", "apply", "check", "send", "status", "simulate"):
        assert f" {command} " in done.stdout


@pytest.mark.parametrize(
    ("command", "extras"),
    [
        ("up", "server,embedded"),
        ("serve", "server"),
        ("migrate", "server"),
        ("check", "server"),
        ("simulate", "server"),
    ],
)
def test_missing_parts_are_named(command: str, extras: str, tmp_path: Path) -> None:
    """With the libraries of the base installation alone: whatever the server needs besides cannot be imported."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Base:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in {'asyncpg', 'pydantic_settings', 'msgspec', 'structlog', 'uvloop', 'starlette', 'regex'}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Base())\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    done = payk(command, environment=environment)
    assert done.returncode == 2
    assert done.stderr.startswith(f"payk: payk {command} needs the server parts (")
    assert done.stderr.endswith(f" is missing): pip install 'payk[{extras}]'\n")
    assert done.stderr.count("\n") == 1
    help_page = payk(command, "--help", environment=environment)
    assert help_page.returncode == 0
    # The commands of a client go on.
    assert payk("status", "1", "--api-key", "k", "--url", "http://127.0.0.1:1", environment=environment).returncode == 2


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by its words, those of groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def options() -> Iterator[tuple[str, Any]]:
    for name, command in commands(typer.main.get_command(command_line())):
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name not in ("help", "list_"):
                yield name, parameter


@pytest.mark.parametrize(("command", "option"), list(options()), ids=lambda value: getattr(value, "name", value))
def test_every_option_is_an_environment_variable(command: str, option: Any) -> None:
    if option.opts[0] in MEANT_ONCE and option.envvar is None:
        return
    if option.envvar is None:
        setting = option.opts[0].removeprefix("--").replace("-", "_")
        assert setting in Settings.model_fields
        assert f"[PAYK_{setting.upper()}: " in option.help
    else:
        assert option.envvar in COMMAND_VARIABLES | {f"PAYK_{name.upper()}" for name in Settings.model_fields}


def test_a_command_is_the_same_whether_all_are_loaded_or_its_own_module() -> None:
    whole = typer.main.get_command(command_line()).commands  # type: ignore[attr-defined]
    assert list(whole) == [word for part in PARTS for word in part.words]
    for word, command in whole.items():
        alone = typer.main.get_command(command_line(word)).commands[word]  # type: ignore[attr-defined]
        assert (alone.help, list(getattr(alone, "commands", ()))) == (
            command.help,
            list(getattr(command, "commands", ())),
        )
    assert len(typer.main.get_command(command_line("qeue")).commands) == len(whole)  # type: ignore[attr-defined]


def test_no_variable_is_known_that_no_option_reads() -> None:
    assert {option.envvar for _, option in options()} >= COMMAND_VARIABLES


# -- send ------------------------------------------------------------------------------------------------------------


def test_send_prints_the_id(centre: FakeCentre, place: dict[str, str]) -> None:
    centre.will_answer(TAKEN)
    done = payk(*ONE, environment=place)
    assert (done.stdout, done.stderr, done.returncode) == ("100000001\n", "", 0)
    (request,) = centre.requests
    assert request.headers["x-api-key"] == "demo-key-of-at-least-32-characters"
    del request.body["ClientMessageId"]
    assert request.body == {
        "PhoneNumber": "992900900900",
        "Text": "Салом",
        "SenderAddress": "AlifBank",
        "SmsType": 1,
    }


def test_send_passes_every_option(centre: FakeCentre, place: dict[str, str]) -> None:
    centre.will_answer(TAKEN)
    more = ["--type", "otp", "--priority", "high", "--label", "spring", "--client-message-id", "order-7"]
    assert payk(*ONE, *more, environment=place).returncode == 0
    body = centre.requests[0].body
    assert (body["SmsType"], body["Priority"]) == (2, 2)
    assert (body["SmsLabel"], body["ClientMessageId"]) == ("spring", "order-7")


def test_send_by_variables_alone(centre: FakeCentre, place: dict[str, str]) -> None:
    centre.will_answer(TAKEN)
    own = {
        "PAYK_URL": centre.url,
        "PAYK_API_KEY": "another-key-of-at-least-32-characters",
        "PAYK_PORT": "1",
        "PAYK_SEND_TO": "992900900900",
        "PAYK_SEND_TEXT": "x",
        "PAYK_SEND_SENDER": "AlifBank",
        "PAYK_SEND_TYPE": "batch",
        "PAYK_JSON": "1",
    }
    done = payk("send", environment={**place, **own})
    assert json.loads(done.stdout) == TAKEN.body
    assert centre.requests[0].headers["x-api-key"] == "another-key-of-at-least-32-characters"
    assert centre.requests[0].body["SmsType"] == 3


def test_send_waits_for_delivery(centre: FakeCentre, place: dict[str, str]) -> None:
    centre.will_answer(TAKEN, state("None"), state("Enroute"), state("Delivered", done="2025-02-17T10:22:00"))
    done = payk(*ONE, "--wait", environment=place)
    assert done.stdout.split() == ["100000001", "None", "Enroute", "Delivered"]
    assert done.returncode == 0


def test_send_waits_and_tells_failure(centre: FakeCentre, place: dict[str, str]) -> None:
    final = state("Undeliverable", done="2025-02-17T10:22:00")
    centre.will_answer(TAKEN, final)
    done = payk(*ONE, "--wait", "--json", environment=place)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [TAKEN.body, final.body]
    assert done.returncode == 1


def test_a_refusal_shows_its_detail(centre: FakeCentre, place: dict[str, str]) -> None:
    centre.will_answer(refusal("SenderAddressNotAllowed", 403, "SenderAddress 'Foo' is not registered."))
    assert_one_line(
        payk(*ONE, environment=place), "SenderAddressNotAllowed: SenderAddress 'Foo' is not registered.", code=1
    )


def test_nobody_listens(place: dict[str, str]) -> None:
    assert_one_line(
        payk(*ONE, environment={**place, "PAYK_PORT": "1"}),
        "no answer from the SMS centre at http://127.0.0.1:1: [Errno 111] Connection refused",
    )


def test_no_key(place: dict[str, str], tmp_path: Path) -> None:
    assert_one_line(
        payk(*ONE, environment={**place, "PAYK_HOME": str(tmp_path)}),
        f"no API key: set PAYK_API_KEY or --api-key; `payk up` writes one to {tmp_path}/demo-key",
    )


def test_another_server_listens(centre: FakeCentre, place: dict[str, str]) -> None:
    centre.will_answer(Answer(404, "<html>nginx</html>"))
    assert_one_line(
        payk(*ONE, environment=place),
        f"{centre.url}/api/v1/sms answered 404 Not Found (text/html); that is not an SMS centre",
    )


def test_control_c(centre: FakeCentre, place: dict[str, str]) -> None:
    centre.will_answer(TAKEN, state("Enroute"))
    with subprocess.Popen(
        [sys.executable, "-m", "payk", *ONE, "--wait"],
        env=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["100000001\n", "Enroute\n"]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (130, "")


# -- status ----------------------------------------------------------------------------------------------------------


def test_status_is_a_table(centre: FakeCentre, place: dict[str, str]) -> None:
    centre.will_answer(state("Delivered", "100000001", "2025-02-17T10:22:00"), state("Enroute", "100000002"))
    done = payk("status", "100000001", "100000002", environment=place)
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["MessageId", "MessageState", "DateSubmitted", "(UTC)", "DateDone", "(UTC)"],
        ["100000001", "Delivered", "2025-02-17", "10:20:30", "2025-02-17", "10:22:00"],
        ["100000002", "Enroute", "2025-02-17", "10:20:30"],
    ]
    assert done.returncode == 0


def test_status_as_json_is_as_documented(centre: FakeCentre, place: dict[str, str]) -> None:
    answers = [state("Delivered", "100000001", "2025-02-17T10:22:00"), state("None", "100000002")]
    centre.will_answer(*answers)
    done = payk("status", "--json", "100000001", "100000002", environment=place)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [answer.body for answer in answers]


def test_status_of_an_unknown_id_spoils_no_other(centre: FakeCentre, place: dict[str, str]) -> None:
    centre.will_answer(refusal("MessageNotFound", 404, "There is no message 1."), state("Enroute", "100000002"))
    done = payk("status", "--json", "1", "100000002", environment=place)
    assert json.loads(done.stdout)["MessageId"] == "100000002"
    assert done.stderr == "payk: 1: MessageNotFound: There is no message 1.\n"
    assert done.returncode == 1


def test_status_with_a_wrong_key(centre: FakeCentre, place: dict[str, str]) -> None:
    centre.will_answer(refusal("Unauthorized", 401, "The key is not valid."))
    assert_one_line(payk("status", "1", "2", environment=place), "Unauthorized: The key is not valid.", code=1)
    assert len(centre.requests) == 1


TIMELINE = {
    "MessageId": "100000001",
    "MessageState": "Undeliverable",
    "Parts": 2,
    "Why": {"Code": "Undeliverable", "Detail": "Undeliverable: the operator's receipt says so (012).", "Until": None},
    "Events": [
        {"Event": "accepted", "Time": "2025-02-17T10:20:30.123"},
        {"Event": "held", "Time": "2025-02-17T10:20:30.123", "Until": "2025-02-17T10:21:00.000"},
        {"Event": "queued", "Time": "2025-02-17T10:21:00.000"},
        {
            "Event": "refused",
            "Time": "2025-02-17T10:21:00.500",
            "Part": 1,
            "Attempt": 1,
            "Operator": "tcell",
            "CommandStatus": "ESME_RSYSERR",
        },
        {
            "Event": "uncertain",
            "Time": "2025-02-17T10:21:03.000",
            "Part": 1,
            "Attempt": 2,
            "Operator": "tcell",
            "Until": "2025-02-17T10:21:04.000",
            "Reason": "no answer within 30 s",
        },
        {
            "Event": "submitted",
            "Time": "2025-02-17T10:21:04.000",
            "Part": 1,
            "Attempt": 3,
            "Operator": "tcell",
            "OperatorMessageId": "00A1",
        },
        {
            "Event": "receipt",
            "Time": "2025-02-17T10:21:05.001",
            "Part": 1,
            "Operator": "tcell",
            "OperatorMessageId": "00A1",
            "State": None,
            "RawState": "[red]\x1b[31m",
        },
        {
            "Event": "receipt",
            "Time": "2025-02-17T10:21:07.000",
            "Part": 1,
            "Operator": "tcell",
            "State": "Undeliverable",
            "RawState": "UNDELIV",
            "Error": "012",
            "NetworkError": {"Network": "GSM", "Code": 27},
            "OperatorTime": "2025-02-17T10:21:00.000",
        },
        {
            "Event": "receipt",
            "Time": "2025-02-17T10:21:07.000",
            "Part": 2,
            "Operator": "tcell",
            "State": "Undeliverable",
            "NetworkError": {"Network": None, "Code": "0x0301"},
        },
        {"Event": "final", "Time": "2025-02-17T10:21:07.000", "Reason": "receipt: 012", "State": "Undeliverable"},
    ],
}
SHOWN = """\
100000001  Undeliverable  2 parts
Undeliverable: the operator's receipt says so (012).
Time (UTC)               Event      Part  Attempt  Operator  Details
2025-02-17 10:20:30.123  accepted
2025-02-17 10:20:30.123  held                                until 2025-02-17 10:21:00.000
2025-02-17 10:21:00.000  queued
2025-02-17 10:21:00.500  refused    1     1        tcell     ESME_RSYSERR
2025-02-17 10:21:03.000  uncertain  1     2        tcell     no answer within 30 s, until 2025-02-17 10:21:04.000
2025-02-17 10:21:04.000  submitted  1     3        tcell     id 00A1
2025-02-17 10:21:05.001  receipt    1              tcell     no state, [red]\N{REPLACEMENT CHARACTER}[31m, id 00A1
2025-02-17 10:21:07.000  receipt    1              tcell     Undeliverable, UNDELIV, err 012, network error GSM 27, \
at 2025-02-17 10:21:00.000 by the operator's clock
2025-02-17 10:21:07.000  receipt    2              tcell     Undeliverable, network error 0x0301
2025-02-17 10:21:07.000  final                               Undeliverable, receipt: 012
"""


def trimmed(output: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in output.splitlines())


def test_status_shows_the_timeline(centre: FakeCentre, place: dict[str, str]) -> None:
    """A word of a peer is neither our markup nor a command to the terminal."""
    centre.will_answer(Answer(body=TIMELINE))
    done = payk("status", "100000001", "--events", environment={**place, "PYTHONIOENCODING": "utf-8"})
    assert trimmed(done.stdout) == SHOWN
    assert (done.stderr, done.returncode) == ("", 0)
    assert centre.requests[0].path == "/api/v1/sms/100000001/events"


def test_status_shows_several_timelines(centre: FakeCentre, place: dict[str, str]) -> None:
    second = {"MessageId": "100000002", "MessageState": "None", "Parts": 1, "Events": TIMELINE["Events"][:1]}  # type: ignore[index]
    centre.will_answer(
        Answer(body=TIMELINE), refusal("MessageNotFound", 404, "There is no message 5."), Answer(body=second)
    )
    own = {**place, "PYTHONIOENCODING": "utf-8", "PAYK_STATUS_EVENTS": "1"}
    done = payk("status", "100000001", "5", "100000002", environment=own)
    assert trimmed(done.stdout) == (
        f"{SHOWN}\n"
        "100000002  None  1 part\n"
        "Time (UTC)               Event     Part  Attempt  Operator  Details\n"
        "2025-02-17 10:20:30.123  accepted\n"
    )
    assert done.stderr == "payk: 5: MessageNotFound: There is no message 5.\n"
    assert done.returncode == 1


def test_the_timeline_as_json_is_as_documented(centre: FakeCentre, place: dict[str, str]) -> None:
    centre.will_answer(Answer(body=TIMELINE))
    done = payk("status", "100000001", "100000001", "--events", "--json", environment=place)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [TIMELINE, TIMELINE]


# -- simulate --------------------------------------------------------------------------------------------------------


def test_simulate_lists_the_scripted_numbers() -> None:
    done = payk("simulate", "--list")
    assert done.returncode == 0
    assert "992000000015" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--refuse", "2"], "--refuse: 2.0 should be a share from 0 to 1, for example 0.05 for 5 of 100"),
        (["--scenario", "/nowhere.toml"], "/nowhere.toml: cannot be read: No such file or directory"),
        (
            ["--ids", "octal"],
            (
                "Invalid value for '--ids' (env var: 'PAYK_SIMULATOR_IDS'):"
                " 'octal' is not one of 'dec', 'hex', 'uuid', 'hex-dec', 'dec-hex', 'dec-padded', 'hex-padded'"
                " (see payk --help)"
            ),
        ),
    ],
)
def test_simulate_asked_wrongly(arguments: list[str], line: str) -> None:
    assert_one_line(payk("simulate", *arguments), line)


def test_simulate_on_a_taken_port(centre: FakeCentre) -> None:
    port = centre.url.rpartition(":")[2]
    done = payk("simulate", "--port", port)
    assert done.returncode == 2
    assert done.stderr.startswith(f"payk: cannot listen on 127.0.0.1:{port}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_simulate_listens_until_it_is_stopped(end: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "payk", "simulate", "--port", "0", "--record", str(tmp_path / "record.jsonl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        where = re.fullmatch(r"operator listens on 127\.0\.0\.1:(\d+)\n", process.stdout.readline())
        assert where is not None
        socket.create_connection(("127.0.0.1", int(where[1])), timeout=5).close()
        process.send_signal(end)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert all(json.loads(line)["level"] == "info" for line in errors.splitlines())


# -- output ----------------------------------------------------------------------------------------------------------


def test_a_reader_that_has_seen_enough(centre: FakeCentre, place: dict[str, str]) -> None:
    centre.will_answer(state("Enroute"))
    with subprocess.Popen(
        [sys.executable, "-m", "payk", "status", "1"], env=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(timeout=10)
    assert (process.returncode, errors) == (1, b"")


HEAVY = {"pydantic_settings", "asyncpg", "starlette", "fastapi", "httpx", "payk.settings", "payk.app", "payk.client"}
TOLD = "import atexit, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"


def loaded(*arguments: str, environment: dict[str, str]) -> set[str]:
    """The modules that a command has loaded by its end."""
    done = subprocess.run(
        [sys.executable, "-c", f"{TOLD}from payk.cli import main\nsys.exit(main())", *arguments],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return set(done.stderr.split())


def test_help_is_quick(place: dict[str, str]) -> None:
    """Nothing is loaded to parse a command line but what it says."""
    for command, module in (("send", "messages"), ("queue", "traffic")):
        found = loaded(command, "--help", environment=place)
        assert f"payk.cli.{module}" in found and "payk.cli.top" not in found
        assert not found & HEAVY


@pytest.mark.parametrize("where", ["server", "database"])
def test_a_name_is_completed_without_the_server_and_its_libraries(where: str, place: dict[str, str]) -> None:
    asked = {"PAYK_ADMIN_URL": "http://127.0.0.1:1"} if where == "server" else {"PAYK_DATABASE_URL": "postgresql:///x"}
    line = {"_PAYK_COMPLETE": "complete_bash", "COMP_WORDS": "payk client show b", "COMP_CWORD": "3"}
    found = loaded(environment=place | asked | line)
    assert "payk.cli.registry" in found and "payk.cli.access" not in found
    assert ("asyncpg" in found) is (where == "database")
    assert not found & (HEAVY - {"asyncpg"})


# -- preview ---------------------------------------------------------------------------------------------------------

PREVIEW = {
    "PhoneNumber": "992900900900", "Encoding": "UCS2", "Parts": 2, "Units": 71, "CharactersLeft": 63, "Ends": [67, 71],
    "ForcedBy": [{"Character": "ы", "At": 0, "Count": 71}],
    "Shorter": {
        "Spelling": "ru", "Text": "y" * 71, "Encoding": "GSM7", "Parts": 1, "Units": 71, "CharactersLeft": 89,
        "Ends": [71],
    },
    "Route": {
        "Prefix": "992", "Why": "It fits.",
        "Operators": [{"Operator": "tcell", "Weight": 70, "Carries": False, "Why": "It is disabled."}],
    },
    "Price": "0.5", "Cost": "1", "Rejections": [],
}  # fmt: skip


def test_a_text_is_looked_at_without_a_centre(place: dict[str, str], centre: FakeCentre) -> None:
    done = payk("preview", "ы" * 71, environment=place)
    assert (done.stderr, done.returncode) == ("", 0)
    rows = [re.split(r" {2,}", line.strip()) for line in done.stdout.splitlines()]
    assert rows == [
        ["encoding", "UCS2"],
        ["parts", "2, cut after character 67"],
        ["units", "71, 63 left in the last part"],
        ["not GSM", "ы U+044B at 1"],
        ["shorter", f"1 part in GSM7 as ru: {'y' * 71}"],
    ]
    told = json.loads(payk("preview", "Price: 5 €", "--json", environment=place).stdout)
    assert (told["Encoding"], told["Parts"], told["Units"], told["ForcedBy"]) == ("GSM7", 1, 11, [])
    assert list(told) == list(PREVIEW)
    assert centre.requests == []


def test_of_many_letters_the_first_are_named(place: dict[str, str]) -> None:
    done = payk("preview", "абвгдежзиклм", environment=place)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("not GSM")]
    assert line.count("U+") == 10 and line.strip().endswith("; and 2 more")


@pytest.mark.parametrize(("text", "line"), [("  ", "the text is blank"), ("", "the text is blank")])
def test_what_is_no_text_is_one_line(place: dict[str, str], text: str, line: str) -> None:
    done = payk("preview", text, environment=place)
    assert (done.stdout, done.stderr, done.returncode) == ("", f"payk: {line}\n", 2)


def test_where_it_would_go_the_centre_is_asked(centre: FakeCentre, place: dict[str, str]) -> None:
    centre.will_answer(Answer(body=PREVIEW))
    arguments = ("preview", "ы" * 71, "--to", "992900900900", "--sender", "AlifBank", "--type", "otp")
    done = payk(*arguments, environment=place)
    assert (done.stderr, done.returncode) == ("", 0)
    [request] = centre.requests
    assert request.path == "/api/v1/sms/preview"
    assert request.body == {
        "PhoneNumber": "992900900900", "Text": "ы" * 71, "SenderAddress": "AlifBank", "SmsType": 2,
    }  # fmt: skip
    for row in (
        "number    992900900900", "route     992: It fits.", "operator  tcell, share 70: It is disabled.",
        "price     0.5 a part, 1 in all",
    ):  # fmt: skip
        assert row in done.stdout
    assert json.loads(payk(*arguments, "--json", environment=place).stdout) == PREVIEW


def test_what_would_be_refused_is_exit_code_1(centre: FakeCentre, place: dict[str, str]) -> None:
    nothing = dict.fromkeys(("PhoneNumber", "Encoding", "Parts", "Units", "CharactersLeft", "Ends", "Shorter", "Route"))
    refused = [{"Field": "PhoneNumber", "Code": "PhoneNumberInvalid", "Detail": "It is no number."}]
    centre.will_answer(Answer(body=PREVIEW | nothing | {"Price": None, "Cost": None, "Rejections": refused}))
    done = payk("preview", "x", "--to", "12", environment=place)
    assert done.returncode == 1
    assert re.search(r"^refused +PhoneNumberInvalid: It is no number\.$", done.stdout, re.MULTILINE)
