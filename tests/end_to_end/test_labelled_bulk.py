"""A labelled mailing of 200,000 towards a slow link, by the public API alone: sent, watched, stopped, told of."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from dataclasses import dataclass, field
from typing import Any

from tests.end_to_end.payk import Centre, Operator, Payk, registry

MESSAGES, AT_ONCE = 200_000, 20_000
RATE, WINDOW = 200, 100
"""Of the link: submits a second, and those that wait for their answer."""
LABEL = "spring"
FIRST = 992900200000
WITHIN = 1.0
"""Seconds from a request to pause or cancel until nothing of the label is submitted any more."""
_PLACES = ("Scheduled", "Held", "Queued", "Submitted", "Delivered", "Failed")


@dataclass
class Mailing:
    """The client's side of it."""

    centre: Centre
    operator: Operator
    seen: list[dict[str, Any]] = field(default_factory=list)

    async def send(self) -> None:
        """All of it. A bulk that found no time to be stored was surely not taken, and is sent again."""
        for first in range(0, MESSAGES, AT_ONCE):
            body = [
                {
                    "PhoneNumber": str(FIRST + number),
                    "Text": "Spring is here",
                    "SenderAddress": "AlifBank",
                    "SmsType": 3,
                    "SmsLabel": LABEL,
                }
                for number in range(first, first + AT_ONCE)
            ]
            while (answer := await self._post("bulk", body)).get("MessageResult") == "ServiceUnavailable":
                await asyncio.sleep(0.2)
            assert answer == {"Added": AT_ONCE}

    async def _post(self, path: str, body: Any) -> dict[str, Any]:
        content = await asyncio.to_thread(json.dumps, body)
        return dict((await self.centre.http.post(f"/api/v1/sms/{path}", content=content)).json())

    async def command(self, what: str) -> dict[str, Any]:
        """Pause, resume or cancel it."""
        return await self._post(what, {"SmsLabel": LABEL})

    async def stopped_by(self, what: str) -> dict[str, Any]:
        """Pause or cancel it; nothing more of it is submitted a second after that was asked for. What was answered."""
        asked = time.time()
        answer = await self.command(what)
        await asyncio.sleep(max(0.0, asked + 3 * WITHIN - time.time()))
        submits = [line["at"] for line in self.operator.record.submits()]
        assert asked - 1 < max(submits), "it did not flow before"
        assert max(submits) <= asked + WITHIN, f"submitted {max(submits) - asked:.2f} s after it was asked to {what}"
        return answer

    async def look(self) -> dict[str, Any]:
        """How it stands; each message is in one place."""
        answer = await self.centre.http.get("/api/v1/reports/labels", params={"SmsLabel": LABEL})
        assert answer.status_code == 200, answer.text
        found = dict(answer.json())
        assert found["Planned"] == sum(found[place] for place in _PLACES), found
        self.seen.append(found)
        return found

    async def look_until(self, place: str, count: int, *, within: float) -> dict[str, Any]:
        """Until so many are in a place."""
        ends_at = time.monotonic() + within
        while (found := await self.look())[place] != count:
            assert time.monotonic() < ends_at, found
            await asyncio.sleep(0.3)
        return found

    def submitted(self) -> set[str]:
        """The numbers that the operator was sent something for; each once."""
        numbers = [line["destination"] for line in self.operator.record.submits()]
        assert len(numbers) == len(set(numbers))
        return set(numbers)

    async def table(self, path: str, **query: str) -> list[dict[str, str]]:
        """A CSV file that is downloaded."""
        answer = await self.centre.http.get(f"/api/v1/reports{path}", params={"Format": "csv", **query}, timeout=60)
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def test_a_mailing_of_200_000_is_watched_and_stopped_within_a_second(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate("--latency", "300")
    await payk_on_server.apply(registry(operator.port, link=f"rate = {RATE}\nwindow = {WINDOW}"))
    centre = await payk_on_server.serve()
    mailing = Mailing(centre, operator)

    sending = asyncio.create_task(mailing.send())
    while not sending.done():
        await asyncio.sleep(0.5)
        if mailing.seen or (await centre.http.get(f"/api/v1/reports/labels?SmsLabel={LABEL}")).status_code == 200:
            await mailing.look()
    await sending
    assert (await mailing.look())["Planned"] == MESSAGES
    planned = [each["Planned"] for each in mailing.seen]
    assert planned == sorted(planned) and len(planned) > 3

    paused = await mailing.stopped_by("pause")
    stands = await mailing.look()
    submitted = mailing.submitted()
    assert 0 < len(submitted) == stands["Submitted"] + stands["Delivered"] == MESSAGES - stands["Held"]
    assert (stands["Queued"], stands["EndsAt"]) == (0, None)
    # Some left after they were counted for the answer, and some were claimed then and came back unsent.
    assert abs(stands["Held"] - paused["Messages"]) <= RATE * WITHIN + WINDOW
    last = (await centre.http.get(f"/api/v1/sms?SmsLabel={LABEL}&Limit=1")).json()["Messages"][0]["MessageId"]
    why = (await centre.http.get(f"/api/v1/sms/{last}/events")).json()["Why"]
    assert (why["Code"], why["Until"]) == ("Paused", None)

    assert (await mailing.command("resume"))["Messages"] == stands["Held"]
    await operator.record.wait_for(len(submitted) + 100)
    await mailing.stopped_by("cancel")
    submitted = mailing.submitted()
    await mailing.look_until("Held", 0, within=60)
    stands = await mailing.look_until("Submitted", 0, within=30)
    cancelled = MESSAGES - len(submitted)
    assert (stands["Planned"], stands["Delivered"], stands["Failed"]) == (MESSAGES, len(submitted), cancelled)
    assert stands["Failures"] == [{"MessageState": "Deleted", "Reason": "cancelled", "Messages": cancelled}]

    [row] = await mailing.table("", GroupBy="SmsLabel", SmsLabel=LABEL)
    counted = {name: int(row[name]) for name in ("Messages", "Parts", "None", "Enroute", "Delivered", "Deleted")}
    assert counted == {
        "Messages": MESSAGES,
        "Parts": MESSAGES,
        "None": 0,
        "Enroute": 0,
        "Delivered": len(submitted),
        "Deleted": cancelled,
    }
    assert (row["SmsLabel"], row["Failures"]) == (LABEL, f"Deleted (cancelled): {cancelled}")
    delivered = await mailing.table("/messages", SmsLabel=LABEL, State="Delivered")
    assert {message["PhoneNumber"] for message in delivered} == submitted and len(delivered) == len(submitted)
    assert mailing.submitted() == submitted
