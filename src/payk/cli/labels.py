"""`payk label`: how a labelled mailing stands; watched, paused, resumed, cancelled. It is the SDK alone."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from payk.cli.command_line import Home, fail
from payk.cli.messages import ApiKey, AsJson, Url, connected, shown

if TYPE_CHECKING:
    from rich.console import Group

    from payk.client import Client, LabelProgress

__all__ = ["commands"]

EVERY = 1.0
"""Seconds between two looks."""
_UNKNOWN_END = "more messages than are counted for this label; it cannot be told when all have come to an end"

commands = typer.Typer()

Act = Literal["pause", "resume", "cancel"]


@commands.command()
def label(
    name: Annotated[str, typer.Argument(metavar="LABEL", help="SmsLabel, as messages were sent with it.")],
    do: Annotated[
        Act | None, typer.Argument(metavar="[pause|resume|cancel]", help="What to do with what waits.")
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", envvar="PAYK_LABEL_WATCH", help="Show it until nothing is left to be sent or told."),
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
) -> None:
    """Show how the messages of a label stand; hold back, let go or delete those that wait."""
    with connected(url, api_key, home) as centre:
        if do is not None:
            _do(centre, name, do, as_json)
            if not watch:
                return
        if watch:
            _watch(centre, name, as_json)
            return
        progress = centre.label(name)
        if as_json:
            print(json.dumps(progress.body))
        else:
            from rich.console import Console

            Console(highlight=False, width=None if sys.stdout.isatty() else 100).print(_picture(progress))


def _do(centre: Client, name: str, act: Act, as_json: bool) -> None:
    answer: dict[str, Any]
    if act == "cancel":
        done = centre.cancel_label(name)
        answer = {"Cancelled": done.cancelled, "TooLate": done.too_late}
        line = f"{done.cancelled:,} cancelled, {done.too_late:,} too late"
        if not done.done:
            line += "; the centre goes on with it"
    else:
        count = centre.pause(name) if act == "pause" else centre.resume(name)
        answer = {"Messages": count}
        line = f"{count:,} held back" if act == "pause" else f"{count:,} let go"
    print(json.dumps(answer) if as_json else line, flush=True)


def _watch(centre: Client, name: str, as_json: bool) -> None:
    if as_json or not sys.stdout.isatty():
        last = None
        while True:
            progress = centre.label(name)
            line = json.dumps(progress.body) if as_json else _line(progress)
            if line != last:
                print(line, flush=True)
            if progress.is_over:
                return
            if progress.at_least:
                fail(_UNKNOWN_END, 1)
            last = line
            time.sleep(EVERY)
    from rich.live import Live

    progress = centre.label(name)
    live = Live(_picture(progress), auto_refresh=False)
    try:
        with live:
            while not progress.is_over:
                if progress.at_least:
                    fail(_UNKNOWN_END, 1)
                time.sleep(EVERY)
                progress = centre.label(name)
                live.update(_picture(progress), refresh=True)
    except KeyboardInterrupt:
        live.stop()  # it may have come while the picture began or ended, and the cursor was hidden
        live.console.show_cursor(True)
        fail("no longer watched; it goes on", 130)


def _line(progress: LabelProgress) -> str:
    return (
        f"{_planned(progress)} planned: {progress.scheduled:,} scheduled, {progress.held:,} held,"
        f" {progress.queued:,} queued, {progress.submitted:,} submitted, {progress.delivered:,} delivered,"
        f" {progress.failed:,} failed"
    )


def _planned(progress: LabelProgress) -> str:
    return f"{'at least ' if progress.at_least else ''}{progress.planned:,}"


def _picture(progress: LabelProgress) -> Group:
    """The bar shows what has come to an end."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    over = progress.delivered + progress.failed
    head = Text.assemble(shown(progress.label), f"  {over:,} of {_planned(progress)} came to an end")
    table = Table("Scheduled", "Held", "Queued", "Submitted", "Delivered", "Failed", box=None, pad_edge=False)
    table.add_row(
        *(
            f"{count:,}"
            for count in (
                progress.scheduled, progress.held, progress.queued, progress.submitted, progress.delivered,
                progress.failed,
            )
        )
    )  # fmt: skip
    lines = [
        shown(f"  {each.messages:,}  {each.state}  {each.reason or 'no reason known'}") for each in progress.failures
    ]
    bar = Padding(ProgressBar(total=max(progress.planned, 1), completed=over, width=60), 0)  # a line of its own
    rate = f"{progress.per_second:g} messages a second"
    if progress.ends_at is not None:
        rate += f"; all sent about {progress.ends_at:%Y-%m-%d %H:%M:%S} UTC"
    return Group(head, bar, table, *lines, Text(rate))
