"""Statuses of another centre's messages, taken over by the management API while their file comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from payk.domain.access import Actor, Principal, PrincipalKind, Role
from payk.registry.importing import BLOCK, import_statuses
from payk.store.errors import OutcomeUnknown, StoreError, StoreUnavailable
from payk.web.admin import imported
from payk.web.admin.imported import TAKEN_STAYS
from payk.web.admin.site import BODY_MAX, ROOT
from payk.web.limits import HttpLimits
from tests.web.admin.managed import Managed, refusal

HEADING = "MessageId,Client,MessageState,DateSubmitted,DateDone\n"
ROWS = (
    "5000001,bank,Delivered,2025-02-17T10:20:30,2025-02-17T10:22:00\n"
    "5000002,bank,8,2025-02-17T10:20:31,2025-02-17T10:22:01\n"
    "5000003,bank,Enroute,2025-02-17T10:20:32,\n"
)
NONE: dict[str, Any] = {"rows": 0, "added": 0, "completed": 0, "known": 0, "refused": 0, "problems": []}


def row(number: int) -> bytes:
    return f"{number},bank,2,2025-02-17T10:20:30,2025-02-17T10:22:00\n".encode()


@pytest.fixture
async def bank(managed: Managed) -> Managed:
    await managed.done("POST", "/clients", {"name": "bank"})
    return managed


async def sent(managed: Managed, content: bytes | str | AsyncIterator[bytes], **params: Any) -> httpx.Response:
    return await managed("POST", "/imported-messages", content=content, params=params)


async def stored(managed: Managed) -> int:
    async with managed.db.connection() as connection:
        return int(await connection.fetchval("select count(*) from imported_message"))


async def acts(managed: Managed) -> list[tuple[str, str, dict[str, Any]]]:
    items = (await managed.done("GET", "/audit"))["items"][::-1]
    return [(item["act"], item["object_name"], item["detail"]) for item in items if item["act"].startswith("import.")]


async def test_a_file_is_taken_over_once_and_looked_at_before(bank: Managed) -> None:
    tried = await sent(bank, HEADING + ROWS, name="old.csv", dry_run=True)
    assert tried.json() == NONE | {"rows": 3, "added": 3}
    assert (await stored(bank), await acts(bank)) == (0, [])
    assert (await sent(bank, HEADING + ROWS, name="old.csv")).json() == NONE | {"rows": 3, "added": 3}
    later = ROWS.replace("Enroute,2025-02-17T10:20:32,", "Delivered,2025-02-17T10:20:32,2025-02-17T11:00:00")
    again = await sent(bank, HEADING + later + ROWS.replace("8", "2").replace("5000001,", "9,nobody,", 1))
    assert (again.status_code, again.json() | {"problems": []}) == (
        200, NONE | {"rows": 6, "completed": 1, "known": 2, "refused": 3},
    )  # fmt: skip
    assert again.json()["problems"][0] == "line 5: 6 fields where the heading has 5"
    begun, ended, *_ = await acts(bank)
    assert begun == ("import.begin", "old.csv", {})
    assert ended == ("import.end", "old.csv", {"rows": 3, "added": 3, "completed": 0, "refused": 0})
    told = await bank.done("GET", "/messages/5000003")
    assert told == {
        "message_id": "5000003",
        "client": "bank",
        "accepted_at": "2025-02-17T10:20:32.000Z",
        "done_at": "2025-02-17T11:00:00.000Z",
        "state": "Delivered",
        "why": "It was sent by another centre, and its state was imported.",
    }
    refusal(await bank("GET", "/messages/5000003/text"), "ResourceNotFound")


async def test_encodings(bank: Managed) -> None:
    await bank.done("POST", "/clients", {"name": "Банк"})
    russian = (HEADING + ROWS).replace("bank", "Банк")
    assert (await sent(bank, russian.encode("cp1251"), encoding="cp1251")).json()["added"] == 3
    assert (await sent(bank, russian.encode("utf-16"))).json()["known"] == 3
    wrong = (await sent(bank, russian.encode("cp1251"))).json()
    assert (wrong["refused"], "--encoding names another" in wrong["problems"][0]) == (3, True)


@pytest.mark.parametrize(
    ("content", "params", "rule"),
    [
        ("", {}, "the file is empty"),
        (ROWS, {}, "line 1: the heading must name MessageId"),
        ("\0" * 3_000_000, {}, "line 1: the heading must name MessageId"),
        (HEADING, {"encoding": "klingon"}, "encoding klingon: no such encoding"),
    ],
)
async def test_what_is_no_such_file_is_refused(bank: Managed, content: str, params: dict[str, str], rule: str) -> None:
    body = refusal(await sent(bank, content, **params), "ValueInvalid")
    assert rule in body["Errors"]["file"][0]


async def test_it_is_worked_on_while_it_comes_and_is_of_any_length(bank: Managed) -> None:
    """The first rows are stored before the last ones are sent; the whole is larger than any other body may be."""
    more = asyncio.Event()
    count = 40_000

    async def octets() -> AsyncIterator[bytes]:
        yield HEADING.encode()
        yield b"".join(row(number) for number in range(1, count // 2))
        await more.wait()
        yield b"".join(row(number) for number in range(count // 2, count + 1))

    sending = asyncio.create_task(sent(bank, octets()))
    assert len(row(10_000)) * count > 2 * BODY_MAX > BLOCK
    async with asyncio.timeout(20):
        while not await stored(bank):
            await asyncio.sleep(0.02)
    assert not sending.done()
    more.set()
    assert (await sending).json() == NONE | {"rows": count, "added": count}
    assert await stored(bank) == count


async def test_what_was_taken_of_a_file_that_is_broken_off_is_known_when_it_comes_again(bank: Managed) -> None:
    rows = b"".join(row(number) for number in range(1, 30_001))
    _, writer = await asyncio.open_connection("127.0.0.1", bank.server.port)
    head = f"POST {ROOT}/imported-messages?name=old.csv HTTP/1.1\r\nHost: payk\r\nAuthorization: Bearer admin\r\n"
    writer.write(f"{head}Content-Length: {len(HEADING) + len(rows)}\r\n\r\n{HEADING}".encode() + rows[:-100_000])
    async with asyncio.timeout(20):
        while not (taken := await stored(bank)):
            await asyncio.sleep(0.02)
        writer.transport.abort()
        while [act for act, _, _ in await acts(bank)] != ["import.begin", "import.end"]:
            await asyncio.sleep(0.02)
    _, (_, name, detail) = await acts(bank)
    assert (name, detail["broken_off"]) == ("old.csv", True)
    taken = await stored(bank)
    assert detail["added"] == taken < 30_000
    again = (await sent(bank, HEADING.encode() + rows)).json()
    assert (again["rows"], again["added"], again["known"]) == (30_000, 30_000 - taken, taken)


@pytest.mark.parametrize("error", [StoreUnavailable("away"), OutcomeUnknown()])
async def test_where_the_store_goes_away_amid_it_the_answer_says_what_stays(
    bank: Managed, monkeypatch: pytest.MonkeyPatch, error: StoreError
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("payk.registry.importing.add_imported", fail)
    monkeypatch.setattr("payk.web.admin.imported.drop", fail)
    monkeypatch.setattr("payk.web.admin.numbers.forget", fail)
    monkeypatch.setattr("payk.web.admin.traffic.forget_parked", fail)
    number = {"number": "992900000001"}
    for asked, told in (
        (sent(bank, HEADING + ROWS), "Rows that were stored stay, and are known already when the file is sent again."),
        (bank("POST", "/imported-messages/drop", {"submitted_before": "2025-12-31T00:00:00Z"}), "it drops the rest."),
        (bank("POST", "/numbers/forget", number), "it erases the rest."),
        (bank("POST", "/receipts/parked/forget", {"all": True}), "it drops the rest."),
    ):
        answer = await asked
        body = refusal(answer, "ServiceUnavailable")
        assert told in body["Detail"] and "Nothing was taken" not in body["Detail"]
        assert answer.headers["retry-after"]


async def test_a_file_that_comes_too_slowly_is_told_that_what_was_taken_stays(
    bank: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank.server._server._doorkeeper, "limits", HttpLimits(body_grace=0.1))
    reader, writer = await asyncio.open_connection("127.0.0.1", bank.server.port)
    head = f"POST {ROOT}/imported-messages HTTP/1.1\r\nHost: payk\r\nAuthorization: Bearer admin\r\n"
    writer.write(f"{head}Content-Length: 100000\r\n\r\n{HEADING}".encode())
    answer = (await asyncio.wait_for(reader.read(), 20)).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 408 ") and TAKEN_STAYS in answer and "Nothing was taken" not in answer


async def test_that_an_import_was_cancelled_is_in_the_log(bank: Managed) -> None:
    begun = asyncio.Event()

    async def octets() -> AsyncIterator[bytes]:
        yield HEADING.encode()
        begun.set()
        await asyncio.Event().wait()

    actor = Actor(PrincipalKind.LOCAL, "anna")
    importing = asyncio.create_task(import_statuses(bank.db, octets(), name="old.csv", encoding=None, actor=actor))
    await begun.wait()
    importing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing
    assert [(act, detail.get("broken_off")) for act, _, detail in await acts(bank)] == [
        ("import.begin", None),
        ("import.end", True),
    ]


async def test_they_are_dropped_by_their_time(bank: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    old, young = HEADING + ROWS, "7000000,bank,2,2026-02-17T10:20:30,\n"
    await sent(bank, old + young)
    monkeypatch.setattr(imported, "PATIENCE", 0.0)
    wish = {"submitted_before": "2025-12-31T00:00:00Z"}
    assert await bank.done("POST", "/imported-messages/drop", wish) == {"dropped": 3, "next": 7_000_000}
    monkeypatch.undo()
    rest = {**wish, "after": 7_000_000}
    assert await bank.done("POST", "/imported-messages/drop", rest) == {"dropped": 0, "next": None}
    assert await stored(bank) == 1
    assert [(name, detail.get("after")) for name, _, detail in (await acts(bank))[-2:]] == [
        ("import.drop", None),
        ("import.drop", 7_000_000),
    ]
    refusal(await bank("POST", "/imported-messages/drop", {"submitted_before": "2025-12-31"}), "RequestInvalid")


async def test_of_another_client_nothing_is_told(bank: Managed) -> None:
    other = await bank.done("POST", "/clients", {"name": "other"})
    await sent(bank, HEADING + ROWS)
    bank.callers["other"] = Principal(PrincipalKind.USER, 2, "other", Role.CLIENT_VIEWER, client_id=other["client_id"])
    refusal(await bank("GET", "/messages/5000001", token="other"), "ResourceNotFound")
