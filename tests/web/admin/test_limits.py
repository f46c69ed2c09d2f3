"""Balances, usage and blocked numbers over the management API."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg
import httpx
import pytest

from payk.domain.access import Principal, PrincipalKind, Role
from payk.registry import blocking
from payk.registry.blocking import NumberDigest
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


async def test_a_prepaid_client_without_a_reserve_is_warned_of(managed: Managed) -> None:
    made = await managed.done("POST", "/clients", {"name": "bank", "prepaid": True})
    [warning] = made["warnings"]
    assert "makes its codes fail" in warning and 'such as otp_reserve = "50"' in warning
    [listed] = (await managed.done("GET", "/clients"))["items"]
    assert listed["warnings"] == made["warnings"]
    assert (await managed.done("PATCH", "/clients/bank", {"otp_reserve": "50"}))["warnings"] == []
    text = b'[[client]]\nname = "bank"\notp_reserve = "0"\n'
    headers = {"content-type": "application/toml"}
    applied = await managed("POST", "/apply", content=text, headers=headers)
    assert applied.json()["warnings"] == made["warnings"]


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


async def test_who_blocked_a_number_is_found_by_the_number_and_no_number_is_in_the_log(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    numbers = {"numbers": ["992900000001", "992900000002"], "client": "bank"}
    await managed.done("POST", "/blocks", {**numbers, "reason": "opted out"})
    await managed.done("POST", "/blocks", {**numbers, "what": "batch", "numbers": ["992900000001", "992900000003"]})
    await managed.done("POST", "/blocks/remove", {**numbers, "numbers": ["992900000001", "992900000009"]})
    await managed.done("POST", "/blocks", {"numbers": ["992900000002"], "client": "bank", "reason": "opted out"})

    async def told(number: str) -> list[tuple[str, str, list[str]]]:
        found = (await managed.done("GET", "/audit", params={"number": number}))["items"]
        kinds = ("added", "changed", "removed")
        return [(row["act"], row["actor_name"], [kind for kind in kinds if kind in row["detail"]]) for row in found]

    assert await told("+992 90 000 00 01") == [
        ("block.remove", "boss", ["removed"]),
        ("block.add", "boss", ["added", "changed"]),
        ("block.add", "boss", ["added"]),
    ]
    assert [act for act, _, _ in await told("992900000002")] == ["block.add"], "the second time changed nothing"
    assert await told("992900000009") == []
    refusal(await managed("GET", "/audit?number=12"), "ValueInvalid")
    entries = (await managed.done("GET", "/audit"))["items"]
    assert entries[0]["act"] == "block.add" and entries[0]["detail"]["numbers"] == 1
    assert not any(f"99290000000{digit}" in str(entries) for digit in range(10))
    [masked] = [*entries[1]["detail"]["removed"].values()]
    assert masked == "992900****01"
    assert (await managed.done("GET", "/audit/verify"))["whole"]


async def test_a_long_list_takes_one_small_entry_and_each_number_of_it_is_found(
    managed: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking, "SLICE", 10)
    numbers = [f"9929000000{number:02}" for number in range(36)]
    await managed.done("POST", "/blocks", {"numbers": numbers[:5]})
    await managed.done("POST", "/blocks", {"numbers": numbers[:35], "reason": "opted out"})
    [entry, _] = (await managed.done("GET", "/audit"))["items"]
    said = entry["detail"]
    assert (said["list"]["added"], said["list"]["changed"], said["numbers"]) == (30, 5, 35)
    assert len(str(entry)) < 1_000
    found = [len((await managed.done("GET", "/audit", params={"number": number}))["items"]) for number in numbers]
    assert found == [2] * 5 + [1] * 30 + [0]
    assert (await managed.done("GET", "/audit/verify"))["whole"]
    async with managed.db.connection() as connection:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await connection.execute("delete from audit_list")
        await connection.execute("alter table audit_list disable trigger user")
        await connection.execute("update audit_list set digests = digests || 'x' where place = 1")
    verdict = await managed.done("GET", "/audit/verify")
    assert (verdict["broken"], verdict["why"]) == (entry["sequence"], "the list beside it is not what it was")


async def test_nobody_waits_to_be_recorded_while_a_long_list_is_digested(
    managed: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, of_all = asyncio.get_running_loop(), NumberDigest.of_all

    def digested(self: NumberDigest, phones: Sequence[str]) -> bytes:
        looked_at = managed.done("GET", "/blocks?whole_numbers=true")  # which is recorded before it is answered
        asyncio.run_coroutine_threadsafe(looked_at, loop).result(30)
        return of_all(self, phones)

    monkeypatch.setattr(NumberDigest, "of_all", digested)
    await managed.done("POST", "/blocks", {"numbers": [f"9929000000{number:02}" for number in range(21)]})
    acts = [entry["act"] for entry in (await managed.done("GET", "/audit"))["items"]]
    assert acts == ["block.add", "numbers.read"]


async def test_numbers_of_a_file_are_blocked_all_or_none(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank", "default_country": "992"})

    async def sent(content: bytes, **params: str) -> httpx.Response:
        kind = {"content-type": "text/plain"}
        return await managed("POST", "/blocks/import", content=content, headers=kind, params=params)

    text = "\ufeff+992 900 00 00 01\r\n992900000002\n\n".encode()
    assert (await sent(text, reason="complaint")).json() == {"added": 2, "changed": 0, "removed": 0}
    of_bank = (await sent(b"900000003\r900000001", client="bank", what="batch")).json()
    assert of_bank == {"added": 2, "changed": 0, "removed": 0}
    body = refusal(await sent(b"992900000004\n\nhello\n"), "ValueInvalid")
    assert [line.partition(":")[0] for line in body["Errors"]["numbers"]] == ["line 3"]
    refusal(await sent(b"992900000004", client="nobody"), "ResourceNotFound")
    refusal(await sent(b"\xff\xfe"), "RequestInvalid")
    refusal(await sent(b"992900000005\n" * 2_700_000), "PayloadTooLarge")
    assert len((await managed.done("GET", "/blocks"))["items"]) == 4
    [entry, _] = (await managed.done("GET", "/audit?act=block.add"))["items"]
    assert (entry["object_name"], entry["detail"]["numbers"]) == ("bank", 2)


async def test_whole_numbers_are_shown_to_whoever_may_read_texts_and_that_is_recorded(managed: Managed) -> None:
    await managed.done("POST", "/blocks", {"numbers": ["992900000001"]})
    managed.callers["night"] = Principal(PrincipalKind.USER, 4, "night", Role.OPERATOR)
    [row] = (await managed.done("GET", "/blocks", token="night"))["items"]
    assert row["number"] == "992900****01"
    refusal(await managed("GET", "/blocks?whole_numbers=true", token="night"), "Forbidden")
    assert (await managed.done("GET", "/audit?act=numbers.read"))["items"] == []
    [row] = (await managed.done("GET", "/blocks?whole_numbers=true"))["items"]
    assert row["number"] == "992900000001"
    [entry] = (await managed.done("GET", "/audit?act=numbers.read"))["items"]
    assert (entry["object_kind"], "992900" in str(entry["detail"])) == ("blocked numbers", False)
    await managed.done("GET", "/blocks?whole_numbers=true&begins=992900000001")
    [entry, _] = (await managed.done("GET", "/audit?act=numbers.read"))["items"]
    assert entry["detail"] == {"begins": "992900****01", "after": 0}


async def test_a_bound_caller_sees_its_balance_and_changes_none(managed: Managed) -> None:
    own = await managed.done("POST", "/clients", {"name": "own", "prepaid": True})
    await managed.done("POST", "/clients", {"name": "other", "prepaid": True})
    managed.callers["own"] = Principal(PrincipalKind.USER, 2, "own", Role.CLIENT_MANAGER, client_id=own["client_id"])
    assert (await managed.done("GET", "/clients/own/balance", token="own"))["balance"] == "0"
    refusal(await managed("GET", "/clients/other/balance", token="own"), "ResourceNotFound")
    refusal(await managed("POST", "/clients/own/balance", {"amount": "1"}, token="own"), "Forbidden")
    refusal(await managed("GET", "/blocks", token="own"), "Forbidden")
    refusal(await managed("POST", "/blocks", {"numbers": ["992900000001"], "client": "own"}, token="own"), "Forbidden")
