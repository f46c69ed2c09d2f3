"""docs/reports.md: every command of the page in its order, on a real `payk up`."""

from __future__ import annotations

import asyncio
import csv
import json

import openpyxl

from tests.end_to_end.payk import Payk
from tests.observe.pages import commands


async def test_every_command_of_the_page(payk: Payk) -> None:
    centre = await payk.up()
    lines = commands("reports.md")
    port = centre.http.base_url.port
    outputs = await payk.outputs(
        lines,
        {
            "127.0.0.1:8080": f"127.0.0.1:{port}",
            "127.0.0.1:9080": f"127.0.0.1:{centre.admin.base_url.port}",
            ".payk/": f"{payk.home}/",
            "payk label": f"PAYK_URL=http://127.0.0.1:{port} PAYK_API_KEY=$KEY payk label",
        },
    )
    printed: dict[str, list[str]] = {}
    for command, out in zip(lines, outputs, strict=False):
        assert '"MessageError":true' not in out, (command, out)
        printed.setdefault(command, []).append(out.strip())
    assert sum(len(outs) for outs in printed.values()) == len(lines)  # each of them was run

    def of(beginning: str) -> str:
        [out] = printed.get(beginning) or [outs[0] for each, outs in printed.items() if each.startswith(beginning)]
        return out

    assert json.loads(of("curl -s http://127.0.0.1:8080/api/v1/sms/bulk")) == {"Added": 200}
    told = json.loads(of("payk label spring --json"))
    assert (told["Planned"], told["Scheduled"], told["Queued"]) == (200, 200, 0)
    assert json.loads(of("curl -s 'http://127.0.0.1:8080/api/v1/reports/labels")) == told
    assert "0 of 200 came to an end" in of("payk label spring")
    assert of("payk label spring --watch").splitlines()[-1].endswith("0 queued, 0 submitted, 0 delivered, 200 failed")
    assert of("payk label spring pause") == "200 held back"
    assert of("payk label spring resume") == "200 let go"
    assert of("payk label spring cancel") == "200 cancelled, 0 too late"
    files = {file.name: file for file in payk.folder.iterdir()}
    with files["spring.csv"].open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 200
    assert {(row["MessageState"], row["Reason"]) for row in rows} == {("Deleted", "cancelled")}
    with files["demo-spring.csv"].open(encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == 200
    assert openpyxl.load_workbook(files["report.xlsx"]).active.max_row >= 1
    stands = json.loads(of('curl -s -H "$TOKEN" \'http://127.0.0.1:9080/api/admin/v1/reports/label?'))
    assert (stands["planned"], stands["failed"]) == (200, 200)
    assert (
        json.loads(of("curl -s 'http://127.0.0.1:8080/api/v1/reports?GroupBy=SmsLabel,Day"))["TimeZone"]
        == "Asia/Dushanbe"
    )
    public, managed = (
        "curl -s 'http://127.0.0.1:8080/api/v1/",
        'curl -s -H "$TOKEN" \'http://127.0.0.1:9080/api/admin/v1/',
    )
    deleted = json.loads(of('curl -s "http://127.0.0.1:8080/api/v1/reports/messages?From='))["Messages"]
    assert len({row["MessageId"] for row in deleted}) == 200
    assert {row["MessageState"] for row in deleted} == {"Deleted"}
    assert deleted[0]["DateSubmitted"].endswith("+05:00")
    assert of(f"{public}reports?GroupBy=Operator").lstrip("\ufeff").startswith("Operator,Messages,Parts,None,")
    assert of(f"{managed}reports?group_by=Route").lstrip("\ufeff").startswith("route,operator,messages,parts,")
    assert json.loads(of(f"{managed}reports?group_by=Client"))["group_by"] == ["Client", "SmsType", "Hour"]
    assert json.loads(of("curl -s http://127.0.0.1:8080/api/v1/reports/labels")).keys() == {"Labels"}
    assert json.loads(of(f"{managed}reports/labels?client=demo")).keys() == {"items"}
    # What the label says at once the report says after a moment.
    async with asyncio.timeout(30):
        while True:
            answer = await centre.http.get("/api/v1/reports?GroupBy=SmsLabel")
            counts = {row["SmsLabel"]: row["States"]["Deleted"] for row in answer.json()["Rows"]}
            if counts.get("spring") == 200:
                break
            await asyncio.sleep(0.2)
