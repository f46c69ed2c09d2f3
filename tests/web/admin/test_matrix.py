"""Who may do what, role by role and operation by operation; and that nobody sees anything of another client."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from payk.domain.access import PERMISSIONS, Permission, Principal, PrincipalKind, Role
from payk.domain.message import Priority, SmsType
from payk.store.accept import NewMessage, insert_messages
from payk.web.admin.site import ROOT
from tests.web.admin.managed import Managed

P = Permission

OWN: dict[str, Permission | tuple[Permission, ...]] = {
    "GET /clients": P.READ_REGISTRY,
    "GET /clients/{name}": P.READ_REGISTRY,
    "PATCH /clients/{name}": P.CHANGE_CLIENTS,
    "POST /clients/{name}/suspend": P.CHANGE_CLIENTS,
    "POST /clients/{name}/resume": P.CHANGE_CLIENTS,
    "GET /clients/{name}/keys": P.READ_REGISTRY,
    "POST /clients/{name}/keys": P.CHANGE_KEYS,
    "PATCH /clients/{name}/keys/{key_id}": P.CHANGE_KEYS,
    "DELETE /clients/{name}/keys/{key_id}": P.CHANGE_KEYS,
    "POST /clients/{name}/keys/{key_id}/rotate": P.CHANGE_KEYS,
    "POST /clients/{name}/senders": P.REQUEST_SENDERS,
    "GET /clients/{name}/senders/{sender}": P.READ_REGISTRY,
    "PATCH /clients/{name}/senders/{sender}": P.APPROVE_SENDERS,
    "GET /senders": P.READ_REGISTRY,
    "GET /clients/{name}/balance": P.READ_REGISTRY,
    "POST /clients/{name}/balance": P.CHANGE_LIMITS,
    "GET /clients/{name}/usage": P.READ_REGISTRY,
    "GET /messages": P.READ_MESSAGES,
    "GET /messages/{message_id}": P.READ_MESSAGES,
    "GET /messages/{message_id}/text": P.READ_TEXTS,
    "GET /queues": P.READ_TRAFFIC,
    "GET /reports": P.READ_MESSAGES,
    "GET /reports/messages": P.READ_MESSAGES,
    "GET /reports/labels": P.READ_MESSAGES,
    "GET /reports/label": P.READ_MESSAGES,
}
"""Operations on what belongs to a client: whoever belongs to it may do them there with this permission."""

EVERY_CHANGE = (
    *(P.CHANGE_CLIENTS, P.CHANGE_KEYS, P.CHANGE_LIMITS, P.APPROVE_SENDERS),
    *(P.CHANGE_OPERATORS, P.CHANGE_ROUTES),
)

ALL: dict[str, Permission | tuple[Permission, ...]] = {
    "POST /clients": P.CHANGE_CLIENTS,
    "GET /blocks": P.READ_REGISTRY,
    "POST /blocks": P.CHANGE_LIMITS,
    "POST /blocks/import": P.CHANGE_LIMITS,
    "POST /blocks/remove": P.CHANGE_LIMITS,
    "GET /operators": P.READ_REGISTRY,
    "POST /operators": P.CHANGE_OPERATORS,
    "GET /operators/{name}": P.READ_REGISTRY,
    "PATCH /operators/{name}": P.CHANGE_OPERATORS,
    "POST /operators/{name}/links": P.CHANGE_OPERATORS,
    "GET /links": P.READ_REGISTRY,
    "GET /links/{name}": P.READ_REGISTRY,
    "PATCH /links/{name}": P.CHANGE_OPERATORS,
    "GET /routes": P.READ_REGISTRY,
    "POST /routes": P.CHANGE_ROUTES,
    "GET /routes/{route_id}": P.READ_REGISTRY,
    "GET /routes/explain": P.READ_REGISTRY,
    "PATCH /routes/{route_id}": P.CHANGE_ROUTES,
    "GET /changes": P.READ_REGISTRY,
    "GET /changes/{version}": P.READ_REGISTRY,
    "POST /changes/{version}/revert": EVERY_CHANGE,
    "GET /export": (P.CHANGE_KEYS, P.CHANGE_OPERATORS),
    "POST /apply": EVERY_CHANGE,
    "GET /holds": P.READ_TRAFFIC,
    "POST /holds": P.CONTROL_TRAFFIC,
    "POST /holds/{hold_id}/release": P.CONTROL_TRAFFIC,
    "POST /cancel": P.CONTROL_TRAFFIC,
    "POST /operators/{name}/drain": P.CONTROL_TRAFFIC,
    "POST /operators/{name}/resume": P.CONTROL_TRAFFIC,
    "POST /links/{name}/drain": P.CONTROL_TRAFFIC,
    "POST /links/{name}/resume": P.CONTROL_TRAFFIC,
    "GET /processes": P.READ_TRAFFIC,
    "GET /links/{name}/state": P.READ_TRAFFIC,
    "GET /link-states": P.READ_TRAFFIC,
    "GET /rates": P.READ_TRAFFIC,
    "POST /queues/matching": P.READ_TRAFFIC,
    "GET /receipts/parked": P.READ_TRAFFIC,
    "GET /receipts/parked/counts": P.READ_TRAFFIC,
    "POST /receipts/parked/retry": P.CONTROL_TRAFFIC,
    "POST /receipts/parked/forget": P.CONTROL_TRAFFIC,
    "POST /traces": P.CONTROL_TRAFFIC,
    "GET /traces/{trace_id}": P.CONTROL_TRAFFIC,
    "DELETE /traces/{trace_id}": P.CONTROL_TRAFFIC,
    "GET /operators/{name}/health": P.READ_TRAFFIC,
    "GET /operator-health": P.READ_TRAFFIC,
    "GET /operator-shifts": P.READ_TRAFFIC,
    "POST /numbers/forget": P.FORGET_NUMBERS,
    "POST /numbers/export": (P.FORGET_NUMBERS, P.READ_TEXTS),
    "POST /imported-messages": P.IMPORT_MESSAGES,
    "POST /imported-messages/drop": P.IMPORT_MESSAGES,
    "GET /users": P.MANAGE_USERS,
    "POST /users": P.MANAGE_USERS,
    "GET /users/{name}": P.MANAGE_USERS,
    "PATCH /users/{name}": P.MANAGE_USERS,
    "PUT /users/{name}/password": P.MANAGE_USERS,
    "POST /users/{name}/totp": P.MANAGE_USERS,
    "DELETE /users/{name}/totp": P.MANAGE_USERS,
    "GET /sessions": P.MANAGE_USERS,
    "DELETE /sessions/{session_id}": P.MANAGE_USERS,
    "GET /tokens": P.MANAGE_USERS,
    "POST /tokens": P.MANAGE_USERS,
    "DELETE /tokens/{name}": P.MANAGE_USERS,
    "GET /audit": P.READ_AUDIT,
    "GET /audit/verify": P.READ_AUDIT,
    "GET /audit/export": P.READ_AUDIT,
}
"""Operations on what is the centre's: nobody who belongs to a client may do them."""

