"""Clients, keys, senders, operators, links and routes over the management API."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
import tomllib
from datetime import timedelta
from typing import Any

import httpx
import pytest

from payk.domain.access import Permission, Principal, PrincipalKind, Role
from payk.registry.export import export
from payk.store.registry import changing
from payk.web.admin.site import ROOT
from tests.store.locks import until_somebody_waits
from tests.web.admin.managed import SECRET_BOX, Managed, refusal

KEY = "00000000-0000-4000-8000-000000000001"
LINK = {"name": "tcell-1", "host": "127.0.0.1", "port": 2775, "system_id": "payk", "password": "secret"}


async def test_without_a_token_nothing_is_answered_but_health_and_the_description(managed: Managed) -> None:
    for token in ("-", "nobody", "x" * 10_000):
        response = await managed("GET", "/clients", token=token)
        assert refusal(response, "Unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"
    assert (await managed.http.get("/health/live")).status_code == 200
    document = (await managed.http.get("/openapi.json")).json()
    assert "/api/admin/v1/clients/{name}" in document["paths"]
    assert (await managed.http.get("/docs")).status_code == 200


async def test_every_answer_says_what_browsers_may_not_do(managed: Managed) -> None:
    for response in (await managed("GET", "/clients"), await managed("GET", "/clients", token="nobody")):
        names = [name.lower() for name, _ in response.headers.multi_items()]
        assert (
            response.headers["x-content-type-options"] == "nosniff" and response.headers["cache-control"] == "no-store"
        )
        assert response.headers["referrer-policy"] == "no-referrer"
        assert len(names) == len(set(names)), "said once"


async def test_a_client_is_made_shown_changed_suspended_and_resumed(managed: Managed) -> None:
    response = await managed("POST", "/clients", {"name": "bank", "max_parts": 5, "otp_overdraft": "1.5"})
    assert response.status_code == 201
    made = response.json()
    assert (made["name"], made["max_parts"], made["otp_overdraft"], made["enabled"]) == ("bank", 5, "1.5", True)
    assert made["default_sms_type"] is None
    shown = await managed("GET", "/clients/bank")
    assert shown.json() == made
    assert shown.headers["etag"] == response.headers["etag"]
    refusal(await managed("POST", "/clients", {"name": "bank"}), "AlreadyExists")

    changed = await managed("PATCH", "/clients/bank", {"batch_hours": "08:00-21:00", "otp_overdraft": "0"})
    assert changed.json() == {**made, "batch_hours": "08:00-21:00", "otp_overdraft": "0"}
    assert (await managed("PATCH", "/clients/bank", {"batch_hours": None})).json()["batch_hours"] is None
    assert (await managed.done("POST", "/clients/bank/suspend"))["enabled"] is False
    assert managed.directory.value.clients[made["client_id"]].enabled is False
    assert (await managed.done("POST", "/clients/bank/resume"))["enabled"] is True


async def test_the_answer_of_a_change_of_hours_warns_of_batch_that_waits(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank", "batch_hours": "08:00-21:00", "prepaid": True})
    async with managed.db.connection() as connection:
        await connection.execute(
            "insert into staged (due, message_id, client_id, label_key, queue_id, lane, rank)"
            " select now() + interval '1 hour', 1, client_id, 0, 1, 4, 1 from client where name = 'bank'"
        )
    prepaid, waits = (await managed.done("PATCH", "/clients/bank", {"batch_hours": None}))["warnings"]
    assert prepaid.startswith('"bank" is prepaid') and waits.startswith('"bank": Batch that waits')
    assert (await managed.done("GET", "/clients/bank"))["warnings"] == [prepaid]


async def test_a_body_is_json_whatever_its_content_type_says(managed: Managed) -> None:
    for kind, path in (("text/plain", "/clients"), ("application/x-www-form-urlencoded", "/tokens")):
        body = b'{"name": "bank", "role": "operator"}' if path == "/tokens" else b'{"name": "bank"}'
        answer = await managed("POST", path, content=body, headers={"content-type": kind})
        assert answer.status_code == 201, answer.text


async def test_names_may_hold_whatever_a_path_may_not(managed: Managed) -> None:
    for name in ("a/b", "a?b#c", "Банк №1", "..", "a%2Fb"):
        await managed.done("POST", "/clients", {"name": name})
        path = (
            f"/clients/{httpx.QueryParams({'n': name})}".replace("n=", "").replace("+", "%20").replace("..", "%2E%2E")
        )
        assert (await managed.done("GET", path))["name"] == name


async def test_a_refusal_names_the_field_the_rule_and_what_would_be_allowed(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    body = refusal(
        await managed("PATCH", "/clients/bank", {"max_parts": 0, "bulk": "both", "maxparts": 3}), "ValueInvalid"
    )
    assert body["Errors"]["max_parts"] == ["0 is out of range; write a whole number from 1 to 255"]
    assert body["Errors"]["bulk"][0].startswith('"both" is not known here; write one of')
    assert body["Errors"]["maxparts"] == ['unknown key; did you mean "max_parts"?']
    assert (await managed.done("GET", "/clients/bank"))["max_parts"] == 20
    assert "senders" in refusal(await managed("PATCH", "/clients/bank", {"senders": ["X"]}), "ValueInvalid")["Errors"]
    refusal(await managed("PATCH", "/clients/bank", headers={"content-type": "application/json"}), "RequestInvalid")
    refusal(await managed("PATCH", "/clients/bank", content=b"{"), "JsonInvalid")
    refusal(await managed("PATCH", "/clients/bank", ["x"]), "RequestInvalid")
    refusal(await managed("PATCH", "/clients/nobody", {"max_parts": 3}), "ResourceNotFound")
    refusal(await managed("GET", "/nothing"), "PathNotFound")
    refusal(await managed("PUT", "/clients/bank"), "MethodNotAllowed")
    refusal(await managed("PATCH", "/clients/bank", content=b'{"x": "' + b"x" * 2**20 + b'"}'), "PayloadTooLarge")
    refusal(await managed("GET", "/clients?limit=0"), "RequestInvalid")


async def test_an_update_that_was_not_meant_for_what_is_there_is_refused(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    seen = (await managed("GET", "/clients/bank")).headers["etag"]
    first = await managed("PATCH", "/clients/bank", {"max_parts": 3}, headers={"if-match": seen})
    assert first.status_code == 200
    second = await managed("PATCH", "/clients/bank", {"max_parts": 4}, headers={"if-match": seen})
    refusal(second, "PreconditionFailed")
    third = await managed("PATCH", "/clients/bank", {"max_parts": 4}, headers={"if-match": first.headers["etag"]})
    assert third.json()["max_parts"] == 4
    assert (await managed("PATCH", "/clients/bank", {}, headers={"if-match": "*"})).status_code == 200
    refusal(await managed("PATCH", "/clients/bank", {}, headers={"if-match": 'W/"x"'}), "RequestInvalid")


async def test_a_key_is_shown_once(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    made = await managed.done("POST", "/clients/bank/keys", {"label": "shop", "allow_from": ["10.0.0.0/8"]})
    digest = hashlib.sha256(made["key"].encode()).digest()
    assert managed.directory.value.keys[digest].key_id == made["key_id"]
    assert len(made["key"]) >= 32
    listed = (await managed("GET", "/clients/bank/keys")).text
    assert made["key"] not in listed
    assert digest.hex() not in listed
    changed = await managed.done("PATCH", f"/clients/bank/keys/{made['key_id']}", {"label": "other"})
    assert (changed["label"], changed["allow_from"], changed["revoked"]) == ("other", ["10.0.0.0/8"], False)
    gone = await managed.done("DELETE", f"/clients/bank/keys/{made['key_id']}")
    assert gone["revoked"] is True
    assert gone["revoked_at"] is not None
    assert digest not in managed.directory.value.keys
    assert (await managed.done("DELETE", f"/clients/bank/keys/{made['key_id']}"))["revoked_at"] == gone["revoked_at"]


async def test_a_key_that_exists_is_brought_along(managed: Managed) -> None:
    for name in ("bank", "shop"):
        await managed.done("POST", "/clients", {"name": name})
    made = await managed.done("POST", "/clients/bank/keys", {"key": KEY})
    assert made["key"] is None
    for more in ({}, {"label": "another"}):
        refusal(await managed("POST", "/clients/bank/keys", {"key": KEY, **more}), "AlreadyExists")
    [key] = (await managed.done("GET", "/clients/bank/keys"))["items"]
    assert (key["label"], key["revoked"]) == (made["label"], False)  # what was refused has changed nothing
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    body = refusal(await managed("POST", "/clients/shop/keys", {"sha256": digest}), "ValueInvalid")
    assert 'belongs to client "bank"' in body["Detail"]
    assert KEY not in refusal(await managed("POST", "/clients/bank/keys", {"key": KEY[:20]}), "ValueInvalid")["Detail"]
    refusal(await managed("GET", "/clients/nobody/keys"), "ResourceNotFound")
    refusal(await managed("PATCH", f"/clients/shop/keys/{made['key_id']}", {"label": "x"}), "ResourceNotFound")


async def test_a_key_is_rotated_without_a_gap(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    old = await managed.done("POST", "/clients/bank/keys", {"label": "shop"})
    new = await managed.done("POST", f"/clients/bank/keys/{old['key_id']}/rotate?grace=3600")
    assert (new["label"], new["expires_at"]) == ("shop", None)
    keys = managed.directory.value.keys
    still = keys[hashlib.sha256(old["key"].encode()).digest()]
    assert still.expires_at is not None
    assert 3500 < (still.expires_at - managed.db.now()).total_seconds() <= 3600
    assert keys[hashlib.sha256(new["key"].encode()).digest()].expires_at is None


@pytest.mark.parametrize("end", ["2026-01-01T00:00:00Z", "soon"])
async def test_a_rotation_opens_no_key_for_longer_than_it_had(managed: Managed, end: str) -> None:
    end = f"{managed.db.now() + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}" if end == "soon" else end
    await managed.done("POST", "/clients", {"name": "bank"})
    old = await managed.done("POST", "/clients/bank/keys", {})
    await managed.done("PATCH", f"/clients/bank/keys/{old['key_id']}", {"expires_at": end})
    new = await managed.done("POST", f"/clients/bank/keys/{old['key_id']}/rotate")
    assert (new["key_id"] != old["key_id"], new["expires_at"]) == (True, None)
    [kept] = [
        item for item in (await managed.done("GET", "/clients/bank/keys"))["items"] if item["key_id"] != new["key_id"]
    ]
    assert kept["expires_at"] == end


async def test_a_rotation_takes_over_what_somebody_else_changes_meanwhile(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    old = await managed.done("POST", "/clients/bank/keys", {})
    end = f"{managed.db.now() + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
    async with changing(managed.db) as change:  # the rotation has read the key, and waits for this to be committed
        rotating = asyncio.create_task(managed.done("POST", f"/clients/bank/keys/{old['key_id']}/rotate"))
        async with asyncio.timeout(5):
            await until_somebody_waits(managed.db)
        await change.connection.execute(
            "update api_key set expires_at = $1::text::timestamptz, allow_from = '{10.0.0.0/8}', label = 'till'", end
        )
    new = await rotating
    assert (new["label"], new["allow_from"], new["expires_at"]) == ("till", ["10.0.0.0/8"], None)
    assert (await managed.done("GET", "/clients/bank/keys"))["items"][0]["expires_at"] == end


async def test_a_rotation_can_be_made_for_what_was_seen_alone(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    old = await managed.done("POST", "/clients/bank/keys", {})
    path = f"/clients/bank/keys/{old['key_id']}"
    seen = {"if-match": (await managed("PATCH", path, {"label": "a"})).headers["etag"]}
    await managed("PATCH", path, {"label": "b"})
    refusal(await managed("POST", f"{path}/rotate", headers=seen), "PreconditionFailed")
    refusal(await managed("POST", f"{path}/rotate", headers={"if-match": "x"}), "RequestInvalid")
    assert len((await managed.done("GET", "/clients/bank/keys"))["items"]) == 1
    seen = {"if-match": (await managed("PATCH", path, {"label": "c"})).headers["etag"]}
    assert (await managed.done("POST", f"{path}/rotate", headers=seen))["label"] == "c"


async def test_senders_are_requested_and_decided(managed: Managed) -> None:
    client = await managed.done("POST", "/clients", {"name": "bank"})
    managed.callers["manager"] = Principal(
        PrincipalKind.USER, 2, "manager", Role.CLIENT_MANAGER, client_id=client["client_id"]
    )
    asked = await managed.done("POST", "/clients/bank/senders", {"name": "Shop", "reason": "new"}, token="manager")
    assert asked["status"] == "requested"
    assert managed.directory.value.clients[client["client_id"]].senders == {}
    refusal(
        await managed("POST", "/clients/bank/senders", {"name": "B", "status": "approved"}, token="manager"),
        "Forbidden",
    )
    refusal(await managed("PATCH", "/clients/bank/senders/Shop", {"status": "approved"}, token="manager"), "Forbidden")
    waiting = await managed.done("GET", "/senders?status=requested")
    assert [(item["client"], item["name"]) for item in waiting["items"]] == [("bank", "Shop")]
    assert (
        "reason"
        in refusal(await managed("PATCH", "/clients/bank/senders/Shop", {"status": "rejected"}), "ValueInvalid")[
            "Errors"
        ]
    )
    rejected = {"status": "rejected", "reason": "not yours"}
    assert (await managed.done("PATCH", "/clients/bank/senders/shop", rejected))["reason"] == "not yours"
    await managed.done("PATCH", "/clients/bank/senders/Shop", {"status": "approved", "reason": ""})
    assert managed.directory.value.clients[client["client_id"]].senders == {"shop": "Shop"}
    assert (await managed.done("POST", "/clients/bank/senders", {"name": "Bank"}))["status"] == "approved"
    refusal(await managed("POST", "/clients/bank/senders", {"name": "BANK"}), "AlreadyExists")
    refusal(await managed("GET", "/clients/bank/senders/Foo"), "ResourceNotFound")


async def test_an_operator_a_link_and_a_route(managed: Managed) -> None:
    await managed.done("POST", "/operators", {"name": "tcell"})
    link = await managed.done("POST", "/operators/tcell/links", LINK)
    assert (link["window"], link["operator"]) == (100, "tcell")
    assert "password" not in link
    refusal(await managed("POST", "/operators/nobody/links", LINK), "ResourceNotFound")
    refusal(await managed("POST", "/operators/tcell/links", LINK), "AlreadyExists")
    assert refusal(await managed("POST", "/operators/tcell/links", {"name": "x"}), "ValueInvalid")["Errors"].keys() == {
        *("host", "port", "system_id", "password")
    }
    changed = await managed.done("PATCH", "/links/tcell-1", {"window": 7, "charset_map": {"8": "ucs2"}, "tls": None})
    assert (changed["window"], changed["charset_map"], changed["tls"]) == (7, {"8": "ucs2"}, None)
    route = await managed.done("POST", "/routes", {"prefix": "992", "operators": ["tcell"], "price": "0.12"})
    assert (route["prefix"], route["operators"], route["price"]) == ("992", ["tcell"], "0.12")
    refusal(await managed("POST", "/routes", {"prefix": "992", "operators": ["tcell"]}), "AlreadyExists")
    found = refusal(await managed("POST", "/routes", {"prefix": "7", "operators": ["tcel"]}), "ValueInvalid")
    assert 'did you mean "tcell"?' in found["Detail"]
    body = refusal(await managed("PATCH", f"/routes/{route['route_id']}", {"enabled": False}), "ForceRequired")
    assert body["Reasons"] == ["No route would be left: every message would be refused."]
    assert "?force=true" in body["Detail"]
    forced = await managed.done("PATCH", f"/routes/{route['route_id']}?force=true", {"enabled": False})
    assert forced["enabled"] is False
    for path in ("/operators", "/links", "/links?operator=tcell", "/routes"):
        assert len((await managed.done("GET", path))["items"]) == 1


async def test_pages_follow_each_other(managed: Managed) -> None:
    for number in range(5):
        await managed.done("POST", "/clients", {"name": f"c{number}"})
        await managed.done("POST", f"/clients/c{number}/senders", {"name": f"S{number}"})
    for path in ("/clients", "/senders", "/changes"):
        seen: list[Any] = []
        after = ""
        for _ in range(12):
            params = {("before" if path == "/changes" else "after"): after} if after else {}
            found = await managed.done("GET", path, params={"limit": 2, **params})
            seen += [item.get("name") or item["version"] for item in found["items"]]
            after = found["next"]
            if not after:
                break
        assert len(seen) == len(set(seen)) == (10 if path == "/changes" else 5)
    assert [item["name"] for item in (await managed.done("GET", "/clients?part=C3"))["items"]] == ["c3"]


async def test_changes_say_who_and_can_be_taken_back(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    await managed.done("PATCH", "/clients/bank", {"max_parts": 3})
    change = await managed.done("GET", "/changes/2")
    assert (change["author"], change["changes"][0]["fields"]) == ("boss", {"max_parts": [20, 3]})
    done = await managed.done("POST", "/changes/2/revert")
    assert done == {"difference": ["~ client bank: max_parts 3 -> 20"], "left": [], "warnings": []}
    refusal(await managed("POST", "/changes/99/revert"), "ResourceNotFound")
    refusal(await managed("GET", "/changes/99"), "ResourceNotFound")


async def test_a_token_takes_back_no_more_than_its_scopes_let_it_change(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    await managed.done("POST", "/clients/bank/senders", {"name": "Bank"})
    await managed.done("PATCH", "/clients/bank/senders/Bank", {"status": "rejected", "reason": "not theirs"})
    most = frozenset({Permission.CHANGE_CLIENTS, Permission.CHANGE_OPERATORS, Permission.CHANGE_ROUTES})
    managed.callers["most"] = Principal(PrincipalKind.TOKEN, 9, "most", Role.ADMIN, scopes=most)
    refusal(await managed("POST", "/changes/3/revert", token="most"), "Forbidden")
    assert (await managed.done("GET", "/clients/bank/senders/Bank"))["status"] == "rejected"
    refusal(await managed("POST", "/clients", {"name": "shop", "parts_per_day": 5}, token="most"), "Forbidden")


async def test_what_an_unknown_caller_sends_is_not_read(managed: Managed) -> None:
    for path in ("/apply", "/clients"):
        reader, writer = await asyncio.open_connection("127.0.0.1", managed.server.port)
        head = (
            f"POST {ROOT}{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer nobody\r\nContent-Length: 1000000\r\n\r\n"
        )
        writer.write(head.encode())  # and nothing of the body: the answer does not wait for it
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 401 ")
        writer.close()


async def test_the_registry_as_a_file(managed: Managed) -> None:
    await managed.done("POST", "/operators", {"name": "tcell"})
    await managed.done("POST", "/operators/tcell/links", LINK)
    text = await managed("GET", "/export")
    assert text.text == await export(managed.db, SECRET_BOX)
    how: dict[str, Any] = {"headers": {"content-type": "application/toml"}}
    assert await managed.done("POST", "/apply", content=text.content, **how) == {
        "difference": ["nothing changes"],
        "left": [],
        "warnings": [],
    }
    more = b'[[client]]\nname = "new"\n'
    tried = await managed.done(
        "POST", "/apply?dry_run=true", content=more, headers={"content-type": "application/toml"}
    )
    assert tried["difference"] == ["+ client new"]
    assert (await managed.done("GET", "/clients"))["items"] == []
    refusal(
        await managed("POST", "/apply", content=b"[[", headers={"content-type": "application/toml"}), "RequestInvalid"
    )


async def test_whoever_is_bound_to_a_client_sees_no_other(managed: Managed) -> None:
    own = await managed.done("POST", "/clients", {"name": "own"})
    await managed.done("POST", "/clients", {"name": "other"})
    await managed.done("POST", "/clients/other/senders", {"name": "Secret"})
    key = await managed.done("POST", "/clients/other/keys", {"key": KEY})
    managed.callers["own"] = Principal(PrincipalKind.USER, 2, "own", Role.CLIENT_MANAGER, client_id=own["client_id"])
    assert [item["name"] for item in (await managed.done("GET", "/clients", token="own"))["items"]] == ["own"]
    assert (await managed.done("GET", "/senders", token="own"))["items"] == []
    for method, path, body in (
        ("GET", "/clients/other", None),
        ("PATCH", "/clients/other", {"max_parts": 1}),
        ("POST", "/clients/other/suspend", None),
        ("GET", "/clients/other/keys", None),
        ("POST", "/clients/other/keys", {}),
        ("DELETE", f"/clients/other/keys/{key['key_id']}", None),
        ("GET", "/clients/other/senders/Secret", None),
        ("GET", "/senders?client=other", None),
    ):
        told = (await managed(method, path, body, token="own")).json()
        of_nobody = (await managed(method, path.replace("other", "nobody"), body, token="own")).json()
        assert told["MessageResult"] in ("ResourceNotFound", "Forbidden")
        assert told["Detail"] == of_nobody["Detail"].replace("nobody", "other")
        assert told["MessageResult"] == of_nobody["MessageResult"]
    for more in ({}, {"revoked": True}):  # a key that it came by does not tell whose it is
        answer = await managed("POST", "/clients/own/keys", {"key": KEY, **more}, token="own")
        assert "other" not in str(refusal(answer, "ValueInvalid")["Errors"]).replace("another client", "")
    for method, path, body in (
        ("GET", "/operators", None),
        ("POST", "/clients", {"name": "new"}),
        ("GET", "/routes", None),
        ("GET", "/changes", None),
        ("GET", "/export", None),
        ("POST", "/changes/1/revert", None),
    ):
        refusal(await managed(method, path, body, token="own"), "Forbidden")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_database_away_is_told(managed: Managed, method: str) -> None:
    await managed.db.close()
    response = await managed(method, "/clients", {"name": "bank"} if method == "POST" else None)
    assert refusal(response, "ServiceUnavailable")["Retryable"] is True


async def test_who_saw_a_link_before_its_password_was_changed_does_not_overwrite_it(managed: Managed) -> None:
    await managed.done("POST", "/operators", {"name": "tcell"})
    made = await managed("POST", "/operators/tcell/links", LINK)
    seen = {"if-match": made.headers["etag"]}
    same = await managed("PATCH", "/links/tcell-1", {"password": LINK["password"]}, headers=seen)
    assert (same.status_code, same.headers["etag"]) == (200, made.headers["etag"]), "nothing has changed"
    changed = await managed("PATCH", "/links/tcell-1", {"password": "other"}, headers=seen)
    assert changed.status_code == 200
    assert changed.headers["etag"] == (await managed("GET", "/links/tcell-1")).headers["etag"] != made.headers["etag"]
    assert changed.json() == made.json(), "the password is not shown, nor anything of it"
    for body in ({"password": "third"}, {"window": 3}):
        refusal(await managed("PATCH", "/links/tcell-1", body, headers=seen), "PreconditionFailed")
    window = await managed("PATCH", "/links/tcell-1", {"window": 3}, headers={"if-match": changed.headers["etag"]})
    assert window.status_code == 200
    whole = (await export(managed.db, SECRET_BOX)).encode()
    again = await managed("POST", "/apply", content=whole, headers={"content-type": "application/toml"})
    assert again.json()["difference"] == ["nothing changes"]


async def test_of_twenty_who_saw_the_same_one_changes_it(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    seen = {"if-match": (await managed("GET", "/clients/bank")).headers["etag"]}
    answers = await asyncio.gather(
        *(managed("PATCH", "/clients/bank", {"max_parts": number}, headers=seen) for number in range(1, 20))
    )
    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 18]
    [winner] = [answer.json()["max_parts"] for answer in answers if answer.status_code == 200]
    assert (await managed.done("GET", "/clients/bank"))["max_parts"] == winner
    every = await asyncio.gather(*(managed("PATCH", "/clients/bank", {"text_days": number}) for number in range(1, 20)))
    assert {answer.status_code for answer in every} == {200}
    changes = (await managed.done("GET", "/changes?limit=19"))["items"]
    steps = [change["changes"][0]["fields"]["text_days"] for change in reversed(changes)]
    assert [step[0] for step in steps[1:]] == [step[1] for step in steps[:-1]]


async def test_nobody_has_a_password_sent_elsewhere_who_does_not_know_it(managed: Managed) -> None:
    await managed.done("POST", "/operators", {"name": "tcell"})
    await managed.done("POST", "/operators/tcell/links", LINK)
    sealed = re.search(r"sealed = '?\"?([0-9a-f]+)", await export(managed.db, SECRET_BOX))
    assert sealed is not None
    managed.callers["night"] = Principal(PrincipalKind.USER, 2, "night", Role.OPERATOR)
    for elsewhere in ({"host": "198.51.100.9"}, {"port": 9}, {"tls": {"verify": False}}):
        body = refusal(await managed("PATCH", "/links/tcell-1", elsewhere, token="night"), "ValueInvalid")
        [name] = elsewhere
        [wrong] = body["Errors"]["password"]
        assert wrong.startswith(f'missing, and {name} of link "tcell-1" would change; ')
        known = {"password": {"sealed": sealed[1]}}
        for method, path, given in (
            ("PATCH", "/links/tcell-1", {**elsewhere, **known}),
            ("POST", "/operators/tcell/links", {**LINK, "name": "tcell-2", **elsewhere, **known}),
        ):
            body = refusal(await managed(method, path, given, token="night"), "ValueInvalid")
            assert body["Errors"]["password"] == ["it is not in clear; write the password itself"]
    found = await managed.done("GET", "/links/tcell-1")
    assert (found["host"], found["port"], found["tls"]) == ("127.0.0.1", 2775, None)
    new = {"host": "198.51.100.9", "password": "secret"}
    assert (await managed.done("PATCH", "/links/tcell-1", new, token="night"))["host"] == "198.51.100.9"
    text = '[[operator]]\nname = "tcell"\n[[operator.link]]\nname = "tcell-1"\nhost = "127.0.0.1"\n'
    toml = {"content-type": "application/toml"}
    body = refusal(await managed("POST", "/apply", content=text.encode(), headers=toml), "ValueInvalid")
    assert list(body["Errors"]) == ["password"]
    of_an_export = f'{text}password = {{sealed = "{sealed[1]}"}}\n'
    body = refusal(await managed("POST", "/apply", content=of_an_export.encode(), headers=toml), "ValueInvalid")
    assert body["Errors"]["password"][0].startswith('it is not in clear, and host of link "tcell-1" would change; ')
    answer = await managed("POST", "/apply", content=f'{text}password = "secret"\n'.encode(), headers=toml)
    assert answer.status_code == 200


async def test_an_encrypted_password_is_of_the_link_that_it_was_exported_of(managed: Managed) -> None:
    """Whoever has an export and may apply files has its passwords sent to no place of his own, by no link."""
    await managed.done("POST", "/operators", {"name": "tcell"})
    await managed.done("POST", "/operators/tcell/links", LINK)
    there = {**LINK, "name": "mine-1", "host": "198.51.100.9", "password": "mine"}
    await managed.done("POST", "/operators/tcell/links", there)
    toml = {"content-type": "application/toml"}

    def link(name: str, sealed: str, **settings: Any) -> bytes:
        whole = {"host": LINK["host"], "port": LINK["port"], "system_id": LINK["system_id"], **settings}
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in whole.items())
        head = f'[[operator]]\nname = "tcell"\n[[operator.link]]\nname = "{name}"\n'
        return f'{head}{lines}password = {{sealed = "{sealed}"}}\n'.encode()

    exported = tomllib.loads(await export(managed.db, SECRET_BOX))["operator"][0]["link"]
    [bound] = [row["password"]["sealed"] for row in exported if row["name"] == LINK["name"]]
    for name, changed in (
        ("new-1", {"host": "198.51.100.9"}),
        ("new-1", {"port": 9}),
        ("new-1", {"system_id": "other"}),
        ("mine-1", {"host": "198.51.100.9"}),  # one that is there, and goes to him
    ):
        body = refusal(
            await managed("POST", "/apply", content=link(name, bound, **changed), headers=toml), "ValueInvalid"
        )
        assert body["Errors"]["password"] == [
            "it was sealed under another key, or for another link; write the password itself"
        ]
    as_before = SECRET_BOX.seal(str(LINK["password"])).hex()
    body = refusal(await managed("POST", "/apply", content=link("new-1", as_before), headers=toml), "ValueInvalid")
    assert body["Errors"]["password"][0].startswith("it is of an export that does not say which link it is of; ")
    for known in (bound, as_before):  # and where it is what is there already, nothing changes
        answer = await managed("POST", "/apply", content=link(str(LINK["name"]), known), headers=toml)
        assert answer.json()["difference"] == ["nothing changes"]
    answer = await managed("POST", "/apply", content=link("new-1", bound), headers=toml)
    assert answer.status_code == 200, "it goes where it went before"


@pytest.mark.parametrize("name", [{}, {"name": None}, {"name": 1}, {"name": ["tcell-1"]}])
async def test_a_new_link_without_a_name_is_none_that_is_there(managed: Managed, name: dict[str, Any]) -> None:
    await managed.done("POST", "/operators", {"name": "tcell"})
    await managed.done("POST", "/operators/tcell/links", LINK)
    before = await managed.done("GET", "/links/tcell-1")
    link = {key: value for key, value in LINK.items() if key != "name"}
    answer = await managed("POST", "/operators/tcell/links", {**link, "system_id": "other", **name})
    assert list(refusal(answer, "ValueInvalid")["Errors"]) == ["name"]
    assert await managed.done("GET", "/links/tcell-1") == before
    assert len((await managed.done("GET", "/links"))["items"]) == 1


async def test_a_number_beyond_all_is_out_of_range(managed: Managed) -> None:
    await managed.done("POST", "/operators", {"name": "tcell"})
    await managed.done("POST", "/operators/tcell/links", LINK)
    for rate in (str(10**400), f"-{10**400}", "1e400"):
        given = f'{{"rate": {rate}}}'.encode()
        body = refusal(await managed("PATCH", "/links/tcell-1", content=given), "ValueInvalid")
        assert "is out of range; write a number of submit_sm a second from 0" in body["Errors"]["rate"][0]


async def test_a_change_that_moved_a_link_is_taken_back_with_its_password(managed: Managed) -> None:
    await managed.done("POST", "/operators", {"name": "tcell"})
    await managed.done("POST", "/operators/tcell/links", LINK)
    await managed.done("PATCH", "/links/tcell-1", {"port": 9, "password": "secret"})
    [change] = (await managed.done("GET", "/changes", params={"limit": 1}))["items"]
    path = f"/changes/{change['version']}/revert"
    assert list(refusal(await managed("POST", path), "ValueInvalid")["Errors"]) == ["password"]
    done = await managed.done("POST", path, {"passwords": {"tcell-1": "secret"}})
    assert done["difference"] == ["~ link tcell-1 of operator tcell: port 9 -> 2775"]
    assert (await managed.done("GET", "/links/tcell-1"))["port"] == 2775


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a." * 2**19 + "a = 1", "A key of more than 5 parts"),
        ("[" + "a." * 2**19 + "a]", "A key of more than 5 parts"),
        ("x = " + "[" * 2**20, "This is no TOML"),
        ("".join(f"key{number} = 1\n" for number in range(80_000)), "unknown table"),
    ],
    ids=["dotted key", "table", "lists", "unknown keys"],
)
async def test_a_file_that_was_made_to_keep_a_core_busy_is_refused_at_once(
    managed: Managed, text: str, told: str
) -> None:
    began = time.monotonic()
    answer = await managed("POST", "/apply", content=text.encode(), headers={"content-type": "application/toml"})
    assert time.monotonic() - began < 5
    assert answer.status_code == 400
    assert told in answer.json()["Detail"]


async def test_what_cannot_be_changed_and_what_nobody_knows_is_refused(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    key = await managed.done("POST", "/clients/bank/keys", {"label": "shop"})
    await managed.done("POST", "/clients/bank/senders", {"name": "Bank"})
    await managed.done("POST", "/operators", {"name": "tcell"})
    await managed.done("POST", "/operators/tcell/links", LINK)
    route = await managed.done("POST", "/routes", {"prefix": "992", "operators": ["tcell"]})
    wrong: dict[str, dict[str, Any]] = {
        "PATCH /clients/bank": {"name": "bank", "nonsense": 1, "client_id": 1},
        f"PATCH /clients/bank/keys/{key['key_id']}": {"sha256": "0" * 64, "key": KEY, "nonsense": 1},
        "POST /clients/bank/keys": {"revoked": True, "nonsense": 1},
        "PATCH /clients/bank/senders/Bank": {"name": "Bank", "nonsense": 1},
        "POST /clients/bank/senders": {"nonsense": 1},
        "POST /clients": {"nonsense": 1, "key": []},
        "POST /operators": {"link": [LINK], "nonsense": 1},
        "PATCH /operators/tcell": {"name": "other", "link": [LINK], "nonsense": 1},
        "POST /operators/tcell/links": {"operator": "other", "nonsense": 1},
        "PATCH /links/tcell-1": {"name": "tcell-2", "operator": "other", "nonsense": 1},
        f"PATCH /routes/{route['route_id']}": {"prefix": "1", "client": "bank", "sms_type": 1, "nonsense": 1},
        "POST /routes": {"nonsense": 1},
    }
    whole: dict[str, dict[str, Any]] = {
        "POST /clients/bank/senders": {"name": "New"},
        "POST /clients": {"name": "new"},
        "POST /operators": {"name": "new"},
        "POST /operators/tcell/links": {**LINK, "name": "new"},
        "POST /routes": {"prefix": "7", "operators": ["tcell"]},
    }
    before = await export(managed.db, SECRET_BOX)
    for operation, members in wrong.items():
        method, path = operation.split(" ")
        for name, value in members.items():
            answer = await managed(method, path, {**whole.get(operation, {}), name: value})
            assert list(refusal(answer, "ValueInvalid")["Errors"]) == [name], operation
    assert await export(managed.db, SECRET_BOX) == before


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("POST /session", {"name": "night", "password": "x"}),
        ("POST /users", {"name": "night", "role": "operator"}),
        ("PATCH /users/night", {}),
        ("PUT /users/night/password", {"password": "a long enough one"}),
        ("POST /users/night/totp", {}),
        ("POST /tokens", {"name": "new", "role": "operator"}),
        ("POST /holds", {"label": "sale"}),
        ("POST /cancel", {"label": "sale"}),
        ("POST /receipts/parked/retry", {}),
        ("POST /receipts/parked/forget", {"parked_ids": [1]}),
        ("POST /clients/bank/balance", {"amount": "1"}),
        ("POST /blocks", {"numbers": ["992900000001"]}),
        ("POST /blocks/remove", {"numbers": ["992900000001"]}),
        ("POST /changes/1/revert", {}),
    ],
)
async def test_a_member_that_nobody_knows_is_refused(managed: Managed, operation: str, body: dict[str, Any]) -> None:
    method, path = operation.split(" ")
    told = refusal(await managed(method, path, {**body, "nonsense": 1}), "RequestInvalid")
    assert told["Errors"] == {"nonsense": ["unknown here"]}
    assert (await managed.done("GET", "/audit"))["items"] == []


async def test_a_body_that_nobody_would_read_is_refused(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    key = await managed.done("POST", "/clients/bank/keys", {})
    for path in (f"/clients/bank/keys/{key['key_id']}/rotate", "/clients/bank/suspend", "/operators/tcell/drain"):
        assert "takes no body" in refusal(await managed("POST", path, {"grace": 1}), "RequestInvalid")["Detail"]
    assert (await managed.done("POST", "/clients/bank/suspend", {}))["enabled"] is False
    assert "takes no body" in refusal(await managed("GET", "/clients", {"limit": 1}), "RequestInvalid")["Detail"]


@pytest.mark.parametrize(
    "operation", ["GET /clients", "GET /session", "HEAD /clients", "POST /clients", "GET /nowhere"]
)
async def test_nothing_is_read_of_a_body_before_it_is_known_who_is_calling(managed: Managed, operation: str) -> None:
    method, path = operation.split(" ")
    head = f"{method} {ROOT}{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer nobody\r\nContent-Length: 1000\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", managed.server.port)
    writer.write(head.encode() + b'{"a":')  # the rest never comes
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
    assert answer.startswith(b"HTTP/1.1 401 ")
    writer.close()
