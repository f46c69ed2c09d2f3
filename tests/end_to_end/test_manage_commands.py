"""`payk client|key|sender|operator|link|route|change|export|apply`, on the database and through a server."""

from __future__ import annotations

import json

import httpx

from tests.end_to_end.managing import Managing
from tests.end_to_end.payk import KEY, Payk


async def test_a_client_with_all_that_it_needs(managing: Managing) -> None:
    made = json.loads(
        await managing.done("client", "create", "shop/1", "max_parts=3", "batch_hours=08:00-21:00", "--json")
    )
    assert (made["name"], made["max_parts"], made["batch_hours"]) == ("shop/1", 3, "08:00-21:00")
    await managing.done("client", "set", "shop/1", 'destinations=["992"]', "parts_per_day=1000", "otp_overdraft=1.5")
    shown = await managing.done("client", "show", "shop/1")
    assert "1000" in shown and "08:00-21:00" in shown
    assert [row["name"] for row in await managing.rows("client", "list")] == ["bank", "shop/1"]
    await managing.done("client", "suspend", "shop/1")
    assert "no" in (await managing.done("client", "list")).splitlines()[-1]
    await managing.done("client", "resume", "shop/1")

    key = (await managing.done("key", "create", "shop/1", "label=till", 'allow_from=["10.0.0.0/8"]')).strip()
    assert len(key) >= 32
    [row] = await managing.rows("key", "list", "shop/1")
    assert (row["label"], row["allow_from"], row["revoked_at"]) == ("till", ["10.0.0.0/8"], None)
    assert key not in str(row)
    newer = (await managing.done("key", "rotate", "shop/1", str(row["key_id"]), "--grace", "60")).strip()
    assert newer not in ("", key)
    await managing.done("key", "revoke", "shop/1", str(row["key_id"]))
    await managing.done("key", "create", "shop/1", "--import", stdin=f"{KEY}x\n")
    assert [row["revoked"] for row in await managing.rows("key", "list", "shop/1")] == [True, False, False]

    await managing.done("sender", "add", "shop/1", "Shop", "status=requested", "reason=our shop")
    [waiting] = await managing.rows("sender", "list", "--status", "requested")
    assert (waiting["client"], waiting["name"], waiting["reason"]) == ("shop/1", "Shop", "our shop")
    await managing.done("sender", "approve", "shop/1", "Shop")
    assert "reason" in await managing.refused("sender", "reject", "shop/1", "Shop")
    await managing.done("sender", "withdraw", "shop/1", "Shop")


async def test_an_operator_a_link_and_a_route(managing: Managing) -> None:
    await managing.done("operator", "create", "beeline")
    link = ("link", "create", "beeline", "beeline-1", "host=127.0.0.1", "port=2776", "system_id=payk")
    made = json.loads(await managing.done(*link, "--password-stdin", "--json", stdin="secret\n"))
    assert (made["operator"], made["port"]) == ("beeline", 2776)
    assert "use --password-stdin" in await managing.refused("link", "set", "beeline-1", "password=x", code=2)
    seen = json.loads(await managing.done("link", "show", "beeline-1", "--json"))["etag"]
    await managing.done("link", "set", "beeline-1", "window=7", "--if-match", seen)
    stale = await managing.refused("link", "set", "beeline-1", "window=8", "--if-match", seen)
    assert "has changed since it was read" in stale
    assert seen not in await managing.done("link", "show", "beeline-1")
    operator = json.loads(await managing.done("operator", "show", "beeline", "--json"))
    assert (operator["name"], operator["enabled"], len(operator["etag"])) == ("beeline", True, 16)
    assert json.loads(await managing.done("link", "show", "beeline-1", "--json"))["window"] == 7
    assert [row["name"] for row in await managing.rows("link", "list", "--operator", "beeline")] == ["beeline-1"]
    assert "password: missing, and port of link" in await managing.refused("link", "set", "beeline-1", "port=2777")
    await managing.done("link", "set", "beeline-1", "port=2777", "--password-stdin", stdin="secret\n")
    version = str((await managing.rows("change", "list", "--limit", "1"))[0]["version"])
    assert "password: missing, and port of link" in await managing.refused("change", "revert", version)
    back = await managing.done("change", "revert", version, "--password-of", "beeline-1", stdin="secret\n")
    assert back == "~ link beeline-1 of operator beeline: port 2777 -> 2776\n"
    route = json.loads(
        await managing.done("route", "create", 'prefix="998"', 'operators=["beeline", "tcell"]', "price=0.12", "--json")
    )
    assert (route["prefix"], route["operators"], route["price"]) == ("998", ["beeline", "tcell"], "0.12")
    assert json.loads(await managing.done("route", "show", str(route["route_id"]), "--json")) == route
    for row in await managing.rows("route", "list"):
        if row["prefix"] != "998":
            await managing.done("route", "set", str(row["route_id"]), "enabled=false")
    refused = await managing.refused("route", "set", str(route["route_id"]), "enabled=false")
    assert "No route would be left" in refused and "--force" in refused
    await managing.done("route", "set", str(route["route_id"]), "enabled=false", "--force")


