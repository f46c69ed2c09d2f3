"""Messages over the management API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from payk.domain.access import Permission, Principal, PrincipalKind, Role
from payk.domain.message import Priority, SmsType
from payk.sealing import KeyRing, TextSeal
from payk.store.accept import NewMessage, insert_messages
from payk.store.database import Database
from payk.store.errors import StoreUnavailable
from tests.web.admin.managed import Managed, managed_on, refusal

SECRET = "your code is 4711"


async def _stored(
    managed: Managed,
    client: str,
    phone: str = "992900000001",
    label: str | None = None,
    text: str = SECRET,
    kind: SmsType = SmsType.COMMON,
) -> str:
    client_id = (await managed.done("GET", f"/clients/{client}"))["client_id"]
    message = NewMessage(client_id, phone, "Bank", text, kind, Priority.NORMAL, 1, 1, label=label)
    [row] = await insert_messages(managed.db, [message], timeout=5)
    return str(row.message_id)


async def _two_clients(managed: Managed) -> None:
    for name in ("bank", "shop"):
        await managed.done("POST", "/clients", {"name": name})
    await managed.done("POST", "/operators", {"name": "tcell"})
    await managed.done("POST", "/routes", {"prefix": "", "operators": ["tcell"]})


async def test_a_customer_says_no_sms_came(managed: Managed) -> None:
    await _two_clients(managed)
    ids = [await _stored(managed, "bank", label="x"), await _stored(managed, "shop")]
    await _stored(managed, "bank", "992900000002")
    found = await managed.done("GET", "/messages?number=%2B992 90 000-00-01")
    assert [item["message_id"] for item in found["items"]] == ids[::-1]
    assert found["items"][1]["client"] == "bank"
    assert "900000001" not in found["items"][0]["number"]
    told = await managed.done("GET", f"/messages/{ids[0]}")
    assert told["why"].startswith("It waits")
    assert (told["why_code"], told["reason"]) == ("OperatorOff", None)
    assert next(event["event"] for event in told["events"]) == "accepted"
    assert SECRET not in str(told)
    assert (await managed.done("GET", "/messages?client=bank&label=x&state=None&sms_type=common"))["items"]
    assert not (await managed.done("GET", "/messages?client=bank&state=delivered"))["items"]
    first = await managed.done("GET", "/messages?limit=2")
    assert len((await managed.done("GET", f"/messages?limit=2&before={first['next']}"))["items"]) == 1


async def test_a_question_that_cannot_be_asked_is_refused_with_the_rule(managed: Managed) -> None:
    await _two_clients(managed)
    for query, field in (
        ("state=gone", "state"),
        ("sms_type=9", "sms_type"),
        ("label=x", "label"),
        ("client=nobody", "client"),
        ("number_ends=12", "number_ends"),
        ("number=abc", "number"),
        ("accepted_from=2026-01-01T00:00:00", "accepted_from"),
        ("accepted_from=2026-01-02T00:00:00Z&accepted_before=2026-01-01T00:00:00Z", "accepted_before"),
    ):
        body = refusal(await managed("GET", f"/messages?{query}"), "RequestInvalid")
        assert field in str(body["Errors"]), (query, body)
    for message_id in ("1", "-1", "99999999999999999999"):
        refusal(await managed("GET", f"/messages/{message_id}"), "ResourceNotFound")
    refusal(await managed("GET", "/messages/abc"), "RequestInvalid")


async def test_whoever_is_bound_to_a_client_sees_its_messages_alone(managed: Managed) -> None:
    await _two_clients(managed)
    foreign, own = await _stored(managed, "shop"), await _stored(managed, "bank")
    client_id = (await managed.done("GET", "/clients/bank"))["client_id"]
    managed.callers["own"] = Principal(PrincipalKind.USER, 2, "own", Role.CLIENT_VIEWER, client_id=client_id)
    found = await managed.done("GET", "/messages?number=992900000001", token="own")
    assert [item["message_id"] for item in found["items"]] == [own]
    assert (await managed.done("GET", f"/messages/{own}", token="own"))["client"] == "bank"
    assert refusal(await managed("GET", f"/messages/{foreign}", token="own"), "ResourceNotFound")
    refusal(await managed("GET", "/messages?client=shop", token="own"), "ResourceNotFound")
    managed.callers["none"] = Principal(
        PrincipalKind.TOKEN, 3, "none", Role.ADMIN, scopes=frozenset({Permission.READ_AUDIT})
    )
    refusal(await managed("GET", "/messages", token="none"), "Forbidden")


async def test_whoever_is_bound_to_a_client_reads_why_in_the_words_for_clients(managed: Managed) -> None:
    await _two_clients(managed)
    own = await _stored(managed, "bank", label="x")
    client_id = (await managed.done("GET", "/clients/bank"))["client_id"]
    managed.callers["own"] = Principal(PrincipalKind.USER, 2, "own", Role.CLIENT_VIEWER, client_id=client_id)
    await managed.done("POST", "/holds", {"client": "bank", "label": "x", "reason": "wrong price"})
    assert "(wrong price)" in (await managed.done("GET", f"/messages/{own}"))["why"]
    told = await managed.done("GET", f"/messages/{own}", token="own")
    assert told["why"].startswith("Those who run the centre hold it back since ")
    assert told["why_code"] == "Held" and "wrong price" not in str(told)


async def test_a_text_is_read_by_who_may_and_that_is_recorded(managed: Managed) -> None:
    await _two_clients(managed)
    message_id = await _stored(managed, "bank")
    foreign = await _stored(managed, "shop")
    client_id = (await managed.done("GET", "/clients/bank"))["client_id"]
    managed.callers["own"] = Principal(PrincipalKind.USER, 2, "own", Role.CLIENT_MANAGER, client_id=client_id)
    managed.callers["viewer"] = Principal(PrincipalKind.USER, 3, "viewer", Role.CLIENT_VIEWER, client_id=client_id)
    managed.callers["night"] = Principal(PrincipalKind.USER, 4, "night", Role.OPERATOR)
    for token in ("viewer", "night"):
        refusal(await managed("GET", f"/messages/{message_id}/text", token=token), "Forbidden")
    refusal(await managed("GET", f"/messages/{foreign}/text", token="own"), "ResourceNotFound")
    assert (await managed.done("GET", f"/messages/{message_id}/text", token="own"))["text"] == SECRET
    [entry] = (await managed.done("GET", "/audit?act=text.read"))["items"]
    assert (entry["actor_name"], entry["object_kind"], entry["object_name"]) == ("own", "message", message_id)
    assert SECRET not in str(entry)


async def test_a_text_that_no_key_opens_is_not_shown_and_not_recorded_as_read(database: Database) -> None:
    ours, other = (TextSeal(KeyRing([bytes([octet]) * 32])) for octet in (1, 2))
    boss = Principal(PrincipalKind.TOKEN, 1, "boss", Role.ADMIN)
    async with managed_on(database, {"admin": boss}, ours.open) as managed:
        await _two_clients(managed)
        sealed = [ours.seal(SECRET, "992900000001"), other.seal(SECRET, "992900000001"), ours.seal(SECRET, "992911")]
        opens, lost, moved = [await _stored(managed, "bank", text=text, kind=SmsType.OTP) for text in sealed]
        assert (await managed.done("GET", f"/messages/{opens}/text"))["text"] == SECRET
        told = refusal(await managed("GET", f"/messages/{lost}/text"), "Conflict")["Detail"]
        assert told.startswith("Nothing was shown: it is sealed under the secret key ")
        assert told.endswith(" Give it that key as well, in PAYK_OLD_SECRET_KEYS.")
        told = refusal(await managed("GET", f"/messages/{moved}/text"), "Conflict")["Detail"]
        assert told.startswith("Nothing was shown: a stored text is damaged")
        acts = (await managed.done("GET", "/audit?object_kind=message"))["items"]
    assert [(entry["act"], entry["object_name"]) for entry in acts] == [
        ("text.unopened", moved),
        ("text.unopened", lost),
        ("text.read", opens),
    ]


async def test_whole_numbers_are_shown_to_whoever_may_read_texts_and_that_is_recorded(managed: Managed) -> None:
    await _two_clients(managed)
    own, foreign = await _stored(managed, "bank"), await _stored(managed, "shop")
    client_id = (await managed.done("GET", "/clients/bank"))["client_id"]
    managed.callers["own"] = Principal(PrincipalKind.USER, 2, "own", Role.CLIENT_MANAGER, client_id=client_id)
    managed.callers["viewer"] = Principal(PrincipalKind.USER, 3, "viewer", Role.CLIENT_VIEWER, client_id=client_id)
    managed.callers["night"] = Principal(PrincipalKind.USER, 4, "night", Role.OPERATOR)
    for token in ("viewer", "night"):
        for path in ("/messages", f"/messages/{own}"):
            refusal(await managed("GET", f"{path}?whole_numbers=true", token=token), "Forbidden")
    refusal(await managed("GET", f"/messages/{foreign}?whole_numbers=true", token="own"), "ResourceNotFound")
    assert (await managed.done("GET", "/audit?act=numbers.read"))["items"] == []
    [found] = (await managed.done("GET", "/messages?whole_numbers=true", token="own"))["items"]
    told = await managed.done("GET", f"/messages/{own}?whole_numbers=true", token="own")
    assert found["number"] == told["number"] == "992900000001"
    entries = (await managed.done("GET", "/audit?act=numbers.read"))["items"]
    assert [(entry["actor_name"], entry["object_kind"], entry["object_name"]) for entry in entries] == [
        ("own", "message", own),
        ("own", "messages", "bank"),
    ]


async def test_the_audit_log_says_whose_whole_numbers_were_asked_for_with_masked_ones(managed: Managed) -> None:
    await _two_clients(managed)
    day = {"accepted_from": "2026-11-27T05:00:00+05:00", "accepted_before": "2026-11-28T00:00:00Z"}
    searches: list[dict[str, str]] = [
        {"number": "+992 900 000 001"},
        {"client": "bank", "label": "sale-7"},
        {"client": "bank", "number_ends": "900000001", **day},
    ]
    for asked in searches:
        await managed.done("GET", "/messages", params={"whole_numbers": "true", **asked})
    entries = (await managed.done("GET", "/audit?act=numbers.read"))["items"]
    assert [(entry["object_name"], entry["detail"]) for entry in entries] == [
        (
            "bank",
            {
                "number_ends": "900****01",
                "accepted_from": "2026-11-27T00:00:00.000Z",
                "accepted_before": "2026-11-28T00:00:00.000Z",
            },
        ),
        ("bank", {"label": "sale-7"}),
        ("", {"number": "992900****01"}),
    ]


async def test_all_that_is_known_of_a_number_is_told_to_whoever_may_read_it(managed: Managed) -> None:
    await _two_clients(managed)
    ids = [await _stored(managed, "bank"), await _stored(managed, "shop")]
    await _stored(managed, "bank", "992900000002")
    answer = await managed("POST", "/numbers/export", {"number": "+992 900 000 001"})
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in answer.content.splitlines()]
    assert [(line["kind"], str(line["message_id"]), line["text"]) for line in lines] == [
        ("message", message_id, SECRET) for message_id in ids
    ]
    [entry] = (await managed.done("GET", "/audit?act=number.export"))["items"]
    assert (entry["actor_name"], entry["object_name"]) == ("boss", "992900****01")
    assert (await managed("POST", "/numbers/export", {"number": "992900000009"})).content == b""
    refusal(await managed("POST", "/numbers/export", {"number": "call me"}), "ValueInvalid")
    for scope in (Permission.FORGET_NUMBERS, Permission.READ_TEXTS):
        managed.callers["half"] = Principal(PrincipalKind.TOKEN, 3, "half", Role.ADMIN, scopes=frozenset({scope}))
        refusal(await managed("POST", "/numbers/export", {"number": "992900000001"}, token="half"), "Forbidden")


async def test_an_export_that_ends_early_does_not_look_whole(managed: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    async def known(*_: object) -> AsyncIterator[dict[str, object]]:
        yield {"kind": "message"}
        raise StoreUnavailable("the database went away")

    monkeypatch.setattr("payk.web.admin.numbers.known", known)
    with pytest.raises(httpx.RemoteProtocolError):
        await managed("POST", "/numbers/export", {"number": "992900000001"})


async def test_an_export_that_cannot_begin_is_refused(managed: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    async def known(*_: object) -> AsyncIterator[dict[str, object]]:
        raise StoreUnavailable("the database is away")
        yield {}

    monkeypatch.setattr("payk.web.admin.numbers.known", known)
    refusal(await managed("POST", "/numbers/export", {"number": "992900000001"}), "ServiceUnavailable")


async def test_a_number_is_forgotten(managed: Managed) -> None:
    await managed.done("POST", "/clients", {"name": "bank"})
    await managed.done("POST", "/operators", {"name": "tcell"})
    await managed.done("POST", "/routes", {"prefix": "", "operators": ["tcell"]})
    [client] = managed.directory.value.clients
    new = NewMessage(client, "992900000001", "Bank", "private", SmsType.COMMON, Priority.NORMAL, 1, 1)
    [row] = await insert_messages(managed.db, [new], timeout=5)
    given = {"number": "+992 900 000 001"}
    refused = refusal(await managed("POST", "/numbers/forget", given), "ForceRequired")
    assert "1 messages to 992900****01 are still on their way" in refused["Detail"]
    assert await managed.done("POST", "/numbers/forget?force=true", given) == {
        "number": "992900****01",
        "ended": 1,
        "erased": {"messages": 1, "parked_receipts": 0, "inbound": 0, "counts": 0, "answers": 0},
    }
    shown = await managed.done("GET", f"/messages/{row.message_id}")
    assert (shown["state"], "9000" in shown["number"]) == ("Deleted", False)
    [entry] = [item for item in (await managed.done("GET", "/audit"))["items"] if item["act"] == "number.forget"]
    assert (entry["object_name"], entry["detail"]) == ("992900****01", {"messages": 1, "on_their_way": 1})
    for wrong in ({"number": "call me"}, {"number": ""}, {}):
        answer = await managed("POST", "/numbers/forget", wrong)
        assert answer.status_code == 400 and list(answer.json()["Errors"]) == ["number"]
