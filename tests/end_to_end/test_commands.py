"""The commands that ask and try: `send`, `status`, `check`, `simulate --list`, and the health of a running centre."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import asyncpg

from tests.end_to_end.payk import KEY, Payk, registry

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ONE = ("send", "--text", "Ваш код: 12345", "--sender", "AlifBank", "--type", "otp")


async def test_send_and_status_work_on_the_centre_of_payk_up_as_it_stands(payk: Payk) -> None:
    centre = await payk.up()
    port = str(centre.http.base_url.port)
    sent = await payk.run(*ONE, "--to", "992900900900", "--wait", PAYK_PORT=port)
    assert sent.returncode == 0, sent.stderr
    message_id, *states = sent.stdout.splitlines()
    assert message_id == "100000000"
    assert states[-1] == "Delivered"

    failed = await payk.run(*ONE, "--to", "992000000002", "--wait", "--label", "winter", PAYK_PORT=port)
    assert (failed.returncode, failed.stdout.splitlines()[-1]) == (1, "Undeliverable")
    refused = await payk.run("send", "--text", "x", "--sender", "Nobody", "--to", "992900900900", PAYK_PORT=port)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "SenderAddressNotAllowed" in refused.stderr

    asked = await payk.run("status", message_id, "100000001", "999999999", PAYK_PORT=port)
    assert asked.returncode == 1
    assert re.search(rf"^{message_id} +Delivered ", asked.stdout, re.MULTILINE)
    assert re.search(r"^100000001 +Undeliverable ", asked.stdout, re.MULTILINE)
    assert asked.stderr.count("\n") == 1 and "MessageNotFound" in asked.stderr
    printed = await payk.done("status", message_id, "--json", PAYK_PORT=port)
    assert json.loads(printed) == await centre.status(message_id)


async def test_send_and_status_take_url_and_key(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve()
    where = {"PAYK_URL": str(centre.http.base_url), "PAYK_API_KEY": KEY}
    message_id = (await payk_on_server.done(*ONE, "--to", "992900900900", **where)).strip()
    await centre.wait_for(message_id, "Delivered")
    assert "Delivered" in await payk_on_server.done("status", message_id, **where)
    wrong = await payk_on_server.run("status", message_id, **(where | {"PAYK_API_KEY": "0" * 36}))
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (1, "", 1)
    await centre.program.stop()
    nobody = await payk_on_server.run("status", message_id, **where)
    assert (nobody.returncode, nobody.stderr.count("\n")) == (2, 1)


async def test_check_looks_at_everything_and_its_exit_code_says_so(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    fine = await payk_on_server.run("check", "centre.toml")
    assert fine.returncode == 0, fine.stdout
    judged = {line[6:]: line.split()[0] for line in fine.stdout.splitlines()}
    unwise = {text for text, verdict in judged.items() if verdict == "warn"}
    assert {text.split()[0] for text in unwise} == {"fsync", "full_page_writes"}, "as the server of these tests is set"
    assert {judged[text] for text in judged.keys() - unwise} == {"ok"}
    for subject in ("settings", "database", "schema", "clock", "centre.toml", "link tcell-1", "ids in receipts: none"):
        assert subject in fine.stdout

    await operator.program.stop()
    dead = await payk_on_server.run("check")
    assert dead.returncode == 2
    (failed,) = [line for line in dead.stdout.splitlines() if not line.startswith(("ok ", "warn "))]
    assert failed.startswith(f"FAIL  link tcell-1 at 127.0.0.1:{operator.port} is not reachable")

    (payk_on_server.folder / "wrong.toml").write_text("[[client]]\nnmae = 1\n")
    wrong = await payk_on_server.run("check", "wrong.toml")
    assert wrong.returncode == 2
    assert "wrong.toml" in wrong.stdout + wrong.stderr
    other_key = await payk_on_server.run("check", PAYK_SECRET_KEY="6b" * 32)
    assert other_key.returncode == 2
    assert "FAIL  " in other_key.stdout
    assert "the key of this database" in other_key.stdout


async def test_check_names_the_process_that_cannot_follow_the_registry(payk_on_server: Payk, dsn: str) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    await payk_on_server.serve("--roles", "api")
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("""update payk.client set uncertain = '{"otp": "guess"}'""")
        await connection.execute("update payk.registry_version set version = version + 1")
        async with asyncio.timeout(10):
            while not await connection.fetchval("select exists (select from payk.process where warnings <> '{}')"):
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
    checked = await payk_on_server.run("check")
    assert checked.returncode == 2
    [process, stored] = [line for line in checked.stdout.splitlines() if not line.startswith(("ok ", "warn "))]
    assert re.match(r"FAIL  process \d+ on ", process)
    assert "version 2 of the registry is not known to this Payk, which works by version 1" in process
    assert stored == "FAIL  client bank: uncertain {'otp': 'guess'} is not known to this Payk"


async def test_check_of_a_database_that_does_not_answer_or_is_not_migrated(payk: Payk, empty_dsn: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://payk@127.0.0.1:{nobody.getsockname()[1]}/payk"
        away = await payk.run("check", PAYK_DATABASE_URL=url, PAYK_SECRET_KEY="5a" * 32)
    assert away.returncode == 2
    assert "FAIL  database" in away.stdout
    empty = await payk.run("check", PAYK_DATABASE_URL=empty_dsn, PAYK_SECRET_KEY="5a" * 32)
    assert empty.returncode == 2
    assert "payk migrate" in empty.stdout


async def test_migrate_says_what_it_did_and_sets_the_first_message_id(payk: Payk, empty_dsn: str) -> None:
    environment = {"PAYK_DATABASE_URL": empty_dsn, "PAYK_SECRET_KEY": "5a" * 32}
    assert (await payk.done("migrate", "--first-message-id", "123861959", **environment)).startswith(
        "ran migration 0001"
    )
    assert await payk.done("migrate", **environment) == "the schema is up to date\n"
    payk.environment |= environment
    await payk.apply(registry(2775))
    centre = await payk.serve()
    assert await centre.send() == "123861959"
    late = await payk.run("migrate", "--first-message-id", "5")
    assert (late.returncode, late.stderr.count("\n")) == (2, 1)


async def test_simulate_lists_the_numbers_of_the_readme(payk: Payk) -> None:
    listed = (await payk.done("simulate", "--list")).splitlines()
    rows = re.findall(r"^\| (992000000\d{3}) \|[^|]*\| ([^|]*) \| (\d+) s \|$", README, re.MULTILINE)
    assert len(rows) == 16
    for number, state, seconds in rows:
        (line,) = [line for line in listed if line.startswith(number)]
        assert re.sub(r" +", " ", line).endswith(f"{state} {seconds} s"), line


async def test_both_ports_tell_health(payk_on_server: Payk) -> None:
    centre = await payk_on_server.serve()
    for client in (centre.http, centre.admin):
        for path in ("/health/live", "/health/ready"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()) == (200, {"Status": "OK", "Warnings": []})
            assert answer.headers["X-Request-Id"]


async def test_a_terminal_that_knows_no_cyrillic_stops_nothing(payk: Payk) -> None:
    """The line to paste holds a text in Russian."""
    centre = await payk.up(PYTHONIOENCODING="ascii")
    assert '"Text": "??? ??? ' in centre.program.stdout
    await centre.wait_for(await centre.send(), "Delivered")


async def test_closed_standard_streams_are_no_streams_of_ours(payk: Payk) -> None:
    """As some supervisors start programs: else a socket gets the number of the closed one."""
    command = f"exec {sys.executable} -m payk migrate <&- >&- 2>&-"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PAYK_")}
    done = await asyncio.to_thread(
        subprocess.run, ["/bin/sh", "-c", command], env=environment | payk.environment, check=False, timeout=60
    )
    assert done.returncode == 0
    assert await payk.done("migrate") == "the schema is up to date\n"
