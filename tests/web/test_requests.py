"""How requests are read: paths, methods, order of checks, encodings and limits."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.web.answers import problem, raw_problem
from tests.web.centre import MESSAGE, Centre, key_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = json.dumps(MESSAGE).encode()
NO_KEY = {"X-Api-Key": "x" * 36}


# --------------------------------------------------------------------------------------------------- paths and methods


@pytest.mark.parametrize("path", ["/api/v1/sms", "/api/v1/sms/", "/api/v1/Sms", "/API/V1/SMS/", "/api/v1/sm%73"])
async def test_the_path_of_one_message_matches_without_case_and_never_redirects(centre: Centre, path: str) -> None:
    assert (await centre.send(MESSAGE, path=path)).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/sms/bulk", "/api/v1/sms/bulk/", "/api/v1/Sms/Bulk", "/API/V1/SMS/BULK/"])
async def test_the_path_of_many_messages_does_too(centre: Centre, path: str) -> None:
    assert (await centre.send([MESSAGE], path=path)).json() == {"Added": 1}


@pytest.mark.parametrize("path", ["/api/v1/sms/{}", "/api/v1/sms/{}/", "/Api/V1/SMS/{}"])
async def test_the_path_of_a_status_does_too(centre: Centre, path: str) -> None:
    message_id = (await centre.send(MESSAGE)).json()["MessageId"]
    assert (await centre.http.get(path.format(message_id))).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/sms/{}/events", "/api/v1/sms/{}/events/", "/Api/V1/SMS/{}/EVENTS/"])
async def test_the_path_of_a_timeline_does_too(centre: Centre, path: str) -> None:
    message_id = (await centre.send(MESSAGE)).json()["MessageId"]
    assert (await centre.http.get(path.format(message_id))).status_code == 200


METHODS = [
    ("PUT", "/api/v1/sms", "POST, GET, HEAD"),
    ("DELETE", "/api/v1/sms", "POST, GET, HEAD"),
    ("PATCH", "/api/v1/sms/", "POST, GET, HEAD, DELETE"),
    ("OPTIONS", "/api/v1/sms", "POST, GET, HEAD"),
    ("TRACE", "/api/v1/sms", "POST, GET, HEAD"),
    ("PROPFIND", "/api/v1/sms", "POST, GET, HEAD"),
    ("GET", "/api/v1/sms/bulk", "POST"),
    ("GET", "/api/v1/sms/BULK/", "POST"),
    ("DELETE", "/api/v1/sms/bulk", "POST"),
    ("GET", "/api/v1/sms/cancel", "POST"),
    ("DELETE", "/api/v1/sms/cancel", "POST"),
    ("GET", "/api/v1/sms/Pause/", "POST"),
    ("GET", "/api/v1/sms/RESUME", "POST"),
    ("GET", "/api/v1/sms/status", "POST"),
    ("GET", "/api/v1/sms/Preview/", "POST"),
    ("POST", "/api/v1/sms/123", "GET, HEAD, DELETE"),
    ("PUT", "/api/v1/sms/123", "GET, HEAD, DELETE"),
    ("POST", "/api/v1/sms/123/events", "GET, HEAD"),
    ("DELETE", "/api/v1/sms/123/Events/", "GET, HEAD"),
    ("POST", "/health/live", "GET, HEAD"),
    ("DELETE", "/docs", "GET, HEAD"),
    ("POST", "/openapi.json", "GET, HEAD"),
]


@pytest.mark.parametrize(("method", "path", "allowed"), METHODS)
async def test_a_method_that_is_not_there_is_405_before_any_key(
    centre: Centre, method: str, path: str, allowed: str
) -> None:
    response = await centre.http.request(method, path, headers=NO_KEY)
    problem(response, "MethodNotAllowed")
    assert response.headers["allow"] == allowed


async def test_head_of_a_post_path_is_405_without_a_body(centre: Centre) -> None:
    response = await centre.http.head("/api/v1/sms/bulk")
    assert (response.status_code, response.content) == (405, b"")
    assert response.headers["x-request-id"]


PATHS = [
    "/",
    "//",
    "/api",
    "/api/v1",
    "/api/v1/smsx",
    "/api/v1/sms.json",
    "/api/v1/sms/bulk/1",
    "/api/v1/sms/123/event",
    "/api/v1/sms/123/eventss",
    "/api/v1/sms/123/events//",
    "/api/v1/sms/123/events/1",
    "/api/v1/sms/123//events",
    "/api/v1/sms/123//",
    "/api/v1/sms/bulk/events",
    "/api/v1/sms/Status/events",
    "/api/v1/sms//",
    "/api/v1/sms/../sms/bulk/x",
    "//api/v1/sms",
    "/api/v1/report",
    "/API/ADMIN",
    "/Health/live",
    "/docs/",
    "/docs/../../etc/passwd",
    "/docs/swagger-ui.js",
    "/openapi.json/",
    "/favicon.ico",
    "/%00",
    "/%ff%fe",
    "/api/v1/sms\u0130",
    "/" + "a" * 20_000,
    "/" + "a/" * 5_000,
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: repr(path[:30]))
async def test_a_path_where_nothing_is_has_the_error_body(centre: Centre, path: str) -> None:
    url = httpx.URL(str(centre.http.base_url), raw_path=path.encode("utf-8") if path.isascii() else b"/%C4%B0")
    if path == "/api/v1/sms//":
        problem(await centre.http.get(url), "MessageIdInvalid")
        return
    body = problem(await centre.http.get(url, headers=NO_KEY), "PathNotFound")
    assert "CommandStatus" not in body
    assert len(body["Detail"]) < 200


# ----------------------------------------------------------------------------------------------------- order of checks


async def test_the_key_is_checked_before_the_length_and_the_length_before_the_body(centre: Centre) -> None:
    head = (
        "POST /api/v1/sms HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 999999\r\nX-Api-Key: {}\r\n\r\n"
    )
    # Neither request sends any octet of its body, and both are answered.
    raw_problem(await centre.raw(head.format("no").encode()), "Unauthorized")
    raw_problem(await centre.raw(head.format(key_of(1)).encode()), "PayloadTooLarge")


async def test_a_suspended_client_is_told_before_its_body_is_read(centre: Centre) -> None:
    problem(await centre.send(b"no json", client=4), "ClientSuspended")


async def test_json_is_checked_before_fields(centre: Centre) -> None:
    problem(await centre.send(b'{"PhoneNumber": "x", "Text": }'), "JsonInvalid")


# ------------------------------------------------------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=windows-1251",
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
    ],
)
async def test_the_body_is_json_in_utf8_whatever_the_content_type_says(centre: Centre, content_type: str) -> None:
    response = await centre.send(MESSAGE, **{"Content-Type": content_type})
    assert (await centre.row(response.json()["MessageId"]))["text"] == MESSAGE["Text"]


async def test_a_byte_order_mark_is_skipped(centre: Centre) -> None:
    assert (await centre.send(b"\xef\xbb\xbf" + BODY)).status_code == 200
    assert (await centre.bulk(b"\xef\xbb\xbf[" + BODY + b"]")).json() == {"Added": 1}


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
async def test_gzip_is_unpacked(centre: Centre, encoding: str) -> None:
    packed = gzip.compress(BODY)
    assert (await centre.send(packed, **{"Content-Encoding": encoding})).status_code == 200
    two_members = gzip.compress(BODY[:20]) + gzip.compress(BODY[20:])
    assert (await centre.send(two_members, **{"Content-Encoding": encoding})).status_code == 200


async def test_a_large_gzip_bulk_is_unpacked(centre: Centre) -> None:
    items = [{**MESSAGE, "Extra": "x" * 4000}] * 1000
    packed = gzip.compress(json.dumps(items).encode())
    assert (await centre.bulk(packed, **{"Content-Encoding": "gzip"})).json() == {"Added": 1000}


BROKEN_PACKS = {
    "plain": ("gzip", BODY),
    "empty": ("gzip", b""),
    "cut short": ("gzip", gzip.compress(BODY)[:-9]),
    "more after it": ("gzip", gzip.compress(BODY) + b"tail"),
    "zlib": ("gzip", zlib.compress(BODY)),
    "deflate": ("deflate", zlib.compress(BODY)),
    "brotli": ("br", BODY),
    "twice": ("gzip, gzip", gzip.compress(gzip.compress(BODY))),
}


@pytest.mark.parametrize(("encoding", "body"), BROKEN_PACKS.values(), ids=BROKEN_PACKS)
async def test_what_cannot_be_unpacked_is_refused(centre: Centre, encoding: str, body: bytes) -> None:
    problem(await centre.send(body, **{"Content-Encoding": encoding}), "JsonInvalid")


async def test_a_gzip_bomb_is_refused_at_the_limit(centre: Centre) -> None:
    bomb = gzip.compress(b" " * 100_000_000)
    assert len(bomb) < 256 * 1024
    problem(await centre.send(bomb, **{"Content-Encoding": "gzip"}), "PayloadTooLarge")
    problem(await centre.bulk(bomb, **{"Content-Encoding": "gzip"}), "PayloadTooLarge")


async def test_chunked_bodies_are_read(centre: Centre) -> None:
    async def octets() -> AsyncIterator[bytes]:
        for start in range(0, len(BODY), 7):
            yield BODY[start : start + 7]

    response = await centre.http.post("/api/v1/sms", content=octets())
    assert response.status_code == 200


async def test_a_chunked_body_past_the_limit_is_refused(centre: Centre) -> None:
    async def octets() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 60_000

    problem(await centre.http.post("/api/v1/sms", content=octets()), "PayloadTooLarge")


async def test_the_limits_say_what_they_are_and_what_to_do(centre: Centre) -> None:
    single = problem(await centre.send(b" " * (256 * 1024 + 1)), "PayloadTooLarge")
    assert "262,144" in single["Detail"]
    assert "/api/v1/sms/bulk" in single["Detail"]
    padded = BODY + b" " * (256 * 1024 - len(BODY))
    assert (await centre.send(padded)).status_code == 200
    bulk = problem(await centre.bulk(b"[" + b"1," * 50_000 + b"1]"), "PayloadTooLarge")
    assert "50,000" in bulk["Detail"]
    assert "Split" in bulk["Detail"]
    head = f"POST /api/v1/sms/bulk HTTP/1.1\r\nX-Api-Key: {key_of(1)}\r\nConnection: close\r\n"
    head += "Content-Length: 67108865\r\n\r\n"
    large = raw_problem(await centre.raw(head.encode()), "PayloadTooLarge")
    assert "67,108,864" in large["Detail"]


BAD_BODIES = [b"", b"null", b"[]", b"no json", b'{"Text": "\xff"}', b"[" * 100_000, b'{"a": NaN}', b"\x00\x01\x02"]


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: repr(body[:20]))
async def test_a_body_that_is_not_one_object_is_json_invalid(centre: Centre, body: bytes) -> None:
    answer = problem(await centre.send(body), "JsonInvalid")
    assert answer["Errors"] == {}


@pytest.mark.parametrize("body", [b"", b"{}", BODY, b"[", b"[1,]", b'[{"Text": NaN}]', b"[" * 100_000])
async def test_a_bulk_that_is_no_array_is_json_invalid(centre: Centre, body: bytes) -> None:
    problem(await centre.bulk(body), "JsonInvalid")


async def test_expect_100_continue_is_answered_at_once(centre: Centre) -> None:
    head = (
        f"POST /api/v1/sms HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key_of(1)}\r\n"
        f"Expect: 100-continue\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    assert await centre.raw(head.encode(), until_closed=False) == b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_a_refused_expectation_closes_the_connection(centre: Centre) -> None:
    head = (
        "POST /api/v1/sms HTTP/1.1\r\nHost: a\r\nX-Api-Key: no\r\nExpect: 100-continue\r\nContent-Length: 999\r\n\r\n"
    )
    answer = await centre.raw(head.encode())
    raw_problem(answer, "Unauthorized")
    assert b"connection: close\r\n" in answer


# ----------------------------------------------------------------------------------------------------------- responses


async def test_every_answer_has_a_request_id_of_its_own(centre: Centre) -> None:
    responses = [
        await centre.send(MESSAGE),
        await centre.send({}),
        await centre.http.get("/nothing"),
        await centre.http.get("/health/live"),
        await centre.http.get("/docs"),
        await centre.http.get("/api/v1/sms/1"),
    ]
    assert len({response.headers["x-request-id"] for response in responses}) == len(responses)


async def test_nothing_tells_what_serves(centre: Centre) -> None:
    assert "server" not in (await centre.send(MESSAGE)).headers


async def test_a_connection_serves_many_requests(centre: Centre) -> None:
    request = f"POST /api/v1/sms HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key_of(1)}\r\nContent-Length: {len(BODY)}\r\n%s\r\n"
    three = (request % "").encode() + BODY + (request % "").encode() + BODY
    answer = await centre.raw(three + (request % "Connection: close\r\n").encode() + BODY)
    assert answer.count(b'"MessageResult":"OK"') == 3


@pytest.mark.parametrize("query", ["", "?", "?MessageIds=false", "?x=%ff%00&&&=", "?MessageIds", "?" + "a=b&" * 1000])
async def test_query_strings_do_no_harm(centre: Centre, query: str) -> None:
    assert (await centre.send(MESSAGE, path=f"/api/v1/sms{query}")).status_code == 200
    assert (await centre.bulk([MESSAGE], query=query)).json() == {"Added": 1}


HEADERS: list[dict[str, Any]] = [
    {"Accept": "application/xml"},
    {"Content-Length": str(len(BODY)), "X-Request-Id": "mine"},
    {"User-Agent": "\u00ff\u00fe"},
    {"Cookie": "a" * 10_000},
    {"X-Http-Method-Override": "DELETE"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=repr)
async def test_foreign_headers_change_nothing(centre: Centre, headers: dict[str, str]) -> None:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    response = await centre.http.post("/api/v1/sms", content=BODY, headers=encoded)
    assert response.status_code == 200
    assert response.headers["x-request-id"] != "mine"
