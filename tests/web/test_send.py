"""POST /api/v1/sms: the documented answer, what is stored, and every rule of every field."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payk.domain.message import MessageState
from tests.web.answers import problem
from tests.web.centre import MESSAGE, Centre

pytestmark = pytest.mark.asyncio(loop_scope="module")

ABSENT = ...
"""Stands for a member that is left out."""


def message(**changes: Any) -> dict[str, Any]:
    """The documented message with members changed or left out."""
    return {name: value for name, value in {**MESSAGE, **changes}.items() if value is not ABSENT}


async def test_the_documented_request_gets_the_documented_answer(centre: Centre) -> None:
    response = await centre.send(MESSAGE)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["x-request-id"]
    body = response.json()
    assert list(body.items()) == [("MessageId", body["MessageId"]), ("MessageResult", "OK"), ("MessageError", False)]
    assert re.fullmatch("[0-9]+", body["MessageId"])
    row = await centre.row(body["MessageId"])
    assert (row["client_id"], row["phone"], row["sender"]) == (1, "992900900900", "AlifBank")
    assert (row["text"], row["parts"], row["queue_id"]) == ("Ваш код: 12345", 1, 1)
    assert (row["sms_type"], row["priority"], row["state"]) == (2, 1, MessageState.NONE)
    assert row["scheduled_at"] is row["expires_at"] is row["label"] is row["client_message_id"] is None


async def test_every_field_is_stored(centre: Centre) -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    response = await centre.send(
        message(
            SmsType=3,
            Priority=2,
            ScheduledAt=at.isoformat(),
            ExpiresIn=60,
            SmsLabel="весна",
            ClientMessageId="order-17",
        )
    )
    row = await centre.row(response.json()["MessageId"])
    assert (row["sms_type"], row["priority"]) == (3, 2)
    assert (row["scheduled_at"], row["expires_at"]) == (at, at + timedelta(seconds=60))
    assert (row["label"], row["client_message_id"]) == ("весна", "order-17")


async def test_ids_grow_and_refused_requests_use_none_up(centre: Centre) -> None:
    first = int((await centre.send(MESSAGE)).json()["MessageId"])
    for _ in range(3):
        problem(await centre.send(message(Text="")), "TextRequired")
    assert int((await centre.send(MESSAGE)).json()["MessageId"]) == first + 1


async def test_a_text_is_stored_in_nfc_and_its_parts_are_counted(centre: Centre) -> None:
    decomposed = "и\u0306" * 100  # й, two code points each
    row = await centre.row((await centre.send(message(Text=decomposed))).json()["MessageId"])
    assert (row["text"], row["parts"]) == ("й" * 100, 2)


async def test_a_sender_is_stored_as_registered(centre: Centre) -> None:
    row = await centre.row((await centre.send(message(SenderAddress="olami ASHYO"))).json()["MessageId"])
    assert row["sender"] == "Olami Ashyo"


INTEGRATIONS = [
    {
        "PhoneNumber": "992900900900",
        "SenderAddress": "AlifBank",
        "text": "...",
        "priority": 2,
        "ExpiresIn": 0,
        "sms_type": 1,
    },
    {"PhoneNumber": "900900900", "text": "...", "SenderAddress": "AlifBank"},
    {"phoneNumber": "+992 90 090-09-00", "text": "...", "senderAddress": "AlifBank", "smsType": "Otp"},
    {"phone_number": 992900900900, "TEXT": "...", "sender_address": "AlifBank", "SMS_TYPE": "1", "sms_label": ""},
    {**MESSAGE, "ScheduledAt": "0001-01-01T00:00:00", "ClientMessageId": None, "SmsLabel": "  "},
    {**MESSAGE, "Priority": 2.0, "ExpiresIn": "30", "ClientMessageId": 17, "Extra": {"deeply": ["nested"]}},
]


@pytest.mark.parametrize("body", INTEGRATIONS)
@pytest.mark.parametrize("path", ["/api/v1/sms", "/api/v1/Sms", "/api/v1/sms/"])
async def test_bodies_of_integrations_in_production_are_taken(centre: Centre, body: Any, path: str) -> None:
    response = await centre.send(body, client=2, path=path)
    assert response.status_code == 200, response.text
    assert (await centre.row(response.json()["MessageId"]))["phone"] == "992900900900"


async def test_a_national_number_that_begins_like_the_country_gets_the_country(centre: Centre) -> None:
    response = await centre.send(message(PhoneNumber="992123456"), client=2)
    assert (await centre.row(response.json()["MessageId"]))["phone"] == "992992123456"
    problem(await centre.send(message(PhoneNumber="992123456")), "PhoneNumberInvalid")


async def test_scheduled_for_now_with_a_short_expiry_is_taken_whatever_the_callers_clock(centre: Centre) -> None:
    for behind in (0, 30):
        now = datetime.now(UTC) - timedelta(seconds=behind)
        at = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z"
        response = await centre.send(message(ScheduledAt=at, ExpiresIn=10, Priority=1))
        row = await centre.row(response.json()["MessageId"])
        assert row["expires_at"] - row["accepted_at"] == timedelta(seconds=10)


RULES: list[tuple[dict[str, Any], str]] = [
    ({"PhoneNumber": ABSENT}, "PhoneNumberRequired"),
    ({"PhoneNumber": None}, "PhoneNumberRequired"),
    ({"PhoneNumber": ""}, "PhoneNumberRequired"),
    ({"PhoneNumber": " \t"}, "PhoneNumberRequired"),
    ({"PhoneNumber": "AlifBank"}, "PhoneNumberInvalid"),
    ({"PhoneNumber": "123456"}, "PhoneNumberInvalid"),
    ({"PhoneNumber": "1234567890123456"}, "PhoneNumberInvalid"),
    ({"PhoneNumber": "0992900900900"}, "PhoneNumberInvalid"),
    ({"PhoneNumber": "99290090090"}, "PhoneNumberInvalid"),
    ({"PhoneNumber": "9929009009000"}, "PhoneNumberInvalid"),
    ({"PhoneNumber": "900900900"}, "PhoneNumberNotRoutable"),
    ({"PhoneNumber": ["992900900900"]}, "PhoneNumberInvalid"),
    ({"PhoneNumber": True}, "PhoneNumberInvalid"),
    ({"PhoneNumber": 9929009009.5}, "PhoneNumberInvalid"),
    ({"PhoneNumber": 1e300}, "PhoneNumberInvalid"),
    ({"PhoneNumber": 10**500}, "PhoneNumberInvalid"),
    ({"PhoneNumber": "+79161234567"}, "PhoneNumberNotRoutable"),
    ({"Text": ABSENT}, "TextRequired"),
    ({"Text": None}, "TextRequired"),
    ({"Text": ""}, "TextRequired"),
    ({"Text": " \n\t\u00a0"}, "TextRequired"),
    ({"Text": "a\0b"}, "TextInvalid"),
    ({"Text": "a\ud800b"}, "TextInvalid"),
    ({"Text": "\ude00"}, "TextInvalid"),
    ({"Text": 12345}, "TextInvalid"),
    ({"Text": {"a": "b"}}, "TextInvalid"),
    ({"Text": "x" * (20 * 153 + 1)}, "TextTooLong"),
    ({"Text": "я" * (20 * 67 + 1)}, "TextTooLong"),
    ({"Text": "я" * 20_000}, "TextTooLong"),
    ({"SenderAddress": ABSENT}, "SenderAddressRequired"),
    ({"SenderAddress": None}, "SenderAddressRequired"),
    ({"SenderAddress": "  "}, "SenderAddressRequired"),
    ({"SenderAddress": "SixteenLettersXY"}, "SenderAddressTooLong"),
    ({"SenderAddress": "Alif@Bank"}, "SenderAddressInvalid"),
    ({"SenderAddress": "Алиф"}, "SenderAddressInvalid"),
    ({"SenderAddress": "AlifBank "}, "SenderAddressInvalid"),
    ({"SenderAddress": 4545}, "SenderAddressInvalid"),
    ({"SenderAddress": "Foo"}, "SenderAddressNotAllowed"),
    ({"PhoneNumber": "998901234567", "SenderAddress": "FifteenLettersX"}, "SenderAddressTooLong"),
    ({"Priority": 3}, "PriorityInvalid"),
    ({"Priority": -1}, "PriorityInvalid"),
    ({"Priority": 1.5}, "PriorityInvalid"),
    ({"Priority": "Urgent"}, "PriorityInvalid"),
    ({"Priority": False}, "PriorityInvalid"),
    ({"Priority": []}, "PriorityInvalid"),
    ({"SmsType": ABSENT}, "SmsTypeRequired"),
    ({"SmsType": None}, "SmsTypeRequired"),
    ({"SmsType": ""}, "SmsTypeRequired"),
    ({"SmsType": 0}, "SmsTypeInvalid"),
    ({"SmsType": 4}, "SmsTypeInvalid"),
    ({"SmsType": 10**400}, "SmsTypeInvalid"),
    ({"SmsType": "Sms"}, "SmsTypeInvalid"),
    ({"SmsType": {}}, "SmsTypeInvalid"),
    ({"ScheduledAt": "tomorrow"}, "ScheduledAtInvalid"),
    ({"ScheduledAt": "2025-02-30T10:20:30Z"}, "ScheduledAtInvalid"),
    ({"ScheduledAt": 1739787630}, "ScheduledAtInvalid"),
    ({"ScheduledAt": "9999-12-31T00:00:00Z"}, "ScheduledAtTooFar"),
    ({"ExpiresIn": -1}, "ExpiresInInvalid"),
    ({"ExpiresIn": 1.5}, "ExpiresInInvalid"),
    ({"ExpiresIn": "soon"}, "ExpiresInInvalid"),
    ({"ExpiresIn": True}, "ExpiresInInvalid"),
    ({"SmsLabel": "x" * 256}, "SmsLabelTooLong"),
    ({"SmsLabel": ["x"]}, "JsonInvalid"),
    ({"SmsLabel": "a\0b"}, "JsonInvalid"),
    ({"ClientMessageId": "x" * 256}, "ClientMessageIdTooLong"),
    ({"ClientMessageId": {}}, "JsonInvalid"),
    ({"ClientMessageId": "\ud800"}, "JsonInvalid"),
]


def _row_name(value: object) -> str | None:
    return json.dumps({name: repr(v)[:24] for name, v in value.items()}) if isinstance(value, dict) else None


@pytest.mark.parametrize(("changes", "code"), RULES, ids=_row_name)
async def test_a_broken_rule_has_its_code(centre: Centre, changes: dict[str, Any], code: str) -> None:
    before = await centre.count()
    response = await centre.send(message(**changes))
    body = problem(response, code)
    field = "SenderAddress" if code == "SenderAddressTooLong" else next(iter(changes))
    assert body["Errors"] == {field: [code]}
    assert body["Retryable"] is False
    assert await centre.count() == before


KEPT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"Text": "x" * 160}, {"parts": 1}),
    ({"Text": "x" * 161}, {"parts": 2}),
    ({"Text": "x" * (20 * 153)}, {"parts": 20}),
    ({"Text": "я" * (20 * 67)}, {"parts": 20}),
    ({"SenderAddress": "FifteenLettersX"}, {"sender": "FifteenLettersX"}),
    ({"PhoneNumber": "998901234567", "SenderAddress": "Olami Ashyo"}, {"queue_id": 2}),
    ({"PhoneNumber": "998901234567", "SenderAddress": "1234567890123"}, {"sender": "1234567890123"}),
    ({"Priority": 0}, {"priority": 0}),
    ({"Priority": "High"}, {"priority": 2}),
    ({"Priority": "low"}, {"priority": 0}),
    ({"Priority": None}, {"priority": 1}),
    ({"SmsType": "Batch"}, {"sms_type": 3}),
    ({"SmsType": " 1 "}, {"sms_type": 1}),
    ({"SmsType": 3.0}, {"sms_type": 3}),
    ({"ScheduledAt": "2020-02-17T10:20:30Z"}, {"scheduled_at": None}),
    ({"ScheduledAt": "0001-01-01T00:00:00+05:00"}, {"scheduled_at": None}),
    ({"ScheduledAt": ""}, {"scheduled_at": None}),
    ({"ExpiresIn": 0}, {"expires_at": None}),
    ({"ExpiresIn": " "}, {"expires_at": None}),
    ({"SmsLabel": "я" * 255}, {"label": "я" * 255}),
    ({"SmsLabel": 2025}, {"label": "2025"}),
    ({"ClientMessageId": "x" * 255}, {"client_message_id": "x" * 255}),
    ({"ClientMessageId": 10**30}, {"client_message_id": str(10**30)}),
]


@pytest.mark.parametrize(("changes", "stored"), KEPT, ids=_row_name)
async def test_what_a_rule_allows_is_taken(centre: Centre, changes: dict[str, Any], stored: dict[str, Any]) -> None:
    response = await centre.send(message(**changes))
    assert response.status_code == 200, response.text
    row = await centre.row(response.json()["MessageId"])
    assert {name: row[name] for name in stored} == stored


@pytest.mark.parametrize("expires_in", [30 * 86_400, 30 * 86_400 + 1, 10**12, 1e300])
async def test_expires_in_is_at_most_30_days(centre: Centre, expires_in: float) -> None:
    row = await centre.row((await centre.send(message(ExpiresIn=expires_in))).json()["MessageId"])
    assert row["expires_at"] - row["accepted_at"] == timedelta(days=30)


async def test_a_client_may_have_fewer_parts(centre: Centre) -> None:
    assert (await centre.send(message(Text="x" * 306), client=5)).status_code == 200
    body = problem(await centre.send(message(Text="x" * 307), client=5), "TextTooLong")
    assert "2" in body["Detail"]


async def test_the_refusal_of_a_missing_type_names_the_setting(centre: Centre) -> None:
    body = problem(await centre.send(message(SmsType=ABSENT)), "SmsTypeRequired")
    assert "default_sms_type" in body["Detail"]


async def test_the_refusal_of_a_sender_tells_whose_names_were_searched(centre: Centre) -> None:
    body = problem(await centre.send(message(SenderAddress="Foo")), "SenderAddressNotAllowed")
    assert body["Detail"] == "SenderAddress 'Foo' is not among the 6 names registered for client 'demo'."
    assert body["Title"] == "Sender address is not registered for this client"


async def test_all_broken_fields_are_told_and_the_first_gives_code_and_status(centre: Centre) -> None:
    body = problem(
        await centre.send({"ClientMessageId": "x" * 256, "Priority": 9, "SenderAddress": "Foo", "PhoneNumber": "7"}),
        "PhoneNumberInvalid",
    )
    assert list(body["Errors"].items()) == [
        ("PhoneNumber", ["PhoneNumberInvalid"]),
        ("Text", ["TextRequired"]),
        ("SenderAddress", ["SenderAddressNotAllowed"]),
        ("Priority", ["PriorityInvalid"]),
        ("SmsType", ["SmsTypeRequired"]),
        ("ClientMessageId", ["ClientMessageIdTooLong"]),
    ]
    forbidden_first = await centre.send(message(SenderAddress="Foo", Priority=9))
    problem(forbidden_first, "SenderAddressNotAllowed")


async def test_no_detail_quotes_a_text(centre: Centre) -> None:
    secret = "пароль 4711\0"
    response = await centre.send(message(Text=secret, SmsType=7))
    assert "4711" not in response.text
    assert "4711" not in (await centre.send(message(Text="4711" * 1000))).text


# ------------------------------------------------------------------------------------------------------------- repeats


async def test_a_repeated_client_message_id_gets_the_first_answer(centre: Centre) -> None:
    body = message(ClientMessageId="repeat-1")
    first, second = await centre.send(body), await centre.send({**body, "Priority": 2, "SmsLabel": "other"})
    assert second.status_code == 200
    assert second.json() == first.json()
    assert second.headers["x-payk-repeated"] == "true"
    assert "x-payk-repeated" not in first.headers


@pytest.mark.parametrize(
    "changes",
    [
        {"PhoneNumber": "992900900901"},
        {"Text": "другой"},
        {"SenderAddress": "AlifSarmoya"},
        {"ScheduledAt": "2020-01-01T00:00:00Z"},
        {"ClientMessageId": "another"},
        {"ClientMessageId": None},
    ],
)
async def test_what_differs_is_a_new_message(centre: Centre, changes: dict[str, Any]) -> None:
    body = message(ClientMessageId=f"new-{json.dumps(changes)}")
    first, second = await centre.send(body), await centre.send({**body, **changes})
    assert second.status_code == 200
    assert second.json()["MessageId"] != first.json()["MessageId"]
    assert "x-payk-repeated" not in second.headers


async def test_the_same_message_spelled_differently_is_a_repeat(centre: Centre) -> None:
    body = message(ClientMessageId="spelled", Text="Бой", ScheduledAt="2020-01-01T05:00:00+05:00")
    first = await centre.send(body)
    spelled = {
        **body,
        "PhoneNumber": "+992 (900) 900-900",
        "Text": "Бои\u0306",
        "SenderAddress": "ALIFBANK",
        "ScheduledAt": "2020-01-01 00:00:00.000",
    }
    second = await centre.send(spelled)
    assert second.json() == first.json()
    assert second.headers["x-payk-repeated"] == "true"


async def test_an_id_repeats_within_one_client_only(centre: Centre) -> None:
    body = message(ClientMessageId="shared")
    first, second = await centre.send(body), await centre.send(body, client=3)
    assert first.json()["MessageId"] != second.json()["MessageId"]


async def test_a_client_whose_window_is_zero_repeats_nothing(centre: Centre) -> None:
    body = message(ClientMessageId="never")
    first, second = await centre.send(body, client=6), await centre.send(body, client=6)
    assert first.json()["MessageId"] != second.json()["MessageId"]


async def test_a_repeat_window_recognises_requests_without_an_id(centre: Centre) -> None:
    first, second = await centre.send(MESSAGE, client=7), await centre.send(MESSAGE, client=7)
    assert second.json() == first.json()
    assert second.headers["x-payk-repeated"] == "true"
    third = await centre.send({**MESSAGE, "ClientMessageId": "with-id"}, client=7)
    assert third.json()["MessageId"] != first.json()["MessageId"]
    demo = await centre.send(MESSAGE), await centre.send(MESSAGE)
    assert demo[0].json() != demo[1].json()


@pytest.mark.parametrize("state", [3, 4, 5, 8])
async def test_a_first_that_failed_is_sent_again(centre: Centre, state: int) -> None:
    body = message(ClientMessageId=f"failed-{state}")
    first = (await centre.send(body)).json()["MessageId"]
    async with centre.db.connection() as connection:
        await connection.execute(
            "update message set state = $2, done_at = now() where message_id = $1", int(first), state
        )
    second = await centre.send(body)
    assert second.json()["MessageId"] != first
    assert "x-payk-repeated" not in second.headers
