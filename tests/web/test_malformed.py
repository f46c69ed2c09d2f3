"""Octets that are no request, and requests at the edge of HTTP: an error body or a closed connection, never a 500."""

from __future__ import annotations

import json

import pytest

from payk.web.protocol import HEAD_MAX
from tests.web.answers import raw_json, raw_problem
from tests.web.centre import MESSAGE, Centre, key_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = json.dumps(MESSAGE).encode()
HEAD = f"X-Api-Key: {key_of(1)}\r\nContent-Length: {len(BODY)}\r\n".encode()

MALFORMED = [
    b"\r\n\r\n\r\nhello\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET\r\n\r\n",
    b"get / HTTP/1.1\r\n\r\n",
    b"FOO / HTTP/1.1\r\n\r\n",
    b"GET / FTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
    b"GET /a b HTTP/1.1\r\n\r\n",
    b"GET a/b HTTP/1.1\r\n\r\n",
    b"POST /api/v1/sms HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/v1/sms HTTP/1.1\r\nContent-Length: abc\r\n\r\n",
    b"POST /api/v1/sms HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST /api/v1/sms HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST /api/v1/sms HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("octets", MALFORMED, ids=lambda octets: repr(octets[:40]))
async def test_malformed_http_is_answered_once_and_closed(centre: Centre, octets: bytes) -> None:
    raw_problem(await centre.raw(octets), "HttpInvalid")


async def test_a_malformed_body_closes_the_connection(centre: Centre) -> None:
    request = f"POST /api/v1/sms HTTP/1.1\r\nX-Api-Key: {key_of(1)}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    before = await centre.count()
    answer = await centre.raw(request.encode())
    assert answer == b"" or raw_json(answer)["MessageError"] is True
    assert await centre.count() == before


ODD_TARGETS = [
    (b"OPTIONS * HTTP/1.1\r\nConnection: close\r\n\r\n", "PathNotFound"),
    (b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n", "MethodNotAllowed"),
    (b"GET http://example.org HTTP/1.1\r\nConnection: close\r\n\r\n", "PathNotFound"),
    (b"GET http://example.org:99999/ HTTP/1.1\r\nConnection: close\r\n\r\n", "PathNotFound"),
    (b"GET http://example.org/api/v1/sms HTTP/1.1\r\nConnection: close\r\n\r\n", "Unauthorized"),
    (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nConnection: close\r\n\r\n", "PathNotFound"),
    (b"GET /?" + b"a" * 100_000 + b" HTTP/1.1\r\nConnection: close\r\n\r\n", "PathNotFound"),
    (b"GET /%00%0d%0a%ff HTTP/1.1\r\nConnection: close\r\n\r\n", "PathNotFound"),
    (b"GET /%zz%u1234% HTTP/1.1\r\nConnection: close\r\n\r\n", "PathNotFound"),
    (b"GET /../../etc/passwd HTTP/1.1\r\nConnection: close\r\n\r\n", "PathNotFound"),
    (b"GET / HTTP/1.0\r\n\r\n", "PathNotFound"),
    (b"TRACE /api/v1/sms HTTP/1.0\r\n\r\n", "MethodNotAllowed"),
    (b"GET / HTTP/1.1\r\nConnection: close\r\nX-Api-Key: \xff\xfe\r\n\xc3\xa4: b\r\n\r\n", "HttpInvalid"),
    (b"GET /api/v1/sms/1 HTTP/1.1\r\nConnection: close\r\nX-Api-Key: \xff\xfe\r\n\r\n", "Unauthorized"),
]


@pytest.mark.parametrize(("octets", "code"), ODD_TARGETS, ids=lambda value: repr(value[:40]))
async def test_odd_requests_have_the_error_body(centre: Centre, octets: bytes, code: str) -> None:
    raw_problem(await centre.raw(octets), code)


async def test_http_1_0_is_served(centre: Centre) -> None:
    answer = await centre.raw(b"POST /api/v1/sms HTTP/1.0\r\n" + HEAD + b"\r\n" + BODY)
    assert raw_json(answer)["MessageResult"] == "OK"


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"TLS/1.3"])
async def test_an_offered_upgrade_is_ignored(centre: Centre, upgrade: bytes) -> None:
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + upgrade + b"\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
    request = b"POST /api/v1/sms HTTP/1.1\r\n" + HEAD + b"%b\r\n" + BODY
    two = request % offer + request % (offer.replace(b"Upgrade,", b"Upgrade, close,"))
    before = await centre.count()
    assert (await centre.raw(two)).count(b"HTTP/1.1 200 ") == 2
    assert await centre.count() == before + 2


async def test_a_body_in_single_octets_is_read(centre: Centre) -> None:
    import asyncio

    reader, writer = await asyncio.open_connection("127.0.0.1", centre.server.port)
    request = b"POST /api/v1/sms HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"\r\n" + BODY
    for octet in request:
        writer.write(bytes([octet]))
        await writer.drain()
        await asyncio.sleep(0)
    assert raw_json(await reader.read())["MessageResult"] == "OK"
    writer.close()


async def test_a_head_without_end_is_cut(centre: Centre) -> None:
    octets = b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"a" * 2_000_000
    try:
        answer = await centre.raw(octets)
    except ConnectionResetError:  # closed before all was read, and the answer overtaken by that
        return
    assert b" 413 " in answer[:20]


async def test_many_requests_do_not_add_up_to_a_large_head(centre: Centre) -> None:
    padding = b"X-Padding: " + b"a" * 20_000 + b"\r\n"
    request = b"GET /health/live HTTP/1.1\r\nHost: a\r\n" + padding
    count = 2 * HEAD_MAX // len(request)
    answer = await centre.raw((request + b"\r\n") * count + request + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == count + 1


async def test_trailers_are_no_headers(centre: Centre) -> None:
    chunked = b"%x\r\n%b\r\n0\r\nX-Api-Key: other\r\n\r\n" % (len(BODY), BODY)
    head = f"POST /api/v1/sms HTTP/1.1\r\nX-Api-Key: {key_of(1)}\r\nConnection: close\r\n"
    head += "Transfer-Encoding: chunked\r\n\r\n"
    assert raw_json(await centre.raw(head.encode() + chunked))["MessageResult"] == "OK"
