"""Running traffic from the command line; and commands that are killed amid their work, which others finish."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg

from payk.domain.message import label_key
from tests.end_to_end.payk import Payk, registry

MANY = 30_000


async def rows_of(payk: Payk, *arguments: str) -> list[dict[str, Any]]:
    """What a command prints with --json."""
    return [json.loads(line) for line in (await payk.done(*arguments, "--json")).splitlines()]


async def test_the_queue_from_the_command_line(payk_on_server: Payk) -> None:
    payk = payk_on_server
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    centre = await payk.serve()
    await centre.wait_for(await centre.send(), "Delivered")

    assert await rows_of(payk, "queue", "hold", "--label", "sale", "--reason", "wrong text") == [{"hold": 1}]
    [placed] = await rows_of(payk, "queue", "holds")
    assert placed | {"placed_at": "", "author": ""} == {
        "hold_id": 1, "client": None, "label": "sale", "sms_type": None, "operator": None, "placed_at": "",
        "author": "", "reason": "wrong text", "cancels": False,
    }  # fmt: skip
    assert "wrong text" in await payk.done("queue", "holds")
    await asyncio.sleep(1)
    held = [await centre.send(SmsType=3, SmsLabel="sale") for _ in range(3)]
    await centre.wait_for(await centre.send(SmsType=3, SmsLabel="news"), "Delivered")
    [depth] = await rows_of(payk, "queue", "show")
    assert (depth["client"], depth["lane"], depth["waiting"], depth["estimated"]) == ("bank", "batch", 3, False)
    assert "batch" in await payk.done("queue", "show")
    assert await rows_of(payk, "queue", "cancel", "--label", "sale", "--dry-run") == [{"waiting": 3, "at_least": False}]
    assert {await centre.state(message_id) for message_id in held} == {"None"}

    assert await rows_of(payk, "queue", "release", "1") == [{"released": 1}]
    for message_id in held:
        await centre.wait_for(message_id, "Delivered")
    again = await payk.run("queue", "release", "1")
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)

    await payk.done("queue", "hold", "--type", "batch")
    await asyncio.sleep(1)
    doomed = [await centre.send(SmsType=3, SmsLabel="sale") for _ in range(3)]
    assert await rows_of(payk, "queue", "cancel", "--client", "bank") == [{"cancelled": 3, "too_late": 0, "done": True}]
    assert {await centre.state(message_id) for message_id in doomed} == {"Deleted"}

    for wrong in (["hold"], ["hold", "--client", "bnk"], ["cancel", "--operator", "nobody"]):
        ended = await payk.run("queue", *wrong)
        assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr


async def test_drained_from_the_command_line_and_seen(payk_on_server: Payk) -> None:
    payk = payk_on_server
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    centre = await payk.serve()
    await centre.wait_for(await centre.send(), "Delivered")
    refused = await payk.run("link", "drain", "tcell-1")
    assert (refused.returncode, "every message would wait" in refused.stderr) == (1, True)
    drained = await payk.done("link", "drain", "tcell-1", "--force")
    assert drained == "~ link tcell-1 of operator tcell: draining false -> true\n"
    await asyncio.sleep(1.2)
    waits = await centre.send()
    found = json.loads(await payk.done("processes", "--json"))
    [link] = found["links"]
    assert (link["link"], link["draining"], [bind["in_flight"] for bind in link["binds"]]) == ("tcell-1", True, [0])
    assert "draining" in await payk.done("processes")
    assert await centre.state(waits) == "None"
    assert "draining" in await payk.done("operator", "drain", "tcell")  # nothing more is cut off
    assert "draining" in await payk.done("operator", "resume", "tcell")
    assert await payk.done("link", "resume", "tcell-1") == "~ link tcell-1 of operator tcell: draining true -> false\n"
    await centre.wait_for(waits, "Delivered")
    assert "draining" in await payk.done("operator", "drain", "tcell", "--force")
    assert "draining" in await payk.done("operator", "resume", "tcell")
    unknown = await payk.run("operator", "drain", "tcel")
    assert (unknown.returncode, "did you mean" in unknown.stderr) == (1, True)
    assert await payk.done("receipt", "parked") == "nothing is parked\n"
    assert await payk.done("receipt", "forget", "--all") == "0 forgotten\n"
    assert (await payk.run("receipt", "retry")).returncode == 2


async def test_a_server_is_asked_where_one_is_named(payk_on_server: Payk) -> None:
    """The commands change the centre that PAYK_ADMIN_URL names, or none: never the database of the machine instead."""
    away = {"PAYK_ADMIN_URL": "http://127.0.0.1:9", "PAYK_ADMIN_TOKEN": "x"}
    await payk_on_server.apply(registry(2775))
    for command in (
        ("queue", "hold", "--label", "sale"),
        ("block", "add", "992900000001"),
        ("balance", "add", "bank", "5"),
    ):
        ended = await payk_on_server.run(*command, **away)
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert await rows_of(payk_on_server, "queue", "holds") == await rows_of(payk_on_server, "block", "list") == []


async def test_a_sick_operator_is_passed_over_and_seen(payk_on_server: Payk) -> None:
    """One operator begins to refuse nine of ten, by what its link calls passing; the other one carries."""
    payk = payk_on_server
    bad, good = await payk.simulate("--refuse", "0.9"), await payk.simulate()
    second = (
        '[[operator]]\nname = "babilon"\n[[operator.link]]\nhost = "127.0.0.1"\n'
        f'port = {good.port}\nsystem_id = "payk"\npassword = "payk"\n\n[[route]]'
    )
    text = registry(bad.port, link='status_classes = {"0x45" = "temporary"}')
    await payk.apply(text.replace("[[route]]", second).replace('["tcell"]', '["tcell", "babilon"]'))
    centre = await payk.serve()
    sent = [await centre.send(f"992900{number:06}") for number in range(60)]
    async with asyncio.timeout(40):
        while not await rows_of(payk, "operator", "shifts", "tcell"):
            await asyncio.sleep(0.5)
    standing = {row["operator"]: row for row in await rows_of(payk, "operator", "health")}
    assert (standing["tcell"]["state"], standing["babilon"]["state"]) == ("sick", "healthy")
    assert "refused or not answered" in await payk.done("operator", "health")
    assert "sick" in await payk.done("operator", "shifts")
    assert (await centre.http.get("/health/ready")).json()["Warnings"] == ["operator tcell is sick"]
    assert set((await centre.wait_for_all(sent, within=60)).values()) == {"Delivered"}


async def fill(connection: asyncpg.Connection, expires_in: int) -> None:
    """Many messages of one label, as they lie in the queue."""
    await connection.execute(
        "with new as (insert into message (message_id, accepted_at, expires_at, client_id, queue_id, sms_type,"
        " priority, parts, phone, sender, label, text) select nextval('message_id'), now(),"
        " now() + make_interval(secs => $3),"
        " c.client_id, r.queue_id, 3, 1, 1, (992910000000 + n)::text, 'AlifBank', 'sale', 'hello'"
        " from generate_series(1, $1::integer) n, client c, route r returning *)"
        " insert into waiting (message_id, expires_at, client_id, label_key, queue_id, lane, rank)"
        " select message_id, expires_at, client_id, $2, queue_id, 4, 1 from new",
        MANY,
        label_key("sale"),
        float(expires_in),
    )


async def until(connection: asyncpg.Connection, query: str, within: float = 60.0) -> None:
    async with asyncio.timeout(within):
        while not await connection.fetchval(query):
            await asyncio.sleep(0.01)


async def test_a_release_and_a_cancel_that_are_killed_are_finished(payk_on_server: Payk, dsn: str) -> None:
    """No operator is there: what waits is only held, deleted, or moved on."""
    payk = payk_on_server
    await payk.apply(registry(1))
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "payk"})
    await fill(connection, 3_600)
    before = await connection.fetchval("select min(expires_at) from waiting")
    await payk.done("queue", "hold", "--label", "sale")
    await asyncio.sleep(2)
    await payk.done("queue", "release", "1")
    settling = await payk.serve()
    await until(connection, "select walked_to > 0 from hold where hold_id = 1")
    settling.program.kill()
    assert await connection.fetchval("select settled_at is null from hold")
    await payk.serve()
    await until(connection, "select settled_at is not null from hold where hold_id = 1")
    held = await connection.fetchval("select released_at - placed_at from hold")
    for table in ("waiting", "message"):  # each was moved on, and once
        assert await connection.fetchval(f"select bool_and(expires_at = $1) from {table}", before + held)

    cancel = payk.start("queue", "cancel", "--label", "sale")
    await until(connection, "select exists (select from hold where hold_id = 2 and cancelled > 0)")
    cancel.kill()
    await until(connection, "select settled_at is not null from hold where hold_id = 2")
    assert await connection.fetchval("select cancelled from hold where hold_id = 2") == MANY
    assert await connection.fetchval("select count(*) from message where state = 4 and done_at is not null") == MANY
    assert await connection.fetchval("select count(*) from waiting") == 0
    await connection.close()
