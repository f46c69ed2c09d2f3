"""/openapi.json and /docs: complete, true, and without any other host."""

from __future__ import annotations

import re
from typing import Any

import pytest

from payk.domain.errors import ERRORS, Code, Field
from payk.domain.message import MessageState
from payk.store.timeline import EventKind
from tests.web.answers import problem
from tests.web.centre import MESSAGE, Centre

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def document(centre: Centre) -> dict[str, Any]:
    del centre.http.headers["X-Api-Key"]
    try:
        response = await centre.http.get("/openapi.json")
    finally:
        centre.http.headers["X-Api-Key"] = "00000000-0000-4000-8000-000000000001"
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    described: dict[str, Any] = response.json()
    return described


async def test_the_document_describes_what_exists(centre: Centre) -> None:
    described = await document(centre)
    assert described["openapi"].startswith("3.0")
    operations = {(method, path) for path, methods in described["paths"].items() for method in methods}
    assert operations == {
        ("post", "/api/v1/sms"),
        ("get", "/api/v1/sms"),
        ("post", "/api/v1/sms/bulk"),
        ("get", "/api/v1/sms/{id}"),
        ("delete", "/api/v1/sms/{id}"),
        ("get", "/api/v1/sms/{id}/events"),
        ("post", "/api/v1/sms/cancel"),
        ("post", "/api/v1/sms/pause"),
        ("post", "/api/v1/sms/resume"),
        ("post", "/api/v1/sms/status"),
        ("post", "/api/v1/sms/preview"),
        ("get", "/api/v1/reports"),
        ("get", "/api/v1/reports/messages"),
        ("get", "/api/v1/reports/labels"),
    }
    schemas = described["components"]["schemas"]
    assert list(schemas["Message"]["properties"]) == list(Field)
    assert schemas["Status"]["properties"]["MessageState"]["enum"] == [state.label for state in MessageState]
    assert schemas["Event"]["properties"]["Event"]["enum"] == list(EventKind)
    assert schemas["Error"]["properties"]["MessageResult"]["enum"] == list(Code)


async def test_every_reference_leads_somewhere(centre: Centre) -> None:
    described = await document(centre)
    for reference in re.findall(r"'\$ref': '#/components/schemas/(\w+)'", str(described)):
        assert reference in described["components"]["schemas"]


async def test_every_code_of_the_api_stands_with_its_status(centre: Centre) -> None:
    described = await document(centre)
    told: set[str] = set()
    for methods in described["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                for code in re.findall(r"`([A-Z]\w+)`", answer["description"]) if status != "200" else []:
                    assert ERRORS[Code(code)].status == int(status)
                    told.add(code)
    not_of_an_operation = {
        Code.PATH_NOT_FOUND,
        Code.METHOD_NOT_ALLOWED,
        Code.HTTP_INVALID,
        Code.REQUEST_TIMEOUT,
        Code.INTERNAL_ERROR,
    }
    assert told == set(Code) - not_of_an_operation


async def test_answers_have_the_described_members(centre: Centre) -> None:
    schemas = (await document(centre))["components"]["schemas"]
    taken = (await centre.send(MESSAGE)).json()
    status = (await centre.http.get(f"/api/v1/sms/{taken['MessageId']}")).json()
    timeline = (await centre.http.get(f"/api/v1/sms/{taken['MessageId']}/events")).json()
    bulk = (await centre.bulk([MESSAGE, {}], query="?MessageIds=true")).json()
    error = problem(await centre.http.get("/nothing"), "PathNotFound")
    assert list(taken) == list(schemas["Taken"]["properties"])
    assert list(status) == list(schemas["Status"]["properties"])
    assert list(timeline) == list(schemas["Timeline"]["properties"])
    assert set(schemas["Event"]["required"]) == set(timeline["Events"][0])
    assert set(bulk) <= set(schemas["BulkTaken"]["properties"])
    assert list(bulk["Rejections"][0]) == list(schemas["Rejection"]["properties"])
    assert list(error) == list(schemas["Error"]["properties"])


async def test_the_page_loads_everything_from_here(centre: Centre) -> None:
    page = await centre.http.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "://" not in page.text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(sources) == 4
    for source in sources:
        asset = await centre.http.get(f"/{source}")
        assert asset.status_code == 200
        assert asset.headers["x-content-type-options"] == "nosniff"
        assert asset.content


async def test_the_page_has_no_inline_script_and_a_policy_that_forbids_other_hosts(centre: Centre) -> None:
    page = await centre.http.get("/docs")
    assert all(script == "" for script in re.findall(r"<script[^>]*>(.*?)</script>", page.text, re.DOTALL))
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    start = (await centre.http.get("/docs/start.js")).text
    assert "validatorUrl: null" in start
    assert "://" not in start


async def test_the_page_works_under_a_prefix_of_a_proxy(centre: Centre) -> None:
    page = (await centre.http.get("/docs")).text
    start = (await centre.http.get("/docs/start.js")).text
    assert not re.search(r'(?:src|href|url: )="?/', page + start)
    assert 'url: "openapi.json"' in start
