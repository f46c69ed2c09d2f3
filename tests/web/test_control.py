"""A client cancels, pauses and resumes what it has waiting: its own messages, and nobody else's."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from payk.domain.hold import Selection
from payk.domain.imported import ImportedMessage
from payk.domain.limits import Limits
from payk.domain.message import MessageState
from payk.domain.receipt import ReceiptWait
from payk.domain.route import Route, RouteTable
from payk.registry import own_traffic
from payk.registry.traffic import Chosen, continue_holds, hold
from payk.store.audit import newest
from payk.store.balances import change_balance
from payk.store.database import Database
from payk.store.holds import read_holds
from payk.store.imported import add_imported
from payk.web.site import PublicOptions
from tests.web.answers import problem
from tests.web.centre import MESSAGE, Centre, centre_on, key_of, store_registry

COMMON = {**MESSAGE, "SmsType": 1}


@pytest.fixture
async def centre(database: Database) -> AsyncIterator[Centre]:
    """A centre whose registry stands in the database too."""
    await store_registry(database)
    async with centre_on(database) as running:
        yield running


async def sent(centre: Centre, count: int = 1, *, client: int = 1, **fields: Any) -> list[str]:
    """Messages that wait; their ids."""
    items = [COMMON | {"PhoneNumber": f"99290000{place:04}"} | fields for place in range(count)]
    ids: list[str] = (await centre.bulk(items, client=client, query="?MessageIds=true")).json()["MessageIds"]
    assert None not in ids
    return ids


async def claim(centre: Centre, *message_ids: str) -> None:
    """A dispatcher has them in its hands."""
    async with centre.db.connection() as connection:
        statement = "update waiting set claimed_by = 1, link_id = 1 where message_id = any($1)"
        await connection.execute(statement, [int(message_id) for message_id in message_ids])


async def become(centre: Centre, state: MessageState, *message_ids: str) -> None:
    """They were handed over, and this came of it."""
    async with centre.db.connection() as connection:
        ids = [int(message_id) for message_id in message_ids]
        await connection.execute("delete from waiting where message_id = any($1)", ids)
        statement = "update message set state = $2, done_at = case when $3 then now() end where message_id = any($1)"
        await connection.execute(statement, ids, state, state is not MessageState.ENROUTE)


async def state(centre: Centre, message_id: str, client: int = 1) -> str:
    answer = await centre.http.get(f"/api/v1/sms/{message_id}", headers={"X-Api-Key": key_of(client)})
    return str(answer.json()["MessageState"])


async def delete(centre: Centre, message_id: str, client: int = 1) -> httpx.Response:
    return await centre.http.delete(f"/api/v1/sms/{message_id}", headers={"X-Api-Key": key_of(client)})


async def told(centre: Centre, what: str, body: Any, *, client: int = 1, **headers: str) -> Any:
    """The answer to a command that must succeed."""
    answer = await centre.send(body, client=client, path=f"/api/v1/sms/{what}", **headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


# -- one message


async def test_a_message_that_waits_is_cancelled(centre: Centre) -> None:
    [message_id] = await sent(centre)
    answer = await delete(centre, message_id)
    assert answer.status_code == 200
    status = answer.json()
    assert list(status) == ["MessageId", "CommandStatus", "MessageState", "DateSubmitted", "DateDone"]
    assert (status["MessageId"], status["CommandStatus"], status["MessageState"]) == (message_id, "OK", "Deleted")
    assert status["DateDone"] is not None
    assert (await centre.http.get(f"/api/v1/sms/{message_id}")).json() == status
    again = await delete(centre, f"{message_id}/")
    assert (again.status_code, again.json()) == (200, status)
    events = (await centre.http.get(f"/api/v1/sms/{message_id}/events")).json()["Events"]
    assert (events[-1]["Event"], events[-1]["State"]) == ("final", "Deleted")
    async with centre.db.connection() as connection:
        assert await connection.fetchval("select count(*) from waiting") == 0


async def test_a_scheduled_message_is_cancelled(centre: Centre) -> None:
    [message_id] = await sent(centre, ScheduledAt=f"{datetime.now(UTC).year + 1}-01-01T00:00:00Z")
    assert (await delete(centre, message_id)).json()["MessageState"] == "Deleted"
    async with centre.db.connection() as connection:
        assert await connection.fetchval("select count(*) from staged") == 0


async def test_what_an_operator_has_or_may_have_is_not_cancelled(centre: Centre) -> None:
    claimed, enroute, delivered, expired = await sent(centre, 4)
    await claim(centre, claimed)
    await become(centre, MessageState.ENROUTE, enroute)
    await become(centre, MessageState.DELIVERED, delivered)
    await become(centre, MessageState.EXPIRED, expired)
    names = [(claimed, "Enroute"), (enroute, "Enroute"), (delivered, "Delivered"), (expired, "Expired")]
    for message_id, name in names:
        body = problem(await delete(centre, message_id), "MessageAlreadySent")
        assert body["Status"] == 409 and body["Retryable"] is False
        assert f"{message_id} is {name}" in body["Detail"]
        assert "CommandStatus" not in body
        assert await state(centre, message_id) == name
    async with centre.db.connection() as connection:
        assert await connection.fetchval("select count(*) from waiting") == 1


async def test_of_others_and_of_nobody_nothing_is_cancelled(centre: Centre) -> None:
    [message_id] = await sent(centre)
    problem(await delete(centre, message_id, client=2), "MessageNotFound")
    problem(await delete(centre, "99999999"), "MessageNotFound")
    problem(await delete(centre, "9" * 19), "MessageNotFound")
    problem(await delete(centre, "abc"), "MessageIdInvalid")
    problem(await centre.http.delete(f"/api/v1/sms/{message_id}", headers={"X-Api-Key": "no"}), "Unauthorized")
    assert await state(centre, message_id) == "None"


async def test_what_another_centre_sent_is_not_cancelled(centre: Centre) -> None:
    now = datetime.now(UTC)
    rows = [
        ImportedMessage(5, 1, MessageState.DELIVERED, now, now),
        ImportedMessage(6, 1, MessageState.DELETED, now, now),
        ImportedMessage(7, 2, MessageState.DELIVERED, now, now),
    ]
    await add_imported(centre.db, rows)
    problem(await delete(centre, "5"), "MessageAlreadySent")
    assert (await delete(centre, "6")).json()["MessageState"] == "Deleted"
    problem(await delete(centre, "7"), "MessageNotFound")
    assert await told(centre, "cancel", {"MessageIds": [5, 6, 7]}) == {"Cancelled": 1, "TooLate": 1}


def limit(centre: Centre, **limits: Any) -> None:
    """Client demo has limits; a part costs 0.5."""
    known = centre.directory.value
    client = replace(known.clients[1], limits=Limits(**limits))
    routes = RouteTable([Route(1, "992", (1, 2), 1, price=5_000)])
    centre.directory.value = replace(known, clients={**known.clients, 1: client}, routes=routes)


async def test_a_cancelled_message_frees_balance_and_quota_once(centre: Centre) -> None:
    limit(centre, prepaid=True, parts_per_day=2)
    await change_balance(centre.db, "demo", 10_000, author="anna")
    first, second = await sent(centre, 2)
    problem(await centre.send(COMMON), "QuotaExceeded")
    await asyncio.gather(*(delete(centre, first) for _ in range(5)))
    await told(centre, "cancel", {"MessageIds": [first, first]})
    async with centre.db.connection() as connection:
        assert await connection.fetchval("select amount from client_balance where client_id = 1") == 5_000
    [third] = await sent(centre)
    problem(await centre.send(COMMON), "QuotaExceeded")
    assert await told(centre, "cancel", {"MessageIds": [second, third]}) == {"Cancelled": 2, "TooLate": 0}
    async with centre.db.connection() as connection:
        assert await connection.fetchval("select amount from client_balance where client_id = 1") == 10_000


# -- by ids


async def test_messages_are_cancelled_by_their_ids(centre: Centre) -> None:
    first, second, claimed, kept = await sent(centre, 4)
    [foreign] = await sent(centre, client=2)
    await claim(centre, claimed)
    ids = [first, int(second), f"00{first}", claimed, foreign, "99999999", "9" * 30]
    for _ in range(2):  # the second time they are cancelled as before
        assert await told(centre, "cancel", {"messageIds": ids}) == {"Cancelled": 2, "TooLate": 1}
    assert [await state(centre, each) for each in (first, second, claimed, kept)] == [
        "Deleted", "Deleted", "Enroute", "None",
    ]  # fmt: skip
    assert await state(centre, foreign, client=2) == "None"


async def test_more_messages_than_one_transaction_takes(centre: Centre) -> None:
    ids = await sent(centre, 2_500)
    assert await told(centre, "cancel", {"MessageIds": ids}) == {"Cancelled": 2_500, "TooLate": 0}


async def test_no_ids_are_none_and_never_all(centre: Centre) -> None:
    [message_id] = await sent(centre)
    assert await told(centre, "cancel", {"MessageIds": []}) == {"Cancelled": 0, "TooLate": 0}
    assert await state(centre, message_id) == "None"


NO_CHOICE = [
    (b"", "JsonInvalid"),
    (b"[]", "JsonInvalid"),
    (b"{}", "JsonInvalid"),
    ({"SmsLabel": ""}, "JsonInvalid"),
    ({"SmsLabel": "  ", "MessageIds": None}, "JsonInvalid"),
    ({"SmsLabel": "a", "MessageIds": []}, "JsonInvalid"),
    ({"SmsLabel": ["a"]}, "JsonInvalid"),
    ({"SmsLabel": "a\0"}, "JsonInvalid"),
    ({"SmsLabel": "a" * 256}, "SmsLabelTooLong"),
    ({"MessageIds": "123"}, "JsonInvalid"),
    ({"MessageIds": {"a": 1}}, "JsonInvalid"),
    ({"MessageIds": ["12a"]}, "MessageIdInvalid"),
    ({"MessageIds": [None]}, "MessageIdInvalid"),
    ({"MessageIds": [-1]}, "MessageIdInvalid"),
    ({"MessageIds": [1.5]}, "MessageIdInvalid"),
    ({"MessageIds": [True]}, "MessageIdInvalid"),
    ({"MessageIds": [{}]}, "MessageIdInvalid"),
    ({"MessageIds": [1] * 50_001}, "PayloadTooLarge"),
]


@pytest.mark.parametrize(("body", "code"), NO_CHOICE)
async def test_what_says_not_which_messages_is_refused(centre: Centre, body: Any, code: str) -> None:
    [message_id] = await sent(centre, SmsLabel="a")
    problem(await centre.send(body, path="/api/v1/sms/cancel"), code)
    assert await state(centre, message_id) == "None"
    if "MessageIds" not in str(body):
        for what in ("pause", "resume"):
            problem(await centre.send(body, path=f"/api/v1/sms/{what}"), code)
        assert await read_holds(centre.db) == []


async def test_names_are_read_as_those_of_messages(centre: Centre) -> None:
    await sent(centre, SmsLabel=17)
    assert await told(centre, "Pause/", b'\xef\xbb\xbf{"sms_label": "x", "SMSLABEL": 17}') == {"Messages": 1}


# -- by label


async def test_what_waits_under_a_label_is_cancelled(centre: Centre) -> None:
    spring = await sent(centre, 3, SmsLabel="spring")
    [later] = await sent(centre, SmsLabel="spring", ScheduledAt=f"{datetime.now(UTC).year + 1}-01-01T00:00:00Z")
    [claimed] = await sent(centre, SmsLabel="spring")
    [autumn], [bare] = await sent(centre, SmsLabel="autumn"), await sent(centre)
    [foreign] = await sent(centre, client=2, SmsLabel="spring")
    await claim(centre, claimed)
    assert await told(centre, "cancel", {"SmsLabel": "spring"}) == {"Cancelled": 4, "TooLate": 1}
    assert {await state(centre, each) for each in [*spring, later]} == {"Deleted"}
    assert [await state(centre, each) for each in (claimed, autumn, bare)] == ["Enroute", "None", "None"]
    assert await state(centre, foreign, client=2) == "None"
    assert await read_holds(centre.db) == []
    await sent(centre, SmsLabel="spring")  # what comes later is not meant


async def test_a_cancel_that_takes_long_is_answered_in_time(database: Database) -> None:
    await store_registry(database)
    async with centre_on(database, PublicOptions(answer_timeout=2.5)) as centre:
        ids = await sent(centre, 3, SmsLabel="spring")
        answer = await told(centre, "cancel", {"SmsLabel": "spring"})
        assert answer == {"Cancelled": 3, "TooLate": 0, "Done": False}
        assert await state(centre, ids[0]) == "Deleted"
        refused = await centre.send({"SmsLabel": "autumn"}, path="/api/v1/sms/cancel")
        assert "goes on" in problem(refused, "RateLimitExceeded")["Detail"]
        assert await told(centre, "cancel", {"SmsLabel": "autumn"}, client=2) == {
            "Cancelled": 0, "TooLate": 0, "Done": False,
        }  # fmt: skip


# -- pause and resume


async def test_a_label_is_paused_and_resumed(centre: Centre) -> None:
    await sent(centre, 3, SmsLabel="spring")
    await sent(centre, SmsLabel="spring", ScheduledAt=f"{datetime.now(UTC).year + 1}-01-01T00:00:00Z")
    [claimed] = await sent(centre, SmsLabel="spring")
    await claim(centre, claimed)
    await sent(centre, SmsLabel="autumn")
    await sent(centre, 2, client=2, SmsLabel="spring")
    for _ in range(2):  # it is paused once
        assert await told(centre, "pause", {"SmsLabel": "spring"}) == {"Messages": 4}
    [placed] = await read_holds(centre.db)
    assert placed.selection == Selection(1, "spring")
    assert await told(centre, "resume", {"SmsLabel": "spring"}) == {"Messages": 4}
    assert await told(centre, "resume", {"SmsLabel": "spring"}) == {"Messages": 0}
    assert await read_holds(centre.db) == []


async def test_a_label_is_paused_and_resumed_though_nobody_can_count_it(database: Database) -> None:
    await store_registry(database)
    async with centre_on(database, PublicOptions(answer_timeout=2.0)) as centre:
        await sent(centre, 3, SmsLabel="spring")
        for what, says, left in (("pause", "is paused", 1), ("resume", "is resumed", 0)):
            async with database.transaction() as elsewhere:
                await elsewhere.execute("lock table staged in access exclusive mode")
                answer = await centre.send({"SmsLabel": "spring"}, path=f"/api/v1/sms/{what}")
            assert says in problem(answer, "OutcomeUnknown")["Detail"]
            assert len(await read_holds(centre.db)) == left


async def test_each_client_has_its_own_pause(centre: Centre) -> None:
    await sent(centre, 2, SmsLabel="spring")
    await sent(centre, 3, client=2, SmsLabel="spring")
    await told(centre, "pause", {"SmsLabel": "spring"})
    assert await told(centre, "pause", {"SmsLabel": "spring"}, client=2) == {"Messages": 3}
    assert await told(centre, "resume", {"SmsLabel": "spring"}) == {"Messages": 2}
    [left] = await read_holds(centre.db)
    assert left.selection == Selection(2, "spring")


async def test_what_people_hold_no_client_resumes(centre: Centre) -> None:
    await sent(centre, SmsLabel="spring")
    await hold(centre.db, Chosen(client="demo", label="spring"), author="anna", reason="wrong text")
    assert await told(centre, "resume", {"SmsLabel": "spring"}) == {"Messages": 0}
    assert await told(centre, "pause", {"SmsLabel": "spring"}) == {"Messages": 1}
    assert await told(centre, "resume", {"SmsLabel": "spring"}) == {"Messages": 1}
    assert [one.author for one in await read_holds(centre.db)] == ["anna"]


async def test_a_cancel_leaves_a_pause_standing(centre: Centre) -> None:
    await sent(centre, 2, SmsLabel="spring")
    await told(centre, "pause", {"SmsLabel": "spring"})
    assert (await told(centre, "cancel", {"SmsLabel": "spring"}))["Cancelled"] == 2
    assert [one.cancels for one in await read_holds(centre.db)] == [False]


async def test_a_client_has_but_so_many_labels_paused(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_traffic, "PAUSED_MOST", 2)
    for label in ("a", "b", "a"):
        await told(centre, "pause", {"SmsLabel": label})
    answer = await centre.send({"SmsLabel": "c"}, path="/api/v1/sms/pause")
    assert "2 labels paused" in problem(answer, "RateLimitExceeded")["Detail"]
    await told(centre, "pause", {"SmsLabel": "c"}, client=2)
    await told(centre, "resume", {"SmsLabel": "a"})
    await told(centre, "pause", {"SmsLabel": "c"})


async def test_a_client_pauses_and_resumes_no_faster_than_it_is_let_go(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_traffic, "SETTLING_MOST", 2)
    for label in ("a", "a"):
        await told(centre, "pause", {"SmsLabel": label})
        await told(centre, "resume", {"SmsLabel": label})
    answer = await centre.send({"SmsLabel": "a"}, path="/api/v1/sms/pause")
    assert "still being let go" in problem(answer, "RateLimitExceeded")["Detail"]
    await told(centre, "pause", {"SmsLabel": "a"}, client=2)
    while await continue_holds(centre.db, ReceiptWait()):
        pass
    await told(centre, "pause", {"SmsLabel": "a"})


async def test_who_paused_and_cancelled_is_in_the_audit_log(centre: Centre) -> None:
    answer = await centre.send({"SmsLabel": "spring"}, path="/api/v1/sms/pause")
    await told(centre, "resume", {"SmsLabel": "spring"})
    await told(centre, "cancel", {"SmsLabel": "spring"})
    entries = (await newest(centre.db, 4)).entries
    assert [(one.object_kind, one.actor_kind, one.actor_name) for one in entries] == [
        ("hold", "local", "payk"),
        ("cancel", "client", "demo"),
        ("hold", "client", "demo"),
        ("hold", "client", "demo"),
    ]
    assert (entries[3].actor_id, entries[3].request_id) == (1, answer.headers["x-request-id"])
    assert entries[3].address == "127.0.0.1"


async def test_what_is_cancelled_by_id_is_a_line_of_the_log(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = await sent(centre, 3)
    one = await delete(centre, first)
    await delete(centre, first)
    many = await centre.send({"MessageIds": [first, second, third]}, path="/api/v1/sms/cancel")
    await told(centre, "cancel", {"MessageIds": [second]})
    lines = [line for line in capsys.readouterr().out.splitlines() if "messages cancelled" in line]
    assert len(lines) == 2
    for line, answer, count in ((lines[0], one, 1), (lines[1], many, 2)):
        assert f"request_id={answer.headers['x-request-id']} " in line
        assert "client=demo" in line and f"messages={count}" in line
    assert f"message_id={first}" in lines[0]


# -- Idempotency-Key


async def test_a_command_under_a_key_is_carried_out_once(centre: Centre) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    await sent(centre, 2, SmsLabel="spring")
    first = await centre.send({"SmsLabel": "spring"}, path="/api/v1/sms/pause", **key)
    assert "x-payk-repeated" not in first.headers
    await told(centre, "resume", {"SmsLabel": "spring"})
    again = await centre.send({"SmsLabel": "spring"}, path="/api/v1/sms/Pause/", **key)
    assert (again.content, again.headers["x-payk-repeated"]) == (first.content, "true")
    assert await read_holds(centre.db) == []
    problem(await centre.send({"SmsLabel": "b"}, path="/api/v1/sms/pause", **key), "IdempotencyKeyReused")
    other = await centre.send({"SmsLabel": "spring"}, path="/api/v1/sms/cancel", **key)  # the path tells them apart
    assert (other.json()["Cancelled"], "x-payk-repeated" in other.headers) == (2, False)
    problem(
        await centre.send({"SmsLabel": "b"}, path="/api/v1/sms/pause", **{"Idempotency-Key": "a b"}),
        "IdempotencyKeyInvalid",
    )


async def test_commands_at_the_same_instant_get_one_answer(centre: Centre) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    ids = await sent(centre, 20)
    answers = await asyncio.gather(
        *(centre.send({"MessageIds": ids}, path="/api/v1/sms/cancel", **key) for _ in range(5))
    )
    assert {answer.content for answer in answers} == {b'{"Cancelled":20,"TooLate":0}'}
