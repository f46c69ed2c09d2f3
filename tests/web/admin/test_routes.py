"""Routes with conditions over the management API, and why a message goes where it goes."""

from __future__ import annotations

from payk.domain.access import Principal, PrincipalKind, Role
from payk.registry.export import export
from tests.web.admin.managed import SECRET_BOX, Managed, refusal


async def set_up(managed: Managed) -> None:
    for name in ("tcell", "megafon"):
        await managed.done("POST", "/operators", {"name": name})
    await managed.done("POST", "/clients", {"name": "bank", "default_country": "992"})
    await managed.done("POST", "/clients/bank/senders", {"name": "Bank"})
    await managed.done("POST", "/clients/bank/senders", {"name": "Code", "operators": ["megafon"]})
    await managed.done("POST", "/routes", {"prefix": "992", "operators": ["tcell", "megafon"], "price": "0.12"})


async def test_a_route_with_conditions_is_made_shown_and_changed(managed: Managed) -> None:
    await set_up(managed)
    body = {"prefix": "992", "client": "bank", "sms_type": "otp", "operators": ["megafon", "tcell"]}
    made = await managed.done("POST", "/routes", body)
    assert (made["prefix"], made["client"], made["sender"], made["sms_type"]) == ("992", "bank", None, 2)
    assert (made["operators"], made["weights"], made["order"]) == (["megafon", "tcell"], {}, "written")
    refusal(await managed("POST", "/routes", {**body, "sms_type": 2}), "AlreadyExists")
    other = await managed.done("POST", "/routes", {**body, "sms_type": "batch"})
    where = f"/routes/{made['route_id']}"
    shown = await managed("GET", where)
    assert shown.json() == made
    assert [row["route_id"] for row in (await managed.done("GET", "/routes"))["items"]][1:] == [
        made["route_id"],
        other["route_id"],
    ]
    weights = {"tcell": 70, "megafon": 30}
    tag = {"if-match": shown.headers["etag"]}
    changed = await managed("PATCH", where, {"weights": weights}, headers=tag)
    assert changed.json() == {**made, "weights": weights}
    refusal(await managed("PATCH", where, {"weights": {}}, headers=tag), "PreconditionFailed")
    found = refusal(await managed("PATCH", where, {"weights": {"tsell": 1}}), "ValueInvalid")
    assert found["Errors"] == {"weights": ['operator "tsell" is none of this route; did you mean "tcell"?']}
    costs = await managed.done("PATCH", where, {"weights": {}, "order": "price", "costs": {"tcell": "0.05"}})
    assert costs["costs"] == {"tcell": "0.05"}
    written = await export(managed.db, SECRET_BOX)
    answer = await managed("POST", "/apply", content=written.encode(), headers={"content-type": "application/toml"})
    assert answer.json()["difference"] == ["nothing changes"]


async def test_where_a_message_would_go_and_why(managed: Managed) -> None:
    await set_up(managed)
    body = {"prefix": "", "client": "bank", "sms_type": "otp", "operators": ["megafon"], "price": "0.2"}
    of_bank = await managed.done("POST", "/routes", body)
    found = await managed.done("GET", "/routes/explain?number=900900900&client=bank&sender=Bank&type=otp")
    assert (found["number"], found["route_id"], found["price"]) == ("992900900900", of_bank["route_id"], "0.2")
    assert [(rule["prefix"], rule["client"], rule["sms_type"], rule["wins"]) for rule in found["rules"]] == [
        ("", "bank", 2, True),
        ("992", None, None, False),
    ]
    assert found["rules"][1]["why"] == "It fits, but the winner names the client."
    assert [(row["operator"], row["carries"]) for row in found["operators"]] == [("megafon", True)]
    common = await managed.done("GET", "/routes/explain?number=%2B992900900900&client=bank&sender=code&type=common")
    assert [(row["operator"], row["carries"]) for row in common["operators"]] == [("megafon", True), ("tcell", False)]
    assert (found["refusal"], common["refusal"]) == (None, None)
    foreign = await managed.done("GET", "/routes/explain?number=900900900&client=bank&sender=Shop&type=otp")
    assert foreign["route_id"] == of_bank["route_id"]
    assert foreign["refusal"].startswith("SenderAddress 'Shop' is not among the 2 names registered")
    await managed.done("POST", "/routes", {"prefix": "998", "operators": ["tcell"]})
    left_out = await managed.done("GET", "/routes/explain?number=998901234567&client=bank&sender=Code&type=batch")
    assert "is not allowed at any operator that carries this number (tcell)" in left_out["refusal"]
    assert [row["why"] for row in left_out["operators"]] == ["It is left out: sender Code is not allowed there."]
    await managed.done("POST", "/clients/bank/suspend")
    suspended = await managed.done("GET", "/routes/explain?number=900900900&client=bank&sender=Bank&type=otp")
    assert suspended["refusal"] == "This client is suspended."
    nowhere = await managed.done("GET", "/routes/explain?number=79160000000")
    assert (nowhere["route_id"], nowhere["price"], nowhere["operators"]) == (None, None, [])
    assert [rule["why"] for rule in nowhere["rules"]] == ["It is for client bank alone, and no client was named."]


async def test_what_cannot_be_explained(managed: Managed) -> None:
    await set_up(managed)
    for query in ("number=12", "", "number=992900900900&type=mms"):
        refusal(await managed("GET", f"/routes/explain?{query}"), "RequestInvalid")
    refusal(await managed("GET", "/routes/explain?number=992900900900&client=nobody"), "ResourceNotFound")


async def test_which_operators_carry_a_sender_says_who_may_approve_it(managed: Managed) -> None:
    await set_up(managed)
    [client] = [found for found in managed.directory.value.clients.values() if found.name == "bank"]
    managed.callers["own"] = Principal(PrincipalKind.TOKEN, 9, "own", Role.CLIENT_MANAGER, client_id=client.client_id)
    path = "/clients/bank/senders"
    wish = {"name": "Wish", "operators": ["guessed"]}
    body = refusal(await managed("POST", path, wish, token="own"), "Forbidden")
    assert "tcell" not in str(body)
    made = await managed("POST", path, {"name": "Wish"}, token="own")
    assert (made.json()["status"], made.json()["operators"]) == ("requested", [])
    approved = {"status": "approved", "operators": ["tcell"]}
    assert (await managed.done("PATCH", f"{path}/Wish", approved))["operators"] == ["tcell"]
