"""The header Idempotency-Key: a repeated request is answered with the same octets, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import gzip
import json
import uuid
from typing import Any

import httpx
import pytest

from tests.web.answers import problem
from tests.web.centre import MESSAGE, Centre

pytestmark = pytest.mark.asyncio(loop_scope="module")

BULK = [MESSAGE, {**MESSAGE, "PhoneNumber": "12"}, {**MESSAGE, "Text": "другой"}]
PATHS = {"/api/v1/sms": MESSAGE, "/api/v1/sms/bulk?MessageIds=true": BULK}

every_path = pytest.mark.parametrize("path", PATHS)


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


async def send(centre: Centre, body: Any, key: str, path: str = "/api/v1/sms", **options: Any) -> httpx.Response:
    return await centre.send(body, path=path, **{"Idempotency-Key": key}, **options)


@every_path
async def test_the_same_request_gets_the_same_answer(centre: Centre, key: str, path: str) -> None:
    before = await centre.count()
    first = await send(centre, PATHS[path], key, path)
    assert first.status_code == 200
    assert "x-payk-repeated" not in first.headers
    stored = await centre.count() - before
    assert stored == (2 if "bulk" in path else 1)
    for _ in range(3):
        again = await send(centre, PATHS[path], key, path)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["x-payk-repeated"] == "true"
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert await centre.count() == before + stored


@every_path
async def test_requests_at_the_same_instant_are_one(centre: Centre, key: str, path: str) -> None:
    before = await centre.count()
    answers = await asyncio.gather(*(send(centre, PATHS[path], key, path) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    assert len({answer.content for answer in answers}) == 1
    assert sum("x-payk-repeated" not in answer.headers for answer in answers) == 1
    assert await centre.count() - before == (2 if "bulk" in path else 1)


@every_path
async def test_another_body_under_the_key_is_refused(centre: Centre, key: str, path: str) -> None:
    first = await send(centre, PATHS[path], key, path)
    before = await centre.count()
    for body in (json.dumps(PATHS[path], indent=1).encode(), json.dumps(PATHS[path]).encode() + b" "):
        refusal = problem(await send(centre, body, key, path), "IdempotencyKeyReused")
        assert refusal["Retryable"] is False
    # A body that breaks rules too: what was taken under the key is not spoken of as if it were not.
    wrong: Any = {**MESSAGE, "Text": ""}
    problem(await send(centre, [wrong] if "bulk" in path else wrong, key, path), "IdempotencyKeyReused")
    assert (await send(centre, PATHS[path], key, path)).content == first.content
    assert await centre.count() == before


async def test_a_body_is_compared_as_unpacked(centre: Centre, key: str) -> None:
    body = json.dumps(MESSAGE).encode()
    first = await send(centre, body, key)
    second = await send(centre, gzip.compress(body), key, **{"Content-Encoding": "gzip"})
    assert second.content == first.content
    assert second.headers["x-payk-repeated"] == "true"


async def test_a_path_is_the_documented_one_however_it_is_written(centre: Centre, key: str) -> None:
    answers = [
        await send(centre, MESSAGE, key, path)
        for path in ("/api/v1/sms", "/api/v1/Sms/", "/API/V1/SMS", "/api/v1/sms?a=b")
    ]
    assert len({answer.content for answer in answers}) == 1
    bulks = [await send(centre, [MESSAGE], key, path) for path in ("/api/v1/sms/bulk", "/API/V1/SMS/Bulk/")]
    assert [answer.content for answer in bulks] == [b'{"Added":1}'] * 2
    assert bulks[1].headers["x-payk-repeated"] == "true"


async def test_the_answer_of_a_bulk_is_kept_as_it_was_asked_for(centre: Centre, key: str) -> None:
    first = await send(centre, [MESSAGE], key, "/api/v1/sms/bulk?MessageIds=true")
    second = await send(centre, [MESSAGE], key, "/api/v1/sms/bulk")
    assert second.content == first.content


async def test_keys_of_clients_are_their_own(centre: Centre, key: str) -> None:
    first, other = await send(centre, MESSAGE, key), await send(centre, MESSAGE, key, client=3)
    assert first.content != other.content
    assert "x-payk-repeated" not in other.headers


async def test_without_a_key_nothing_is_kept(centre: Centre) -> None:
    query = "select count(*) from kept_answer"
    async with centre.db.connection() as connection:
        before = await connection.fetchval(query)
        await centre.send(MESSAGE)
        await centre.bulk([MESSAGE])
        assert await connection.fetchval(query) == before


async def test_a_key_is_forgotten_after_12_hours(centre: Centre, key: str) -> None:
    first = await send(centre, MESSAGE, key)
    async with centre.db.connection() as connection:
        await connection.execute("update kept_answer set at = at - interval '12 hours 1 second'")
    second = await send(centre, {**MESSAGE, "Text": "another"}, key)
    assert second.status_code == 200
    assert second.json()["MessageId"] != first.json()["MessageId"]
    assert "x-payk-repeated" not in second.headers


# ------------------------------------------------------------------------------------------- what is kept, and what not


async def test_refusals_are_not_kept(centre: Centre, key: str) -> None:
    problem(await send(centre, {**MESSAGE, "SmsType": 9}, key), "SmsTypeInvalid")
    problem(await send(centre, b"no json", key), "JsonInvalid")
    assert (await send(centre, MESSAGE, key)).status_code == 200


async def test_a_bulk_of_which_nothing_was_taken_is_not_kept(centre: Centre, key: str) -> None:
    path, bad = "/api/v1/sms/bulk", {**MESSAGE, "PhoneNumber": "12"}
    for client, body in ((1, [bad]), (3, [MESSAGE, bad])):
        for _ in range(2):
            problem(await send(centre, body, key, path, client=client), "AllMessagesRejected")
        assert (await send(centre, [MESSAGE], key, path, client=client)).json() == {"Added": 1}


async def test_an_empty_bulk_is_kept(centre: Centre, key: str) -> None:
    path = "/api/v1/sms/bulk"
    assert (await send(centre, [], key, path)).content == b'{"Added":0}'
    again = await send(centre, [], key, path)
    assert (again.content, again.headers["x-payk-repeated"]) == (b'{"Added":0}', "true")
    problem(await send(centre, [MESSAGE], key, path), "IdempotencyKeyReused")


async def test_what_was_taken_stays_so_when_the_rules_change(centre: Centre, key: str) -> None:
    body = {**MESSAGE, "SenderAddress": "4545"}
    single, bulk = await send(centre, body, key), await send(centre, [body, {}], key, "/api/v1/sms/bulk")
    directory = centre.directory.value
    senders = directory.clients[1].senders
    assert isinstance(senders, dict)
    registered = senders.pop("4545")
    try:
        problem(await centre.send(body), "SenderAddressNotAllowed")
        assert (await send(centre, body, key)).content == single.content
        assert (await send(centre, [body, {}], key, "/api/v1/sms/bulk")).content == bulk.content
    finally:
        senders["4545"] = registered


# ------------------------------------------------------------------------------------------------- with ClientMessageId


async def test_a_new_key_leaves_the_client_message_id_its_meaning(centre: Centre, key: str) -> None:
    body = {**MESSAGE, "ClientMessageId": key}
    first = await centre.send(body)
    for _ in range(2):
        again = await send(centre, body, key)
        assert again.content == first.content
        assert again.headers["x-payk-repeated"] == "true"
    bulk = await send(centre, [body, MESSAGE], key, "/api/v1/sms/bulk?MessageIds=true")
    assert bulk.json()["MessageIds"][0] == first.json()["MessageId"]
    assert (bulk.json()["Added"], bulk.json()["Repeated"]) == (2, 1)
    assert (await send(centre, [body, MESSAGE], key, "/api/v1/sms/bulk?MessageIds=true")).content == bulk.content


async def test_the_key_is_looked_at_before_the_client_message_id(centre: Centre, key: str) -> None:
    """A first that failed may be sent anew under its ClientMessageId, but not under its key."""
    body = {**MESSAGE, "ClientMessageId": key}
    first = await send(centre, body, key)
    async with centre.db.connection() as connection:
        await connection.execute(
            "update message set state = 8, done_at = now() where message_id = $1", int(first.json()["MessageId"])
        )
    assert (await send(centre, body, key)).content == first.content
    assert (await centre.send(body)).content != first.content


# ----------------------------------------------------------------------------------------------------------- the header


@pytest.mark.parametrize("value", ["k", "!~", "k" * 255, '"quoted"', "a/b=c;d,e"])
async def test_a_key_is_visible_ascii(centre: Centre, value: str) -> None:
    assert (await send(centre, MESSAGE, value)).status_code == 200


@pytest.mark.parametrize("value", ["", "two words", "k" * 256, "ключ".encode(), b"\xff", b"tab\there"])
@every_path
async def test_what_is_no_key_is_refused_before_the_body_is_read(centre: Centre, value: str | bytes, path: str) -> None:
    before = await centre.count()
    headers = {"Idempotency-Key": value}
    refusal = problem(await centre.http.post(path, content=b"no json", headers=headers), "IdempotencyKeyInvalid")
    assert "1 to 255 visible ASCII characters" in refusal["Detail"]
    assert await centre.count() == before


async def test_of_a_request_that_is_not_a_post_the_header_means_nothing(centre: Centre, key: str) -> None:
    message_id = (await send(centre, MESSAGE, key)).json()["MessageId"]
    for value in (key, "two words"):
        answer = await centre.http.get(f"/api/v1/sms/{message_id}", headers={"Idempotency-Key": value})
        assert answer.status_code == 200
