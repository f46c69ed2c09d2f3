"""`payk user`, `payk token`, `payk audit`, and the token of `payk up`."""

from __future__ import annotations

import json
import re
import stat
from typing import Any

import pytest

from payk.access import Access
from payk.app.local import local_name
from payk.registry.secrets import SecretBox
from payk.store.database import Database
from tests.end_to_end.payk import Payk, registry

PASSWORD = "correct horse battery"


async def rows(payk: Payk, *command: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await payk.done(*command, "--json")).splitlines()]


async def role_of(database: Database, token: str) -> str | None:
    principal = await Access(database, SecretBox(bytes(32))).authenticate(token, "")
    return None if principal is None else str(principal.role)


async def test_users_tokens_and_what_is_recorded(payk_on_server: Payk, database: Database) -> None:
    payk = payk_on_server
    await payk.apply(registry(2775))
    annas = (await payk.done("user", "create", "anna", "--role", "admin", "--token")).strip()
    assert await role_of(database, annas) == "admin"
    made = await payk.run(
        *("user", "create", "boris", "--role", "client-manager", "--client", "bank", "--password-stdin"),
        stdin=f"{PASSWORD}\n",
    )
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    assert (await payk.done("user", "totp", "boris")).startswith("otpauth://totp/Payk:boris?")
    await payk.done("user", "disable", "boris")
    boris = next(row for row in await rows(payk, "user", "list") if row["name"] == "boris")
    assert (boris["role"], boris["client"], boris["enabled"], boris["has_password"], boris["has_totp"]) == (
        "client-manager", "bank", False, True, True,
    )  # fmt: skip
    assert re.search(r"^boris +client-manager +bank +no +no +yes +yes", await payk.done("user", "list"), re.MULTILINE)

    ci = await payk.done("token", "create", "ci", "--role", "operator", "--scopes", "read-messages", "--days", "90")
    assert await role_of(database, ci.strip()) == "operator"
    await payk.done("token", "revoke", "ci")
    assert await role_of(database, ci.strip()) is None
    listed = await rows(payk, "token", "list")
    assert [(row["name"], row["user"], row["scopes"], row["revoked_at"] is None) for row in listed] == [
        ("anna", "anna", None, True),
        ("ci", None, ["read-messages"], False),
    ]

    exported = await payk.run("audit", "export")
    entries = [json.loads(line) for line in exported.stdout.splitlines()]
    acts = [(entry["act"], entry["object_kind"], entry["object_name"]) for entry in entries]
    assert ("registry.change", "client", "bank") in acts
    assert acts[-7:] == [
        ("user.create", "user", "anna"), ("token.create", "token", "anna"), ("user.create", "user", "boris"),
        ("user.totp", "user", "boris"), ("user.disable", "user", "boris"), ("token.create", "token", "ci"),
        ("token.revoke", "token", "ci"),
    ]  # fmt: skip
    assert {(entry["actor_kind"], entry["actor_name"]) for entry in entries} == {("local", local_name())}
    assert annas not in exported.stdout and PASSWORD not in exported.stdout
    assert exported.stderr == f"anchor {entries[-1]['sequence']}:{entries[-1]['hash']}\n"
    assert [row["sequence"] for row in await rows(payk, "audit", "list", "--newest", "2")] == [
        entries[-1]["sequence"],
        entries[-2]["sequence"],
    ]
    assert (await payk.run("audit", "export", "--from", "2100-01-01")).stdout == ""


