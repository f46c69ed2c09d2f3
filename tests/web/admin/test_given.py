"""What no request may give: every refusal names the field and the rule."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.admin.managed import Managed, refusal

EARLY, LATE = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"
BEYOND = "9" * 26


@pytest.mark.parametrize("whole_numbers", ["false", "true"])
async def test_a_moment_beyond_all_calendars_is_refused_by_its_name(managed: Managed, whole_numbers: str) -> None:
    token = {"name": "ci", "role": "operator"}
    for method, path, params, body in (
        ("GET", "/messages", {"accepted_from": EARLY, "whole_numbers": whole_numbers}, None),
        ("GET", "/messages", {"accepted_before": LATE, "whole_numbers": whole_numbers}, None),
        ("GET", "/audit/export", {"since": EARLY}, None),
        ("GET", "/audit/export", {"until": LATE}, None),
        ("POST", "/tokens", {}, {**token, "expires_at": LATE}),
        ("POST", "/imported-messages/drop", {}, {"submitted_before": EARLY}),
    ):
        told = refusal(await managed(method, path, body, params=params), "RequestInvalid")
        [(field, [rule])] = told["Errors"].items()
        assert field in {**params, **(body or {})} and field not in ("whole_numbers", *token)
        assert rule.startswith("it is beyond all calendars; write a moment with its zone"), path


async def test_the_ends_of_the_calendar_are_moments(managed: Managed) -> None:
    whole = {"accepted_from": "0001-01-01T00:00:00Z", "accepted_before": "9999-12-31T23:59:59Z"}
    assert (await managed.done("GET", "/messages", params=whole))["items"] == []
    assert (await managed("GET", "/audit/export", params={"since": "0001-01-01T00:00:00Z"})).status_code == 200
    token = {"name": "ci", "role": "operator", "expires_at": "9999-12-31T23:59:59Z"}
    assert (await managed.done("POST", "/tokens", token))["token"]


@pytest.mark.parametrize("number", [BEYOND, f"-{BEYOND}", str(2**31), str(2**63), "0"])
async def test_a_number_that_no_row_can_have_is_that_of_nothing(managed: Managed, number: str) -> None:
    await managed.done("POST", "/clients", {"name": "demo"})
    for operation, body in (
        (f"DELETE /sessions/{number}", None),
        (f"GET /changes/{number}", None),
        (f"POST /changes/{number}/revert", None),
        (f"GET /routes/{number}", None),
        (f"PATCH /routes/{number}", {}),
        (f"PATCH /clients/demo/keys/{number}", {}),
        (f"DELETE /clients/demo/keys/{number}", None),
        (f"POST /clients/demo/keys/{number}/rotate", None),
        (f"POST /holds/{number}/release", None),
        (f"GET /messages/{number}", None),
        (f"GET /traces/{number}", None),
    ):
        told = refusal(await managed(*operation.split(" "), body), "ResourceNotFound")
        assert number in told["Detail"], operation


@pytest.mark.parametrize(
    ("operation", "field", "how"),
    [
        ("POST /holds", "label", {"body": {"label": "sa\0le"}}),
        ("POST /holds", "reason", {"body": {"label": "sale", "reason": "\0"}}),
        ("POST /holds", "reason", {"content": b'{"label": "sale", "reason": "\\ud800"}'}),
        ("POST /clients/bank/balance", "note", {"body": {"amount": "1", "note": "x\0"}}),
        ("POST /blocks", "reason", {"body": {"numbers": ["992900000001"], "reason": "\0"}}),
        ("POST /blocks", "numbers", {"body": {"numbers": ["992900000001", "\0"]}}),
        ("POST /tokens", "scopes", {"body": {"name": "ci", "role": "operator", "scopes": ["\0"]}}),
        ("POST /changes/1/revert", "passwords", {"body": {"passwords": {"\0": "x"}}}),
        ("GET /messages", "label", {"params": {"client": "bank", "label": "\0"}}),
        ("GET /messages", "operator", {"params": {"operator": "a\0b"}}),
        ("GET /audit", "actor", {"params": {"actor": "\0"}}),
        ("GET /clients", "part", {"params": {"part": "\0"}}),
        ("GET /senders", "client", {"params": {"client": "\0"}}),
        ("GET /clients/%00", "name", {}),
        ("POST /operators/%00/drain", "name", {}),
        ("PATCH /clients/bank/senders/%00", "sender", {"body": {"status": "approved"}}),
        ("POST /imported-messages", "name", {"params": {"name": "\0"}, "content": b""}),
    ],
)
async def test_a_text_that_cannot_be_stored_is_refused_by_its_name(
    managed: Managed, operation: str, field: str, how: dict[str, Any]
) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    method, path = operation.split(" ")
    how = dict(how)
    told = refusal(await managed(method, path, how.pop("body", None), **how), "RequestInvalid")
    assert [name.partition(".")[0] for name in told["Errors"]] == [field]


async def test_a_rule_of_the_schema_that_nobody_looked_at_is_no_fault_of_the_caller(managed: Managed) -> None:
    await managed.done("POST", "/operators", {"name": "tcell"})
    async with managed.db.connection() as connection:
        await connection.execute("create unique index on operator ((true))")
    refusal(await managed("POST", "/operators", {"name": "beeline"}), "InternalError")
