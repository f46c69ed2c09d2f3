"""Commands that ask the management API: of the server at PAYK_ADMIN_URL, else inside the command, on the database."""

from __future__ import annotations

import json
import math
import os
import stat
import sys
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from urllib.parse import quote

import typer

from payk.cli.command_line import NOT_WRITTEN, fail, load_settings, server_parts
from payk.printable import printable

if TYPE_CHECKING:  # loaded where something is asked or shown: whoever completes a word waits for what is loaded
    import httpx
    from rich.table import Table

    from payk.settings import Settings

__all__ = [
    "PAGE",
    "ROOT",
    "TEXT_SETTINGS",
    "AdminUrl",
    "Answer",
    "Force",
    "IfMatch",
    "Settings_",
    "all_pages",
    "ask",
    "ask_all",
    "check_lines",
    "check_whole",
    "exchanged",
    "lines_of",
    "on_the_database",
    "opened_for_us",
    "path",
    "print_warnings",
    "read_settings",
    "read_time",
    "reason_of",
    "rows_of",
    "show",
    "show_one",
    "to_the_second",
    "told_by_name",
    "told_lines",
    "written_to",
]

ROOT = "/api/admin/v1"
PATIENCE = 120.0
"""Seconds for one answer: a cancel, or a file of 100,000 senders."""
PAGE = 1_000
TEXT_SETTINGS = frozenset(
    {
        *("name", "default_country", "bulk", "batch_hours"),  # of clients
        *("key", "sha256", "label", "expires_at"),  # of keys
        *("status", "reason"),  # of senders
        *("host", "system_id", "bind", "validity", "system_type", "service_type", "address_range"),  # of links
        *("long_text", "id_mode", "receipt_timezone"),
        *("prefix", "client", "sender", "order"),  # of routes
    }
)
"""Settings that are text and nothing else: a copy of what payk.registry.options says, for that is a part of the server,
and these commands need nothing of it."""
_NO_ANSWER = frozenset({408, 503, 504})
"""Statuses that are no answer of the centre: it did not get the request whole, has no database, or lost it."""
WIDE = 250
"""Columns where no terminal has to hold the rows."""

AdminUrl = Annotated[
    str | None,
    typer.Option(
        "--admin-url",
        metavar="URL",
        envvar="PAYK_ADMIN_URL",
        help="Management listener to ask, with the token in PAYK_ADMIN_TOKEN. [default: the database itself]",
    ),
]
# No variable stands for this one: it is meant once.
Force = Annotated[bool, typer.Option("--force", help="Also where traffic that runs would be cut off.")]
Settings_ = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings, as docs/settings.md names them, such as max_parts=5."),
]

IfMatch = Annotated[
    str | None,
    typer.Option(metavar="ETAG", envvar="PAYK_IF_MATCH", help="Only if it is still what this ETag was given for."),
]
Answer = Any
"""What an answer holds, as JSON has it."""


def path(*names: str) -> str:
    """A path below ROOT; names may hold whatever a path may not."""
    return "".join(f"/{quote(name, safe='')}".replace("/.", "/%2E") for name in names)


def on_the_database(command: str, why: str) -> None:
    """Ends a command that works on the database alone where a server is named: the two may be different centres.

    `why` it does, as the end of a sentence.
    """
    if os.environ.get("PAYK_ADMIN_URL"):
        fail(
            f"payk {command} works on the database alone, {why}; and PAYK_ADMIN_URL names a server:"
            " unset it where the database of this machine is meant"
        )


