"""Running traffic over the management API."""

from __future__ import annotations

import asyncio

import pytest

from payk.clock import Clock
from payk.domain.access import Principal, PrincipalKind, Role
from payk.domain.message import Priority, SmsType
from payk.store.accept import NewMessage, insert_messages
from payk.store.errors import OutcomeUnknown, StoreError, StoreUnavailable
from payk.store.health import look
from payk.store.incarnation import Incarnation
from payk.web.admin.site import ROOT
from tests.web.admin.managed import Managed, refusal

LINK = {"name": "tcell-1", "host": "127.0.0.1", "port": 2775, "system_id": "payk", "password": "secret"}


async def _waiting(managed: Managed, count: int, client: str = "bank", label: str | None = None) -> None:
    client_id = (await managed.done("GET", f"/clients/{client}"))["client_id"]
    message = NewMessage(client_id, "992900000001", "Bank", "x", SmsType.BATCH, Priority.NORMAL, 1, 1, label=label)
    await insert_messages(managed.db, [message] * count, timeout=5)


@pytest.fixture
async def running(managed: Managed) -> Managed:
    for name in ("bank", "shop"):
        await managed.done("POST", "/clients", {"name": name})
    await managed.done("POST", "/operators", {"name": "tcell"})
    await managed.done("POST", "/operators/tcell/links", LINK)
    await managed.done("POST", "/routes", {"prefix": "", "operators": ["tcell"]})
    return managed


async def test_what_waits_is_held_released_and_cancelled(running: Managed) -> None:
    await _waiting(running, 3, label="sale")
    await _waiting(running, 2)
    placed = await running.done("POST", "/holds", {"client": "bank", "label": "sale", "reason": "wrong text"})
    assert (placed["client"], placed["label"], placed["author"]) == ("bank", "sale", "boss")
    assert (await running.done("GET", "/holds"))["items"] == [placed]
    assert running.directory.value.holds
    assert (await running("POST", f"/holds/{placed['hold_id']}/release")).status_code == 204
    refusal(await running("POST", f"/holds/{placed['hold_id']}/release"), "ResourceNotFound")
    assert (await running.done("GET", "/holds"))["items"] == []
    assert await running.done("POST", "/cancel", {"label": "sale", "client": "bank"}) == {
        "cancelled": 3,
        "too_late": 0,
        "done": True,
    }
    [depth] = (await running.done("GET", "/queues"))["items"]
    assert (depth["client"], depth["lane"], depth["waiting"], depth["operators"]) == ("bank", "batch", 2, ["tcell"])
    assert depth["held"] is False
    authors = [change["author"] for change in (await running.done("GET", "/changes"))["items"]]
    assert authors[:2] == ["payk", "boss"]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), OutcomeUnknown()])
