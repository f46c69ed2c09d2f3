"""Balances, usage and blocked numbers over the management API."""

from __future__ import annotations

from payk.domain.access import Principal, PrincipalKind, Role
from tests.web.admin.managed import Managed, refusal


async def test_a_balance_is_paid_into_and_corrected_once_for_each_reference(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank", "prepaid": True})
    paid = {"amount": "250.5", "reference": "invoice 7", "note": "cash"}
    assert await managed.done("POST", "/clients/bank/balance", paid) == {"balance": "250.5", "repeated": False}
    assert await managed.done("POST", "/clients/bank/balance", paid) == {"balance": "250.5", "repeated": True}
    refusal(await managed("POST", "/clients/bank/balance", {**paid, "amount": "1"}), "Conflict")
    refusal(await managed("POST", "/clients/bank/balance", {"amount": "-250.6"}), "Conflict")
    body = refusal(await managed("POST", "/clients/bank/balance", {"amount": "0.00001"}), "ValueInvalid")
    assert body["Errors"].keys() == {"amount"}
    await managed.done("POST", "/clients/bank/balance", {"amount": "-0.5"})
    shown = await managed.done("GET", "/clients/bank/balance")
    assert shown["balance"] == "250"
    assert [(entry["amount"], entry["author"]) for entry in shown["entries"]] == [("-0.5", "boss"), ("250.5", "boss")]
    recorded = (await managed.done("GET", "/audit?act=balance.change"))["items"]
    assert [entry["detail"]["amount"] for entry in recorded] == ["-0.5", "250.5"]
    refusal(await managed("GET", "/clients/nobody/balance"), "ResourceNotFound")
    assert (await managed.done("GET", "/clients/bank/usage"))["items"] is not None


async def test_numbers_are_blocked_for_one_client_and_for_all(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank", "default_country": "992"})
    new = {"numbers": ["900000001", "+992 90 000-00-02"], "client": "bank", "what": "batch", "reason": "opted out"}
    assert (await managed.done("POST", "/blocks", new))["added"] == 2
    assert (await managed.done("POST", "/blocks", {"numbers": ["992900000003"]}))["added"] == 1
    shown = (await managed.done("GET", "/blocks?client=bank"))["items"]
    assert [(row["client"], row["what"], row["reason"]) for row in shown] == [("bank", "batch", "opted out")] * 2
    assert "900000001" not in str(shown)
    assert len((await managed.done("GET", "/blocks?of_all=true"))["items"]) == 1
    body = refusal(await managed("POST", "/blocks", {"numbers": ["992900000004", "12"]}), "ValueInvalid")
    assert body["Errors"]["numbers"][0].startswith("number 2: ")
    assert (await managed.done("POST", "/blocks/remove", {"numbers": ["900000001"], "client": "bank"}))["removed"] == 1
    refusal(await managed("POST", "/blocks", {"numbers": ["992900000004"], "client": "nobody"}), "ResourceNotFound")
    acts = [entry["act"] for entry in (await managed.done("GET", "/audit?limit=3"))["items"]]
    assert acts == ["block.remove", "block.add", "block.add"]


async def test_a_bound_caller_sees_its_balance_and_changes_none(managed: Managed) -> None:
    own = await managed.done("POST", "/clients", {"name": "own", "prepaid": True})
    await managed.done("POST", "/clients", {"name": "other", "prepaid": True})
    managed.callers["own"] = Principal(PrincipalKind.USER, 2, "own", Role.CLIENT_MANAGER, client_id=own["client_id"])
    assert (await managed.done("GET", "/clients/own/balance", token="own"))["balance"] == "0"
    refusal(await managed("GET", "/clients/other/balance", token="own"), "ResourceNotFound")
    refusal(await managed("POST", "/clients/own/balance", {"amount": "1"}, token="own"), "Forbidden")
    refusal(await managed("GET", "/blocks", token="own"), "Forbidden")
    refusal(await managed("POST", "/blocks", {"numbers": ["992900000001"], "client": "own"}, token="own"), "Forbidden")
