"""Lines that come by the thousand: one for every outcome of a message.

A logger takes 20 microseconds for a line. These are structs that are encoded as they are, a batch in one go; and a
thread writes them, so that a reader of the log that falls behind holds up no message. What it leaves unread beyond
`BACKLOG` is dropped, counted, and told.
"""

from __future__ import annotations

import atexit
import os
import select
import stat
import sys
import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec
from structlog.types import Processor

__all__ = ["BACKLOG", "Line", "ManyLines", "configure", "put_behind"]

BACKLOG: Final = 16 * 1024 * 1024
"""Octets that wait to be written at most."""
LAST_CHANCE: Final = 2.0
"""Seconds that a process which ends gives its reader for what is still to be written."""
_PIPE: Final = 4096
"""Octets that a pipe takes without mixing them with lines of others (PIPE_BUF)."""
_AT_ONCE: Final = 32 * 1024
"""Octets of one write to anything else."""
_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines

Kind = Literal["ordinary", "failures", "warnings"]
"""Ordinary, a failure, or something that somebody should look at."""


Head = tuple[str, str, str, str]


class Line(msgspec.Struct, omit_defaults=True, gc=False):
    """The fields of a line, in their order, first those of `ManyLines.head`; one that is as its default is left out."""

    at: str
    level: str
    room: str
    event: str


class _Kinds(msgspec.Struct):
    """What is wanted, and how it looks."""

    console: Processor | None = None
    ordinary: bool = False
    failures: bool = False
    warnings: bool = False


_wanted = _Kinds()


def configure(console: Processor | None, *, ordinary: bool, failures: bool, warnings: bool) -> None:
    """Which lines are written, and by what; None = as JSON."""
    _wanted.console = console
    _wanted.ordinary, _wanted.failures, _wanted.warnings = ordinary, failures, warnings


class ManyLines:
    """The lines of one room, all with the same `event`."""

    def __init__(self, room: str, event: str) -> None:
        self._room = room
        self._event = event

    @property
    def on(self) -> bool:
        """Whether any are written. Ask before making them."""
        return _wanted.warnings

    def head(self, kind: Kind) -> Head:
        """What lines of this moment begin with: when, level, room, event."""
        return _now(), "warning" if kind == "warnings" else "info", self._room, self._event

    def write(self, lines: Sequence[Line], kind: Kind = "ordinary") -> None:
        """Write them if their kind is wanted; returns at once."""
        if not lines or not getattr(_wanted, kind):
            return
        if _wanted.console is None:
            octets = _encode_lines(lines)
        else:
            octets = b"".join(_for_the_eye(_wanted.console, line) for line in lines)
        _writer.put(octets, len(lines))


def _for_the_eye(console: Processor, line: Line) -> bytes:
    return str(console(None, line.level, msgspec.to_builtins(line))).encode() + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class _Writer:
    """The thread, begun with the first line."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._octets = 0
        self._dropped = 0
        self._some = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ending = False

    def put(self, octets: bytes, lines: int) -> None:
        """So many whole lines."""
        with self._some:
            if self._octets + len(octets) > BACKLOG:
                self._dropped += lines
                return
            self._waiting.append(octets)
            self._octets += len(octets)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
                self._thread.start()
                atexit.register(self._end)
            self._some.notify()

    @property
    def is_behind(self) -> bool:
        """Whether lines are still to be written."""
        return self._octets > 0

    def _run(self) -> None:
        while True:
            with self._some:
                while not self._waiting:
                    if self._ending:
                        return
                    self._some.wait()
                octets = self._waiting.popleft()
                dropped, self._dropped = self._dropped, 0
            _write(octets)
            if dropped:
                told = {"at": _now(), "level": "error", "room": "logs", "event": "lines dropped", "lines": dropped}
                _write(_encode(told) + b"\n")
            with self._some:
                self._octets -= len(octets)

    def _end(self) -> None:
        with self._some:
            self._ending = True
            self._some.notify()
        if self._thread is not None:
            self._thread.join(LAST_CHANCE)


def _write(lines: bytes) -> None:
    """Whole lines, as many at once as are not mixed with those of others."""
    most = _PIPE if _is_pipe() else _AT_ONCE
    begin = 0
    while begin < len(lines):
        end = lines.rfind(b"\n", begin, begin + most) + 1 or lines.index(b"\n", begin) + 1
        _out(lines[begin:end])
        begin = end


def _is_pipe() -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(sys.stderr.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def _out(octets: bytes) -> None:
    """A log that cannot be written (the reader is gone) never stops the work."""
    try:
        number = sys.stderr.fileno()
        while octets:
            try:
                octets = octets[os.write(number, octets) :]
            except BlockingIOError:  # somebody made it non-blocking
                select.select([], [number], [])
    except (OSError, ValueError):
        pass


_writer = _Writer()


def put_behind(line: str) -> bool:
    """Write a line behind those that are still to be written; False where none are, and nothing was done."""
    if not _writer.is_behind:
        return False
    _writer.put(line.encode("utf-8", "replace") + b"\n", 1)
    return True
