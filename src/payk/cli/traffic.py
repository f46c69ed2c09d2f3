"""`payk queue`, `payk operator`, `payk link` and `payk receipt`: running traffic seen, held, cancelled and drained.

Of the server at PAYK_ADMIN_URL, else on the database.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer

from payk.cli import completion
from payk.cli.command_line import AsJson, Home, fail, load_settings, server_parts
from payk.cli.managing import AdminUrl, Force, ask, lines_of, on_the_database, path, rows_of
from payk.cli.managing import show as show_rows

__all__ = ["LinkName", "NamedOperator", "link", "operator", "queue", "receipt"]

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
_DEPTH = ("operators", "lane", "client", "waiting", "oldest_age", "in_flight", "staged", "next_due")
_HOLD = ("hold_id", "placed_at", "client", "label", "sms_type", "operator", "author", "reason")
_PARKED = ("parked_id", "received_at", "operator", "link", "smsc_id", "raw_state", "error", "source", "tries")
# No variable stands for this one: it is meant once.
All = Annotated[bool, typer.Option("--all", help="Every one.")]


@queue.command()
def show(as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """Show what waits by operators, lane and client, and since when."""
    if url is not None:
        rows = rows_of(ask("queue show", url, home, "GET", "/queues")["items"])
        for row in rows:
            row["lane"] = str(row.get("lane")).replace("_", "-")
        show_rows(rows, _DEPTH, as_json)
        return
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
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Hold back what waits, and what will, until it is released."""
    if url is not None:
        _not_dry(dry_run)
        placed = ask("queue hold", url, home, "POST", "/holds", _choice(client, label, type_, operator, reason))
        number = placed["hold_id"]
        told = f"hold {number} stands; release it: payk queue release {number}"
        _tell({"hold": number}, told, as_json)
        return
    with server_parts("queue hold"):
        settings = load_settings({"home": home})
        from payk import app

        which = app.traffic.chosen(client, label, type_, operator)
        app.run(app.traffic.hold_queue(settings, which, reason, dry_run=dry_run, as_json=as_json))


