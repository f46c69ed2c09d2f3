"""The command line as a whole: which module has which command, and what happens around one.

Only the module of the first word is loaded, for whoever completes a word or asks for one thing waits for that; all of
them where it is none of these words, as for the help.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Final

import typer

from payk import __version__
from payk.cli.command_line import NOT_WRITTEN, PROGRAM

__all__ = ["PARTS", "Part", "command_line", "main"]

COMPLETION: Final = "_PAYK_COMPLETE"
"""Set by the shell where a word is to be completed."""


@dataclass(frozen=True, slots=True)
class Part:
    """A Typer app in a module of this room: the commands `words`, or, with `help`, the group of that one word."""

    module: str
    words: tuple[str, ...]
    app: str = "commands"
    help: str = ""

    def load(self) -> typer.Typer:
        """The app."""
        found: typer.Typer = getattr(import_module(f"payk.cli.{self.module}"), self.app)
        return found


PARTS: Final = (
    # `payk WORD`, in the order of the help:
    Part("centre", ("up", "serve", "migrate", "backup", "restore", "apply", "check", "forget", "recover")),
    Part("processes", ("processes",)),
    Part("simulate", ("simulate",)),
    Part("messages", ("send", "status", "preview")),
    Part("labels", ("label",)),
    Part("limits", ("usage",)),
    Part("registry", ("export",)),
    Part("trace", ("trace",)),
    Part("top", ("top",)),
    # Groups, `payk NOUN WORD`, one line each:
    Part("registry", ("client",), "clients", "Clients: their settings and limits."),
    Part("registry", ("key",), "keys", "API keys of clients."),
    Part("registry", ("sender",), "senders", "Senders: requested, approved, rejected."),
    Part("registry", ("route",), "routes", "Routes: which operators carry which numbers."),
    Part("registry", ("change",), "changes", "What was changed, by whom, and taking it back."),
    Part("message", ("message",), help="Stored messages: find them, see why one is not there yet."),
    Part("secret", ("secret",), help="Secret keys, which encrypt passwords and texts of Otp."),
    Part("limits", ("balance",), "balance", "What prepaid clients have left."),
    Part("limits", ("block",), "block", "Numbers that take no messages."),
    Part("traffic", ("queue",), "queue", "What waits: shown, held, released, cancelled."),
    Part("registry", ("operator",), "operators", "Operators: their settings; drained, resumed, healthy or not."),
    Part("registry", ("link",), "links", "Links: their settings; drained and resumed."),
    Part("traffic", ("receipt",), "receipt", "Receipts that no submit is known for."),
    Part("access", ("user",), "users", "Users, who may manage the centre."),
    Part("access", ("session",), "sessions", "Sessions of users who logged in."),
    Part("access", ("token",), "tokens", "Service tokens, by which programs manage the centre."),
    Part("access", ("audit",), "audit", "What was changed, and by whom."),
)


def command_line(first: str = "") -> typer.Typer:
    """The commands that begin with the word `first`, all of them where that is none."""
    parts = [part for part in PARTS if first in part.words] or PARTS
    app = typer.Typer(
        name=PROGRAM,
        help="Payk, an SMS centre: HTTP in, SMPP out.",
        epilog="Options are environment variables too: --port is PAYK_PORT. All of them: docs/settings.md.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_global_options)
    for part in parts:
        if part.help:
            app.add_typer(part.load(), name=part.words[0], help=part.help)
        else:
            app.add_typer(part.load())
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _global_options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's) and return its exit code."""
    _mend_standard_streams()
    for argument in sys.argv[1:] if arguments is None else arguments:
        if not argument.isascii() and any("\ud800" <= letter <= "\udfff" for letter in argument):
            shown = argument.encode("utf-8", "replace").decode()[:80]
            print(f"{PROGRAM}: {shown!r} is not UTF-8, as every argument should be", file=sys.stderr)
            return 2
    words = _completed() if COMPLETION in os.environ else list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = command_line(*words[:1])(arguments, prog_name=PROGRAM, standalone_mode=False)
    except typer.TyperException as error:
        code = _complain(error)
    except typer.Abort:
        code = 130
    except OSError as error:
        code = _not_written(error)
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        _write_no_more()
        code = code or 1
    except OSError as error:
        code = _not_written(error)
    return code if isinstance(code, int) else 0


def _not_written(error: OSError) -> int:
    """One line where the output had no room, and nothing more to it. Raises what is no such error."""
    if error.errno not in NOT_WRITTEN:
        raise error
    if error.filename is None:
        _write_no_more()
    with suppress(OSError):  # both may go to the same place
        what = "the output" if error.filename is None else error.filename
        print(f"{PROGRAM}: {what} cannot be written: {error.strerror}", file=sys.stderr)
    return 2


def _write_no_more() -> None:
    """What is still to be written leads nowhere: it would fail again at the end of the process."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


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


def _completed() -> list[str]:
    """The whole words of the line that is being typed, as shells tell it."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    words = line.split()
    return words[1:] if line[-1:].isspace() else words[1:-1]
