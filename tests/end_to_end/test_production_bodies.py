"""Bodies that integrations send in production, to a client that `payk apply` gave the defaults they need."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.end_to_end.payk import MESSAGE, Centre, Operator, Payk, registry

DEFAULTS = 'default_sms_type = 1\ndefault_country = "992"'


async def started(payk: Payk, client: str) -> tuple[Centre, Operator]:
    operator = await payk.simulate()
    await payk.apply(registry(operator.port, client=client))
    return await payk.serve(), operator


def now_as_clients_write_it(behind: float) -> str:
    moment = datetime.now(UTC) - timedelta(seconds=behind)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.123Z"


async def test_the_bodies_of_production_are_taken_and_delivered(payk_on_server: Payk) -> None:
    centre, operator = await started(payk_on_server, DEFAULTS)

    async def taken(path: str, body: dict[str, Any]) -> str:
        answer = await centre.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"MessageId": answer.json()["MessageId"], "MessageResult": "OK", "MessageError": False}
        return str(answer.json()["MessageId"])

    snake = {"PhoneNumber": "992900900900", "SenderAddress": "AlifBank", "text": "one", "priority": 2}
    first = await taken("/api/v1/sms", snake | {"ExpiresIn": 0, "sms_type": 1})
    national = {"PhoneNumber": "900900901", "text": "two", "SenderAddress": "AlifBank"}
    second = await taken("/api/v1/Sms", national)
    await centre.wait_for(first, "Delivered")
    await centre.wait_for(second, "Delivered")
    assert len(await operator.record.wait_for(1, "992900900900")) == 1
    assert len(await operator.record.wait_for(1, "992900900901")) == 1


@pytest.mark.parametrize("behind", [0, 30, -2], ids=["right", "30 s behind", "2 s ahead"])
async def test_scheduled_for_now_is_sent_whatever_the_callers_clock(payk_on_server: Payk, behind: float) -> None:
    centre, operator = await started(payk_on_server, DEFAULTS)
    fields: dict[str, Any] = {"text": "now", "ScheduledAt": now_as_clients_write_it(behind)}
    fields |= {"ExpiresIn": 10, "Priority": 1, "SmsType": 2}
    bulk = [{"PhoneNumber": number, "SenderAddress": "AlifBank", **fields} for number in ("900900900", "992900900901")]
    answer = await centre.http.post("/api/v1/sms/bulk", params={"MessageIds": "true"}, json=bulk)
    assert answer.status_code == 200
    assert answer.json()["Added"] == 2
    assert await centre.wait_for_all(answer.json()["MessageIds"], within=30) == dict.fromkeys(
        answer.json()["MessageIds"], "Delivered"
    )
    assert len(await operator.record.wait_for(2)) == 2


async def test_a_callers_clock_far_ahead_delays_and_expires_nothing_early(payk_on_server: Payk) -> None:
    """It asked for that moment: the message waits for it, and ExpiresIn counts from there."""
    centre, operator = await started(payk_on_server, DEFAULTS)
    asked = datetime.now(UTC).timestamp()
    message_id = await centre.send(ScheduledAt=now_as_clients_write_it(-12), ExpiresIn=5)
    await centre.wait_for(message_id, "Delivered", within=60)
    (submit,) = await operator.record.wait_for(1)
    assert 11 <= submit["at"] - asked <= 13.5


async def test_a_national_number_needs_the_clients_country(payk_on_server: Payk) -> None:
    centre, operator = await started(payk_on_server, DEFAULTS)
    await centre.wait_for(await centre.send("992123456"), "Delivered")
    assert [line["destination"] for line in operator.record.submits()] == ["992992123456"]
    assert (operator.record.submits()[0]["dest_ton"], operator.record.submits()[0]["dest_npi"]) == (1, 1)

    await centre.program.stop()
    other = registry(operator.port).replace('"bank"', '"other"').replace("4000-8000-000000000001", "4000-8000-2")
    other = other.replace("00000000-0000-4000-8000-2", "00000000-0000-4000-8000-000000000002")
    await payk_on_server.apply(other)
    centre = await payk_on_server.serve()
    key = {"X-Api-Key": "00000000-0000-4000-8000-000000000002"}
    refused = await centre.http.post("/api/v1/sms", json=MESSAGE | {"PhoneNumber": "992123456"}, headers=key)
    assert (refused.status_code, refused.json()["MessageResult"]) == (400, "PhoneNumberInvalid")
    assert refused.json()["MessageError"] is True
    assert refused.json()["Errors"] == {"PhoneNumber": ["PhoneNumberInvalid"]}
