"""POST /api/v1/sms/bulk."""

from __future__ import annotations

import json
from typing import Any

import pytest

from payk.web.api.splitting import BULK_ITEMS
from tests.web.answers import problem
from tests.web.centre import MESSAGE, Centre

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCUMENTED = [
    {
        "PhoneNumber": "992900900900",
        "Text": "Уважаемый клиент, напоминаем о предстоящем платеже.",
        "SenderAddress": "AlifBank",
        "SmsType": 1,
    },
    {
        "PhoneNumber": "992988776655",
        "Text": "Ваша заявка принята в обработку.",
        "SenderAddress": "AlifSarmoya",
        "SmsType": 1,
    },
]


def item(number: int, **changes: Any) -> dict[str, Any]:
    return {**MESSAGE, "PhoneNumber": f"99290{number:07}", **changes}


async def test_the_documented_request_gets_the_documented_answer(centre: Centre) -> None:
    response = await centre.bulk(DOCUMENTED)
    assert response.status_code == 200
    assert response.content == b'{"Added":2}'
    assert response.headers["content-type"] == "application/json; charset=utf-8"


async def test_the_messages_are_stored_in_one_transaction_in_order(centre: Centre) -> None:
    ids = (await centre.bulk(DOCUMENTED, query="?MessageIds=true")).json()["MessageIds"]
    assert [int(one) for one in ids] == sorted(int(one) for one in ids)
    async with centre.db.connection() as connection:
        rows = await connection.fetch(
            "select phone, text, sender, xmin::text as xid from message where message_id = any($1) order by message_id",
            [int(one) for one in ids],
        )
    assert [row["phone"] for row in rows] == [message["PhoneNumber"] for message in DOCUMENTED]
    assert [row["text"] for row in rows] == [message["Text"] for message in DOCUMENTED]
    assert len({row["xid"] for row in rows}) == 1


async def test_an_empty_array_adds_nothing(centre: Centre) -> None:
    response = await centre.bulk([])
    assert (response.status_code, response.json()) == (200, {"Added": 0})
    assert (await centre.bulk([], query="?MessageIds=true")).json() == {"Added": 0, "MessageIds": []}


async def test_bad_items_do_not_spoil_good_ones(centre: Centre) -> None:
    before = await centre.count()
    response = await centre.bulk(
        [
            item(1),
            item(2, PhoneNumber="992"),
            17,
            item(4, Text="", SenderAddress="Foo"),
            item(5, sms_type="Batch"),
            item(6, Text="\ud83d"),
        ],
        query="?MessageIds=true",
    )
    assert response.status_code == 200
    body = response.json()
    assert list(body) == ["Added", "Rejected", "Rejections", "MessageIds"]
    assert (body["Added"], body["Rejected"]) == (2, 4)
    assert [list(row) for row in body["Rejections"]] == [["Index", "Code", "Detail"]] * 4
    assert [(row["Index"], row["Code"]) for row in body["Rejections"]] == [
        (1, "PhoneNumberInvalid"),
        (2, "JsonInvalid"),
        (3, "TextRequired"),
        (5, "TextInvalid"),
    ]
    assert all(row["Detail"] for row in body["Rejections"])
    ids = body["MessageIds"]
    assert [one is None for one in ids] == [False, True, True, True, False, True]
    assert (await centre.row(ids[4]))["phone"] == "992900000005"
    assert await centre.count() == before + 2


async def test_without_the_query_there_are_no_ids(centre: Centre) -> None:
    response = await centre.bulk([item(1), item(2, Priority=7)])
    assert set(response.json()) == {"Added", "Rejected", "Rejections"}


@pytest.mark.parametrize("query", ["?MessageIds=true", "?messageids=True", "?message_ids=1", "?x=1&MessageIds=TRUE"])
async def test_the_query_may_be_spelled_like_members(centre: Centre, query: str) -> None:
    assert len((await centre.bulk([item(1)], query=query)).json()["MessageIds"]) == 1


async def test_all_bad_is_an_error_with_the_rejections(centre: Centre) -> None:
    before = await centre.count()
    body = problem(await centre.bulk([item(1, SmsType=9), [], item(3, Text=None)]), "AllMessagesRejected")
    assert (body["Added"], body["Rejected"], body["Errors"]) == (0, 3, {})
    assert [(row["Index"], row["Code"]) for row in body["Rejections"]] == [
        (0, "SmsTypeInvalid"),
        (1, "JsonInvalid"),
        (2, "TextRequired"),
    ]
    assert await centre.count() == before


