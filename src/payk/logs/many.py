"""Lines that come by the thousand: one for every outcome of a message.

A logger takes 20 microseconds for a line. These are structs that are encoded as they are, a batch at a time; and a
thread writes them, so that a reader of the log that falls behind holds up no message. What it leaves unread beyond
`BACKLOG` is dropped, counted, and told.
"""

from __future__ import annotations

import atexit
import os
import select
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
_AT_ONCE: Final = 4096
"""Octets of one write: a pipe takes so many without mixing them with lines of others (PIPE_BUF)."""
_encode = msgspec.json.Encoder().encode


class Line(msgspec.Struct, omit_defaults=True, gc=False):
    """The fields of a line, in their order; one that is as its default is left out."""

    def level(self) -> Literal["ordinary", "failures", "warnings"]:
        """Ordinary, a failure, or something that somebody should look at."""
        return "ordinary"


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

    def write(self, lines: Sequence[Line]) -> None:
        """Write those that are wanted; returns at once."""
        at = _now()
        heads = {
            kind: self._head(at, level)
            for kind, level, wanted in (
                ("ordinary", "info", _wanted.ordinary),
                ("failures", "info", _wanted.failures),
                ("warnings", "warning", _wanted.warnings),
            )
            if wanted
        }
        if _wanted.console is not None:
            octets = [self._for_the_eye(at, line) for line in lines if line.level() in heads]
        else:
            octets = [heads[kind] + _encode(line)[1:] for line in lines if (kind := line.level()) in heads]
        if octets:
            _writer.put(octets)

    def _head(self, at: str, level: str) -> bytes:
        return _encode({"at": at, "level": level, "room": self._room, "event": self._event})[:-1] + b","

    def _for_the_eye(self, at: str, line: Line) -> bytes:
        assert _wanted.console is not None
        level = "warning" if line.level() == "warnings" else "info"
        fields = msgspec.to_builtins(line)
        shown = _wanted.console(
            None, level, {"at": at, "level": level, "room": self._room, "event": self._event, **fields}
        )
        return str(shown).encode()


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class _Writer:
    """The thread, begun with the first line."""

    def __init__(self) -> None:
        self._waiting: deque[list[bytes]] = deque()
        self._octets = 0
        self._dropped = 0
        self._some = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ending = False

    def put(self, lines: list[bytes]) -> None:
        octets = sum(map(len, lines)) + len(lines)
        with self._some:
            if self._octets + octets > BACKLOG:
                self._dropped += len(lines)
                return
            self._waiting.append(lines)
            self._octets += octets
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
                lines = self._waiting.popleft()
                dropped, self._dropped = self._dropped, 0
            _write(lines)
            if dropped:
                told = {"at": _now(), "level": "error", "room": "logs", "event": "lines dropped", "lines": dropped}
                _write([_encode(told)])
            with self._some:
                self._octets -= sum(map(len, lines)) + len(lines)

    def _end(self) -> None:
        with self._some:
            self._ending = True
            self._some.notify()
        if self._thread is not None:
            self._thread.join(LAST_CHANCE)


def _write(lines: Sequence[bytes]) -> None:
    """Whole lines, as many at once as a pipe takes without mixing them with others."""
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        if chunk and size + len(line) + 1 > _AT_ONCE:
            _out(b"\n".join(chunk) + b"\n")
            chunk, size = [], 0
        chunk.append(line)
        size += len(line) + 1
    if chunk:
        _out(b"\n".join(chunk) + b"\n")


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
    _writer.put([line.encode("utf-8", "replace")])
    return True
