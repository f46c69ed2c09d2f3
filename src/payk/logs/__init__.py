"""The log of a process: one line per event on standard error, as JSON or for the eye.

lines.py    how a line looks, what never gets into one, and where it goes
many.py     lines that come by the thousand: made without a logger, written behind the back of the event loop
"""

from payk.logs.lines import (
    LogFormat,
    Logger,
    OutcomeLevel,
    bind_contextvars,
    bound_contextvars,
    clear_contextvars,
    configure,
    get_logger,
    mask,
)
from payk.logs.many import Head, Kind, Line, ManyLines

__all__ = [
    "Head",
    "Kind",
    "Line",
    "LogFormat",
    "Logger",
    "ManyLines",
    "OutcomeLevel",
    "bind_contextvars",
    "bound_contextvars",
    "clear_contextvars",
    "configure",
    "get_logger",
    "mask",
]
