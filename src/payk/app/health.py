"""`payk operator health` and `payk operator shifts`: which operators are sick, and when they became so."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from payk.app.opening import opened
from payk.settings import Settings
from payk.store.health import operator_health, operator_shifts
from payk.store.migrations import check_schema

__all__ = ["show_health", "show_shifts"]

WIDE = 250
"""Columns where no terminal has to hold the rows."""


async def show_health(settings: Settings, as_json: bool) -> None:
    """How every operator stands."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        rows = [asdict(found) for found in await operator_health(db)]
    _print(
        rows,
        {
            "operator": "Operator",
            "state": "State",
            "since": "Since (UTC)",
            "probed_until": "Probed until",
            "reason": "Reason",
        },
        as_json,
        "no operators",
    )


async def show_shifts(settings: Settings, operator: str | None, as_json: bool) -> None:
    """The last shifts, the newest first."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        rows = [asdict(found) for found in await operator_shifts(db, operator)]
    _print(
        rows,
        {"at": "At (UTC)", "operator": "Operator", "from_state": "From", "to_state": "To", "reason": "Reason"},
        as_json,
        "no shifts",
    )


def _print(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], as_json: bool, nothing: str) -> None:
    if as_json:
        for row in rows:
            print(json.dumps({key: _plain(value) for key, value in row.items()}, ensure_ascii=False))
        return
    table = Table(*columns.values(), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_cell(row[key]) for key in columns))
    if not rows:
        print(nothing)
        return
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE).print(table)


def _plain(value: Any) -> Any:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}" if isinstance(value, datetime) else value


def _cell(value: Any) -> str:
    text = str(_plain(value) or "")
    return text.replace("T", " ") if isinstance(value, datetime) else text