def ask(
    command: str,
    url: str | None,
    home: str | None,
    method: str,
    where: str,
    body: Any = None,
    *,
    params: Mapping[str, Any] | None = None,
    content: str | bytes | AsyncIterator[bytes] | None = None,
    kind: str | None = None,
    if_match: str | None = None,
    patience: float = PATIENCE,
    options: Mapping[str, str] | None = None,
    refused: int = 1,
) -> Answer:
    """One request; what is answered. Ends the command where the answer is no: `refused`, or where there is none: 2.

    `content`: a body that is no JSON, of this `kind`. `patience` in seconds for the answer of a server. `options`: by
    what names the command line has the fields that a refusal names.
    """
    if if_match is not None and not _visible(if_match):
        fail("--if-match should be an ETag, as `show` prints it")
    headers = {} if if_match is None else {"if-match": f'"{if_match}"' if if_match != "*" else "*"}
    if kind is not None:
        headers["content-type"] = kind
    request: dict[str, Any] = {"params": _given(params), "headers": headers}
    request |= {"content": content} if content is not None else {} if body is None else {"json": body}

    async def exchange(client: httpx.AsyncClient) -> httpx.Response:
        return await client.request(method, ROOT + where, **request)

    return _answer(_run(command, url, home, exchange, patience), options, refused)


def _given(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (params or {}).items() if value is not None}


def ask_all(
    command: str, url: str | None, home: str | None, *questions: tuple[str, Mapping[str, Any] | None]
) -> list[Answer]:
    """What is answered to several questions, each a path and what its query says."""

    async def exchange(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.get(ROOT + where, params=_given(params)) for where, params in questions]

    return [_answer(response) for response in _run(command, url, home, exchange)]


def exchanged(
    command: str,
    url: str | None,
    home: str | None,
    exchange: Callable[[httpx.AsyncClient], Awaitable[Any]],
    *,
    patience: float = PATIENCE,
) -> Any:
    """What several requests come to; an answer that is no ends the command, as `ask` does."""
    import httpx

    found = _run(command, url, home, exchange, patience)
    return _answer(found) if isinstance(found, httpx.Response) else found


def all_pages(
    command: str,
    url: str | None,
    home: str | None,
    where: str,
    params: Mapping[str, Any] | None = None,
    *,
    most: int | None = None,
) -> list[dict[str, Any]]:
    """Every item of a list, or the first `most`, page by page."""
    given = _given(params)

    async def exchange(client: httpx.AsyncClient) -> list[dict[str, Any]] | httpx.Response:
        items: list[dict[str, Any]] = []
        after: dict[str, Any] = {}
        while True:
            limit = PAGE if most is None else min(PAGE, most - len(items))
            response = await client.get(ROOT + where, params={**given, **after, "limit": limit})
            if response.status_code != 200:
                return response
            page = _told(response)
            items += rows_of(page["items"])
            if page.get("next") is None or len(items) == most:
                return items
            after = {"before" if where in ("/changes", "/audit") else "after": page["next"]}

    return exchanged(command, url, home, exchange)  # type: ignore[no-any-return]  # a list, or it ended


def _run(
    command: str,
    url: str | None,
    home: str | None,
    exchange: Callable[[httpx.AsyncClient], Awaitable[Any]],
    patience: float = PATIENCE,
) -> Any:
    if url:
        return _over_http(url.strip(), exchange, patience)
    with server_parts(command):
        settings: Settings = load_settings({"home": home})
        import httpx

        from payk import app

        found: list[Any] = []

        async def inside(transport: httpx.AsyncBaseTransport) -> None:
            headers = {"authorization": "Bearer local"}
            async with httpx.AsyncClient(transport=transport, base_url="http://payk", headers=headers) as client:
                found.append(await exchange(client))

        try:
            app.run(app.managing(settings, inside))
        except httpx.HTTPError as error:
            fail(reason_of(error))
        return found[0]


def _over_http(url: str, exchange: Callable[[httpx.AsyncClient], Awaitable[Any]], patience: float) -> Any:
    import asyncio

    import httpx

    token = os.environ.get("PAYK_ADMIN_TOKEN", "").strip()
    if not token:
        fail(
            "PAYK_ADMIN_URL is given and PAYK_ADMIN_TOKEN is not: it takes a token of the server there; "
            "the first user and its token are made on the database itself, without PAYK_ADMIN_URL"
        )
    if not _visible(token):
        fail("PAYK_ADMIN_TOKEN is no token: a token consists of visible ASCII characters")

    async def outside() -> Any:
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=patience) as client:
            return await exchange(client)

    try:
        return asyncio.run(outside())
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        fail(f"{printable(url)} cannot be asked: {reason_of(error)}")


