"""`payk balance`, `payk block` and `payk usage` as people and scripts run them."""

from __future__ import annotations

import json

import asyncpg

from tests.end_to_end.payk import Payk, registry


async def test_balances_blocks_and_usage_from_the_command_line(payk_on_server: Payk, dsn: str) -> None:
    payk = payk_on_server
    await payk.apply(registry(1))
    assert await payk.done("balance", "add", "bank", "250.5", "--reference", "invoice-17") == "bank has 250.5\n"
    again = json.loads(await payk.done("balance", "add", "bank", "250.5", "--reference", "invoice-17", "--json"))
    assert again == {"client": "bank", "balance": "250.5", "repeated": True}
    assert await payk.done("balance", "add", "bank", "-0.5", "--note", "entered twice") == "bank has 250\n"
    shown = json.loads(await payk.done("balance", "show", "bank", "--json"))
    assert shown["balance"] == "250"
    assert [(entry["kind"], entry["amount"]) for entry in shown["entries"]] == [
        ("correction", "-0.5"),
        ("top-up", "250.5"),
    ]
    table = await payk.done("balance", "show", "bank")
    assert table.startswith("bank has 250\n") and "invoice-17" in table
    newest = (await payk.done("balance", "show", "bank", "--newest", "1")).splitlines()
    assert "entered twice" in newest[2] and newest[-1].startswith("older entries: --before ")
    older = await payk.done("balance", "show", "bank", "--before", newest[-1].rpartition(" ")[2])
    assert "invoice-17" in older and "entered twice" not in older
    usage = [json.loads(line) for line in (await payk.done("usage", "bank", "--json")).splitlines()]
    assert [(row["period"], row["otp"], row["parts"]) for row in usage] == [
        ("day", False, 0),
        ("day", True, 0),
        ("month", False, 0),
        ("month", True, 0),
    ]
    numbers = payk.folder / "numbers.txt"
    numbers.write_text("+992 900 00 00 01\n992900000002\n\n", encoding="utf-8")
    assert "2 numbers are blocked" in await payk.done("block", "import", str(numbers), "--reason", "complaint")
    await payk.done("block", "add", "992900000001", "--client", "bank", "--what", "batch")
    rows = [json.loads(line) for line in (await payk.done("block", "list", "--whole-numbers", "--json")).splitlines()]
    assert [(row["number"], row["client"], row["what"], row["reason"]) for row in rows] == [
        ("992900000001", None, "everything", "complaint"),
        ("992900000002", None, "everything", "complaint"),
        ("992900000001", "bank", "batch", ""),
    ]
    for_all = await payk.done("block", "list", "--of-all", "--json")
    assert [json.loads(line)["client"] for line in for_all.splitlines()] == [None, None]
    assert "give one of both" in (await payk.run("block", "list", "--of-all", "--client", "bank")).stderr
    shown = await payk.done("block", "list", "--client", "bank")
    assert "992900000001" not in shown and "batch" in shown, "people see numbers masked"
    assert await payk.done("block", "remove", "992900000001", "--client", "bank") == "1 numbers are blocked no more\n"
    numbers.write_text("992900000003\nhello\n", encoding="utf-8")
    ended = await payk.run("block", "import", str(numbers))
    assert ended.returncode == 1 and "line 2: " in ended.stderr

    found = await payk.done("audit", "list", "--number", "+992 900000001", "--json")
    assert [json.loads(line)["act"] for line in found.splitlines()] == ["block.remove", "block.add", "block.add"]

    found = await payk.done("audit", "list", "--act", "balance.change", "--json")
    assert {json.loads(line)["object_name"] for line in found.splitlines()} == {"bank"}
    by = json.loads(found.splitlines()[0])["actor_name"]
    about = ("--object-kind", "client", "--object-name", "bank")
    assert len((await payk.done("audit", "list", *about, "--actor", by, "--json")).splitlines()) >= 2
    assert await payk.done("audit", "list", *about, "--actor", "nobody", "--json") == ""

    connection = await asyncpg.connect(dsn)
    acts = await connection.fetch(
        "select act, object_name, detail from payk.audit_entry where act ~ '^(balance|block)' order by sequence"
    )
    await connection.close()
    assert [(act, name) for act, name, _ in acts] == [
        ("balance.change", "bank"),
        ("balance.change", "bank"),
        ("block.add", ""),
        ("block.add", "bank"),
        ("block.remove", "bank"),
    ]
    assert not any("9929000" in detail for _, _, detail in acts), "no whole number is recorded"


async def test_a_prepaid_client_without_a_reserve_is_warned_of(payk_on_server: Payk) -> None:
    payk = payk_on_server
    await payk.apply(registry(1))
    file = payk.folder / "shop.toml"
    file.write_text('[[client]]\nname = "shop"\nprepaid = true\n')
    ended = await payk.run("apply", str(file))
    [warning] = ended.stderr.splitlines()
    assert ended.returncode == 0 and warning.startswith('payk: warning: "shop" is prepaid without otp_reserve')
    checked = (await payk.run("check")).stdout.splitlines()
    assert any(line.startswith('warn  "shop" is prepaid without otp_reserve') for line in checked)
    assert "makes its codes fail" in await payk.done("client", "set", "shop", "otp_reserve=0")
    assert "makes its codes fail" not in await payk.done("client", "set", "shop", "otp_reserve=50")
    assert "prepaid without" not in (await payk.run("check")).stdout
