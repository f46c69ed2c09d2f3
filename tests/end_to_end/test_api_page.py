"""docs/en/api.md: every request of the page in its order, on a real `payk up`, and answers as they are shown."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.end_to_end.payk import Centre, Payk

PAGE = (Path(__file__).parents[2] / "docs" / "en" / "api.md").read_text("utf-8")
REQUEST = re.compile(r"^```sh\n(curl .*?)^```\n\n```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOLLOWED = 1.0
"""Seconds within which the page says that nothing of a paused label leaves."""


def requests() -> Iterator[tuple[str, Any]]:
    """Every request of the page with the answer that is shown."""
    for line, shown in REQUEST.findall(PAGE):
        yield line, json.loads(shown)


async def asked(payk: Payk, centre: Centre, line: str) -> Any:
    key = (payk.home / "demo-key").read_text().strip()
    script = line.replace("http://127.0.0.1:8080", str(centre.http.base_url).rstrip("/"))
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"KEY={key}\n{script.replace('curl ', 'curl --silent ', 1)}"), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    return json.loads(printed)


def timeless(answer: Any) -> Any:
    """The same, but for moments, which are all alike."""
    return json.loads(re.sub(r'"\d{4}-\d\d-\d\dT[\d:.]+"', '"TIME"', json.dumps(answer)))


async def test_every_request_is_answered_as_shown(payk: Payk) -> None:
    centre = await payk.up()
    seen = 0
    for line, shown in requests():
        answer = await asked(payk, centre, line)
        seen += 1
        if "/events'" in line:  # what is shown there happened at another operator
            assert list(answer) == list(shown) and answer["MessageId"] == shown["MessageId"]
            assert {event["Event"] for event in answer["Events"]} >= {"accepted", "queued", "submitted"}
            continue
        if "/preview'" in line:  # not all that force UCS-2 are shown
            assert answer["ForcedBy"][: len(shown["ForcedBy"])] == shown["ForcedBy"]
            answer["ForcedBy"] = shown["ForcedBy"]
        assert timeless(answer) == timeless(shown), line
        if answer.get("MessageId") == "100000000" and "MessageResult" in answer:
            await centre.wait_for("100000000", "Delivered")
        if line.startswith("curl --location 'http://127.0.0.1:8080/api/v1/sms/pause'"):
            await asyncio.sleep(FOLLOWED)
    assert seen >= 10
    states = await centre.wait_for_all(["100000005", "100000006"], within=30)  # what was resumed goes
    assert set(states.values()) == {"Delivered"}
    assert [await centre.state(each) for each in ("100000003", "100000004")] == ["Deleted"] * 2
