"""What `payk top` asks of the management API again and again, and the terminal that it draws on."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import httpx
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from payk.cli.command_line import fail
from payk.cli.managing import PAGE, ROOT, reason_of
from payk.cli.traffic_frame import frame
from payk.cli.traffic_picture import Picture, picture_of

__all__ = ["Asker", "print_once", "watch"]

PATIENCE: Final = 10.0
"""Seconds for one answer."""
SELDOM: Final = 5.0
"""Seconds between two looks at what changes seldom: links, and the health of operators, which is judged as often."""
WIDTH, HEIGHT = 80, 24
"""Where no terminal says how large it is."""


class _Refused(Exception):
    """An answer that is none of those that are asked for; str() says which."""

    def __init__(self, why: str, status: int = 0) -> None:
        self.status = status
        super().__init__(why)


class Asker:
    """Asks for pictures; keeps for a while what changes seldom."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._clock = asyncio.get_running_loop().time
        self._links: list[dict[str, Any]] = []
        self._health: dict[str, str] = {}
        self._asked = float("-inf")

    async def picture(self) -> Picture:
        """How it stands now. Raises _Refused."""
        try:
            async with asyncio.timeout(PATIENCE):
                if self._clock() - self._asked >= SELDOM:
                    await self._look_seldom()
                paths = ("/rates", "/queues", "/link-states", "/processes")
                rates, *others = await asyncio.gather(*map(self._get, paths))
                queues, states, processes = (other["items"] for other in others)
            return picture_of(rates, queues, states, self._links, self._health, processes)
        except TimeoutError:
            raise _Refused(f"no answer within {PATIENCE:.0f} s") from None
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
            raise _Refused("what answers is not Payk's management API, or of another version") from None
        except httpx.HTTPError as error:
            raise _Refused(reason_of(error)) from None

    async def _look_seldom(self) -> None:
        links, operators = await asyncio.gather(self._all("/links"), self._all("/operators"))
        watched = [row["name"] for row in operators if row["enabled"]]
        found = await asyncio.gather(*(self._get(f"/operators/{quote(name, safe='')}/health") for name in watched))
        self._links = links
        self._health = dict(zip(watched, (row["state"] for row in found), strict=True))
        self._asked = self._clock()

    async def _all(self, path: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        after: Mapping[str, Any] = {}
        while True:
            page = await self._get(path, {"limit": PAGE, **after})
            rows += page["items"]
            if page["next"] is None:
                return rows
            after = {"after": page["next"]}

    async def _get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        response = await self._client.get(ROOT + path, params=params)
        if response.status_code == 200:
            return response.json()
        try:
            why = str(response.json()["Detail"])
        except (ValueError, KeyError, TypeError, RecursionError):
            why = f"the server answered {response.status_code}, and not as Payk does"
        raise _Refused(why, response.status_code)


async def print_once(asker: Asker) -> None:
    try:
        picture = await asker.picture()
    except _Refused as refused:
        fail(str(refused), 1 if refused.status in (401, 403) else 2)
    width, _ = shutil.get_terminal_size((WIDTH, HEIGHT))
    lines = 20 + len(picture.links) + len(picture.processes)  # all there is: nothing has to hold it
    for line in frame(picture, now=_now(), trouble="", width=max(WIDTH, width), height=lines, keys=False):
        print(line.text)


async def watch(asker: Asker, interval: float) -> None:
    """Look and draw until q or Ctrl-C. What cannot be asked is told, and asked again."""
    loop = asyncio.get_running_loop()
    picture: Picture | None = None
    trouble = ""
    ended, redraw = asyncio.Event(), asyncio.Event()
    console = Console(highlight=False, markup=False)

    def draw() -> None:
        width, height = shutil.get_terminal_size((WIDTH, HEIGHT))
        console.size = (width, height)
        lines = frame(picture, now=_now(), trouble=trouble, width=width, height=height, keys=True)
        live.update(Group(*(Text(line.text, line.style, no_wrap=True) for line in lines)), refresh=True)

    with (
        _keys(loop, ended, redraw),
        Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live,
    ):
        draw()
        while not ended.is_set():
            began = loop.time()
            look = asyncio.ensure_future(asker.picture())
            while not look.done():  # keys are heard, and sizes followed, while an answer is waited for
                await _first(look, ended, redraw)
                if ended.is_set():
                    look.cancel()
                    with suppress(asyncio.CancelledError, _Refused):
                        await look
                    return
                if not look.done():
                    redraw.clear()
                    draw()
            try:
                picture, trouble = look.result(), ""
            except _Refused as refused:
                since = trouble.partition(":  ")[0] if trouble else f"no answer since {_now()}"
                trouble = f"{since}:  {refused}"
            draw()
            while not ended.is_set() and (left := began + interval - loop.time()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await _first(None, ended, redraw)
                if redraw.is_set():
                    redraw.clear()
                    draw()


async def _first(look: asyncio.Future[Picture] | None, *events: asyncio.Event) -> None:
    """Wait for the first of them."""
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait()) for event in events]
    awaited = [*waits, look] if look else waits
    try:
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


@contextmanager
def _keys(loop: asyncio.AbstractEventLoop, ended: asyncio.Event, redraw: asyncio.Event) -> Iterator[None]:
    """Sets `ended` at q, Ctrl-C or the end of the terminal, `redraw` when it has another size."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def read() -> None:
        try:
            typed = os.read(descriptor, 64)
        except OSError:
            typed = b""
        if not typed or b"q" in typed.lower() or b"\x03" in typed:
            ended.set()
            loop.remove_reader(descriptor)

    signals: dict[int, Callable[[], None]] = {
        signal.SIGINT: ended.set,
        signal.SIGTERM: ended.set,
        signal.SIGHUP: ended.set,
        signal.SIGWINCH: redraw.set,
    }
    try:
        tty.setcbreak(descriptor)
        loop.add_reader(descriptor, read)
        for number, then in signals.items():
            loop.add_signal_handler(number, then)
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
