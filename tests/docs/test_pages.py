"""The documentation says what the program does: tables, commands, files, links and diagrams against their sources."""

from __future__ import annotations

import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from payk.cli import command_line
from payk.client.answer import read_timeline
from payk.domain.errors import ERRORS, Code, Field
from payk.domain.message import MessageState
from payk.domain.states import FINAL, TRANSITIONS
from payk.domain.whereabouts import Cause
from payk.registry.file import read
from payk.registry.limit_options import LIMITS
from payk.registry.options import LINK
from payk.settings import COMMAND_VARIABLES, SECRET_VARIABLES, Settings
from payk.simulator import scripted_numbers
from payk.store.timeline import EventKind
from payk.web.api.listing import PARAMETERS
from payk.web.api.openapi import document
from tests.docs import settings_page

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
API_PAGES = [ROOT / "docs/en/api.md", ROOT / "docs/ru/api.md"]

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
every_api_page = pytest.mark.parametrize("page", API_PAGES, ids=["en", "ru"])


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    fence = re.compile(rf"^( *)```{language}\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
    return [match[2] for match in fence.finditer(page.read_text("utf-8"))]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every table row."""
    for line in text.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def shell_lines(page: Path) -> Iterator[str]:
    """The command lines of the shell blocks, continued ones joined, and of code in a sentence."""
    for block in blocks(page, "sh"):
        yield from re.split(r"\n(?=[a-z./])", block.replace("\\\n", " ").strip())
    prose = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    yield from re.findall(r"`((?:\.venv/bin/)?payk [^`]+|make [^`]+)`", prose)


def commands_of(page: Path) -> Iterator[list[str]]:
    """Words of every command of ours: payk, its command, its arguments."""
    for line in shell_lines(page):
        words = shlex.split(line, comments=True)
        if words and words[0].removeprefix(".venv/bin/") == "payk":
            yield ["payk", *words[1:]]


def options_of(words: list[str]) -> set[str]:
    """Of the command that these words begin with, which may be one of a group: `message search`."""
    command: Any = typer.main.get_command(command_line())
    for word in words:
        if not hasattr(command, "commands"):
            break
        command = command.commands[word.rstrip(",.")]
    return {option for parameter in command.params for option in parameter.opts}


def test_the_settings_page_is_up_to_date() -> None:
    assert settings_page.PAGE.read_text("utf-8") == settings_page.page(), "python -m tests.docs.settings_page writes it"


@every_page
def test_commands_have_the_options_that_are_shown(page: Path) -> None:
    for _, *words in commands_of(page):
        if words[0].startswith("-"):
            assert words[0] in {"--help", "--version", "--install-completion"}
            continue
        options = options_of(words)
        for word in words[1:]:
            if word.startswith("--"):
                assert word.partition("=")[0] in options, f"payk {words[0]} {word}"


@every_page
def test_a_page_with_commands_says_how_to_have_them(page: Path) -> None:
    shown = [line for block in blocks(page, "sh") for line in block.splitlines()]
    if any(line.startswith("payk ") for line in shown):
        ways = ('export PATH="$PWD/.venv/bin:$PATH"', "](operations.md#installing)")
        assert any(way in page.read_text("utf-8") for way in ways)


@every_page
def test_targets_of_make_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for line in shell_lines(page):
        words = [word for word in shlex.split(line, comments=True) if not re.match(r"[A-Z_]+=", word)]
        if words[:1] == ["make"]:
            assert set(words[1:]) <= targets, line


@every_page
def test_variables_exist(page: Path) -> None:
    known = {f"PAYK_{name.upper()}" for name in Settings.model_fields} | COMMAND_VARIABLES | SECRET_VARIABLES
    assert set(re.findall(r"PAYK_[A-Z_]+", page.read_text("utf-8"))) <= known


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@every_page
def test_registry_files_are_right(page: Path) -> None:
    for block in blocks(page, "toml"):
        read(tomllib.loads(block), page.name, {})


@pytest.mark.parametrize(
    "setting",
    sorted(set(re.findall(r"`(\w+ = [^`]+)`", (ROOT / "docs/operators.md").read_text("utf-8")))),
)
def test_what_a_symptom_calls_for_can_be_written(setting: str) -> None:
    """Every key and value that docs/operators.md advises is one of a link, an operator or a route."""
    key, written = setting.split(" = ", 1)
    value = tomllib.loads(f"value = {written.replace(', ...', '')}")["value"]
    link = {"host": "192.0.2.1", "port": 2775, "system_id": "payk", "password": "x", key: value}
    document = {"operator": [{"name": "tcell", "link": [link]}]}
    if key not in LINK:
        document = {"route": [{"prefix": "992", "operators": ["tcell"], key: value}]}
    read(document, "operators.md", {})


@every_page
def test_json_is_json(page: Path) -> None:
    for block in blocks(page, "json"):
        json.loads(block)


@every_page
def test_python_examples_import_what_exists(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, page.name, "exec")
        for line in block.splitlines():
            if line.startswith(("from ", "import ")):
                exec(line, {})


@pytest.mark.parametrize("page", [ROOT / "README.md", *API_PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_curl_lines_are_the_documented_requests(page: Path) -> None:
    """Paths, headers and members; that they are answered as shown is tested end to end."""
    seen = []
    for line in shell_lines(page):
        words = shlex.split(line)
        if words[:1] != ["curl"]:
            continue
        assert words[1] == "--location"
        url = words[2].removeprefix("http://127.0.0.1:8080")
        headers = [words[place + 1] for place, word in enumerate(words) if word == "--header"]
        assert headers[0] in ("X-Api-Key: $KEY", "X-Api-Key: $(cat .payk/demo-key)")
        data = [json.loads(words[place + 1]) for place, word in enumerate(words) if word == "--data"]
        for body in data:
            assert headers[1:] == ["Content-Type: application/json"]
            for message in body if isinstance(body, list) else [body]:
                if "Text" in message:
                    assert set(message) - {"SmsLabel"} == {"PhoneNumber", "Text", "SenderAddress", "SmsType"}
                else:
                    assert set(message) in ({"SmsLabel"}, {"MessageIds"})
        seen.append((url, [type(body) for body in data]))
    documented: list[Any] = [("/api/v1/sms", [dict]), ("/api/v1/sms/100000000", []), ("/api/v1/sms/bulk", [list])]
    if page in API_PAGES:
        documented += [
            ("/api/v1/sms/100000000/events", []),
            ("/api/v1/sms/pause", [dict]),
            ("/api/v1/sms/bulk?MessageIds=true", [list]),
            ("/api/v1/sms/100000003", []),
            ("/api/v1/sms/cancel", [dict]),
            ("/api/v1/sms/cancel", [dict]),
            ("/api/v1/sms/resume", [dict]),
            ("/api/v1/sms?SmsLabel=spring&State=Deleted&Limit=1", []),
            ("/api/v1/sms/status", [dict]),
            ("/api/v1/sms/preview", [dict]),
            ("/api/v1/reports?GroupBy=SmsLabel,Day&From=2025-02-01&To=2025-03-01&TimeZone=Asia/Dushanbe", []),
        ]
    assert seen == documented


def test_the_scripted_numbers_of_the_readme() -> None:
    table = {row[0]: (row[2], row[3]) for row in rows((ROOT / "README.md").read_text("utf-8")) if row[0].isdigit()}
    assert table == {row.number: (row.final_state, f"{row.within} s") for row in scripted_numbers()}


def test_the_diagram_of_the_states() -> None:
    (diagram,) = blocks(ROOT / "docs/architecture.md", "mermaid")
    drawn = {tuple(match) for match in re.findall(r"(\w+) --> (\w+)", diagram)}
    assert drawn == {(before.label, after.label) for before, later in TRANSITIONS.items() for after in later}


def test_the_rooms_of_the_architecture() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    named = {name for row in rows(text) for name in re.findall(r"`([a-z_]+)`", row[0])}
    package = ROOT / "src/payk"
    rooms = {entry.name.removesuffix(".py") for entry in package.iterdir() if not entry.name.startswith(("_", "py."))}
    assert named == rooms


@every_api_page
def test_every_error_code_is_documented(page: Path) -> None:
    table = {row[0].strip("`"): row[1] for row in rows(page.read_text("utf-8")) if re.fullmatch(r"[45]\d\d", row[1])}
    assert table == {code.value: str(kind.status) for code, kind in ERRORS.items()}


@every_api_page
def test_every_field_is_documented(page: Path) -> None:
    names = [row[0].strip("`") for row in rows(page.read_text("utf-8"))]
    for field in Field:
        assert names.count(field.value) == 2, f"{field.value}: in the table of parameters and in that of rules"


@every_api_page
def test_every_state_is_documented(page: Path) -> None:
    yes = "yes" if page.parent.name == "en" else "да"
    table = {row[0].strip("`"): (row[1], row[2]) for row in rows(page.read_text("utf-8")) if row[1].isdigit()}
    table = {name: row for name, row in table.items() if name in {state.label for state in MessageState}}
    assert table == {state.label: (str(int(state)), yes if state in FINAL else "") for state in MessageState}


@every_api_page
def test_every_event_is_documented(page: Path) -> None:
    """Kinds with their members, members with their meaning, and an example that is what the SDK reads."""
    members = list(document()["components"]["schemas"]["Event"]["properties"])[2:]
    text = page.read_text("utf-8")
    table = {row[0].strip("`"): row for row in rows(text)}
    assert [name for name in table if name in set(EventKind)] == list(EventKind)
    assert [name for name in table if name in members] == members
    assert {name for kind in EventKind for name in re.findall(r"`(\w+)`", table[kind][2])} == set(members)
    (example,) = [json.loads(block) for block in blocks(page, "json") if '"Events"' in block]
    times = [event["Time"] for event in example["Events"]]
    assert times == sorted(times)
    for event in example["Events"]:
        of_kind = set(re.findall(r"`(\w+)`", table[event["Event"]][2]))
        assert list(event) == ["Event", "Time", *(name for name in members if name in event)]
        assert set(event) - {"Event", "Time"} <= of_kind
    answer = httpx.Response(200, json=example, request=httpx.Request("GET", "http://127.0.0.1"))
    assert [event.kind for event in read_timeline(answer).events] == [event["Event"] for event in example["Events"]]


@every_api_page
def test_every_code_of_why_is_documented(page: Path) -> None:
    """Each once, and the example has one of them."""
    text = page.read_text("utf-8")
    [told] = re.findall(r"^## 4\..*?(?=^## )", text, re.MULTILINE | re.DOTALL)
    [codes] = re.findall(r"^\| Code \|.*?\n\n", told, re.MULTILINE | re.DOTALL)
    named = [name for row in rows(codes) for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(Cause)
    (example,) = [json.loads(block) for block in blocks(page, "json") if '"Events"' in block]
    assert list(example["Why"]) == list(document()["components"]["schemas"]["Why"]["properties"])
    answer = httpx.Response(200, json=example, request=httpx.Request("GET", "http://127.0.0.1"))
    why = read_timeline(answer).why
    assert why is not None and why.code in set(Cause)


@every_api_page
def test_every_parameter_of_the_list_and_member_of_a_preview_is_documented(page: Path) -> None:
    """Each once, in the tables of their sections; and the examples have the members that are described."""
    text, schemas = page.read_text("utf-8"), document()["components"]["schemas"]
    [listing] = re.findall(r"^## 6\..*?(?=^## )", text, re.MULTILINE | re.DOTALL)
    named = [name for row in rows(listing) for name in re.findall(r"`(\w+)=`", row[0])]
    assert sorted(named) == sorted(PARAMETERS)
    [trying] = re.findall(r"^## 8\..*?(?=^## )", text, re.MULTILINE | re.DOTALL)
    members = [name for row in rows(trying) for name in re.findall(r"`(\w+)`", row[0])]
    assert members == list(schemas["Preview"]["properties"])
    shown = [json.loads(block) for block in blocks(page, "json")]
    [preview] = [example for example in shown if "ForcedBy" in example]
    assert list(preview) == members
    [found] = [example for example in shown if "Cursor" in example]
    assert list(found["Messages"][0]) == list(schemas["StoredMessage"]["properties"])


def test_both_languages_show_the_same() -> None:
    english, russian = API_PAGES
    for language in ("sh", "json"):
        assert blocks(english, language) == blocks(russian, language)
    outline = [re.findall(r"^(#+) ", page.read_text("utf-8"), re.MULTILINE) for page in API_PAGES]
    assert outline[0] == outline[1]
    codes = [re.findall(r"`([A-Z][A-Za-z]+)`", page.read_text("utf-8")) for page in API_PAGES]
    assert sorted(codes[0]) == sorted(codes[1])


@every_page
def test_a_page_speaks_of_the_product_alone(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "TODO" not in text
    assert os.fspath(ROOT) not in text


def test_every_limit_stands_in_its_table() -> None:
    """docs/limits.md tells of each key once, in their order, and answers with codes and statuses that there are."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]+\|([^|]*)\|", (ROOT / "docs/limits.md").read_text("utf-8"), re.MULTILINE)
    assert [key for key, _ in rows] == list(LIMITS)
    for key, answer in rows:
        for status, code in re.findall(r"(\d+) `(\w+)`", answer):
            assert ERRORS[Code(code)].status == int(status), key
