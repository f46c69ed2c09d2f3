"""`payk user|session|token|audit`, on the database and through a server, and the token of `payk up`."""

from __future__ import annotations

import json
import re
import stat
from datetime import timedelta
from typing import Any

import pyotp
import pytest

from payk.access import Access
from payk.app.local import local_name
from payk.domain.access import Actor, PrincipalKind
from payk.domain.audit import AuditEntry
from payk.registry.secrets import SecretBox
from payk.store.audit import record
from payk.store.database import Database
from tests.end_to_end.managing import Managing
from tests.end_to_end.payk import Payk, registry

PASSWORD = "correct horse battery"


async def rows(payk: Payk, *command: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await payk.done(*command, "--json")).splitlines()]


async def role_of(database: Database, token: str) -> str | None:
    principal = await Access(database, SecretBox(bytes(32))).authenticate(token, "")
    return None if principal is None else str(principal.role)


async def test_users_tokens_and_what_is_recorded(managing: Managing, database: Database) -> None:
    annas = (await managing.done("user", "create", "anna", "--role", "admin", "--token")).strip()
    assert await role_of(database, annas) == "admin"
    boris = ("user", "create", "boris", "--role", "client-manager", "--client", "bank", "--password-stdin")
    assert await managing.done(*boris, stdin=f"{PASSWORD}\n") == ""
    assert (await managing.done("user", "totp", "boris")).startswith("otpauth://totp/Payk:boris?")
    await managing.done("user", "disable", "boris")
    [shown] = [row for row in await managing.rows("user", "list") if row["name"] == "boris"]
    assert (shown["role"], shown["client"], shown["enabled"], shown["has_password"], shown["has_totp"]) == (
        "client-manager", "bank", False, True, True,
    )  # fmt: skip
    table = await managing.done("user", "list")
    assert re.search(r"^boris +client-manager +bank +no +no +yes +yes", table, re.MULTILINE)
    await managing.done("user", "enable", "boris")
    await managing.done("user", "totp", "boris", "--off")
    await managing.done("user", "password", "boris", stdin="another long password\n")
    await managing.done("user", "role", "boris", "client-viewer", "--client", "bank")
    [shown] = [row for row in await managing.rows("user", "list") if row["name"] == "boris"]
    assert (shown["role"], shown["enabled"], shown["has_totp"]) == ("client-viewer", True, False)
    assert await Access(database, SecretBox(bytes.fromhex("5a" * 32))).log_in(
        "boris", "another long password", None, "192.0.2.1"
    )

    ci = await managing.done("token", "create", "ci", "--role", "operator", "--scopes", "read-messages", "--days", "90")
    assert await role_of(database, ci.strip()) == "operator"
    await managing.done("token", "revoke", "ci")
    assert await role_of(database, ci.strip()) is None
    listed = [row for row in await managing.rows("token", "list") if row["name"] != "test"]
    assert [(row["name"], row["user"], row["scopes"], row["revoked_at"] is None) for row in listed] == [
        ("anna", "anna", None, True),
        ("ci", None, ["read-messages"], False),
    ]

    exported = await managing.run("audit", "export")
    entries = [json.loads(line) for line in exported.stdout.splitlines()]
    acts = [(entry["act"], entry["object_kind"], entry["object_name"]) for entry in entries]
    assert ("registry.change", "client", "bank") in acts
    assert acts[-12:] == [
        ("user.create", "user", "anna"), ("token.create", "token", "anna"), ("user.create", "user", "boris"),
        ("user.totp", "user", "boris"), ("user.disable", "user", "boris"), ("user.enable", "user", "boris"),
        ("user.totp", "user", "boris"), ("user.password", "user", "boris"), ("user.role", "user", "boris"),
        ("session.begin", "user", "boris"), ("token.create", "token", "ci"), ("token.revoke", "token", "ci"),
    ]  # fmt: skip
    by = ("local", local_name()) if managing.server is None else ("token", "test")
    assert {(entry["actor_kind"], entry["actor_name"]) for entry in entries[-12:]} == {by, ("user", "boris")}
    assert annas not in exported.stdout and PASSWORD not in exported.stdout
    assert exported.stderr == f"anchor {entries[-1]['sequence']}:{entries[-1]['hash']}\n"
    assert [row["sequence"] for row in await managing.rows("audit", "list", "--newest", "2")] == [
        entries[-1]["sequence"],
        entries[-2]["sequence"],
    ]
    assert (await managing.run("audit", "export", "--from", "2100-01-01")).stdout == ""


