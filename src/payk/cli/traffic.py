"""`payk queue`, `payk operator`, `payk link` and `payk receipt`: running traffic seen, held, cancelled and drained."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer

from payk.cli import completion
from payk.cli.command_line import AsJson, Home, fail
from payk.cli.managing import AdminUrl, Force, ask, ask_all, lines_of, path, rows_of
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
# No variable stands for this one: it is meant once.
All = Annotated[bool, typer.Option("--all", help="Every one.")]

LISTED = 50
"""Parked receipts that are listed at once."""
_DEPTH = ("operators", "lane", "client", "waiting", "oldest", "in flight", "for later", "held")
_HOLD = ("hold_id", "placed_at", "client", "label", "sms_type", "operator", "author", "reason")
_HEALTH = ("operator", "state", "since", "probed_until", "reason")
_SHIFT = ("at", "operator", "from_state", "to_state", "reason")
_PARKED = ("parked_id", "received_at", "link", "smsc_id", "raw_state", "error", "source", "tries")


@queue.command()
def show(as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """Show what waits by operators, lane and client, and since when."""
    rows = [
        {**row, "lane": str(row["lane"]).replace("_", "-")}
        for row in rows_of(ask("queue show", url, home, "GET", "/queues")["items"])
    ]
    if not as_json:
        rows = [
            {
                **row,
                "waiting": f"{'about ' if row['estimated'] else ''}{row['waiting']}",
                "oldest": None if row["oldest_age"] is None else _age(row["oldest_age"]),
                "in flight": row["in_flight"],
                "for later": row["staged"],
            }
            for row in rows
        ]
    show_rows(rows, _DEPTH, as_json, nothing="nothing waits")


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


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
    choice = _choice(client, label, type_, operator, reason)
    if dry_run:
        _tell_matching("queue hold", choice, as_json, url, home)
        return
    number = ask("queue hold", url, home, "POST", "/holds", choice)["hold_id"]
    _tell({"hold": number}, f"hold {number} stands; release it: payk queue release {number}", as_json)


@queue.command()
def release(
    hold_id: Annotated[int, typer.Argument(metavar="HOLD", help="Its number, as `payk queue holds` lists it.")],
    as_json: AsJson = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Let go what a hold keeps; its ExpiresIn counts from now."""
    ask("queue release", url, home, "POST", f"/holds/{hold_id}/release")
    _tell({"released": hold_id}, f"hold {hold_id} is released", as_json)


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
    choice = _choice(client, label, type_, operator, reason)
    if dry_run:
        _tell_matching("queue cancel", choice, as_json, url, home)
        return
    done = ask("queue cancel", url, home, "POST", "/cancel", choice)
    told = f"cancelled: {done['cancelled']}; too late for: {done['too_late']}"
    if not done["done"]:
        told += "; it goes on, and what is left is held until it is done"
    _tell({name: done[name] for name in ("cancelled", "too_late", "done")}, told, as_json)


@queue.command()
def holds(as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """Show the holds that stand."""
    rows = rows_of(ask("queue holds", url, home, "GET", "/holds")["items"])
    if not as_json:
        rows = [{**row, "reason": "cancels" if row["cancels"] else row["reason"]} for row in rows]
    show_rows(rows, _HOLD, as_json, nothing="nothing is held")


def _choice(
    client: str | None, label: str | None, type_: str | None, operator: str | None, reason: str
) -> dict[str, Any]:
    named = {"client": client, "label": label, "sms_type": type_, "operator": operator, "reason": reason or None}
    return {name: value for name, value in named.items() if value is not None}


def _tell_matching(command: str, choice: dict[str, Any], as_json: bool, url: str | None, home: str | None) -> None:
    found = ask(command, url, home, "POST", "/queues/matching", choice)
    least = "at least " if found["at_least"] else ""
    told = f"{least}{found['waiting']} messages wait that are meant; nothing was changed"
    _tell({name: found[name] for name in ("waiting", "at_least")}, told, as_json)


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
    word = "drain" if draining else "resume"
    params = {"force": "true"} if force else None
    done = ask(f"{kind} {word}", url, home, "POST", f"{path(f'{kind}s', name)}/{word}", params=params)
    for line in lines_of(done["difference"]):
        print(line)


@operator.command("drain")
def drain_operator(name: NamedOperator, force: Force = False, url: AdminUrl = None, home: Home = None) -> None:
    """Give nothing new to an operator: the next of each route carry; what it has is finished, its binds stay."""
    _set_draining("operator", name, True, url, home, force=force)


@operator.command("resume")
def resume_operator(name: NamedOperator, url: AdminUrl = None, home: Home = None) -> None:
    """Give messages to an operator again."""
    _set_draining("operator", name, False, url, home)


@operator.command("health")
def show_health(as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """Show which operators are sick, why and since when."""
    rows = rows_of(ask("operator health", url, home, "GET", "/operator-health")["items"])
    show_rows(rows, _HEALTH, as_json, nothing="no operators")


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
    found = ask("operator shifts", url, home, "GET", "/operator-shifts", params={"operator": name})
    show_rows(rows_of(found["items"]), _SHIFT, as_json, nothing="no shifts")


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
    body: dict[str, Any] = {"parked_ids": ids or None, "operator": operator}
    if action == "forget" and all_ and not (ids or operator):
        body["all"] = True  # sent where it is needed alone: servers of the version before do not know it
    done = ask(f"receipt {action}", url, home, "POST", f"/receipts/parked/{action}", body)
    print(f"{done['receipts']} {'will be tried at once' if action == 'retry' else 'forgotten'}")


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
    params = {"operator": operator, "after": after, "limit": LISTED}
    counted, listed = ask_all(
        *("receipt parked", url, home), ("/receipts/parked/counts", None), ("/receipts/parked", params)
    )
    rows = rows_of(listed["items"])
    if not as_json:
        counts = [
            {**row, "parked": f"{'at least ' if row['at_least'] else ''}{row['count']}"}
            for row in rows_of(counted["items"])
        ]
        show_rows(counts, ("operator", "parked", "oldest"), as_json, nothing="nothing is parked")
        if not rows:
            return
        print()
    show_rows(rows, _PARKED, as_json)
    if not as_json and len(rows) == LISTED:
        print(f"more: payk receipt parked --after {rows[-1]['parked_id']}")


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
