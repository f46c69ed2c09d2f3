"""`payk forget`: a number erased, or exported."""

from __future__ import annotations

import json
import stat

from tests.end_to_end.payk import Payk, registry

NUMBER = "992900000077"


async def test_a_number_is_exported_and_erased(payk_on_server: Payk) -> None:
    payk = payk_on_server
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    centre = await payk.serve()
    done = await centre.send(NUMBER, Text="Ваш код: 777", SmsType=2, ClientMessageId="order 17")
    other = await centre.send("992900000078", Text="stays")
    await centre.wait_for_all([done, other], within=60)
    status = await centre.status(done)

    await payk.done("block", "add", NUMBER, "--client", "bank", "--reason", "opted out")

    file = payk.folder / "known.jsonl"
    printed = await payk.done("forget", f"+{NUMBER}", "--export", str(file))
    assert "nothing was erased" in printed and NUMBER not in printed
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["message", "submit", "receipt", "block"]
    assert (lines[0]["text"], lines[0]["state"], lines[0]["client"]) == ("Ваш код: 777", "Delivered", "bank")
    again = await payk.run("forget", NUMBER, "--export", str(file))
    assert again.returncode == 2 and "File exists" in again.stderr

    printed = await payk.done("forget", NUMBER)
    assert "forgotten: " in printed and "1 messages" in printed and NUMBER not in printed
    assert await centre.status(done) == status, "an id still answers"
    empty = payk.folder / "empty.jsonl"
    await payk.done("forget", NUMBER, "--export", str(empty))
    assert [json.loads(line)["kind"] for line in empty.read_text().splitlines()] == ["block"], "it stays opted out"
    await centre.program.stop()


async def test_what_is_on_its_way_wants_force(payk_on_server: Payk) -> None:
    payk = payk_on_server
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    await operator.program.stop()
    centre = await payk.serve()
    waiting = [await centre.send(NUMBER) for _ in range(3)]
    refused = await payk.run("forget", NUMBER)
    assert refused.returncode == 1
    assert "3 messages to" in refused.stderr and "--force" in refused.stderr and NUMBER not in refused.stderr
    assert "ended: 3 messages" in await payk.done("forget", NUMBER, "--force")
    assert {await centre.state(message_id) for message_id in waiting} == {"Deleted"}
    wrong = await payk.run("forget", "call me")
    assert wrong.returncode == 1 and "7 to 15 digits" in wrong.stderr
    await centre.program.stop()
