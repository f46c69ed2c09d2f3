"""The lines of outcomes: which there are, what stands in them, and what never does."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.payk import MESSAGE, Centre, Payk, of_operator, registry
from tests.end_to_end.program import Program

PAGE = (Path(__file__).parents[2] / "docs" / "observe.md").read_text("utf-8")
SECRET = "Весенний пароль"
NUMBERS = {
    "delivered": "992000000000",
    "refused": "992000000007",
    "retried": "992000000009",
    "uncertain": "992000000011",
    "undeliverable": "992000000002",
    "two parts": "992900900900",
    "expired": "998900900911",
}

Line = dict[str, Any]


def lines_of(program: Program) -> list[Line]:
    """The finished lines so far, but for those of other programs."""
    whole = program.stderr.rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]


async def outcomes(program: Program, enough: Callable[[list[Line]], bool], within: float = 30.0) -> list[Line]:
    """The lines of outcomes, once there are enough."""
    deadline = time.monotonic() + within
    while not enough(lines := [line for line in lines_of(program) if line["event"] == "outcome"]):
        assert time.monotonic() < deadline, lines
        await asyncio.sleep(0.1)
    return lines


async def send(centre: Centre, number: str, **fields: Any) -> tuple[int, str]:
    """The id of a message that was taken, and of its request."""
    answer = await centre.http.post("/api/v1/sms", json=MESSAGE | {"PhoneNumber": number} | fields)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["MessageId"]), answer.headers["x-request-id"]


async def test_every_outcome_has_one_line(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port) + of_operator("dead", 1, prefix="998"))
    centre = await payk_on_server.serve()
    sent = {}
    for what, number in NUMBERS.items():
        text = SECRET if what != "two parts" else f"{SECRET} " * 5
        fields = {"ExpiresIn": 1} if what == "expired" else {}
        sent[what] = await send(centre, number, Text=text, SmsType=3, **fields)
    wanted = {
        ("delivered", None): ["submitted", "delivered"],
        ("refused", None): ["refused"],
        ("retried", None): ["refused", "submitted", "delivered"],
        ("uncertain", None): ["uncertain"],
        ("undeliverable", None): ["submitted", "undeliverable"],
        ("two parts", 1): ["submitted", "delivered"],
        ("two parts", 2): ["submitted", "delivered"],
        ("expired", None): ["expired"],
    }

    def of(lines: list[Line], what: str, part: int | None) -> list[Line]:
        message_id = sent[what][0]
        return [line for line in lines if line["message_id"] == message_id and part in (None, line.get("part"))]

    def told(lines: list[Line]) -> dict[tuple[str, int | None], list[str]]:
        return {case: [line["outcome"] for line in of(lines, *case)] for case in wanted}

    lines = await outcomes(centre.program, lambda lines: len(lines) >= sum(map(len, wanted.values())))
    assert told(lines) == wanted
    assert len(lines) == sum(map(len, wanted.values()))

    for what, (message_id, request_id) in sent.items():
        for line in of(lines, what, None):
            number = NUMBERS[what]
            assert line["request_id"] == request_id and line["message_id"] == message_id
            assert line["client"] == "bank" and line["number"] == f"{number[:6]}****{number[-2:]}"
            assert line["parts"] == (2 if what == "two parts" else 1)

    submitted, delivered = of(lines, "delivered", None)
    assert (submitted["operator"], submitted["link"], submitted["part"], submitted["attempt"]) == (
        "tcell", "tcell-1", 1, 1)  # fmt: skip
    assert all(0 <= submitted[step] < 10_000 for step in ("claim_ms", "submit_ms", "answer_ms")), submitted
    assert (delivered["link"], delivered["attempt"], delivered["code"], delivered["error"], delivered["state"]) == (
        "tcell-1", 1, "DELIVRD", "000", "Delivered")  # fmt: skip
    assert 0 <= delivered["receipt_ms"] <= delivered["total_ms"] < 20_000

    [refused] = of(lines, "refused", None)
    assert (refused["code"], refused["state"], refused["level"]) == ("ESME_RINVDSTADR", "Undeliverable", "info")
    first, second, _ = of(lines, "retried", None)
    assert (first["code"], first["attempt"], second["attempt"]) == ("ESME_RSYSERR", 1, 2)
    assert 0 < first["retry_ms"] <= 4_000 and "state" not in first
    [uncertain] = of(lines, "uncertain", None)
    assert (uncertain["level"], uncertain["error"]) == ("warning", "no answer within 5 s")
    failed = of(lines, "undeliverable", None)[1]
    assert (failed["code"], failed["state"]) == ("UNDELIV", "Undeliverable") and failed["error"] != "000"
    [expired] = of(lines, "expired", None)
    assert (expired["room"], expired["state"], expired["reason"]) == ("maintenance", "Expired", "not sent in time")
    assert 1_000 <= expired["total_ms"] < 10_000 and "link" not in expired

    await centre.program.stop()
    whole = centre.program.stderr + centre.program.stdout
    assert SECRET not in whole and SECRET.encode("utf-16-be").hex() not in whole.lower()
    assert not [number for number in NUMBERS.values() if number in whole]
    assert not re.search(r"99[28]\d{9}", whole)


async def test_what_ends_without_a_receipt_has_one_line(payk_on_server: Payk) -> None:
    """Cancelled by its id, by its label or by people, forgotten with its number; by the server, and by commands."""
    payk = payk_on_server
    await payk.apply(registry(1))  # where nobody answers
    centre = await payk.serve()
    sent = {}
    for number, what in enumerate(("by id", "by label", "by people", "forgotten", "by a command", "by another")):
        fields = {"SmsType": 3, "SmsLabel": what, "Text": SECRET}
        sent[what] = await send(centre, f"99290090090{number}", **fields)
    ids = {message_id: what for what, (message_id, _) in sent.items()}
    assert (await centre.http.delete(f"/api/v1/sms/{sent['by id'][0]}")).status_code == 200
    answer = await centre.http.post("/api/v1/sms/cancel", json={"SmsLabel": "by label"})
    assert answer.json() == {"Cancelled": 1, "TooLate": 0}
    printed = await payk.done("token", "create", "boris", "--role", "admin")
    server = {"PAYK_ADMIN_URL": str(centre.admin.base_url), "PAYK_ADMIN_TOKEN": printed.split()[-1]}
    await payk.done("queue", "cancel", "--label", "by people", **server)
    await payk.done("forget", "992900900903", "--force", **server)
    told = []
    for command in (("queue", "cancel", "--label", "by a command"), ("forget", "992900900905", "--force")):
        ended = await payk.run(*command)
        assert ended.returncode == 0, ended.stderr
        told += [json.loads(line) for line in ended.stderr.splitlines() if '"outcome"' in line]
    told += await outcomes(centre.program, lambda lines: len(lines) >= 4)
    assert {ids[line["message_id"]]: (line["room"], line["outcome"], line["reason"]) for line in told} == {
        "by id": ("web", "cancelled", "by its client"),
        "by label": ("web", "cancelled", "hold 1 by client:bank"),
        "by people": ("web", "cancelled", "hold 2 by boris"),
        "forgotten": ("web", "forgotten", "its number is forgotten"),
        "by a command": ("app", "cancelled", told[0]["reason"]),
        "by another": ("app", "forgotten", "its number is forgotten"),
    }
    assert re.fullmatch(r"hold 3 by \S+", told[0]["reason"])
    for line in told:
        assert line["request_id"] == sent[ids[line["message_id"]]][1]
        assert (line["client"], line["state"], line["parts"]) == ("bank", "Deleted", 1)
        assert line["number"].startswith("992900****") and line["total_ms"] > 0
        assert not line.keys() & {"part", "attempt", "operator", "link", "code"}
    await centre.program.stop()  # which writes what is still to be written
    assert len(await outcomes(centre.program, lambda _: True)) == 4, "each has one"


@pytest.mark.parametrize(("which", "shown"), [("failures", ["refused"]), ("off", [])])
async def test_they_are_off_by_a_setting(payk_on_server: Payk, which: str, shown: list[str]) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve(PAYK_LOG_OUTCOMES=which)
    for what in ("delivered", "refused"):
        message_id, _ = await send(centre, NUMBERS[what])
        await centre.wait_for(str(message_id))
    await centre.program.stop()  # which writes what is still to be written
    assert [line["outcome"] for line in await outcomes(centre.program, lambda _: True)] == shown


async def test_they_are_for_the_eye_too(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve(PAYK_LOG_FORMAT="console")
    message_id, request_id = await send(centre, NUMBERS["delivered"], Text=SECRET)
    await centre.wait_for(str(message_id))
    await centre.program.stop()
    lines = [line for line in centre.program.stderr.splitlines() if "outcome" in line]
    assert [re.search(r"outcome=(\w+)", line)[1] for line in lines] == ["submitted", "delivered"]  # type: ignore[index]
    assert all(f"request_id={request_id}" in line and f"message_id={message_id}" in line for line in lines)
    assert SECRET not in centre.program.stderr and NUMBERS["delivered"] not in centre.program.stderr


async def test_what_the_page_says_of_them(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve()
    message_id, request_id = await send(centre, NUMBERS["delivered"])
    shown = await outcomes(centre.program, lambda lines: len(lines) >= 2)
    section = PAGE[PAGE.index("## Logs") :]
    [example] = re.findall(r"^```jsonl\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    for line, written in zip(shown, map(json.loads, example.splitlines()), strict=True):
        assert list(line) == list(written)
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    fields = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert {name for line in shown for name in line} - {"at", "level", "room", "event"} <= fields
    (payk_on_server.folder / "payk.log").write_text(centre.program.stderr)
    [commands] = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[:1]
    for command in commands.strip().splitlines():
        own = command.replace("100000000", str(message_id)).replace("4f1d0c2a9b7e-1", request_id)
        assert str(message_id) in own or request_id in own
        found = await asyncio.to_thread(
            subprocess.run, ["bash", "-c", own], cwd=payk_on_server.folder, capture_output=True, text=True, check=True
        )
        assert [json.loads(line) for line in found.stdout.splitlines()] == shown


async def test_a_bulk_is_one_request(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve()
    items = [MESSAGE | {"PhoneNumber": f"99290090{n:04d}"} for n in range(20)]
    answer = await centre.http.post("/api/v1/sms/bulk", json=items)
    assert answer.json() == {"Added": 20}
    lines = await outcomes(centre.program, lambda lines: len(lines) >= 40)
    assert {line["request_id"] for line in lines} == {answer.headers["x-request-id"]}
