"""The command line: parse, call, print. What the commands do lives elsewhere.

`send` and `status` are the SDK and need nothing of the server; the other commands import their rooms when they run, so
that the base installation starts quickly and says in one line which parts a command needs. Every error that is not a
defect is one line on standard error: exit code 2 where Payk was asked wrongly or cannot start, 1 where the centre says
no.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from payk import __version__
from payk.client import (
    ApiError,
    Client,
    Message,
    MessageState,
    PaykError,
    Priority,
    SmsType,
    Status,
    Timeline,
    TimelineEvent,
)

if TYPE_CHECKING:
    from payk.settings import Settings

__all__ = ["command_line", "main"]

PROGRAM = "payk"
RETRIES = 2
"""Of `send` and `status`: whoever sits at a terminal is not kept waiting."""

command_line = typer.Typer(
    name=PROGRAM,
    help="Payk, an SMS centre: HTTP in, SMPP out.",
    epilog="Options are environment variables too: --port is PAYK_PORT. All of them: docs/settings.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's) and return its exit code."""
    _mend_standard_streams()
    try:
        code = command_line(arguments, prog_name=PROGRAM, standalone_mode=False)
    except typer.TyperException as error:
        code = _complain(error)
    except typer.Abort:
        code = 130
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or 1
    return code if isinstance(code, int) else 0


def _mend_standard_streams() -> None:
    """A closed one leads nowhere, before a socket of ours gets its number; one that lacks our letters shows `?`."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _complain(error: typer.TyperException) -> int:
    message = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
    if message:  # empty where help was shown in place of a missing command
        print(f"{PROGRAM}: {message} (see {PROGRAM} --help)", file=sys.stderr)
    return 2


def _fail(message: str, code: int = 2) -> NoReturn:
    print(f"{PROGRAM}: {message}", file=sys.stderr)
    raise typer.Exit(code)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


@command_line.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


# -- Commands of the centre itself -----------------------------------------------------------------------------------

# Options that are settings: their variables are read, and both are checked, by payk.settings.
Home = Annotated[
    str | None, typer.Option(metavar="DIR", help="Folder of the embedded database and our files. [PAYK_HOME: .payk]")
]
Host = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on. [PAYK_HOST: 127.0.0.1]")]
Port = Annotated[str | None, typer.Option(metavar="N", help="Port of the API, 0 = a free one. [PAYK_PORT: 8080]")]
AdminPort = Annotated[
    str | None, typer.Option(metavar="N", help="Port of the management listener. [PAYK_ADMIN_PORT: main port + 1000]")
]
Roles = Annotated[
    str | None, typer.Option(metavar="ROLES", help="api,dispatch,maintenance or some of them. [PAYK_ROLES: all]")
]


@command_line.command()
def up(home: Home = None, host: Host = None, port: Port = None, admin_port: AdminPort = None) -> None:
    """Try it: embedded database, an operator to try against, a demo client, the API."""
    given = {"home": home, "host": host, "port": port, "admin_port": admin_port}
    with _server_parts("up", "server,embedded"):
        settings = _settings(given, defaults_for_trying=True)
        from payk import app

        app.run(app.up(settings))


@command_line.command()
def serve(
    roles: Roles = None, home: Home = None, host: Host = None, port: Port = None, admin_port: AdminPort = None
) -> None:
    """Run the centre, or some of its roles, against a migrated database."""
    given = {"roles": roles, "home": home, "host": host, "port": port, "admin_port": admin_port}
    with _server_parts("serve"):
        settings = _settings(given)
        from payk import app

        app.run(app.serve(settings, settings.roles))


@command_line.command()
def migrate(
    home: Home = None,
    first_message_id: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=2**31 - 1,
            metavar="N",
            envvar="PAYK_FIRST_MESSAGE_ID",
            help="The first MessageId of a new database. [default: 100000000]",
        ),
    ] = None,
) -> None:
    """Bring the database's schema up to this version."""
    with _server_parts("migrate"):
        settings = _settings({"home": home})
        from payk import app

        app.run(app.migrate(settings, first_message_id))


