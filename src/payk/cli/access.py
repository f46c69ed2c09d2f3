"""`payk user`, `payk session`, `payk token`, `payk audit`: who may manage the centre, and what they did."""

from __future__ import annotations

import getpass
import json
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from payk.cli import completion
from payk.cli.command_line import AsJson, Home, fail, finite
from payk.cli.managing import (
    PAGE,
    ROOT,
    AdminUrl,
    all_pages,
    ask,
    exchanged,
    path,
    read_time,
    rows_of,
    show,
    told_lines,
)
from payk.printable import printable

if TYPE_CHECKING:
    import httpx

__all__ = ["audit", "sessions", "tokens", "users"]

users = typer.Typer(no_args_is_help=True)
tokens = typer.Typer(no_args_is_help=True)
audit = typer.Typer(no_args_is_help=True)
sessions = typer.Typer(no_args_is_help=True)

_USER = ("name", "role", "client", "enabled", "locked", "has_password", "has_totp", "last_login_at")
_TOKEN = ("name", "user", "role", "client", "scopes", "expires_at", "revoked_at", "last_used_at")
_SESSION = ("session_id", "user", "address", "created_at", "last_seen_at", "expires_at")
_ENTRY = ("sequence", "at", "actor_kind", "actor_name", "address", "act", "object_kind", "object_name")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]
UserName = Annotated[str, typer.Argument(metavar="NAME", help="Its name.", autocompletion=completion.users)]
TokenName = Annotated[str, typer.Argument(metavar="NAME", help="Its name.", autocompletion=completion.tokens)]
RoleName = Literal["admin", "operator", "client-manager", "client-viewer"]
ClientName = Annotated[
    str | None,
    typer.Option(
        metavar="CLIENT",
        autocompletion=completion.clients,
        envvar="PAYK_ACCESS_CLIENT",
        help="The client of client-... roles.",
    ),
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
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Make a user, with a password, a token, or both."""
    body: dict[str, Any] = {"name": name, "role": role, "client": client, "token": token}
    if password_stdin:
        body["password"] = _new_password()
    made = ask("user create", url, home, "POST", "/users", body | _confirmation("user create", url, home))
    if token:
        print(printable(str(made["token"])))


@users.command("list")
def list_users(as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """Show every user."""
    show(rows_of(ask("user list", url, home, "GET", "/users")["items"]), _USER, as_json)


@users.command()
def disable(name: UserName, url: AdminUrl = None, home: Home = None) -> None:
    """Let a user in no more: its sessions end, its tokens are refused."""
    ask("user disable", url, home, "PATCH", path("users", name), {"enabled": False})


@users.command()
def enable(name: UserName, url: AdminUrl = None, home: Home = None) -> None:
    """Let a user in again."""
    body = {"enabled": True} | _confirmation("user enable", url, home)
    ask("user enable", url, home, "PATCH", path("users", name), body)


@users.command("role")
def set_role(
    name: UserName,
    role: Annotated[RoleName, typer.Argument(metavar="ROLE", help="What it may do: docs/security.md.")],
    client: ClientName = None,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Give a user another role, which holds from its next request on."""
    body = {"role": role, "client": client} | _confirmation("user role", url, home)
    ask("user role", url, home, "PATCH", path("users", name), body)


@users.command("password")
def set_password(name: UserName, url: AdminUrl = None, home: Home = None) -> None:
    """Give a user the password that is the first line of standard input; its sessions end, a lock is lifted."""
    body = {"password": _new_password()} | _confirmation("user password", url, home)
    ask("user password", url, home, "PUT", path("users", name, "password"), body)


@users.command()
def totp(
    name: UserName,
    off: Annotated[bool, typer.Option("--off", envvar="PAYK_ACCESS_TOTP_OFF", help="No more one-time codes.")] = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Have a user log in with one-time codes; prints what its authenticator takes, once."""
    confirmation = _confirmation("user totp", url, home)
    made = ask("user totp", url, home, "DELETE" if off else "POST", path("users", name, "totp"), confirmation)
    if not off:
        print(printable(str(made["uri"])))


@tokens.command("create")
def create_token(
    name: Name,
    user: Annotated[
        str | None,
        typer.Option(
            metavar="USER",
            autocompletion=completion.users,
            envvar="PAYK_ACCESS_USER",
            help="It may what this user may.",
        ),
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
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Make a service token and print it, once."""
    body = {
        "name": name,
        "user": user,
        "role": role,
        "client": client,
        "scopes": None if scopes is None else [scope.strip() for scope in scopes.split(",")],
        "expires_at": None if days is None else (datetime.now(UTC) + timedelta(days=days)).isoformat(),
    }
    made = ask("token create", url, home, "POST", "/tokens", body | _confirmation("token create", url, home))
    print(printable(str(made["token"])))


@tokens.command("list")
def list_tokens(as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """Show every token, those in force first."""
    show(rows_of(ask("token list", url, home, "GET", "/tokens")["items"]), _TOKEN, as_json)


@tokens.command()
def revoke(name: TokenName, url: AdminUrl = None, home: Home = None) -> None:
    """Revoke a token: within a second every process refuses it."""
    ask("token revoke", url, home, "DELETE", path("tokens", name))


@sessions.command("list")
def list_sessions(as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """Show the sessions in force, the newest first."""
    show(rows_of(ask("session list", url, home, "GET", "/sessions")["items"]), _SESSION, as_json)


@sessions.command("end")
def end_session(
    session: Annotated[int, typer.Argument(metavar="SESSION", help="Its number, as `payk session list` shows it.")],
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """End a session at once: whoever has it must log in again."""
    ask("session end", url, home, "DELETE", path("sessions", str(session)))


@audit.command("list")
def list_entries(
    newest: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, envvar="PAYK_AUDIT_NEWEST", help="How many, the newest.")
    ] = 50,
    number: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER", envvar="PAYK_AUDIT_NUMBER", help="Only those by which this number was blocked or freed."
        ),
    ] = None,
    object_kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", envvar="PAYK_AUDIT_OBJECT_KIND", help="Only those about such a thing: client, route, user."
        ),
    ] = None,
    object_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", envvar="PAYK_AUDIT_OBJECT_NAME", help="Only those about what is called so."),
    ] = None,
    actor: Annotated[
        str | None,
        typer.Option(metavar="NAME", envvar="PAYK_AUDIT_ACTOR", help="Only what this user, token or client did."),
    ] = None,
    act: Annotated[
        str | None,
        typer.Option(metavar="ACT", envvar="PAYK_AUDIT_ACT", help="Only such acts: registry.change, text.read."),
    ] = None,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Show the newest entries of the audit log, the newest first."""
    asked = {"object_kind": object_kind, "object_name": object_name, "actor": actor, "act": act, "number": number}
    rows = all_pages("audit list", url, home, "/audit", asked, most=newest)
    if number is not None and not all(str(row.get("act")).startswith("block.") for row in rows):
        fail("the server gave entries that are not of this number: it is of an older version")
    show(rows, _ENTRY, as_json)


@audit.command()
def verify(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="An exported log, looked at here and now, asking nobody.")
    ] = None,
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="N:HASH",
            envvar="PAYK_AUDIT_ANCHOR",
            help="An entry and its hash, kept elsewhere, that must be in it.",
        ),
    ] = None,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Walk the whole audit log; exit code 1 and the first entry that is broken, or the anchor of its end."""
    _check_anchor(anchor)
    if file is not None:
        _verify_file(file, anchor)
        return
    found = ask("audit verify", url, home, "GET", "/audit/verify", params={"anchor": anchor})
    if not found["whole"]:
        print(printable(f"entry {found['broken']} is broken: {found['why']}"))
        raise typer.Exit(1)
    print(printable(f"{found['looked_at']} entries are whole; anchor {_anchor_of(found)}"))


