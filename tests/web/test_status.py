"""GET /api/v1/sms/{id}."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from payk.domain.imported import ImportedMessage
from payk.domain.message import MessageState
from payk.store.imported import add_imported
from tests.web.answers import problem, raw_problem
from tests.web.centre import MESSAGE, Centre, key_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUBMITTED = datetime(2025, 2, 17, 10, 20, 30, 999_999, tzinfo=UTC)
DONE = datetime(2025, 2, 17, 10, 22, 0, 1, tzinfo=UTC)


async def put_in(centre: Centre, state: MessageState, *, done: datetime | None) -> str:
    """A message of client demo that is in `state`."""
    message_id: str = (await centre.send(MESSAGE)).json()["MessageId"]
    async with centre.db.connection() as connection:
        await connection.execute(
            "update message set state = $2, accepted_at = $3, done_at = $4 where message_id = $1",
            int(message_id),
            int(state),
            SUBMITTED,
            done,
        )
    return message_id


STATES = [
    (MessageState.NONE, "None", None),
    (MessageState.ENROUTE, "Enroute", None),
    (MessageState.DELIVERED, "Delivered", DONE),
    (MessageState.EXPIRED, "Expired", DONE),
    (MessageState.DELETED, "Deleted", DONE),
    (MessageState.UNDELIVERABLE, "Undeliverable", DONE),
    (MessageState.ACCEPTED, "Accepted", None),
    (MessageState.UNKNOWN, "Unknown", DONE),
    (MessageState.REJECTED, "Rejected", DONE),
]


@pytest.mark.parametrize(("state", "name", "done"), STATES)
async def test_every_state_has_its_documented_name(
    centre: Centre, state: MessageState, name: str, done: datetime | None
) -> None:
    message_id = await put_in(centre, state, done=done)
    response = await centre.http.get(f"/api/v1/sms/{message_id}")
    assert response.status_code == 200
    assert list(response.json().items()) == [
        ("MessageId", message_id),
        ("CommandStatus", "OK"),
        ("MessageState", name),
        ("DateSubmitted", "2025-02-17T10:20:30"),
        ("DateDone", None if done is None else "2025-02-17T10:22:00"),
    ]


@pytest.mark.parametrize(("state", "name", "done"), STATES)
async def test_a_message_of_another_centre_is_answered_as_our_own(
    centre: Centre, state: MessageState, name: str, done: datetime | None
) -> None:
    message_id = 5_000_000 + state
    await add_imported(centre.db, [ImportedMessage(message_id, 1, state, SUBMITTED, done)])
    response = await centre.http.get(f"/api/v1/sms/{message_id}")
    assert response.status_code == 200
    assert list(response.json().items()) == [
        ("MessageId", str(message_id)),
        ("CommandStatus", "OK"),
        ("MessageState", name),
        ("DateSubmitted", "2025-02-17T10:20:30"),
        ("DateDone", None if done is None else "2025-02-17T10:22:00"),
    ]
    foreign = await centre.http.get(f"/api/v1/sms/{message_id}", headers={"X-Api-Key": key_of(2)})
    problem(foreign, "MessageNotFound")


async def test_a_new_message_waits(centre: Centre) -> None:
    message_id = (await centre.send(MESSAGE)).json()["MessageId"]
    body = (await centre.http.get(f"/api/v1/sms/{message_id}/")).json()
    assert (body["MessageState"], body["DateDone"]) == ("None", None)
    submitted = datetime.fromisoformat(body["DateSubmitted"]).replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - submitted).total_seconds()) < 5


async def test_leading_zeros_do_not_matter(centre: Centre) -> None:
    message_id = (await centre.send(MESSAGE)).json()["MessageId"]
    assert (await centre.http.get(f"/api/v1/sms/000{message_id}")).json()["MessageId"] == message_id


async def test_a_message_of_another_client_is_as_unknown_as_none(centre: Centre) -> None:
    message_id = (await centre.send(MESSAGE)).json()["MessageId"]
    foreign = await centre.http.get(f"/api/v1/sms/{message_id}", headers={"X-Api-Key": key_of(2)})
    unknown = await centre.http.get("/api/v1/sms/99999999", headers={"X-Api-Key": key_of(2)})
    first, second = problem(foreign, "MessageNotFound"), problem(unknown, "MessageNotFound")
    for body in (first, second):
        del body["RequestId"], body["Detail"]
    assert first == second


@pytest.mark.parametrize("written", ["0", "1", "9" * 18, "9" * 19, "9223372036854775808", "1" * 5000])
async def test_an_id_that_no_message_has_is_404(centre: Centre, written: str) -> None:
    body = problem(await centre.http.get(f"/api/v1/sms/{written}"), "MessageNotFound")
    assert body["CommandStatus"] == "MessageNotFound"


@pytest.mark.parametrize(
    "written", ["abc", "12a", "-1", "+1", "1.0", "%20", "%D9%A1%D9%A2", "%C2%B2", "%00", "12%00", "0x10", "1e3", "null"]
)
async def test_what_is_no_id_is_400(centre: Centre, written: str) -> None:
    body = problem(await centre.http.get(f"/api/v1/sms/{written}"), "MessageIdInvalid")
    assert body["CommandStatus"] == "MessageIdInvalid"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_empty_id_is_400_and_never_all_messages(centre: Centre, method: str) -> None:
    before = await centre.count()
    body = problem(await centre.http.request(method, "/api/v1/sms/"), "MessageIdInvalid")
    assert body.get("CommandStatus") == ("MessageIdInvalid" if method == "GET" else None)
    problem(await centre.http.request(method, "/api/v1/sms/", headers={"X-Api-Key": "no"}), "Unauthorized")
    assert await centre.count() == before


async def test_errors_before_the_look_up_have_the_command_status_too(centre: Centre) -> None:
    body = problem(await centre.http.get("/api/v1/sms/1", headers={"X-Api-Key": "no"}), "Unauthorized")
    assert body["CommandStatus"] == "Unauthorized"
    body = problem(await centre.http.get("/api/v1/sms/1", headers={"X-Api-Key": key_of(4)}), "ClientSuspended")
    assert body["CommandStatus"] == "ClientSuspended"


async def test_a_body_of_a_get_is_ignored(centre: Centre) -> None:
    request = (
        f"GET /api/v1/sms/1 HTTP/1.1\r\nX-Api-Key: {key_of(1)}\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
    )
    raw_problem(await centre.raw(request.encode()), "MessageNotFound")


async def test_head_answers_like_get_without_a_body(centre: Centre) -> None:
    message_id = (await centre.send(MESSAGE)).json()["MessageId"]
    response = await centre.http.head(f"/api/v1/sms/{message_id}")
    assert (response.status_code, response.content) == (200, b"")


async def test_many_statuses_are_asked_for_at_once(centre: Centre) -> None:
    ids = [await put_in(centre, state, done=done) for state, _, done in STATES]
    await add_imported(centre.db, [ImportedMessage(6_000_000, 1, MessageState.DELIVERED, SUBMITTED, DONE)])
    foreign = (await centre.send(MESSAGE, client=2)).json()["MessageId"]
    asked = [*ids[::-1], 6_000_000, foreign, "99999999", "9" * 25, f"00{ids[0]}"]
    answer = await centre.send({"MessageIds": asked}, path="/api/v1/sms/status")
    assert answer.status_code == 200
    statuses = answer.json()["Statuses"]
    assert list(answer.json()) == ["Statuses"]
    assert [row["MessageId"] for row in statuses] == [*ids[::-1], "6000000", foreign, "99999999", "9" * 25]
    for row in statuses[:-3]:
        assert row == (await centre.http.get(f"/api/v1/sms/{row['MessageId']}")).json()
    for row in statuses[-3:]:
        assert list(row) == list(statuses[0])
        assert (row["CommandStatus"], row["MessageState"]) == ("MessageNotFound", None)
        assert (row["DateSubmitted"], row["DateDone"]) == (None, None)


async def test_a_thousand_statuses_at_once_and_no_more(centre: Centre) -> None:
    answer = await centre.send({"MessageIds": list(range(1_000))}, path="/API/v1/sms/Status/")
    assert len(answer.json()["Statuses"]) == 1_000
    assert (await centre.send({"message_ids": []}, path="/api/v1/sms/status")).json() == {"Statuses": []}
    problem(await centre.send({"MessageIds": list(range(1_001))}, path="/api/v1/sms/status"), "PayloadTooLarge")
    problem(await centre.send({"MessageIds": ["x"]}, path="/api/v1/sms/status"), "MessageIdInvalid")
    for body in ({}, [], {"SmsLabel": "a"}, {"MessageIds": "1"}):
        problem(await centre.send(body, path="/api/v1/sms/status"), "JsonInvalid")


async def test_statuses_under_a_key_are_answered_again(centre: Centre) -> None:
    message_id = (await centre.send(MESSAGE)).json()["MessageId"]
    key = {"Idempotency-Key": "statuses-1"}
    first = await centre.send({"MessageIds": [message_id]}, path="/api/v1/sms/status", **key)
    again = await centre.send({"MessageIds": [message_id]}, path="/api/v1/sms/status", **key)
    assert (first.content, again.headers["x-payk-repeated"]) == (again.content, "true")
    problem(await centre.send({"MessageIds": []}, path="/api/v1/sms/status", **key), "IdempotencyKeyReused")