@command_line.command()
def backup(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where backups lie; made if it is not there.")
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, envvar="PAYK_BACKUP_KEEP", help="Leave the newest N backups only. [default: all]"
        ),
    ] = None,
    stop: Annotated[
        bool, typer.Option("--stop", envvar="PAYK_BACKUP_STOP", help="Stream the log to no backup any more.")
    ] = False,
    home: Home = None,
) -> None:
    """Back the embedded database up while it serves; from then on its log is streamed to the backup."""
    with _server_parts("backup", "server,embedded"):
        settings = _settings({"home": home})
        from payk import app

        app.run(app.backup(settings, folder, keep=keep, stop=stop))


@command_line.command()
def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of `payk backup`.")],
    to: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            envvar="PAYK_RESTORE_TO",
            help="As of when, such as 2026-11-26T10:30:00+05:00; without a zone UTC. [default: all there is]",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            envvar="PAYK_RESTORE_BASE",
            help="The base backup to begin with. [default: the newest that fits]",
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Make the embedded database what a backup holds; then nothing is sent until `payk recover`."""
    with _server_parts("restore", "server,embedded"):
        settings = _settings({"home": home})
        from payk import app

        app.run(app.restore(settings, folder, to=to, base=base))


@command_line.command()
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML file of clients, operators and routes.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", envvar="PAYK_DRY_RUN", help="Print the difference and change nothing.")
    ] = False,
    home: Home = None,
) -> None:
    """Make clients, keys, senders, operators, links and routes what a file says."""
    with _server_parts("apply"):
        settings = _settings({"home": home})
        from payk import app

        app.run(app.apply(settings, file, dry_run))


@command_line.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="TOML file of `payk apply` to check as well.")
    ] = None,
    home: Home = None,
) -> None:
    """Check settings, database, schema, clock and links; exit code 0 or 2."""
    fit = []

    async def checked(work: Coroutine[Any, Any, bool]) -> None:
        fit.append(await work)

    with _server_parts("check"):
        settings = _settings({"home": home})
        from payk import app

        app.run(checked(app.check(settings, file)))
    if not all(fit):
        raise typer.Exit(2)


@command_line.command()
def forget(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="With its country code, such as 992900900900.")],
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="PAYK_FORGET_EXPORT",
            help="Write all that is known of it, texts included, to this new file, and erase nothing.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", envvar="PAYK_FORGET_FORCE", help="End messages to it that are on their way.")
    ] = False,
    home: Home = None,
) -> None:
    """Erase everything of one number, or export it. Ids, states and times of its messages stay."""
    with _server_parts("forget"):
        settings = _settings({"home": home})
        from payk import app

        app.run(app.forget(settings, number, export=export, force=force))


secret = typer.Typer(
    help="Secret keys, under which passwords and the texts of Otp are encrypted.", no_args_is_help=True
)
command_line.add_typer(secret, name="secret")


@secret.command()
def rotate(home: Home = None) -> None:
    """Have PAYK_SECRET_KEY encrypt, and encrypt anew what was under other keys. Every process must have both first."""
    with _server_parts("secret rotate"):
        settings = _settings({"home": home})
        from payk import app

        app.run(app.rotate(settings))


@command_line.command()
def processes(
    as_json: Annotated[bool, typer.Option("--json", envvar="PAYK_JSON", help="Print one line of JSON.")] = False,
    home: Home = None,
) -> None:
    """Show the live processes with their roles and duties, and who holds which bind in what state."""
    with _server_parts("processes"):
        settings = _settings({"home": home})
        from payk import app

        app.run(app.processes(settings, as_json))


@command_line.command()
def recover(
    release: Annotated[
        bool, typer.Option("--release", envvar="PAYK_RECOVER_RELEASE", help="Send what is chosen: back to the queue.")
    ] = False,
    give_up: Annotated[
        bool, typer.Option("--give-up", envvar="PAYK_RECOVER_GIVE_UP", help="End what is chosen as Unknown.")
    ] = False,
    type_: Annotated[
        Literal["common", "otp", "batch"] | None,
        typer.Option("--type", envvar="PAYK_RECOVER_TYPE", help="Only messages of this type."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="LABEL", envvar="PAYK_RECOVER_LABEL", help="Only messages with this label.")
    ] = None,
    younger_than: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0, envvar="PAYK_RECOVER_YOUNGER_THAN", help="Only those accepted since then."
        ),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0, envvar="PAYK_RECOVER_OLDER_THAN", help="Only those accepted before then."
        ),
    ] = None,
    ids_ahead: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=1_000_000_000,
            envvar="PAYK_RECOVER_IDS_AHEAD",
            help="Ids to pass over, for those that were given away and are lost. [default: by the rate before]",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", envvar="PAYK_DRY_RUN", help="Show what is at risk and change nothing.")
    ] = False,
    home: Home = None,
) -> None:
    """Go on after a restore, or a failover that lost commits: what may have been sent is set aside until released."""
    with _server_parts("recover"):
        settings = _settings({"home": home})
        from payk import app

        choice = app.choice(type_, label, younger_than, older_than)
        app.run(app.recover(settings, choice, releases=release, gives_up=give_up, ahead=ids_ahead, dry_run=dry_run))


def _print_scripted_numbers(wanted: bool) -> None:
    if wanted:
        with _server_parts("simulate"):
            from payk.simulator import listing

            print(listing())
        raise typer.Exit


def _simulator(name: str, metavar: str, help_line: str) -> Any:
    """An option of `payk simulate`; its variable is PAYK_SIMULATOR_NAME."""
    variable = f"PAYK_SIMULATOR_{name.upper().replace('-', '_')}"
    return typer.Option(f"--{name}", metavar=metavar, envvar=variable, help=help_line)


@command_line.command()
def simulate(
    host: Annotated[str, _simulator("host", "ADDRESS", "Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, _simulator("port", "N", "Port to listen on, 0 = a free one.")] = 2775,
    system_id: Annotated[str, _simulator("system-id", "NAME", "Name of its one account.")] = "payk",
    password: Annotated[str, _simulator("password", "TEXT", "Password of its one account.")] = "payk",
    max_binds: Annotated[int, _simulator("max-binds", "N", "Binds at once; more get RALYBND; 0 = any number.")] = 0,
    interface_version: Annotated[
        Literal["0x33", "0x34", "0x50"],
        _simulator("interface-version", "V", "Version of its SMPP: 0x34, 0x50, or 0x33, which has no TLVs."),
    ] = "0x34",
    latency: Annotated[float, _simulator("latency", "MS", "Milliseconds from a submit_sm to its answer.")] = 0.0,
    rate: Annotated[int, _simulator("rate", "N", "submit_sm a second; more are throttled; 0 = any number.")] = 0,
    window: Annotated[int, _simulator("window", "N", "Unanswered submit_sm per bind; more are throttled.")] = 0,
    refuse: Annotated[float, _simulator("refuse", "P", "Share (0 to 1) refused for good, with RSUBMITFAIL.")] = 0.0,
    throttle: Annotated[float, _simulator("throttle", "P", "Share throttled: refused for now.")] = 0.0,
    throttle_code: Annotated[
        Literal["RTHROTTLED", "RMSGQFUL"],
        _simulator("throttle-code", "STATUS", "What throttled ones get: RTHROTTLED or RMSGQFUL."),
    ] = "RTHROTTLED",
    lose: Annotated[float, _simulator("lose", "P", "Share neither answered nor delivered.")] = 0.0,
    early: Annotated[float, _simulator("early", "P", "Share whose receipt comes before the answer.")] = 0.0,
    no_id: Annotated[float, _simulator("no-id", "P", "Share taken with an empty message_id.")] = 0.0,
    duplicate: Annotated[float, _simulator("duplicate", "P", "Share whose receipts come twice.")] = 0.0,
    congestion: Annotated[
        str | None,
        _simulator(
            "congestion", "STATE", "congestion_state in answers: 0 to 100, or auto, the percentage of --rate in use."
        ),
    ] = None,
    ids: Annotated[
        Literal["dec", "hex", "uuid", "hex-dec", "dec-hex", "dec-padded", "hex-padded"],
        _simulator(
            "ids",
            "FORM",
            "Message ids: dec, hex, uuid, or one form in answers and another in receipts: hex-dec, dec-hex, dec-padded"
            " and hex-padded (with leading zeros).",
        ),
    ] = "dec",
    receipts: Annotated[
        Literal["text", "tlv", "both", "data_sm"],
        _simulator("receipts", "FORM", "Where receipts say it: text, tlv, both, or both in a data_sm."),
    ] = "both",
    receipt_fields: Annotated[
        Literal["standard", "shuffled"],
        _simulator("receipt-fields", "ORDER", "Labels in the text of receipts: standard, or shuffled and incomplete."),
    ] = "standard",
    receipts_on: Annotated[
        Literal["any", "other"],
        _simulator("receipts-on", "BIND", "Bind that receipts go over: any, or other than that of the message."),
    ] = "any",
    service_type: Annotated[
        str, _simulator("service-type", "TEXT", "service_type of receipts, up to 20 characters; SMPP allows 5.")
    ] = "",
    timezone: Annotated[str, _simulator("timezone", "ZONE", "Zone of the dates in receipts.")] = "UTC",
    scenario: Annotated[Path | None, _simulator("scenario", "FILE", "TOML file with rules of your own.")] = None,
    record: Annotated[
        Path | None, _simulator("record", "FILE", "Append every message and receipt, one JSON line each.")
    ] = None,
    list_: Annotated[
        bool,
        typer.Option(
            "--list", help="Print the scripted numbers and exit.", callback=_print_scripted_numbers, is_eager=True
        ),
    ] = False,
) -> None:
    """Run an operator to try against: an SMPP server."""
    with _server_parts("simulate"):
        from payk.simulator import IdForm, ReceiptFields, ReceiptForm, ReceiptRoute, SimulatorOptions, ThrottleCode, run

        options = SimulatorOptions(
            host=host,
            port=port,
            system_id=system_id,
            password=password,
            max_binds=max_binds,
            interface_version=int(interface_version, 16),
            latency=latency,
            rate=rate,
            window=window,
            refuse=refuse,
            throttle=throttle,
            throttle_code=ThrottleCode(throttle_code),
            lose=lose,
            early=early,
            no_id=no_id,
            duplicate=duplicate,
            congestion=congestion,
            ids=IdForm(ids),
            receipts=ReceiptForm(receipts),
            receipt_fields=ReceiptFields(receipt_fields),
            receipts_on=ReceiptRoute(receipts_on),
            service_type=service_type,
            timezone=timezone,
            scenario=scenario,
            record=record,
        )
        _settings({})  # for the log
        asyncio.run(run(options))


def _settings(given: Mapping[str, str | None], *, defaults_for_trying: bool = False) -> Settings:
    """The settings of this process, with its log set up after them."""
    from payk import logs
    from payk.settings import ignored_variables, load

    settings = load(given, defaults_for_trying=defaults_for_trying)
    logs.configure(settings.log_format, settings.log_level)
    for name in ignored_variables():
        print(f"{PROGRAM}: {name} is no setting and is ignored", file=sys.stderr)
    return settings


@contextmanager
def _server_parts(command: str, extras: str = "server") -> Iterator[None]:
    """Turns what stops a command of the server into one line: parts not installed, wrong settings, a failed start."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == PROGRAM:
            raise
        _fail(f"payk {command} needs the server parts ({error.name} is missing): pip install 'payk[{extras}]'")
    except Exception as error:
        if not isinstance(error, _start_errors()):
            raise
        _fail(str(error))


