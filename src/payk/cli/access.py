"""`payk user`, `payk token`, `payk audit`: who may manage the centre and what they did, on the database itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from payk.cli.command_line import AsJson, Home, fail, finite, load_settings, server_parts
from payk.printable import printable

if TYPE_CHECKING:
    from payk.app.access import LocalAccess

__all__ = ["audit", "sessions", "tokens", "users"]

users = typer.Typer(no_args_is_help=True)
tokens = typer.Typer(no_args_is_help=True)
audit = typer.Typer(no_args_is_help=True)
sessions = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]
RoleName = Literal["admin", "operator", "client-manager", "client-viewer"]
ClientName = Annotated[
    str | None, typer.Option(metavar="CLIENT", envvar="PAYK_ACCESS_CLIENT", help="The client of client-... roles.")
]
PasswordStdin = Annotated[
    bool,
    typer.Option("--password-stdin", envvar="PAYK_ACCESS_PASSWORD_STDIN", help="Read a password, the first line."),
]


@users.command("create")
def create_user(
    name: Name,
    role: Annotated[RoleName, typer.Option(envvar="PAYK_ACCESS_ROLE", help="What it may do: docs/security.md.")],
    client: ClientName = None,
    token: Annotated[
        bool,
        typer.Option("--token", envvar="PAYK_ACCESS_WITH_TOKEN", help="Make a token of the user and print it, once."),
    ] = False,
    password_stdin: PasswordStdin = False,
    home: Home = None,
) -> None:
    """Make a user, with a password, a token, or both."""
    password = _password() if password_stdin else None

    async def work(access: LocalAccess) -> None:
        await access.users.create(access.actor, name, role, client=client, password=password)
        if token:
            print(await access.create_token(name, user=name, role=None, client=None, scopes=None, days=None))

    _run("user create", home, work)


@users.command("list")
def list_users(as_json: AsJson = False, home: Home = None) -> None:
    """Show every user."""

    async def work(access: LocalAccess) -> None:
        columns = ("name", "role", "client", "enabled", "locked", "has_password", "has_totp", "last_login_at")
        _show(await access.user_rows(), columns, as_json)

    _run("user list", home, work)


@users.command()
def disable(name: Name, home: Home = None) -> None:
    """Let a user in no more: its sessions end, its tokens are refused."""
    _run("user disable", home, lambda access: access.users.enable(access.actor, name, enabled=False))


@users.command()
def enable(name: Name, home: Home = None) -> None:
    """Let a user in again."""
    _run("user enable", home, lambda access: access.users.enable(access.actor, name))


@users.command("role")
def set_role(
    name: Name,
    role: Annotated[RoleName, typer.Argument(metavar="ROLE", help="What it may do: docs/security.md.")],
    client: ClientName = None,
    home: Home = None,
) -> None:
    """Give a user another role, which holds from its next request on."""
    _run("user role", home, lambda access: access.users.set_role(access.actor, name, role, client=client))


@users.command("password")
def set_password(name: Name, home: Home = None) -> None:
    """Give a user the password that is the first line of standard input; its sessions end, a lock is lifted."""
    password = _password()
    _run("user password", home, lambda access: access.users.set_password(access.actor, name, password))


@users.command()
def totp(
    name: Name,
    off: Annotated[bool, typer.Option("--off", envvar="PAYK_ACCESS_TOTP_OFF", help="No more one-time codes.")] = False,
    home: Home = None,
) -> None:
    """Have a user log in with one-time codes; prints what its authenticator takes, once."""

    async def work(access: LocalAccess) -> None:
        if off:
            await access.users.drop_totp(access.actor, name)
        else:
            print(await access.users.set_totp(access.actor, name))

    _run("user totp", home, work)


@tokens.command("create")
def create_token(
    name: Name,
    user: Annotated[
        str | None, typer.Option(metavar="USER", envvar="PAYK_ACCESS_USER", help="It may what this user may.")
    ] = None,
    role: Annotated[
        RoleName | None, typer.Option(envvar="PAYK_ACCESS_TOKEN_ROLE", help="Or it has a role of its own.")
    ] = None,
    client: ClientName = None,
    scopes: Annotated[
        str | None,
        typer.Option(
            metavar="PERMISSION,...",
            envvar="PAYK_ACCESS_SCOPES",
            help="Narrow it to some. [default: what the role may]",
        ),
    ] = None,
    days: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=0,
            max=36_500,
            envvar="PAYK_ACCESS_DAYS",
            callback=finite,
            help="Days after which it ends. [default: never]",
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Make a service token and print it, once."""
    narrowed = None if scopes is None else [scope.strip() for scope in scopes.split(",")]

    async def work(access: LocalAccess) -> None:
        print(await access.create_token(name, user=user, role=role, client=client, scopes=narrowed, days=days))

    _run("token create", home, work)


