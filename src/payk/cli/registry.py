"""`payk client|key|sender|route|change|export`, and the settings of operators and links: what is configured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from payk.cli import completion
from payk.cli.command_line import AsJson, Home, fail
from payk.cli.managing import (
    AdminUrl,
    Force,
    IfMatch,
    Settings_,
    all_pages,
    ask,
    lines_of,
    path,
    print_warnings,
    read_settings,
    rows_of,
    show,
    show_one,
    written_to,
)
from payk.cli.traffic import LinkName, NamedOperator
from payk.cli.traffic import link as links
from payk.cli.traffic import operator as operators
from payk.printable import printable

__all__ = ["changes", "clients", "commands", "keys", "links", "operators", "routes", "senders"]

clients = typer.Typer(no_args_is_help=True)
keys = typer.Typer(no_args_is_help=True)
senders = typer.Typer(no_args_is_help=True)
routes = typer.Typer(no_args_is_help=True)
changes = typer.Typer(no_args_is_help=True)
commands = typer.Typer()

Name = Annotated[str, typer.Argument(metavar="NAME")]
ClientName = Annotated[str, typer.Argument(metavar="NAME", autocompletion=completion.clients)]
Client = Annotated[str, typer.Argument(metavar="CLIENT", autocompletion=completion.clients)]
NewSender = Annotated[str, typer.Argument(metavar="SENDER")]
Sender = Annotated[str, typer.Argument(metavar="SENDER", autocompletion=completion.senders)]
KeyId = Annotated[int, typer.Argument(metavar="KEY", help="Its number, as `payk key list` shows it.")]
RouteId = Annotated[
    int,
    typer.Argument(
        metavar="ROUTE", help="Its number, as `payk route list` shows it.", autocompletion=completion.routes
    ),
]
Text = Annotated[str, typer.Option("--reason", metavar="TEXT", envvar="PAYK_REASON", help="Why.")]

_CLIENT = ("name", "client_id", "enabled", "prepaid", "requests_per_second", "parts_per_day")
_KEY = ("key_id", "fingerprint", "label", "created_at", "expires_at", "allow_from", "last_used_at", "revoked_at")
_SENDER = ("client", "name", "status", "reason", "expires_at", "changed_at")
_OPERATOR = ("name", "operator_id", "enabled", "draining")
_LINK = ("name", "operator", "enabled", "draining", "host", "port", "system_id", "binds", "window", "rate")
_ROUTE = ("route_id", "prefix", "client", "sender", "sms_type", "operators", "weights", "price", "enabled")
_RULE = ("wins", "route_id", "prefix", "client", "sender", "sms_type", "why")
_CARRIER = ("operator", "weight", "carries", "why")


# -- Clients -----------------------------------------------------------------------------------------------------------


@clients.command("list")
def list_clients(as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """Every client, by name."""
    show(all_pages("client list", url, home, "/clients"), _CLIENT, as_json)


@clients.command("show")
def show_client(name: ClientName, as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """One client with its settings and limits."""
    show_one(ask("client show", url, home, "GET", path("clients", name)), as_json)


@clients.command("create")
def create_client(
    name: Name, settings: Settings_ = None, as_json: AsJson = False, url: AdminUrl = None, home: Home = None
) -> None:
    """A new client; keys and senders are given to it afterwards."""
    body = {**read_settings(settings), "name": name}
    show_one(ask("client create", url, home, "POST", "/clients", body), as_json)


@clients.command("set")
def set_client(
    name: ClientName,
    settings: Settings_ = None,
    if_match: IfMatch = None,
    force: Force = False,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Change settings and limits of a client; the rest stays as it is."""
    where, params = path("clients", name), {"force": force}
    body = read_settings(settings)
    show_one(ask("client set", url, home, "PATCH", where, body, params=params, if_match=if_match), as_json)


@clients.command("suspend")
def suspend_client(name: ClientName, if_match: IfMatch = None, url: AdminUrl = None, home: Home = None) -> None:
    """Take nothing from it and send nothing of it until it is resumed."""
    ask("client suspend", url, home, "POST", path("clients", name, "suspend"), if_match=if_match)


@clients.command("resume")
def resume_client(name: ClientName, if_match: IfMatch = None, url: AdminUrl = None, home: Home = None) -> None:
    """Take from it and send what waits."""
    ask("client resume", url, home, "POST", path("clients", name, "resume"), if_match=if_match)


