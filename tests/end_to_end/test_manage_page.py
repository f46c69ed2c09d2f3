"""docs/manage.md, every command of it: the walk from `make up` to a second client on a real `payk up`, then traffic."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.end_to_end.payk import Centre, Payk, of_operator, registry
from tests.ports import free_port

PAGE = (Path(__file__).parents[2] / "docs" / "manage.md").read_text("utf-8")
WALK, _, TRAFFIC = PAGE.partition("\n## Running traffic")
SEARCH = ("message", "search", "--client", "shop", "--json")


def blocks(language: str, text: str = WALK) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands_of(text: str) -> list[str]:
    return [line for block in blocks("sh", text) for line in block.strip().splitlines()]


async def test_every_command_of_the_walk(payk: Payk) -> None:
    centre = await payk.up()
    [school] = blocks("toml")
    ports = {shown: str(free_port()) for shown in ("2776", "2777", "2778")}
    (payk.folder / "school.toml").write_text(school.replace("2778", ports["2778"]))
    commands = commands_of(WALK)
    places = {
        "127.0.0.1:8080": f"127.0.0.1:{centre.http.base_url.port}",
        "127.0.0.1:9080": f"127.0.0.1:{centre.admin.base_url.port}",
        **ports,
        ".payk/": f"{payk.home}/",
        "$PWD/.venv": str(Path(sys.executable).parents[1]),
    }
    bare = {"PATH": os.pathsep.join(folder for folder in os.get_exec_path() if not (Path(folder) / "payk").exists())}
    try:
        printed = dict(zip(commands, await payk.outputs(commands, places, **bare), strict=False))
        _is_as_the_page_says(printed)
        assert await centre.http.get("/api/v1/sms/1")  # the centre still answers
        await _each_way_leads_to_its_operator(payk, centre)
    finally:
        pid = payk.folder / "simulate.pid"
        if pid.exists():
            subprocess.run(["kill", *pid.read_text().split()], check=False)


async def _each_way_leads_to_its_operator(payk: Payk, centre: Centre) -> None:
    """The operator of the command line, that of the API and that of the file: a message by its route reaches it."""
    key = {"X-Api-Key": (payk.folder / "shop-key").read_text().strip()}
    sent = {}
    for prefix, operator in (("99293", "northern"), ("99294", "southern"), ("99295", "eastern")):
        message = {"PhoneNumber": f"{prefix}0000002", "Text": "x", "SenderAddress": "Shop", "SmsType": 1}
        answer = (await centre.http.post("/api/v1/sms", json=message, headers=key)).json()
        assert answer["MessageResult"] == "OK", answer
        sent[answer["MessageId"]] = operator
    async with asyncio.timeout(60):
        while True:
            found = json.loads(await payk.done(*SEARCH))["items"]
            by = {str(row["message_id"]): row["operator"] for row in found if row["state"] == "Delivered"}
            if set(sent) <= set(by):
                break
    assert {message_id: by[message_id] for message_id in sent} == sent


def _is_as_the_page_says(printed: dict[str, str]) -> None:
    def of(beginning: str) -> list[str]:
        return [out for command, out in printed.items() if command.startswith(beginning)]

    assert re.search(r"^batch_hours +08:00-21:00", printed["payk client show shop"], re.MULTILINE)
    assert re.search(r"^northern-1 +northern +yes", printed["payk link list"], re.MULTILINE)
    [sent] = of("curl -s http://127.0.0.1:8080/api/v1/sms")
    assert json.loads(sent)["MessageResult"] == "OK"
    assert json.loads(sent)["MessageId"] in printed["payk message search --client shop"]
    assert json.loads(printed['curl -s -H "$TOKEN" $API/clients/shop'])["parts_per_day"] == 1000
    [state] = of('curl -s -H "$TOKEN" $API/links/northern-1/state')
    assert json.loads(state)["items"][0]["binds"][0]["bound_at"] is not None
    [paid] = of('curl -s -H "$TOKEN" $API/clients/bank/balance')
    assert json.loads(paid) == {"balance": "250", "repeated": False}
    [refused] = [out for command, out in printed.items() if '"max_parts": 0' in command]
    [shown] = blocks("json")
    assert json.loads(refused)["Errors"] == json.loads(shown)
    [link] = json.loads(printed['curl -s -H "$TOKEN" "$API/links?operator=southern"'])["items"]
    assert (link["name"], link["enabled"], "password" in link) == ("southern-1", True, False)
    [route] = of('curl -s -H "$TOKEN" $API/routes -d')
    assert json.loads(route)["operators"] == ["southern", "simulator"]
    planned = printed["payk apply school.toml --dry-run"]
    for line in ("+ client school", "+ operator eastern", "+ link eastern-1 of operator eastern", "+ route 99295"):
        assert line in planned
    assert printed["payk apply school.toml"].strip() == "nothing changes"
    assert printed["payk key list shop"].count("till") == 2
    assert re.search(r"^shop +Sale +approved", printed["payk sender list --client shop"], re.MULTILINE)
    assert re.search(r"^10{8}\d +shop +2 +northern, simulator", printed["payk route list"], re.MULTILINE)
    wins = printed["payk route explain 992930000001 --client shop --sender Shop --type otp"]
    assert re.search(r"^yes +10{8}\d +shop +2 +It fits, and names the client and the type", wins, re.MULTILINE)
    assert re.search(r"^no +\d+ +99293 +It fits, but the winner names the client", wins, re.MULTILINE)
    shares = printed["payk route explain 992900000001 --type batch"]
    assert re.search(r"^simulator +70 +yes .*\nnorthern +30 +yes", shares, re.MULTILINE)
    [code] = of('curl -s -H "$TOKEN" "$API/routes/explain')
    assert [row["operator"] for row in json.loads(code)["operators"] if row["carries"]] == ["northern"]
    assert "requests_per_second" in printed["payk change show 12"]
    assert "requests_per_second 20 -> 0" in printed["payk change revert 12"]


async def test_every_command_about_running_traffic(payk_on_server: Payk) -> None:
    payk = payk_on_server
    two = registry(1).replace('operators = ["tcell"]', 'operators = ["tcell", "megafon"]') + of_operator("megafon", 1)
    await payk.apply(two + '\n[[client]]\nname = "shop"\n')
    centre = await payk.serve("--roles", "api")
    held = await centre.send(SmsLabel="sale-7")
    commands = commands_of(TRAFFIC)
    shown = re.findall(r"^\| `payk ([a-z ]+)` \|", TRAFFIC, re.MULTILINE)
    assert shown == ["top", "queue show", "queue holds", "processes", "receipt parked"]
    looks = [f"payk {command}{' --once' if command == 'top' else ''}" for command in shown if command != "queue holds"]
    printed = dict(zip([*commands, *looks], await payk.outputs([*commands, *looks], {}), strict=False))

    assert re.search(r"^1 +.*sale-7.*wrong price", printed["payk queue holds"], re.MULTILINE)
    assert "1" in printed["payk queue cancel --label sale-7 --dry-run"]
    assert await centre.state(held) == "Deleted"
    assert re.search(r"tcell", printed["payk operator health"])
    operator = json.loads(await payk.done("operator", "show", "tcell", "--json"))
    assert (operator["health_receipts"], operator["health_delay"], operator["draining"]) == (0.3, 60, False)
    link = json.loads(await payk.done("link", "show", "tcell-1", "--json"))
    assert link["draining"] is False
    acts = [json.loads(line) for line in (await payk.done("audit", "list", "--json")).splitlines()]
    drained = [entry["object_name"] for entry in acts if "draining" in json.dumps(entry["detail"])]
    assert sorted(drained) == ["tcell", "tcell", "tcell-1", "tcell-1"]
