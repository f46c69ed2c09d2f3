"""/health/live and /health/ready on both sites."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from payk.web import health
from payk.web.health import Readiness
from payk.web.server import HttpServer, listen
from payk.web.site import ManagementSite
from tests.web.answers import problem


@contextlib.asynccontextmanager
async def management(readiness: Readiness) -> AsyncIterator[httpx.AsyncClient]:
    server = HttpServer(ManagementSite(readiness), listen("127.0.0.1", 0))
    serving = asyncio.create_task(server.run())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http:
        yield http
    server.stop()
    await serving


def answers(ready: bool, *warnings: str) -> Readiness:
    async def readiness() -> tuple[bool, list[str]]:
        return ready, list(warnings)

    return readiness


async def test_ready_says_so_with_its_warnings() -> None:
    async with management(answers(True, "the clock is 3 s off")) as http:
        response = await http.get("/health/ready")
        assert (response.status_code, response.json()) == (
            200,
            {"Status": "OK", "Warnings": ["the clock is 3 s off"]},
        )
        assert response.headers["x-request-id"]


async def test_not_ready_is_503_with_the_reason() -> None:
    async with management(answers(False, "the database cannot be reached")) as http:
        body = problem(await http.get("/health/ready"), "ServiceUnavailable")
        assert body["Warnings"] == ["the database cannot be reached"]
        assert "cannot be reached" in body["Detail"]
        live = await http.get("/health/live")
        assert (live.status_code, live.json()) == (200, {"Status": "OK", "Warnings": []})


async def test_a_readiness_that_does_not_answer_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.05)

    async def never() -> tuple[bool, list[str]]:
        await asyncio.Event().wait()
        return True, []

    async with management(never) as http:
        problem(await http.get("/health/ready"), "ServiceUnavailable")


async def test_the_management_site_has_nothing_of_the_public_one() -> None:
    async with management(answers(True)) as http:
        for path in ("/api/v1/sms", "/docs", "/openapi.json", "/"):
            problem(await http.get(path), "PathNotFound")
        problem(await http.post("/health/live"), "MethodNotAllowed")
        assert (await http.head("/health/live")).status_code == 200


async def test_a_defect_is_answered_with_the_error_body() -> None:
    async def broken() -> tuple[bool, list[str]]:
        raise KeyError("4711")

    async with management(broken) as http:
        response = await http.get("/health/ready")
        body = problem(response, "InternalError")
        assert "4711" not in response.text
        assert body["Retryable"] is False
