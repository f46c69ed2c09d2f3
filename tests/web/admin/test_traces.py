"""Traces by the management API: who may begin and read them, and what is recorded."""

from __future__ import annotations

import pytest

from payk.domain.access import Principal, PrincipalKind, Role
from payk.sealing import KeyRing, TextSeal
from payk.store.database import Database
from payk.store.link_traces import sealed_as, write_trace
from tests.web.admin.managed import Managed, managed_on, refusal

RECORD = '[[1700000000000000, "tcell-1", "7.1", true, "127.0.0.1", 4000, "127.0.0.1", 2775, "00000010"]]'


@pytest.fixture
async def traced(managed: Managed) -> Managed:
    """With a link, and somebody who may control traffic and read no texts."""
    await managed.done("POST", "/operators", {"name": "tcell"})
    link = {"name": "tcell-1", "host": "127.0.0.1", "port": 2775, "system_id": "payk", "password": "x"}
    await managed.done("POST", "/operators/tcell/links", link)
    managed.callers["operator"] = Principal(PrincipalKind.TOKEN, 9, "operator", Role.OPERATOR)
    return managed


async def test_a_trace_is_read_page_by_page_and_recorded(traced: Managed) -> None:
    begun = await traced.done("POST", "/traces", {"link": "tcell-1", "seconds": 30}, token="operator")
    assert begun["held_by"] == 0
    where = f"/traces/{begun['trace_id']}"
    await write_trace(traced.db, begun["trace_id"], RECORD, 2)
    page = await traced.done("GET", where, token="operator")
    assert page["items"] == [
        {
            "at": 1700000000000000,
            "link": "tcell-1",
            "stream": "7.1",
            "sent": True,
            "ours": ["127.0.0.1", 4000],
            "theirs": ["127.0.0.1", 2775],
            "pdu": "00000010",
        }
    ]
    assert (page["lost"], page["goes_on"], page["full"]) == (2, True, False)
    assert (await traced.done("GET", f"{where}?after={page['next']}", token="operator"))["items"] == []
    assert (await traced("DELETE", where, token="operator")).status_code == 204
    refusal(await traced("GET", where, token="operator"), "ResourceNotFound")
    refusal(await traced("DELETE", where, token="operator"), "ResourceNotFound")
    [entry] = (await traced.done("GET", "/audit?act=trace.begin"))["items"]
    assert (entry["actor_name"], entry["object_kind"], entry["object_name"]) == ("operator", "link", "tcell-1")
    assert entry["detail"] == {"seconds": 30, "texts": False, "whole_numbers": False}


@pytest.mark.parametrize("shown", ["texts", "whole_numbers"])
async def test_texts_and_numbers_take_a_permission_to_begin_and_to_read(traced: Managed, shown: str) -> None:
    wish = {"number": "+992900900900", shown: True}
    refusal(await traced("POST", "/traces", wish, token="operator"), "Forbidden")
    begun = await traced.done("POST", "/traces", wish)
    where = f"/traces/{begun['trace_id']}"
    await write_trace(traced.db, begun["trace_id"], RECORD, 0)
    refusal(await traced("GET", f"{where}?after={2**61}", token="operator"), "Forbidden")
    assert len((await traced.done("GET", where))["items"]) == 1, "who may not read it drops nothing of it"
    assert (await traced.done("GET", "/audit?act=trace.read"))["items"] == [], "who began it reads it"
    [entry] = (await traced.done("GET", "/audit?act=trace.begin"))["items"]
    assert (entry["object_kind"], entry["object_name"]) == ("number", "992900****00")
    assert entry["detail"][shown] is True


@pytest.mark.parametrize(
    "wish",
    [{}, {"link": "tcell-1", "number": "992900900900"}, {"link": "tcell-1", "seconds": 601}, {"number": "AlifBank"}],
    ids=["nothing", "both", "too long", "no number"],
)
async def test_what_is_no_wish(traced: Managed, wish: dict[str, object]) -> None:
    assert (await traced("POST", "/traces", wish)).status_code == 400
    refusal(await traced("POST", "/traces", {"link": "nothing"}), "ResourceNotFound")


async def test_a_fifth_has_to_wait(traced: Managed) -> None:
    for _ in range(4):
        await traced.done("POST", "/traces", {"link": "tcell-1"})
    refusal(await traced("POST", "/traces", {"link": "tcell-1"}), "Conflict")
    assert len((await traced.done("GET", "/audit?act=trace.begin"))["items"]) == 4, "the fifth did not begin"


async def test_others_who_read_or_end_it_are_recorded(traced: Managed) -> None:
    traced.callers["same name"] = Principal(PrincipalKind.USER, 9, "operator", Role.OPERATOR)
    where = f"/traces/{(await traced.done('POST', '/traces', {'link': 'tcell-1'}, token='operator'))['trace_id']}"
    for token in ("operator", "same name", "admin", "admin", "same name"):
        await traced.done("GET", where, token=token)
    read = (await traced.done("GET", "/audit?act=trace.read"))["items"]
    assert sorted((entry["actor_kind"], entry["object_kind"], entry["object_name"]) for entry in read) == sorted(
        (str(traced.callers[token].kind), "link", "tcell-1") for token in ("same name", "admin")
    )
    assert (await traced("DELETE", where)).status_code == 204
    [entry] = (await traced.done("GET", "/audit?act=trace.end"))["items"]
    assert (entry["actor_name"], entry["object_name"]) == (traced.callers["admin"].name, "tcell-1")
    assert entry["detail"] == {"texts": False, "whole_numbers": False}
    own = await traced.done("POST", "/traces", {"number": "992900900900"})
    assert (await traced("DELETE", f"/traces/{own['trace_id']}")).status_code == 204
    assert len((await traced.done("GET", "/audit?act=trace.end"))["items"]) == 1, "who began it ends it"


async def test_a_trace_that_no_key_opens_is_not_shown_and_not_recorded_as_read(database: Database) -> None:
    ours, other = (TextSeal(KeyRing([bytes([octet]) * 32])) for octet in (1, 2))
    callers = {
        name: Principal(PrincipalKind.TOKEN, place, name, Role.ADMIN) for place, name in enumerate(("admin", "b"))
    }
    async with managed_on(database, callers, ours.open) as managed:
        trace_id = (await managed.done("POST", "/traces", {"number": "992900900900"}, token="b"))["trace_id"]
        await write_trace(database, trace_id, other.seal(RECORD, sealed_as(trace_id)), 0)
        told = refusal(await managed("GET", f"/traces/{trace_id}"), "Conflict")["Detail"]
        assert told.startswith("Nothing was shown: it is sealed under the secret key ")
        acts = (await managed.done("GET", "/audit?object_kind=number"))["items"]
    assert [(entry["act"], entry["actor_name"]) for entry in acts] == [
        ("trace.unopened", "admin"),
        ("trace.begin", "b"),
    ]
