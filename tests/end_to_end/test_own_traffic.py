"""Clients pause, resume and cancel over the public API, while operators take what is not held."""

from __future__ import annotations

import asyncio
import time

import httpx

from tests.end_to_end.payk import MESSAGE, Payk, registry

OTHER = "11111111-0000-4000-8000-000000000002"
SHOP = f"""
[[client]]
name = "shop"
api_keys = ["{OTHER}"]
senders = ["AlifBank"]
"""
BATCH = MESSAGE | {"SmsType": 3, "SmsLabel": "spring"}


async def test_a_pause_holds_back_its_clients_label_alone(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port) + SHOP)
    centre = await payk_on_server.serve()
    async with httpx.AsyncClient(base_url=centre.http.base_url, headers={"X-Api-Key": OTHER}) as shop:

        async def command(what: str, body: object) -> object:
            answer = await centre.http.post(f"/api/v1/sms/{what}", json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()

        label = {"SmsLabel": "spring"}
        assert await command("pause", label) == {"Messages": 0}
        await asyncio.sleep(1)  # within a second nothing of it leaves
        held = [await centre.send(f"99290090090{place}", SmsType=3, SmsLabel="spring") for place in range(3)]
        free = await centre.send("992900900911", SmsType=3, SmsLabel="autumn")
        foreign = (await shop.post("/api/v1/sms", json=BATCH | {"PhoneNumber": "992900900912"})).json()["MessageId"]
        await centre.wait_for(free, "Delivered")
        while (await shop.get(f"/api/v1/sms/{foreign}")).json()["MessageState"] != "Delivered":
            await asyncio.sleep(0.05)
        assert [await centre.state(message_id) for message_id in held] == ["None"] * 3

        # Of others nobody cancels anything, whatever ids they name.
        assert (await shop.delete(f"/api/v1/sms/{held[0]}")).status_code == 404
        answer = await shop.post("/api/v1/sms/cancel", json={"MessageIds": held})
        assert answer.json() == {"Cancelled": 0, "TooLate": 0}
        assert (await shop.post("/api/v1/sms/resume", json=label)).json() == {"Messages": 0}
        assert await command("pause", label) == {"Messages": 3}

        assert (await centre.http.delete(f"/api/v1/sms/{held[0]}")).json()["MessageState"] == "Deleted"
        assert (await centre.http.delete(f"/api/v1/sms/{free}")).status_code == 409
        resumed = time.monotonic()
        assert await command("resume", label) == {"Messages": 2}
        for message_id in held[1:]:
            await centre.wait_for(message_id, "Delivered")
        assert time.monotonic() - resumed < 10
        assert await command("cancel", label) == {"Cancelled": 0, "TooLate": 0}
        numbers = {line["destination"] for line in operator.record.submits()}
        assert numbers == {"992900900901", "992900900902", "992900900911", "992900900912"}
