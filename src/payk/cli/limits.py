"""`payk balance`, `payk block`, `payk usage`: what is counted of clients and what numbers take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from payk.cli import completion
from payk.cli.command_line import AsJson, Home, fail
from payk.cli.managing import AdminUrl, all_pages, ask, check_whole, path, rows_of, show, show_one
from payk.printable import printable

__all__ = ["balance", "block", "commands"]

commands = typer.Typer()
balance = typer.Typer(no_args_is_help=True)
block = typer.Typer(no_args_is_help=True)

SHOWN = 20
"""Entries of a ledger that are shown."""
PATIENCE = 600.0
"""Seconds for a file of numbers."""

_ENTRY = ("at", "kind", "amount", "messages", "reference", "author", "note")
_USAGE = ("period", "since", "messages", "parts")
_BLOCKED = ("number", "client", "what", "reason", "author", "at")

ClientName = Annotated[
    str,
    typer.Argument(metavar="CLIENT", help="Name of a client.", show_default=False, autocompletion=completion.clients),
]
Numbers = Annotated[list[str], typer.Argument(metavar="NUMBER...", help="With country code.", show_default=False)]
OfClient = Annotated[
    str | None,
    typer.Option(
        "--client",
        envvar="PAYK_BLOCK_CLIENT",
        metavar="CLIENT",
        autocompletion=completion.clients,
        help="For this client alone. [default: all]",
    ),
]
What = Annotated[
    Literal["batch", "everything"],
    typer.Option("--what", envvar="PAYK_BLOCK_WHAT", help="What the number does not take."),
]
Reason = Annotated[str, typer.Option("--reason", envvar="PAYK_BLOCK_REASON", metavar="TEXT", help="Why it is blocked.")]


@balance.command("show")
def show_balance(
    client: ClientName,
    newest: Annotated[
        int, typer.Option(metavar="N", min=1, max=1_000, envvar="PAYK_BALANCE_NEWEST", help="How many entries.")
    ] = SHOWN,
    before: Annotated[
        int | None,
        typer.Option(
            metavar="ENTRY", min=1, envvar="PAYK_BALANCE_BEFORE", help="Only entries that are older than this one."
        ),
    ] = None,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """What a prepaid client has left, and the newest entries of its ledger."""
    params = {"limit": newest, "before": before}
    found = ask("balance show", url, home, "GET", path("clients", client, "balance"), params=params)
    if as_json:
        show_one(found, as_json)
        return
    print(printable(f"{found['client']} has {found['balance']}"))
    show(rows_of(found["entries"]), _ENTRY, as_json, nothing="nothing was entered")
    if found["next"] is not None:
        print(f"older entries: --before {found['next']}")


@balance.command("add", context_settings={"ignore_unknown_options": True})
def add_to_balance(
    client: ClientName,
    amount: Annotated[
        str, typer.Argument(metavar="AMOUNT", help="Such as 250 or 0.12; below zero corrects.", show_default=False)
    ],
    reference: Annotated[
        str | None,
        typer.Option(
            envvar="PAYK_BALANCE_REFERENCE", metavar="TEXT", help="Yours, such as an invoice: it is entered but once."
        ),
    ] = None,
    note: Annotated[
        str | None, typer.Option(envvar="PAYK_BALANCE_NOTE", metavar="TEXT", help="For the ledger.")
    ] = None,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Top up a balance, or take away what was entered by mistake; not below zero."""
    body = {"amount": amount, "reference": reference, "note": note}
    done = ask("balance add", url, home, "POST", path("clients", client, "balance"), body)
    if as_json:
        show_one({"client": client, "balance": done["balance"], "repeated": done["repeated"]}, as_json)
    elif done["repeated"]:
        print(printable(f"reference {reference} was entered before; {client} has {done['balance']}"))
    else:
        print(printable(f"{client} has {done['balance']}"))


@commands.command("usage")
def usage(client: ClientName, as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """The parts that were taken of a client today and in this month (UTC), Otp apart."""
    rows = rows_of(ask("usage", url, home, "GET", path("clients", client, "usage"))["items"])
    if as_json:
        rows = [{"client": client, **row} for row in rows]
    else:
        rows = [{**row, "messages": "Otp" if row["otp"] else "all but Otp"} for row in rows]
    show(rows, _USAGE, as_json)


@block.command("add")
def add_blocked(
    numbers: Numbers,
    client: OfClient = None,
    what: What = "everything",
    reason: Reason = "",
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Block numbers, for one client or for all, in force within a second."""
    body = {"numbers": numbers, "client": client, "what": what, "reason": reason}
    _tell_blocked(ask("block add", url, home, "POST", "/blocks", body), as_json)


@block.command("import")
def import_blocked(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A number a line.", show_default=False)],
    client: OfClient = None,
    what: What = "everything",
    reason: Reason = "",
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Block the numbers of a file; all of them, or none where a line is no number."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file} cannot be read as lines of text: {error}")
    params = {"client": client, "what": what, "reason": reason}
    done = ask(
        *("block import", url, home, "POST", "/blocks/import"),
        params=params, content=text.encode(), kind="text/plain", patience=PATIENCE, options={"numbers": str(file)},
    )  # fmt: skip
    _tell_blocked(done, as_json)


def _tell_blocked(done: dict[str, Any], as_json: bool) -> None:
    added, changed = done["added"], done["changed"]
    if as_json:
        print(json.dumps({"added": added, "changed": changed}))
    else:
        print(f"{added} numbers are blocked, {changed} that were blocked are so otherwise")


@block.command("remove")
def remove_blocked(
    numbers: Numbers, client: OfClient = None, as_json: AsJson = False, url: AdminUrl = None, home: Home = None
) -> None:
    """Numbers take messages again: of that client, or where they were blocked for all, of all."""
    done = ask("block remove", url, home, "POST", "/blocks/remove", {"numbers": numbers, "client": client})
    removed = done["removed"]
    print(json.dumps({"removed": removed}) if as_json else f"{removed} numbers are blocked no more")


@block.command("list")
def list_blocked(
    client: OfClient = None,
    of_all: Annotated[
        bool, typer.Option("--of-all", envvar="PAYK_BLOCK_OF_ALL", help="Only those that are blocked for all clients.")
    ] = False,
    begins: Annotated[
        str | None,
        typer.Option(envvar="PAYK_BLOCK_BEGINS", metavar="DIGITS", help="Only numbers that begin with these digits."),
    ] = None,
    whole_numbers: Annotated[
        bool,
        typer.Option(
            "--whole-numbers",
            envvar="PAYK_BLOCK_WHOLE_NUMBERS",
            help="Show numbers whole instead of masked; the audit log says so.",
        ),
    ] = False,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Blocked numbers, masked."""
    if of_all and client is not None:
        fail("--of-all shows what is blocked for all clients, --client what is for one: give one of both")
    params = {"client": client, "of_all": of_all or None, "begins": begins, "whole_numbers": whole_numbers or None}
    rows = all_pages("block list", url, home, "/blocks", params)
    if whole_numbers:
        check_whole(rows)
    show([{**row, "client": row["client"] or "all"} for row in rows] if not as_json else rows, _BLOCKED, as_json)