EVERYBODY = {"POST /session", "GET /session", "DELETE /session"}

BODIES: dict[str, Any] = {
    "POST /clients": {"name": "newer"},
    "PATCH /clients/{name}": {"text_days": 7},
    "POST /clients/{name}/keys": {"label": "matrix"},
    "PATCH /clients/{name}/keys/{key_id}": {"label": "matrix"},
    "POST /clients/{name}/senders": {"name": "Wish", "status": "requested"},
    "PATCH /clients/{name}/senders/{sender}": {"status": "approved"},
    "POST /clients/{name}/balance": {"amount": "1"},
    "POST /blocks": {"numbers": ["992900000009"]},
    "POST /blocks/remove": {"numbers": ["992900000009"]},
    "POST /operators": {"name": "newer"},
    "PATCH /operators/{name}": {},
    "POST /operators/{name}/links": {
        "name": "newer-1",
        "host": "127.0.0.1",
        "port": 1,
        "system_id": "x",
        "password": "x",
    },
    "PATCH /links/{name}": {},
    "POST /routes": {"prefix": "7", "operators": ["tcell"]},
    "PATCH /routes/{route_id}": {},
    "POST /holds": {"label": "none"},
    "POST /cancel": {"label": "none"},
    "POST /receipts/parked/retry": {},
    "POST /receipts/parked/forget": {"parked_ids": [1]},
    "POST /traces": {"link": "tcell-1"},
    "POST /queues/matching": {"label": "none"},
    "POST /numbers/forget": {"number": "992900000009"},
    "POST /numbers/export": {"number": "992900000009"},
    "POST /imported-messages/drop": {"submitted_before": "2025-02-01T00:00:00Z"},
    "POST /users": {"name": "somebody", "role": "operator"},
    "PATCH /users/{name}": {},
    "PUT /users/{name}/password": {"password": "a long enough one"},
    "POST /tokens": {"name": "matrix", "role": "operator"},
}

