"""Commands of a client: send a message, see what became of it, see what one would be.

They are the SDK and need nothing of the server; only a text is looked at here with the server's parts.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from payk.cli.command_line import PROGRAM, Home, fail, server_parts
from payk.printable import printable

if TYPE_CHECKING:  # loaded by the command that runs: no other one waits for it
    from rich.text import Text

    from payk.client import Client, Preview, Status, Timeline, TimelineEvent

__all__ = ["ApiKey", "AsJson", "Url", "commands", "connected", "shown"]

RETRIES = 2
"""Whoever sits at a terminal is not kept waiting."""

LETTERS_SHOWN = 10
"""Of those that make a text dear."""

commands = typer.Typer()

Url = Annotated[
    str | None,
    typer.Option(metavar="URL", envvar="PAYK_URL", help="Address of the centre. [default: this machine, PAYK_PORT]"),
]
ApiKey = Annotated[
    str | None,
    typer.Option(metavar="KEY", envvar="PAYK_API_KEY", help="Key of the client. [default: demo-key under PAYK_HOME]"),
]
AsJson = Annotated[bool, typer.Option("--json", envvar="PAYK_JSON", help="Print the documented JSON, one per line.")]


@commands.command()
def send(
    to: Annotated[
        str, typer.Option(metavar="NUMBER", envvar="PAYK_SEND_TO", help="Number with country code: 992900900900.")
    ],
    text: Annotated[str, typer.Option(metavar="TEXT", envvar="PAYK_SEND_TEXT", help="Text of the message.")],
    sender: Annotated[
        str, typer.Option(metavar="NAME", envvar="PAYK_SEND_SENDER", help="Registered sender, such as AlifBank.")
    ],
    type_: Annotated[
        Literal["common", "otp", "batch"], typer.Option("--type", envvar="PAYK_SEND_TYPE", help="What it is for.")
    ] = "common",
    priority: Annotated[
        Literal["low", "normal", "high"] | None,
        typer.Option(envvar="PAYK_SEND_PRIORITY", help="How urgent it is. [default: normal]"),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="LABEL", envvar="PAYK_SEND_LABEL", help="Label for reports.")
    ] = None,
    client_message_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID", envvar="PAYK_SEND_CLIENT_MESSAGE_ID", help="Own id: the same again sends nothing twice."
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", envvar="PAYK_SEND_WAIT", help="Print each state to the final one; 1 unless Delivered."),
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
) -> None:
    """Send one message and print its id."""
    from payk.client import Message, MessageState, Priority, SmsType

    message = Message(
        to,
        text,
        sender,
        SmsType[type_.upper()],
        priority=None if priority is None else Priority[priority.upper()],
        label=label,
        client_message_id=client_message_id,
    )
    with connected(url, api_key, home) as centre:
        sent = centre.send(message)
        answer = {"MessageId": sent.message_id, "MessageResult": "OK", "MessageError": False}
        print(json.dumps(answer) if as_json else sent.message_id, flush=True)
        state = MessageState.DELIVERED
        for status in centre.watch(sent.message_id) if wait else ():
            state = status.state
            print(_status_line(status) if as_json else state, flush=True)
    if state is not MessageState.DELIVERED:
        raise typer.Exit(1)


@commands.command()
def status(
    message_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="MessageIds, as `payk send` prints them.")],
    events: Annotated[
        bool, typer.Option("--events", envvar="PAYK_STATUS_EVENTS", help="Show what happened to each, and when.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
) -> None:
    """Show what became of messages; exit code 1 if one is not known."""
    from payk.client import ApiError

    found: list[Status] = []
    timelines: list[Timeline] = []
    refusals = []
    with connected(url, api_key, home) as centre:
        for message_id in message_ids:
            try:
                if events:
                    timelines.append(centre.events(message_id))
                else:
                    found.append(centre.status(message_id))
            except ApiError as error:
                if error.status not in (400, 404):
                    raise
                refusals.append(f"{message_id}: {error}")
    if as_json:
        for row in found:
            print(_status_line(row))
        for timeline in timelines:
            print(json.dumps(timeline.body))
    elif found:
        _print_table(found)
    elif timelines:
        _print_timelines(timelines)
    for refusal in refusals:
        print(f"{PROGRAM}: {refusal}", file=sys.stderr)
    if refusals:
        raise typer.Exit(1)


@commands.command()
def preview(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Text of the message.")],
    to: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", envvar="PAYK_PREVIEW_TO", help="Also ask the centre where it would go."),
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option(metavar="NAME", envvar="PAYK_PREVIEW_SENDER", help="Sender that it would have; goes with --to."),
    ] = None,
    type_: Annotated[
        Literal["common", "otp", "batch"],
        typer.Option("--type", envvar="PAYK_PREVIEW_TYPE", help="What it would be for; goes with --to."),
    ] = "common",
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
) -> None:
    """Show how a text is encoded and cut, and what makes it dear; with --to also its route, price and broken rules.

    Nothing is sent. Without --to no centre is asked. Exit code 1 if the message would be refused.
    """
    if to is None and sender is None:
        found = _preview_here(text)
    else:
        from payk.client import Message, SmsType

        with connected(url, api_key, home) as centre:
            found = centre.preview(Message(to or "", text, sender or "", SmsType[type_.upper()]))
    if as_json:
        print(json.dumps(found.body, ensure_ascii=False))
    else:
        _print_preview(found, asked=to is not None or sender is not None)
    if found.rejections:
        raise typer.Exit(1)


def _preview_here(text: str) -> Preview:
    """What can be known of a text without a centre."""
    with server_parts("preview"):
        from payk.client.answer import preview_of
        from payk.intake import preview as intake
        from payk.text import cost_of, find_invalid
        from payk.web.api.preview import preview_members
    fault = find_invalid(text)
    if fault is not None:
        fail(f"this text cannot be sent: {fault}")
    if not text or text.isspace():
        fail("the text is blank")
    return preview_of(preview_members(intake.Preview("", cost_of(text), 0, None, None, ())))


def _print_preview(found: Preview, *, asked: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for name, cell in _preview_rows(found, asked=asked):
        table.add_row(name, shown(cell))
    Console(highlight=False, width=None if sys.stdout.isatty() else 250).print(table)


def _preview_rows(found: Preview, *, asked: bool) -> Iterator[tuple[str, str]]:
    if found.parts is not None and found.ends is not None:
        yield "encoding", found.encoding or ""
        cuts = ", ".join(str(end) for end in found.ends[:-1])
        yield "parts", f"{found.parts}" + (f", cut after character {cuts}" if cuts else "")
        yield "units", f"{found.units}, {found.characters_left} left in the last part"
    if found.forced_by:
        first = [
            f"{one.character} U+{ord(one.character):04X} at {one.at + 1}" for one in found.forced_by[:LETTERS_SHOWN]
        ]
        more = len(found.forced_by) - len(first)
        yield "not GSM", "; ".join(first) + (f"; and {more} more" if more else "")
    if found.shorter is not None:
        shorter = found.shorter
        yield "shorter", f"{_parts(shorter.parts)} in {shorter.encoding} as {shorter.spelling}: {shorter.text}"
    if asked:
        yield "number", found.phone_number or "none"
        yield "route", "none" if found.route is None else f"{found.route.prefix or 'every number'}: {found.route.why}"
        for operator in () if found.route is None else found.route.operators:
            weight = f", share {operator.weight}" if operator.weight else ""
            yield "operator", f"{operator.name}{weight}" + (f": {operator.why}" if operator.why else "")
        if found.price is not None:
            yield "price", f"{found.price} a part, {found.cost} in all"
    for broken in found.rejections:
        yield "refused", f"{broken.code}: {broken.detail}"


def _parts(count: int) -> str:
    return f"{count} part{'' if count == 1 else 's'}"


def _status_line(status: Status) -> str:
    """The documented JSON of a status."""
    return json.dumps(
        {
            "MessageId": status.message_id,
            "CommandStatus": "OK",
            "MessageState": status.state,
            "DateSubmitted": f"{status.submitted_at:%Y-%m-%dT%H:%M:%S}",
            "DateDone": f"{status.done_at:%Y-%m-%dT%H:%M:%S}" if status.done_at else None,
        }
    )


def _print_table(rows: Sequence[Status]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("MessageId", "MessageState", "DateSubmitted (UTC)", "DateDone (UTC)", box=None, pad_edge=False)
    for row in rows:
        done = f"{row.done_at:%Y-%m-%d %H:%M:%S}" if row.done_at else ""
        table.add_row(row.message_id, row.state, f"{row.submitted_at:%Y-%m-%d %H:%M:%S}", done)
    Console(highlight=False).print(table)


def _print_timelines(timelines: Sequence[Timeline]) -> None:
    from rich.console import Console
    from rich.table import Table

    # Rows that no terminal has to hold are not broken.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 250)
    for place, timeline in enumerate(timelines):
        table = Table("Time (UTC)", "Event", "Part", "Attempt", "Operator", "Details", box=None, pad_edge=False)
        for event in timeline.events:
            numbers = ["" if number is None else str(number) for number in (event.part, event.attempt)]
            cells = (_moment(event.at), event.kind, *numbers, event.operator or "", ", ".join(_details(event)))
            table.add_row(*(shown(cell) for cell in cells))
        head = f"{timeline.message_id}  {timeline.state}  {_parts(timeline.parts)}"
        why = [] if timeline.why is None else [shown(timeline.why.detail)]
        console.print(*([""] if place else []), shown(head), *why, table, sep="\n")


def _details(event: TimelineEvent) -> Iterator[str]:
    """What the columns of its table have no room for."""
    if event.kind == "receipt" or event.state is not None:
        yield event.state or "no state"
    if event.raw_state:
        yield event.raw_state
    if event.command_status:
        yield event.command_status
    if event.reason:
        yield event.reason
    if event.error is not None:
        yield f"err {event.error}"
    if event.network_error is not None:
        yield f"network error {event.network_error.network or ''} {event.network_error.code}".replace("  ", " ")
    if event.operator_message_id:
        yield f"id {event.operator_message_id}"
    if event.operator_time is not None:
        yield f"at {_moment(event.operator_time)} by the operator's clock"
    if event.until is not None:
        yield f"until {_moment(event.until)}"


def _moment(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(" ", "milliseconds")


def shown(cell: str) -> Text:
    """A word of a peer as a terminal may show it: no markup of ours, nothing that steers a terminal."""
    from rich.text import Text

    return Text(printable(cell))


@contextmanager
def connected(url: str | None, api_key: str | None, home: str | None) -> Iterator[Client]:
    """The SDK towards the centre that was named, else the one of `payk up` here; its errors as one line each."""
    from payk.client import ApiError, Client, PaykError

    try:
        # A file of variables with Windows line ends leaves a character behind each.
        key = (api_key or _demo_key(home)).strip()
        with Client((url or _own_address()).strip(), key, retries=RETRIES) as client:
            yield client
    except ApiError as error:
        fail(str(error), 1)
    except PaykError as error:
        fail(str(error))
    except ValueError as error:
        fail(str(error))


def _own_address() -> str:
    host = os.environ.get("PAYK_HOST") or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{os.environ.get('PAYK_PORT') or 8080}"


def _demo_key(home: str | None) -> str:
    file = Path(home or os.environ.get("PAYK_HOME") or ".payk").expanduser() / "demo-key"
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        fail(f"no API key: set PAYK_API_KEY or --api-key; `payk up` writes one to {file}")
