"""`payk balance`, `payk block`, `payk usage`: what is counted of clients and what numbers take."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from payk.cli import completion
from payk.cli.command_line import AsJson, Home, load_settings, server_parts
from payk.cli.managing import on_the_database

if TYPE_CHECKING:
    from payk.settings import Settings

__all__ = ["balance", "block", "commands"]

commands = typer.Typer()
balance = typer.Typer(no_args_is_help=True)
block = typer.Typer(no_args_is_help=True)

UNIT = 10_000
MOST = 10**15

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
def show_balance(client: ClientName, home: Home = None, as_json: AsJson = False) -> None:
    """What a prepaid client has left, and the newest entries of its ledger."""
    _run("balance show", home, lambda app, settings: app.show_balance(settings, client, as_json=as_json))


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
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Top up a balance, or take away what was entered by mistake; not below zero."""
    units = _units(amount)
    _run(
        "balance add",
        home,
        lambda app, settings: app.add_to_balance(
            settings, client, units, reference=reference, note=note, as_json=as_json
        ),
    )


@commands.command("usage")
def usage(client: ClientName, home: Home = None, as_json: AsJson = False) -> None:
    """The parts that were taken of a client today and in this month (UTC), Otp apart."""
    _run("usage", home, lambda app, settings: app.show_usage(settings, client, as_json=as_json))


@block.command("add")
def add_blocked(
    numbers: Numbers,
    client: OfClient = None,
    what: What = "everything",
    reason: Reason = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Block numbers, for one client or for all, in force within a second."""
    _run(
        "block add",
        home,
        lambda app, settings: app.block(settings, numbers, client=client, what=what, reason=reason, as_json=as_json),
    )


@block.command("import")
def import_blocked(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A number a line.", show_default=False)],
    client: OfClient = None,
    what: What = "everything",
    reason: Reason = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Block the numbers of a file; all of them, or none where a line is no number."""
    _run(
        "block import",
        home,
        lambda app, settings: app.import_blocked(
            settings, file, client=client, what=what, reason=reason, as_json=as_json
        ),
    )


@block.command("remove")
def remove_blocked(numbers: Numbers, client: OfClient = None, home: Home = None, as_json: AsJson = False) -> None:
    """Numbers take messages again: of that client, or where they were blocked for all, of all."""
    _run("block remove", home, lambda app, settings: app.unblock(settings, numbers, client=client, as_json=as_json))


@block.command("list")
def list_blocked(
    client: OfClient = None,
    begins: Annotated[
        str | None,
        typer.Option(envvar="PAYK_BLOCK_BEGINS", metavar="DIGITS", help="Only numbers that begin with these digits."),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Blocked numbers, masked but with --json."""
    _run(
        "block list",
        home,
        lambda app, settings: app.show_blocked(settings, client=client, begins=begins, as_json=as_json),
    )


def _run(name: str, home: str | None, command: Callable[[Any, Settings], Coroutine[Any, Any, None]]) -> None:
    """Run what `command` makes of the room `app`, which is loaded now."""
    on_the_database(name)
    with server_parts(name):
        settings = load_settings({"home": home})
        from payk import app

        app.run(command(app, settings))


def _units(amount: str) -> int:
    """An amount of money in 1/10,000 of the unit."""
    try:
        units = Decimal(amount) * UNIT
        if units and units == int(units) and abs(units) < MOST:
            return int(units)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    raise typer.BadParameter("write an amount other than 0, with at most four decimals, such as 250 or -0.12")