async def test_a_cancel_that_lost_the_store_amid_it_says_that_it_goes_on(
    running: Managed, monkeypatch: pytest.MonkeyPatch, error: StoreError
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    await _waiting(running, 3, label="sale")
    with monkeypatch.context() as away:
        away.setattr("payk.registry.traffic.cancel_some", fail)
        body = refusal(await running("POST", "/cancel", {"label": "sale"}), "OutcomeUnknown")
    assert "goes on by itself" in body["Detail"] and "Nothing was taken" not in body["Detail"]
    [placed] = (await running.done("GET", "/holds"))["items"]
    assert (placed["label"], placed["cancels"]) == ("sale", True)


async def test_a_change_whose_commit_was_cut_off_is_no_defect(
    running: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OutcomeUnknown

    monkeypatch.setattr("payk.web.admin.traffic.hold", fail)
    body = refusal(await running("POST", "/holds", {"label": "sale"}), "OutcomeUnknown")
    assert "may be done, or not" in body["Detail"]


async def test_what_a_hold_or_a_cancel_would_mean_is_counted(running: Managed) -> None:
    await _waiting(running, 3, label="sale")
    await _waiting(running, 2)
    count = await running.done("POST", "/queues/matching", {"client": "bank", "label": "sale"})
    assert count == {"waiting": 3, "at_least": False}
    refusal(await running("POST", "/queues/matching", {}), "ValueInvalid")
    assert (await running.done("GET", "/holds"))["items"] == []
    for choice, held in (({"label": "sale"}, False), ({"client": "shop"}, False), ({"operator": "tcell"}, True)):
        placed = await running.done("POST", "/holds", choice)
        [depth] = (await running.done("GET", "/queues"))["items"]
        assert depth["held"] is held, choice
        await running("POST", f"/holds/{placed['hold_id']}/release")
        await running.follow()


async def test_what_a_suspended_client_has_waiting_is_held(running: Managed) -> None:
    await _waiting(running, 3)
    await _waiting(running, 2, client="shop")
    await running.done("POST", "/clients/bank/suspend")
    await running.follow()
    depths = (await running.done("GET", "/queues"))["items"]
    assert {depth["client"]: depth["held"] for depth in depths} == {"bank": True, "shop": False}


async def test_an_answer_without_a_body_has_no_type_of_it(running: Managed) -> None:
    placed = await running.done("POST", "/holds", {"label": "sale"})
    reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port)
    head = f"POST {ROOT}/holds/{placed['hold_id']}/release HTTP/1.1\r\nHost: payk\r\nConnection: close\r\n"
    writer.write(f"{head}Authorization: Bearer admin\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    status, *headers = answer.removesuffix(b"\r\n\r\n").lower().split(b"\r\n")
    assert status == b"http/1.1 204 no content"
    names = {header.partition(b":")[0] for header in headers}
    assert not names & {b"content-type", b"content-length", b"transfer-encoding"}, headers
    assert {b"x-request-id", b"cache-control"} <= names


async def test_what_is_meant_must_be_said_and_be_there(running: Managed) -> None:
    assert "choice" in refusal(await running("POST", "/holds", {}), "ValueInvalid")["Errors"]
    body = refusal(await running("POST", "/cancel", {"client": "bnk", "operator": "tcel"}), "ValueInvalid")
    assert body["Errors"]["client"] == ['"bnk" is not known; did you mean "bank"?']
    assert body["Errors"]["operator"] == ['"tcel" is not known; did you mean "tcell"?']
    refusal(await running("POST", "/holds", {"sms_type": "fax"}), "RequestInvalid")
    for path in ("/operators/nobody/drain", "/links/nobody/resume"):
        refusal(await running("POST", path), "ValueInvalid")
    refusal(await running("GET", "/links/nobody/state"), "ResourceNotFound")


async def test_operators_and_links_are_drained_and_resumed(running: Managed) -> None:
    done = await running.done("POST", "/operators/tcell/drain?force=true")
    assert done["difference"] == ["~ operator tcell: draining false -> true"]
    assert (await running.done("GET", "/operators/tcell"))["draining"] is True
    assert (await running.done("POST", "/operators/tcell/resume"))["difference"]
    assert (await running.done("POST", "/links/tcell-1/drain?force=true"))["difference"]
    assert (await running.done("GET", "/links/tcell-1"))["draining"] is True
    assert (await running.done("POST", "/links/tcell-1/drain"))["difference"] == ["nothing changes"]


@pytest.mark.parametrize(("path", "read"), [("/operators/tcell", "operator"), ("/links/tcell-1", "link")])
async def test_a_drain_and_a_resume_can_be_meant_for_what_was_seen_alone(
    running: Managed, path: str, read: str
) -> None:
    seen = (await running("GET", path)).headers["etag"]
    assert (await running.done("PATCH", f"{path}?force=true", {"draining": True}))["draining"] is True
    for act in ("drain", "resume"):
        told = refusal(await running("POST", f"{path}/{act}", headers={"if-match": seen}), "PreconditionFailed")
        assert f"The {read} " in told["Detail"]
    refusal(await running("POST", f"{path}/resume", headers={"if-match": "none"}), "RequestInvalid")
    assert (await running.done("GET", path))["draining"] is True
    for act, draining in (("resume", False), ("drain?force=true", True)):
        now = (await running("GET", path)).headers["etag"]
        await running.done("POST", f"{path}/{act}", headers={"if-match": now})
        assert (await running.done("GET", path))["draining"] is draining


async def test_a_drain_that_strands_what_waits_is_done_by_force_alone(running: Managed) -> None:
    await _waiting(running, 1)
    for path in ("/links/tcell-1", "/operators/tcell"):
        assert refusal(await running("POST", f"{path}/drain"), "ForceRequired")["Reasons"]
        assert (await running.done("GET", path))["draining"] is False
        assert (await running.done("POST", f"{path}/drain?force=true"))["difference"]
        await running.done("POST", f"{path}/resume")


async def test_what_is_done_to_traffic_is_in_the_audit_log(running: Managed) -> None:
    placed = await running.done("POST", "/holds", {"label": "x"})
    await running("POST", f"/holds/{placed['hold_id']}/release")
    await running.done("POST", "/cancel", {"label": "y"})
    await running.done("POST", "/operators/tcell/drain?force=true")
    await running.done("POST", "/changes/1/revert?force=true")
    found = (await running.done("GET", "/audit?limit=6"))["items"]
    assert [(entry["object_kind"], entry["actor_kind"], entry["actor_name"]) for entry in found] == [
        ("client", "token", "boss"),
        ("operator", "token", "boss"),
        ("hold", "local", "payk"),
        ("cancel", "token", "boss"),
        ("hold", "token", "boss"),
        ("hold", "token", "boss"),
    ]


async def test_a_hold_is_released_and_not_taken_back(running: Managed) -> None:
    await running.done("PATCH", "/clients/bank", {"max_parts": 3})
    await running.done("POST", "/holds", {"label": "sale"})
    [placed, changed] = (await running.done("GET", "/changes?limit=2"))["items"]
    refused = refusal(await running("POST", f"/changes/{placed['version']}/revert?force=true"), "Conflict")
    assert "release it with payk queue release 1" in refused["Detail"]
    done = await running.done("POST", f"/changes/{changed['version']}/revert?through=true")
    assert done["difference"] == ["~ client bank: max_parts 3 -> 20"]
    assert done["left"] == ["hold 1: release it with payk queue release 1"]


async def test_processes_and_parked_receipts(running: Managed) -> None:
    incarnation = Incarnation(running.db, Clock(), roles=["api"], lease=10)
    await incarnation.begin()
    [process] = (await running.done("GET", "/processes"))["items"]
    assert (process["roles"], process["binds"]) == (["api"], [])
    assert (await running.done("GET", "/processes"))["held_by_nobody"] == [{"link": "tcell-1", "number": 1}]
    async with running.db.connection() as connection:
        await connection.execute(
            "insert into bind_lease (link_id, number, incarnation) select link_id, 1, $1 from link", incarnation.number
        )
    found = await running.done("GET", "/processes")
    assert [(bind["link"], bind["number"]) for bind in found["items"][0]["binds"]] == [("tcell-1", 1)]
    assert found["held_by_nobody"] == []
    assert (await running.done("GET", "/links/tcell-1/state"))["items"] == []
    assert (await running.done("GET", "/link-states"))["items"] == []
    assert (await running.done("GET", "/receipts/parked"))["items"] == []
    assert (await running.done("GET", "/receipts/parked/counts"))["items"] == []
    assert (await running.done("POST", "/receipts/parked/retry", {}))["receipts"] == 0
    assert (await running.done("POST", "/receipts/parked/forget", {"parked_ids": [1]}))["receipts"] == 0
    refusal(await running("POST", "/receipts/parked/forget", {}), "ValueInvalid")  # not all of them, by an oversight
    assert (await running.done("POST", "/receipts/parked/forget", {"all": True}))["receipts"] == 0


async def test_whoever_is_bound_to_a_client_sees_its_queues_and_controls_nothing(running: Managed) -> None:
    await _waiting(running, 1)
    await _waiting(running, 2, "shop")
    client_id = (await running.done("GET", "/clients/shop"))["client_id"]
    running.callers["own"] = Principal(PrincipalKind.USER, 2, "own", Role.CLIENT_MANAGER, client_id=client_id)
    assert [item["client"] for item in (await running.done("GET", "/queues", token="own"))["items"]] == ["shop"]
    for method, path, body in (
        ("POST", "/holds", {"client": "shop"}),
        ("POST", "/cancel", {"client": "shop"}),
        ("GET", "/holds", None),
        ("GET", "/processes", None),
        ("GET", "/link-states", None),
        ("GET", "/operator-shifts", None),
        ("GET", "/operator-health", None),
        ("POST", "/queues/matching", {"client": "shop"}),
        ("GET", "/operators/tcell/health", None),
        ("GET", "/receipts/parked", None),
        ("POST", "/receipts/parked/forget", {}),
        ("POST", "/operators/tcell/drain", None),
    ):
        refusal(await running(method, path, body, token="own"), "Forbidden")


async def test_how_an_operator_is_and_when_that_changed(running: Managed) -> None:
    await look(running.db)
    shown = await running.done("GET", "/operators/tcell/health")
    assert (shown["operator"], shown["state"], shown["probed_until"], shown["watched"]) == (
        "tcell", "healthy", None, True,
    )  # fmt: skip
    assert (await running.done("GET", "/operator-health"))["items"] == [shown]
    assert (await running.done("GET", "/operator-shifts"))["items"] == []
    async with running.db.connection() as connection:
        await connection.execute("update operator_health set sick = true, since = now() - interval '1 hour'")
    await look(running.db)
    items = (await running.done("GET", "/operator-shifts?operator=tcell"))["items"]
    assert [(item["from_state"], item["to_state"]) for item in items] == [("sick", "healthy")]
    assert items[0]["figures"] == {"good": 0, "failed": 0, "clients": 0}
    refusal(await running("GET", "/operators/nobody/health"), "ResourceNotFound")
