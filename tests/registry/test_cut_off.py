"""What would cut off traffic that runs is refused, whichever way it is written; and what would not is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payk.domain.message import Priority, SmsType
from payk.registry.change import apply
from payk.registry.errors import ForceRequired
from payk.registry.file import read
from payk.registry.secrets import SecretBox
from payk.registry.traffic import drain, resume
from payk.store.accept import NewMessage, insert_messages
from payk.store.database import Database
from payk.store.report_folding import drop_empty, fold

LINK = {"host": "127.0.0.1", "port": 2775, "system_id": "payk", "password": "secret"}
TWO: dict[str, Any] = {
    "client": [{"name": "bank", "senders": ["Codes", "Sale"]}, {"name": "shop", "senders": ["Shop"]}],
    "operator": [{"name": name, "link": [{**LINK, "name": f"{name}-1"}]} for name in ("tcell", "megafon")],
    "route": [{"prefix": "", "operators": ["tcell", "megafon"]}],
}


async def folded(database: Database) -> None:
    while await fold(database):
        pass


class Centre:
    """A registry with messages, and changes of it."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self.database, self.box = database, box

    async def applied(self, document: dict[str, Any], **how: Any) -> list[str]:
        return (await apply(self.database, self.box, read(document, "f", {}), author="test", **how)).lines()

    async def refused(self, document: dict[str, Any], *reasons: str) -> None:
        """It is refused for these reasons, tried or done, and done by force."""
        for dry_run in (True, False):
            with pytest.raises(ForceRequired) as refusal:
                await self.applied(document, dry_run=dry_run)
            assert refusal.value.reasons == reasons
        assert await self.applied(document, force=True, dry_run=True)

    async def takes(
        self, count: int = 1, sender: str = "Codes", *, client: str = "bank", phone: str = "992900000001", **fields: Any
    ) -> None:
        """Messages come."""
        async with self.database.connection() as connection:
            client_id = await connection.fetchval("select client_id from client where name = $1", client)
            queue_id = await connection.fetchval("select queue_id from route order by prefix limit 1")
        message = NewMessage(client_id, phone, sender, "x", SmsType.COMMON, Priority.NORMAL, queue_id, 1, **fields)
        for _ in range(0, count, 1000):
            await insert_messages(self.database, [message] * min(count, 1000), timeout=20)


@pytest.fixture
async def centre(database: Database, secret_box: SecretBox) -> Centre:
    it = Centre(database, secret_box)
    await it.applied(TWO)
    return it


def of_bank(**sender: Any) -> dict[str, Any]:
    return {"client": [{"name": "bank", "sender": [{"name": "Codes", **sender}]}]}


def in_use(name: str) -> str:
    return f'Sender "{name}" of client "bank" is in use: messages came with it in the last 24 hours.'


def waits_for(name: str) -> str:
    return f'Messages wait for operator "{name}", or are scheduled, and no other one could take them.'


CARRIES_NOTHING = "No route would be left that carries anything: every message would wait."


def enabled(name: str, value: bool = False) -> dict[str, Any]:
    return {"operator": [{"name": name, "enabled": value}]}


