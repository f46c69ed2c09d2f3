"""Routes with conditions, weights and costs, and senders that some operators alone carry: applied and loaded."""

from __future__ import annotations

from typing import Any

import pytest

from payk.domain.message import SmsType
from payk.domain.route import Route
from payk.registry.change import apply
from payk.registry.errors import ForceRequired, RegistryFileError
from payk.registry.export import export_document
from payk.registry.file import read
from payk.registry.follow import load
from payk.registry.reverting import revert
from payk.registry.secrets import SecretBox
from payk.store.database import Database
from payk.store.registry import RouteKey, route_number

from .conftest import BOX, Applies, Contents

PLAIN: dict[str, Any] = {"prefix": "992", "operators": ["tcell", "megafon"]}
OTP_OF_BANK: dict[str, Any] = {
    "prefix": "992",
    "client": "bank",
    "sms_type": "otp",
    "operators": ["megafon", "tcell"],
    "price": "0.2",
}
WHOLE: dict[str, Any] = {
    "client": [
        {
            "name": "bank",
            "senders": ["Bank"],
            "sender": [{"name": "Code", "operators": ["megafon", "babilon"]}],
        },
        {"name": "shop", "senders": ["Shop"]},
    ],
    "operator": [{"name": "tcell"}, {"name": "megafon"}, {"name": "babilon"}],
    "route": [
        PLAIN,
        OTP_OF_BANK,
        {
            "prefix": "",
            "sms_type": "batch",
            "operators": ["tcell", "megafon", "babilon"],
            "weights": {"tcell": 70, "megafon": 30},
        },
        {
            "prefix": "",
            "sender": "Shop",
            "operators": ["tcell", "megafon", "babilon"],
            "order": "price",
            "costs": {"megafon": "0.08", "tcell": "0.1"},
        },
    ],
}


def numbered(found: Route | None, names: dict[int, str]) -> list[str]:
    assert found is not None
    return [names[operator_id] for operator_id in found.operators]


def problems_of(found: pytest.ExceptionInfo[RegistryFileError]) -> list[str]:
    return [f"{problem.path}: {problem.wrong}" for problem in found.value.problems]


async def test_they_are_chosen_as_the_file_says(applies: Applies, database: Database) -> None:
    lines = await applies(WHOLE)
    assert '+ route 992 for client "bank", otp: operators [megafon, tcell], price 2000' in lines
    assert (
        "+ route of every number for batch: operators [tcell, megafon, babilon], weights {tcell = 70, megafon = 30}"
        in lines
    )
    directory = await load(database)
    names = {number: operator.name for number, operator in directory.operators.items()}
    bank, shop = (client for client in directory.clients.values())
    otp = directory.routes.choose("992900900900", bank.client_id, "Bank", SmsType.OTP)
    assert numbered(otp, names) == ["megafon", "tcell"]
    assert otp is not None and otp.price == 2_000 and otp.route_id >= 1_000_000_000
    plain = directory.routes.choose("992900900900", bank.client_id, "Bank", SmsType.COMMON)
    assert numbered(plain, names) == ["tcell", "megafon"]
    batch = directory.routes.choose("992900900900", bank.client_id, "Bank", SmsType.BATCH)
    assert batch is not None and batch.weights == (70, 30, 0)
    cheap = directory.routes.choose("79160000000", shop.client_id, "SHOP", SmsType.COMMON)
    assert numbered(cheap, names) == ["megafon", "tcell", "babilon"], "the cheapest first"
    assert cheap is not None and directory.queues[cheap.queue_id] == cheap.operators
    of_code = {names[operator_id] for operator_id in bank.sender_operators["code"]}
    assert (of_code, bank.sender_operators.keys()) == ({"megafon", "babilon"}, {"code"})
    known = {tuple(names[operator_id] for operator_id in operators) for operators in directory.queues.values()}
    assert known >= {("tcell", "megafon", "babilon"), ("megafon", "tcell", "babilon"), ("megafon", "babilon")}
    assert ("megafon",) in known, "what is left of 992 for the sender Code"


async def test_the_second_run_and_the_export_change_nothing(
    applies: Applies, database: Database, contents: Contents
) -> None:
    await applies(WHOLE)
    before = await contents()
    assert await applies(WHOLE) == ["nothing changes"]
    exported = await export_document(database, BOX)
    assert await applies(exported) == ["nothing changes"]
    assert await contents() == before
    assert {**OTP_OF_BANK, "sms_type": 2} in exported["route"]
    shouted = {"route": [{**WHOLE["route"][3], "sender": "SHOP"}]}
    assert await applies(shouted) == ["nothing changes"], "a sender is the same in any case of letters"


async def test_an_export_makes_the_same_elsewhere(
    applies: Applies, database: Database, contents: Contents, dsn: str
) -> None:
    await applies(WHOLE)
    exported = await export_document(database, BOX)
    async with database.connection() as connection:
        await connection.execute("truncate conditional_route, route, sender, client cascade")
    await applies({**exported, "operator": []})
    again = await export_document(database, BOX)
    assert again["route"] == exported["route"] and again["client"] == exported["client"]


