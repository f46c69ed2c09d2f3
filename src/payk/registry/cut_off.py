"""What a change would cut off: traffic that runs and would have nowhere to go."""

from __future__ import annotations

from payk.registry.value import shown
from payk.store.registry import RegistryChange, RegistryRows

__all__ = ["traffic_cut_off"]


async def traffic_cut_off(change: RegistryChange, present: RegistryRows, rows: RegistryRows) -> list[str]:
    """A sentence for each: the last route, a sender in use, or operators that would carry it no more, an operator that
    messages wait for and no other can take.

    To be asked before `rows` are written.
    """
    return [
        *await _last_route(change, present, rows),
        *await _senders_in_use(change, present, rows),
        *await _senders_narrowed(change, present, rows),
        *await _operators_with_queues(change, present, rows),
    ]


async def _last_route(change: RegistryChange, present: RegistryRows, rows: RegistryRows) -> list[str]:
    were = {row.key.folded() for row in present.routes if row.options["enabled"]}
    gone = [row.key for row in rows.routes if not row.options["enabled"] and row.key.folded() in were]
    if not gone or any(row.options["enabled"] for row in rows.routes) or not await change.last_routes(gone):
        return []
    return ["No route would be left: every message would be refused."]


async def _senders_in_use(change: RegistryChange, present: RegistryRows, rows: RegistryRows) -> list[str]:
    were = {(row.client, row.name.lower()) for row in present.senders if row.options["status"] == "approved"}
    gone = [
        (row.client, row.name)
        for row in rows.senders
        if row.options["status"] != "approved" and (row.client, row.name.lower()) in were
    ]
    if not gone:
        return []
    return [
        f"Sender {shown(name)} of client {shown(client)} is in use: messages came with it in the last 24 hours."
        for client, name in await change.senders_in_use(gone)
    ]


async def _senders_narrowed(change: RegistryChange, present: RegistryRows, rows: RegistryRows) -> list[str]:
    were = {(row.client, row.name.lower()): row.options for row in present.senders}
    narrowed = {}
    for row in rows.senders:
        before, after = were.get((row.client, row.name.lower())), row.options["operators"]
        if before is None or {before["status"], row.options["status"]} != {"approved"} or not after:
            continue
        if not before["operators"] or set(before["operators"]) - set(after):
            narrowed[row.client, row.name] = (before["operators"], after)
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


async def _operators_with_queues(change: RegistryChange, present: RegistryRows, rows: RegistryRows) -> list[str]:
    operators_on = {row.name for row in present.operators if row.options["enabled"]}
    links_on = {row.name for row in present.links if row.options["enabled"]}
    operators = [row.name for row in rows.operators if not row.options["enabled"] and row.name in operators_on]
    links = [row.name for row in rows.links if not row.options["enabled"] and row.name in links_on]
    if not operators and not links:
        return []
    return [
        f"Messages wait for operator {shown(name)}, and no other one could take them."
        for name in await change.operators_with_queues(operators, links)
    ]
