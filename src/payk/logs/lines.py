"""How a line looks, and where it goes.

What lives here: how a line looks and where it goes. What each room says, it says itself, through `get_logger`.
Never in a line: the text of a message, a key, a password; numbers only as `mask` shows them. Two nets catch what slips:
fields with a telling name are blanked, and of an exception only the first line of its message is written, because a
database repeats the refused row in the lines after it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any, Literal, cast

import msgspec
import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars
from structlog.types import EventDict, ExcInfo, Processor, WrappedLogger

from payk.logs import many

__all__ = [
    "LogFormat",
    "Logger",
    "OutcomeLevel",
    "bind_contextvars",
    "bound_contextvars",
    "clear_contextvars",
    "configure",
    "get_logger",
    "mask",
]

LogFormat = Literal["console", "json"]
OutcomeLevel = Literal["all", "failures", "off"]
"""Which outcomes of messages are logged."""
Logger = structlog.typing.FilteringBoundLogger

_SECRET_FIELDS = frozenset({"text", "password", "api_key", "secret_key", "database_url"})
_QUIET_LIBRARIES = ("httpx", "httpcore", "asyncio")
_encode = msgspec.json.Encoder(enc_hook=str).encode


def mask(number: str) -> str:
    """A phone number as logs may show it: country and operator, then `****`, then the last two digits.

    At least four characters are always hidden: `992900900900` -> `992900****00`.
    """
    if len(number) == 12:  # as it is for nearly all, in half the time
        return f"{number[:6]}****{number[10:]}"
    if len(number) <= 4:
        return "*" * len(number)
    head = max(0, min(6, len(number) - 6))
    tail = min(2, len(number) - head - 4)
    return f"{number[:head]}{'*' * (len(number) - head - tail)}{number[len(number) - tail :]}"


def get_logger(room: str) -> Logger:
    """The logger of a room, e.g. `get_logger("dispatch")`; the name is the field `room` of its lines."""
    return cast(Logger, structlog.get_logger(room=room))


def configure(style: LogFormat | None = None, level: str = "info", outcomes: OutcomeLevel = "off") -> None:
    """Send the lines of structlog and of the standard library (uvicorn, asyncio) to standard error.

    `style` None = console on a terminal, else JSON. `level` is the lowest that is written: debug, info, warning or
    error; `outcomes` says which of the lines that come by the thousand are. Call it once, when a process starts.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    if style is None:
        style = "console" if sys.stderr.isatty() else "json"
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.ExceptionRenderer(_exception_text),
        _blank_secrets,
    ]
    rendered = _json_line if style == "json" else _console_line(sys.stderr.isatty())
    structlog.configure(
        processors=[*before, rendered],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _StandardError(),
        cache_logger_on_first_use=True,
    )
    _route_standard_library([*before, rendered], number)
    many.configure(
        None if style == "json" else _console_line(sys.stderr.isatty()),
        ordinary=outcomes == "all" and number <= logging.INFO,
        failures=outcomes != "off" and number <= logging.INFO,
        warnings=outcomes != "off" and number <= logging.WARNING,
    )


def _route_standard_library(processors: list[Processor], level: int) -> None:
    handler = _StandardErrorHandler()
    handler.setFormatter(_StandardLibraryLine(processors))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"  # the API writes one canonical line per request itself
        logger.setLevel(logging.NOTSET if level <= logging.DEBUG else logging.WARNING)
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class _StandardError:
    """Writes finished lines. A log that cannot be written (the reader is gone) never stops the work.

    While lines of outcomes wait for a reader that fell behind, these go behind them: to write now would hold up all.
    """

    def msg(self, line: str) -> None:
        if many.put_behind(line):
            return
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            pass

    debug = info = warning = error = critical = exception = msg


class _StandardErrorHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a record that cannot be rendered is the standard library's to report
            self.handleError(record)
            return
        _StandardError().msg(line)


class _StandardLibraryLine(logging.Formatter):
    """A record of the standard library in the shape of our own lines; `room` is the library's logger."""

    def __init__(self, processors: list[Processor]) -> None:
        super().__init__()
        self._processors = processors

    def format(self, record: logging.LogRecord) -> str:
        event: Any = {"event": record.getMessage(), "room": record.name}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        for processor in self._processors:
            event = processor(None, record.levelname.lower(), event)
        return cast(str, event)


def _blank_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for field in _SECRET_FIELDS.intersection(event):
        event[field] = "(hidden)"
    return event


def _json_line(_: WrappedLogger, __: str, event: EventDict) -> str:
    first = {name: event.pop(name) for name in ("at", "level", "room", "event") if name in event}
    return _encode({**first, **event}).decode()


def _console_line(colours: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=colours, timestamp_key="at", exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )


def _exception_text(exc_info: ExcInfo) -> str:
    """The traceback, of each exception in the chain only the first line of its message."""
    return "\n".join(_chain(exc_info[1], set()))


def _chain(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))  # an exception may be its own cause
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and id(cause) not in seen:
        yield from _chain(cause, seen)
        yield "-- and from this:"
    yield from _frames(error)
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    first, *_ = str(error).splitlines() or [""]
    yield f"{name}: {first}" if first else name
    if isinstance(error, BaseExceptionGroup):
        for number, member in enumerate(error.exceptions, 1):
            yield f"-- {number} of {len(error.exceptions)} in the group:"
            yield from _chain(member, seen)


def _frames(error: BaseException) -> Iterator[str]:
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        yield f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_qualname}'
        trace = trace.tb_next
