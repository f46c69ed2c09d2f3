"""Clients, their keys and their senders."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from payk.domain.access import Permission
from payk.domain.management_errors import ManagementCode
from payk.registry.change import ANYTHING, NOTHING
from payk.registry.difference import Difference
from payk.registry.errors import AlreadyThere, ChangedMeanwhile
from payk.registry.limit_options import LIMITS
from payk.registry.resource import Identity, Resource, resource_of
from payk.store.database import Connection
from payk.store.registry_pages import newest_key, page_of_clients, page_of_keys, page_of_senders
from payk.web.admin.configured import (
    After,
    Fields,
    Force,
    IfMatch,
    Limit,
    change,
    changed,
    expected_etag,
    not_found,
    numbered,
    one,
    page,
    reads,
    reads_page,
    writes,
    writes_schema,
)
from payk.web.admin.given import check_members
from payk.web.admin.management import Caller, Known, Management, Name, Parts
from payk.web.problems import Problem

__all__ = ["client_named", "router"]

router = APIRouter(tags=["clients"])

_LISTS: Final = ("api_keys", "api_key_sha256", "revoked_keys", "senders")
"""Keys and senders have pages of their own."""
KeyId = Annotated[int, numbered("key")]
_MOMENT: Final = {"type": ["string", "null"], "format": "date-time"}
_CLIENT: Final = {
    "client_id": {"type": "integer"},
    "warnings": {
        "type": "array",
        "items": {"type": "string"},
        "description": "Sentences on what is set so, and had better not be, or what a change leaves as it was.",
    },
}
_KEY: Final = {
    "key_id": {"type": "integer"},
    "client": {"type": "string"},
    "fingerprint": {"type": "string"},
    "created_at": _MOMENT,
    "revoked_at": _MOMENT,
    "last_used_at": _MOMENT,
}
_SENDER: Final = {"client": {"type": "string"}, "changed_at": _MOMENT}


async def client_named(parts: Management, caller: Caller, name: str, permission: Permission) -> Resource:
    """The client, if the caller may. Raises Problem: Forbidden, and ResourceNotFound, also for what is another's."""
    rows = await page_of_clients(parts.db, 1, only=name)
    client_id = rows[0].facts["client_id"] if rows else None
    if not rows or (caller.principal.client_id not in (None, client_id)):
        caller.check_kind(permission)
        raise not_found("client", name)
    caller.check(permission, client_id)
    return resource_of("client", rows[0])


@router.get("/clients", responses=reads_page("client", _CLIENT))
async def list_clients(
    caller: Known,
    parts: Parts,
    limit: Limit = 100,
    after: After = "",
    part: Annotated[str, Query(max_length=64, description="A part of the name.")] = "",
) -> JSONResponse:
    """Clients by name; whoever is bound to one client sees that one."""
    caller.check_kind(Permission.READ_REGISTRY)
    if caller.principal.client_id is None:
        rows = await page_of_clients(parts.db, limit, after=after, part=part)
    else:
        bound = parts.directory.value.clients.get(caller.principal.client_id)
        rows = [] if bound is None or after else await page_of_clients(parts.db, 2, only=bound.name)
    return page([resource_of("client", row) for row in rows], limit)


@router.post(
    "/clients",
    status_code=201,
    responses=reads("client", _CLIENT, 201),
    openapi_extra=writes_schema("client", required=["name"], without=_LISTS),
)
async def create_client(caller: Known, parts: Parts, fields: Fields) -> JSONResponse:
    """A new client; keys and senders are given to it afterwards."""
    caller.check(Permission.CHANGE_CLIENTS)
    if fields.keys() & LIMITS.keys():
        caller.check(Permission.CHANGE_LIMITS)
    _check_fields(caller, fields)
    await change(parts, caller, {"client": [writes(fields)]}, expected={("client", _name(fields)): NOTHING})
    return await changed(client_named(parts, caller, fields["name"], Permission.READ_REGISTRY), 201)


@router.get("/clients/{name}", responses=reads("client", _CLIENT))
async def show_client(caller: Known, parts: Parts, name: Name) -> JSONResponse:
    """One client with its settings and limits."""
    return one(await client_named(parts, caller, name, Permission.READ_REGISTRY))


