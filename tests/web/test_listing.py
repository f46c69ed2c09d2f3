"""GET /api/v1/sms: a client's own messages, found by what is known of them, in pages that follow each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payk.domain.message import MessageState
from payk.store.database import Database
from tests.web.answers import problem
from tests.web.centre import MESSAGE, Centre, centre_on, key_of, store_registry

MEMBERS = [
    "MessageId", "ClientMessageId", "PhoneNumber", "SenderAddress", "SmsType", "Priority", "SmsLabel", "MessageState",
    "Reason", "Parts", "Operator", "DateSubmitted", "ScheduledAt", "ExpiresAt", "DateSent", "DateDone",
]  # fmt: skip


@pytest.fixture
async def centre(database: Database) -> AsyncIterator[Centre]:
    """A centre whose registry stands in the database too."""
    await store_registry(database)
    async with centre_on(database) as running:
        yield running


async def page(centre: Centre, query: str = "", client: int = 1) -> dict[str, Any]:
    answer = await centre.http.get(f"/api/v1/sms{query}", headers={"X-Api-Key": key_of(client)})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def ids(centre: Centre, query: str = "", client: int = 1) -> list[str]:
    return [row["MessageId"] for row in (await page(centre, query, client))["Messages"]]


async def sent(centre: Centre, client: int = 1, **fields: Any) -> str:
    answer = await centre.send(MESSAGE | fields, client=client)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["MessageId"])


async def set_row(centre: Centre, message_id: str, assignment: str) -> None:
    async with centre.db.connection() as connection:
        await connection.execute(f"update message set {assignment} where message_id = $1", int(message_id))


async def test_a_row_holds_everything_but_the_text(centre: Centre) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    message_id = await sent(
        centre, Text="ы" * 100, Priority=2, SmsType=1, ScheduledAt=due.isoformat(), ExpiresIn=60,
        SmsLabel="spring", ClientMessageId="order-17",
    )  # fmt: skip
    found = await page(centre)
    assert list(found) == ["Messages", "Cursor"] and found["Cursor"] is None
    [row] = found["Messages"]
    assert list(row) == MEMBERS
    submitted = row.pop("DateSubmitted")
    assert abs(datetime.fromisoformat(submitted).replace(tzinfo=UTC) - datetime.now(UTC)) < timedelta(seconds=10)
    assert row == {
        "MessageId": message_id,
        "ClientMessageId": "order-17",
        "PhoneNumber": "992900900900",
        "SenderAddress": "AlifBank",
        "SmsType": 1,
        "Priority": 2,
        "SmsLabel": "spring",
        "MessageState": "None",
        "Reason": None,
        "Parts": 2,
        "Operator": None,
        "ScheduledAt": f"{due:%Y-%m-%dT%H:%M:%S}",
        "ExpiresAt": f"{due + timedelta(seconds=60):%Y-%m-%dT%H:%M:%S}",
        "DateSent": None,
        "DateDone": None,
    }


async def test_what_became_of_it_is_shown(centre: Centre) -> None:
    message_id = await sent(centre)
    moment = "'2025-02-17T10:22:00.9Z'"
    await set_row(centre, message_id, f"state = 2, operator_id = 1, submitted_at = {moment}, done_at = {moment}")
    [row] = (await page(centre))["Messages"]
    assert (row["MessageState"], row["Operator"]) == ("Delivered", "tcell")
    assert row["DateSent"] == row["DateDone"] == "2025-02-17T10:22:00"


async def test_why_it_failed_is_shown(centre: Centre) -> None:
    message_id = await sent(centre)
    await set_row(centre, message_id, "reason = 'refused: RSYSERR'")  # a part was refused; the others are open
    [row] = (await page(centre))["Messages"]
    assert row["Reason"] is None
    await set_row(centre, message_id, "state = 8, done_at = now()")
    [row] = (await page(centre))["Messages"]
    assert (row["MessageState"], row["Reason"]) == ("Rejected", "refused: RSYSERR")
    await set_row(centre, message_id, "state = 2")
    [row] = (await page(centre))["Messages"]
    assert row["Reason"] is None


async def test_pages_follow_each_other_newest_first(centre: Centre) -> None:
    answer = await centre.bulk([MESSAGE | {"Text": str(number)} for number in range(7)], query="?MessageIds=true")
    newest_first = answer.json()["MessageIds"][::-1]
    found, cursor = [], ""
    for _ in range(3):
        one = await page(centre, f"?Limit=3&Cursor={cursor}")
        found.append([row["MessageId"] for row in one["Messages"]])
        if cursor == "":
            await sent(centre)  # what comes meanwhile shifts no page
        cursor = one["Cursor"]
    assert found == [newest_first[:3], newest_first[3:6], newest_first[6:]]
    assert cursor is None


async def test_of_other_clients_nothing_is_shown(centre: Centre) -> None:
    await sent(centre, SmsLabel="spring", ClientMessageId="a")
    own = await sent(centre, client=2, SmsLabel="spring", ClientMessageId="a")
    for query in ("", "?SmsLabel=spring", "?ClientMessageId=a", "?PhoneNumber=992900900900"):
        assert await ids(centre, query, client=2) == [own]
    assert await ids(centre, client=3) == []


FILTERS = [
    ("PhoneNumber=992900900901", [1]),
    ("PhoneNumber=%2B992%20900%20900-901", [1]),
    ("phone_number=992900900901&PHONENUMBER=992900900902", [2]),
    ("ClientMessageId=order-2", [2]),
    ("SmsLabel=spring", [2, 1]),
    ("SmsLabel=%D0%B2%D0%B5%D1%81%D0%BD%D0%B0", [3]),
    ("SmsLabel=spring&SmsType=Batch", [2]),
    ("SenderAddress=alifsarmoya", [3]),
    ("SmsType=3", [2]),
    ("SmsType=batch", [2]),
    ("State=Delivered", [1]),
    ("State=delivered", [1]),
    ("State=2", [1]),
    ("State=None", [3, 2]),
    ("From=2025-02-18", [3, 2]),
    ("From=2025-02-17T10:20:30Z&To=2025-02-17T10:20:31Z", [1]),
    ("From=2025-02-17T15:20:30%2B05:00&To=2025-02-18", [1]),
    ("From=2025-02-17T15:20:30+05:00&To=2025-02-18", [1]),
    ("To=2025-02-17T10:20:30", []),
    ("From=0001-01-01&To=9999-12-31", [3, 2, 1]),
    ("SmsLabel=none", []),
    ("SmsLabel=&State=%20&Unknown=1", [3, 2, 1]),
    ("Limit=2", [3, 2]),
    ("Cursor=0", []),
]


async def test_each_filter_finds_what_it_names(centre: Centre) -> None:
    messages = {
        1: await sent(centre, PhoneNumber="992900900901", SmsLabel="spring"),
        2: await sent(centre, PhoneNumber="992900900902", SmsLabel="spring", SmsType=3, ClientMessageId="order-2"),
        3: await sent(centre, PhoneNumber="992900900903", SmsLabel="весна", SenderAddress="AlifSarmoya"),
    }
    await set_row(centre, messages[1], "state = 2, accepted_at = '2025-02-17T10:20:30Z', done_at = now()")
    async with centre.db.connection() as connection:  # the times are found by the ids
        await connection.execute("update message set accepted_at = '2025-02-17T10:20:30Z' where message_id < $1",
                                 int(messages[2]))  # fmt: skip
    for query, numbers in FILTERS:
        assert await ids(centre, f"?{query}") == [messages[number] for number in numbers], query


@pytest.mark.parametrize("state", list(MessageState))
async def test_every_state_can_be_asked_for(centre: Centre, state: MessageState) -> None:
    message_id = await sent(centre)
    final = state not in (MessageState.NONE, MessageState.ENROUTE, MessageState.ACCEPTED)
    await set_row(centre, message_id, f"state = {int(state)}, done_at = {'now()' if final else 'null'}")
    for other in MessageState:
        assert await ids(centre, f"?State={other.label}") == ([message_id] if other is state else [])


WRONG = [
    ("PhoneNumber=12", "PhoneNumber"),
    ("SmsType=4", "SmsType"),
    ("SmsType=fax", "SmsType"),
    ("State=Sent", "State"),
    ("State=9", "State"),
    ("From=yesterday", "From"),
    ("To=2025-13-01", "To"),
    ("From=2025-02-18&To=2025-02-17", "To"),
    ("Limit=0", "Limit"),
    ("Limit=1001", "Limit"),
    ("Limit=ten", "Limit"),
    ("Limit=-1", "Limit"),
    ("Cursor=abc", "Cursor"),
    (f"Cursor={'9' * 30}", "Cursor"),
    (f"SmsLabel={'a' * 256}", "SmsLabel"),
    ("SmsLabel=a%00", "SmsLabel"),
    ("ClientMessageId=a%00", "ClientMessageId"),
    ("SenderAddress=a%00", "SenderAddress"),
]


@pytest.mark.parametrize(("query", "name"), WRONG)
async def test_what_a_parameter_cannot_be_is_told(centre: Centre, query: str, name: str) -> None:
    body = problem(await centre.http.get(f"/api/v1/sms?{query}"), "ParameterInvalid")
    assert body["Errors"] == {name: ["ParameterInvalid"]}
    assert body["Detail"].startswith(f"{name}: ")
    assert "CommandStatus" not in body


ASKED = [
    ("/api/v1/sms", "SmsType", "Fax", "'Fax' is none of 1 (Common), 2 (Otp), 3 (Batch)"),
    ("/api/v1/sms", "State", "9", "'9' is none of 0 (None), 1 (Enroute), 2 (Delivered), "),
    ("/api/v1/reports", "SmsType", "Fax", "'Fax' is none of 1 (Common), 2 (Otp), 3 (Batch)"),
    ("/api/v1/reports/messages", "State", "9", "'9' is none of 0 (None), 1 (Enroute), 2 (Delivered), "),
]


@pytest.mark.parametrize(("path", "name", "written", "told"), ASKED)
async def test_lists_and_reports_say_alike_which_types_and_states_there_are(
    centre: Centre, path: str, name: str, written: str, told: str
) -> None:
    answer = await centre.http.get(path, params={name: written, "SmsLabel": "spring"})
    assert problem(answer, "ParameterInvalid")["Detail"].startswith(f"{name}: {told}")
    for same in ("Batch", " bATCH", "3") if name == "SmsType" else ("Delivered", "deliVered ", "2"):
        assert (await centre.http.get(path, params={name: same, "SmsLabel": "spring"})).status_code == 200


async def test_too_many_parameters_are_refused(centre: Centre) -> None:
    problem(await centre.http.get(f"/api/v1/sms?{'&'.join(['a=1'] * 101)}"), "ParameterInvalid")


async def test_the_list_has_no_slash_at_its_end(centre: Centre) -> None:
    message_id = await sent(centre)
    problem(await centre.http.get("/api/v1/sms/"), "MessageIdInvalid")
    assert await ids(centre) == [message_id]
    assert (await centre.http.get("/API/v1/SMS")).json() == await page(centre)
    head = await centre.http.head("/api/v1/sms")
    assert (head.status_code, head.content) == (200, b"")
    problem(await centre.http.get("/api/v1/sms", headers={"X-Api-Key": "no"}), "Unauthorized")