async def test_a_broken_log_is_told(payk_on_server: Payk, database: Database) -> None:
    payk = payk_on_server
    for name in ("anna", "boris", "dilshod"):
        await payk.done("user", "create", name, "--role", "admin")
    told = await payk.done("audit", "verify")
    found = re.fullmatch(r"3 entries are whole; anchor (3:[0-9a-f]{64})\n", told)
    assert found
    assert await payk.done("audit", "verify", "--anchor", found[1]) == told
    assert "ok    the newest 3 entries of the audit log are whole" in (await payk.run("check")).stdout
    async with database.connection() as connection:
        await connection.execute("alter table audit_entry disable trigger user")
        await connection.execute("update audit_entry set object_name = 'x' where sequence = 2")
    verified = await payk.run("audit", "verify")
    assert (verified.returncode, verified.stdout) == (
        1, "entry 2 is broken: it is not what it was when it was written\n",
    )  # fmt: skip
    checked = await payk.run("check")
    assert checked.returncode == 2
    assert "FAIL  audit log: entry 2: it is not what it was when it was written; see docs/security.md" in checked.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["user", "create", "b", "--role", "boss"], "'boss' is not one of 'admin', 'operator'"),
        (["user", "create", "b", "--role", "client-viewer"], "client: the role client-viewer is of one client"),
        (["user", "create", "b", "--role", "admin", "--password-stdin"], "no password: write it to standard input"),
        (["user", "disable", "nobody"], "There is no user 'nobody'."),
        (["token", "create", "ci"], "role: a token has a role or a user; give one of the two"),
        (["token", "create", "ci", "--role", "admin", "--scopes", "all"], "scopes: 'all' is none; allowed are some of"),
        (["token", "revoke", "ci"], "There is no token 'ci' in force."),
        (["audit", "verify", "--anchor", "3"], "--anchor should be an entry and its hash"),
        (["audit", "export", "--from", "soon"], "--from should be a time such as 2026-11-26T10:30:00+05:00"),
    ],
)
async def test_what_cannot_be_is_one_line(payk_on_server: Payk, arguments: list[str], line: str) -> None:
    ended = await payk_on_server.run(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert line in ended.stderr and ended.stderr.count("\n") == 1


async def test_up_keeps_a_token_for_its_user(payk: Payk) -> None:
    centre = await payk.up()
    file = payk.home / "admin-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = file.read_text()
    await centre.program.stop()
    centre = await payk.up()
    assert file.read_text() == first
    await centre.program.stop()
    file.unlink()
    await payk.up()
    assert file.read_text() != first
    listed = [(row["name"], row["role"], row["revoked_at"] is None) for row in await rows(payk, "token", "list")]
    assert listed == [("payk up", "admin", True), ("payk up", "admin", False)]


async def test_sessions_are_shown_and_ended(payk_on_server: Payk, database: Database) -> None:
    payk = payk_on_server
    made = await payk.run("user", "create", "anna", "--role", "admin", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert made.returncode == 0
    access = Access(database, SecretBox(bytes(32)))
    token = await access.log_in("anna", PASSWORD, None, "192.0.2.1")
    [session] = await rows(payk, "session", "list")
    assert (session["user"], session["address"]) == ("anna", "192.0.2.1")
    await payk.done("session", "end", str(session["session_id"]))
    assert await access.authenticate(token, "192.0.2.1") is None
    assert await rows(payk, "session", "list") == []
    gone = await payk.run("session", "end", str(session["session_id"]))
    assert gone.returncode == 2 and "There is no session" in gone.stderr


async def recorded(payk: Payk) -> list[dict[str, Any]]:
    """The audit log; whatever is in it was done under one name."""
    entries = [json.loads(line) for line in (await payk.run("audit", "export")).stdout.splitlines()]
    assert {entry["actor_name"] for entry in entries} == {local_name()}
    return entries


async def test_what_changes_traffic_and_limits_is_recorded_under_one_name(payk_on_server: Payk) -> None:
    payk = payk_on_server
    await payk.apply(registry(2775))
    await payk.done("queue", "hold", "--client", "bank")
    await payk.done("operator", "drain", "tcell")
    await payk.done("client", "set", "bank", "max_parts=3")
    await payk.done("block", "add", "992900000001")
    acts = [entry["act"] for entry in await recorded(payk)]
    assert acts[-4:] == ["registry.change", "registry.change", "registry.change", "block.add"]


async def test_what_touches_many_messages_is_recorded(payk_on_server: Payk) -> None:
    payk = payk_on_server
    await payk.apply(registry(2775))
    head = "MessageId,Client,MessageState,DateSubmitted,DateDone\n"
    (payk.folder / "rows.csv").write_text(f"{head}7,bank,Delivered,2026-01-02T03:04:05,2026-01-02T03:04:06\n")
    await payk.done("message", "import", "rows.csv", "--dry-run")
    await payk.done("message", "import", "rows.csv")
    await payk.done("message", "import", "--drop-before", "2026-02-01")
    await payk.done("recover", "--release")
    await payk.done("recover", "--give-up", "--type", "otp")
    entries = [entry for entry in await recorded(payk) if entry["act"] != "registry.change"]
    assert [(entry["act"], entry["object_name"]) for entry in entries] == [
        ("import.begin", "rows.csv"),
        ("import.end", "rows.csv"),
        ("import.drop", ""),
        ("recovery.release", ""),
        ("recovery.give-up", ""),
    ]
    assert entries[1]["detail"] == {"rows": 1, "added": 1, "completed": 0, "refused": 0}
    assert entries[-1]["detail"]["sms_type"] == "otp"


async def test_numbers_that_are_forgotten_and_keys_that_are_rotated_are_recorded(payk_on_server: Payk) -> None:
    payk = payk_on_server
    await payk.apply(registry(2775))
    await payk.done("secret", "rotate")
    await payk.done("forget", "992900000001")
    await payk.done("forget", "992900000001", "--export", str(payk.folder / "known.jsonl"))
    rotated, *others = [entry for entry in await recorded(payk) if entry["act"] != "registry.change"]
    assert (rotated["act"], rotated["object_kind"]) == ("secret.rotate", "secret key")
    assert [(entry["act"], entry["object_name"]) for entry in others] == [
        ("number.forget", "992900****01"),
        ("number.export", "992900****01"),
    ]


async def test_a_user_gets_another_role(payk_on_server: Payk) -> None:
    payk = payk_on_server
    await payk.apply(registry(2775))
    await payk.done("user", "create", "boris", "--role", "operator")
    await payk.done("user", "role", "boris", "client-viewer", "--client", "bank")
    [boris] = await rows(payk, "user", "list")
    assert (boris["role"], boris["client"]) == ("client-viewer", "bank")
    wrong = await payk.run("user", "role", "boris", "client-viewer")
    assert wrong.returncode == 2 and "name the client" in wrong.stderr
    assert [entry["act"] for entry in await recorded(payk)][-1] == "user.role"
