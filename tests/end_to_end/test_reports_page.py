"""docs/reports.md: every command of the page in its order, on a real `payk up`."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import openpyxl

from tests.end_to_end.payk import Payk

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text("utf-8")
END = "end of the command"


async def test_every_command_of_the_page(payk: Payk) -> None:
    centre = await payk.up()
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.strip().splitlines()]
    script = "set -e\n" + "".join(f"{command}\necho; echo '{END}'\n" for command in commands)
    for shown, here in {
        "127.0.0.1:8080": f"127.0.0.1:{centre.http.base_url.port}",
        "127.0.0.1:9080": f"127.0.0.1:{centre.admin.base_url.port}",
        ".payk/": f"{payk.home}/",
        "payk label": f"PAYK_URL=http://127.0.0.1:{centre.http.base_url.port} PAYK_API_KEY=$KEY payk label",
    }.items():
        script = script.replace(shown, here)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PAYK_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", script],
        env={**inherited, "PATH": path, **payk.environment},
        cwd=payk.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, (ended.stdout[-2_000:], ended.stderr)
    outputs = [out.strip() for out in ended.stdout.split(f"\n{END}\n")]
    printed: dict[str, list[str]] = {}
    for command, out in zip(commands, outputs, strict=False):
        printed.setdefault(command, []).append(out)

    def of(beginning: str) -> str:
        [out] = [outs[0] for command, outs in printed.items() if command.startswith(beginning)]
        return out

    assert json.loads(of("curl -s http://127.0.0.1:8080/api/v1/sms/bulk")) == {"Added": 200}
    told = json.loads(of("payk label spring --json"))
    assert (told["Planned"], told["Scheduled"], told["Queued"]) == (200, 200, 0)
    assert json.loads(of("curl -s 'http://127.0.0.1:8080/api/v1/reports/labels")) == told
    before, after = printed["payk label spring"]
    assert "0 of 200 came to an end" in before
    assert "200 of 200 came to an end" in after
    assert of("payk label spring pause") == "200 held back"
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
    await asyncio.sleep(0)
    # What the label says at once the report says after a moment.
    async with asyncio.timeout(30):
        while True:
            answer = await centre.http.get("/api/v1/reports?GroupBy=SmsLabel")
            counts = {row["SmsLabel"]: row["States"]["Deleted"] for row in answer.json()["Rows"]}
            if counts.get("spring") == 200:
                break
            await asyncio.sleep(0.2)
