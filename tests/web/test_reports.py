"""Reports of the caller's own traffic: what they say, the files they come as, and what is refused."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import openpyxl
import pytest
from openpyxl.utils.escape import unescape

from payk.store.database import Database
from payk.store.report_folding import fold
from payk.store.search import SearchBudget
from payk.web.site import PublicOptions
from payk.web.tables import Buffer, CsvTable, XlsxTable
from tests.web.answers import problem
from tests.web.centre import Centre, centre_on, key_of
from tests.web.locks import stops_with_its_caller

COMMON = {"PhoneNumber": "992900900900", "Text": "Салом", "SenderAddress": "AlifBank", "SmsType": 1}


async def sent(centre: Centre, count: int = 1, *, client: int = 1, **members: Any) -> list[str]:
    answer = await centre.bulk([COMMON | members] * count, client=client, query="?MessageIds=true")
    assert answer.status_code == 200
    ids: list[str] = answer.json()["MessageIds"]
    return ids


async def became(centre: Centre, ids: list[str], state: int, reason: str | None = None) -> None:
    """What an operator said of messages."""
    async with centre.db.connection() as connection:
        await connection.execute(
            "update message set state = $2, submitted_at = accepted_at + interval '2 seconds',"
            " done_at = accepted_at + interval '7 seconds', operator_id = 1, reason = $3 where message_id = any($1)",
            [int(each) for each in ids],
            state,
            reason,
        )


@pytest.fixture
async def counted(database: Database) -> AsyncIterator[Centre]:
    """Seven messages of `demo`, three of `wild`, under labels that both use."""
    async with centre_on(database) as centre:
        await _fill(centre)
        yield centre


async def _fill(centre: Centre) -> None:
    async with centre.db.connection() as connection:
        await connection.execute(
            "insert into client (client_id, name) overriding system value values (1, 'demo'), (2, 'wild');"
            " insert into operator (operator_id, name) overriding system value values (1, 'tcell'), (2, 'narrow');"
            " insert into queue (queue_id, operators) overriding system value values (1, '{1,2}'), (2, '{2,1}')"
        )
    sale = await sent(centre, 5, SmsLabel="sale")
    await became(centre, sale[:3], 2)
    await became(centre, sale[3:4], 5, "receipt: 011")
    await sent(centre, 2, SmsLabel="=1+1", SenderAddress="AlifSarmoya")
    await sent(centre, 3, client=2, SmsLabel="sale")
    while await fold(centre.db):
        pass


async def report(centre: Centre, query: str = "", *, client: int = 1, path: str = "/api/v1/reports") -> Any:
    answer = await centre.http.get(f"{path}?{query}", headers={"X-Api-Key": key_of(client)})
    assert answer.status_code == 200, answer.text
    return answer


async def test_a_report_tells_what_became_of_the_callers_messages(counted: Centre) -> None:
    body = (await report(counted, "GroupBy=SmsLabel,Day&TimeZone=Asia/Dushanbe")).json()
    assert body["GroupBy"] == ["SmsLabel", "Day"]
    assert body["TimeZone"] == "Asia/Dushanbe"
    assert body["From"].endswith("T00:00+05:00")
    assert body["CountedSince"] is None
    rows = {row["SmsLabel"]: row for row in body["Rows"]}
    assert rows.keys() == {"sale", "=1+1"}
    sale = rows["sale"]
    assert datetime.strptime(sale["Day"], "%Y-%m-%d")  # noqa: DTZ007
    assert (sale["Messages"], sale["Parts"], sale["DeliveryRate"]) == (5, 5, 0.75)
    assert {state: count for state, count in sale["States"].items() if count} == {
        "None": 1, "Delivered": 3, "Undeliverable": 1,
    }  # fmt: skip
    assert sale["Failures"] == [{"MessageState": "Undeliverable", "Reason": "receipt: 011", "Messages": 1}]
    assert sale["SecondsToSubmit"]["P50"] == pytest.approx(2, rel=0.06)
    assert sale["SecondsToDelivered"]["P99"] == pytest.approx(5, rel=0.06)
    assert rows["=1+1"]["DeliveryRate"] is None


async def test_a_client_sees_nothing_of_another(counted: Centre) -> None:
    [row] = (await report(counted, client=2)).json()["Rows"]
    assert row["Messages"] == 3
    lines = (await report(counted, "SmsLabel=sale&Format=csv", client=2, path="/api/v1/reports/messages")).text
    assert len(lines.splitlines()) == 4
    assert (await report(counted, "SmsLabel=sale", client=2, path="/api/v1/reports/labels")).json()["Planned"] == 3


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("SmsLabel=sale", 5),
        ("smslabel=%3D1%2B1", 2),
        ("SmsLabel=", 0),
        ("sender_address=alifbank", 5),
        ("SmsType=1", 7),
        ("SmsType=otp", 0),
        ("Operator=tcell", 4),
        ("Route=tcell,narrow", 7),
        ("From=2020-01-01&To=2020-01-31", 0),
    ],
)
async def test_filters(counted: Centre, query: str, total: int) -> None:
    rows = (await report(counted, query)).json()["Rows"]
    assert sum(row["Messages"] for row in rows) == total


async def test_an_export_goes_across_the_end_of_summer_time(counted: Centre) -> None:
    span = "From=2026-10-25T02:30:00%2B02:00&To=2026-10-25T02:15:00%2B01:00&TimeZone=Europe/Berlin"
    await report(counted, span, path="/api/v1/reports/messages")
    back = "From=2026-10-25T02:15:00%2B01:00&To=2026-10-25T02:30:00%2B02:00&TimeZone=Europe/Berlin"
    refused = await counted.http.get(f"/api/v1/reports/messages?{back}")
    assert "behind From" in problem(refused, "ParameterInvalid")["Detail"]


async def test_a_report_as_csv(counted: Centre) -> None:
    answer = await report(counted, "GroupBy=SmsLabel,Operator&Format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="report-')
    assert answer.headers["x-request-id"]
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert {(row["SmsLabel"], row["Operator"], row["Messages"]) for row in rows} == {
        ("'=1+1", "", "2"),  # a spreadsheet would take it for a formula
        ("sale", "tcell", "4"),
        ("sale", "", "1"),
    }
    [delivered] = [row for row in rows if row["Operator"] == "tcell"]
    assert delivered["Delivered"] == "3"
    assert delivered["Failures"] == "Undeliverable (receipt: 011): 1"


async def test_a_report_as_xlsx(counted: Centre) -> None:
    answer = await report(counted, "GroupBy=SmsLabel&Format=xlsx")
    assert answer.headers["content-type"].endswith("spreadsheetml.sheet")
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    head, *rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    found = [dict(zip(head, row, strict=True)) for row in rows]
    assert {(row["SmsLabel"], row["Messages"], row["Delivered"]) for row in found} == {("=1+1", 2, 0), ("sale", 5, 3)}
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)


@pytest.mark.parametrize("kind", ["csv", "json", "xlsx"])
async def test_single_messages_of_a_label(counted: Centre, kind: str) -> None:
    query = f"SmsLabel=sale&Format={kind}&TimeZone=Asia/Dushanbe"
    answer = await report(counted, query, path="/api/v1/reports/messages")
    found: list[dict[str, Any]]
    if kind == "json":
        found = answer.json()["Messages"]
    elif kind == "csv":
        found = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    else:
        head, *rows = openpyxl.load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True)
        found = [dict(zip(head, row, strict=True)) for row in rows]
    assert len(found) == 5
    ids = [int(row["MessageId"]) for row in found]
    assert ids == sorted(ids, reverse=True)
    assert {row["PhoneNumber"] for row in found} == {"992900900900"}
    states = [row["MessageState"] for row in found]
    assert states.count("Delivered") == 3
    assert next(row["Reason"] for row in found if row["MessageState"] == "Undeliverable") == "receipt: 011"
    assert "Салом" not in str(found)
    if kind != "xlsx":
        assert found[0]["DateSubmitted"].endswith("+05:00")


async def test_an_export_of_many_messages_comes_page_by_page(counted: Centre) -> None:
    for _ in range(5):
        await sent(counted, 500, SmsLabel="big")
    answer = await report(counted, "SmsLabel=big", path="/api/v1/reports/messages")
    assert len({row["MessageId"] for row in answer.json()["Messages"]}) == 2500
    today = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    lines = (await report(counted, f"From={today}&Format=csv", path="/api/v1/reports/messages")).text.splitlines()
    assert len(lines) == 1 + 2500 + 7
    empty = await report(counted, "SmsLabel=nothing", path="/api/v1/reports/messages")
    assert empty.json() == {"Messages": []}


async def test_the_progress_of_a_label(counted: Centre) -> None:
    later = (datetime.now(UTC) + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    await sent(counted, 2, SmsLabel="sale", ScheduledAt=later)
    body = (await report(counted, "SmsLabel=sale", path="/api/v1/reports/labels")).json()
    names = ("Planned", "Scheduled", "Held", "Queued", "Submitted", "Delivered", "Failed")
    stands = {name: body[name] for name in names}
    assert stands == {
        "Planned": 7, "Scheduled": 2, "Held": 0, "Queued": 1, "Submitted": 0, "Delivered": 3, "Failed": 1,
    }  # fmt: skip
    assert body["Failures"] == [{"MessageState": "Undeliverable", "Reason": "receipt: 011", "Messages": 1}]
    assert body["LastDue"] is not None
    labels = (await report(counted, path="/api/v1/reports/labels")).json()["Labels"]
    assert {tuple(each[name] for name in ("SmsLabel", "Messages", "Delivered", "Failed")) for each in labels} == {
        ("sale", 7, 3, 1),
        ("=1+1", 2, 0, 0),
    }


async def test_a_label_without_messages_is_not_found(counted: Centre) -> None:
    answer = await counted.http.get("/api/v1/reports/labels?SmsLabel=nobody")
    problem(answer, "MessageNotFound")


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("", "GroupBy=Colour", "GroupBy"),
        ("", "GroupBy=Day,Hour", "GroupBy"),
        ("", "From=yesterday", "From"),
        ("", "From=2026-11-02&To=2026-11-01", "To"),
        ("", "TimeZone=Mars/Base", "TimeZone"),
        ("", "Format=pdf", "Format"),
        ("", "SmsType=4", "SmsType"),
        ("", "Operator=nobody", "Operator"),
        ("", "Route=nobody", "Route"),
        ("", "Client=wild", "Client"),
        ("", "Colour=red", "Colour"),
        ("", "GroupBy=Day&groupby=Day", "GroupBy"),
        ("", "SmsLabel=%00", "SmsLabel"),
        ("", "Operator=%FF", "Operator"),
        ("", "SmsLabel=" + "x" * 300, "SmsLabel"),
        ("/messages", "", "From"),
        ("/messages", "SmsLabel=", "From"),
        ("/messages", "State=Gone&SmsLabel=sale", "State"),
        ("/messages", "Operator=nobody&SmsLabel=sale", "Operator"),
        ("/labels", "Label=sale", "Label"),
        ("", "&".join(f"x{n}=1" for n in range(200)), "?"),
    ],
)
async def test_what_cannot_be_answered_is_refused_by_its_name(
    counted: Centre, path: str, query: str, field: str
) -> None:
    answer = await counted.http.get(f"/api/v1/reports{path}?{query}")
    body = problem(answer, "ParameterInvalid")
    assert body["Errors"] == {field: ["ParameterInvalid"]}
    assert body["Detail"].startswith(field)


async def test_reports_take_a_key_and_one_method(counted: Centre) -> None:
    assert (await counted.http.get("/api/v1/reports", headers={"X-Api-Key": "none"})).status_code == 401
    assert (await counted.http.post("/api/v1/reports")).status_code == 405
    assert (await counted.http.get("/api/v1/reports/nothing")).status_code == 404
    for path in ("/API/v1/reports", "/api/v1/reports/"):  # paths outside /api/v1/sms are exact
        assert (await counted.http.get(path)).status_code == 404
    head = await counted.http.head("/api/v1/reports")
    assert (head.status_code, head.content) == (200, b"")


async def test_a_connection_is_used_again_behind_a_report(counted: Centre) -> None:
    for _ in range(3):
        await report(counted)
        assert (await counted.send(COMMON)).status_code == 200


async def test_who_hangs_up_leaves_nothing_behind(counted: Centre) -> None:
    for _ in range(4):
        await sent(counted, 1000, SmsLabel="big")
    request = (
        f"GET /api/v1/reports/messages?SmsLabel=big HTTP/1.1\r\nhost: x\r\nx-api-key: {key_of(1)}\r\n\r\n".encode()
    )
    for _ in range(5):
        assert (await counted.raw(request, until_closed=False)).startswith(b"HTTP/1.1 200")
    for _ in range(3):  # turns are free again
        await report(counted, "SmsLabel=big", path="/api/v1/reports/messages")


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("/api/v1/reports", "report_count"),
        ("/api/v1/reports/messages?SmsLabel=sale", "message"),
        ("/api/v1/reports/messages?SmsLabel=sale&Format=xlsx", "message"),
        ("/api/v1/reports/labels", "report_count"),
    ],
)
async def test_no_client_keeps_others_from_their_reports(database: Database, path: str, table: str) -> None:
    """While nothing of the table can be read, those of one client wait for each other; another one has its turn."""
    async with centre_on(database, PublicOptions(answer_timeout=0.5)) as centre:
        await _fill(centre)
        async with asyncio.TaskGroup() as group, centre.db.transaction() as connection:
            await connection.execute(f"lock table {table} in access exclusive mode")
            many = [group.create_task(_asked(centre, path, 1)) for _ in range(6)]
            other = group.create_task(_asked(centre, path, 2))
            while sum(each.done() for each in many) < 5:
                await asyncio.sleep(0.01)
            assert not other.done()
    answers = sorted([each.result() for each in many], key=lambda answer: answer.status_code)
    assert answers[0].status_code == other.result().status_code == 200
    for refused in answers[1:]:
        assert "earlier one of your reports" in problem(refused, "RateLimitExceeded")["Detail"]


async def _asked(centre: Centre, path: str, client: int) -> httpx.Response:
    return await centre.http.get(path, headers={"X-Api-Key": key_of(client)})


async def test_an_export_that_is_read_slowly_keeps_nobody_waiting(counted: Centre) -> None:
    for _ in range(4):
        await sent(counted, 1000, SmsLabel="big")
    readers = []
    for _ in range(5):
        _, writer = await asyncio.open_connection("127.0.0.1", counted.server.port, limit=1024)
        target = "/api/v1/reports/messages?SmsLabel=big"
        writer.write(f"GET {target} HTTP/1.1\r\nhost: x\r\nx-api-key: {key_of(1)}\r\n\r\n".encode())
        readers.append(writer)
    await report(counted, "SmsLabel=sale", path="/api/v1/reports/messages")
    await report(counted, "SmsLabel=sale", client=2, path="/api/v1/reports/messages")
    for writer in readers:
        writer.close()


async def test_a_label_is_asked_for_as_it_was_sent(counted: Centre) -> None:
    for label in ("spring ", "👨‍👩‍👧", "a\tb", "a\u00a0b"):
        await sent(counted, 1, SmsLabel=label)
        answer = await counted.http.get("/api/v1/reports/labels", params={"SmsLabel": label})
        assert (answer.status_code, answer.json()["SmsLabel"]) == (200, label)
    problem(await counted.http.get("/api/v1/reports/labels?SmsLabel=spring"), "MessageNotFound")


@pytest.mark.parametrize(("kind", "begins"), [("json", b'{"Messages": ['), ("csv", b"\xef\xbb\xbf"), ("xlsx", b"")])
async def test_an_export_that_finds_nothing_has_its_head_at_once_and_stops_when_nobody_waits(
    counted: Centre, monkeypatch: pytest.MonkeyPatch, kind: str, begins: bytes
) -> None:
    monkeypatch.setattr("payk.web.reports.PAGE", SearchBudget(messages=1))
    for _ in range(3):
        await sent(counted, 1000, SmsLabel="big")
    since = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    target = f"/api/v1/reports/messages?From={since}&State=Delivered&SenderAddress=Olami&Format={kind}"
    request = f"GET {target} HTTP/1.1\r\nhost: x\r\nx-api-key: {key_of(1)}\r\n"
    await stops_with_its_caller(counted.db, counted.server.port, request, begins)


async def test_an_export_as_xlsx_leaves_no_file(
    counted: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "there is none"))
    for _ in range(3):
        await sent(counted, 1000, SmsLabel="big")
    answer = await report(counted, "SmsLabel=big&Format=xlsx", path="/api/v1/reports/messages")
    assert openpyxl.load_workbook(io.BytesIO(answer.content)).active.max_row == 3001


def test_a_table_that_is_given_up_writes_nothing_more() -> None:
    file = io.BytesIO()
    table = XlsxTable(file, ["Number"])
    table.write([[1]])
    before = file.getvalue()
    table.drop()
    del table
    assert file.getvalue() == before


ROWS = 25_000
"""Labels of a report whose file is larger than what waits in the sockets of a reader."""
MANY = "/api/v1/reports?GroupBy=SmsLabel"


async def _with_many_labels(centre: Centre) -> None:
    """For the first two clients."""
    await _fill(centre)
    async with centre.db.connection() as connection:
        await connection.execute(
            "insert into report_key (client_id, queue_id, operator_id, sms_type, sender, label, other)"
            f" select c, 1, 1, 1, 'AlifBank', 'label ' || n, false"
            f" from generate_series(1, {ROWS}) n, (values (1), (2)) v (c)"
        )
        await connection.execute(
            "insert into report_count select c.span, c.began, k.key_id, 1, 0, 0, 0, 0, 0, 0, 0, 0,"
            " 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 from report_key k,"
            " (select distinct on (span) span, began from report_count order by span) c where k.label like 'label %'"
        )


async def _unread(centre: Centre) -> asyncio.StreamWriter:
    """A report whose reader has read the first line alone so far."""
    reader, writer = await asyncio.open_connection("127.0.0.1", centre.server.port, limit=1024)
    writer.write(f"GET {MANY} HTTP/1.1\r\nhost: x\r\nx-api-key: {key_of(1)}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    return writer


async def test_reports_that_a_client_does_not_take_leave_room_for_those_of_others(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("payk.web.spool.OF_ONE", 15 * 2**20)
    async with centre_on(database) as centre:
        await _with_many_labels(centre)
        writer = await _unread(centre)
        refused = problem(await _asked(centre, MANY, 1), "RateLimitExceeded")
        assert "have not taken yet" in refused["Detail"]
        whole = await _asked(centre, MANY, 2)
        assert (whole.status_code, len(whole.json()["Rows"])) == (200, ROWS + 1)
        assert 15 * 2**19 < len(whole.content) < 15 * 2**20
        assert list(tmp_path.iterdir()) == []  # its file has no name: nothing is left of it, whatever ends the process
        writer.close()
        async with asyncio.timeout(20):
            while (await _asked(centre, MANY, 1)).status_code != 200:
                await asyncio.sleep(0.02)


async def test_all_files_together_are_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payk.web.spool.OF_ALL", 15 * 2**20)
    async with centre_on(database) as centre:
        await _with_many_labels(centre)
        writer = await _unread(centre)
        refused = problem(await _asked(centre, MANY, 2), "ServiceUnavailable")
        assert "others have not taken yet" in refused["Detail"]
        writer.close()


@pytest.mark.parametrize("kind", ["json", "csv", "xlsx"])
async def test_a_report_beyond_the_room_of_a_client_is_refused_and_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("payk.web.spool.OF_ONE", 2**18)
    async with centre_on(database) as centre:
        await _with_many_labels(centre)
        for _ in range(3):
            refused = problem(await _asked(centre, f"{MANY}&Format={kind}", 1), "ParameterInvalid")
            assert "262,144 octets" in refused["Detail"]
        for _ in range(10):
            assert (await centre.http.head("/api/v1/reports")).status_code == 200
            assert (await _asked(centre, "/api/v1/reports", 1)).status_code == 200


async def test_a_report_for_which_the_disk_has_no_room_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc/there-is-no-room-here")
    async with centre_on(database) as centre:
        await _with_many_labels(centre)
        assert "the disk" in problem(await _asked(centre, MANY, 1), "ServiceUnavailable")["Detail"]
        assert (await centre.send(COMMON)).status_code == 200  # that says nothing of the database


async def test_a_report_that_is_taken_too_slowly_is_cut(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payk.web.reports.TAKING", -1.0)
    async with centre_on(database) as centre:
        await _with_many_labels(centre)
        with pytest.raises(httpx.RemoteProtocolError):
            await _asked(centre, MANY, 1)


async def test_json_is_json_whatever_a_label_holds(counted: Centre) -> None:
    await sent(counted, 1, SmsLabel='"}],\\ \u2028 скидка')
    while await fold(counted.db):
        pass
    text = (await report(counted, "GroupBy=SmsLabel")).text
    assert '"}],\\ \u2028 скидка' in {row["SmsLabel"] for row in json.loads(text)["Rows"]}


def test_a_million_rows_go_to_the_next_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payk.web.tables.SHEET_ROWS", 10)
    file = io.BytesIO()
    table = XlsxTable(file, ["Number"])
    table.write([number] for number in range(20))
    table.close()
    book = openpyxl.load_workbook(file)
    assert [sheet.max_row for sheet in book.worksheets] == [10, 10, 3]
    assert [row[0] for sheet in book for row in sheet.iter_rows(min_row=2, values_only=True)] == list(range(20))


def test_a_sheet_that_grows_too_large_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payk.web.tables.SHEET_OCTETS", 1000)
    file = io.BytesIO()
    table = XlsxTable(file, ["Text"])
    table.write([["x" * 300]] * 5)
    table.close()
    assert [sheet.max_row for sheet in openpyxl.load_workbook(file).worksheets] == [4, 3]


TEXTS = ["<b>&amp;\"'", " \t two\nlines ", "скидка 👨‍👩‍👧", "_x0041_", "\x01\x0b\r\ufffe", "=1+1", "12", "\ud800"]


def test_a_workbook_holds_texts_numbers_and_times_as_they_are() -> None:
    """As openpyxl reads it; and written to what is no file, as a response is."""
    at = datetime(2026, 2, 28, 23, 59, 59, tzinfo=ZoneInfo("Asia/Dushanbe"))
    buffer = Buffer()
    head = [f"c{number}" for number in range(30)]
    table = XlsxTable(buffer, head)
    table.write([[*TEXTS, None, 7, 0.125, -3, at, *[1] * 17]])
    table.close()
    sheet = openpyxl.load_workbook(io.BytesIO(buffer.taken())).active
    first, row = [list(each) for each in sheet.iter_rows(values_only=True)]
    assert first == head
    assert sheet["A1"].font.bold
    assert [unescape(text) for text in row[:7]] == TEXTS[:7]
    assert row[7:13] == ["?", None, 7, 0.125, -3, datetime(2026, 2, 28, 23, 59, 59)]  # noqa: DTZ001 - of a wall
    assert sheet.freeze_panes == "A2"
    assert sheet["AD2"].value == 1


@pytest.mark.parametrize("text", ["=cmd|'/c calc'!A0", "+1", "-1", "@SUM(A1)", "\tx"])
def test_no_text_is_a_formula(text: str) -> None:
    file = io.BytesIO()
    table = CsvTable(file, ["Label"])
    table.write([[text]])
    table.close()
    [row] = csv.DictReader(io.StringIO(file.getvalue().decode("utf-8-sig")))
    assert row["Label"] == "'" + text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("promo;=1+1;x", '"promo;\'=1+1;x"'),
        ("a\t-1", '"a\t\'-1"'),
        ("a\r\n@SUM(A1)", '"a\r\n\'@SUM(A1)"'),
        (";+1", '";\'+1"'),
        ('x;"=1+1', '"x;\'""=1+1"'),
        ("spring;summer", '"spring;summer"'),
        ("a=b-c", "a=b-c"),
        ('say "x", y', '"say ""x"", y"'),
    ],
)
def test_no_text_is_a_formula_where_semicolons_part_cells(text: str, written: str) -> None:
    file = io.BytesIO()
    table = CsvTable(file, ["Label", "Messages"])
    table.write([["x", 1], [text, 0.5]])
    table.close()
    assert file.getvalue().decode("utf-8-sig") == f"Label,Messages\r\nx,1\r\n{written},0.5\r\n"
