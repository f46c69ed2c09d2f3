"""docs/settings.md from its sources: the settings, the options of the commands, the keys of a registry file.

`python -m tests.docs.settings_page` writes the page; a test compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from payk.cli import command_line
from payk.registry.key import Option
from payk.registry.options import TABLES
from payk.settings import Settings

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"

HEAD = """\
# Settings

Environment variables tell a process where it runs; an option of the command line of the same name goes before its
variable (`--port` before `PAYK_PORT`). An empty variable counts as not set. A wrong value, and a variable that looks
like a misspelt one, is one line on standard error and exit code 2. Clients, operators and routes are configured by a
file of `payk apply`, whose keys follow below.

This page is written by `python -m tests.docs.settings_page`, and a test keeps it true.

## Variables of the centre

"""

COMMANDS = """
## Variables of single commands

`PAYK_HOME`, `PAYK_HOST` and `PAYK_PORT` count here too: `payk send` and `payk status` ask the centre at `PAYK_URL`,
else the one at `PAYK_HOST` and `PAYK_PORT`, with the key `PAYK_API_KEY`, else the one in the file `demo-key` under
`PAYK_HOME`. `PAYK_SIMULATOR_PORT` is also the port of the operator inside `payk up`.

"""

KEYS = """
## Keys of a file of `payk apply`

What a file does not name is left alone. A list is the whole list, except `api_keys` and `api_key_sha256`, which only
add. [operators.md](operators.md) shows a file.
"""

TITLES = {
    "client": "Every customer of the centre, known by its name.",
    "client.key": "What is said of single API keys of the client above it; named by the key or its digest.",
    "client.sender": "What is said of single senders of the client above it, besides `senders` or in place of it.",
    "operator": "Every mobile network or hub, known by its name.",
    "operator.link": "Every SMPP account at the operator above it, known by its name.",
    "route": "Which operators carry a number, known by its prefix.",
}


def page() -> str:
    """The whole page."""
    settings = _table(("Variable", "Default", "Value", "What it is"), _settings())
    commands = _table(("Variable", "Option", "Default", "What it is"), _options())
    keys = "".join(
        f"\n### `[[{name}]]`\n\n{TITLES[name]}\n\n{_table(('Key', 'Default', 'What it is'), _keys(name))}"
        for name in TABLES
    )
    return f"{HEAD}{settings}{COMMANDS}{commands}{KEYS}{keys}"


def _settings() -> Iterator[Sequence[str]]:
    for name, field in Settings.model_fields.items():
        about = field.json_schema_extra
        assert isinstance(about, dict)
        yield f"`PAYK_{name.upper()}`", str(about["default"]), str(about["kind"]), field.description or ""


def _options() -> Iterator[Sequence[str]]:
    """Options with variables of their own; those that several commands share stand once."""
    rows: dict[str, tuple[list[str], Any]] = {}
    for command, parameter in _parameters():
        commands, _ = rows.setdefault(parameter.envvar, ([], parameter))
        commands.append(f"`payk {command} {parameter.opts[0]}`")
    for variable, (commands, parameter) in rows.items():
        in_words = re.fullmatch(r"(.*) \[default: (.*)\]", parameter.help)
        about, default = in_words.groups() if in_words else (parameter.help, parameter.default)
        yield (
            f"`{variable}`",
            ", ".join(commands),
            "" if default is None or default is False else _shown(default),
            about,
        )


def _shown(default: object) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default)


def _parameters() -> Iterator[tuple[str, Any]]:
    for name, command in _commands(typer.main.get_command(command_line())):
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.envvar:
                yield name, parameter


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by its words, those of groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def _keys(table: str) -> Iterator[Sequence[str]]:
    for name, key in TABLES[table].items():
        default = _toml(key.default) if isinstance(key, Option) else ""
        yield f"`{name}`", "`0x34`" if name == "interface_version" else default, key.about


def _toml(value: Any) -> str:
    """A default as a file would write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{_inline(value)}`"


def _inline(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(element, list) for element in value):
        return _inline(dict(value))  # a table whose order counts is stored as pairs
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_inline(element)}" for name, element in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
