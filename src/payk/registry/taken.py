"""What was taken away since a directory was loaded: it as it was, without that.

Nothing is added and nothing opened that was shut: what is new waits for the whole, for one may need the other. An
operator or link of which nothing but `draining` was changed is as it was but for that, so it may go on as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from payk.domain.account import ApiKey, Client
from payk.domain.directory import Directory
from payk.domain.hold import Holds
from payk.domain.operator import Link, Operator
from payk.registry.errors import DirectoryError
from payk.registry.value import decode_networks
from payk.store.registry import ChangedCarrier, ChangedKey, ChangedSender, StoredKey, Taken

__all__ = ["key_of", "without"]

Carrier = TypeVar("Carrier", Operator, Link)


def key_of(row: StoredKey) -> ApiKey:
    """A stored key in the words of the domain. Raises DirectoryError."""
    try:
        allow_from = decode_networks(row.allow_from) if row.allow_from else ()
    except ValueError as error:
        raise DirectoryError(f"key {row.key_id}: allow_from is not known to this Payk") from error
    return ApiKey(row.key_id, row.client_id, row.expires_at, allow_from)


def without(directory: Directory, taken: Taken) -> Directory:
    """`directory` without what was taken away from it since, and with the holds as they stand."""
    return replace(
        directory,
        keys=_keys(directory.keys, taken.keys),
        clients=_clients(directory.clients, taken.clients, taken.senders),
        operators=_operators(directory.operators, taken.carriers),
        routes=directory.routes.without({row.number for row in taken.carriers if row.kind == "route"}),
        holds=Holds(taken.holds),
    )


def _keys(present: Mapping[bytes, ApiKey], changed: Iterable[ChangedKey]) -> Mapping[bytes, ApiKey]:
    keys = dict(present)
    for key, revoked in changed:
        if keys.pop(key.sha256, None) is not None and not revoked:
            with suppress(DirectoryError):  # whom it opens to is not understood, so it opens to nobody
                keys[key.sha256] = key_of(key)
    return keys


def _clients(
    present: Mapping[int, Client], disabled: Iterable[int], changed: Iterable[ChangedSender]
) -> Mapping[int, Client]:
    clients = dict(present)
    for client_id in disabled:
        if client_id in clients:
            clients[client_id] = replace(clients[client_id], enabled=False)
    senders: dict[int, list[ChangedSender]] = {}
    for sender in changed:
        senders.setdefault(sender.client_id, []).append(sender)
    for client_id, rows in senders.items():
        if client_id in clients:
            clients[client_id] = _less(clients[client_id], rows)
    return clients


def _less(client: Client, changed: Iterable[ChangedSender]) -> Client:
    names, expiry = dict(client.senders), dict(client.sender_expiry)
    for sender in changed:
        name = sender.name.casefold()
        if not sender.enabled:
            names.pop(name, None)
        elif sender.expires_at is not None:
            expiry[name] = sender.expires_at
    return replace(client, senders=names, sender_expiry=expiry)


def _operators(present: Mapping[int, Operator], changed: Iterable[ChangedCarrier]) -> Mapping[int, Operator]:
    now = {row.number: row for row in changed if row.kind == "operator"}
    links_now = {row.number: row for row in changed if row.kind == "link"}
    if not now and not links_now:
        return present
    return {
        operator_id: replace(
            _shut(operator, now.get(operator_id)),
            links=tuple(_shut(link, links_now.get(link.link_id)) for link in operator.links),
        )
        for operator_id, operator in present.items()
    }


def _shut(present: Carrier, now: ChangedCarrier | None) -> Carrier:
    if now is None:
        return present
    draining = now.draining or (present.draining and not now.draining_alone)
    return replace(present, enabled=present.enabled and now.enabled, draining=draining)
