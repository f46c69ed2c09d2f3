"""A store that goes away behind a commit: nothing that was changed is told to be repeated, and no secret is lost."""

from __future__ import annotations

import hashlib
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from payk.registry.change import apply
from payk.registry.difference import Difference
from payk.store.access import AccessChange, changing_access
from payk.store.database import Database
from tests.web.admin.managed import Managed, refusal

LINK = {"name": "tcell-1", "host": "127.0.0.1", "port": 2775, "system_id": "payk", "password": "secret"}


@contextmanager
def away_behind_the_commit(managed: Managed) -> Iterator[None]:
    """The database cannot be reached from the commit of a change on, until this ends."""

    async def applied(*args: Any, **how: Any) -> Difference:
        difference = await apply(*args, **how)
        managed.db._away_until = math.inf
        return difference

    @asynccontextmanager
    async def changing(db: Database) -> AsyncIterator[AccessChange]:
        async with changing_access(db) as change:
            yield change
        managed.db._away_until = math.inf

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("payk.web.admin.configured.apply", applied)
        patch.setattr("payk.access.users.changing_access", changing)
        yield
    managed.db._away_until = None


async def _versions(managed: Managed) -> int:
    return len((await managed.done("GET", "/changes", params={"limit": 1_000}))["items"])


async def test_what_was_changed_is_to_be_looked_at_and_not_repeated(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    key = f"/clients/bank/keys/{(await managed.done('POST', '/clients/bank/keys', {}))['key_id']}"
    await managed.done("POST", "/clients/bank/senders", {"name": "Bank"})
    await managed.done("POST", "/operators", {"name": "tcell"})
    await managed.done("POST", "/operators/tcell/links", LINK)
    route = await managed.done("POST", "/routes", {"prefix": "", "operators": ["tcell"]})
    for operation, body in (
        ("POST /clients", {"name": "shop"}),
        ("PATCH /clients/bank", {"max_parts": 3}),
        ("POST /clients/bank/suspend", None),
        ("POST /clients/bank/resume", None),
        (f"PATCH {key}", {"label": "shop"}),
        (f"DELETE {key}", None),
        ("POST /clients/bank/senders", {"name": "New"}),
        ("PATCH /clients/bank/senders/Bank", {"status": "withdrawn"}),
        ("POST /operators", {"name": "beeline"}),
        ("PATCH /operators/tcell?force=true", {"draining": True}),
        ("POST /operators/tcell/links", {**LINK, "name": "tcell-2"}),
        ("PATCH /links/tcell-1", {"window": 7}),
        ("POST /routes", {"prefix": "992", "operators": ["tcell"]}),
        (f"PATCH /routes/{route['route_id']}", {"price": "0.1"}),
    ):
        before = await _versions(managed)
        with away_behind_the_commit(managed):
            answer = await managed(*operation.split(" "), body)
        told = refusal(answer, "OutcomeUnknown")
        assert told["Retryable"] is False, operation
        assert "It is changed" in told["Detail"] and "do not repeat" in told["Detail"], operation
        assert await _versions(managed) == before + 1, operation


async def test_a_key_that_was_made_is_shown(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    first = await managed.done("POST", "/clients/bank/keys", {})
    for path in ("/clients/bank/keys", f"/clients/bank/keys/{first['key_id']}/rotate"):
        with away_behind_the_commit(managed):
            answer = await managed("POST", path, {})
        assert answer.status_code == 201, answer.text
        made = answer.json()
        await managed.follow()
        opened = managed.directory.value.keys[hashlib.sha256(made["key"].encode()).digest()]
        assert (made["key_id"], made["client"], made["revoked"]) == (opened.key_id, "bank", False)
        assert answer.json() == {**await _listed(managed, made["key_id"]), "key": made["key"]}


async def _listed(managed: Managed, key_id: int) -> dict[str, Any]:
    items: list[dict[str, Any]] = (await managed.done("GET", "/clients/bank/keys"))["items"]
    return next(item for item in items if item["key_id"] == key_id)


async def test_a_user_that_was_made_or_changed_is_shown_with_its_token(managed: Managed) -> None:
    with away_behind_the_commit(managed):
        answer = await managed("POST", "/users", {"name": "night", "role": "operator", "token": True})
    assert answer.status_code == 201, answer.text
    token = answer.json()["token"]
    assert (await managed.done("GET", "/session", token=token))["name"] == "night/night"
    assert answer.json() == {**await managed.done("GET", "/users/night"), "token": token}
    with away_behind_the_commit(managed):
        answer = await managed("PATCH", "/users/night", {"enabled": False})
    assert answer.status_code == 200, answer.text
    assert answer.json() == await managed.done("GET", "/users/night")
    assert answer.json()["enabled"] is False
