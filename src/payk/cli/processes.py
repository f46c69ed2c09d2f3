"""`payk processes`: who is alive, in which roles, with which duties and binds; and the binds that nobody holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from payk.cli.command_line import AsJson, Home
from payk.cli.managing import AdminUrl, ask_all, lines_of, rows_of, show, show_one, to_the_second

__all__ = ["commands"]

commands = typer.Typer()

_PROCESS = ("Incarnation", "Host", "Pid", "Roles", "Started (UTC)", "Heard of", "Duties")
_BIND = ("Bind", "Held by", "State", "Last error")
_LINK = ("Link", "Held by", "Window", "Submits/s", "Rate", "Answer (p99)", "Receipts/s", "Receipt (p99)", "Refused")

Row = Mapping[str, Any]


@commands.command()
def processes(as_json: AsJson = False, url: AdminUrl = None, home: Home = None) -> None:
    """Show the live processes with their roles and duties, and who holds which bind in what state."""
    found, states = ask_all("processes", url, home, ("/processes", None), ("/link-states", None))
    alive, unheld, links = rows_of(found["items"]), rows_of(found["held_by_nobody"]), rows_of(states["items"])
    if as_json:
        show_one({"processes": alive, "held_by_nobody": unheld, "links": links}, as_json)
        return
    show([_process(row) for row in alive], _PROCESS, as_json)
    for row in alive:
        for warning in lines_of(row["warnings"]):
            print(f"process {row['incarnation']}: {warning}")
    print()
    show([*_binds(alive), *({"Bind": _named(row), "Held by": "nobody"} for row in unheld)], _BIND, as_json)
    print()
    show([_link(row) for row in links], _LINK, as_json)


def _process(row: Row) -> Row:
    return {
        "Incarnation": row["incarnation"],
        "Host": str(row["host"]).partition("/")[0],
        "Pid": row["pid"],
        "Roles": row["roles"],
        "Started (UTC)": to_the_second(row["started_at"]),
        "Heard of": f"{row['silent_for']:.0f} s ago",
        "Duties": row["duties"],
    }


def _binds(alive: list[dict[str, Any]]) -> Iterator[Row]:
    for process in alive:
        for bind in rows_of(process["binds"]):
            yield {
                "Bind": _named(bind),
                "Held by": process["incarnation"],
                "State": _state(bind),
                "Last error": bind["last_error"],
            }


def _named(bind: Row) -> str:
    return f"{bind['link']} {bind['number']}"


def _state(bind: Row) -> str:
    if bind["bound_at"] is not None:
        return f"bound since {to_the_second(bind['bound_at'])}"
    return "not bound" if bind["waiting_for"] is None else f"waits for {bind['waiting_for']}"


def _link(row: Row) -> Row:
    notes = [
        *([f"{row['rate']:.0f}/s"] if row["rate"] is not None else []),
        *(["draining"] if row["draining"] else []),
        *([f"paused {row['resumes_in']:.0f} s"] if row["resumes_in"] is not None else []),
        *(["throttled"] if row["throttled"] else []),
    ]
    return {
        "Link": row["link"],
        "Held by": row["incarnation"],
        "Window": f"{sum(bind['in_flight'] for bind in row['binds'])}/{row['window'] * len(row['binds'])}",
        "Submits/s": f"{row['submit_rate']:.1f}",
        "Rate": notes,
        "Answer (p99)": _spread(row["submit_latency"]),
        "Receipts/s": f"{row['receipt_rate']:.1f}",
        "Receipt (p99)": _spread(row["receipt_latency"]),
        "Refused": row["refusals"],
    }


def _spread(latency: Row) -> str:
    median, p99 = latency["median"], latency["p99"]
    return "" if median is None or p99 is None else f"{_seconds(median)} ({_seconds(p99)})"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