@router.patch(
    "/clients/{name}",
    responses=reads("client", _CLIENT),
    openapi_extra=writes_schema("client", without=("name", *_LISTS)),
)
async def change_client(
    caller: Known, parts: Parts, name: Name, fields: Fields, force: Force = False, if_match: IfMatch = None
) -> JSONResponse:
    """Change what is named; the rest stays as it is. Limits take the permission to change limits."""
    if fields.keys() - LIMITS.keys() or not fields:
        await client_named(parts, caller, name, Permission.CHANGE_CLIENTS)
    if fields.keys() & LIMITS.keys():
        await client_named(parts, caller, name, Permission.CHANGE_LIMITS)
    _check_fields(caller, fields)
    check_members(fields, "name")
    document = {"client": [{**writes(fields), "name": name}]}
    done = await change(parts, caller, document, expected={("client", name): expected_etag(if_match)}, force=force)
    return await changed(client_named(parts, caller, name, Permission.READ_REGISTRY), warnings=done.warnings)


@router.post("/clients/{name}/suspend", responses=reads("client", _CLIENT))
async def suspend_client(caller: Known, parts: Parts, name: Name, if_match: IfMatch = None) -> JSONResponse:
    """Nothing is taken from it, and nothing of it is sent, until it is resumed."""
    return await change_client(caller, parts, name, {"enabled": False}, False, if_match)


@router.post("/clients/{name}/resume", responses=reads("client", _CLIENT))
async def resume_client(caller: Known, parts: Parts, name: Name, if_match: IfMatch = None) -> JSONResponse:
    """What waits is sent, and new messages are taken."""
    return await change_client(caller, parts, name, {"enabled": True}, False, if_match)


def _check_fields(caller: Caller, fields: dict[str, Any]) -> None:
    wrong = sorted(fields.keys() & {*_LISTS, "key", "sender"})
    if wrong:
        detail = (
            f"{', '.join(wrong)}: keys and senders have pages of their own: /clients/NAME/keys, /clients/NAME/senders."
        )
        raise Problem(ManagementCode.VALUE_INVALID, detail, errors={name: ["not taken here"] for name in wrong})


def _name(fields: dict[str, Any]) -> str:
    """The name in a body, whatever it is: the reader of the document says what is wrong with it."""
    return str(fields.get("name", ""))


# -- Keys --------------------------------------------------------------------------------------------------------------


@router.get("/clients/{name}/keys", responses=reads_page("client.key", _KEY))
async def list_keys(
    caller: Known, parts: Parts, name: Name, limit: Limit = 100, after: Annotated[int, Query(ge=0, lt=2**31)] = 0
) -> JSONResponse:
    """The keys of a client, revoked ones too; known by their first digits, never shown again."""
    await client_named(parts, caller, name, Permission.READ_REGISTRY)
    rows = await page_of_keys(parts.db, limit, client=name, after=after)
    return page([resource_of("client.key", row) for row in rows], limit)


@router.post(
    "/clients/{name}/keys",
    status_code=201,
    responses=reads("client.key", _KEY, 201, key={"type": ["string", "null"], "description": "Shown this once."}),
    openapi_extra=writes_schema("client.key", without=("revoked",)),
)
async def create_key(caller: Known, parts: Parts, name: Name, fields: Fields) -> JSONResponse:
    """A new key, made here and shown once; or one that exists, by `key` or `sha256`."""
    await client_named(parts, caller, name, Permission.CHANGE_KEYS)
    check_members(fields, "revoked", rule="a new key is none that was revoked: take one back with DELETE")
    made = None if {"key", "sha256"} & fields.keys() else secrets.token_urlsafe(32)
    given = writes(fields) if made is None else {**writes(fields), "key": made}
    return one(await _added_key(parts, caller, name, [given]), 201, key=made)


