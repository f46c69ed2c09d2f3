"""A terminal of our own: a command runs on it as somebody would see it, and what stands on its screen can be read."""

from __future__ import annotations

import asyncio
import codecs
import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Screen", "Terminal"]

ROWS, COLUMNS = 24, 100
_PIECE = re.compile(r"\x1b\[(?P<arguments>[?0-9;]*)(?P<command>[A-Za-z])|(?P<text>[^\x1b])", re.DOTALL)


class Screen:
    """What a terminal shows: cells with the style that each was written in (the numbers of ECMA-48, SGR)."""

    def __init__(self) -> None:
        self._cells: list[list[tuple[str, str]]] = [[]]
        self._row, self._column, self._style = 0, 0, ""
        self._waiting = ""
        self.cursor_shown = True

    def write(self, text: str) -> None:
        """Show it; a sequence may come in pieces."""
        text = self._waiting + text
        end = 0
        for piece in _PIECE.finditer(text):
            if piece.start() != end:
                break
            end = piece.end()
            if piece["text"] is not None:
                self._put(piece["text"])
            else:
                self._obey(piece["command"], piece["arguments"])
        self._waiting = text[end:]

    def _put(self, letter: str) -> None:
        if letter == "\r":
            self._column = 0
        elif letter == "\n":
            self._row += 1
        elif letter == "\b":
            self._column = max(0, self._column - 1)
        else:
            row = self._at(self._row)
            row += [(" ", "")] * (self._column + 1 - len(row))
            row[self._column] = (letter, self._style)
            self._column += 1

    def _at(self, row: int) -> list[tuple[str, str]]:
        while len(self._cells) <= row:
            self._cells.append([])
        return self._cells[row]

    def _obey(self, command: str, arguments: str) -> None:
        number = int(arguments) if arguments.isdigit() else 1
        match command:
            case "A":
                self._row = max(0, self._row - number)
            case "B":
                self._row += number
            case "K":
                row = self._at(self._row)
                del row[0 if arguments == "2" else self._column :]
            case "m":
                self._style = "" if arguments in ("", "0") else arguments
            case "h" | "l" if arguments == "?25":
                self.cursor_shown = command == "h"
            case _:
                raise AssertionError(f"this terminal does not know {arguments}{command}")

    @property
    def lines(self) -> list[str]:
        """From the top, without blanks at their ends."""
        return ["".join(letter for letter, _ in row).rstrip() for row in self._cells]

    def styles(self, line: int) -> list[tuple[str, str]]:
        """The cells of a line, each with its style."""
        return list(self._cells[line])


class Terminal:
    """Runs one command."""

    def __init__(self) -> None:
        self.screen = Screen()
        self._near, self._far = pty.openpty()
        fcntl.ioctl(self._far, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._changed = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    async def run(self, *command: str, environment: Mapping[str, str]) -> None:
        """Start it; the terminal is the one that it is controlled by."""
        own = {**environment, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
        for name in ("NO_COLOR", "COLORTERM", "COLUMNS", "LINES"):
            own.pop(name, None)
        streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), self._far)
        self._process = await asyncio.create_subprocess_exec(
            *command, env=own, start_new_session=True, preexec_fn=_control, **streams
        )
        os.close(self._far)
        asyncio.get_running_loop().add_reader(self._near, self._read)

    def _read(self) -> None:
        try:
            octets = os.read(self._near, 65_536)
        except OSError:  # nobody holds the other end any more
            octets = b""
        if not octets:
            asyncio.get_running_loop().remove_reader(self._near)
        self.screen.write(self._decoder.decode(octets))
        self._changed.set()

    async def shows(self, wanted: Callable[[Screen], bool], *, within: float = 60.0) -> None:
        """Until the screen is like that."""
        try:
            async with asyncio.timeout(within):
                while not wanted(self.screen):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError("\n".join(["it shows:", *self.screen.lines])) from None

    def type(self, keys: bytes) -> None:
        """As somebody at the keyboard: b"\\x03" is Ctrl-C."""
        os.write(self._near, keys)

    async def ended(self, *, within: float = 60.0) -> int:
        """Until it ends; its exit code."""
        assert self._process is not None
        async with asyncio.timeout(within):
            code = await self._process.wait()
        await asyncio.sleep(0)
        self._read_rest()
        return code

    def _read_rest(self) -> None:
        """What it wrote at the end."""
        os.set_blocking(self._near, False)
        try:
            while octets := os.read(self._near, 65_536):
                self.screen.write(self._decoder.decode(octets))
        except OSError:
            pass

    async def close(self) -> None:
        """End what still runs."""
        asyncio.get_running_loop().remove_reader(self._near)
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        os.close(self._near)


def _control() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