async def test_taking_them_back(applies: Applies, database: Database, secret_box: SecretBox) -> None:
    await applies({**WHOLE, "route": [PLAIN]})
    await applies({"route": [OTP_OF_BANK]})
    changed = {**OTP_OF_BANK, "operators": ["tcell"], "weights": {"tcell": 1}}
    await applies({"route": [changed], "client": [{"name": "bank", "sender": [{"name": "Code", "operators": []}]}]})
    done = await revert(database, secret_box, 3, author="test")
    assert sorted(done.difference.lines()) == [
        '~ route 992 for client "bank", otp: operators [tcell] -> [megafon, tcell], weights {tcell = 1} -> {}',
        "~ sender Code of client bank: operators [] -> [megafon, babilon]",
    ]
    done = await revert(database, secret_box, 2, author="test")
    assert done.difference.lines() == ['~ route 992 for client "bank", otp: enabled true -> false']
    exported = await export_document(database, BOX)
    assert [route.get("enabled", True) for route in exported["route"]] == [True, False]


async def test_the_last_route_of_any_kind_is_disabled_by_force_only(
    applies: Applies, database: Database, secret_box: SecretBox
) -> None:
    await applies({**WHOLE, "route": [PLAIN, OTP_OF_BANK]})

    async def disabled(*routes: dict[str, Any], force: bool = False) -> list[str]:
        file = read({"route": [{**route, "enabled": False} for route in routes]}, "f", {})
        return (await apply(database, secret_box, file, author="test", force=force)).lines()

    assert await disabled(PLAIN)
    with pytest.raises(ForceRequired):
        await disabled(OTP_OF_BANK)
    assert await disabled(OTP_OF_BANK, force=True)
    await applies({"route": [{**PLAIN, "enabled": True}, {**OTP_OF_BANK, "enabled": True}]})
    with pytest.raises(ForceRequired):
        await disabled(PLAIN, OTP_OF_BANK)
    assert await disabled(OTP_OF_BANK)
    with pytest.raises(ForceRequired):
        await disabled(PLAIN)


async def test_a_route_is_found_by_all_that_it_matches(applies: Applies, database: Database) -> None:
    await applies(WHOLE)
    assert 0 < await route_number(database, RouteKey("992")) < 1_000_000_000
    assert await route_number(database, RouteKey("992", "bank", None, 2)) >= 1_000_000_000
    assert await route_number(database, RouteKey("", None, "sHOP")) >= 1_000_000_000
    for key in (RouteKey(""), RouteKey("992", "bank"), RouteKey("992", "shop", None, 2), RouteKey("", "bank", "Shop")):
        assert await route_number(database, key) == 0, key


async def test_what_a_file_may_not_say(applies: Applies) -> None:
    with pytest.raises(RegistryFileError) as found:
        await applies({**WHOLE, "route": [OTP_OF_BANK, {**OTP_OF_BANK, "sms_type": 2}, PLAIN, PLAIN]})
    assert problems_of(found) == [
        'route[1].prefix: a route 992 for client "bank", otp is already at route[0]',
        'route[3].prefix: a route with prefix "992" is already at route[2]',
    ]
    with pytest.raises(RegistryFileError) as found:
        await applies(
            {"route": [{**PLAIN, "client": 1}, {**PLAIN, "sender": "much too long a sender"}, {**PLAIN, "order": "x"}]}
        )
    assert [problem.path for problem in found.value.problems] == [
        "route[0].client",
        "route[1].sender",
        "route[2].order",
    ]
    both = {"weights": {"tcell": 1}, "order": "price", "costs": {"tcell": "1"}}
    with pytest.raises(RegistryFileError) as found:
        await applies(
            {
                "client": [{"name": "bank", "sender": [{"name": "Code", "operators": ["tsell"]}]}],
                "operator": [{"name": "tcell"}],
                "route": [
                    {"prefix": "1", "operators": ["tcell"], "client": "nobody"},
                    {"prefix": "2", "operators": ["tcell"], "weights": {"tcell": 0}},
                    {"prefix": "3", "operators": ["tcell"], "weights": {"megafon": 1}},
                    {"prefix": "4", "operators": ["tcell"], "order": "price"},
                    {"prefix": "5", "operators": ["tcell"], **both},
                ],
            }
        )
    assert problems_of(found) == [
        'client[0].sender[0].operators[0]: operator "tsell" is neither in this file nor in the database',
        'route[0].client: client "nobody" is neither in this file nor in the database',
        "route[1].weights: no operator gets a share",
        'route[2].weights: operator "megafon" is none of this route',
        "route[3].costs: no cost is known to order by",
        "route[4].order: there are weights as well",
    ]


async def test_queues_that_a_change_of_the_version_before_needs_are_made_at_the_load(
    applies: Applies, database: Database
) -> None:
    """It knows nothing of senders that some operators alone carry."""
    await applies({**WHOLE, "route": []})
    async with database.connection() as connection:
        await connection.execute("delete from queue")
        numbers = {row[0]: row[1] for row in await connection.fetch("select name, operator_id from operator")}
        operators = [numbers["tcell"], numbers["babilon"], numbers["megafon"]]
        await connection.execute(
            "with q as (insert into queue (operators) values ($1) returning queue_id)"
            " insert into route (prefix, queue_id) select '992', queue_id from q",
            operators,
        )
    directory = await load(database)
    assert (numbers["babilon"], numbers["megafon"]) in directory.queues.values()
    assert (await load(database)).queues == directory.queues
