"""GET /api/v1/sms/{id}/events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from payk.domain.message import MessageState
from payk.domain.outcome import Accepted, PartOutcome, RefusalKind, Refused, Uncertain
from payk.domain.receipt import ReceiptReport, ReceiptWait
from payk.domain.retry import RetryRules
from payk.store.claims import Claim, Quota, claim_rows, present_flows
from payk.store.outcomes import decided, record_outcomes
from payk.store.processes import register
from payk.store.receipts import settle_receipts
from payk.store.upkeep import stage_due
from payk.web.api.openapi import document
from tests.web.answers import problem
from tests.web.centre import MESSAGE, Centre, key_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE, SENDER = MESSAGE["PhoneNumber"], MESSAGE["SenderAddress"]
LINK = 1
LONG = {**MESSAGE, "Text": "Ваш код: 12345. " * 7}
DESCRIBED = list(document()["components"]["schemas"]["Event"]["properties"])
DONE = datetime(2025, 2, 17, 10, 20, tzinfo=UTC)


class Sender:
    """Sends what waits at the centre, as a dispatcher would; each answer is told."""

    def __init__(self, centre: Centre, incarnation: int) -> None:
        self._centre = centre
        self._db = centre.db
        self._incarnation = incarnation

    async def claim(self, message_id: str) -> Claim:
        async with self._db.connection() as connection:
            await connection.execute("delete from waiting where message_id <> $1", int(message_id))
        quotas = [Quota(flow, 0, 1) for flow in await present_flows(self._db)]
        [claim] = await claim_rows(self._db, self._incarnation, LINK, quotas)
        return claim

    async def send(self, message_id: str, *outcomes: PartOutcome) -> None:
        """Claim, submit, record."""
        claim = await self.claim(message_id)
        rules = RetryRules(retry_for=600, uncertain_hold=60)
        record = decided(claim, outcomes, 0.0, self._centre.directory, rules, 0.0)
        assert record is not None
        await record_outcomes(self._db, self._incarnation, [record], ReceiptWait())

    async def bring_due(self) -> None:
        async with self._db.connection() as connection:
            await connection.execute("update staged set due = now() - interval '1 second'")
        await stage_due(self._db, 10)

    async def receive(self, smsc_id: str, **changes: Any) -> None:
        report = ReceiptReport(
            1, LINK, (smsc_id,), MessageState.DELIVERED, "DELIVRD", "000", None, "2502171020", None, PHONE, SENDER
        )
        [settled] = await settle_receipts(self._db, [replace(report, **changes)], ReceiptWait())
        assert settled.message_id is not None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sender(centre: Centre) -> Sender:
    async with centre.db.connection() as connection:
        for number, operator in centre.directory.value.operators.items():
            await connection.execute(
                "insert into operator (operator_id, name) overriding system value values ($1, $2)",
                number,
                operator.name,
            )
    return Sender(centre, await register(centre.db, host="here", pid=1, roles=["dispatch"]))


async def sent(centre: Centre, body: Mapping[str, Any] = MESSAGE, client: int = 1) -> str:
    message_id: str = (await centre.send(body, client=client)).json()["MessageId"]
    return message_id


async def timeline(centre: Centre, message_id: str) -> dict[str, Any]:
    """The answer, its times checked and taken out of the events."""
    response = await centre.http.get(f"/api/v1/sms/{message_id}/events")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    body: dict[str, Any] = response.json()
    assert list(body) == ["MessageId", "MessageState", "Parts", "Why", "Events"]
    assert list(body["Why"]) == ["Code", "Detail", "Until"]
    assert body["MessageId"] == message_id
    assert body["MessageState"] == (await centre.http.get(f"/api/v1/sms/{message_id}")).json()["MessageState"]
    times = []
    for event in body["Events"]:
        assert list(event) == [name for name in DESCRIBED if name in event]
        times.append(event.pop("Time"))
        for written in (times[-1], event.get("Until", times[-1]), event.get("OperatorTime", times[-1])):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", written)
    assert times == sorted(times)
    first = datetime.fromisoformat(times[0]).replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - first).total_seconds()) < 60
    return body


async def test_a_new_message(centre: Centre) -> None:
    body = await timeline(centre, await sent(centre, LONG))
    assert body["MessageState"] == "None"
    assert body["Parts"] == 2
    assert body["Events"] == [{"Event": "accepted"}, {"Event": "queued"}]
    assert body["Why"] == {
        "Code": "OperatorOff",  # the database of this centre has no operators
        "Detail": "It waits: the operators that it may go to are switched off at the centre for now.",
        "Until": None,
    }


async def test_a_scheduled_message(centre: Centre) -> None:
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    message_id = await sent(centre, {**MESSAGE, "ScheduledAt": f"{tomorrow}T10:20:30.1239Z"})
    body = await timeline(centre, message_id)
    assert body["Events"] == [
        {"Event": "accepted"}, {"Event": "held", "Until": f"{tomorrow}T10:20:30.123"},
    ]  # fmt: skip
    assert body["Why"] == {
        "Code": "Scheduled",
        "Detail": f"It is scheduled: it may be sent from {tomorrow} 10:20:30 UTC on.",
        "Until": f"{tomorrow}T10:20:30.123",
    }


async def test_what_its_client_paused(centre: Centre) -> None:
    async with centre.db.connection() as connection:
        await connection.execute("insert into client (client_id, name) overriding system value values (1, 'demo')")
    message_id = await sent(centre, {**MESSAGE, "SmsLabel": "spring"})
    other = await sent(centre, {**MESSAGE, "SmsLabel": "winter"})
    assert (await centre.send({"SmsLabel": "spring"}, path="/api/v1/sms/pause")).status_code == 200
    assert (await timeline(centre, message_id))["Why"]["Code"] == "Paused"
    assert (await timeline(centre, other))["Why"]["Code"] != "Paused"
    assert (await centre.send({"SmsLabel": "spring"}, path="/api/v1/sms/resume")).status_code == 200
    assert (await timeline(centre, message_id))["Why"]["Code"] != "Paused"
    await centre.http.delete(f"/api/v1/sms/{message_id}")
    body = await timeline(centre, message_id)
    assert body["Why"]["Code"] == "Deleted" and "cancelled before it was sent" in body["Why"]["Detail"]
    assert body["Events"][-1] == {"Event": "final", "Reason": "cancelled", "State": "Deleted"}


async def test_a_message_that_is_being_handed_over(centre: Centre, sender: Sender) -> None:
    message_id = await sent(centre)
    await sender.claim(message_id)
    body = await timeline(centre, message_id)
    assert (body["MessageState"], len(body["Events"])) == ("Enroute", 2)
    assert body["Why"]["Code"] == "HandingOver"


async def test_the_whole_way_of_a_message(centre: Centre, sender: Sender) -> None:
    message_id = await sent(centre, LONG)
    await sender.send(message_id, Accepted(1, "00A1"), Refused(2, 0x58, RefusalKind.THROTTLED))
    await sender.send(message_id, Refused(2, 0x400, RefusalKind.TEMPORARY))
    held = (await timeline(centre, message_id))["Events"][-1]
    assert (held["Event"], held["Attempt"], sorted(held)) == ("held", 2, ["Attempt", "Event", "Until"])
    await sender.bring_due()
    await sender.send(message_id, Uncertain(2, "no answer within 30 s"))
    await sender.bring_due()
    await sender.send(message_id, Accepted(2, "00A2"))
    await sender.receive("00A1", operator_done_at=DONE)
    undelivered = {"raw_state": "UNDELIV", "error": "012", "network_error": b"\x03\0\x1b"}
    await sender.receive("00A2", state=MessageState.UNDELIVERABLE, **undelivered)
    body = await timeline(centre, message_id)
    assert (body["MessageState"], body["Parts"]) == ("Undeliverable", 2)
    assert body["Events"] == [
        {"Event": "accepted"},
        {"Event": "queued"},
        {"Event": "submitted", "Part": 1, "Attempt": 1, "Operator": "tcell", "OperatorMessageId": "00A1"},
        {"Event": "refused", "Part": 2, "Attempt": 1, "Operator": "tcell", "CommandStatus": "ESME_RTHROTTLED"},
        {"Event": "refused", "Part": 2, "Attempt": 1, "Operator": "tcell", "CommandStatus": "0x00000400"},
        {"Event": "uncertain", "Part": 2, "Attempt": 2, "Operator": "tcell", "Reason": "no answer within 30 s"},
        {"Event": "submitted", "Part": 2, "Attempt": 3, "Operator": "tcell", "OperatorMessageId": "00A2"},
        {
            "Event": "receipt",
            "Part": 1,
            "Operator": "tcell",
            "OperatorMessageId": "00A1",
            "State": "Delivered",
            "RawState": "DELIVRD",
            "Error": "000",
            "OperatorTime": "2025-02-17T10:20:00.000",
        },
        {
            "Event": "receipt",
            "Part": 2,
            "Operator": "tcell",
            "OperatorMessageId": "00A2",
            "State": "Undeliverable",
            "RawState": "UNDELIV",
            "Error": "012",
            "NetworkError": {"Network": "GSM", "Code": 27},
        },
        {"Event": "final", "Reason": "receipt: 012", "State": "Undeliverable"},
    ]
    assert body["Why"]["Code"] == "Undeliverable" and "the operator's receipt says so (012)" in body["Why"]["Detail"]


async def test_a_doubt_that_ended(centre: Centre, sender: Sender) -> None:
    message_id = await sent(centre, {**MESSAGE, "PhoneNumber": "992900900911"})
    await sender.send(message_id, Uncertain(1, "connection lost"))
    await sender.receive("x1", source="992900900911")
    *_, uncertain, receipt, final = (await timeline(centre, message_id))["Events"]
    assert (uncertain["Event"], receipt["Event"], final["Event"]) == ("uncertain", "receipt", "final")
    assert uncertain["Until"]


NETWORK_ERRORS = [
    (b"\x01\0\x01", {"Network": "ANSI-136 access denied", "Code": 1}),
    (b"027", {"Network": None, "Code": 27}),
    (b"\x03\x01", {"Network": None, "Code": "0x0301"}),
    (b"\x63\0\x01", {"Network": "0x63", "Code": 1}),
    (b"", None),
    (None, None),
]


async def test_what_networks_say(centre: Centre, sender: Sender) -> None:
    message_id = await sent(centre)
    await sender.send(message_id, Accepted(1, "n1"))
    for number, (octets, _) in enumerate(NETWORK_ERRORS):
        await sender.receive("n1", state=None, raw_state="", error=f"{number}", network_error=octets)
    receipts = (await timeline(centre, message_id))["Events"][3:]
    for receipt, (_, said) in zip(receipts, NETWORK_ERRORS, strict=True):
        assert receipt.get("NetworkError") == said
        # State alone is told where there is none: the receipt changes nothing.
        assert receipt["State"] is None
        assert "RawState" not in receipt and "OperatorTime" not in receipt


async def test_an_operators_words_are_told_as_written(centre: Centre, sender: Sender) -> None:
    message_id = await sent(centre)
    await sender.send(message_id, Accepted(1, 'q"\\\x1b[31m\u00ff'))
    await sender.receive('q"\\\x1b[31m\u00ff', state=None, raw_state="<b>\u00e9\x07", error="'\x7f")
    *_, submitted, receipt = (await timeline(centre, message_id))["Events"]
    assert submitted["OperatorMessageId"] == receipt["OperatorMessageId"] == 'q"\\\x1b[31m\u00ff'
    assert (receipt["RawState"], receipt["Error"]) == ("<b>\u00e9\x07", "'\x7f")


async def test_it_holds_neither_text_nor_number_nor_name(centre: Centre, sender: Sender) -> None:
    message_id = await sent(centre, {**MESSAGE, "SmsLabel": "spring", "ClientMessageId": "order-17"})
    await sender.send(message_id, Accepted(1, "t1"))
    await sender.receive("t1")
    answer = (await centre.http.get(f"/api/v1/sms/{message_id}/events")).text
    for private in (PHONE, PHONE[-9:], SENDER, "spring", "order-17", "12345", "код"):
        assert private not in answer


async def test_head_answers_like_get_without_a_body(centre: Centre) -> None:
    response = await centre.http.head(f"/api/v1/sms/{await sent(centre)}/events")
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 0


async def test_leading_zeros_do_not_matter(centre: Centre) -> None:
    message_id = await sent(centre)
    assert (await centre.http.get(f"/api/v1/sms/00{message_id}/events")).json()["MessageId"] == message_id


# -- refusals: the same as of the status, but for CommandStatus, which is the status's own


async def test_a_message_of_another_client_is_as_unknown_as_none(centre: Centre) -> None:
    message_id = await sent(centre)
    foreign = await centre.http.get(f"/api/v1/sms/{message_id}/events", headers={"X-Api-Key": key_of(2)})
    unknown = await centre.http.get("/api/v1/sms/99999999/events", headers={"X-Api-Key": key_of(2)})
    first, second = problem(foreign, "MessageNotFound"), problem(unknown, "MessageNotFound")
    for body in (first, second):
        del body["RequestId"], body["Detail"]
    assert first == second
    assert "CommandStatus" not in first


@pytest.mark.parametrize("written", ["0", "9" * 18, "9" * 19, "1" * 5000])
async def test_an_id_that_no_message_has_is_404(centre: Centre, written: str) -> None:
    problem(await centre.http.get(f"/api/v1/sms/{written}/events"), "MessageNotFound")


@pytest.mark.parametrize("written", ["", "abc", "-1", "%D9%A1", "%00", "events"])
async def test_what_is_no_id_is_400(centre: Centre, written: str) -> None:
    body = problem(await centre.http.get(f"/api/v1/sms/{written}/events"), "MessageIdInvalid")
    assert "CommandStatus" not in body


async def test_the_key_is_checked_first(centre: Centre) -> None:
    for written in ("1", "abc"):
        path = f"/api/v1/sms/{written}/events"
        problem(await centre.http.get(path, headers={"X-Api-Key": "no"}), "Unauthorized")
        problem(await centre.http.get(path, headers={"X-Api-Key": key_of(4)}), "ClientSuspended")


async def test_many_at_once(centre: Centre) -> None:
    message_id = await sent(centre)
    answers = await asyncio.gather(*(centre.http.get(f"/api/v1/sms/{message_id}/events") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
