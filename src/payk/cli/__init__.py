"""The command line: parse, call, print. What the commands do lives elsewhere.

`send` and `status` are the SDK and need nothing of the server; the other commands import their rooms when they run, so
that the base installation starts quickly and says in one line which parts a command needs. Every error that is not a
defect is one line on standard error: exit code 2 where Payk was asked wrongly or cannot start, 1 where the centre says
no.

One module per group of commands, each with a Typer app `commands` of its own that is added here in one line.
"""

from payk.cli import access, centre, labels, limits, message, messages, registry, secret, simulate, top, trace, traffic
from payk.cli.command_line import command_line, main

__all__ = ["command_line", "main"]

# `payk WORD`, in the order of the help:
command_line.add_typer(centre.commands)
command_line.add_typer(simulate.commands)
command_line.add_typer(messages.commands)
command_line.add_typer(labels.commands)
command_line.add_typer(limits.commands)
command_line.add_typer(registry.commands)
command_line.add_typer(trace.commands)
command_line.add_typer(top.commands)

# Groups, `payk NOUN WORD`, one line each:
command_line.add_typer(registry.clients, name="client", help="Clients: their settings and limits.")
command_line.add_typer(registry.keys, name="key", help="API keys of clients.")
command_line.add_typer(registry.senders, name="sender", help="Senders: requested, approved, rejected.")
command_line.add_typer(registry.routes, name="route", help="Routes: which operators carry which numbers.")
command_line.add_typer(registry.changes, name="change", help="What was changed, by whom, and taking it back.")
command_line.add_typer(
    message.commands, name="message", help="Stored messages: find them, see why one is not there yet."
)
command_line.add_typer(secret.commands, name="secret", help="Secret keys, which encrypt passwords and texts of Otp.")
command_line.add_typer(limits.balance, name="balance", help="What prepaid clients have left.")
command_line.add_typer(limits.block, name="block", help="Numbers that take no messages.")
command_line.add_typer(traffic.queue, name="queue", help="What waits: shown, held, released, cancelled.")
command_line.add_typer(
    traffic.operator, name="operator", help="Operators: their settings; drained, resumed, healthy or not."
)
command_line.add_typer(traffic.link, name="link", help="Links: their settings; drained and resumed.")
command_line.add_typer(traffic.receipt, name="receipt", help="Receipts that no submit is known for.")
command_line.add_typer(access.users, name="user", help="Users, who may manage the centre.")
command_line.add_typer(access.sessions, name="session", help="Sessions of users who logged in.")
command_line.add_typer(access.tokens, name="token", help="Service tokens, by which programs manage the centre.")
command_line.add_typer(access.audit, name="audit", help="What was changed, and by whom.")