def _visible(word: str) -> bool:
    """Whether it can stand in a header as it is."""
    return word.isascii() and word.isprintable() and " " not in word


def reason_of(error: Exception) -> str:
    """What the HTTP library says of a request that failed, on one line; not of what could not be sent at all, for it
    quotes headers, and one of them is the token."""
    import httpx

    if isinstance(error, httpx.LocalProtocolError | UnicodeError):
        return "the request holds what cannot be sent over HTTP"
    return printable(str(error)) or type(error).__name__


def _answer(response: httpx.Response, options: Mapping[str, str] | None = None, refused: int = 1) -> Answer:
    if response.status_code == 204:
        return ""
    if response.is_success:
        kind = response.headers.get("content-type", "")
        if kind.startswith("application/json"):
            return _told(response)
        if kind.startswith("application/toml") or not response.content:
            return response.text
        _foreign(response)
    try:
        problem = response.json()
        lines = [
            f"{(options or {}).get(field, field)}: {wrong}"
            for field, found in problem["Errors"].items()
            for wrong in found
        ] or problem["Detail"].splitlines()
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        _foreign(response)
    if problem.get("MessageResult") == "PathNotFound":
        lines = [f"{response.request.url.path}: the server has nothing there; it is of another version"]
    for line in lines:
        print(f"payk: {printable(line.replace('?force=true', '--force'))}", file=sys.stderr)
    unanswered = response.status_code in _NO_ANSWER or problem.get("MessageResult") == "PathNotFound"
    raise typer.Exit(2 if unanswered else refused)


class _Told(dict[str, Any]):
    """An object of an answer. Whatever should be in it and is not was answered by somebody else."""

    def __missing__(self, name: str) -> NoReturn:
        fail(f"the server's answer lacks {name}: it is not Payk's management API, or of another version")


def _told(response: httpx.Response) -> Any:
    """The object that is answered, with its ETag among the members where there is one."""
    try:
        told = json.loads(response.content, object_hook=_Told)
    except (ValueError, RecursionError):
        _foreign(response)
    if not isinstance(told, dict):
        _foreign(response)
    if etag := response.headers.get("etag"):
        told["etag"] = etag.strip('"')
    return told


def told_lines(response: httpx.Response) -> list[dict[str, Any]]:
    """The objects of an answer that has one a line."""
    check_lines(response)
    try:
        return rows_of([json.loads(line, object_hook=_Told) for line in response.content.split(b"\n") if line])
    except (ValueError, RecursionError):
        _foreign(response)


def check_lines(response: httpx.Response) -> None:
    """Ends the command where an answer does not have one object a line."""
    if not response.headers.get("content-type", "").startswith("application/x-ndjson"):
        _foreign(response)


def _foreign(response: httpx.Response) -> NoReturn:
    fail(f"the server answered {response.status_code}, and not as Payk does: is this its management API?")


def rows_of(found: Any) -> list[dict[str, Any]]:
    """What should be a list of objects. Ends the command where it is not."""
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        fail("the server answered not as Payk does: is this its management API?")
    return found


def check_whole(rows: Sequence[Mapping[str, Any]]) -> None:
    """Ends the command where numbers that should be whole are masked: an older server passes over what it is asked."""
    if any("*" in str(row.get("number")) for row in rows):
        fail("the server shows numbers masked alone: it is of an older version")


def lines_of(found: Any) -> list[str]:
    """What should be a list of lines, as a terminal may show them. Ends the command where it is not."""
    if not isinstance(found, list) or not all(isinstance(line, str) for line in found):
        fail("the server answered not as Payk does: is this its management API?")
    return [printable(line) for line in found]


