"""`payk queue`, `payk operator`, `payk link` and `payk receipt`: running traffic seen, held, cancelled and drained."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from payk.cli import completion
from payk.cli.command_line import AsJson, Home, load_settings, server_parts
from payk.cli.managing import Force

__all__ = ["link", "operator", "queue", "receipt"]

queue = typer.Typer(no_args_is_help=True)
operator = typer.Typer(no_args_is_help=True)
link = typer.Typer(no_args_is_help=True)
receipt = typer.Typer(no_args_is_help=True)

ClientName = Annotated[
    str | None,
    typer.Option(
        "--client",
        metavar="NAME",
        autocompletion=completion.clients,
        envvar="PAYK_QUEUE_CLIENT",
        help="Only messages of this client.",
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        "--label",
        metavar="LABEL",
        autocompletion=completion.labels,
        envvar="PAYK_QUEUE_LABEL",
        help="Only messages with this label.",
    ),
]
Type = Annotated[
    Literal["common", "otp", "batch"] | None,
    typer.Option("--type", envvar="PAYK_QUEUE_TYPE", help="Only messages of this type."),
]
OperatorName = Annotated[
    str | None,
    typer.Option(
        "--operator",
        metavar="NAME",
        autocompletion=completion.operators,
        envvar="PAYK_QUEUE_OPERATOR",
        help="Only messages whose route names this operator first.",
    ),
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", envvar="PAYK_REASON", help="Why, for those who wonder later.")
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", envvar="PAYK_DRY_RUN", help="Say how many messages are meant and change nothing."),
]
NamedOperator = Annotated[str, typer.Argument(metavar="NAME", autocompletion=completion.operators)]
LinkName = Annotated[str, typer.Argument(metavar="NAME", autocompletion=completion.links)]
Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="As `payk receipt parked` lists them.")]
OfOperator = Annotated[
    str | None,
    typer.Option(
        "--operator",
        metavar="NAME",
        autocompletion=completion.operators,
        envvar="PAYK_RECEIPT_OPERATOR",
        help="Only those of this operator.",
    ),
]
# No variable stands for this one: it is meant once.
All = Annotated[bool, typer.Option("--all", help="Every one.")]


@queue.command()
def show(as_json: AsJson = False, home: Home = None) -> None:
    """Show what waits by operators, lane and client, and since when."""
    with server_parts("queue show"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.traffic.show_queue(settings, as_json))


@queue.command()
def hold(
    client: ClientName = None,
    label: Label = None,
    type_: Type = None,
    operator: OperatorName = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Hold back what waits, and what will, until it is released."""
    with server_parts("queue hold"):
        settings = load_settings({"home": home})
        from payk import app

        which = app.traffic.chosen(client, label, type_, operator)
        app.run(app.traffic.hold_queue(settings, which, reason, dry_run=dry_run, as_json=as_json))


@queue.command()
def release(
    hold_id: Annotated[int, typer.Argument(metavar="HOLD", help="Its number, as `payk queue holds` lists it.")],
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Let go what a hold keeps; its ExpiresIn counts from now."""
    with server_parts("queue release"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.traffic.release_queue(settings, hold_id, as_json=as_json))


@queue.command()
def cancel(
    client: ClientName = None,
    label: Label = None,
    type_: Type = None,
    operator: OperatorName = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Delete what waits and no operator can have, for good."""
    with server_parts("queue cancel"):
        settings = load_settings({"home": home})
        from payk import app

        which = app.traffic.chosen(client, label, type_, operator)
        app.run(app.traffic.cancel_queue(settings, which, reason, dry_run=dry_run, as_json=as_json))


@queue.command()
def holds(as_json: AsJson = False, home: Home = None) -> None:
    """Show the holds that stand."""
    with server_parts("queue holds"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.traffic.show_holds(settings, as_json))


def _set_draining(
    kind: Literal["operator", "link"], name: str, draining: bool, home: str | None, *, force: bool = False
) -> None:
    with server_parts(f"{kind} {'drain' if draining else 'resume'}"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.traffic.set_draining(settings, kind, name, draining, force=force))


@operator.command("drain")
def drain_operator(name: NamedOperator, force: Force = False, home: Home = None) -> None:
    """Give nothing new to an operator: the next of each route carry; what it has is finished, its binds stay."""
    _set_draining("operator", name, True, home, force=force)


@operator.command("resume")
def resume_operator(name: NamedOperator, home: Home = None) -> None:
    """Give messages to an operator again."""
    _set_draining("operator", name, False, home)


@operator.command("health")
def show_health(as_json: AsJson = False, home: Home = None) -> None:
    """Show which operators are sick, why and since when."""
    with server_parts("operator health"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.health.show_health(settings, as_json))


@operator.command("shifts")
def show_shifts(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Only those of this operator.", autocompletion=completion.operators),
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show when operators fell sick and returned, the newest first."""
    with server_parts("operator shifts"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.health.show_shifts(settings, name, as_json))


@link.command("drain")
def drain_link(name: LinkName, force: Force = False, home: Home = None) -> None:
    """Give nothing new to a link: the others of its operator carry; what it has is finished, its binds stay."""
    _set_draining("link", name, True, home, force=force)


@link.command("resume")
def resume_link(name: LinkName, home: Home = None) -> None:
    """Give messages to a link again."""
    _set_draining("link", name, False, home)


@receipt.command()
def parked(
    operator: OfOperator = None,
    after: Annotated[
        int, typer.Option(metavar="ID", envvar="PAYK_RECEIPT_AFTER", help="List those that came after this one.")
    ] = 0,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show receipts that no submit is known for, the oldest first."""
    with server_parts("receipt parked"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.traffic.show_parked(settings, operator, after, as_json))


@receipt.command()
def retry(ids: Ids = None, operator: OfOperator = None, all_: All = False, home: Home = None) -> None:
    """Look at once whether parked receipts fit by now."""
    with server_parts("receipt retry"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.traffic.treat_parked(settings, "retry", ids or [], operator, all_=all_))


@receipt.command()
def forget(ids: Ids = None, operator: OfOperator = None, all_: All = False, home: Home = None) -> None:
    """Drop parked receipts for good: they are nobody's."""
    with server_parts("receipt forget"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.traffic.treat_parked(settings, "forget", ids or [], operator, all_=all_))
