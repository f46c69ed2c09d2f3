"""Commands about messages that are stored: find them, see what became of one, take over another centre's."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from payk.cli.command_line import AsJson, Home, fail
from payk.cli.managing import (
    AdminUrl,
    ask,
    ask_all,
    check_whole,
    lines_of,
    path,
    read_time,
    rows_of,
    show_one,
    to_the_second,
)
from payk.cli.managing import show as show_rows
from payk.printable import printable

__all__ = ["commands"]

commands = typer.Typer(no_args_is_help=True)

PIECE: Final = 65_536
"""Octets of a file that are sent at a time."""
PROGRESS_EVERY: Final = 5.0
"""Seconds."""
_EVENT = ("at", "event", "part", "attempt", "operator")
_FOUND: Final = {
    "MessageId": "message_id",
    "Accepted (UTC)": "accepted_at",
    "State": "state",
    "Client": "client",
    "Number": "number",
    "Sender": "sender",
    "Type": "sms_type",
    "Operator": "operator",
    "Label": "label",
}
"""Columns of what is found, and what they show."""
_OPTIONS: Final = {
    "accepted_from": "--from",
    "accepted_before": "--to",
    "sms_type": "--type",
    "number_ends": "--number-ends",
    "client_message_id": "--client-message-id",
    **{name: f"--{name}" for name in ("number", "client", "label", "sender", "state", "operator", "limit")},
}
"""What a refusal names, as the command line does."""

State = Literal[
    "none", "enroute", "delivered", "expired", "deleted", "undeliverable", "accepted", "unknown", "rejected"
]
WholeNumbers = Annotated[
    bool,
    typer.Option(
        "--whole-numbers",
        envvar="PAYK_MESSAGE_WHOLE_NUMBERS",
        help="Show numbers whole instead of masked; the audit log says so.",
    ),
]


def _filter(name: str, metavar: str, help_line: str) -> Any:
    """An option of `payk message search`; its variable is PAYK_MESSAGE_NAME."""
    return typer.Option(
        f"--{name}", metavar=metavar, envvar=f"PAYK_MESSAGE_{name.upper().replace('-', '_')}", help=help_line
    )


@commands.command()
def search(
    number: Annotated[str | None, _filter("number", "NUMBER", "To this number.")] = None,
    number_ends: Annotated[
        str | None,
        _filter("number-ends", "DIGITS", "Whose number ends so; with --client, --from and --to, a day apart."),
    ] = None,
    client: Annotated[str | None, _filter("client", "NAME", "Of this client.")] = None,
    label: Annotated[str | None, _filter("label", "LABEL", "With this SmsLabel; with --client.")] = None,
    sender: Annotated[str | None, _filter("sender", "NAME", "From this sender.")] = None,
    type_: Annotated[
        Literal["common", "otp", "batch"] | None,
        typer.Option("--type", envvar="PAYK_MESSAGE_TYPE", help="Of this type."),
    ] = None,
    state: Annotated[State | None, typer.Option(envvar="PAYK_MESSAGE_STATE", help="In this state.")] = None,
    operator: Annotated[str | None, _filter("operator", "NAME", "Handed to this operator last.")] = None,
    client_message_id: Annotated[
        str | None, _filter("client-message-id", "ID", "With this ClientMessageId; with --client.")
    ] = None,
    from_: Annotated[
        str | None,
        _filter("from", "TIME", "Accepted at this time or later, such as 2026-11-20T10:30; without a zone UTC."),
    ] = None,
    to: Annotated[str | None, _filter("to", "TIME", "Accepted before this time.")] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, envvar="PAYK_MESSAGE_LIMIT", help="Messages on the page.")
    ] = 50,
    cursor: Annotated[
        int | None,
        typer.Option(metavar="CURSOR", min=0, envvar="PAYK_MESSAGE_CURSOR", help="Go on where the page before ended."),
    ] = None,
    whole_numbers: WholeNumbers = False,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Find messages, newest first: all those that fit every option."""
    since, until = read_time("--from", from_), read_time("--to", to)
    params = {
        "number": number,
        "number_ends": number_ends,
        "client": client,
        "label": label,
        "sender": sender,
        "sms_type": type_,
        "state": state,
        "operator": operator,
        "client_message_id": client_message_id,
        "accepted_from": None if since is None else since.isoformat(),
        "accepted_before": None if until is None else until.isoformat(),
        "before": cursor,
        "limit": limit,
        "whole_numbers": whole_numbers or None,
    }
    page = ask("message search", url, home, "GET", "/messages", params=params, options=_OPTIONS)
    rows = rows_of(page["items"])
    if whole_numbers:
        check_whole(rows)
    if as_json:
        show_one(page, as_json)
        return
    if rows:
        found = [
            {**row, "accepted_at": to_the_second(row["accepted_at"]), "sms_type": str(row["sms_type"]).capitalize()}
            for row in rows
        ]
        show_rows([{title: row[name] for title, name in _FOUND.items()} for row in found], tuple(_FOUND), as_json)
    if page["looked_back_to"] is not None:
        moment = printable(str(page["looked_back_to"]))
        print(f"looked back to {moment}; what is older: --cursor {printable(str(page['next']))}", file=sys.stderr)
    elif page["next"] is not None:
        print(f"there may be more: --cursor {printable(str(page['next']))}", file=sys.stderr)
    elif not rows:
        print("no such message", file=sys.stderr)


