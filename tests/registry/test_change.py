"""Changes: the registry becomes as the file says, once, whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from payk.domain.account import BulkPolicy, UncertainPolicy
from payk.domain.message import SmsType
from payk.domain.operator import AddressKind, BindMode, IdMode, Link, LongText, TlsSettings
from payk.registry.change import apply
from payk.registry.errors import RegistryFileError
from payk.registry.file import read
from payk.registry.follow import load
from payk.registry.secrets import SecretBox
from payk.store.database import Database
from payk.store.errors import StoreRefused

from .conftest import Applies, Contents

KEY = "00000000-0000-4000-8000-000000000001"
OTHER_KEY = "00000000-0000-4000-8000-000000000002"
NEW_LINK = {"host": "127.0.0.1", "port": 2775, "system_id": "payk", "password": "secret"}
WHOLE = {
    "client": [{"name": "demo", "api_keys": [KEY], "senders": ["AlifBank", "AlifSarmoya"], "default_country": "992"}],
    "operator": [{"name": "tcell", "link": [NEW_LINK, {**NEW_LINK, "window": 10, "rate": 30}]}, {"name": "megafon"}],
    "route": [
        {"prefix": "992", "operators": ["tcell", "megafon"]},
        {"prefix": "99290", "operators": ["tcell", "megafon"]},
        {"prefix": "", "operators": ["megafon"], "enabled": False},
    ],
}
ODD_CLIENT = {
    "name": "shop",
    "enabled": False,
    "default_sms_type": "batch",
    "default_country": "7",
    "repeat_window": 60,
    "client_message_id_window": 3600,
    "bulk": "all-or-nothing",
    "max_parts": 3,
    "text_days": 30,
    "uncertain": {"otp": "hold"},
}
ODD_LINK = {
    "name": "odd",
    "enabled": False,
    "host": "::1",
    "port": 3550,
    "system_id": "me",
    "password": "",
    "bind": "transmitter+receiver",
    "binds": 4,
    "window": 7,
    "rate": 12.5,
    "response_timeout": 5,
    "enquire_interval": 60,
    "alnum_max": 11,
    "min_validity": 60,
    "interface_version": 0x50,
    "system_type": "SMPP",
    "address_range": "^992",
    "ton_npi": {"alnum": [0, 5]},
    "charset_map": {"3": "latin1", "0": "gsm", "2": "ucs2"},
    "long_text": "sar",
    "id_mode": "hex-dec",
    "receipt_timezone": "Asia/Dushanbe",
    "text_receipts": True,
    "status_classes": {"0x45": "temporary"},
    "priority_map": {"otp": 3, "batch": 1},
    "uncertain": {"batch": "resend"},
    "tls": {"ca": "/ca.pem", "verify": False},
}


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def problems(error: pytest.ExceptionInfo[RegistryFileError]) -> list[str]:
    return error.value.lines()


async def links_of_tcell(database: Database) -> tuple[Link, ...]:
    operators = (await load(database)).operators.values()
    return next(operator.links for operator in operators if operator.name == "tcell")


async def test_a_whole_file_and_then_the_same_again(
    applies: Applies, database: Database, contents: Contents, secret_box: SecretBox
) -> None:
    assert await applies(WHOLE) == [
        "+ client demo: default_country 992",
        "+ sender AlifBank of client demo",
        "+ sender AlifSarmoya of client demo",
        f"+ api key {digest(KEY).hex()[:8]} of client demo",
        "+ operator tcell",
        "+ link tcell-1 of operator tcell: host 127.0.0.1, port 2775, system_id payk",
        "+ link tcell-2 of operator tcell: host 127.0.0.1, port 2775, system_id payk, window 10, rate 30",
        "+ operator megafon",
        "+ route 992: operators [tcell, megafon]",
        "+ route 99290: operators [tcell, megafon]",
        "+ route of every number: operators [megafon], enabled false",
    ]
    before = await contents()
    assert await applies(WHOLE) == ["nothing changes"]
    assert await contents() == before

    directory = await load(database)
    assert directory.version == 1
    client_id = directory.keys[digest(KEY)].client_id
    client = directory.clients[client_id]
    assert (client.name, client.default_country, client.enabled) == ("demo", "992", True)
    assert client.senders == {"alifbank": "AlifBank", "alifsarmoya": "AlifSarmoya"}
    assert (client.bulk, client.max_parts, client.client_message_id_window) == (BulkPolicy.PARTIAL, 20, 43_200)
    operators = {operator.name: operator for operator in directory.operators.values()}
    tcell, megafon = operators["tcell"], operators["megafon"]
    assert [link.name for link in tcell.links] == ["tcell-1", "tcell-2"]
    assert (tcell.links[1].window, tcell.links[1].rate, tcell.links[0].window) == (10, 30.0, 100)
    assert secret_box.open(tcell.links[0].password) == "secret"
    route = directory.routes.choose("992900900900")
    assert route is not None
    assert route.operators == (tcell.operator_id, megafon.operator_id) == directory.queues[route.queue_id]
    short = directory.routes.choose("992100000000")
    assert short is not None
    assert short.queue_id == route.queue_id
    assert directory.routes.choose("77000000000") is None
    assert len(directory.queues) == 2


async def test_every_option_arrives_where_it_belongs(applies: Applies, database: Database) -> None:
    await applies({"client": [ODD_CLIENT], "operator": [{"name": "tcell", "link": [ODD_LINK]}]})
    directory = await load(database)
    (client,) = directory.clients.values()
    assert client.enabled is False
    assert client.default_sms_type is SmsType.BATCH
    assert (client.default_country, client.repeat_window, client.client_message_id_window) == ("7", 60, 3600)
    assert (client.bulk, client.max_parts, client.text_days) == (BulkPolicy.ALL_OR_NOTHING, 3, 30)
    assert client.uncertain == {SmsType.OTP: UncertainPolicy.HOLD}
    ((link,),) = (operator.links for operator in directory.operators.values())
    assert (link.host, link.port, link.system_id, link.enabled) == ("::1", 3550, "me", False)
    assert (link.bind, link.binds, link.window, link.rate) == (BindMode.PAIR, 4, 7, 12.5)
    assert (link.response_timeout, link.enquire_interval) == (5.0, 60.0)
    assert (link.alnum_max, link.min_validity, link.interface_version) == (11, 60, 0x50)
    assert (link.system_type, link.address_range) == ("SMPP", "^992")
    assert link.ton_npi == {
        AddressKind.ALNUM: (0, 5),
        AddressKind.SHORT: (3, 0),
        AddressKind.INTERNATIONAL: (1, 1),
        AddressKind.NATIONAL: (2, 1),
    }
    assert list(link.charset_map.items()) == [(3, "latin1"), (0, "gsm"), (2, "ucs2")]
    assert (link.long_text, link.id_mode) == (LongText.SAR, IdMode.HEX_DEC)
    assert (link.receipt_timezone, link.text_receipts) == ("Asia/Dushanbe", True)
    assert link.status_classes == {0x45: "temporary"}
    assert link.priority_map == {SmsType.OTP: 3, SmsType.BATCH: 1}
    assert link.uncertain == {SmsType.BATCH: UncertainPolicy.RESEND}
    assert link.tls == TlsSettings(ca="/ca.pem", verify=False)
    assert directory.links() == {}


async def test_what_is_not_written_is_left_alone(applies: Applies) -> None:
    await applies(WHOLE)
    assert await applies({"client": [{"name": "demo", "max_parts": 5}]}) == ["~ client demo: max_parts 20 -> 5"]
    assert await applies({"client": [{"name": "demo", "default_sms_type": 1}, {"name": "second"}]}) == [
        "~ client demo: default_sms_type none -> 1",
        "+ client second",
    ]
    assert await applies({"operator": [{"name": "tcell", "link": [{"window": 10}]}]}) == [
        "~ link tcell-1 of operator tcell: window 100 -> 10"
    ]
    assert await applies({"operator": [{"name": "tcell"}], "client": [{"name": "demo"}]}) == ["nothing changes"]
    assert await applies(WHOLE) == ["nothing changes"]


async def test_a_written_sender_list_is_the_whole_list(applies: Applies, database: Database) -> None:
    await applies({"client": [{"name": "demo", "senders": ["AlifBank", "Old Name"]}]})
    assert await applies({"client": [{"name": "demo", "senders": ["ALIFBANK", "New"]}]}) == [
        "~ sender AlifBank of client demo: name AlifBank -> ALIFBANK",
        "+ sender New of client demo",
        "~ sender Old Name of client demo: status approved -> withdrawn",
    ]
    (client,) = (await load(database)).clients.values()
    assert client.senders == {"alifbank": "ALIFBANK", "new": "New"}
    assert await applies({"client": [{"name": "demo", "senders": ["ALIFBANK", "New", "Old Name"]}]}) == [
        "~ sender Old Name of client demo: status withdrawn -> approved"
    ]
    assert len(await applies({"client": [{"name": "demo", "senders": []}]})) == 3
    (client,) = (await load(database)).clients.values()
    assert client.senders == {}


async def test_a_suspended_client_keeps_its_keys(applies: Applies, database: Database) -> None:
    await applies(WHOLE)
    assert await applies({"client": [{"name": "demo", "enabled": False}]}) == ["~ client demo: enabled true -> false"]
    directory = await load(database)
    assert directory.clients[directory.keys[digest(KEY)].client_id].enabled is False


async def test_keys_are_only_added_and_revoked_by_name(applies: Applies, database: Database) -> None:
    await applies({"client": [{"name": "demo", "api_keys": [KEY]}]})
    await applies({"client": [{"name": "demo", "api_key_sha256": [digest(OTHER_KEY).hex()]}]})
    assert (await load(database)).keys.keys() == {digest(KEY), digest(OTHER_KEY)}
    revoke = {"client": [{"name": "demo", "revoked_keys": [KEY, digest(OTHER_KEY).hex().upper()]}]}
    assert await applies(revoke) == [
        f"~ api key {digest(KEY).hex()[:8]} of client demo: revoked",
        f"~ api key {digest(OTHER_KEY).hex()[:8]} of client demo: revoked",
    ]
    assert (await load(database)).keys == {}
    assert await applies(revoke) == ["nothing changes"]
    with pytest.raises(RegistryFileError) as caught:
        await applies({"client": [{"name": "demo", "api_keys": [KEY]}]})
    assert problems(caught) == [
        "registry.toml: client[0].api_keys[0]: this key was revoked, and that is for good; give the client a new key"
    ]


async def test_a_key_that_was_never_known_stays_closed_once_revoked(applies: Applies, database: Database) -> None:
    revoke = {"client": [{"name": "demo", "revoked_keys": [KEY]}]}
    assert await applies(revoke) == [
        "+ client demo",
        f"+ api key {digest(KEY).hex()[:8]} of client demo: revoked before it was ever known",
    ]
    assert await applies(revoke) == ["nothing changes"]
    assert (await load(database)).keys == {}
    with pytest.raises(RegistryFileError, match="this key was revoked"):
        await applies({"client": [{"name": "demo", "api_keys": [KEY]}]})


async def test_a_key_of_another_client_is_refused(applies: Applies, contents: Contents) -> None:
    await applies({"client": [{"name": "demo", "api_keys": [KEY, OTHER_KEY]}]})
    before = await contents()
    with pytest.raises(RegistryFileError) as caught:
        await applies(
            {
                "client": [
                    {"name": "thief", "api_keys": [KEY]},
                    {"name": "other", "revoked_keys": [OTHER_KEY]},
                ]
            }
        )
    assert problems(caught) == [
        'registry.toml: client[0].api_keys[0]: this key belongs to client "demo"; give each client keys of its own',
        'registry.toml: client[1].revoked_keys[0]: this key belongs to client "demo"; revoke it there',
    ]
    assert await contents() == before


async def test_a_password_changes_without_being_shown(
    applies: Applies, database: Database, secret_box: SecretBox, contents: Contents
) -> None:
    await applies(WHOLE)
    change = {"operator": [{"name": "tcell", "link": [{"password": "another"}]}]}
    assert await applies(change) == ["~ link tcell-1 of operator tcell: password changed"]
    assert await applies(change) == ["nothing changes"]
    (link, _) = await links_of_tcell(database)
    assert secret_box.open(link.password) == "another"
    everything = json.dumps(await contents())
    assert "another" not in everything
    assert "secret" not in everything
    assert KEY not in everything


async def test_a_password_sealed_under_a_lost_key_is_written_anew(applies: Applies, database: Database) -> None:
    await applies(WHOLE)
    other_box = SecretBox(bytes(32))
    file = read({"operator": [{"name": "tcell", "link": [{"password": "secret"}]}]}, "registry.toml", {})
    assert (await apply(database, other_box, file, author="test")).lines() == [
        "~ link tcell-1 of operator tcell: password changed"
    ]
    (link, _) = await links_of_tcell(database)
    assert other_box.open(link.password) == "secret"


async def test_a_route_changes_its_operators(applies: Applies, database: Database) -> None:
    await applies(WHOLE)
    assert await applies({"route": [{"prefix": "992", "operators": ["megafon", "tcell"]}]}) == [
        "~ route 992: operators [tcell, megafon] -> [megafon, tcell]"
    ]
    assert await applies({"route": [{"prefix": "992", "enabled": False}]}) == ["~ route 992: enabled true -> false"]
    directory = await load(database)
    names = {operator.operator_id: operator.name for operator in directory.operators.values()}
    assert sorted([names[number] for number in queue] for queue in directory.queues.values()) == [
        ["megafon"],
        ["megafon", "tcell"],
        ["tcell", "megafon"],
    ]
    assert directory.routes.choose("992100000000") is None


async def test_a_route_may_name_an_operator_that_is_there_already(applies: Applies) -> None:
    await applies({"operator": [{"name": "beeline"}]})
    assert await applies({"route": [{"prefix": "7", "operators": ["beeline"]}]}) == ["+ route 7: operators [beeline]"]
    with pytest.raises(RegistryFileError) as caught:
        await applies(
            {"operator": [{"name": "tele2"}], "route": [{"prefix": "77", "operators": ["tele2", "beelin", "zet"]}]}
        )
    assert problems(caught) == [
        (
            'registry.toml: route[0].operators[1]: operator "beelin" is neither in this file nor in the database;'
            ' did you mean "beeline"?'
        ),
        (
            'registry.toml: route[0].operators[2]: operator "zet" is neither in this file nor in the database;'
            " known here: beeline, tele2"
        ),
    ]


async def test_what_a_new_row_needs(applies: Applies, contents: Contents) -> None:
    before = await contents()
    with pytest.raises(RegistryFileError) as caught:
        await applies(
            {
                "client": [{"name": "demo"}],
                "operator": [{"name": "tcell", "link": [{"host": "a.tj", "system_id": "x"}]}],
                "route": [{"prefix": "992"}],
            }
        )
    needs = "missing; a new link needs host, port, system_id, password"
    assert problems(caught) == [
        f"registry.toml: operator[0].link[0].port: {needs}",
        f"registry.toml: operator[0].link[0].password: {needs}",
        "registry.toml: route[0].operators: missing; a new route needs at least one operator",
    ]
    assert await contents() == before


async def test_a_link_stays_with_its_operator(applies: Applies) -> None:
    await applies(WHOLE)
    with pytest.raises(RegistryFileError) as caught:
        await applies({"operator": [{"name": "megafon", "link": [{**NEW_LINK, "name": "tcell-1"}]}]})
    assert problems(caught) == [
        (
            'registry.toml: operator[0].link[0].name: link "tcell-1" belongs to operator "tcell";'
            " choose another name, or write it below that operator"
        )
    ]


async def test_a_dry_run_tells_and_writes_nothing(applies: Applies, contents: Contents) -> None:
    before = await contents()
    told = await applies(WHOLE, dry_run=True)
    assert await contents() == before
    assert await applies(WHOLE) == told
    assert await applies(WHOLE, dry_run=True) == ["nothing changes"]


async def test_two_changes_at_the_same_instant(applies: Applies, database: Database) -> None:
    told = await asyncio.gather(*(applies(WHOLE) for _ in range(4)))
    assert sorted(lines == ["nothing changes"] for lines in told) == [False, True, True, True]
    more = await asyncio.gather(*(applies({"client": [{"name": f"c{number}"}]}) for number in range(4)))
    assert more == [[f"+ client c{number}"] for number in range(4)]
    assert (await load(database)).version == 5


async def test_a_failure_half_way_takes_everything_back(
    applies: Applies, database: Database, contents: Contents
) -> None:
    async with database.connection() as connection:
        await connection.execute("alter table route add constraint no_992 check (prefix <> '992')")
    before = await contents()
    with pytest.raises(StoreRefused):
        await applies(WHOLE)
    assert await contents() == before
    with pytest.raises(StoreRefused):
        await applies(WHOLE, dry_run=True)
    assert await contents() == before
    async with database.connection() as connection:
        await connection.execute("alter table route drop constraint no_992")
    assert "+ route 992: operators [tcell, megafon]" in await applies(WHOLE)


async def test_every_change_is_kept_with_its_author(applies: Applies, database: Database) -> None:
    await applies(WHOLE, author="first")
    await applies(WHOLE, author="nobody")
    await applies({"operator": [{"name": "tcell", "link": [{"window": 5, "password": "x"}]}]}, author="second")
    async with database.connection() as connection:
        rows = await connection.fetch("select version, author, difference::text from registry_change order by version")
    assert [(row[0], row[1]) for row in rows] == [(1, "first"), (2, "second")]
    assert json.loads(rows[1][2]) == {
        "changes": [
            {
                "sign": "~",
                "kind": "link",
                "of": "operator tcell",
                "name": "tcell-1",
                "fields": {"window": [100, 5]},
                "notes": ["password changed"],
            }
        ]
    }


async def test_names_are_taken_literally(applies: Applies, database: Database) -> None:
    name = "Робита'); drop table client; -- \"{}\\"
    document = {"client": [{"name": name, "senders": ["'\"\\{}"]}], "operator": [{"name": name}]}
    await applies(document)
    assert await applies(document) == ["nothing changes"]
    directory = await load(database)
    (client,) = directory.clients.values()
    assert (client.name, list(client.senders.values())) == (name, ["'\"\\{}"])


@pytest.mark.parametrize(
    ("moved", "named"),
    [
        ({"host": "198.51.100.9"}, "host"),
        ({"port": 2776}, "port"),
        ({"tls": True}, "tls"),
        ({"host": "198.51.100.9", "port": 2776, "window": 5}, "host, port"),
    ],
)
async def test_a_link_goes_elsewhere_only_with_its_password_given_anew(
    applies: Applies, contents: Contents, moved: dict[str, object], named: str
) -> None:
    await applies({"operator": [{"name": "tcell", "link": [{**NEW_LINK, "name": "tcell-1"}]}]})
    before = await contents()
    with pytest.raises(RegistryFileError) as caught:
        await applies({"operator": [{"name": "tcell", "link": [{"name": "tcell-1", **moved}]}]})
    wrong = f'operator[0].link[0].password: missing, and {named} of link "tcell-1" would change'
    assert problems(caught) == [
        f"registry.toml: {wrong}; whoever says where it is sent, and how protected, writes it as well"
    ]
    assert await contents() == before
    for password in ("secret", "another"):
        lines = await applies(
            {"operator": [{"name": "tcell", "link": [{"name": "tcell-1", **moved, "password": password}]}]}
        )
        assert len(lines) == 1


async def test_what_does_not_move_a_link_needs_no_password(applies: Applies) -> None:
    await applies({"operator": [{"name": "tcell", "link": [{**NEW_LINK, "name": "tcell-1", "tls": {"verify": True}}]}]})
    same = {"host": NEW_LINK["host"], "port": NEW_LINK["port"], "tls": True, "window": 5, "enabled": False}
    assert await applies({"operator": [{"name": "tcell", "link": [{"name": "tcell-1", **same}]}]}) == [
        "~ link tcell-1 of operator tcell: window 100 -> 5, enabled true -> false"
    ]


Warnings = Callable[..., Awaitable[tuple[str, ...]]]


@pytest.fixture
def warnings(database: Database, secret_box: SecretBox) -> Warnings:
    """Changes settings of the client "shop"; what that warns of."""

    async def warnings(**client: Any) -> tuple[str, ...]:
        file = read({"client": [{"name": "shop", **client}]}, "registry.toml", {})
        return (await apply(database, secret_box, file, author="test")).warnings

    return warnings


async def test_a_change_of_hours_warns_where_batch_waits_for_those_before(
    database: Database, warnings: Warnings
) -> None:
    assert await warnings(batch_hours="08:00-21:00") == ()
    assert await warnings(batch_hours="09:00-21:00") == (), "nothing waits"
    async with database.connection() as connection:
        await connection.execute(
            "insert into staged (due, message_id, client_id, label_key, queue_id, lane, rank)"
            " select now() + interval '1 hour', client_id, client_id, 0, 1, 4, 1 from client"
        )
    assert await warnings(max_parts=3) == ()
    for hours in ("08:00-21:00", ""):
        [warning] = await warnings(batch_hours=hours)
        assert warning.startswith('"shop": Batch that waits already goes no sooner than by the hours before;')
    assert await warnings(batch_hours="08:00-21:00") == (), "there were none to wait for"


async def test_a_prepaid_client_that_keeps_nothing_for_codes_is_warned_of(warnings: Warnings) -> None:
    assert await warnings() == ()
    [warning] = await warnings(prepaid=True)
    assert warning.startswith('"shop" is prepaid without otp_reserve and otp_overdraft: ')
    assert await warnings(max_parts=3) == (warning,), "also where something else of it is changed"
    assert await warnings(otp_reserve="50") == ()
    assert await warnings(otp_reserve="0", otp_overdraft="10") == ()
