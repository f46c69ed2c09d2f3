"""Export, conditions of a change, and taking changes back."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from payk.domain.message import Priority, SmsType
from payk.domain.receipt import ReceiptWait
from payk.registry.change import ANYTHING, NOTHING, apply
from payk.registry.errors import (
    AlreadyThere,
    ChangedMeanwhile,
    ForceRequired,
    NotThere,
    NotToBeTakenBack,
    RegistryFileError,
)
from payk.registry.export import export, export_document
from payk.registry.file import read
from payk.registry.resource import resource_of
from payk.registry.reverting import MOST, Reverted, revert
from payk.registry.secrets import SecretBox
from payk.registry.traffic import Chosen, cancel, hold, release
from payk.store.accept import NewMessage, insert_messages
from payk.store.database import Database
from payk.store.registry_pages import page_of_clients
from tests.registry.conftest import BOX, Applies, Contents

KEY = "00000000-0000-4000-8000-000000000001"
LINK = {"name": "tcell-1", "host": "127.0.0.1", "port": 2775, "system_id": "payk", "password": "secret"}
RICH: dict[str, Any] = {
    "client": [
        {
            "name": 'odd "name"\\',
            "senders": ["Bank", "Shop"],
            "sender": [{"name": "Wish", "status": "requested", "reason": "please"}],
            "key": [{"key": KEY, "label": "shop", "allow_from": ["10.0.0.0/8"]}, {"key": KEY + "2", "revoked": True}],
            "otp_overdraft": "1.25",
            "batch_hours": "22:00-06:00",
            "default_sms_type": "otp",
            "max_priority": {"otp": "high"},
        },
        {"name": "plain"},
    ],
    "operator": [
        {
            "name": "tcell",
            "link": [{**LINK, "charset_map": {"3": "latin1", "0": "gsm", "8": "ucs2"}, "tls": True, "rate": 12.5}],
        },
        {"name": "gone", "enabled": False},
    ],
    "route": [
        {"prefix": "", "operators": ["tcell", "gone"], "price": "0.0001"},
        {"prefix": "992", "operators": ["tcell"], "enabled": False},
    ],
}


async def applied(database: Database, box: SecretBox, document: dict[str, Any], **how: Any) -> list[str]:
    return (await apply(database, box, read(document, "f", {}), author="test", **how)).lines()


async def test_an_export_changes_nothing_where_it_came_from_and_makes_the_same_elsewhere(
    applies: Applies, database: Database, contents: Contents, secret_box: SecretBox
) -> None:
    await applies(RICH)
    before = await contents()
    text = await export(database, secret_box)
    assert KEY not in text
    assert "secret" not in text
    assert await applies(tomllib.loads(text)) == ["nothing changes"]
    assert await contents() == before
    async with database.connection() as connection:
        for table in ("api_key", "sender", "route", "queue", "link", "operator", "client"):
            await connection.execute(f"delete from {table}")
    await applies(tomllib.loads(text))
    assert await export(database, secret_box) == text


async def test_an_export_of_before_is_taken_on_the_database(applies: Applies, secret_box: SecretBox) -> None:
    """Its passwords are not bound to their links; whoever is on the database has all that is sealed anyway."""
    sealed = {"sealed": secret_box.seal("secret").hex()}
    await applies({"operator": [{"name": "tcell", "link": [{**LINK, "password": sealed}]}]})
    again = {"operator": [{"name": "tcell", "link": [{**LINK, "password": "secret"}]}]}
    assert await applies(again) == ["nothing changes"]


async def test_an_export_holds_more_than_a_page(applies: Applies, database: Database) -> None:
    senders = [{"name": f"c{number:04}", "senders": [f"S{number}", "Same"]} for number in range(2_005)]
    await applies({"client": senders})
    found = (await export_document(database, BOX))["client"]
    assert [client["name"] for client in found] == [client["name"] for client in senders]
    assert found[2_004]["senders"] == ["S2004", "Same"]


async def test_an_export_is_of_one_moment(
    applies: Applies, database: Database, secret_box: SecretBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await applies({"client": [{"name": "plain", "senders": ["Bank"]}]})

    async def clients_after_another_came(*given: Any, **how: Any) -> Any:
        await applies({"client": [{"name": "late", "senders": ["Late"]}, {"name": "plain", "senders": []}]})
        return await page_of_clients(*given, **how)

    monkeypatch.setattr("payk.registry.export.page_of_clients", clients_after_another_came)
    [found] = tomllib.loads(await export(database, secret_box))["client"]
    assert (found["name"], found["senders"]) == ("plain", ["Bank"])


async def test_a_password_sealed_under_another_key_is_refused(applies: Applies, database: Database) -> None:
    sealed = {"sealed": SecretBox(bytes(32)).seal("secret").hex()}
    with pytest.raises(RegistryFileError, match="sealed under another key"):
        await applies({"operator": [{"name": "tcell", "link": [{**LINK, "password": sealed}]}]})


async def test_a_change_is_made_for_what_its_author_saw(
    applies: Applies, database: Database, secret_box: SecretBox
) -> None:
    document = {"client": [{"name": "plain", "max_parts": 3}]}
    with pytest.raises(NotThere, match='There is no client "plain"'):
        await applied(database, secret_box, document, expected={("client", "plain"): ANYTHING})
    await applied(database, secret_box, document, expected={("client", "plain"): NOTHING})
    with pytest.raises(AlreadyThere):
        await applied(database, secret_box, document, expected={("client", "plain"): NOTHING})
    [row] = await page_of_clients(database, 1, only="plain")
    seen = resource_of("client", row).etag
    four = {"client": [{"name": "plain", "max_parts": 4}]}
    assert await applied(database, secret_box, four, expected={("client", "plain"): seen}) == [
        "~ client plain: max_parts 3 -> 4"
    ]
    with pytest.raises(ChangedMeanwhile, match="has changed since it was read"):
        await applied(database, secret_box, document, expected={("client", "plain"): seen})
    [row] = await page_of_clients(database, 1, only="plain")
    assert row.options["max_parts"] == 4


async def _wait_for(database: Database, sender: str = "Bank") -> None:
    async with database.connection() as connection:
        queue = await connection.fetchval("select queue_id from route order by route_id limit 1")
        client = await connection.fetchval("select client_id from client where name like 'odd%'")
    message = NewMessage(client, "992900000001", sender, "x", SmsType.COMMON, Priority.NORMAL, queue, 1)
    await insert_messages(database, [message], timeout=5)


async def test_what_would_cut_off_traffic_needs_force(
    applies: Applies, database: Database, secret_box: SecretBox, contents: Contents
) -> None:
    await applies(RICH)
    odd = RICH["client"][0]["name"]
    cut: dict[str, dict[str, Any]] = {
        "No route would be left": {"route": [{"prefix": "", "enabled": False}]},
        'Sender "Bank" of client': {"client": [{"name": odd, "senders": ["Shop"]}]},
        'Messages wait for operator "tcell"': {"operator": [{"name": "tcell", "enabled": False}]},
        "and no other one could take them": {
            "operator": [{"name": "tcell", "link": [{"name": "tcell-1", "enabled": False}]}]
        },
    }
    await applied(database, secret_box, cut['Sender "Bank" of client'], dry_run=True)  # nobody used it yet
    await _wait_for(database)
    before = await contents()
    for reason, document in cut.items():
        with pytest.raises(ForceRequired, match=reason.replace('"', '"')):
            await applied(database, secret_box, document)
    assert await contents() == before
    for document in cut.values():
        assert len(await applied(database, secret_box, document, force=True)) == 1


async def test_where_another_operator_can_take_the_queue_no_force_is_needed(
    applies: Applies, database: Database, secret_box: SecretBox
) -> None:
    await applies(RICH)
    await applies({"operator": [{"name": "gone", "enabled": True, "link": [{**LINK, "name": "gone-1"}]}]})
    await _wait_for(database)
    assert await applied(database, secret_box, {"operator": [{"name": "tcell", "enabled": False}]}) == [
        "~ operator tcell: enabled true -> false"
    ]


async def reverted(database: Database, box: SecretBox, version: int, **how: Any) -> Reverted:
    return await revert(database, box, version, author="test", **how)


async def test_a_change_is_taken_back(applies: Applies, database: Database, secret_box: SecretBox) -> None:
    await applies(RICH)
    odd = RICH["client"][0]["name"]
    change = {
        "client": [
            {
                "name": odd,
                "max_parts": 3,
                "default_sms_type": "",
                "senders": ["Bank", "New"],
                "key": [{"key": KEY, "label": "other", "allow_from": []}, {"key": KEY + "3"}],
            }
        ],
        "operator": [{"name": "tcell", "link": [{"name": "tcell-1", "window": 7, "charset_map": {"8": "ucs2"}}]}],
        "route": [{"prefix": "992", "operators": ["gone", "tcell"], "price": "2.5", "enabled": True}],
    }
    before = await export_document(database, BOX)
    await applies(change)
    lines = (await reverted(database, secret_box, 2)).difference.lines()
    assert "~ link tcell-1 of operator tcell: window 7 -> 100" in lines[-2]
    after = await export_document(database, BOX)
    assert after["operator"] == before["operator"]
    assert after["route"] == before["route"]
    was, became = before["client"][0], after["client"][0]
    assert became["sender"] == [{"name": "New", "status": "withdrawn"}, *was["sender"]]
    assert [key.get("revoked", False) for key in became["key"]] == [False, True, True]
    assert {name: value for name, value in became.items() if name not in ("key", "sender")} == {
        name: value for name, value in was.items() if name not in ("key", "sender")
    }
    assert became["key"][:2] == was["key"]


async def test_what_was_changed_again_since_is_not_taken_back_by_mistake(
    applies: Applies, database: Database, secret_box: SecretBox
) -> None:
    for most in (3, 4, 5):
        await applies({"client": [{"name": "plain", "max_parts": most}]})
    with pytest.raises(ChangedMeanwhile, match='The max_parts of client "plain" has been changed since, to 5'):
        await reverted(database, secret_box, 2)
    assert (await reverted(database, secret_box, 2, force=True)).difference.lines() == [
        "~ client plain: max_parts 5 -> 3"
    ]


async def test_everything_since_a_change_is_taken_back(
    applies: Applies, database: Database, secret_box: SecretBox
) -> None:
    await applies({"client": [{"name": "plain"}]})
    before = await export_document(database, BOX)
    for most in (3, 4, 5):
        await applies({"client": [{"name": "plain", "max_parts": most}]})
    await applies({"client": [{"name": "late", "max_parts": 9}]})
    assert (await reverted(database, secret_box, 2, through=True)).difference.lines() == [
        "~ client late: enabled true -> false",
        "~ client plain: max_parts 5 -> 20",
    ]
    assert (await export_document(database, BOX))["client"][1] == before["client"][0]
    with pytest.raises(NotThere, match="There is no change 99"):
        await reverted(database, secret_box, 99)


async def test_what_cannot_be_taken_back_is_said(applies: Applies, database: Database, secret_box: SecretBox) -> None:
    await applies({"operator": [{"name": "tcell", "link": [LINK]}], "client": [{"name": "plain", "api_keys": [KEY]}]})
    await applies({"operator": [{"name": "tcell", "link": [{"name": "tcell-1", "password": "other", "window": 5}]}]})
    await applies({"client": [{"name": "plain", "revoked_keys": [KEY]}]})
    first = await reverted(database, secret_box, 2)
    assert first.left == ("link tcell-1: password changed",)
    assert first.difference.lines() == ["~ link tcell-1 of operator tcell: window 5 -> 100"]
    second = await reverted(database, secret_box, 3)
    assert second.left[0].endswith("revoked")
    assert second.difference.lines() == ["nothing changes"]


async def _pauses(database: Database, count: int) -> None:
    """So many times a customer pauses and resumes: two changes each, written as they are kept."""
    async with database.connection() as connection:
        await connection.execute(
            """
            with moved as (update registry_version set version = version + 2 * $1 returning version)
            insert into registry_change (version, author, difference)
            select version - 2 * $1 + n, 'client:plain', jsonb_build_object('changes', jsonb_build_array(
                jsonb_build_object('sign', case when n % 2 = 1 then '+' else '~' end, 'kind', 'hold',
                                   'name', (1000 + (n + 1) / 2)::text)))
            from moved cross join generate_series(1, 2 * $1) n
            """,
            count,
        )


async def test_changes_of_traffic_are_passed_over_and_what_is_left_of_them_is_said(
    applies: Applies, database: Database, secret_box: SecretBox
) -> None:
    await applies({"client": [{"name": "plain"}]})
    await hold(database, Chosen(client="plain", label="early"), author="test")
    await applies({"client": [{"name": "plain", "max_parts": 3}]})  # change 3
    await hold(database, Chosen(client="plain"), author="test", reason="wrong text")
    await hold(database, Chosen(client="plain", label="short"), author="test")
    for number in (1, 3):
        await release(database, number, author="test")
    await cancel(database, Chosen(client="plain", label="sale"), ReceiptWait(60, 60), author="test")
    await applies({"client": [{"name": "plain", "max_parts": 4}]})
    done = await reverted(database, secret_box, 3, through=True)
    assert done.difference.lines() == ["~ client plain: max_parts 4 -> 20"]
    assert done.left == (
        "hold 2: release it with payk queue release 2",
        "cancel 4: what was deleted stays deleted",
        "hold 1: released, and not held again; payk queue hold does that",
    )


async def test_a_change_of_traffic_alone_is_not_taken_back_and_why_is_said(
    applies: Applies, database: Database, secret_box: SecretBox
) -> None:
    await applies({"client": [{"name": "plain"}]})
    await hold(database, Chosen(client="plain"), author="test")  # change 2
    await cancel(database, Chosen(client="plain", label="sale"), ReceiptWait(60, 60), author="test")  # 3, its end 4
    with pytest.raises(NotToBeTakenBack, match="Change 2 placed hold 1, which stands: release it with payk queue rel"):
        await reverted(database, secret_box, 2)
    await release(database, 1, author="test")
    for version, why in (
        (2, "placed hold 1, which was released since: there is nothing to take back"),
        (3, "is cancel 2, which is over: what it deleted stays deleted"),
        (4, "is the end of a cancel: nothing is to be taken back"),
        (5, "released hold 1, and what it kept may be sent by now: hold back what still waits with payk queue hold"),
    ):
        with pytest.raises(NotToBeTakenBack, match=f"Change {version} {why}"):
            await reverted(database, secret_box, version, force=True)


async def test_changes_of_traffic_do_not_count_against_those_that_are_taken_back_at_once(
    applies: Applies, database: Database, secret_box: SecretBox
) -> None:
    await applies({"client": [{"name": "plain"}]})
    await applies({"client": [{"name": "plain", "max_parts": 3}]})
    await _pauses(database, MOST)
    done = await reverted(database, secret_box, 2, through=True)
    assert done.difference.lines() == ["~ client plain: max_parts 3 -> 20"]
    assert done.left == ()


async def test_a_link_is_taken_back_to_where_it_was_with_its_password_alone(
    applies: Applies, database: Database, secret_box: SecretBox
) -> None:
    await applies({"operator": [{"name": "tcell", "link": [LINK]}]})
    moved = {**LINK, "host": "198.51.100.9", "window": 5}
    await applies({"operator": [{"name": "tcell", "link": [moved]}]})
    with pytest.raises(RegistryFileError, match=r'password: missing, and host of link "tcell-1" would change'):
        await revert(database, secret_box, 2, author="test")
    with pytest.raises(RegistryFileError, match=r'passwords.tcell-2: link "tcell-2" is none of those'):
        await revert(database, secret_box, 2, author="test", passwords={"tcell-2": "secret"})
    with pytest.raises(RegistryFileError, match=r"password: .*write at most 64"):
        await revert(database, secret_box, 2, author="test", passwords={"tcell-1": "x" * 65})
    done = await revert(database, secret_box, 2, author="test", passwords={"tcell-1": "secret"})
    assert done.difference.lines() == [
        "~ link tcell-1 of operator tcell: host 198.51.100.9 -> 127.0.0.1, window 5 -> 100"
    ]


async def test_a_sender_in_use_is_taken_from_operators_of_its_routes_by_force_alone(
    applies: Applies, database: Database, secret_box: SecretBox
) -> None:
    await applies(RICH)
    await applies({"operator": [{"name": "aside"}]})
    odd = RICH["client"][0]["name"]

    def carried_by(*operators: str, sender: str = "Bank") -> dict[str, Any]:
        return {"client": [{"name": odd, "sender": [{"name": sender, "operators": list(operators)}]}]}

    await applied(database, secret_box, carried_by("gone"), dry_run=True)  # nobody used it yet
    await _wait_for(database)
    carry = "is in use, and routes lead its messages to"
    with pytest.raises(ForceRequired, match=f'Sender "Bank" of client .* {carry} "gone", which would not carry it'):
        await applied(database, secret_box, carried_by("tcell", "aside"))
    with pytest.raises(ForceRequired, match=f'{carry} "gone", "tcell", which'):
        await applied(database, secret_box, carried_by("aside"))
    await applied(database, secret_box, carried_by("aside", sender="Shop"))  # which nobody used
    await applied(database, secret_box, carried_by("tcell", "gone"))  # every operator of its routes
    await applied(database, secret_box, carried_by("gone", "tcell", "aside"))  # more of them
    await applied(database, secret_box, carried_by("tcell", "gone"))  # less by one that no route names
    with pytest.raises(ForceRequired):
        await applied(database, secret_box, carried_by("tcell"))
    await applied(database, secret_box, carried_by("tcell"), force=True)
    await applied(database, secret_box, carried_by())