def _start_errors() -> tuple[type[Exception], ...]:
    """What is told in one line, of the rooms that were loaded."""
    names = (("payk.settings", "SettingsError"), ("payk.app", "StartError"), ("payk.simulator", "SimulatorError"))
    return tuple(getattr(sys.modules[room], name) for room, name in names if room in sys.modules)


# -- Commands of a client --------------------------------------------------------------------------------------------

Url = Annotated[
    str | None,
    typer.Option(metavar="URL", envvar="PAYK_URL", help="Address of the centre. [default: this machine, PAYK_PORT]"),
]
ApiKey = Annotated[
    str | None,
    typer.Option(metavar="KEY", envvar="PAYK_API_KEY", help="Key of the client. [default: demo-key under PAYK_HOME]"),
]
AsJson = Annotated[bool, typer.Option("--json", envvar="PAYK_JSON", help="Print the documented JSON, one per line.")]


@command_line.command()
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
    message = Message(
        to,
        text,
        sender,
        SmsType[type_.upper()],
        priority=None if priority is None else Priority[priority.upper()],
        label=label,
        client_message_id=client_message_id,
    )
    with _centre(url, api_key, home) as centre:
        sent = centre.send(message)
        answer = {"MessageId": sent.message_id, "MessageResult": "OK", "MessageError": False}
        print(json.dumps(answer) if as_json else sent.message_id, flush=True)
        state = MessageState.DELIVERED
        for status in centre.watch(sent.message_id) if wait else ():
            state = status.state
            print(_status_line(status) if as_json else state, flush=True)
    if state is not MessageState.DELIVERED:
        raise typer.Exit(1)


