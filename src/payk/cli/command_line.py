"""What every command shares: the Typer app, errors as one line, settings, the options that many commands take."""

from __future__ import annotations

import io
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from payk import __version__

if TYPE_CHECKING:
    from payk.settings import Settings

__all__ = ["PROGRAM", "AsJson", "Home", "command_line", "fail", "finite", "load_settings", "main", "server_parts"]

PROGRAM = "payk"

command_line = typer.Typer(
    name=PROGRAM,
    help="Payk, an SMS centre: HTTP in, SMPP out.",
    epilog="Options are environment variables too: --port is PAYK_PORT. All of them: docs/settings.md.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's) and return its exit code."""
    _mend_standard_streams()
    for argument in sys.argv[1:] if arguments is None else arguments:
        if not argument.isascii() and any("\ud800" <= letter <= "\udfff" for letter in argument):
            shown = argument.encode("utf-8", "replace").decode()[:80]
            print(f"{PROGRAM}: {shown!r} is not UTF-8, as every argument should be", file=sys.stderr)
            return 2
    try:
        code = command_line(arguments, prog_name=PROGRAM, standalone_mode=False)
    except typer.TyperException as error:
        code = _complain(error)
    except typer.Abort:
        code = 130
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or 1
    return code if isinstance(code, int) else 0


def _mend_standard_streams() -> None:
    """A closed one leads nowhere, before a socket of ours gets its number; one that lacks our letters shows `?`."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _complain(error: typer.TyperException) -> int:
    message = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
    if message:  # empty where help was shown in place of a missing command
        print(f"{PROGRAM}: {message} (see {PROGRAM} --help)", file=sys.stderr)
    return 2


def finite(value: float | None) -> float | None:
    """For options that take a number: `nan` and `inf` are none here."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value:g} is no number here")
    return value


def fail(message: str, code: int = 2) -> NoReturn:
    print(f"{PROGRAM}: {message}", file=sys.stderr)
    raise typer.Exit(code)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


@command_line.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


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
