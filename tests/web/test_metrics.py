"""Who may scrape, also while the database is away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from payk.access import Access, Tokens
from payk.domain.access import Actor, PrincipalKind
from payk.registry.secrets import SecretBox
from payk.store.database import Database
from payk.web import metrics
from payk.web.caller import is_loopback
from payk.web.metrics import MetricsPage
from payk.web.server import HttpServer, listen
from payk.web.site import ManagementSite
from tests.access.conftest import MovedClock
from tests.web.admin.managed import refusal

ROOT = Actor(PrincipalKind.LOCAL, "root")


@dataclass(slots=True)
class Scene:
    db: Database
    tokens: Tokens
    clock: MovedClock
    http: httpx.AsyncClient

    async def scrape(self, token: str) -> httpx.Response:
        self.clock.ahead += 1.0  # what was known of tokens half a second ago is asked anew
        return await self.http.get("/metrics", headers={"Authorization": f"Bearer {token}"})

    async def do(self, statement: str) -> None:
        connection = await self.db.dedicated()
        await connection.execute(statement)
        connection.terminate()


@contextlib.asynccontextmanager
async def scene_on(dsn: str) -> AsyncIterator[Scene]:
    async def ready() -> tuple[bool, list[str]]:
        return True, []

    clock = MovedClock()
    database = await Database.open(dsn, clock=clock)
    access = Access(database, SecretBox(bytes(range(32))), clock=clock)
    page = MetricsPage(lambda: "payk_x 1\n", access.authenticate, clock)
    server = HttpServer(ManagementSite(ready, None, page), listen("127.0.0.1", 0))
    serving = asyncio.create_task(server.run())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=20) as http:
        yield Scene(database, Tokens(database), clock, http)
    server.stop()
    await serving
    await database.close()


async def test_a_token_with_the_permission_reads_the_figures(dsn: str) -> None:
    async with scene_on(dsn) as scene:
        token = await scene.tokens.create(ROOT, "prometheus", role="operator", scopes=["read-metrics"])
        answer = await scene.scrape(token)
        assert (answer.status_code, answer.text) == (200, "payk_x 1\n")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        whole = await scene.tokens.create(ROOT, "whole", role="admin")
        assert (await scene.scrape(whole)).status_code == 200


async def test_on_this_machine_they_are_read_without_a_token(dsn: str) -> None:
    async with scene_on(dsn) as scene:
        answer = await scene.http.get("/metrics")
        assert (answer.status_code, answer.text) == (200, "payk_x 1\n")
        await scene.do("alter table access_version rename to gone")
        assert (await scene.http.get("/metrics")).status_code == 200


@pytest.mark.parametrize(
    ("address", "here"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("local", True), ("10.0.0.1", False), ("::2", False)],
)
def test_this_machine_is_told_by_its_address(address: str, here: bool) -> None:
    assert is_loopback(address) is here


async def test_nobody_else_reads_them(dsn: str) -> None:
    async with scene_on(dsn) as scene:
        await scene.do("insert into client (name) values ('demo')")
        elsewhere = {"X-Forwarded-For": "198.51.100.7"}  # a proxy on this machine speaks for somebody else
        refusal(await scene.http.get("/metrics", headers=elsewhere), "Unauthorized")
        refusal(await scene.http.get("/metrics", headers={"Authorization": "Basic eA=="}), "Unauthorized")
        refusal(await scene.scrape("payk_nobody"), "Unauthorized")
        for name, how in {
            "other": {"role": "operator", "scopes": ["read-traffic"]},
            "bound": {"role": "client-manager", "client": "demo"},
        }.items():
            token = await scene.tokens.create(ROOT, name, **how)  # type: ignore[arg-type]
            refusal(await scene.scrape(token), "Forbidden")
        refused = await scene.http.post("/metrics", headers={"Authorization": "Bearer x"})
        refusal(refused, "MethodNotAllowed")


async def test_tokens_are_not_guessed_here_either(dsn: str) -> None:
    async with scene_on(dsn) as scene:
        codes = [(await scene.scrape(f"payk_{number}")).json()["MessageResult"] for number in range(21)]
        assert codes == ["Unauthorized"] * 20 + ["TooManyAttempts"]


async def test_a_token_that_was_good_reads_on_for_an_hour_while_the_database_is_away(dsn: str) -> None:
    async with scene_on(dsn) as scene:
        token = await scene.tokens.create(ROOT, "prometheus", role="operator", scopes=["read-metrics"])
        other = await scene.tokens.create(ROOT, "other", role="operator", scopes=["read-metrics"])
        assert (await scene.scrape(token)).status_code == 200
        await scene.do("alter table access_version rename to gone")  # as good as away for whoever asks who is calling
        scene.clock.ahead += metrics.REMEMBERED / 2
        assert (await scene.scrape(token)).status_code == 200
        refusal(await scene.scrape(other), "ServiceUnavailable")  # not known yet
        scene.clock.ahead += metrics.REMEMBERED / 2
        refusal(await scene.scrape(token), "ServiceUnavailable")
        await scene.do("alter table gone rename to access_version")
        assert (await scene.scrape(token)).status_code == 200


async def test_a_revoked_token_is_forgotten(dsn: str) -> None:
    async with scene_on(dsn) as scene:
        token = await scene.tokens.create(ROOT, "prometheus", role="operator", scopes=["read-metrics"])
        assert (await scene.scrape(token)).status_code == 200
        await scene.tokens.revoke(ROOT, "prometheus")
        refusal(await scene.scrape(token), "Unauthorized")
        await scene.do("alter table access_version rename to gone")
        refusal(await scene.scrape(token), "ServiceUnavailable")