def moment(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


async def test_an_approval_that_ends_in_the_past_is_a_sender_withdrawn(centre: Centre) -> None:
    await centre.takes()
    await centre.refused(of_bank(expires_at=moment(-1)), in_use("Codes"))
    await centre.applied(of_bank(expires_at=moment(1)))
    await centre.applied(of_bank(expires_at=moment(-1)), force=True)
    await centre.applied(of_bank(status="withdrawn"))  # nothing of it was in force
    await centre.applied(of_bank(status="approved"))  # nor is now
    await centre.applied(of_bank(operators=["megafon"]))


async def test_an_operator_that_is_drained_or_whose_links_are_does_not_take_what_another_leaves(centre: Centre) -> None:
    await centre.takes()
    megafon: list[dict[str, Any]] = [
        {"draining": True},
        {"link": [{"name": "megafon-1", "draining": True}]},
        {"link": [{"name": "megafon-1", "enabled": False}]},
    ]
    for out in megafon:
        await centre.applied({"operator": [{"name": "megafon", **out}]})
        await centre.refused(enabled("tcell"), CARRIES_NOTHING, waits_for("tcell"))
        await centre.refused(
            {"operator": [{"name": "tcell", "link": [{"name": "tcell-1", "enabled": False}]}]},
            CARRIES_NOTHING,
            waits_for("tcell"),
        )
        back = {"draining": False, "link": [{"name": "megafon-1", "draining": False, "enabled": True}]}
        await centre.applied({"operator": [{"name": "megafon", **back}]})
    await centre.applied(enabled("tcell"))
    await centre.refused(enabled("megafon"), CARRIES_NOTHING, waits_for("megafon"))


async def test_both_at_once_are_one_too_many_and_a_third_that_comes_with_it_is_enough(centre: Centre) -> None:
    await centre.takes()
    both = {"operator": [*enabled("tcell")["operator"], {"name": "megafon", "draining": True}]}
    await centre.refused(both, CARRIES_NOTHING, waits_for("megafon"), waits_for("tcell"))
    new = {"name": "megafon-2", **LINK}
    with_a_link = {"name": "megafon", "link": [{"name": "megafon-1", "enabled": False}, new]}
    await centre.applied({"operator": [*enabled("tcell")["operator"], with_a_link]})


async def test_what_is_scheduled_for_an_operator_keeps_it(centre: Centre) -> None:
    await centre.applied({"route": [{"prefix": "", "operators": ["tcell"]}]})
    await centre.takes(5, scheduled_at=datetime.now(UTC) + timedelta(hours=5))
    await centre.refused(enabled("tcell"), CARRIES_NOTHING, waits_for("tcell"))
    await centre.applied(enabled("megafon"))


async def test_a_drain_that_strands_what_waits_says_so(centre: Centre) -> None:
    database, box = centre.database, centre.box
    await drain(database, box, operator="megafon", author="test")  # nothing waits
    await centre.takes()
    for what in ({"operator": "tcell"}, {"link": "tcell-1"}):
        with pytest.raises(ForceRequired) as refusal:
            await drain(database, box, author="test", **what)
        assert refusal.value.reasons == (CARRIES_NOTHING, waits_for("tcell"))
        assert await drain(database, box, author="test", force=True, **what)
        await resume(database, box, author="test", **what)
    await resume(database, box, operator="megafon", author="test")
    assert await drain(database, box, operator="tcell", author="test")  # the next of the route carries
    await centre.applied(enabled("tcell"))  # which leaves nobody without an operator either


async def test_what_carries_nothing_any_more_is_drained_without_force(centre: Centre) -> None:
    await centre.applied({"route": [{"prefix": "", "operators": ["tcell"]}]})
    await centre.takes()
    link, operator = {"link": "tcell-1"}, {"operator": "tcell"}
    await drain(centre.database, centre.box, author="test", force=True, **link)
    assert await drain(centre.database, centre.box, author="test", **operator)
    await resume(centre.database, centre.box, author="test", **link)
    assert await drain(centre.database, centre.box, author="test", **link)  # its operator is
    await resume(centre.database, centre.box, author="test", **operator)
    assert await centre.applied(enabled("tcell"))
    both = {"operator": [{"name": "tcell", "draining": True, "link": [{"name": "tcell-1", "draining": True}]}]}
    back = {"operator": [{"name": "tcell", "enabled": True, "link": [{"name": "tcell-1", "draining": False}]}]}
    await centre.applied(back)
    await centre.refused(both, CARRIES_NOTHING, waits_for("tcell"))


def no_route(*clients: str) -> str:
    names = ", ".join(f'"{name}"' for name in clients)
    return f"No route would be left for messages as they came in the last 24 hours, of {names}."


async def test_a_route_that_others_stand_beside_is_kept_for_those_they_do_not_match(centre: Centre) -> None:
    whole = {"route": [{"prefix": "", "enabled": False}]}
    beside = [{"prefix": "992", "client": "bank"}, {"prefix": "7"}, {"prefix": "", "sender": "Sale"}]
    await centre.applied({"route": [{**route, "operators": ["tcell"]} for route in beside]})
    await centre.takes(3, phone="992900000001")
    await centre.takes(3, "Shop", client="shop", phone="79160000001")
    await centre.takes(3, "Sale", phone="48500000001")
    await centre.applied(whole, dry_run=True)  # each has another one
    await centre.takes(phone="48500000002")
    await centre.refused(whole, no_route("bank"))
    await centre.takes(1, "Shop", client="shop")
    await centre.refused(whole, no_route("bank", "shop"))
    await centre.applied({"route": [*whole["route"], *({"prefix": p, "operators": ["tcell"]} for p in ("992", "48"))]})


async def test_counts_know_those_whom_no_route_is_left_for_beyond_the_newest_messages(centre: Centre) -> None:
    await centre.applied({"route": [{"prefix": "", "client": "bank", "operators": ["tcell"]}]})
    await centre.takes(1, "Shop", client="shop")
    await centre.takes(10_000, "Sale")
    await centre.refused({"route": [{"prefix": "", "enabled": False}]}, no_route("shop"))
    await folded(centre.database)
    await centre.refused({"route": [{"prefix": "", "enabled": False}]}, no_route("shop"))


async def test_a_route_that_nobody_needs_goes_without_force(centre: Centre) -> None:
    await centre.applied({"route": [{"prefix": "7", "operators": ["tcell"]}]})
    await centre.takes()
    await centre.applied({"route": [{"prefix": "7", "enabled": False}]})
    await centre.refused(
        {"route": [{"prefix": "", "enabled": False}]}, "No route would be left: every message would be refused."
    )


async def test_a_sender_is_in_use_whatever_came_after_its_messages(centre: Centre) -> None:
    await centre.takes()
    await centre.takes(10_000, "Sale")
    withdrawn = of_bank(name="CODES", status="withdrawn")
    await centre.refused(withdrawn, in_use("CODES"))
    await folded(centre.database)
    await centre.takes(1, "Shop", client="shop")
    await centre.refused(withdrawn, in_use("CODES"))
    await centre.applied({"client": [{"name": "shop", "senders": ["Shop", "Codes"]}]})
    await centre.applied({"client": [{"name": "shop", "senders": ["Shop"]}]})  # that of another client


@pytest.mark.parametrize("folds", [False, True])
async def test_a_sender_that_was_used_a_day_ago_is_not_in_use(centre: Centre, folds: bool) -> None:
    await centre.takes()
    for hours, used in ((23.9, True), (24.3, False)):
        async with centre.database.connection() as connection:
            await connection.execute(
                "update message set accepted_at = now() - make_interval(mins => $1)", int(hours * 60)
            )
        if folds:
            await folded(centre.database)
            await drop_empty(centre.database, timedelta(hours=-1))
        if used:
            await centre.refused(of_bank(status="withdrawn"), in_use("Codes"))
        else:
            await centre.applied(of_bank(status="withdrawn"))


def not_carried(*clients: str) -> str:
    return no_route(*clients).replace("left for", "left that carries")


async def sent(database: Database) -> None:
    """Nothing waits any more."""
    async with database.connection() as connection:
        await connection.execute("delete from waiting")


async def test_the_only_operator_is_kept_whether_or_not_anything_waits_for_it(centre: Centre) -> None:
    await centre.applied({"route": [{"prefix": "", "operators": ["tcell"]}]})
    await centre.takes()
    await sent(centre.database)
    out: list[dict[str, Any]] = [
        enabled("tcell"),
        {"operator": [{"name": "tcell", "draining": True}]},
        {"operator": [{"name": "tcell", "link": [{"name": "tcell-1", "enabled": False}]}]},
    ]
    for document in out:
        await centre.refused(document, CARRIES_NOTHING)
    await centre.applied({"route": [{"prefix": "", "operators": ["tcell", "megafon"]}]})
    for document in out:
        await centre.applied(document, dry_run=True)  # the other one carries


async def test_the_last_route_is_not_given_to_operators_that_do_not_carry(centre: Centre) -> None:
    await centre.applied({"operator": [{"name": "dead", "enabled": False}, {"name": "bare"}]})
    for name in ("dead", "bare"):
        await centre.refused({"route": [{"prefix": "", "operators": [name]}]}, CARRIES_NOTHING)
    await centre.applied({"route": [{"prefix": "", "operators": ["dead", "tcell"]}]})
    await centre.applied({"route": [{"prefix": "", "operators": ["bare"]}]}, force=True)
    await centre.applied({"route": [{"prefix": "", "operators": ["dead"]}]})  # nothing was carried before either
    await centre.applied(enabled("tcell"))


async def test_a_route_that_wins_is_not_left_for_one_that_carries(centre: Centre) -> None:
    away = enabled("tcell")
    routes = [{"prefix": "", "operators": ["megafon"]}, {"prefix": "992", "operators": ["tcell"]}]
    await centre.applied({"route": routes})
    await centre.applied(away, dry_run=True)  # nobody sent anything
    await centre.takes(phone="79160000001")
    await sent(centre.database)
    await centre.applied(away, dry_run=True)
    await centre.takes()
    await sent(centre.database)
    await centre.refused(away, not_carried("bank"))
    await centre.refused({"route": [{"prefix": "992", "operators": ["gone"]}], **gone()}, not_carried("bank"))
    await centre.applied({**away, "route": [{"prefix": "992", "enabled": False}]})  # the other one takes them
    await centre.applied({"route": [{"prefix": "992", "client": "bank", "operators": ["megafon"]}]})


async def test_a_route_that_is_disabled_is_no_way_for_those_whom_another_one_would_keep_waiting(centre: Centre) -> None:
    await centre.applied({"operator": [{"name": "bare"}], "route": [{"prefix": "9929", "operators": ["tcell"]}]})
    await centre.applied({"route": [{"prefix": "992", "operators": ["bare"]}]})
    await centre.takes()
    await centre.refused({"route": [{"prefix": "9929", "enabled": False}]}, no_route("bank"))


def gone() -> dict[str, Any]:
    return {"operator": [{"name": "gone", "enabled": False}]}
