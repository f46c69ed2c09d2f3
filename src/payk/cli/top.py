"""`payk top`: the traffic as it runs, asked of the management API again and again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from payk.cli.command_line import Home, fail, finite
from payk.cli.managing import AdminUrl, exchanged

if TYPE_CHECKING:
    import httpx

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
def top(
    interval: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.5,
            max=3_600,
            envvar="PAYK_TOP_INTERVAL",
            callback=finite,
            help="Between two looks.",
        ),
    ] = 2.0,
    once: Annotated[
        bool, typer.Option("--once", envvar="PAYK_TOP_ONCE", help="Print what there is now, as plain text, and end.")
    ] = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Watch the traffic: what comes in and goes out, what waits, links, latencies, refusals, processes. q ends it."""
    if not once and not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail("this is for a terminal: `payk top --once` prints what there is now")

    async def look(client: httpx.AsyncClient) -> None:
        from payk.cli.top_screen import Asker, print_once, watch  # what draws is loaded for this command alone

        asker = Asker(client)
        if once:
            await print_once(asker)
        else:
            await watch(asker, interval)

    exchanged("top", url, home, look)
