"""`payk processes`: who is alive, in which roles, with which duties and binds; and the binds that nobody holds."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from payk.app.opening import opened
from payk.domain.directory import CurrentDirectory, Directory
from payk.registry.follow import load as load_directory
from payk.settings import Settings
from payk.store.census import LeasedBind, LiveProcess, live_processes
from payk.store.link_states import LinkState, link_states
from payk.store.migrations import check_schema

__all__ = ["processes"]

WIDE = 250
"""Columns where no terminal has to hold the rows."""


async def processes(settings: Settings, as_json: bool) -> None:
    """Print the live processes and all binds: as tables, or as one line of JSON."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        alive, directory = await live_processes(db), await load_directory(db)
        links = await link_states(db)
    if as_json:
        print(_as_json(alive, directory, links))
    else:
        _print_tables(alive, directory, links)


def _name(directory: Directory, link_id: int) -> str:
    link = CurrentDirectory(directory).link_of(link_id)
    return f"link {link_id}" if link is None else link.name


def _unheld(alive: Sequence[LiveProcess], directory: Directory) -> list[tuple[str, int]]:
    """Link and number of the binds that somebody should hold and nobody does."""
    held = {(bind.link_id, bind.number) for process in alive for bind in process.binds}
    return [
        (link.name, number)
        for link in directory.links().values()
        for number in range(1, link.binds + 1)
        if (link.link_id, number) not in held
    ]


def _as_json(alive: Sequence[LiveProcess], directory: Directory, links: Sequence[LinkState]) -> str:
    return json.dumps(
        {
            "Processes": [
                {
                    "Incarnation": process.incarnation,
                    "Host": process.host,
                    "Pid": process.pid,
                    "Roles": process.roles,
                    "StartedAt": _utc(process.started_at),
                    "SilentFor": round(process.silent_for, 3),
                    "Duties": process.duties,
                    "Warnings": process.warnings,
                    "Binds": [
                        {
                            "Link": _name(directory, bind.link_id),
                            "Number": bind.number,
                            "BoundSince": None if bind.bound_at is None else _utc(bind.bound_at),
                            "WaitingFor": bind.waiting_for,
                            "LastError": bind.last_error,
                        }
                        for bind in process.binds
                    ],
                }
                for process in alive
            ],
            "HeldByNobody": [{"Link": link, "Number": number} for link, number in _unheld(alive, directory)],
            "Links": [_link_as_json(state) for state in links],
        }
    )


def _link_as_json(state: LinkState) -> dict[str, object]:
    return {
        "Incarnation": state.incarnation,
        "Link": state.link,
        "Operator": state.operator,
        "ToldAgo": round(state.told_ago, 3),
        "Draining": state.draining,
        "Window": state.window,
        "Rate": state.rate,
        "ContractRate": state.contract_rate,
        "Throttled": state.throttled,
        "ResumesIn": state.resumes_in,
        "CongestionState": state.congestion_state,
        "SubmitRate": state.submit_rate,
        "ReceiptRate": state.receipt_rate,
        "SubmitLatency": {"Median": state.submit_latency["median"], "P99": state.submit_latency["p99"]},
        "ReceiptLatency": {"Median": state.receipt_latency["median"], "P99": state.receipt_latency["p99"]},
        "Refusals": dict(state.refusals),
        "InFlight": {str(bind.number): bind.in_flight for bind in state.binds},
    }


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _print_tables(alive: Sequence[LiveProcess], directory: Directory, links: Sequence[LinkState]) -> None:
    columns = ("Incarnation", "Host", "Pid", "Roles", "Started (UTC)", "Heard of", "Duties")
    table = Table(*columns, box=None, pad_edge=False)
    for process in alive:
        table.add_row(
            str(process.incarnation),
            process.host.partition("/")[0],
            str(process.pid),
            ", ".join(process.roles),
            _utc(process.started_at).replace("T", " "),
            f"{process.silent_for:.0f} s ago",
            ", ".join(process.duties),
        )
    binds = Table("Bind", "Held by", "State", "Last error", box=None, pad_edge=False)
    for process in alive:
        for bind in process.binds:
            where = f"{_name(directory, bind.link_id)} {bind.number}"
            binds.add_row(where, str(process.incarnation), _state(bind), bind.last_error or "")
    for link, number in _unheld(alive, directory):
        binds.add_row(f"{link} {number}", "nobody", "", "")
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE)
    warnings = [f"process {process.incarnation}: {warning}" for process in alive for warning in process.warnings]
    console.print(table, *warnings, "", binds, "", _table_of_links(links), sep="\n")


def _table_of_links(links: Sequence[LinkState]) -> Table:
    columns = (
        "Link",
        "Held by",
        "Window",
        "Submits/s",
        "Rate",
        "Answer (p99)",
        "Receipts/s",
        "Receipt (p99)",
        "Refused",
    )
    table = Table(*columns, box=None, pad_edge=False)
    for state in links:
        rate = "" if state.rate is None else f"{state.rate:.0f}/s"
        notes = [
            *(["draining"] if state.draining else []),
            *([f"paused {state.resumes_in:.0f} s"] if state.resumes_in is not None else []),
            *(["throttled"] if state.throttled else []),
        ]
        table.add_row(
            state.link,
            str(state.incarnation),
            f"{sum(bind.in_flight for bind in state.binds)}/{state.window * len(state.binds)}",
            f"{state.submit_rate:.1f}",
            ", ".join([rate, *notes] if rate else notes),
            _spread(state.submit_latency),
            f"{state.receipt_rate:.1f}",
            _spread(state.receipt_latency),
            ", ".join(f"{kind} {count}" for kind, count in state.refusals.items()),
        )
    return table


def _spread(latency: Mapping[str, float | None]) -> str:
    median, p99 = latency["median"], latency["p99"]
    return "" if median is None or p99 is None else f"{_seconds(median)} ({_seconds(p99)})"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _state(bind: LeasedBind) -> str:
    if bind.bound_at is not None:
        return f"bound since {_utc(bind.bound_at).replace('T', ' ')}"
    return "not bound" if bind.waiting_for is None else f"waits for {bind.waiting_for}"
