"""The description of the management API, against what it answers."""

from __future__ import annotations

import asyncio

import pytest

from tests.web.admin.managed import Managed
from tests.web.description import ask_everything


@pytest.mark.slow
async def test_every_answer_is_described(managed: Managed) -> None:
    await managed.done("POST", "/operators", {"name": "tcell"})
    await managed.done("POST", "/clients", {"name": "bank"})
    document = (await managed.http.get("/openapi.json")).json()
    address = str(managed.http.base_url)
    asked = await asyncio.to_thread(ask_everything, document, address, {"Authorization": "Bearer admin"}, examples=8)
    assert "PATCH /api/admin/v1/clients/{name}" in asked
    assert len(asked) == sum(len(methods) for methods in document["paths"].values())
