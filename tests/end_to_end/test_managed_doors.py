"""Two processes and the management between them: keys, limits and messages of others are on both as written."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.end_to_end.payk import KEY, MESSAGE, Centre, Payk, registry

OTHER_KEY = "00000000-0000-4000-8000-000000000002"
OTHER = f'\n[[client]]\nname = "shop"\napi_keys = ["{OTHER_KEY}"]\nsenders = ["Shop"]\n'


class Doors:
    """Two API processes, one of them with the role admin as well."""

    def __init__(self, first: Centre, second: Centre, token: str) -> None:
        self.both = (first, second)
        self._management = first.admin
        self._headers = {"Authorization": f"Bearer {token}"}

    async def manage(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self._management.request(method, f"/api/admin/v1{path}", json=body, headers=self._headers)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def both_answer(self, status: int, within: float = 1.0, **how: Any) -> float:
        """Until both processes answer a message so; the seconds that took."""
        began = time.monotonic()
        while True:
            answers = await asyncio.gather(*(_send(door, **how) for door in self.both))
            if all(answer.status_code == status for answer in answers):
                return time.monotonic() - began
            assert time.monotonic() - began < within, [answer.text for answer in answers]


async def _send(door: Centre, key: str = KEY, **fields: Any) -> httpx.Response:
    return await door.http.post("/api/v1/sms", json={**MESSAGE, **fields}, headers={"X-Api-Key": key})


async def _doors(payk: Payk) -> Doors:
    operator = await payk.simulate()
    await payk.apply(registry(operator.port) + OTHER)
    first, second = await payk.serve("--roles", "api,admin"), await payk.serve("--roles", "api")
    token = (await payk.done("token", "create", "test", "--role", "admin")).strip()
    return Doors(first, second, token)


async def test_a_revoked_key_a_suspended_client_and_a_new_sender_are_on_both_within_a_second(
    payk_on_server: Payk,
) -> None:
    doors = await _doors(payk_on_server)
    made = await doors.manage("POST", "/clients/bank/keys", {"label": "till"})
    await doors.both_answer(200, key=made["key"])
    await doors.manage("DELETE", f"/clients/bank/keys/{made['key_id']}")
    await doors.both_answer(401, key=made["key"])
    await doors.manage("POST", "/clients/bank/suspend")
    await doors.both_answer(403)
    await doors.manage("POST", "/clients/bank/resume")
    await doors.both_answer(200)
    await doors.manage("POST", "/clients/bank/senders", {"name": "New"})
    await doors.both_answer(200, SenderAddress="New")


@pytest.mark.parametrize("taken", ["key", "client", "sender"])
async def test_what_is_taken_away_under_load_is_refused_on_both_a_second_later(
    payk_on_server: Payk, taken: str
) -> None:
    doors = await _doors(payk_on_server)
    made = await doors.manage("POST", "/clients/bank/keys", {"label": "till"})
    await doors.both_answer(200, key=made["key"])
    statuses: list[tuple[float, int]] = []
    over = asyncio.Event()

    async def send(door: Centre) -> None:
        while not over.is_set():
            answer = await _send(door, key=made["key"])
            statuses.append((time.monotonic(), answer.status_code))

    async def take_away() -> float:
        await asyncio.sleep(0.5)
        if taken == "key":
            await doors.manage("DELETE", f"/clients/bank/keys/{made['key_id']}")
        elif taken == "client":
            await doors.manage("POST", "/clients/bank/suspend")
        else:
            withdrawn = {"status": "withdrawn"}
            await doors.manage("PATCH", "/clients/bank/senders/AlifBank?force=true", withdrawn)
        at = time.monotonic()
        await asyncio.sleep(2.5)
        over.set()
        return at

    *_, at = await asyncio.gather(*(send(door) for door in doors.both for _ in range(6)), take_away())
    before = [status for when, status in statuses if when < at - 0.2]
    after = [status for when, status in statuses if when > at + 1.0]
    assert set(before) == {200}
    assert len(before) > 20 and len(after) > 20, (len(before), len(after))  # both doors were busy
    assert 200 not in after, [(round(when - at, 2), status) for when, status in statuses if when > at]


async def test_a_key_is_rotated_under_load_without_one_refusal(payk_on_server: Payk) -> None:
    doors = await _doors(payk_on_server)
    keys = (await doors.manage("GET", "/clients/bank/keys"))["items"]
    used, refused, rotated = [KEY], [], asyncio.Event()

    async def send(door: Centre) -> None:
        while not rotated.is_set():
            answer = await _send(door, key=used[-1])
            if answer.status_code != 200:
                refused.append(answer.text)

    async def rotate() -> None:
        await asyncio.sleep(0.3)
        made = await doors.manage("POST", f"/clients/bank/keys/{keys[0]['key_id']}/rotate?grace=60")
        await doors.both_answer(200, key=made["key"])
        used.append(made["key"])
        await asyncio.sleep(0.3)
        rotated.set()

    await asyncio.gather(*(send(door) for door in doors.both for _ in range(4)), rotate())
    assert refused == []


async def test_a_limit_is_one_for_both(payk_on_server: Payk) -> None:
    doors = await _doors(payk_on_server)
    await doors.manage("PATCH", "/clients/bank", {"otp_parts_per_day": 30, "prepaid": True})
    await doors.manage("POST", "/clients/bank/balance", {"amount": "1"})
    await asyncio.sleep(1.0)  # it is in force on every process within a second
    answers = await asyncio.gather(*(_send(door) for door in doors.both for _ in range(40)))
    taken = [answer for answer in answers if answer.status_code == 200]
    others = {(answer.status_code, answer.json()["MessageResult"]) for answer in answers if answer.status_code != 200}
    assert (len(taken), others) == (30, {(429, "QuotaExceeded")})
    [usage] = [
        row["parts"]
        for row in (await doors.manage("GET", "/clients/bank/usage"))["items"]
        if row["otp"] and row["period"] == "day"
    ]
    assert usage == 30


async def test_a_balance_that_runs_out_on_both_doors_pays_for_just_what_is_taken(payk_on_server: Payk) -> None:
    doors = await _doors(payk_on_server)
    [route] = (await doors.manage("GET", "/routes"))["items"]
    await doors.manage("PATCH", f"/routes/{route['route_id']}", {"price": "0.05"})
    await doors.manage("PATCH", "/clients/bank", {"prepaid": True})
    await doors.manage("POST", "/clients/bank/balance", {"amount": "1.02"})
    await asyncio.sleep(1.0)  # it is in force on every process within a second
    seen: list[Decimal] = []

    async def balance() -> Decimal:
        return Decimal((await doors.manage("GET", "/clients/bank/balance"))["balance"])

    async def flood(pieces: int) -> list[str]:
        """Twice as many messages as are paid for, to both doors at once; the ids of those that were taken."""
        sending = asyncio.gather(*(_send(door) for door in doors.both for _ in range(pieces)))
        while not sending.done():
            seen.append(await balance())
        answers = await sending
        taken = [answer.json()["MessageId"] for answer in answers if answer.status_code == 200]
        others = {(a.status_code, a.json()["MessageResult"]) for a in answers if a.status_code != 200}
        assert (len(taken), others) == (pieces, {(403, "BalanceInsufficient")})
        return taken

    ids = await flood(20)
    assert await balance() == Decimal("0.02")
    deleted = await asyncio.gather(
        *(door.http.delete(f"/api/v1/sms/{message_id}") for message_id in ids[:7] for door in doors.both)
    )
    assert {answer.status_code for answer in deleted} == {200}
    assert await balance() == Decimal("0.37")  # each is given back once, whoever deleted it
    ids += await flood(7)
    assert await balance() == Decimal("0.02")
    assert min(seen) >= 0
    assert len(set(ids)) == 27


async def test_a_foreign_message_is_as_unknown_as_one_that_never_was(payk_on_server: Payk) -> None:
    doors = await _doors(payk_on_server)
    message_id = await doors.both[0].send()
    for door in doors.both:
        assert (await door.status(message_id))["MessageId"] == message_id
        foreign = await door.http.get(f"/api/v1/sms/{message_id}", headers={"X-Api-Key": OTHER_KEY})
        never = await door.http.get("/api/v1/sms/99999999", headers={"X-Api-Key": OTHER_KEY})
        assert foreign.status_code == never.status_code == 404
        bodies = [answer.json() | {"RequestId": ""} for answer in (foreign, never)]
        bodies[0]["Detail"] = bodies[0]["Detail"].replace(message_id, "99999999")
        assert bodies[0] == bodies[1]
