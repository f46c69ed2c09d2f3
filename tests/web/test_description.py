"""The description of the public API, against what it answers."""

from __future__ import annotations

import asyncio

import pytest

from payk.store.database import Database
from tests.web.centre import MESSAGE, centre_on, key_of, store_registry
from tests.web.description import ask_everything


@pytest.mark.slow
async def test_every_answer_is_described(database: Database) -> None:
    await store_registry(database)
    async with centre_on(database) as centre:
        await centre.send(MESSAGE)
        document = (await centre.http.get("/openapi.json")).json()
        address = str(centre.http.base_url)
        asked = await asyncio.to_thread(ask_everything, document, address, {"X-Api-Key": key_of(1)}, examples=8)
        assert "DELETE /api/v1/sms/{id}" in asked
        assert len(asked) == sum(len(methods) for methods in document["paths"].values())