FILES: dict[str, tuple[bytes, str]] = {
    "POST /apply": (b'[[client]]\nname = "applied"\n', "application/toml"),
    "POST /blocks/import": (b"992900000009\n", "text/plain"),
    "POST /imported-messages": (b"MessageId,Client,MessageState,DateSubmitted,DateDone\n", "text/csv"),
}
"""What takes a file in place of JSON: one, and its kind."""

MARK = "ZEBRA"
"""Stands in everything that is of the other client."""


class Stage:
    """Two clients full of things, and what a path needs to name them."""

    def __init__(self, managed: Managed) -> None:
        self.managed = managed
        self.own: dict[str, str] = {}
        self.other: dict[str, str] = {}
        self.client_ids: dict[str, int] = {}

    async def set_up(self) -> None:
        done = self.managed.done
        await done("POST", "/operators", {"name": "tcell"})
        link = {"name": "tcell-1", "host": "127.0.0.1", "port": 2775, "system_id": "payk", "password": "x"}
        await done("POST", "/operators/tcell/links", link)
        route = await done("POST", "/routes", {"prefix": "", "operators": ["tcell"]})
        await done("POST", "/users", {"name": "anna", "role": "operator"})
        for number, (name, places) in enumerate((("own", self.own), (f"{MARK}-client", self.other))):
            mark = "" if number == 0 else MARK
            client = await done("POST", "/clients", {"name": name, "prepaid": True})
            key = await done("POST", f"/clients/{name}/keys", {"label": f"{mark}label"})
            sender = f"{mark}Sender"
            await done("POST", f"/clients/{name}/senders", {"name": sender, "reason": f"{mark}reason"})
            note = {"amount": "5", "reference": f"{mark}reference", "note": f"{mark}note"}
            await done("POST", f"/clients/{name}/balance", note)
            message = NewMessage(
                *(client["client_id"], f"99290000000{number}", sender, f"{mark}text", SmsType.COMMON),
                *(Priority.NORMAL, 1, 1),
                label=f"{mark}label",
            )
            [row] = await insert_messages(self.managed.db, [message], timeout=5)
            self.client_ids["own" if number == 0 else "other"] = client["client_id"]
            places |= {
                "name": name,
                "key_id": str(key["key_id"]),
                "sender": sender,
                "message_id": str(row.message_id),
                "route_id": str(route["route_id"]),
                "version": "1",
                "hold_id": "1",
                "session_id": "1",
                "trace_id": "1",
            }

    def places(self, operation: str, places: dict[str, str]) -> dict[str, str]:
        """What may stand in the path of an operation."""
        kind = operation.split("/")[1]
        named = {"operators": "tcell", "links": "tcell-1", "users": "anna", "tokens": "nobody"}
        return {**places, **({"name": named[kind]} if kind in named else {})}

    def path(self, operation: str, places: dict[str, str]) -> tuple[str, str]:
        method, template = operation.split(" ")
        given = self.places(operation, places)
        return method, re.sub(r"\{(\w+)\}", lambda match: given[match[1]], template)

    async def ask(self, operation: str, places: dict[str, str], token: str) -> tuple[int, str]:
        method, path = self.path(operation, places)
        how: dict[str, Any] = {}
        if operation in FILES:
            content, kind = FILES[operation]
            how = {"content": content, "headers": {"content-type": kind}}
        answer = await self.managed(method, path, BODIES.get(operation), token=token, **how)
        return answer.status_code, f"{answer.text} {dict(answer.headers)}"


