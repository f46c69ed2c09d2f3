"""The description of the management API, against what it answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from payk.web.admin.site import ROOT
from tests.web.admin.managed import Managed
from tests.web.admin.test_matrix import ALL, BODIES, EVERYBODY, FILES, OWN, Stage
from tests.web.description import Described, ask_everything

ADMIN = {"Authorization": "Bearer admin"}
QUERIES = {
    "GET /routes/explain": {"number": "992900000001"},
    "GET /reports/messages": {"from": "2026-11-01", "to": "2026-12-01"},
    "GET /reports/label": {"client": "own", "label": "label"},
    "POST /changes/{version}/revert": {"force": "true"},
    "POST /operators/{name}/drain": {"force": "true"},
    "POST /links/{name}/drain": {"force": "true"},
}
"""What must be asked of them to be answered."""
LATER = ("POST /clients/{name}/keys/{key_id}/rotate", "POST /changes/{version}/revert")
"""What takes away what others need comes after them, as everything that deletes does."""


def _turn(operation: str) -> tuple[bool, bool]:
    return operation.startswith("DELETE "), operation in LATER


async def test_everything_succeeds_with_what_is_there_and_as_described(managed: Managed) -> None:
    stage = Stage(managed)
    await stage.set_up()
    document = (await managed.http.get("/openapi.json")).json()
    described = Described(document, str(managed.http.base_url), ADMIN)

    async def ask(operation: str, path: str, **how: Any) -> Any:
        method, template = operation.split(" ")
        answer = await asyncio.to_thread(described.ask, f"{method} {ROOT}{template}", ROOT + path, **how)
        await managed.follow()
        return answer

    places = dict(stage.own)
    for operation in sorted({**OWN, **ALL}, key=_turn):
        if operation in ("DELETE /sessions/{session_id}", "DELETE /tokens/{name}"):
            continue  # below, with one that is there
        how: dict[str, Any] = {"json": BODIES[operation]} if operation in BODIES else {}
        if operation in FILES:
            content, kind = FILES[operation]
            how = {"data": content, "headers": {"content-type": kind}}
        answer = await ask(operation, stage.path(operation, places)[1], params=QUERIES.get(operation), **how)
        places |= {name: str(answer[name]) for name in ("hold_id", "trace_id") if answer and name in answer}
    await ask("DELETE /tokens/{name}", f"/tokens/{BODIES['POST /tokens']['name']}")
    user = {"name": "anna", **BODIES["PUT /users/{name}/password"]}
    for ends in ("DELETE /session", "DELETE /sessions/{session_id}"):
        token = (await ask("POST /session", "/session", json=user))["token"]
        session = {"Authorization": f"Bearer {token}"}
        await ask("GET /session", "/session", headers=session)
        [found] = (await ask("GET /sessions", "/sessions"))["items"]
        await ask(ends, ends.split(" ")[1].format(**found), headers=session if ends.endswith("/session") else None)
    assert described.left == set()
    assert len(described.done) == len({*OWN, *ALL, *EVERYBODY})


@pytest.mark.slow
async def test_every_answer_is_described(managed: Managed) -> None:
    stage = Stage(managed)
    await stage.set_up()
    document = (await managed.http.get("/openapi.json")).json()
    address = str(managed.http.base_url)

    def places(operation: str) -> dict[str, str]:
        return stage.places(operation.replace(ROOT, ""), stage.own)

    asked = await asyncio.to_thread(ask_everything, document, address, ADMIN, examples=8, places=places)
    assert "PATCH /api/admin/v1/clients/{name}" in asked
    assert len(asked) == sum(len(methods) for methods in document["paths"].values())
