"""Commands about messages that are stored: find them, see what became of one, take over another centre's."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from payk.cli.command_line import AsJson, Home, fail, load_settings, server_parts
from payk.cli.managing import AdminUrl, ask, on_the_database, path, show_one
from payk.cli.managing import show as show_rows

__all__ = ["commands"]

commands = typer.Typer(no_args_is_help=True)

_EVENT = ("at", "event", "part", "attempt", "operator")

State = Literal[
    "none", "enroute", "delivered", "expired", "deleted", "undeliverable", "accepted", "unknown", "rejected"
]
WholeNumbers = Annotated[
    bool,
    typer.Option("--whole-numbers", envvar="PAYK_MESSAGE_WHOLE_NUMBERS", help="Show numbers whole instead of masked."),
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
    home: Home = None,
) -> None:
    """Find messages, newest first: all those that fit every option."""
    on_the_database("message search")
    with server_parts("message"):
        settings = load_settings({"home": home})
        from payk import app
        from payk.domain.message import MessageState, SmsType
        from payk.domain.search import MessageSearch

        wanted = MessageSearch(
            number=number,
            number_ends=number_ends,
            client=client,
            label=label,
            sender=sender,
            sms_type=None if type_ is None else SmsType[type_.upper()],
            state=None if state is None else MessageState[state.upper()],
            operator=operator,
            client_message_id=client_message_id,
            accepted_from=app.instant("--from", from_),
            accepted_before=app.instant("--to", to),
        )
        page = app.search_messages(
            settings, wanted, limit=limit, cursor=cursor, whole_numbers=whole_numbers, as_json=as_json
        )
        app.run(page)


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
    if url and whole_numbers:
        fail("--whole-numbers works on the database itself: leave PAYK_ADMIN_URL and --admin-url out")
    where = path("messages", str(message_id))
    if url:
        told = ask("message show", url, home, "GET", where)
        if text:
            told["text"] = ask("message show", url, home, "GET", f"{where}/text")["text"]
        _show_told(told, as_json)
        return
    with server_parts("message"):
        settings = load_settings({"home": home})
        from payk import app

        found = _answer(app.show_message(settings, message_id, whole_numbers=whole_numbers, as_json=as_json))
    if not found:
        fail(f"there is no message {message_id}", 1)
    if text:
        read = ask("message show", None, home, "GET", f"{where}/text")
        if not as_json:
            print()
        show_one(read if as_json else {"text": _text(read["text"])}, as_json)


def _text(text: str | None) -> str:
    return "(wiped)" if text is None else text


def _show_told(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_one(told, as_json)
        return
    events = told.pop("events")
    if "text" in told:
        told["text"] = _text(told["text"])
    show_one({name: value for name, value in told.items() if value is not None}, as_json)
    print()
    rows = [
        {**event, "details": ", ".join(f"{name} {value}" for name, value in event.items() if name not in _EVENT)}
        for event in events
    ]
    show_rows(rows, (*_EVENT, "details"), as_json)


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
    home: Home = None,
) -> None:
    """Take over statuses of messages that another centre sent; exit code 1 if a row was refused."""
    if (file is None) == (drop_before is None):
        fail("name the file to import, or --drop-before TIME")
    if drop_before is not None and dry_run:
        fail("--dry-run goes with a file, not with --drop-before")
    on_the_database("message import")
    with server_parts("message"):
        settings = load_settings({"home": home})
        from payk import app

        if drop_before is not None:
            app.run(app.drop_imported_messages(settings, drop_before))
            return
        assert file is not None
        whole = _answer(app.import_messages(settings, file, encoding=encoding, dry_run=dry_run))
    if not whole:
        raise typer.Exit(1)


def _answer(work: Coroutine[Any, Any, bool]) -> bool:
    """Run a command that says whether all is well."""
    from payk import app

    answers = []

    async def answered() -> None:
        answers.append(await work)

    app.run(answered())
    return answers[0]