@commands.command()
def show(
    message_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="A MessageId.")],
    text: Annotated[
        bool,
        typer.Option("--text", envvar="PAYK_MESSAGE_TEXT", help="Its text as well; that it was read is recorded."),
    ] = False,
    whole_numbers: WholeNumbers = False,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Show what became of a message, why it is not delivered yet, and what happened to it."""
    where = path("messages", str(message_id))
    questions: list[tuple[str, Any]] = [(where, {"whole_numbers": whole_numbers or None})]
    if text:
        questions.append((f"{where}/text", None))
    told, *read = ask_all("message show", url, home, *questions)
    if whole_numbers:
        check_whole([told])
    for found in read:
        told["text"] = found["text"]
    if as_json:
        show_one(told, as_json)
    else:
        _print_told(told)


def _print_told(told: dict[str, Any]) -> None:
    events = rows_of(told.pop("events", []))
    if "text" in told:
        told["text"] = "(wiped)" if told["text"] is None else told["text"]
    show_one({name: value for name, value in told.items() if value is not None}, False)
    if not events:
        return
    print()
    rows = [
        {**event, "details": ", ".join(f"{name} {value}" for name, value in event.items() if name not in _EVENT)}
        for event in events
    ]
    show_rows(rows, (*_EVENT, "details"), False)


@commands.command(name="import")
def import_(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="CSV with the columns MessageId, Client, MessageState, DateSubmitted, DateDone; - is standard input.",
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            envvar="PAYK_IMPORT_ENCODING",
            help="Of the file, such as cp1251. [default: UTF-8 or UTF-16]",
        ),
    ] = None,
    drop_before: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            envvar="PAYK_IMPORT_DROP_BEFORE",
            help="In place of a file: drop imported messages that were submitted before.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", envvar="PAYK_DRY_RUN", help="Check every row and change nothing.")
    ] = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Take over statuses of messages that another centre sent; exit code 1 if a row was refused, 2 if the file."""
    if (file is None) == (drop_before is None):
        fail("name the file to import, or --drop-before TIME")
    if file is not None:
        _import(file, encoding, dry_run, url, home)
        return
    if dry_run:
        fail("--dry-run goes with a file, not with --drop-before")
    before = read_time("--drop-before", drop_before)
    assert before is not None  # one of both is given
    _drop(before.isoformat(), url, home)


def _import(file: Path, encoding: str | None, dry_run: bool, url: str | None, home: str | None) -> None:
    params = {"name": _shown_name(file), "encoding": encoding, "dry_run": dry_run}
    with _opened(file) as opened:
        done = ask(
            *("message import", url, home, "POST", "/imported-messages"),
            params=params, content=_octets(opened), kind="text/csv", options={"file": str(file)}, refused=2,
        )  # fmt: skip
    for problem in lines_of(done["problems"]):
        print(problem, file=sys.stderr)
    counts = f"{done['added']} added, {done['completed']} completed, {done['known']} known already"
    told = f"{done['rows']} rows: {counts}, {done['refused']} refused"
    print(f"{told} (a dry run: nothing changed)" if dry_run else told)
    if done["refused"]:
        raise typer.Exit(1)


def _shown_name(file: Path) -> str:
    return file.name.encode("utf-8", "replace").decode()[:200]


@contextmanager
def _opened(file: Path) -> Iterator[io.BufferedIOBase]:
    if str(file) == "-":
        assert isinstance(sys.stdin.buffer, io.BufferedIOBase)
        yield sys.stdin.buffer
        return
    try:
        with file.open("rb") as opened:
            yield opened
    except OSError as error:
        fail(f"{file}: {error.strerror}")


async def _octets(opened: io.BufferedIOBase) -> AsyncIterator[bytes]:
    """The file piece by piece, of a pipe what there is; how far it is, on standard error, while that takes long."""
    began = told = time.monotonic()
    lines = 0
    while piece := opened.read1(PIECE):  # read would wait for the whole of it
        yield piece
        lines += piece.count(b"\n")
        if time.monotonic() - told > PROGRESS_EVERY:
            told = time.monotonic()
            print(f"line {lines}: {lines / (told - began):.0f} a second", file=sys.stderr, flush=True)


def _drop(before: str, url: str | None, home: str | None) -> None:
    """A request after another: each ends before anybody takes it for lost."""
    dropped = 0
    after: int | None = 0
    while after is not None:
        wish = {"submitted_before": before, "after": after}
        done = ask("message import", url, home, "POST", "/imported-messages/drop", wish)
        dropped, after = dropped + done["dropped"], done["next"]
    print(f"{dropped} imported messages dropped")