async def _added_key(
    parts: Management,
    caller: Caller,
    client: str,
    keys: list[dict[str, Any]],
    expected: Mapping[Identity, str] | None = None,
) -> Resource:
    """Change keys of a client; the new one among them, as it was read before it was committed: a key that is made is
    shown, whatever becomes of the connection afterwards. AlreadyThere where none of them is new."""
    added: list[Resource] = []

    async def look(connection: Connection, difference: Difference) -> None:
        fingerprint = next((line.name for line in difference.changes if line.sign == "+"), None)
        if fingerprint is None:
            raise there
        added.append(resource_of("client.key", await newest_key(connection, client, fingerprint)))

    there = AlreadyThere(f'Client "{client}" has this key already.')
    document = {"client": [{"name": client, "key": keys}]}
    await change(parts, caller, document, expected=expected, within=look)
    if not added:  # nothing changes: it did not look
        raise there
    return added[0]


async def _key(parts: Management, name: str, key_id: int) -> Resource:
    rows = await page_of_keys(parts.db, 1, client=name, only=key_id)
    if not rows:
        raise not_found("key", key_id)
    return resource_of("client.key", rows[0])


@router.patch(
    "/clients/{name}/keys/{key_id}",
    responses=reads("client.key", _KEY),
    openapi_extra=writes_schema("client.key", without=("key", "sha256")),
)
async def change_key(
    caller: Known, parts: Parts, name: Name, key_id: KeyId, fields: Fields, if_match: IfMatch = None
) -> JSONResponse:
    """Change its label, its end or its networks, or revoke it for good."""
    await client_named(parts, caller, name, Permission.CHANGE_KEYS)
    check_members(fields, "key", "sha256")
    key = await _key(parts, name, key_id)
    document = {"client": [{"name": name, "key": [{**writes(fields), "sha256": key.name}]}]}
    await change(parts, caller, document, expected={("client.key", key.name): expected_etag(if_match)})
    return await changed(_key(parts, name, key_id))


@router.delete("/clients/{name}/keys/{key_id}", responses=reads("client.key", _KEY))
async def revoke_key(caller: Known, parts: Parts, name: Name, key_id: KeyId, if_match: IfMatch = None) -> JSONResponse:
    """Revoke it, for good; again is no error."""
    return await change_key(caller, parts, name, key_id, {"revoked": True}, if_match)


_ROTATIONS: Final = 10
"""How often a rotation begins anew because somebody else changed the key after it was read."""


@router.post(
    "/clients/{name}/keys/{key_id}/rotate",
    status_code=201,
    responses=reads("client.key", _KEY, 201, key={"type": "string", "description": "Shown this once."}),
)
async def rotate_key(
    caller: Known,
    parts: Parts,
    name: Name,
    key_id: KeyId,
    grace: Annotated[int, Query(ge=0, le=2_592_000, description="Seconds that the old key still opens.")] = 86_400,
    if_match: IfMatch = None,
) -> JSONResponse:
    """A new key with the same label and networks; the old one ends after `grace` seconds, or sooner if it was to."""
    await client_named(parts, caller, name, Permission.CHANGE_KEYS)
    wanted = expected_etag(if_match)
    for _ in range(_ROTATIONS):
        old = await _key(parts, name, key_id)
        if wanted not in (ANYTHING, old.etag):
            break
        with suppress(ChangedMeanwhile):  # the new key is to be as the old one is by now
            return await _rotated(parts, caller, name, old, grace)
    raise ChangedMeanwhile(f"The key has changed since it was read; it is {old.etag} now. Read it again.")


async def _rotated(parts: Management, caller: Caller, name: str, old: Resource, grace: int) -> JSONResponse:
    """A new key in the place of `old`. ChangedMeanwhile where that is not any more as it was read."""
    made = secrets.token_urlsafe(32)
    ends = _sooner(parts.db.now().astimezone(UTC) + timedelta(seconds=grace), old.settings["expires_at"])
    kept = {"label": old.settings["label"], "allow_from": old.settings["allow_from"]}
    keys = [{"key": made, **kept}, {"sha256": old.name, "expires_at": ends}]
    added = await _added_key(parts, caller, name, keys, {("client.key", old.name): old.etag})
    return one(added, 201, key=made)


def _sooner(end: datetime, written: str | None) -> str:
    """The sooner of an end and the one that a key has, if it has one: no rotation opens a key that has ended."""
    return min(end, datetime.fromisoformat(written) if written else end).isoformat(timespec="seconds")


# -- Senders -----------------------------------------------------------------------------------------------------------


