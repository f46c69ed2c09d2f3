"""The command line: parse, call, print. What the commands do lives elsewhere.

`send` and `status` are the SDK and need nothing of the server; the other commands import their rooms when they run, so
that the base installation starts quickly and says in one line which parts a command needs. Every error that is not a
defect is one line on standard error: exit code 2 where Payk was asked wrongly or cannot start, 1 where the centre says
no.

One module per group of commands, each with Typer apps of its own; entry.py has the table of them.
"""

from payk.cli.entry import command_line, main

__all__ = ["command_line", "main"]
