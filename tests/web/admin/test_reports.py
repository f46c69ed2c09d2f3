"""Reports over the management API: everybody's traffic, and to those who are bound to a client their own alone."""

from __future__ import annotations

import asyncio
import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from payk.domain.access import Principal, PrincipalKind, Role
from payk.domain.message import Priority, SmsType
from payk.store.accept import NewMessage, insert_messages
from payk.store.report_folding import fold
from payk.store.search import SearchBudget
from payk.web.admin.site import ROOT
from tests.web.admin.managed import Managed, refusal
from tests.web.locks import stops_with_its_caller


async def _traffic(managed: Managed) -> None:
    """Three messages of `bank` and two of `shop`, under one label."""
    await managed.done("POST", "/operators", {"name": "tcell"})
    await managed.done("POST", "/routes", {"prefix": "", "operators": ["tcell"]})
    for name, count in (("bank", 3), ("shop", 2)):
        client_id = (await managed.done("POST", "/clients", {"name": name}))["client_id"]
        message = NewMessage(
            client_id, "992900000001", "Bank", "Салом", SmsType.COMMON, Priority.NORMAL, 1, 1, label="sale"
        )
        await insert_messages(managed.db, [message] * count, timeout=5)
    while await fold(managed.db):
        pass
    await managed.follow()


async def _viewer(managed: Managed, name: str) -> None:
    client_id = (await managed.done("GET", f"/clients/{name}"))["client_id"]
    managed.callers["viewer"] = Principal(PrincipalKind.TOKEN, 7, "viewer", Role.CLIENT_VIEWER, client_id)


async def test_a_report_over_all_clients(managed: Managed) -> None:
    await _traffic(managed)
    body = await managed.done("GET", "/reports?group_by=Client,SmsLabel,Route&time_zone=Asia/Dushanbe")
    rows = [(row["client"], row["sms_label"], row["route"], row["messages"]) for row in body["rows"]]
    assert rows == [("bank", "sale", "tcell", 3), ("shop", "sale", "tcell", 2)]
    assert body["rows"][0]["states"]["None"] == 3
    assert body["time_zone"] == "Asia/Dushanbe"
    [row] = (await managed.done("GET", "/reports?client=shop"))["rows"]
    assert row["messages"] == 2
    answer = await managed("GET", "/reports?group_by=Client&format=csv")
    assert [row["client"] for row in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))] == [
        "bank",
        "shop",
    ]


async def test_single_messages_come_with_masked_numbers(managed: Managed) -> None:
    await _traffic(managed)
    since = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    found = (await managed.done("GET", f"/reports/messages?from={since}"))["messages"]
    assert len(found) == 5
    assert "900000001" not in str(found)
    assert "Салом" not in str(found)
    assert len((await managed.done("GET", "/reports/messages?client=bank&label=sale"))["messages"]) == 3


async def test_labels(managed: Managed) -> None:
    await _traffic(managed)
    seen = (await managed.done("GET", "/reports/labels"))["items"]
    names = ("client", "label", "messages", "delivered", "failed")
    assert {tuple(each[name] for name in names) for each in seen} == {
        ("bank", "sale", 3, 0, 0),
        ("shop", "sale", 2, 0, 0),
    }
    stands = await managed.done("GET", "/reports/label?client=shop&label=sale")
    assert (stands["planned"], stands["queued"], stands["ends_at"]) == (2, 2, None)
    assert (await managed("GET", "/reports/label?client=shop&label=none")).status_code == 404


async def test_who_is_bound_to_a_client_sees_that_alone(managed: Managed) -> None:
    await _traffic(managed)
    await _viewer(managed, "shop")
    [row] = (await managed.done("GET", "/reports?group_by=Client", token="viewer"))["rows"]
    assert (row["client"], row["messages"]) == ("shop", 2)
    assert len((await managed.done("GET", "/reports/messages?label=sale", token="viewer"))["messages"]) == 2
    assert (await managed.done("GET", "/reports/label?label=sale", token="viewer"))["planned"] == 2
    [seen] = (await managed.done("GET", "/reports/labels", token="viewer"))["items"]
    assert seen["client"] == "shop"
    for path in (
        "/reports?client=bank",
        "/reports/messages?client=bank&label=sale",
        "/reports/label?client=bank&label=sale",
    ):
        assert (await managed("GET", path, token="viewer")).status_code == 404


async def test_an_export_stops_when_nobody_waits_for_it(managed: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payk.web.reports.PAGE", SearchBudget(messages=1))
    await _traffic(managed)
    message = NewMessage(1, "992900000001", "Bank", "Салом", SmsType.COMMON, Priority.NORMAL, 1, 1)
    await insert_messages(managed.db, [message] * 3000, timeout=10)
    since = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    target = f"{ROOT}/reports/messages?from={since}&state=Delivered&sender=nobody"
    request = f"GET {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer admin\r\n"
    await stops_with_its_caller(managed.db, managed.server.port, request)


async def test_who_belongs_to_a_client_keeps_nobody_else_waiting(managed: Managed) -> None:
    """While nothing can be read, those of one client share one turn; the centre has its own."""
    await _traffic(managed)
    await _viewer(managed, "shop")
    of_shop = managed.callers["viewer"]
    for number in range(5):
        managed.callers[f"viewer-{number}"] = replace(of_shop, id=number, name=f"viewer-{number}")
    async with asyncio.TaskGroup() as group, managed.db.transaction(timeout=20) as connection:
        await connection.execute("lock table report_count in access exclusive mode")
        many = [group.create_task(managed("GET", "/reports", token=f"viewer-{number}")) for number in range(5)]
        other = group.create_task(managed("GET", "/reports"))
        while sum(each.done() for each in many) < 4:
            await asyncio.sleep(0.01)
        assert not other.done()
    assert other.result().status_code == 200
    assert sorted(each.result().status_code for each in many) == [200, 429, 429, 429, 429]
    refused = next(each.result() for each in many if each.result().status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert "earlier one of your reports" in refusal(refused, "RateLimitExceeded")["Detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("/reports?group_by=colour", "group_by"),
        ("/reports?from=x", "from"),
        ("/reports?time_zone=Mars", "time_zone"),
        ("/reports?operator=nobody", "operator"),
        ("/reports/messages", "from"),
        ("/reports/messages?label=sale", "label"),
        ("/reports/label?label=sale", "client"),
    ],
)
async def test_what_cannot_be_answered_is_refused_by_its_name(managed: Managed, query: str, field: str) -> None:
    body = refusal(await managed("GET", query), "RequestInvalid")
    assert list(body["Errors"]) == [field]