async def test_a_long_log_is_listed_and_exported_whole(managing: Managing, database: Database) -> None:
    actor = Actor(PrincipalKind.LOCAL, "test")
    await record(database, [AuditEntry(actor, "test.note", "note", f"\u2028{n}") for n in range(2_100)])
    entries = [json.loads(line) for line in (await managing.run("audit", "export")).stdout.split("\n") if line]
    numbers = [entry["sequence"] for entry in entries]
    assert len(entries) > 2_100 and numbers == list(range(1, len(entries) + 1))
    listed = await managing.rows("audit", "list", "--newest", "1500")
    assert [entry["sequence"] for entry in listed] == numbers[:-1_501:-1]


async def test_an_exported_log_is_looked_at_offline(payk_on_server: Payk) -> None:
    payk = payk_on_server
    for name in ("anna", "boris", "dilshod"):
        await payk.done("user", "create", name, "--role", "admin")
    exported = await payk.run("audit", "export")
    anchor = exported.stderr.split()[1]
    file = payk.folder / "log.jsonl"
    file.write_text(exported.stdout)
    nowhere = {"PAYK_DATABASE_URL": "postgresql://127.0.0.1:9/none"}
    told = await payk.done("audit", "verify", str(file), "--anchor", anchor, **nowhere)
    assert told == f"3 entries, 1 to 3, are whole; anchor {anchor}\n"
    file.write_text(exported.stdout.replace("boris", "bobis"))
    changed = await payk.run("audit", "verify", str(file), **nowhere)
    assert (changed.returncode, changed.stdout, changed.stderr) == (1, "line 2: entry 2 was changed\n", "")
    none = await payk.run("audit", "verify", str(payk.folder / "none"), **nowhere)
    assert (none.returncode, none.stdout) == (2, "")
    assert none.stderr.endswith("none: No such file or directory\n")