def print_warnings(done: Mapping[str, Any]) -> None:
    """What is so now, and had better not be, on standard error; older servers say nothing of it."""
    for line in lines_of(done.get("warnings", [])):
        print(f"payk: warning: {line}", file=sys.stderr)


def read_settings(given: Sequence[str] | None) -> dict[str, Any]:
    """KEY=VALUE, VALUE as TOML has it, else text: `max_parts=5 batch_hours=08:00-21:00 destinations=["992"]`.

    Of a setting that is text VALUE is that text as it is typed, unless it stands in quotes: `default_country=992`.
    """
    found: dict[str, Any] = {}
    for pair in given or ():
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not equals or not key:
            fail(f"{pair!r} is no setting: write KEY=VALUE, such as max_parts=5")
        if key in found:
            fail(f"{key} is given twice")
        found[key] = _value(value, text=key in TEXT_SETTINGS)
    return found


def _value(typed: str, *, text: bool) -> Any:
    try:
        value = tomllib.loads(f"x = {typed}")["x"]
    except (ValueError, RecursionError):
        return typed
    return typed if text and not isinstance(value, str) else _json(value)


def _json(value: Any) -> Any:
    """A value of TOML as JSON has it: times, such as those of batch_hours, are text."""
    if isinstance(value, dict):
        return {name: _json(element) for name, element in value.items()}
    if isinstance(value, list):
        return [_json(element) for element in value]
    if isinstance(value, float) and not math.isfinite(value):  # which JSON has not
        return str(value)
    return value if isinstance(value, str | int | float | bool) else str(value)


def read_time(option: str, given: str | None) -> datetime | None:
    """A time as ISO 8601 has it, or a day; UTC unless it says otherwise. Ends the command where it is none."""
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given.strip())
    except ValueError:
        fail(f"{option} should be a time such as 2026-11-26T10:30:00+05:00, not {given!r}")
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def to_the_second(at: Any) -> str:
    """A time of an answer, `2026-11-26T10:30:00.250Z`, for a table."""
    return str(at).partition(".")[0].replace("T", " ")


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool, *, nothing: str = "") -> None:
    """Rows: as a table of some columns, `nothing` in place of an empty one, or whole, as JSON, one a line."""
    if as_json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return
    if nothing and not rows:
        print(nothing)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows_of(rows):
        table.add_row(*(Text(_shown(row.get(column))) for column in columns))
    _print(table)


def show_one(row: Mapping[str, Any], as_json: bool) -> None:
    """One thing with all its settings."""
    if as_json:
        print(json.dumps(row, ensure_ascii=False))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in row.items():
        table.add_row(name, Text(_shown(value)))
    _print(table)


def _print(table: Table) -> None:
    from rich.console import Console

    # Rows that no terminal has to hold are not broken.
    Console(highlight=False, width=None if sys.stdout.isatty() else WIDE).print(table)


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case list():
            return ", ".join(map(_shown, value))
        case dict():
            return ", ".join(f"{name} {_shown(element)}" for name, element in value.items())
        case _:
            return printable(str(value))


@contextmanager
def written_to(file: Path | None) -> Iterator[Callable[[str], object]]:
    """What writes to a file that only we may read, else to standard output."""
    if file is None:
        yield sys.stdout.write
        return
    with told_by_name(file), os.fdopen(opened_for_us(file), "w", encoding="utf-8") as opened:
        yield opened.write


@contextmanager
def told_by_name(file: Path) -> Iterator[None]:
    """Around what writes to a file. Ends the command where the disk takes no more, which is said without a name."""
    try:
        yield
    except OSError as error:
        if error.errno not in NOT_WRITTEN:
            raise
        fail(f"{file}: {error.strerror}")


def opened_for_us(file: Path) -> int:
    """Descriptor of an empty file that only we may read, also where one was there. Ends the command where it is not."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):  # one that was there may be open to others
            os.fchmod(descriptor, 0o600)
            os.ftruncate(descriptor, 0)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    return descriptor