async def test_a_client_may_be_all_or_nothing(centre: Centre) -> None:
    before = await centre.count()
    bad = item(2, SenderAddress="Foo", ClientMessageId="strict-2")
    body = problem(
        await centre.bulk([item(1, ClientMessageId="strict-1"), bad, item(3)], client=3), "AllMessagesRejected"
    )
    assert (body["Added"], body["Rejected"]) == (0, 1)
    assert [(row["Index"], row["Code"]) for row in body["Rejections"]] == [(1, "SenderAddressNotAllowed")]
    assert await centre.count() == before
    # Nothing of the refused bulk is remembered either: its ids are new.
    again = await centre.bulk([item(1, ClientMessageId="strict-1"), item(3)], client=3)
    assert again.json() == {"Added": 2}


async def test_settings_of_the_client_hold_for_every_item(centre: Centre) -> None:
    body = [{"PhoneNumber": "900900900", "text": "...", "SenderAddress": "AlifBank"}]
    assert (await centre.bulk(body, client=2)).json() == {"Added": 1}


async def test_repeats_of_an_earlier_request_keep_their_ids(centre: Centre) -> None:
    single = await centre.send(item(1, ClientMessageId="bulk-1"))
    body = [item(1, ClientMessageId="bulk-1"), item(2, ClientMessageId="bulk-2")]
    first = (await centre.bulk(body, query="?MessageIds=true")).json()
    assert first == {"Added": 2, "MessageIds": [single.json()["MessageId"], first["MessageIds"][1]], "Repeated": 1}
    second = (await centre.bulk(body, query="?MessageIds=true")).json()
    assert second == {"Added": 2, "MessageIds": first["MessageIds"], "Repeated": 2}
    assert (await centre.bulk(body)).json() == {"Added": 2, "Repeated": 2}


async def test_a_repeat_inside_one_bulk_is_one_message(centre: Centre) -> None:
    before = await centre.count()
    twin = item(1, ClientMessageId="twin")
    body = (await centre.bulk([twin, item(2), twin, {**twin, "Text": "other"}, twin], query="?MessageIds=true")).json()
    ids = body["MessageIds"]
    assert (body["Added"], body["Repeated"]) == (5, 2)
    assert ids[0] == ids[2] == ids[4]
    assert len(set(ids)) == 3
    assert await centre.count() == before + 3


async def test_an_item_that_is_too_large_is_refused_alone(centre: Centre) -> None:
    body = (await centre.bulk([item(1), item(2, Text="a" * 300_000), item(3, Extra=[{}] * 90_000), item(4)])).json()
    assert (body["Added"], body["Rejected"]) == (2, 2)
    assert [(row["Index"], row["Code"]) for row in body["Rejections"]] == [
        (1, "PayloadTooLarge"),
        (2, "PayloadTooLarge"),
    ]
    assert "262,144 octets" in body["Rejections"][0]["Detail"]


async def test_the_largest_bulk_is_taken(centre: Centre) -> None:
    before = await centre.count()
    body = json.dumps([item(number) for number in range(BULK_ITEMS)]).encode()
    response = await centre.bulk(body)
    assert response.json() == {"Added": BULK_ITEMS}
    assert await centre.count() == before + BULK_ITEMS


async def test_a_large_bulk_lets_single_messages_through(centre: Centre) -> None:
    import asyncio

    body = json.dumps([item(number, Text="я" * 600) for number in range(5_000)]).encode()
    bulk = asyncio.create_task(centre.bulk(body))
    singles = 0
    while not bulk.done():
        assert (await centre.send(MESSAGE)).status_code == 200
        singles += 1
    assert (await bulk).json() == {"Added": 5_000}
    assert singles > 5


async def test_one_bad_item_among_many_is_found(centre: Centre) -> None:
    body = [item(number) for number in range(2_000)]
    body[1_777]["PhoneNumber"] = ""
    answer = (await centre.bulk(body)).json()
    assert (answer["Added"], answer["Rejections"][0]["Index"]) == (1_999, 1_777)


async def test_a_refused_body_stores_nothing_of_its_beginning(centre: Centre) -> None:
    before = await centre.count()
    good = json.dumps(item(1)).encode()
    problem(await centre.bulk(b"[" + good + b", " + good), "JsonInvalid")
    problem(await centre.bulk(b"[" + good + b', {"Text": "\\ud83d"}, {]'), "JsonInvalid")
    assert await centre.count() == before