async def test_a_broken_log_is_told(managing: Managing, database: Database) -> None:
    for name in ("anna", "boris", "dilshod"):
        await managing.done("user", "create", name, "--role", "admin")
    told = await managing.done("audit", "verify")
    found = re.fullmatch(r"(\d+) entries are whole; anchor (\1:[0-9a-f]{64})\n", told)
    assert found
    assert await managing.done("audit", "verify", "--anchor", found[2]) == told
    other = await managing.run("audit", "verify", "--anchor", f"{found[1]}:{'0' * 64}")
    assert (other.returncode, other.stdout) == (
        1, f"entry {found[1]} is broken: the anchor has another hash for it\n",
    )  # fmt: skip
    async with database.connection() as connection:
        await connection.execute("alter table audit_entry disable trigger user")
        await connection.execute("update audit_entry set object_name = 'x' where sequence = 2")
    verified = await managing.run("audit", "verify")
    assert (verified.returncode, verified.stdout) == (
        1, "entry 2 is broken: it is not what it was when it was written\n",
    )  # fmt: skip
    checked = await managing.payk.run("check")
    assert checked.returncode == 2
    assert "FAIL  audit log: entry 2: it is not what it was when it was written; see docs/security.md" in checked.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["user", "create", "b", "--role", "boss"], "'boss' is not one of 'admin', 'operator'"),
        (["user", "create", "b", "--role", "admin", "--password-stdin"], "no password: write it to standard input"),
        (["audit", "verify", "--anchor", "3"], "--anchor should be an entry and its hash"),
        (["audit", "export", "--from", "soon"], "--from should be a time such as 2026-11-26T10:30:00+05:00"),
    ],
)
async def test_what_cannot_be_meant_is_one_line(payk_on_server: Payk, arguments: list[str], line: str) -> None:
    ended = await payk_on_server.run(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert line in ended.stderr and ended.stderr.count("\n") == 1


async def test_what_the_centre_refuses_is_one_line(managing: Managing) -> None:
    for arguments, line in (
        (["user", "create", "b", "--role", "client-viewer"], "client: the role client-viewer is of one client"),
        (["user", "disable", "nobody"], "There is no user 'nobody'."),
        (["user", "role", "nobody", "operator"], "There is no user 'nobody'."),
        (["token", "create", "ci"], "role: a token has a role or a user; give one of the two"),
        (["token", "create", "ci", "--role", "admin", "--scopes", "all"], "scopes: 'all' is none; allowed are some of"),
        (["token", "revoke", "ci"], "There is no token 'ci' in force."),
        (["session", "end", "77"], "There is no session 77."),
    ):
        told = await managing.refused(*arguments)
        assert line in told and told.count("\n") == 1


async def test_whoever_may_not_is_told_which_permission_it_takes(managing: Managing) -> None:
    scoped = (await managing.done("token", "create", "auditor", "--role", "admin", "--scopes", "read-audit")).strip()
    if managing.server is None:  # whoever has the database may do everything
        return
    managing.environment["PAYK_ADMIN_TOKEN"] = scoped
    assert "whole" in await managing.done("audit", "verify")
    told = await managing.refused("user", "list")
    assert told == "payk: auditor may not do this: it takes the permission manage-users.\n"


async def test_the_first_user_is_made_on_the_database(payk_on_server: Payk) -> None:
    for command in (("user", "create", "anna", "--role", "admin"), ("token", "create", "ci", "--role", "admin")):
        ended = await payk_on_server.run(*command, PAYK_ADMIN_URL="http://127.0.0.1:9")
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
        assert "the first user and its token are made on the database itself" in ended.stderr


async def test_a_session_is_asked_for_password_and_code(payk_on_server: Payk, database: Database) -> None:
    """What a stolen session may not do takes both: from the environment, or as lines of standard input."""
    payk = payk_on_server
    await payk.apply(registry(2775))
    made = await payk.run("user", "create", "anna", "--role", "admin", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert made.returncode == 0
    centre = await payk.serve("--roles", "api,admin")
    logged_in = await centre.admin.post("/api/admin/v1/session", json={"name": "anna", "password": PASSWORD})
    session = Managing(payk, centre, logged_in.json()["token"])

    assert "a session takes your present password here" in await session.refused(
        "user", "create", "boris", "--role", "operator", code=2
    )
    wrong = await session.run("user", "create", "boris", "--role", "operator", stdin="not it at all\n")
    assert (wrong.returncode, wrong.stdout) == (1, "") and wrong.stderr.startswith("payk: current_password: it, or ")
    token = await session.done("user", "create", "boris", "--role", "operator", "--token", stdin=f"{PASSWORD}\n")
    assert await role_of(database, token.strip()) == "operator"
    await session.done("user", "disable", "boris")  # takes nothing more
    session.environment["PAYK_CURRENT_PASSWORD"] = PASSWORD
    await session.done("user", "enable", "boris")
    await session.done("user", "role", "boris", "client-viewer", "--client", "bank")
    await session.done("token", "create", "ci", "--role", "operator")
    await session.done("user", "password", "boris", stdin="another long password\n")

    uri = await session.done("user", "totp", "anna")
    [secret] = re.findall(r"secret=(\w+)", uri)
    begun = Access(database, SecretBox(bytes.fromhex("5a" * 32)))
    async with database.connection() as connection:
        now = await connection.fetchval("select now()")
    session.environment["PAYK_ADMIN_TOKEN"] = await begun.log_in(
        "anna", PASSWORD, pyotp.TOTP(secret).at(now), "127.0.0.1"
    )
    assert "current_password: it, or `code`, is wrong" in await session.refused(
        "token", "create", "x", "--user", "anna"
    )
    code = pyotp.TOTP(secret).at(now + timedelta(seconds=30))
    del session.environment["PAYK_CURRENT_PASSWORD"]
    made_token = await session.done("token", "create", "x", "--user", "anna", stdin=f"{PASSWORD}\n{code}\n")
    assert await role_of(database, made_token.strip()) == "admin"


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


async def test_sessions_are_shown_and_ended(managing: Managing, database: Database) -> None:
    await managing.done("user", "create", "anna", "--role", "admin", "--password-stdin", stdin=f"{PASSWORD}\n")
    access = Access(database, SecretBox(bytes(32)))
    token = await access.log_in("anna", PASSWORD, None, "192.0.2.1")
    [session] = await managing.rows("session", "list")
    assert (session["user"], session["address"]) == ("anna", "192.0.2.1")
    await managing.done("session", "end", str(session["session_id"]))
    assert await access.authenticate(token, "192.0.2.1") is None
    assert await managing.rows("session", "list") == []


async def recorded(payk: Payk) -> list[dict[str, Any]]:
    """The audit log; whatever is in it was done under one name."""
    entries = [json.loads(line) for line in (await payk.run("audit", "export")).stdout.splitlines()]
    assert {entry["actor_name"] for entry in entries} == {local_name()}
    return entries


async def test_what_changes_traffic_and_limits_is_recorded_under_one_name(payk_on_server: Payk) -> None:
    payk = payk_on_server
    await payk.apply(registry(2775))
    await payk.done("queue", "hold", "--client", "bank")
    await payk.done("operator", "drain", "tcell", "--force")
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