@queue.command()
def release(
    hold_id: Annotated[int, typer.Argument(metavar="HOLD", help="Its number, as `payk queue holds` lists it.")],
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Let go what a hold keeps; its ExpiresIn counts from now."""
    if url is not None:
        ask("queue release", url, home, "POST", f"/holds/{hold_id}/release")
        _tell({"released": hold_id}, f"hold {hold_id} is released", as_json)
        return
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
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Delete what waits and no operator can have, for good."""
    if url is not None:
        _not_dry(dry_run)
        done = ask("queue cancel", url, home, "POST", "/cancel", _choice(client, label, type_, operator, reason))
        told = f"cancelled: {done['cancelled']}; too late for: {done['too_late']}"
        if not done["done"]:
            told += "; it goes on, and what is left is held until it is done"
        _tell({name: done[name] for name in ("cancelled", "too_late", "done")}, told, as_json)
        return
    with server_parts("queue cancel"):
        settings = load_settings({"home": home})
        from payk import app

        which = app.traffic.chosen(client, label, type_, operator)
        app.run(app.traffic.cancel_queue(settings, which, reason, dry_run=dry_run, as_json=as_json))


@queue.command()
def holds(as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """Show the holds that stand."""
    if url is not None:
        rows = rows_of(ask("queue holds", url, home, "GET", "/holds")["items"])
        show_rows(rows, _HOLD, as_json)
        return
    with server_parts("queue holds"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.traffic.show_holds(settings, as_json))


def _not_dry(dry_run: bool) -> None:
    if dry_run:
        fail("--dry-run counts on the database alone; a server shows what waits: payk queue show")


def _choice(
    client: str | None, label: str | None, type_: str | None, operator: str | None, reason: str
) -> dict[str, Any]:
    named = {"client": client, "label": label, "sms_type": type_, "operator": operator, "reason": reason or None}
    return {name: value for name, value in named.items() if value is not None}


def _tell(row: dict[str, Any], told: str, as_json: bool) -> None:
    print(json.dumps(row, ensure_ascii=False) if as_json else told)


def _set_draining(
    kind: Literal["operator", "link"],
    name: str,
    draining: bool,
    url: str | None,
    home: str | None,
    *,
    force: bool = False,
) -> None:
    if url is not None:
        word = "drain" if draining else "resume"
        params = {"force": "true"} if force else None
        done = ask(f"{kind} {word}", url, home, "POST", f"{path(f'{kind}s', name)}/{word}", params=params)
        for line in lines_of(done["difference"]):
            print(line)
        return
    with server_parts(f"{kind} {'drain' if draining else 'resume'}"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.traffic.set_draining(settings, kind, name, draining, force=force))


@operator.command("drain")
def drain_operator(name: NamedOperator, force: Force = False, url: AdminUrl = None, home: Home = None) -> None:
    """Give nothing new to an operator: the next of each route carry; what it has is finished, its binds stay."""
    _set_draining("operator", name, True, url, home, force=force)


@operator.command("resume")
def resume_operator(name: NamedOperator, url: AdminUrl = None, home: Home = None) -> None:
    """Give messages to an operator again."""
    _set_draining("operator", name, False, url, home)


@operator.command("health")
def show_health(as_json: AsJson = False, home: Home = None) -> None:
    """Show which operators are sick, why and since when."""
    on_the_database("operator health")
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
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Show when operators fell sick and returned, the newest first."""
    if url is not None:
        params = {"operator": name}
        rows = rows_of(ask("operator shifts", url, home, "GET", "/operator-shifts", params=params)["items"])
        show_rows(rows, ("at", "operator", "from_state", "to_state", "reason"), as_json)
        return
    with server_parts("operator shifts"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.health.show_shifts(settings, name, as_json))


@link.command("drain")
def drain_link(name: LinkName, force: Force = False, url: AdminUrl = None, home: Home = None) -> None:
    """Give nothing new to a link: the others of its operator carry; what it has is finished, its binds stay."""
    _set_draining("link", name, True, url, home, force=force)


@link.command("resume")
def resume_link(name: LinkName, url: AdminUrl = None, home: Home = None) -> None:
    """Give messages to a link again."""
    _set_draining("link", name, False, url, home)


def _treat_parked(
    action: Literal["retry", "forget"],
    ids: list[int] | None,
    operator: str | None,
    all_: bool,
    url: str | None,
    home: str | None,
) -> None:
    if not (ids or operator or all_):
        fail("name receipts by their ids, an operator by --operator, or every one by --all")
    if url is not None:
        if all_ and not (ids or operator) and action == "forget":
            fail("a server drops those that are named: give their ids, or --operator")
        body = {"parked_ids": ids or None, "operator": operator}
        body = {name: value for name, value in body.items() if value is not None}
        done = ask(f"receipt {action}", url, home, "POST", f"/receipts/parked/{action}", body)
        print(f"{done['receipts']} {'will be tried at once' if action == 'retry' else 'forgotten'}")
        return
    with server_parts(f"receipt {action}"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.traffic.treat_parked(settings, action, ids or [], operator))


@receipt.command()
def parked(
    operator: OfOperator = None,
    after: Annotated[
        int, typer.Option(metavar="ID", envvar="PAYK_RECEIPT_AFTER", help="List those that came after this one.")
    ] = 0,
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Show receipts that no submit is known for, the oldest first."""
    if url is not None:
        params = {"operator": operator, "after": after}
        rows = rows_of(ask("receipt parked", url, home, "GET", "/receipts/parked", params=params)["items"])
        show_rows(rows, _PARKED, as_json)
        return
    with server_parts("receipt parked"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.traffic.show_parked(settings, operator, after, as_json))


@receipt.command()
def retry(
    ids: Ids = None, operator: OfOperator = None, all_: All = False, url: AdminUrl = None, home: Home = None
) -> None:
    """Look at once whether parked receipts fit by now."""
    _treat_parked("retry", ids, operator, all_, url, home)


@receipt.command()
def forget(
    ids: Ids = None, operator: OfOperator = None, all_: All = False, url: AdminUrl = None, home: Home = None
) -> None:
    """Drop parked receipts for good: they are nobody's."""
    _treat_parked("forget", ids, operator, all_, url, home)