@pytest.fixture
async def stage(managed: Managed) -> Stage:
    found = Stage(managed)
    await found.set_up()
    for role in Role:
        bound = found.client_ids["own"] if role in (Role.CLIENT_MANAGER, Role.CLIENT_VIEWER) else None
        managed.callers[role] = Principal(PrincipalKind.TOKEN, 9, str(role), role, client_id=bound)
    return found


def needed(operation: str) -> tuple[Permission, ...]:
    permission = OWN.get(operation) or ALL[operation]
    return permission if isinstance(permission, tuple) else (permission,)


def operations() -> Iterator[str]:
    yield from (*OWN, *ALL)


async def test_the_table_names_every_operation(managed: Managed) -> None:
    document = (await managed.http.get("/openapi.json")).json()
    described = {
        f"{method.upper()} {path.removeprefix(ROOT)}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert {*OWN, *ALL, *EVERYBODY} == described


async def test_each_role_may_what_the_table_says_and_nothing_else(stage: Stage) -> None:
    wrong = []
    for role in (Role.CLIENT_VIEWER, Role.CLIENT_MANAGER, Role.OPERATOR, Role.ADMIN):
        for operation in operations():
            may = all(permission in PERMISSIONS[role] for permission in needed(operation))
            if role in (Role.CLIENT_MANAGER, Role.CLIENT_VIEWER):
                may = may and operation in OWN
            status, text = await stage.ask(operation, stage.own, role)
            if (status == 403) is may or status in (401, 500):
                wrong.append((str(role), operation, status, text[:200]))
    assert wrong == []


async def test_a_token_may_what_its_scopes_say(stage: Stage) -> None:
    for permission in Permission:
        scopes = frozenset({permission})
        stage.managed.callers["scoped"] = Principal(PrincipalKind.TOKEN, 9, "scoped", Role.ADMIN, scopes=scopes)
        for operation in ("GET /clients", "GET /queues", "GET /messages", "GET /users", "GET /audit", "POST /routes"):
            status, _ = await stage.ask(operation, stage.own, "scoped")
            assert (status == 403) is (needed(operation) != (permission,)), (permission, operation, status)


async def test_nobody_without_a_token_is_answered(stage: Stage) -> None:
    for operation in operations():
        status, text = await stage.ask(operation, stage.own, "nobody-knows")
        assert status == 401 or (status == 429 and "TooManyAttempts" in text), operation  # 20 failures a minute


@pytest.mark.parametrize("role", [Role.CLIENT_MANAGER, Role.CLIENT_VIEWER])
async def test_nothing_of_another_client_is_ever_visible(stage: Stage, role: Role) -> None:
    never_was = {**stage.other, "name": "neverwas", "key_id": "99", "sender": "Neverwas", "message_id": "99"}
    for operation in operations():
        status, text = await stage.ask(operation, stage.other, role)
        assert MARK not in text.replace(stage.other["name"], ""), (operation, text)
        of_none, text_of_none = await stage.ask(operation, never_was, role)
        assert status == of_none, (operation, status, of_none)
        if "{" in operation and operation in OWN:
            assert status in (403, 404), (operation, status, text)
            assert _without_names(text, stage.other) == _without_names(text_of_none, never_was), operation
    for query in ("client", "label", "sender", "number"):
        value = {"client": stage.other["name"], "sender": stage.other["sender"], "number": "992900000001"}.get(
            query, f"{MARK}label"
        )
        answer = await stage.managed("GET", "/messages", token=role, params={query: value})
        assert stage.other["message_id"] not in answer.text, query
        if query != "client":
            assert MARK not in answer.text.replace(value, "")


def _without_names(text: str, places: dict[str, str]) -> str:
    for value in sorted(places.values(), key=len, reverse=True):
        text = text.replace(value, "?")
    text = re.sub(r'"RequestId":"[^"]*"', "", text)
    return re.sub(r"'(x-request-id|content-length|date)': '[^']*'", "", text)
