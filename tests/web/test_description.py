"""The description of the public API, against what it answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from payk.store.database import Database
from tests.web.centre import MESSAGE, centre_on, key_of, store_registry
from tests.web.description import Described, ask_everything

SMS = "/api/v1/sms"


async def test_everything_succeeds_with_what_is_there_and_as_described(database: Database) -> None:
    await store_registry(database)
    async with centre_on(database) as centre:
        document = (await centre.http.get("/openapi.json")).json()
        described = Described(document, str(centre.http.base_url), {"X-Api-Key": key_of(1)})

        async def ask(operation: str, path: str, **how: Any) -> Any:
            return await asyncio.to_thread(described.ask, operation, path, **how)

        label = {"SmsLabel": "sale"}
        sent = await ask(f"POST {SMS}", SMS, json={**MESSAGE, "SmsType": 1})
        await ask(f"POST {SMS}/bulk", f"{SMS}/bulk", json=[{**MESSAGE, "SmsType": 3, **label}])
        await ask(f"POST {SMS}/preview", f"{SMS}/preview", json=MESSAGE)
        await ask(f"POST {SMS}/status", f"{SMS}/status", json={"MessageIds": [sent["MessageId"]]})
        for act in ("pause", "resume", "cancel"):
            await ask(f"POST {SMS}/{act}", f"{SMS}/{act}", json=label)
        await ask(f"GET {SMS}", SMS, params=label)
        for method, rest in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
            await ask(f"{method} {SMS}/{{id}}{rest}", f"{SMS}/{sent['MessageId']}{rest}")
        days = {"From": "2026-11-01", "To": "2026-12-01"}
        for report, params in (("", days), ("/messages", days), ("/labels", label)):
            await ask(f"GET /api/v1/reports{report}", f"/api/v1/reports{report}", params=params)
        assert described.left == set()


@pytest.mark.slow
async def test_every_answer_is_described(database: Database) -> None:
    await store_registry(database)
    async with centre_on(database) as centre:
        message_id = (await centre.send(MESSAGE)).json()["MessageId"]
        document = (await centre.http.get("/openapi.json")).json()
        address = str(centre.http.base_url)
        headers = {"X-Api-Key": key_of(1)}
        asked = await asyncio.to_thread(
            ask_everything, document, address, headers, examples=8, places=lambda operation: {"id": message_id}
        )
        assert "DELETE /api/v1/sms/{id}" in asked
        assert len(asked) == sum(len(methods) for methods in document["paths"].values())
