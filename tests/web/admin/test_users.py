"""Users, sessions, tokens and the audit log over the management API."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pyotp

from tests.web.admin.managed import Managed, refusal

PASSWORD = "correct horse battery"


async def _log_in(managed: Managed, name: str, password: str = PASSWORD, code: str | None = None) -> str:
    given = {"name": name, "password": password, "code": code}
    answer = await managed.http.post("/api/admin/v1/session", json=given)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


async def test_a_user_logs_in_does_what_its_role_may_and_logs_out(managed: Managed) -> None:
    made = await managed.done("POST", "/users", {"name": "night", "role": "operator", "password": PASSWORD})
    assert (made["role"], made["has_password"], made["has_totp"]) == ("operator", True, False)
    assert "password_hash" not in made
    token = await _log_in(managed, "night")
    who = await managed.done("GET", "/session", token=token)
    assert (who["name"], who["role"]) == ("night", "operator")
    assert "control-traffic" in who["permissions"]
    assert "manage-users" not in who["permissions"]
    assert (await managed("GET", "/clients", token=token)).status_code == 200
    refusal(await managed("POST", "/clients", {"name": "x"}, token=token), "Forbidden")
    refusal(await managed("GET", "/users", token=token), "Forbidden")
    [session] = (await managed.done("GET", "/sessions"))["items"]
    assert (session["user"], session["address"]) == ("night", "127.0.0.1")
    assert (await managed("DELETE", "/session", token=token)).status_code == 204
    refusal(await managed("GET", "/session", token=token), "Unauthorized")


async def test_a_wrong_password_says_nothing_and_too_many_are_held_off(managed: Managed) -> None:
    await managed.done("POST", "/users", {"name": "night", "role": "operator", "password": PASSWORD})
    details = set()
    for name in ("night", "nobody") * 5:
        answer = await managed.http.post("/api/admin/v1/session", json={"name": name, "password": "wrong password"})
        details.add(refusal(answer, "Unauthorized")["Detail"])
    assert len(details) == 1
    for _ in range(12):
        answer = await managed.http.post("/api/admin/v1/session", json={"name": "nobody", "password": "wrong"})
    assert refusal(answer, "TooManyAttempts")["Retryable"] is True
    assert int(answer.headers["retry-after"]) >= 1


async def test_one_time_codes(managed: Managed) -> None:
    await managed.done("POST", "/users", {"name": "night", "role": "operator", "password": PASSWORD})
    token = await _log_in(managed, "night")
    for body in (None, {"code": "123456"}):
        answer = await managed("POST", "/users/night/totp", body, token=token)
        assert "missing" in refusal(answer, "ValueInvalid")["Errors"]["current_password"][0]
    uri = (await managed.done("POST", "/users/night/totp", {"current_password": PASSWORD}, token=token))["uri"]
    refusal(await managed("GET", "/session", token=token), "Unauthorized")
    answer = await managed.http.post("/api/admin/v1/session", json={"name": "night", "password": PASSWORD})
    refusal(answer, "Unauthorized")
    code = pyotp.parse_uri(uri).now()  # type: ignore[union-attr]
    token = await _log_in(managed, "night", code=code)
    refusal(await managed("DELETE", "/users/night/totp", token=token), "Forbidden")
    assert (await managed("DELETE", "/users/night/totp")).status_code == 204
    await _log_in(managed, "night")


async def test_a_disabled_user_is_out_at_once(managed: Managed) -> None:
    await managed.done("POST", "/users", {"name": "night", "role": "admin", "password": PASSWORD})
    token = await _log_in(managed, "night")
    await managed.done("POST", "/users", {"name": "day", "role": "admin", "password": PASSWORD})
    assert (await managed.done("PATCH", "/users/night", {"enabled": False}))["enabled"] is False
    refusal(await managed("GET", "/session", token=token), "Unauthorized")
    assert (
        "last enabled admin"
        in refusal(await managed("PATCH", "/users/day", {"role": "operator"}), "Conflict")["Detail"]
    )
    refusal(await managed("PATCH", "/users/nobody", {"enabled": True}), "ResourceNotFound")
    refusal(await managed("POST", "/users", {"name": "day", "role": "admin"}), "AlreadyExists")
    body = refusal(await managed("POST", "/users", {"name": "x", "role": "root"}), "ValueInvalid")
    assert body["Errors"]["role"][0].endswith("allowed are admin, operator, client-manager, client-viewer")
    refusal(await managed("PATCH", "/users/day", {"client": "bank"}), "ValueInvalid")


async def test_two_administrators_do_not_overwrite_each_other(managed: Managed) -> None:
    await managed.done("POST", "/users", {"name": "boss", "role": "admin"})
    made = await managed("POST", "/users", {"name": "night", "role": "operator", "password": PASSWORD})
    shown = await managed("GET", "/users/NIGHT")
    assert shown.headers["etag"] == made.headers["etag"]
    seen = {"if-match": made.headers["etag"]}
    first = await managed("PATCH", "/users/night", {"role": "admin"}, headers=seen)
    assert first.status_code == 200 and first.headers["etag"] != made.headers["etag"]
    second = await managed("PATCH", "/users/night", {"role": "client-viewer", "client": "own"}, headers=seen)
    assert "read it again" in refusal(second, "PreconditionFailed")["Detail"].lower()
    for method, path, body in (
        ("PATCH", "/users/night", {"enabled": False}),
        ("PUT", "/users/night/password", {"password": "another long password"}),
        ("POST", "/users/night/totp", None),
        ("DELETE", "/users/night/totp", None),
    ):
        refusal(await managed(method, path, body, headers=seen), "PreconditionFailed")
    now = (await managed("GET", "/users/night")).headers["etag"]
    assert now == first.headers["etag"]
    await _log_in(managed, "night")  # neither changed, nor does it change the ETag
    assert (await managed("PATCH", "/users/night", {"enabled": False}, headers={"if-match": now})).status_code == 200
    assert (await managed("PATCH", "/users/night", {"enabled": True}, headers={"if-match": "*"})).status_code == 200
    refusal(await managed("PATCH", "/users/night", {"enabled": True}, headers={"if-match": "7"}), "RequestInvalid")
    refusal(await managed("PATCH", "/users/nobody", {"enabled": True}, headers=seen), "ResourceNotFound")


async def test_an_etag_of_what_has_none_is_refused(managed: Managed) -> None:
    tag = {"if-match": '"0123456789abcdef"'}
    token = {"name": "till", "role": "operator"}
    body = refusal(await managed("POST", "/tokens", token, headers=tag), "RequestInvalid")
    assert list(body["Errors"]) == ["If-Match"]
    assert (await managed("POST", "/tokens", token, headers={"if-match": "*"})).status_code == 201
    refusal(await managed("DELETE", "/tokens/till", headers=tag), "RequestInvalid")
    assert (await managed("GET", "/tokens", headers=tag)).status_code == 200


async def test_everybody_changes_its_own_password_and_no_other(managed: Managed) -> None:
    for name in ("night", "day"):
        await managed.done("POST", "/users", {"name": name, "role": "operator", "password": PASSWORD})
    token = await _log_in(managed, "night")
    new: dict[str, str] = {"password": "another long password"}
    refusal(await managed("PUT", "/users/day/password", new, token=token), "Forbidden")
    for path in ("/users/night/password", "/users/NIGHT/password"):
        for more in ({}, {"current_password": None}, {"current_password": "not the present one"}):
            body = refusal(await managed("PUT", path, new | more, token=token), "ValueInvalid")
            assert list(body["Errors"]) == ["current_password"]
    assert (await managed("GET", "/session", token=token)).status_code == 200
    new["current_password"] = PASSWORD
    assert (await managed("PUT", "/users/night/password", new, token=token)).status_code == 204
    await _log_in(managed, "night", new["password"])
    body = refusal(await managed("PUT", "/users/night/password", {"password": "short"}), "ValueInvalid")
    assert "short" not in body["Detail"]


async def test_a_user_and_its_token_are_made_together_or_not_at_all(managed: Managed) -> None:
    await managed.done("POST", "/tokens", {"name": "night", "role": "operator"})
    new = {"name": "Night", "role": "operator", "token": True}
    assert "a token Night" in refusal(await managed("POST", "/users", new), "AlreadyExists")["Detail"]
    refusal(await managed("GET", "/users/night"), "ResourceNotFound")
    await managed("DELETE", "/tokens/night")
    assert (await managed.done("POST", "/users", new))["token"].startswith("payk_")
    acts = [entry["act"] for entry in (await managed.done("GET", "/audit"))["items"]]
    assert acts == ["token.create", "user.create", "token.revoke", "token.create"]


async def test_role_and_access_of_a_user_are_changed_together_or_not_at_all(managed: Managed) -> None:
    await managed.done("POST", "/users", {"name": "night", "role": "admin"})
    refusal(await managed("PATCH", "/users/night", {"role": "admin", "enabled": False}), "Conflict")
    await managed.done("POST", "/users", {"name": "day", "role": "admin"})
    acts = [entry["act"] for entry in (await managed.done("GET", "/audit"))["items"]]
    assert acts == ["user.create", "user.create"]
    changed = await managed.done("PATCH", "/users/night", {"role": "operator", "enabled": False})
    assert (changed["role"], changed["enabled"]) == ("operator", False)
    changed = await managed.done("PATCH", "/users/night", {"role": "admin", "enabled": True})
    assert (changed["role"], changed["enabled"]) == ("admin", True)


async def test_an_export_of_the_audit_log_that_cannot_begin_is_refused(managed: Managed) -> None:
    await managed.db.close()
    for params in ({}, {"since": "2026-01-01T00:00:00Z"}):
        refusal(await managed("GET", "/audit/export", params=params), "ServiceUnavailable")


async def test_a_token_is_narrowed_by_its_scopes_and_revoked(managed: Managed) -> None:
    new = {"name": "dashboard", "role": "operator", "scopes": ["read-traffic"]}
    token = (await managed.done("POST", "/tokens", new))["token"]
    assert (await managed("GET", "/queues", token=token)).status_code == 200
    refusal(await managed("GET", "/clients", token=token), "Forbidden")
    [shown] = [item for item in (await managed.done("GET", "/tokens"))["items"] if item["name"] == "dashboard"]
    assert shown["scopes"] == ["read-traffic"]
    assert token not in json.dumps(shown)
    refusal(await managed("POST", "/tokens", {"name": "x", "role": "operator", "scopes": ["all"]}), "ValueInvalid")
    refusal(await managed("POST", "/tokens", {"name": "x"}), "ValueInvalid")
    assert (await managed("DELETE", "/tokens/dashboard")).status_code == 204
    refusal(await managed("DELETE", "/tokens/dashboard"), "ResourceNotFound")


async def test_every_change_and_every_reading_of_a_text_is_in_the_audit_log(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    key = (await managed.done("POST", "/clients/bank/keys", {}))["key"]
    await managed.done("POST", "/tokens", {"name": "dashboard", "role": "operator"})
    found = (await managed.done("GET", "/audit"))["items"]
    assert [entry["act"] for entry in found] == ["token.create", "registry.change", "registry.change"]
    assert {(entry["actor_kind"], entry["actor_name"], entry["address"]) for entry in found} == {
        ("token", "boss", "127.0.0.1")
    }
    assert all(entry["request_id"] for entry in found)
    assert key not in json.dumps(found)
    assert (await managed.done("GET", "/audit?object_kind=client&object_name=bank"))["items"] == [found[2]]
    verdict = await managed.done("GET", "/audit/verify")
    assert (verdict["whole"], verdict["looked_at"], verdict["hash"]) == (True, 3, found[0]["hash"])
    exported = await managed("GET", "/audit/export")
    assert [json.loads(line) for line in exported.text.splitlines()] == found[::-1]
    async with managed.db.connection() as connection:
        await connection.execute("alter table audit_entry disable trigger all")
        await connection.execute("update audit_entry set actor_name = 'somebody' where sequence = 2")
    assert (await managed.done("GET", "/audit/verify"))["broken"] == 2


async def test_a_stolen_session_of_an_admin_changes_not_how_it_logs_in(managed: Managed) -> None:
    await managed.done("POST", "/users", {"name": "boss", "role": "admin", "password": PASSWORD})
    uri = (await managed.done("POST", "/users/boss/totp"))["uri"]
    totp = pyotp.parse_uri(uri)
    token = await _log_in(managed, "boss", code=totp.at(datetime.now(UTC), counter_offset=-1))  # type: ignore[union-attr]
    for name in ("boss", "Boss"):
        for method in ("DELETE", "POST"):
            answer = await managed(method, f"/users/{name}/totp", token=token)
            assert list(refusal(answer, "ValueInvalid")["Errors"]) == ["current_password"]
        answer = await managed("DELETE", f"/users/{name}/totp", {"current_password": PASSWORD}, token=token)
        assert list(refusal(answer, "ValueInvalid")["Errors"]) == ["current_password"]  # the code is missing
        new = {"password": "another long password", "current_password": PASSWORD}
        assert (
            "current_password"
            in refusal(await managed("PUT", f"/users/{name}/password", new, token=token), "ValueInvalid")["Errors"]
        )
    shown = {"current_password": PASSWORD, "code": totp.now()}  # type: ignore[union-attr]
    assert (await managed("DELETE", "/users/boss/totp", shown, token=token)).status_code == 204
    await _log_in(managed, "boss")


async def test_a_stolen_session_of_an_admin_makes_nobody_that_may_log_in(managed: Managed) -> None:
    for name, role in (("boss", "admin"), ("night", "operator")):
        await managed.done("POST", "/users", {"name": name, "role": role, "password": PASSWORD})
    session = await _log_in(managed, "boss")
    operations: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("POST", "/tokens", {"name": "of-boss", "user": "boss"}),
        ("POST", "/tokens", {"name": "of-none", "role": "admin"}),
        ("POST", "/users", {"name": "other", "role": "admin", "password": PASSWORD}),
        ("PATCH", "/users/night", {"role": "admin"}),
        ("PATCH", "/users/night", {"enabled": True}),
        ("PUT", "/users/night/password", {"password": "another long password"}),
        ("POST", "/users/night/totp", {}),
        ("DELETE", "/users/night/totp", {}),
    )
    before = [(await managed.done("GET", path))["items"] for path in ("/users", "/tokens")]
    for method, path, body in operations:
        for more in ({}, {"current_password": "not the present one"}):
            told = refusal(await managed(method, path, {**body, **more}, token=session), "ValueInvalid")
            assert list(told["Errors"]) == ["current_password"], (method, path)
    assert [(await managed.done("GET", path))["items"] for path in ("/users", "/tokens")] == before
    assert (await managed("PATCH", "/users/night", {"enabled": False}, token=session)).status_code == 200
    for method, path, body in operations:
        answer = await managed(method, path, {**body, "current_password": PASSWORD}, token=session)
        assert answer.status_code in (200, 201, 204), (method, path, answer.text)
    token = (await managed.done("POST", "/tokens", {"name": "program", "role": "admin"}))["token"]
    new = {"name": "made-by-it", "role": "operator"}
    await managed.done("POST", "/tokens", new, token=token)
    await managed.done("POST", "/users", new, token=token)
