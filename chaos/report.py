"""What a run tells: a table for people, a file for machines, with the evidence of every violation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaos.judgement import MUSTS, Violation
from chaos.records import Life, Observations, Strike, Submit
from chaos.schedule import Kind
from chaos.takeovers import TakeOver

__all__ = ["EVIDENCE", "evidence", "faults_by_kind", "strike_line", "table", "take_over_figures", "write"]

EVIDENCE = 20
"""Violations of each figure that are told whole."""


def table(report: Mapping[str, Any]) -> str:
    """One line for each figure; what must be 0 is marked."""
    rows = [
        (name.replace("_", " "), "-" if value is None else f"{value:,}", "must be 0" if name in MUSTS else "")
        for name, value in report.items()
        if value is None or isinstance(value, int | float)
    ]
    rows += [(f"  {kind}", str(count), "") for kind, count in report["faults"].items()]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{name:<{first}}  {value:>{second}}  {mark}".rstrip() for name, value, mark in rows)


def faults_by_kind(strikes: Iterable[Strike]) -> dict[str, int]:
    """How many there were of each kind, of every kind."""
    counts = Counter(strike.kind for strike in strikes)
    return {str(kind): counts[kind] for kind in Kind}


def take_over_figures(found: Sequence[TakeOver]) -> dict[str, float | None]:
    """In seconds; None where no bind was lost with its process, infinite where one never came back."""
    undisturbed = [each for each in found if not each.disturbed]
    return {"longest_take_over": _longest(found), "longest_take_over_undisturbed": _longest(undisturbed)}


def _longest(found: Sequence[TakeOver]) -> float | None:
    if not found:
        return None
    return max(float("inf") if each.seconds is None else round(each.seconds, 1) for each in found)


def evidence(seen: Observations, violations: Sequence[Violation]) -> dict[str, list[dict[str, Any]]]:
    """The first violations of each figure with all that is known of their messages."""
    rows = {row.message_id: row for row in seen.rows}
    told: dict[str, list[dict[str, Any]]] = {}
    for violation in violations:
        of_figure = told.setdefault(violation.figure, [])
        if len(of_figure) == EVIDENCE:
            continue
        row, sent = rows.get(violation.message_id or 0), seen.sent.get(violation.phone)
        of_figure.append(
            {
                "reason": violation.reason,
                "message_id": violation.message_id,
                "sent": sent and asdict(sent),
                "row": row and _told(asdict(row)),
                "submits": [_submit(submit, seen.lives) for submit in violation.submits],
                "events": seen.timelines.get(violation.message_id or 0),
            }
        )
    return told


def _submit(submit: Submit, lives: Sequence[Life]) -> dict[str, Any]:
    session = submit.session
    name = next((life.name for life in lives if life.pid == session.pid), None)
    return {
        "at": moment(submit.at),
        "part": submit.part,
        "status": submit.status,
        "process": name,
        "pid": session.pid,
        "operator": session.operator,
        "bound_at": moment(session.bound_at),
        "session_ended_at": moment(session.ended_at),
    }


def _told(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: moment(value) if name.endswith("_at") else value for name, value in fields.items()}


def moment(at: float | None) -> str | None:
    """As the timelines of the API write times: UTC, no zone."""
    return None if at is None else datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")


def strike_line(strike: Strike, began_at: float) -> dict[str, Any]:
    """A fault as the file tells it; `at` and `until` in seconds of the load."""
    until = None if strike.until is None else round(strike.until - began_at, 2)
    return {
        "at": round(strike.at - began_at, 2),
        "until": until,
        "time": moment(strike.at),
        "kind": strike.kind,
        "target": strike.target,
    }


def write(report: Mapping[str, Any], path: Path) -> None:
    """All or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.new")
    try:
        unfinished.write_text(json.dumps(report, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
