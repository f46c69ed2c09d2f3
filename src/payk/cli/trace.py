"""`payk trace`: what goes over a link, or concerns a number, as a file for Wireshark."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from payk.cli.command_line import Home, fail
from payk.cli.managing import ROOT, AdminUrl, exchanged, opened_for_us, told_by_name
from payk.cli.pcap import Capture, Seen

if TYPE_CHECKING:
    import httpx

__all__ = ["commands"]

PAUSE = 0.5
"""Seconds between two questions; and what was seen is there to be read within them."""
TAIL = 5.0
"""Seconds in which what was seen before it was told to end is read."""
END = 10.0
"""Seconds that a server has for all of the end."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)

commands = typer.Typer()


@commands.command()
def trace(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", envvar="PAYK_TRACE_OUTPUT", help="Capture file; only we may read it."
        ),
    ],
    link: Annotated[str | None, typer.Option(metavar="NAME", envvar="PAYK_TRACE_LINK", help="This link.")] = None,
    number: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", envvar="PAYK_TRACE_NUMBER", help="The messages of this number on every link."),
    ] = None,
    seconds: Annotated[
        int,
        typer.Option(min=1, max=600, envvar="PAYK_TRACE_SECONDS", help="How long; Ctrl-C ends it earlier, in order."),
    ] = 60,
    texts: Annotated[
        bool, typer.Option("--texts", envvar="PAYK_TRACE_TEXTS", help="With texts; the audit log says so.")
    ] = False,
    whole_numbers: Annotated[
        bool,
        typer.Option(
            "--whole-numbers",
            envvar="PAYK_TRACE_WHOLE_NUMBERS",
            help="With numbers as they are; the audit log says so.",
        ),
    ] = False,
    admin_url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Write the PDUs of a link, or of a number, to a file that Wireshark opens."""
    if (link is None) is (number is None):
        fail("give --link NAME or --number NUMBER")
    wish = {"link": link, "number": number, "seconds": seconds, "texts": texts, "whole_numbers": whole_numbers}

    async def exchange(client: httpx.AsyncClient) -> httpx.Response | int:
        begun = await client.post(f"{ROOT}/traces", json=wish)
        if begun.status_code != 201:
            return begun
        if not begun.json()["held_by"]:
            print("payk: no process holds it now; what it does once one does is traced", file=sys.stderr)
        where = f"{ROOT}/traces/{begun.json()['trace_id']}"
        try:
            async with asyncio.timeout(None) as limit:
                with (
                    told_by_name(output),
                    os.fdopen(opened_for_us(output), "wb") as file,
                    _told_to_end(limit) as ended,
                ):
                    return await _follow(client, where, file, ended)
        except TimeoutError:
            fail(f"no answer within {END:g} s: what was not told by then is missing in {output}")

    written = exchanged("trace", admin_url, home, exchange)
    print(f"{written} PDUs in {output}")


@contextmanager
def _told_to_end(limit: asyncio.Timeout) -> Iterator[asyncio.Event]:
    """Set by Ctrl-C, and by SIGTERM; all that follows has END seconds then. A second signal acts as usual."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def as_usual() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    def end() -> None:
        as_usual()
        ended.set()
        limit.reschedule(loop.time() + END)

    for number in SIGNALS:
        loop.add_signal_handler(number, end)
    try:
        yield ended
    finally:
        as_usual()


async def _follow(client: httpx.AsyncClient, where: str, file: BinaryIO, ended: asyncio.Event) -> httpx.Response | int:
    """Write what comes until nothing more does, or it is `ended`, with what was seen by then; how many PDUs."""
    loop, capture, written, after = asyncio.get_running_loop(), Capture(), 0, 0
    file.write(capture.head)
    file.flush()
    page: dict[str, Any] = {"goes_on": True, "lost": 0, "full": False}
    until: float | None = None
    async with _dropped_behind(client, where):
        while page["goes_on"]:
            if until is None and ended.is_set():
                await asyncio.sleep(PAUSE)  # what was seen by now is there then
                until = loop.time() + TAIL
            answer = await client.get(where, params={"after": after})
            if answer.status_code != 200:
                return answer
            page = answer.json()
            file.writelines(capture.add(_seen(item)) for item in page["items"])
            written, after = written + len(page["items"]), page["next"]
            file.flush()
            if until is not None and (not page["items"] or loop.time() >= until):
                break
            if not page["items"] and page["goes_on"]:
                await _passed(PAUSE, ended)
    if page["lost"]:
        print(f"payk: {page['lost']} PDUs more are not in it: they came too fast", file=sys.stderr)
    if page["full"]:
        print("payk: it ended early, for it became too large", file=sys.stderr)
    return written


@asynccontextmanager
async def _dropped_behind(client: httpx.AsyncClient, where: str) -> AsyncIterator[None]:
    """The trace is ended behind it; where nobody waits for that any more it ends by itself, because nobody reads it."""
    try:
        yield
    except asyncio.CancelledError:
        raise
    except Exception:
        await client.delete(where)
        raise
    await client.delete(where)


async def _passed(seconds: float, ended: asyncio.Event) -> None:
    """Wait, no longer than until it is ended."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await ended.wait()


def _seen(item: dict[str, Any]) -> Seen:
    ours, theirs = item["ours"], item["theirs"]
    return Seen(
        item["at"],
        item["stream"],
        item["sent"],
        (ours[0], ours[1]),
        (theirs[0], theirs[1]),
        bytes.fromhex(item["pdu"]),
    )
