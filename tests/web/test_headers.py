"""Headers that every answer has, and headers of callers that change nothing."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from payk.store.database import Database
from payk.web.site import PublicOptions
from tests.web.centre import MESSAGE, Centre, centre_on

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS = ["/api/v1/sms/1", "/health/live", "/health/ready", "/openapi.json", "/nothing", "/docs", "/docs/start.js"]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_says_what_browsers_may_not_do(centre: Centre, path: str) -> None:
    answer = await centre.http.get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "strict-transport-security" not in answer.headers, "that is for TLS alone"
    cached = {"/docs": "no-cache", "/docs/start.js": "max-age=3600"}
    assert answer.headers["cache-control"] == cached.get(path, "no-store")


async def test_answers_to_messages_and_to_what_is_no_http_have_them_too(centre: Centre) -> None:
    taken = await centre.send(MESSAGE)
    assert (taken.status_code, taken.headers["cache-control"]) == (200, "no-store")
    malformed = await centre.raw(b"nonsense\r\n\r\n")
    for line in (b"x-content-type-options: nosniff", b"referrer-policy: no-referrer", b"cache-control: no-store"):
        assert malformed.count(line) == 1


async def test_the_page_of_the_documentation_loads_nothing_from_elsewhere(centre: Centre) -> None:
    policy = (await centre.http.get("/docs")).headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "http" not in policy


FORGED = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1", "X-Real-IP": "192.0.2.1"}


async def test_a_forged_address_changes_nothing(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    async with centre_on(database) as centre:
        for number in range(20):
            forged = FORGED | {"X-Forwarded-For": f"192.0.2.{number}", "X-Api-Key": "guess"}
            assert (await centre.http.get("/api/v1/sms/1", headers=forged)).status_code == 401
        answer = await centre.http.get("/api/v1/sms/1", headers=FORGED | {"X-Api-Key": "guess"})
        assert answer.status_code == 429 and "127.0.0.1" in answer.json()["Detail"]
        assert "192.0.2" not in capsys.readouterr().out


async def test_an_address_forged_beyond_a_trusted_proxy_changes_nothing(database: Database) -> None:
    options = PublicOptions(trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with centre_on(database, options) as centre:
        for number in range(20):
            forged = {"X-Forwarded-For": f"192.0.2.{number}, 198.51.100.7", "X-Api-Key": "guess"}
            assert (await centre.http.get("/api/v1/sms/1", headers=forged)).status_code == 401
        answer = await centre.http.get(
            "/api/v1/sms/1", headers={"X-Forwarded-For": "1.1.1.1, 198.51.100.7", "X-Api-Key": "x"}
        )
        assert answer.status_code == 429 and "198.51.100.7" in answer.json()["Detail"]
