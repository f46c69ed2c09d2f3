"""What every command shares: errors as one line, settings, the options that many commands take."""

from __future__ import annotations

import errno
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from payk.settings import Settings

__all__ = ["NOT_WRITTEN", "PROGRAM", "AsJson", "Home", "fail", "finite", "load_settings", "server_parts"]

PROGRAM = "payk"
NOT_WRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""By what an error says that the place of an output takes no more. Of what is printed it may come at the very end."""


def finite(value: float | None) -> float | None:
    """For options that take a number: `nan` and `inf` are none here."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value:g} is no number here")
    return value


def fail(message: str, code: int = 2) -> NoReturn:
    print(f"{PROGRAM}: {message}", file=sys.stderr)
    raise typer.Exit(code)


# Options that are settings: their variables are read, and both are checked, by payk.settings.
Home = Annotated[
    str | None, typer.Option(metavar="DIR", help="Folder of the embedded database and our files. [PAYK_HOME: .payk]")
]
AsJson = Annotated[bool, typer.Option("--json", envvar="PAYK_JSON", help="Print JSON, one object per line.")]


def load_settings(given: Mapping[str, str | None], *, defaults_for_trying: bool = False) -> Settings:
    """The settings of this process, with its log set up after them."""
    from payk import logs
    from payk.settings import ignored_variables, load

    settings = load(given, defaults_for_trying=defaults_for_trying)
    logs.configure(settings.log_format, settings.log_level, settings.log_outcomes)
    for name in ignored_variables():
        print(f"{PROGRAM}: {name} is no setting and is ignored", file=sys.stderr)
    return settings


@contextmanager
def server_parts(command: str, extras: str = "server") -> Iterator[None]:
    """Turns what stops a command of the server into one line: parts not installed, wrong settings, a failed start."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == PROGRAM:
            raise
        fail(f"payk {command} needs the server parts ({error.name} is missing): pip install 'payk[{extras}]'")
    except Exception as error:
        if not isinstance(error, _start_errors()):
            raise
        fail(str(error))


def _start_errors() -> tuple[type[Exception], ...]:
    """What is told in one line, of the rooms that were loaded."""
    names = (("payk.settings", "SettingsError"), ("payk.app", "StartError"), ("payk.simulator", "SimulatorError"))
    return tuple(getattr(sys.modules[room], name) for room, name in names if room in sys.modules)
