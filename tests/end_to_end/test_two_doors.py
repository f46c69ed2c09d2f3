"""Two `payk serve --roles api` on one database answer as one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg

from tests.end_to_end.payk import MESSAGE, Payk, registry

ROUNDS = 50


async def test_the_same_client_message_id_sent_to_both_at_once_is_one_message(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(2775))
    doors = await asyncio.gather(*(payk_on_server.serve("--roles", "api") for _ in range(2)))
    for turn in range(ROUNDS):
        body = MESSAGE | {"ClientMessageId": f"order-{turn}"}
        requests = [door.http.post("/api/v1/sms", json=body) for door in (*doors, *doors)]
        answers = await asyncio.gather(*requests)
        assert [answer.status_code for answer in answers] == [200] * 4
        assert len({answer.json()["MessageId"] for answer in answers}) == 1
        repeated = [answer.headers.get("X-Payk-Repeated") for answer in answers]
        assert sorted(repeated, key=str) == [None, "true", "true", "true"]
    assert await stored(payk_on_server) == ROUNDS
    for door in doors:
        assert (await door.admin.get("/health/ready")).json()["Warnings"] == [
            "no process with the role dispatch is alive",
            "no process with the role maintenance is alive",
        ]


async def test_a_registry_that_is_not_understood_is_warned_of(payk_on_server: Payk) -> None:
    """Rows of a newer Payk: what is known stays in force, but a key that is revoked is refused."""
    await payk_on_server.apply(registry(2775))
    door = await payk_on_server.serve()
    connection = await asyncpg.connect(payk_on_server.environment["PAYK_DATABASE_URL"])
    await connection.execute("""update payk.link set options = options || '{"long_text": "morse"}'""")
    await connection.execute("update payk.registry_version set version = version + 1")
    await connection.close()
    async with asyncio.timeout(30):
        while not (warnings := (await door.admin.get("/health/ready")).json()["Warnings"]):
            await asyncio.sleep(0.05)
    [warning] = warnings
    assert warning.startswith("version 2 of the registry is not known to this Payk, which works by version 1")
    await door.send()
    revoked = door.http.headers["X-Api-Key"]
    await payk_on_server.apply(f'[[client]]\nname = "bank"\nrevoked_keys = ["{revoked}"]\n')
    async with asyncio.timeout(1):
        while (await door.http.post("/api/v1/sms", json=MESSAGE)).status_code != 401:
            await asyncio.sleep(0.01)


async def test_the_same_idempotency_key_sent_to_both_at_once_is_one_message(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(2775))
    doors = await asyncio.gather(*(payk_on_server.serve("--roles", "api") for _ in range(2)))
    for turn in range(ROUNDS):
        headers = {"Idempotency-Key": f"request-{turn}"}
        path, body = ("/api/v1/sms", MESSAGE) if turn % 2 else ("/api/v1/sms/bulk?MessageIds=true", [MESSAGE] * 2)
        requests = [door.http.post(path, json=body, headers=headers) for door in (*doors, *doors)]
        answers = await asyncio.gather(*requests)
        assert [answer.status_code for answer in answers] == [200] * 4
        assert len({answer.content for answer in answers}) == 1
        repeated = [answer.headers.get("X-Payk-Repeated") for answer in answers]
        assert sorted(repeated, key=str) == [None, "true", "true", "true"]
        other = await doors[turn % 2].http.post(path, json=[], headers=headers)
        assert other.json()["MessageResult"] == ("JsonInvalid" if turn % 2 else "IdempotencyKeyReused")
    assert await stored(payk_on_server) == ROUNDS // 2 + ROUNDS // 2 * 2


async def test_ids_grow_for_requests_that_follow_each_other_on_any_process(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(2775))
    doors = await asyncio.gather(*(payk_on_server.serve("--roles", "api") for _ in range(2)))
    ids = [int(await doors[turn % 2].send()) for turn in range(20)]
    assert ids == sorted(set(ids))


async def test_doors_and_engines_in_processes_of_their_own_are_one_centre(payk_on_server: Payk, tmp_path: Path) -> None:
    """The door hears of nothing but the database; the dispatcher is woken by it."""
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    door = await payk_on_server.serve("--roles", "api")
    engines = [
        payk_on_server.start("serve", "--roles", role, PAYK_ADMIN_PORT="0") for role in ("dispatch", "maintenance")
    ]
    for engine in engines:
        await engine.line(r"^management +(http://\S+)")
    await door.wait_for(await door.send(), "Delivered")
    assert (await door.http.get("/health/ready")).json() == {"Status": "OK", "Warnings": []}
    for engine in engines:
        await engine.stop()


async def stored(payk: Payk) -> int:
    connection = await asyncpg.connect(payk.environment["PAYK_DATABASE_URL"])
    try:
        return int(await connection.fetchval("select count(*) from payk.message"))
    finally:
        await connection.close()