@command_line.command()
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
    found: list[Status] = []
    timelines: list[Timeline] = []
    refusals = []
    with _centre(url, api_key, home) as centre:
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
    table = Table("MessageId", "MessageState", "DateSubmitted (UTC)", "DateDone (UTC)", box=None, pad_edge=False)
    for row in rows:
        done = f"{row.done_at:%Y-%m-%d %H:%M:%S}" if row.done_at else ""
        table.add_row(row.message_id, row.state, f"{row.submitted_at:%Y-%m-%d %H:%M:%S}", done)
    Console(highlight=False).print(table)


def _print_timelines(timelines: Sequence[Timeline]) -> None:
    # Rows that no terminal has to hold are not broken.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 250)
    for place, timeline in enumerate(timelines):
        table = Table("Time (UTC)", "Event", "Part", "Attempt", "Operator", "Details", box=None, pad_edge=False)
        for event in timeline.events:
            numbers = ["" if number is None else str(number) for number in (event.part, event.attempt)]
            cells = (_moment(event.at), event.kind, *numbers, event.operator or "", ", ".join(_details(event)))
            table.add_row(*(_shown(cell) for cell in cells))
        head = f"{timeline.message_id}  {timeline.state}  {timeline.parts} part{'' if timeline.parts == 1 else 's'}"
        console.print(*([""] if place else []), _shown(head), table, sep="\n")


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


def _shown(cell: str) -> Text:
    """A word of a peer as a terminal may show it: no markup of ours, nothing that steers a terminal."""
    return Text("".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in cell))


@contextmanager
def _centre(url: str | None, api_key: str | None, home: str | None) -> Iterator[Client]:
    """The SDK towards the centre that was named, else the one of `payk up` here; its errors as one line each."""
    try:
        with Client(url or _own_address(), api_key or _demo_key(home), retries=RETRIES) as client:
            yield client
    except ApiError as error:
        _fail(str(error), 1)
    except PaykError as error:
        _fail(str(error))
    except ValueError as error:
        _fail(str(error))


def _own_address() -> str:
    host = os.environ.get("PAYK_HOST") or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{os.environ.get('PAYK_PORT') or 8080}"


def _demo_key(home: str | None) -> str:
    file = Path(home or os.environ.get("PAYK_HOME") or ".payk").expanduser() / "demo-key"
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        _fail(f"no API key: set PAYK_API_KEY or --api-key; `payk up` writes one to {file}")