# -- Keys --------------------------------------------------------------------------------------------------------------


@keys.command("list")
def list_keys(client: Client, as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """The keys of a client, by their first digits; revoked ones too."""
    show(all_pages("key list", url, home, path("clients", client, "keys")), _KEY, as_json)


@keys.command("create")
def create_key(
    client: Client,
    settings: Settings_ = None,
    known: Annotated[
        bool,
        typer.Option("--import", envvar="PAYK_KEY_IMPORT", help="Read a key that exists from standard input instead."),
    ] = False,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """A new key, printed this once; settings are label, expires_at, allow_from."""
    body = read_settings(settings)
    if known:
        body["key"] = sys.stdin.readline().strip()
    made = ask("key create", url, home, "POST", path("clients", client, "keys"), body)
    _print_key(made, as_json)


@keys.command("set")
def set_key(
    client: Client,
    key: KeyId,
    settings: Settings_ = None,
    if_match: IfMatch = None,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Change its label, its end or its networks."""
    where = path("clients", client, "keys", str(key))
    show_one(ask("key set", url, home, "PATCH", where, read_settings(settings), if_match=if_match), as_json)


@keys.command("rotate")
def rotate_key(
    client: Client,
    key: KeyId,
    grace: Annotated[
        int, typer.Option(metavar="SECONDS", min=0, envvar="PAYK_KEY_GRACE", help="How long the old one still opens.")
    ] = 86_400,
    if_match: IfMatch = None,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """A new key in its place, printed this once; the old one opens for a while yet."""
    where = path("clients", client, "keys", str(key), "rotate")
    _print_key(ask("key rotate", url, home, "POST", where, params={"grace": grace}, if_match=if_match), as_json)


@keys.command("revoke")
def revoke_key(client: Client, key: KeyId, if_match: IfMatch = None, url: AdminUrl = None, home: Home = None) -> None:
    """Revoke a key for good: refused on every process within a second."""
    ask("key revoke", url, home, "DELETE", path("clients", client, "keys", str(key)), if_match=if_match)


def _print_key(made: dict[str, Any], as_json: bool) -> None:
    if as_json or made["key"] is None:
        show_one(made, as_json)
    else:
        print(printable(str(made["key"])))


# -- Senders -----------------------------------------------------------------------------------------------------------


@senders.command("list")
def list_senders(
    client: Annotated[
        str | None,
        typer.Option(
            metavar="CLIENT",
            autocompletion=completion.clients,
            envvar="PAYK_SENDER_CLIENT",
            help="Of this client alone.",
        ),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(metavar="STATUS", envvar="PAYK_SENDER_STATUS", help="requested, approved, rejected, withdrawn."),
    ] = None,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Senders by client and name; `--status requested` is what waits for somebody to decide."""
    params = {"client": client, "status": status}
    show(all_pages("sender list", url, home, "/senders", params), _SENDER, as_json)


@senders.command("add")
def add_sender(
    client: Client,
    sender: NewSender,
    settings: Settings_ = None,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """A sender, approved at once; status=requested leaves that to somebody else."""
    body = {**read_settings(settings), "name": sender}
    show_one(ask("sender add", url, home, "POST", path("clients", client, "senders"), body), as_json)


def _decide(
    word: str,
    client: str,
    sender: str,
    change: dict[str, Any],
    url: str | None,
    home: str | None,
    *,
    force: bool = False,
    if_match: str | None,
) -> None:
    where = path("clients", client, "senders", sender)
    ask(f"sender {word}", url, home, "PATCH", where, change, params={"force": force}, if_match=if_match)


@senders.command("show")
def show_sender(
    client: Client, sender: Sender, as_json: AsJson = False, url: AdminUrl = None, home: Home = None
) -> None:
    """One sender with its status, its operators and its ETag."""
    show_one(ask("sender show", url, home, "GET", path("clients", client, "senders", sender)), as_json)


@senders.command("approve")
def approve_sender(
    client: Client,
    sender: Sender,
    settings: Settings_ = None,
    if_match: IfMatch = None,
    force: Force = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Take messages with it; expires_at=... ends that."""
    change = {"reason": "", **read_settings(settings), "status": "approved"}
    _decide("approve", client, sender, change, url, home, force=force, if_match=if_match)


@senders.command("reject")
def reject_sender(
    client: Client,
    sender: Sender,
    reason: Text = "",
    if_match: IfMatch = None,
    force: Force = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Take no messages with it; the client sees the reason."""
    change = {"status": "rejected", "reason": reason}
    _decide("reject", client, sender, change, url, home, force=force, if_match=if_match)


@senders.command("withdraw")
def withdraw_sender(
    client: Client,
    sender: Sender,
    if_match: IfMatch = None,
    force: Force = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Take no messages with it any more."""
    _decide("withdraw", client, sender, {"status": "withdrawn"}, url, home, force=force, if_match=if_match)


# -- Operators and links -----------------------------------------------------------------------------------------------


@operators.command("list")
def list_operators(as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """Every operator, by name."""
    show(all_pages("operator list", url, home, "/operators"), _OPERATOR, as_json)


@operators.command("show")
def show_operator(name: NamedOperator, as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """One operator with its settings."""
    show_one(ask("operator show", url, home, "GET", path("operators", name)), as_json)


@operators.command("create")
def create_operator(
    name: Name, settings: Settings_ = None, as_json: AsJson = False, url: AdminUrl = None, home: Home = None
) -> None:
    """A new operator; links are given to it afterwards."""
    body = {**read_settings(settings), "name": name}
    show_one(ask("operator create", url, home, "POST", "/operators", body), as_json)


@operators.command("set")
def set_operator(
    name: NamedOperator,
    settings: Settings_ = None,
    if_match: IfMatch = None,
    force: Force = False,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Change settings of an operator."""
    where, params = path("operators", name), {"force": force}
    body = read_settings(settings)
    show_one(ask("operator set", url, home, "PATCH", where, body, params=params, if_match=if_match), as_json)


@links.command("list")
def list_links(
    operator: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completion.operators,
            envvar="PAYK_LINK_OPERATOR",
            help="Of this operator alone.",
        ),
    ] = None,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Every link, by name."""
    show(all_pages("link list", url, home, "/links", {"operator": operator}), _LINK, as_json)


@links.command("show")
def show_link(name: LinkName, as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """One link with its settings; its password is never shown."""
    show_one(ask("link show", url, home, "GET", path("links", name)), as_json)


Password = Annotated[
    bool, typer.Option("--password-stdin", envvar="PAYK_PASSWORD_STDIN", help="Read its password from standard input.")
]


@links.command("create")
def create_link(
    operator: Annotated[str, typer.Argument(metavar="OPERATOR", autocompletion=completion.operators)],
    name: Name,
    settings: Settings_ = None,
    password_stdin: Password = False,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """A new link; it takes host, port, system_id and a password, and binds within a second."""
    body = {**_with_password(settings, password_stdin), "name": name}
    show_one(ask("link create", url, home, "POST", path("operators", operator, "links"), body), as_json)


@links.command("set")
def set_link(
    name: LinkName,
    settings: Settings_ = None,
    password_stdin: Password = False,
    if_match: IfMatch = None,
    force: Force = False,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Change settings of a link: it binds anew with them, and no other one notices."""
    where, params = path("links", name), {"force": force}
    body = _with_password(settings, password_stdin)
    show_one(ask("link set", url, home, "PATCH", where, body, params=params, if_match=if_match), as_json)


def _with_password(settings: list[str] | None, from_stdin: bool) -> dict[str, Any]:
    body = read_settings(settings)
    if "password" in body:
        fail("a password in the command line is seen by everybody on this machine: use --password-stdin")
    return {**body, "password": sys.stdin.readline().rstrip("\r\n")} if from_stdin else body


# -- Routes ------------------------------------------------------------------------------------------------------------


@routes.command("list")
def list_routes(as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """Every route."""
    show(all_pages("route list", url, home, "/routes"), _ROUTE, as_json)


@routes.command("show")
def show_route(route: RouteId, as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """One route with its settings."""
    show_one(ask("route show", url, home, "GET", path("routes", str(route))), as_json)


@routes.command("create")
def create_route(settings: Settings_ = None, as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """A new route: prefix=992 operators='["tcell"]' and what else docs/settings.md names."""
    show_one(ask("route create", url, home, "POST", "/routes", read_settings(settings)), as_json)


@routes.command("set")
def set_route(
    route: RouteId,
    settings: Settings_ = None,
    if_match: IfMatch = None,
    force: Force = False,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Change a route; the last one is disabled by force only."""
    where, params = path("routes", str(route)), {"force": force}
    body = read_settings(settings)
    show_one(ask("route set", url, home, "PATCH", where, body, params=params, if_match=if_match), as_json)


@routes.command("explain")
def explain_route(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="As the client may write it.")],
    client: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", autocompletion=completion.clients, envvar="PAYK_ROUTE_CLIENT", help="The client that sends."
        ),
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completion.senders,
            envvar="PAYK_ROUTE_SENDER",
            help="SenderAddress of the message.",
        ),
    ] = None,
    sms_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", envvar="PAYK_ROUTE_TYPE", help="common, otp or batch.")
    ] = None,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Which route a message takes, and why no other one: every route whose prefix the number begins with."""
    asked = {"number": number, "client": client, "sender": sender, "type": sms_type}
    found = ask("route explain", url, home, "GET", "/routes/explain", params=asked)
    if as_json:
        show_one(found, as_json)
        return
    if found["route_id"] is None:
        print(printable(f"no route leads to {found['number']}: the message would be refused"))
    elif found["refusal"]:
        print(f"the message would be refused: {printable(found['refusal'])}")
    show(found["rules"], _RULE, as_json)
    if found["operators"]:
        print()
        show(found["operators"], _CARRIER, as_json)


# -- Changes -----------------------------------------------------------------------------------------------------------


@changes.command("list")
def list_changes(
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=1_000, envvar="PAYK_CHANGE_LIMIT", help="How many of the newest.")
    ] = 50,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """What was changed, when and by whom, the newest first."""
    found = ask("change list", url, home, "GET", "/changes", params={"limit": limit})["items"]
    rows = [{**change, "what": "; ".join(map(_line, rows_of(change["changes"])))} for change in rows_of(found)]
    show(found if as_json else rows, ("version", "changed_at", "author", "what"), as_json)


def _line(row: dict[str, Any]) -> str:
    named = f"{row['sign']} {row['kind']} {row['name']}" + (f" of {row['of']}" if row.get("of") else "")
    details = [*row.get("fields", ()), *row.get("notes", ())]
    return f"{named} ({', '.join(details)})" if details else named


@changes.command("show")
def show_change(
    version: Annotated[int, typer.Argument(metavar="VERSION")],
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """One change with old and new values."""
    change = ask("change show", url, home, "GET", path("changes", str(version)))
    if as_json:
        show_one(change, as_json)
        return
    print(printable(f"version {change['version']}, {change['changed_at']}, by {change['author']}"))
    show(change["changes"], ("sign", "kind", "name", "of", "fields", "notes"), as_json)


@changes.command("revert")
def revert_change(
    version: Annotated[int, typer.Argument(metavar="VERSION")],
    through: Annotated[
        bool, typer.Option("--through", envvar="PAYK_REVERT_THROUGH", help="Everything since it as well.")
    ] = False,
    password_of: Annotated[
        list[str] | None,
        typer.Option(
            "--password-of",
            metavar="LINK",
            envvar="PAYK_REVERT_PASSWORD_OF",
            help="Read the password of a link that goes back to another place, a line for each, from standard input.",
        ),
    ] = None,
    force: Force = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Take a change back, as another change."""
    params = {"through": through, "force": force}
    passwords = {link: sys.stdin.readline().rstrip("\r\n") for link in password_of or ()}
    body = {"passwords": passwords} if passwords else None
    done = ask("change revert", url, home, "POST", path("changes", str(version), "revert"), body, params=params)
    for line in lines_of(done["difference"]):
        print(line)
    for line in lines_of(done["left"]):
        print(f"payk: cannot be taken back: {line}", file=sys.stderr)
    print_warnings(done)


@commands.command()
def export(
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", envvar="PAYK_EXPORT_OUTPUT", help="[default: standard output]"),
    ] = None,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """The registry as a file of `payk apply`: keys as digests, passwords encrypted."""
    text = ask("export", url, home, "GET", "/export")
    with written_to(file) as write:
        write(text)
