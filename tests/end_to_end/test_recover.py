"""After a restore: nothing is taken or sent by itself, and `payk recover` says what is at risk and lets it go on."""

from __future__ import annotations

import json
import re

import asyncpg

from tests.end_to_end.payk import MESSAGE, Payk, registry

CODE, NOTICE, FRESH = "992900900901", "992900900902", "992900900903"


async def restored(payk: Payk) -> None:
    """The database says that it is on another line of history than before."""
    connection = await asyncpg.connect(payk.environment["PAYK_DATABASE_URL"])
    await connection.execute(
        "create or replace function payk.history_line() returns text language sql stable as $$ select '1/00000002' $$"
    )
    await connection.close()


async def test_held_until_somebody_recovers_it(payk_on_server: Payk) -> None:
    payk = payk_on_server
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    doors = await payk.serve("--roles", "api")
    code = await doors.send(CODE)
    notice = await doors.send(NOTICE, SmsType=1, SmsLabel="june")
    await doors.program.stop()
    await restored(payk)

    centre = await payk.serve()
    answer = await centre.http.post("/api/v1/sms", json=MESSAGE)
    assert (answer.status_code, answer.json()["MessageResult"]) == (503, "ServiceUnavailable")
    assert "restored" in answer.json()["Detail"]
    ready = await centre.admin.get("/health/ready")
    assert ready.status_code == 503 and "payk recover" in str(ready.json()["Warnings"])
    check = await payk.run("check")
    assert check.returncode == 2 and "payk recover" in check.stdout
    assert [await centre.state(message_id) for message_id in (code, notice)] == ["None", "None"]

    shown = await payk.done("recover", "--dry-run")
    assert re.search(r"at risk: 2 messages", shown) and "june" in shown and "Otp" in shown
    assert (await centre.http.post("/api/v1/sms", json=MESSAGE)).status_code == 503, "nothing was changed"
    assert operator.record.submits() == []

    opened = await payk.done("recover")
    assert "set aside: 2 messages" in opened
    above = int(re.search(r"ids go on above (\d+)", opened)[1])  # type: ignore[index]
    assert above >= int(notice) + 1_000_000
    fresh = await centre.send(FRESH)
    assert int(fresh) > above
    await centre.wait_for(fresh, "Delivered")
    assert {line["destination"] for line in operator.record.submits()} == {FRESH}

    released = await payk.done("recover", "--release", "--type", "otp")
    assert "back in the queue: 1" in released and "set aside: 1 messages" in released
    await centre.wait_for(code, "Delivered")
    given_up = await payk.run("recover", "--give-up", "--label", "june")
    assert "now Unknown: 1" in given_up.stdout and "nothing is set aside" in given_up.stdout
    line = json.loads(given_up.stderr)
    assert (line["event"], line["outcome"], line["reason"], line["message_id"], line["state"]) == (
        "outcome", "given_up", "set aside, and given up", int(notice), "Unknown")  # fmt: skip
    assert await centre.state(notice) == "Unknown"
    assert {line["destination"] for line in operator.record.submits()} == {FRESH, CODE}
    events = (await centre.http.get(f"/api/v1/sms/{code}/events")).json()["Events"]
    assert [event["Event"] for event in events][:4] == ["accepted", "queued", "held", "queued"]
    assert "restored" in events[2]["Reason"]
    await centre.program.stop()


async def test_where_nothing_was_lost_there_is_nothing_to_recover(payk_on_server: Payk) -> None:
    assert await payk_on_server.done("recover") == "nothing is set aside\n"
    wrong = await payk_on_server.run("recover", "--type", "otp")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1) and "--release" in wrong.stderr
    both = await payk_on_server.run("recover", "--release", "--give-up")
    assert (both.returncode, both.stderr.count("\n")) == (2, 1)


async def test_messages_are_ended_also_where_the_registry_is_not_understood(payk_on_server: Payk) -> None:
    """As by an old binary beside a newer registry: lines have no names then, and what needs the registry says why."""
    payk = payk_on_server
    await payk.apply(registry(1))
    doors = await payk.serve("--roles", "api")
    sale = await doors.send(NOTICE, SmsType=1, SmsLabel="sale")
    forgotten, aside = await doors.send(FRESH), await doors.send(CODE)
    connection = await asyncpg.connect(payk.environment["PAYK_DATABASE_URL"])
    await connection.execute("""update payk.client set uncertain = '{"otp": "guess"}'""")

    async def ended(*command: str) -> tuple[str, str, str, str, bool]:
        done = await payk.run(*command)
        assert done.returncode == 0, done.stderr
        line = json.loads(done.stderr)
        return line["outcome"], str(line["message_id"]), line["state"], line["room"], "client" in line

    assert await ended("queue", "cancel", "--label", "sale") == ("cancelled", sale, "Deleted", "app", False)
    assert await ended("forget", FRESH, "--force") == ("forgotten", forgotten, "Deleted", "app", False)
    await payk.done("queue", "hold", "--client", "bank")
    assert json.loads(await payk.done("queue", "holds", "--json"))["client"].startswith("client ")
    for command in (("queue", "show"), ("route", "explain", CODE)):
        refused = await payk.run(*command)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == "payk: client bank: uncertain {'otp': 'guess'} is not known to this Payk\n"
    await doors.program.stop()
    await restored(payk)
    assert "set aside: 1 messages" in await payk.done("recover")
    assert await ended("recover", "--give-up") == ("given_up", aside, "Unknown", "app", False)
    await connection.close()
