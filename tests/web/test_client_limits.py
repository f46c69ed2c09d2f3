"""What an integrator is told whose message or bulk a limit refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from payk.domain.limits import Limits
from payk.domain.message import SmsType
from payk.domain.route import Route, RouteTable
from payk.store.balances import change_balance
from payk.store.blocked import What, block_numbers
from payk.store.database import Database
from tests.store.rows import add_client
from tests.web.answers import problem
from tests.web.centre import MESSAGE, Centre, centre_on

OTP, COMMON = {**MESSAGE, "SmsType": 2}, {**MESSAGE, "SmsType": 1}


@pytest.fixture
async def centre(database: Database) -> AsyncIterator[Centre]:
    """A centre whose clients `demo`, `wild` and `strict` are in the database."""
    for name in ("demo", "wild", "strict"):
        await add_client(database, name)
    async with centre_on(database) as running:
        yield running


def limit(centre: Centre, client_id: int = 1, **limits: Any) -> None:
    """Give a client limits; what is paid costs 0.5 a part."""
    directory = centre.directory.value
    client = replace(directory.clients[client_id], limits=Limits(**limits))
    routes = RouteTable([Route(1, "992", (1, 2), 1, price=5_000)])
    centre.directory.value = replace(directory, clients={**directory.clients, client_id: client}, routes=routes)


def standing(answer: Any) -> tuple[str | None, ...]:
    return tuple(answer.headers.get(f"x-ratelimit-{name}") for name in ("limit", "remaining", "reset"))


async def test_a_used_up_quota(centre: Centre) -> None:
    limit(centre, parts_per_day=2, otp_parts_per_month=1)
    assert (await centre.bulk([COMMON] * 2)).json() == {"Added": 2}
    answer = await centre.send(COMMON)
    refused = problem(answer, "QuotaExceeded")
    assert (answer.status_code, refused["Retryable"], refused["Errors"]) == (429, True, {})
    assert 0 < int(answer.headers["retry-after"]) <= 86_400
    assert standing(answer) == ("2", "0", answer.headers["retry-after"])
    assert refused["Detail"] == (
        "This client may send 2 parts of all but Otp in a day (UTC), of which 0 are left; this needs 1."
        " Nothing was taken: it is safe to repeat the request."
    )
    answer = await centre.bulk([COMMON, {}])
    assert problem(answer, "QuotaExceeded")["Status"] == 429 and "retry-after" in answer.headers
    assert (await centre.send(OTP)).status_code == 200, "a mailing makes no code fail"
    answer = await centre.send(OTP)
    problem(answer, "QuotaExceeded")
    assert int(answer.headers["retry-after"]) <= 31 * 86_400
    assert await centre.count() == 3


async def test_what_refuses_is_what_the_headers_tell_of(centre: Centre) -> None:
    limit(centre, parts_per_month=3, number_per_hour=2, requests_per_second=100)
    taken = await centre.bulk([COMMON] * 2)
    assert standing(taken) == ("100", "99", "1"), "of requests, while nothing else refuses"
    number = await centre.send(COMMON)
    assert (problem(number, "NumberLimitExceeded")["Status"], standing(number)[:2]) == (429, ("2", "0"))
    assert standing(number)[2] == number.headers["retry-after"]
    quota = await centre.bulk([COMMON | {"PhoneNumber": f"99290000000{number}"} for number in range(2)])
    assert (problem(quota, "QuotaExceeded")["Status"], standing(quota)[:2]) == (429, ("3", "0"))
    assert len(quota.headers.get_list("x-ratelimit-limit")) == 1


async def test_an_empty_balance(centre: Centre) -> None:
    limit(centre, prepaid=True, otp_overdraft=5_000)
    await change_balance(centre.db, "demo", 10_000, author="anna")
    answer = await centre.bulk([COMMON] * 3)
    assert answer.status_code == 403 and "retry-after" not in answer.headers
    assert problem(answer, "BalanceInsufficient")["Retryable"] is False
    assert (await centre.bulk([COMMON] * 2)).json() == {"Added": 2}
    assert (
        "balance of this client is 0; this costs 0.5"
        in problem(await centre.send(COMMON), "BalanceInsufficient")["Detail"]
    )
    assert (await centre.send(OTP)).status_code == 200
    problem(await centre.send(OTP), "BalanceInsufficient")


async def test_items_of_a_bulk(centre: Centre) -> None:
    limit(centre, number_per_hour=1, sms_types=frozenset({SmsType.COMMON}), destinations=("9929",))
    await block_numbers(centre.db, ["992900900901"], client=None, what=What.EVERYTHING, reason="", author="anna")
    items = [
        {},
        COMMON,
        {**COMMON, "PhoneNumber": "992900900901"},
        OTP,
        COMMON,
        {**COMMON, "PhoneNumber": "992880900900"},
        {**COMMON, "PhoneNumber": "992900900902"},
    ]
    answer = await centre.bulk(items, query="?MessageIds=true")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["Added"], told["Rejected"]) == (2, 5)
    assert [(each["Index"], each["Code"]) for each in told["Rejections"]] == [
        (0, "PhoneNumberRequired"),
        (2, "PhoneNumberBlocked"),
        (3, "SmsTypeNotAllowed"),
        (4, "NumberLimitExceeded"),
        (5, "DestinationNotAllowed"),
    ]
    assert [each is None for each in told["MessageIds"]] == [True, False, True, True, True, True, False]
    answer = await centre.send(COMMON)
    assert problem(answer, "NumberLimitExceeded")["Errors"] == {"PhoneNumber": ["NumberLimitExceeded"]}
    assert 0 < int(answer.headers["retry-after"]) <= 3_900
    none = problem(await centre.bulk([COMMON, {}]), "AllMessagesRejected")
    assert [each["Index"] for each in none["Rejections"]] == [0, 1]


async def test_all_or_nothing(centre: Centre) -> None:
    limit(centre, 3, number_per_hour=1)
    refused = problem(await centre.bulk([COMMON, COMMON], client=3), "AllMessagesRejected")
    assert (refused["Added"], [each["Index"] for each in refused["Rejections"]]) == (0, [1])
    assert "all-or-nothing" in refused["Detail"]
    assert await centre.count() == 0


async def test_what_was_taken_under_a_key_is_told_though_all_is_used_up(centre: Centre) -> None:
    limit(centre, parts_per_day=3)
    key = {"Idempotency-Key": "request-17"}
    first, bulk = await centre.send(COMMON, **key), await centre.bulk([COMMON] * 2, **key)
    assert (await centre.send(COMMON, **key)).content == first.content
    assert (await centre.bulk([COMMON] * 2, **key)).content == bulk.content
    for _ in range(2):
        problem(await centre.send(COMMON, **{"Idempotency-Key": "request-18"}), "QuotaExceeded")
        problem(await centre.bulk([COMMON], **{"Idempotency-Key": "request-18"}), "QuotaExceeded")
    limit(centre, parts_per_day=4)
    assert (await centre.send(COMMON, **{"Idempotency-Key": "request-18"})).status_code == 200


async def test_many_at_once_are_taken_exactly(centre: Centre) -> None:
    limit(centre, parts_per_day=17)
    others = [centre.send({**MESSAGE, "SmsType": 1}, client=2) for _ in range(20)]
    answers = await asyncio.gather(*(centre.send(COMMON) for _ in range(40)), *others)
    assert [answer.status_code for answer in answers[40:]] == [200] * 20
    assert sorted(answer.status_code for answer in answers[:40]) == [200] * 17 + [429] * 23
