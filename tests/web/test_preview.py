"""POST /api/v1/sms/preview: what would become of a message, told as it would then be done, and nothing is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payk.domain.limits import Limits
from payk.domain.message import Priority, SmsType
from payk.domain.operator import Link, LongText
from payk.domain.route import Route, RouteTable
from payk.store.balances import change_balance
from payk.store.blocked import What, block_numbers
from payk.store.database import Database
from payk.text import ConcatMethod, cost_of, segment
from tests.web.answers import problem
from tests.web.centre import MESSAGE, Centre, centre_on, store_registry

MEMBERS = [
    "PhoneNumber", "Encoding", "Parts", "Units", "CharactersLeft", "Ends", "ForcedBy", "Shorter", "Route", "Price",
    "Cost", "Rejections",
]  # fmt: skip


@pytest.fixture
async def centre(database: Database) -> AsyncIterator[Centre]:
    """A centre whose registry stands in the database too."""
    await store_registry(database)
    async with centre_on(database) as running:
        yield running


async def preview(centre: Centre, client: int = 1, **fields: Any) -> dict[str, Any]:
    answer = await centre.send(MESSAGE | fields, client=client, path="/api/v1/sms/preview")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert list(body) == MEMBERS
    return body


def codes(body: dict[str, Any]) -> list[tuple[str | None, str]]:
    return [(row["Field"], row["Code"]) for row in body["Rejections"]]


async def test_a_message_that_would_be_taken(centre: Centre) -> None:
    assert await preview(centre, PhoneNumber="+992 900 900-900", Text="Code: 12345", SenderAddress="alifbank") == {
        "PhoneNumber": "992900900900",
        "Encoding": "GSM7",
        "Parts": 1,
        "Units": 11,
        "CharactersLeft": 149,
        "Ends": [11],
        "ForcedBy": [],
        "Shorter": None,
        "Route": {
            "Prefix": "992",
            "Why": "No route with conditions fits, and of the others that fit its prefix is the longest.",
            "Operators": [
                {"Operator": "tcell", "Weight": 0, "Carries": True, "Why": None},
                {"Operator": "narrow", "Weight": 0, "Carries": True, "Why": None},
            ],
        },
        "Price": None,
        "Cost": None,
        "Rejections": [],
    }
    assert await centre.count() == 0


TEXTS = [
    "Code: 12345",
    "€" * 80,
    "€" * 81,
    "x" * 160,
    "x" * 161,
    "a“quoted” text",
    "Ваш код: 12345",
    "ы" * 70,
    "ы" * 71,
    "Тоҷикӣ " * 30,
    "👍🏽" * 40,
    "и\u0306" * 70,
    "line\r\n" * 60,
]


@pytest.mark.parametrize("text", TEXTS)
async def test_the_text_is_told_as_it_is_cut(centre: Centre, text: str) -> None:
    body, segmentation, cost = await preview(centre, Text=text), segment(text), cost_of(text)
    pieces = [part.text for part in segmentation.segments]
    assert (body["Encoding"], body["Parts"]) == (segmentation.encoding.upper(), len(pieces))
    assert [segmentation.text[a:b] for a, b in zip([0, *body["Ends"]], body["Ends"], strict=False)] == pieces
    assert body["Units"] == sum(part.units for part in segmentation.segments)
    assert body["CharactersLeft"] == cost.as_is.units_left
    forced = [(one.character, one.positions[0], len(one.positions)) for one in cost.forcing]
    assert [(one["Character"], one["At"], one["Count"]) for one in body["ForcedBy"]] == forced
    assert bool(forced) is (body["Encoding"] == "UCS2")
    if cost.cheapest.parts == cost.as_is.parts:
        assert body["Shorter"] is None
    else:
        shorter = body["Shorter"]
        assert (shorter["Text"], shorter["Parts"]) == (cost.cheapest.text, cost.cheapest.parts)
        again = await preview(centre, Text=shorter["Text"])
        for member in ("Encoding", "Parts", "Units", "CharactersLeft", "Ends"):
            assert again[member] == shorter[member]


async def test_as_many_parts_are_told_as_are_stored(centre: Centre) -> None:
    for text in TEXTS:
        body = await preview(centre, Text=text)
        message_id = (await centre.send(MESSAGE | {"Text": text})).json()["MessageId"]
        assert (await centre.row(message_id))["parts"] == body["Parts"]


def use(centre: Centre, link: Link) -> None:
    """Numbers of 992 go over this link."""
    known = centre.directory.value
    operators = {**known.operators, 1: replace(known.operators[1], links=(link,))}
    centre.directory.value = replace(known, operators=operators)


async def test_the_link_says_how_a_text_is_cut_and_encoded(centre: Centre) -> None:
    link = centre.directory.value.operators[1].links[0]
    text = "x" * 306
    assert (await preview(centre, Text=text))["Parts"] == 2
    use(centre, replace(link, long_text=LongText.UDH16))
    body = await preview(centre, Text=text)
    assert body["Parts"] == len(segment(text, method=ConcatMethod.UDH16).segments) == 3
    use(centre, replace(link, charset_map={8: "ucs2"}))
    body = await preview(centre, Text=text)
    assert (body["Encoding"], body["Parts"], body["ForcedBy"]) == ("UCS2", 5, [])


async def test_every_broken_rule_is_told(centre: Centre) -> None:
    broken = {
        "PhoneNumber": "12", "Text": "a\0", "SenderAddress": "Nobody", "Priority": 7, "SmsType": "fax",
        "ScheduledAt": "soon", "ExpiresIn": -1, "SmsLabel": "l" * 256, "ClientMessageId": "c" * 256,
    }  # fmt: skip
    body = await preview(centre, **broken)
    assert codes(body) == [
        ("PhoneNumber", "PhoneNumberInvalid"),
        ("Text", "TextInvalid"),
        ("SenderAddress", "SenderAddressNotAllowed"),
        ("Priority", "PriorityInvalid"),
        ("SmsType", "SmsTypeInvalid"),
        ("ScheduledAt", "ScheduledAtInvalid"),
        ("ExpiresIn", "ExpiresInInvalid"),
        ("SmsLabel", "SmsLabelTooLong"),
        ("ClientMessageId", "ClientMessageIdTooLong"),
    ]
    refused = (await centre.send(MESSAGE | broken)).json()
    assert {field: [code] for field, code in codes(body)} == refused["Errors"]
    assert " ".join(row["Detail"] for row in body["Rejections"]) == refused["Detail"]
    assert body["PhoneNumber"] is body["Encoding"] is body["Parts"] is body["Ends"] is body["Route"] is None


async def test_a_text_that_is_too_long_is_cut_all_the_same(centre: Centre) -> None:
    body = await preview(centre, client=5, Text="x" * 400)
    assert (codes(body), body["Parts"]) == ([("Text", "TextTooLong")], 3)
    body = await preview(centre, client=5, Text="x" * 100_000)
    assert (codes(body), body["Parts"]) == ([("Text", "TextTooLong")], None)


async def test_an_empty_message(centre: Centre) -> None:
    answer = await centre.send({}, path="/api/v1/sms/preview")
    assert [row["Code"] for row in answer.json()["Rejections"]] == [
        "PhoneNumberRequired", "TextRequired", "SenderAddressRequired", "SmsTypeRequired",
    ]  # fmt: skip


async def test_what_is_no_message_is_refused(centre: Centre) -> None:
    for body in (b"", b"[]", b"{", [MESSAGE]):
        problem(await centre.send(body, path="/api/v1/sms/preview"), "JsonInvalid")
    answer = await centre.send(b'{"Text":"' + b"x" * 300_000 + b'"}', path="/api/v1/sms/preview")
    problem(answer, "PayloadTooLarge")
    problem(await centre.send(MESSAGE, path="/api/v1/sms/preview", **{"X-Api-Key": "no"}), "Unauthorized")


async def test_limits_are_told_with_everything_else(centre: Centre) -> None:
    known = centre.directory.value
    limits = Limits(
        sms_types=frozenset({SmsType.OTP, SmsType.COMMON}), max_priority={SmsType.COMMON: Priority.NORMAL},
        destinations=("99293",), parts_per_day=1, number_per_hour=1, prepaid=True,
    )  # fmt: skip
    client = replace(known.clients[1], limits=replace(limits, destinations=()))
    routes = RouteTable([Route(1, "992", (1, 2), 1, price=5_000)])
    centre.directory.value = replace(known, clients={**known.clients, 1: client}, routes=routes, block_list=True)
    await change_balance(centre.db, "demo", 6_000, author="anna")
    common = {"SmsType": 1, "Text": "ы" * 71}
    body = await preview(centre, SmsType=1)
    assert (body["Price"], body["Cost"], codes(body)) == ("0.5", "0.5", [])
    assert (await centre.send(MESSAGE | {"SmsType": 1})).status_code == 200
    await block_numbers(centre.db, ["992900900900"], client=None, what=What.EVERYTHING, reason="", author="anna")
    client = replace(client, limits=limits)
    centre.directory.value = replace(centre.directory.value, clients={**known.clients, 1: client})
    body = await preview(centre, **common, Priority=2, SenderAddress="Nobody")
    assert (body["Price"], body["Cost"]) == ("0.5", "1")
    assert codes(body) == [
        ("PhoneNumber", "DestinationNotAllowed"),
        ("PhoneNumber", "PhoneNumberBlocked"),
        ("PhoneNumber", "NumberLimitExceeded"),
        ("SenderAddress", "SenderAddressNotAllowed"),
        ("Priority", "PriorityNotAllowed"),
        (None, "QuotaExceeded"),
        (None, "BalanceInsufficient"),
    ]
    assert codes(await preview(centre, SmsType=3, PhoneNumber="992930000001")) == [
        ("SmsType", "SmsTypeNotAllowed"), (None, "QuotaExceeded"), (None, "BalanceInsufficient"),
    ]  # fmt: skip
    async with centre.db.connection() as connection:  # nothing of it was counted
        assert await connection.fetchval("select sum(count) from number_use") == 1
        assert await connection.fetchval("select amount from client_balance where client_id = 1") == 1_000
    assert await centre.count() == 1


async def test_of_routes_the_one_that_is_taken_is_told_and_none_of_others(centre: Centre) -> None:
    known = centre.directory.value
    routes = RouteTable(
        [
            Route(1, "992", (1, 2), 1),
            Route(2, "9929", (2, 1), 2, client_id=2),
            Route(3, "99290", (2, 1), 2, client_id=1),
        ]
    )
    centre.directory.value = replace(known, routes=routes)
    body = await preview(centre)
    assert body["Route"]["Prefix"] == "99290" and "names the client" in body["Route"]["Why"]
    assert [row["Operator"] for row in body["Route"]["Operators"]] == ["narrow", "tcell"]
    assert "wild" not in str(body)
    body = await preview(centre, PhoneNumber="79161234567")
    assert (codes(body), body["Route"]) == ([("PhoneNumber", "PhoneNumberNotRoutable")], None)


async def test_a_preview_under_a_key_keeps_no_text(centre: Centre) -> None:
    key = {"Idempotency-Key": "preview-1"}
    text = MESSAGE | {"Text": "Ваш код: 12345, никому его не говорите, даже сотрудникам банка, никогда"}
    first = await centre.send(text, path="/api/v1/sms/preview", **key)
    assert first.json()["Shorter"] is not None
    again = await centre.send(text, path="/api/v1/sms/preview", **key)
    assert (again.content, again.headers["x-payk-repeated"]) == (first.content, "true")
    problem(await centre.send(MESSAGE, path="/api/v1/sms/preview", **key), "IdempotencyKeyReused")
    async with centre.db.connection() as connection:
        assert await connection.fetchval("select answer from kept_answer") == b""


async def test_a_schedule_is_judged_too(centre: Centre) -> None:
    far = datetime.now(UTC) + timedelta(days=400)
    assert codes(await preview(centre, ScheduledAt=far.isoformat())) == [("ScheduledAt", "ScheduledAtTooFar")]