@router.get("/senders", tags=["senders"], responses=reads_page("client.sender", _SENDER))
async def list_senders(
    caller: Known,
    parts: Parts,
    limit: Limit = 100,
    after: After = "",
    client: Annotated[str | None, Query(max_length=64)] = None,
    status: Annotated[str, Query(pattern="^(requested|approved|rejected|withdrawn)?$")] = "",
) -> JSONResponse:
    """Senders by client and name: `?status=requested` is what waits for somebody to decide."""
    if client is not None:
        await client_named(parts, caller, client, Permission.READ_REGISTRY)
    elif caller.principal.client_id is not None:
        caller.check_kind(Permission.READ_REGISTRY)
        bound = parts.directory.value.clients.get(caller.principal.client_id)
        client = "" if bound is None else bound.name
    else:
        caller.check(Permission.READ_REGISTRY)
    rows = await page_of_senders(parts.db, limit, after=_pair(after), client=client, status=status)
    return page([resource_of("client.sender", row) for row in rows], limit)


def _pair(after: str) -> tuple[str, str]:
    if not after:
        return "", ""
    try:
        client, name = json.loads(after)
        if isinstance(client, str) and isinstance(name, str):
            return client, name
    except (ValueError, TypeError):
        pass
    raise Problem(ManagementCode.REQUEST_INVALID, "after: write `next` as it was given.")


async def _sender(parts: Management, client: str, name: str) -> Resource:
    rows = await page_of_senders(parts.db, 1, client=client, only=name)
    if not rows:
        raise not_found("sender", name)
    return resource_of("client.sender", rows[0])


@router.post(
    "/clients/{name}/senders",
    status_code=201,
    tags=["senders"],
    responses=reads("client.sender", _SENDER, 201),
    openapi_extra=writes_schema("client.sender", required=["name"]),
)
async def create_sender(caller: Known, parts: Parts, name: Name, fields: Fields) -> JSONResponse:
    """A sender: approved at once by who may approve, who also says which operators carry it; requested by others."""
    client = await client_named(parts, caller, name, Permission.REQUEST_SENDERS)
    may_approve = caller.principal.allows(Permission.APPROVE_SENDERS, client.facts["client_id"])
    status = fields.get("status", "approved" if may_approve else "requested")
    if status != "requested" or "operators" in fields:
        caller.check(Permission.APPROVE_SENDERS, client.facts["client_id"])
    sender = {**writes(fields), "status": status}
    identity = ("client.sender", f"{name}/{_name(fields).lower()}")
    await change(parts, caller, {"client": [{"name": name, "sender": [sender]}]}, expected={identity: NOTHING})
    return await changed(_sender(parts, name, _name(fields)), 201)


@router.get("/clients/{name}/senders/{sender}", tags=["senders"], responses=reads("client.sender", _SENDER))
async def show_sender(caller: Known, parts: Parts, name: Name, sender: Name) -> JSONResponse:
    """One sender with its status."""
    await client_named(parts, caller, name, Permission.READ_REGISTRY)
    return one(await _sender(parts, name, sender))


@router.patch(
    "/clients/{name}/senders/{sender}",
    tags=["senders"],
    responses=reads("client.sender", _SENDER),
    openapi_extra=writes_schema("client.sender", without=("name",)),
)
async def change_sender(
    caller: Known,
    parts: Parts,
    name: Name,
    sender: Name,
    fields: Fields,
    force: Force = False,
    if_match: IfMatch = None,
) -> JSONResponse:
    """Approve it, reject it with a reason, withdraw it, or set its end. One in use is withdrawn by force only."""
    await client_named(parts, caller, name, Permission.APPROVE_SENDERS)
    check_members(fields, "name")
    present = await _sender(parts, name, sender)
    if fields.get("status") == "rejected" and not str(fields.get("reason") or "").strip():
        detail = "reason: a sender is rejected with a reason, which its client sees."
        raise Problem(ManagementCode.VALUE_INVALID, detail, errors={"reason": ["missing"]})
    document = {"client": [{"name": name, "sender": [{**writes(fields), "name": present.name}]}]}
    identity = ("client.sender", f"{name}/{sender.lower()}")
    await change(parts, caller, document, expected={identity: expected_etag(if_match)}, force=force)
    return await changed(_sender(parts, name, sender))
