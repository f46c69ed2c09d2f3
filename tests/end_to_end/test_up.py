"""`payk up`: the documented requests as they stand in the README, health, the record, and a stop without a trace."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import stat
from datetime import UTC, datetime
from pathlib import Path

from tests.end_to_end.payk import MESSAGE, Payk

SINGLE = """{
"PhoneNumber": "992900900900",
"Text": "Ваш код подтверждения: 12345",
"SenderAddress": "AlifBank",
"SmsType": 2
}"""
BULK = """[
{
"PhoneNumber": "992900900900",
"Text": "Уважаемый клиент, напоминаем о предстоящем платеже.",
"SenderAddress": "AlifBank",
"SmsType": 1
},
{
"PhoneNumber": "992988776655",
"Text": "Ваша заявка принята в обработку.",
"SenderAddress": "AlifSarmoya",
"SmsType": 1
}
]"""
JSON = {"Content-Type": "application/json"}


def test_these_bodies_stand_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert SINGLE in readme
    assert BULK in readme


async def test_the_documented_requests_have_the_documented_answers(payk: Payk) -> None:
    centre = await payk.up()

    sent = await centre.http.post("/api/v1/sms", content=SINGLE.encode(), headers=JSON)
    assert sent.status_code == 200
    assert sent.json() == {"MessageId": "100000000", "MessageResult": "OK", "MessageError": False}
    before = datetime.now(UTC).replace(tzinfo=None)
    await centre.wait_for("100000000", "Delivered")
    status = await centre.status("100000000")
    assert list(status) == ["MessageId", "CommandStatus", "MessageState", "DateSubmitted", "DateDone"]
    assert (status["MessageId"], status["CommandStatus"]) == ("100000000", "OK")
    for member in ("DateSubmitted", "DateDone"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", status[member])
        assert abs((datetime.fromisoformat(status[member]) - before).total_seconds()) < 10

    bulk = await centre.http.post("/api/v1/sms/bulk", content=BULK.encode(), headers=JSON)
    assert (bulk.status_code, bulk.json()) == (200, {"Added": 2})
    await payk.record.wait_for(3)
    for message_id in ("100000001", "100000002"):
        await centre.wait_for(message_id, "Delivered")

    otp = payk.record.submits("992900900900")[0]
    assert (otp["source"], otp["data_coding"], otp["status"]) == ("AlifBank", 8, 0)
    assert bytes.fromhex(otp["octets"]).decode("utf-16-be") == "Ваш код подтверждения: 12345"
    assert payk.record.submits("992988776655")[0]["source"] == "AlifSarmoya"


async def test_every_line_of_the_record_says_what_was_received(payk: Payk) -> None:
    centre = await payk.up()
    await centre.wait_for(await centre.send("992900900901", Text="Hello @ 5 €"), "Delivered")
    await centre.wait_for(await centre.send("992900900902", Text="Ҷавоб " * 20), "Delivered")
    await asyncio.sleep(0.2)  # lines are gathered for 0.1 s

    lines = [json.loads(line) for line in payk.record.path.read_text().splitlines()]
    told = {"kind", "time", "bind", "source", "destination", "esm_class", "data_coding", "octets", "id"}
    assert all(told <= line.keys() for line in lines)
    assert all(datetime.fromisoformat(line["time"]).utcoffset() is not None for line in lines)

    (short,) = payk.record.submits("992900900901")
    assert (short["data_coding"], bytes.fromhex(short["octets"])) == (0, b"Hello \x00 5 \x1be")
    (receipt,) = payk.record.receipts("992900900901")
    assert (receipt["id"], receipt["state"], receipt["status"]) == (short["id"], "DELIVRD", 0)
    assert receipt["destination"] == "AlifBank"
    assert receipt["esm_class"] & 0x3C == 0x04

    parts = payk.record.submits("992900900902")
    assert len(parts) == 2
    assert all(part["esm_class"] & 0x40 and part["data_coding"] == 8 for part in parts)
    assert all(part["registered_delivery"] & 3 == 1 for part in parts)
    headers = [bytes.fromhex(part["octets"])[:6] for part in parts]
    assert [header[:3] + header[4:] for header in headers] == [b"\x05\x00\x03\x02\x01", b"\x05\x00\x03\x02\x02"]
    text = b"".join(bytes.fromhex(part["octets"])[6:] for part in parts).decode("utf-16-be")
    assert text == ("Ҷавоб " * 20)
    assert {receipt["id"] for receipt in payk.record.receipts("992900900902")} == {part["id"] for part in parts}


async def test_it_serves_health_and_documents_and_says_where_everything_is(payk: Payk) -> None:
    centre = await payk.up()
    for client in (centre.http, centre.admin):
        client.headers.pop("X-Api-Key")
        for path in ("/health/live", "/health/ready"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()) == (200, {"Status": "OK", "Warnings": []}), path
    assert (await centre.http.get("/docs")).status_code == 200
    assert "/api/v1/sms" in (await centre.http.get("/openapi.json")).json()["paths"]
    assert re.search(r"^operator +127\.0\.0\.1:\d+", centre.program.stdout, re.MULTILINE)
    assert f"curl --location '{str(centre.http.base_url).rstrip('/')}/api/v1/sms'" in centre.program.stdout
    assert stat.S_IMODE((payk.home / "demo-key").stat().st_mode) == 0o600
    assert stat.S_IMODE((payk.home / "secret-key").stat().st_mode) == 0o600


async def test_a_stop_leaves_no_process_behind_and_the_next_start_goes_on(payk: Payk) -> None:
    centre = await payk.up()
    key = (payk.home / "demo-key").read_text()
    first = await centre.send()
    await centre.wait_for(first, "Delivered")
    assert len(payk.processes()) > 2  # itself, the database, its children
    await centre.program.stop(signal.SIGINT)
    assert payk.processes() == []

    centre = await payk.up()
    assert (payk.home / "demo-key").read_text() == key
    assert await centre.state(first) == "Delivered"
    second = await centre.send()
    assert int(second) > int(first)
    await centre.wait_for(second, "Delivered")
    await centre.program.stop(signal.SIGTERM)
    assert payk.processes() == []

    centre = await payk.up()
    await centre.program.stop(signal.SIGHUP)  # the terminal was closed
    assert payk.processes() == []


async def test_up_on_a_database_of_the_users_own(payk_on_server: Payk) -> None:
    centre = await payk_on_server.up()
    await centre.wait_for(await centre.send(), "Delivered")
    await centre.program.stop()
    assert payk_on_server.processes() == []


async def test_killed_and_started_again_it_works_and_its_stop_leaves_no_process_behind(payk: Payk) -> None:
    centre = await payk.up()
    bodies = [MESSAGE | {"PhoneNumber": f"99290090{number:04}", "SmsType": 1} for number in range(200)]
    answer = await centre.http.post("/api/v1/sms/bulk", params={"MessageIds": "true"}, json=bodies)
    taken = answer.json()["MessageIds"]
    centre.program.kill()

    centre = await payk.up()
    await centre.wait_for(await centre.send(), "Delivered")
    states = await centre.wait_for_all(taken, within=90)
    assert set(states.values()) <= {"Delivered", "Unknown"}
    await centre.program.stop()
    assert payk.processes() == []


async def test_two_homes_run_side_by_side_and_one_home_once(payk: Payk, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Payk(tmp_path / "other")
    try:
        one, two = await asyncio.gather(payk.up(), other.up())
        assert (await one.send(), await two.send()) == ("100000000", "100000000")
        again = await payk.run("up", PAYK_PORT="0", PAYK_ADMIN_PORT="0")
        assert (again.returncode, again.stderr) == (2, f"payk: Payk is already running with {payk.home}\n")
        await asyncio.gather(one.program.stop(), two.program.stop())
        assert payk.processes() + other.processes() == []
    finally:
        await other.close()
