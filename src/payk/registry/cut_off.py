"""What a change would cut off: traffic that runs and would have nowhere to go."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from payk.registry.value import shown
from payk.store.registry import RegistryChange, RegistryRows

__all__ = ["traffic_cut_off"]

_NAMED: Final = 3
"""So many of the clients whose messages no route would take are named."""


async def traffic_cut_off(change: RegistryChange, present: RegistryRows, rows: RegistryRows) -> list[str]:
    """A sentence for each: the last routes for messages as they came today, a sender in use, or operators that would
    carry it no more, an operator that messages wait for and no other can take.

    To be asked once `rows` are written, with what was there before.
    """
    return [
        *await _routes(change, present, rows),
        *await _senders_in_use(change, present, rows),
        *await _senders_narrowed(change, present, rows),
        *await _operators_with_queues(change, present, rows),
    ]


async def _routes(change: RegistryChange, present: RegistryRows, rows: RegistryRows) -> list[str]:
    were = {row.key.folded() for row in present.routes if row.options["enabled"]}
    gone = [row.key for row in rows.routes if not row.options["enabled"] and row.key.folded() in were]
    if not gone:
        return []
    if not await change.any_route_left():
        return ["No route would be left: every message would be refused."]
    clients = await change.clients_without_routes(gone)
    if not clients:
        return []
    names = ", ".join(map(shown, clients[:_NAMED]))
    more = f" and {len(clients) - _NAMED} more" if len(clients) > _NAMED else ""
    return [f"No route would be left for messages as they came in the last 24 hours, of {names}{more}."]


def _in_force(sender: Mapping[str, Any]) -> bool:
    """Whether a sender of these options may be used now."""
    until = sender["expires_at"]
    return sender["status"] == "approved" and (until is None or datetime.fromisoformat(until) > datetime.now(UTC))


async def _senders_in_use(change: RegistryChange, present: RegistryRows, rows: RegistryRows) -> list[str]:
    gone = await asyncio.to_thread(_withdrawn, present, rows)  # there may be a hundred thousand
    if not gone:
        return []
    return [
        f"Sender {shown(name)} of client {shown(client)} is in use: messages came with it in the last 24 hours."
        for client, name in await change.senders_in_use(gone)
    ]


def _withdrawn(present: RegistryRows, rows: RegistryRows) -> list[tuple[str, str]]:
    """The senders, by client and name, that were in force and are no more."""
    were = {(row.client, row.name.lower()) for row in present.senders if _in_force(row.options)}
    return [
        (row.client, row.name)
        for row in rows.senders
        if not _in_force(row.options) and (row.client, row.name.lower()) in were
    ]


async def _senders_narrowed(change: RegistryChange, present: RegistryRows, rows: RegistryRows) -> list[str]:
    narrowed = await asyncio.to_thread(_narrowed, present, rows)
    if not narrowed:
        return []
    lost: dict[tuple[str, str], list[str]] = {}
    for client, name, operator in await change.operators_of_senders(list(narrowed)):
        before, after = narrowed[client, name]
        if operator not in after and (not before or operator in before):
            lost.setdefault((client, name), []).append(operator)
    used = await change.senders_in_use(list(lost)) if lost else []
    return [
        f"Sender {shown(name)} of client {shown(client)} is in use, and routes lead its messages to"
        f" {', '.join(map(shown, lost[client, name]))}, which would not carry it any more."
        for client, name in used
    ]


def _narrowed(present: RegistryRows, rows: RegistryRows) -> dict[tuple[str, str], tuple[Sequence[str], Sequence[str]]]:
    """The senders, by client and name, that operators carried which do not any more: those before, and those after."""
    were = {(row.client, row.name.lower()): row.options for row in present.senders}
    narrowed = {}
    for row in rows.senders:
        before, after = were.get((row.client, row.name.lower())), row.options["operators"]
        if before is None or not after or not _in_force(before) or not _in_force(row.options):
            continue
        if not before["operators"] or set(before["operators"]) - set(after):
            narrowed[row.client, row.name] = (before["operators"], after)
    return narrowed


def _carries(options: Mapping[str, Any]) -> bool:
    """Whether an operator, or a link, of these options is given messages."""
    return options["enabled"] and not options.get("draining", False)


async def _operators_with_queues(change: RegistryChange, present: RegistryRows, rows: RegistryRows) -> list[str]:
    operators_on = {row.name for row in present.operators if _carries(row.options)}
    links_on = {row.name for row in present.links if _carries(row.options)}
    by_links = {row.operator for row in rows.links if not _carries(row.options) and row.name in links_on}
    by_itself = {row.name for row in rows.operators if not _carries(row.options)} - by_links
    # One without a link that carries was given nothing before either.
    operators = by_links.union(await change.operators_with_links(sorted(by_itself & operators_on)))
    gone = sorted(operators & operators_on)
    if not gone:
        return []
    return [
        f"Messages wait for operator {shown(name)}, or are scheduled, and no other one could take them."
        for name in await change.operators_with_queues(gone)
    ]
