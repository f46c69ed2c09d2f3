"""What a change would cut off: traffic that runs and would have nowhere to go."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import Any, Final

from payk.registry.value import shown
from payk.store.registry import RegistryChange, RegistryRows

__all__ = ["traffic_cut_off"]

_NAMED: Final = 3
"""So many of the clients whose messages no route would take are named."""


async def traffic_cut_off(
    change: RegistryChange, present: RegistryRows, rows: RegistryRows, carried: Set[str]
) -> list[str]:
    """A sentence for each: the last routes that carry messages as they came today, a sender in use, or operators that
    would carry it no more, an operator that messages wait for and no other can take.

    To be asked once `rows` are written, with what was there before; `carried`: the operators that carried then.
    """
    carry = await change.operators_that_carry()
    return [
        *await _routes(change, present, rows, carried, carry),
        *await _senders_in_use(change, present, rows),
        *await _senders_narrowed(change, present, rows),
        *await _operators_with_queues(change, carried - carry),
    ]


async def _routes(
    change: RegistryChange, present: RegistryRows, rows: RegistryRows, carried: Set[str], carry: Set[str]
) -> list[str]:
    were = {row.key.folded(): row for row in present.routes if row.options["enabled"]}
    changed = {row.key.folded(): row for row in rows.routes}
    disabled = [were[key] for key, row in changed.items() if key in were and not row.options["enabled"]]
    # One that carried nothing before either, as where no operator has a link yet, is cut off from nothing.
    stranded = [
        row.key
        for key, row in changed.items()
        if key in were and row.options["enabled"] and carried & {*were[key].operators} and not carry & {*row.operators}
    ]
    if lost := carried - carry:
        routes = await change.routes_carried_by_none(sorted(lost), sorted(carry))
        stranded += [key for key in routes if key.folded() not in changed]
    gone = [*(row.key for row in disabled), *stranded]
    if not gone:
        return []
    carriers = sorted(carry) if stranded or any(carried & {*row.operators} for row in disabled) else None
    if not await change.any_route_left(carriers):
        if await change.any_route_left(None):
            return ["No route would be left that carries anything: every message would wait."]
        return ["No route would be left: every message would be refused."]
    clients = await change.clients_without_routes(gone, carriers)
    if not clients:
        return []
    names = ", ".join(map(shown, clients[:_NAMED]))
    more = f" and {len(clients) - _NAMED} more" if len(clients) > _NAMED else ""
    which = "that carries" if stranded else "for"
    return [f"No route would be left {which} messages as they came in the last 24 hours, of {names}{more}."]


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


async def _operators_with_queues(change: RegistryChange, gone: Set[str]) -> list[str]:
    if not gone:
        return []
    return [
        f"Messages wait for operator {shown(name)}, or are scheduled, and no other one could take them."
        for name in await change.operators_with_queues(sorted(gone))
    ]
