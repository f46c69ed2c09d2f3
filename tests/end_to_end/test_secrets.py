"""Secret keys as operators of a centre have them: a wrong one, and a rotation while it serves."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import asyncpg

from tests.end_to_end.payk import Payk, registry
from tests.failover.load import Load

OLD, NEW, WRONG = "5a" * 32, "6b" * 32, "7c" * 32


async def test_a_wrong_key_is_told_at_the_start_and_by_check(payk_on_server: Payk) -> None:
    payk = payk_on_server
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    for command in (("serve",), ("apply", str(payk.folder / "centre.toml")), ("secret", "rotate")):
        ended = await payk.run(*command, PAYK_SECRET_KEY=WRONG, PAYK_PORT="0", PAYK_ADMIN_PORT="0")
        assert ended.returncode == 2, command
        [line] = ended.stderr.splitlines()
        assert "PAYK_SECRET_KEY is not the key of this database" in line and WRONG not in line
    ended = await payk.run("check", PAYK_SECRET_KEY=WRONG)
    assert ended.returncode == 2 and "FAIL  PAYK_SECRET_KEY is not the key of this database" in ended.stdout
    assert "opens what is sealed" in await payk.done("check")


async def test_a_wrong_key_is_told_by_a_database_that_never_heard_of_keys(payk_on_server: Payk, dsn: str) -> None:
    payk = payk_on_server
    await payk.apply(registry(1))
    connection = await asyncpg.connect(dsn)
    await connection.execute("delete from payk.secret_key")
    await connection.close()
    ended = await payk.run("check", PAYK_SECRET_KEY=WRONG)
    assert ended.returncode == 2 and "it opens none of the passwords of links" in ended.stdout
    # The key that opens them is found also where it is not the first one.
    ended = await payk.run("check", PAYK_SECRET_KEY=NEW, PAYK_OLD_SECRET_KEYS=OLD)
    assert "PAYK_SECRET_KEY does not seal yet" in ended.stdout


async def test_a_rotation_refuses_nothing_and_repeats_stay_repeats(payk_on_server: Payk, dsn: str) -> None:
    payk = payk_on_server
    operator = await payk.simulate("--latency", "20")
    await payk.apply(registry(operator.port, link="binds = 2"))
    first = [await payk.serve(), await payk.serve()]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    once = {"SmsType": 2, "ClientMessageId": "once"}
    message_id = await first[0].send("992900000001", **once)
    later = await first[0].send("992900000002", SmsType=2, Text="sealed early", ScheduledAt=tomorrow)

    load = Load([centre.http for centre in first])
    sending = asyncio.create_task(load.run(50.0))
    both = {"PAYK_SECRET_KEY": NEW, "PAYK_OLD_SECRET_KEYS": OLD}
    refused = await payk.run("secret", "rotate", **both)
    assert refused.returncode == 2 and "processes run that do not have the key" in refused.stderr
    second = []
    for centre in first:
        second.append(await payk.serve(**both))
        load.doors = [*load.doors, second[-1].http]
        load.doors = [door for door in load.doors if door is not centre.http]
        await asyncio.sleep(0.5)
        await centre.program.stop()
    printed = await payk.done("secret", "rotate", **both)
    assert "sealed anew: 1 passwords of links" in printed
    assert await second[1].send("992900000001", **once) == message_id, "recognised beyond the rotation"
    await asyncio.sleep(1)
    load.stop()
    await sending
    assert set(load.answers) == {"200"}
    assert set((await second[0].wait_for_all(load.given, within=60)).values()) == {"Delivered"}

    checked = await payk.done("check", PAYK_SECRET_KEY=NEW)
    assert "opens what is sealed" in checked and "old secret key" not in checked
    assert "sealed anew: 0 passwords of links" in await payk.done("secret", "rotate", **both)
    for centre in second:
        await centre.program.stop()

    last = await payk.serve(PAYK_SECRET_KEY=NEW)
    connection = await asyncpg.connect(dsn)
    await connection.execute("update payk.staged set due = now() where message_id = $1", int(later))
    await last.wait_for(later, "Delivered")
    texts = [row[0] for row in await connection.fetch("select text from payk.message where sms_type = 2")]
    await connection.close()
    assert texts and all(text.startswith("\x01") for text in texts)
    sent = Counter(bytes.fromhex(line["octets"]) for line in operator.record.submits())
    assert sent[b"sealed early"] == 1
    await last.program.stop()