@tokens.command("list")
def list_tokens(as_json: AsJson = False, home: Home = None) -> None:
    """Show every token, those in force first."""

    async def work(access: LocalAccess) -> None:
        columns = ("name", "user", "role", "client", "scopes", "expires_at", "revoked_at", "last_used_at")
        _show(await access.token_rows(), columns, as_json)

    _run("token list", home, work)


@tokens.command()
def revoke(name: Name, home: Home = None) -> None:
    """Revoke a token: within a second every process refuses it."""
    _run("token revoke", home, lambda access: access.tokens.revoke(access.actor, name))


@sessions.command("list")
def list_sessions(as_json: AsJson = False, home: Home = None) -> None:
    """Show the sessions in force, the newest first."""

    async def work(access: LocalAccess) -> None:
        columns = ("session_id", "user", "address", "created_at", "last_seen_at", "expires_at")
        _show(await access.session_rows(), columns, as_json)

    _run("session list", home, work)


@sessions.command("end")
def end_session(
    session: Annotated[int, typer.Argument(metavar="SESSION", help="Its number, as `payk session list` shows it.")],
    home: Home = None,
) -> None:
    """End a session at once: whoever has it must log in again."""
    _run("session end", home, lambda access: access.access.end_session(session, access.actor))


@audit.command("list")
def list_entries(
    newest: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, envvar="PAYK_AUDIT_NEWEST", help="How many, the newest.")
    ] = 50,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show the newest entries of the audit log, the newest first."""

    async def work(access: LocalAccess) -> None:
        from payk.store.audit import newest as newest_entries

        rows = [entry.as_json() for entry in await newest_entries(access.db, newest)]
        columns = ("sequence", "at", "actor_kind", "actor_name", "address", "act", "object_kind", "object_name")
        _show(rows, columns, as_json)

    _run("audit list", home, work)


@audit.command()
def verify(
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="N:HASH",
            envvar="PAYK_AUDIT_ANCHOR",
            help="An entry and its hash, kept elsewhere, that must be in it.",
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Walk the whole audit log; exit code 1 and the first entry that is broken, or the anchor of its end."""
    kept = _anchor(anchor)
    whole = []

    async def work(access: LocalAccess) -> None:
        from payk.store.audit import verify as walk

        verdict = await walk(access.db, anchor=kept)
        whole.append(verdict.whole)
        if verdict.whole:
            print(f"{verdict.count} entries are whole; anchor {verdict.sequence}:{verdict.hash.hex()}")
        else:
            print(f"entry {verdict.broken} is broken: {verdict.why}")

    _run("audit verify", home, work)
    if not all(whole):
        raise typer.Exit(1)


@audit.command()
def export(
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", envvar="PAYK_AUDIT_FROM", help="From when, UTC unless said.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", envvar="PAYK_AUDIT_TO", help="Before when, UTC unless said.")
    ] = None,
    home: Home = None,
) -> None:
    """Print the audit log, one line of JSON an entry with its hashes; the anchor of its end on standard error."""
    first, end = _time("--from", since), _time("--to", until)

    async def work(access: LocalAccess) -> None:
        from payk.store.audit import entries, head

        async for entry in entries(access.db, since=first, until=end):
            print(json.dumps(entry.as_json(), ensure_ascii=False))
        sequence, newest_hash = await head(access.db)
        print(f"anchor {sequence}:{newest_hash.hex()}", file=sys.stderr)

    _run("audit export", home, work)


def _run(command: str, home: str | None, work: Any) -> None:
    async def on_the_database() -> None:
        async with app.local_access(settings) as access:
            await work(access)

    with server_parts(command):
        settings = load_settings({"home": home})
        from payk import app

        done: Coroutine[Any, Any, None] = on_the_database()
        app.run(done)


def _password() -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        fail("no password: write it to standard input, as its first line")
    return password


def _anchor(given: str | None) -> tuple[int, bytes] | None:
    if given is None:
        return None
    number, _, digest = given.partition(":")
    try:
        anchor = int(number), bytes.fromhex(digest)
    except ValueError:
        anchor = 0, b""
    if len(anchor[1]) != 32:
        fail("--anchor should be an entry and its hash, such as `payk audit verify` prints: 17:64 hex digits")
    return anchor


def _time(option: str, given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        fail(f"{option} should be a time such as 2026-11-26T10:30:00+05:00, not {given!r}")
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    if as_json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    Console(highlight=False, width=None if sys.stdout.isatty() else 250).print(table)


def _cell(value: Any) -> Text:
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    shown = ", ".join(value) if isinstance(value, list) else str(value)
    return Text(printable(shown))