def _verify_file(file: Path, anchor: str | None) -> None:
    from payk.domain.audit import read_anchor
    from payk.domain.audit_file import LONGEST_LINE, walk

    kept = None if anchor is None else read_anchor(anchor)
    try:
        with file.open("rb") as opened:
            found = walk(iter(lambda: opened.readline(LONGEST_LINE + 1), b""), anchor=kept)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    if not found.whole:
        print(f"line {found.line}: {found.why}")
        raise typer.Exit(1)
    print(f"{found.count} entries, {found.first} to {found.last}, are whole; anchor {found.last}:{found.hash}")


@audit.command()
def export(
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", envvar="PAYK_AUDIT_FROM", help="From when, UTC unless said.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", envvar="PAYK_AUDIT_TO", help="Before when, UTC unless said.")
    ] = None,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Print the audit log, one line of JSON an entry with its hashes; the anchor of its end on standard error."""
    span = {
        name: at.isoformat()
        for name, at in (("since", read_time("--from", since)), ("until", read_time("--to", until)))
        if at is not None
    }

    async def exchange(client: httpx.AsyncClient) -> httpx.Response | None:
        after = 0
        while True:
            page: dict[str, str | int] = {**span, "after": after, "limit": PAGE}
            if after:
                page.pop("since", None)  # what is behind the first page is since then
            response = await client.get(f"{ROOT}/audit/export", params=page)
            if response.status_code != 200:
                return response
            entries = told_lines(response)
            for entry in entries:
                print(json.dumps(entry, ensure_ascii=False))
            if len(entries) < PAGE:
                return None
            after = entries[-1]["sequence"]

    exchanged("audit export", url, home, exchange)
    newest = ask("audit export", url, home, "GET", "/audit/verify", params={"last": 1})
    print(printable(f"anchor {_anchor_of(newest)}"), file=sys.stderr)


def _confirmation(command: str, url: str | None, home: str | None) -> dict[str, str]:
    """What a session takes besides, for what a stolen one may not do: the present password of its user, and a code.

    From PAYK_CURRENT_PASSWORD and PAYK_CURRENT_CODE, else asked for, or the next lines of standard input. Whoever
    comes by a service token, or is on the database itself, is asked for nothing.
    """
    if not url or ask(command, url, home, "GET", "/session")["kind"] != "user":
        return {}
    password = os.environ.get("PAYK_CURRENT_PASSWORD")
    if password:
        code = os.environ.get("PAYK_CURRENT_CODE", "")
    else:
        password = _secret("Your present password: ")
        code = os.environ.get("PAYK_CURRENT_CODE") or _secret("A new one-time code, if you have them: ")
    if not password:
        fail("a session takes your present password here: PAYK_CURRENT_PASSWORD, or a line of standard input")
    return {"current_password": password, **({"code": code} if code else {})}


def _new_password() -> str:
    password = _secret("The new password: ")
    if not password:
        fail("no password: write it to standard input, as its first line")
    return password


def _secret(prompt: str) -> str:
    """Asked for on a terminal, else the next line of standard input; "" where there is none."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    try:
        return getpass.getpass(prompt, stream=sys.stderr)
    except EOFError:
        return ""


def _check_anchor(given: str | None) -> None:
    from payk.domain.audit import ANCHOR

    if given is not None and not re.fullmatch(ANCHOR, given):
        fail("--anchor should be an entry and its hash, such as `payk audit verify` prints: 17:64 hex digits")


def _anchor_of(verdict: dict[str, Any]) -> str:
    return f"{verdict['sequence']}:{verdict['hash']}"