async def test_changes_are_shown_and_taken_back_and_the_registry_is_a_file(managing: Managing) -> None:
    await managing.done("client", "set", "bank", "max_parts=3")
    newest = (await managing.rows("change", "list", "--limit", "1"))[0]
    assert newest["changes"][0]["fields"] == {"max_parts": [20, 3]}
    assert "max_parts" in await managing.done("change", "list")
    assert "bank" in await managing.done("change", "show", str(newest["version"]))
    assert await managing.done("change", "revert", str(newest["version"])) == "~ client bank: max_parts 3 -> 20\n"
    text = await managing.done("export")
    assert KEY not in text
    file = managing.payk.folder / "export.toml"
    file.write_text(text)
    assert await managing.done("apply", str(file)) == "nothing changes\n"
    file.write_text(text.replace("AlifSarmoya", "AlifNew"))
    assert "+ sender AlifNew of client bank" in await managing.done("apply", str(file), "--dry-run")
    out = managing.payk.folder / "private.toml"
    await managing.done("export", "-o", str(out))
    assert out.read_text() == text
    assert out.stat().st_mode & 0o777 == 0o600


async def test_what_is_wrong_is_told_in_a_line_each(managing: Managing) -> None:
    told = await managing.refused("client", "set", "bank", "max_parts=0", "bulk=both", "nonsense=1")
    assert sorted(line.partition(": ")[2].partition(":")[0] for line in told.splitlines()) == [
        *("bulk", "max_parts", "nonsense"),
    ]
    assert "There is no client" in await managing.refused("client", "show", "\x1b[31mnobody")
    assert "\x1b" not in await managing.refused("client", "show", "\x1b[31mnobody")
    assert "KEY=VALUE" in await managing.refused("client", "set", "bank", "max_parts", code=2)
    assert "twice" in await managing.refused("client", "set", "bank", "max_parts=1", "max_parts=2", code=2)
    stale = ("client", "set", "bank", "max_parts=4", "--if-match", "0" * 16)
    assert "has changed since it was read" in await managing.refused(*stale)


async def test_a_server_that_is_not_there_or_does_not_know_the_token(payk_on_server: Payk) -> None:
    centre = await payk_on_server.serve("--roles", "api,admin")
    url = str(centre.admin.base_url)
    none = await payk_on_server.run("client", "list", PAYK_ADMIN_URL=url)
    assert (none.returncode, none.stderr.count("\n")) == (2, 1)
    assert "PAYK_ADMIN_TOKEN is not" in none.stderr
    wrong = await payk_on_server.run("client", "list", PAYK_ADMIN_URL=url, PAYK_ADMIN_TOKEN="payk_wrong")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    away = await payk_on_server.run("client", "list", PAYK_ADMIN_URL="http://127.0.0.1:9", PAYK_ADMIN_TOKEN="x")
    assert (away.returncode, away.stderr.count("\n")) == (2, 1)
    api = await payk_on_server.serve()
    other = await payk_on_server.run(
        "client", "list", PAYK_ADMIN_URL=str(httpx.URL(api.http.base_url)), PAYK_ADMIN_TOKEN="x"
    )
    assert (other.returncode, other.stderr.count("\n")) == (2, 1)  # another service answered, the centre did not
    assert "of another version" in other.stderr
