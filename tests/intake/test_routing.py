"""Which queue a message goes to: by client, sender and type, by weight, and by who carries its sender."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from payk.clock import Clock
from payk.domain.account import Client
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.errors import Code, Field
from payk.domain.message import SmsType
from payk.domain.operator import Link, Operator
from payk.domain.route import Carriers, Route, RouteTable, lists_drawn
from payk.intake import Refused, Request
from payk.intake.checking import Checking
from payk.intake.digests import Digests

BANK = Client(1, "bank", senders={"bank": "Bank", "longersender": "LongerSender"}, default_sms_type=SmsType.OTP)
SHOP = Client(2, "shop", senders={"shop": "Shop"})
OPERATORS = {
    number: Operator(number, name, links=(Link(number, number, name, "127.0.0.1", 1, "x", b"", alnum_max=longest),))
    for number, name, longest in ((1, "tcell", 15), (2, "megafon", 11), (3, "babilon", 15))
}


def checking(routes: Iterable[Route], *clients: Client) -> tuple[Checking, Directory]:
    routes = list(routes)
    restrictions = [allowed for client in clients for allowed in client.sender_operators.values()]
    lists = lists_drawn([Carriers(route.operators, route.weights) for route in routes], restrictions)
    queues = dict(enumerate(sorted({*lists, *(route.operators for route in routes)}), start=1))
    numbers = {operators: queue_id for queue_id, operators in queues.items()}
    placed = [replace(route, queue_id=numbers[route.operators]) for route in routes]
    directory = Directory(1, operators=OPERATORS, routes=RouteTable(placed), queues=queues)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    zone = ZoneInfo("Asia/Dushanbe")
    return Checking(CurrentDirectory(directory), Digests(b"s" * 32), Clock(), lambda: now, zone), directory


def asked(**changes: Any) -> Request:
    whole = Request(phone_number="992900900900", text="text", sender_address="Bank", sms_type=1)
    return replace(whole, **changes)


def operators_of(one: tuple[Checking, Directory], request: Request, client: Client) -> tuple[int, ...]:
    checks, directory = one
    return directory.queues[checks.one(request, client).queue_id]


def refused(one: tuple[Checking, Directory], request: Request, client: Client) -> list[tuple[Code, Field | None, str]]:
    with pytest.raises(Refused) as found:
        one[0].one(request, client)
    return [(rejection.code, rejection.field, rejection.detail) for rejection in found.value.rejections]


def test_client_sender_and_type_decide() -> None:
    one = checking(
        [
            Route(1, "992", (1, 2), 0),
            Route(2, "", (2, 1), 0, client_id=1, sms_type=SmsType.OTP),
            Route(3, "992", (3,), 0, sender="shop"),
        ]
    )
    assert operators_of(one, asked(), BANK) == (1, 2)
    assert operators_of(one, asked(sms_type=2), BANK) == (2, 1)
    assert operators_of(one, asked(sms_type=None), BANK) == (2, 1), "the client's default type counts"
    assert operators_of(one, asked(sender_address="SHOP"), SHOP) == (3,)


def test_where_only_a_condition_leads_to_a_number_others_are_not_routable() -> None:
    one = checking([Route(1, "992", (1,), 0, client_id=1, sms_type=SmsType.OTP)])
    assert operators_of(one, asked(sms_type=2), BANK) == (1,)
    unroutable = (Code.PHONE_NUMBER_NOT_ROUTABLE, Field.PHONE_NUMBER, "No route leads to 992900900900.")
    assert refused(one, asked(sms_type=1), BANK) == [unroutable]
    assert refused(one, asked(text="", sms_type=1), BANK)[0] == unroutable, "the number comes first"
    codes = [code for code, _, _ in refused(one, asked(sender_address="Unknown"), BANK)]
    assert codes == [Code.SENDER_ADDRESS_NOT_ALLOWED], "it is open where it would go"


def test_weights_share_and_the_others_are_fallbacks() -> None:
    one = checking([Route(1, "992", (1, 2, 3), 0, weights=(70, 30, 0))])
    drawn = Counter(operators_of(one, asked(), BANK) for _ in range(1_000))
    assert drawn == {(1, 2, 3): 700, (2, 1, 3): 300}


def test_an_operator_that_does_not_carry_a_sender_whole_gets_no_share_in_it() -> None:
    one = checking([Route(1, "992", (1, 2), 0, weights=(1, 9))])
    assert {operators_of(one, asked(sender_address="LongerSender"), BANK) for _ in range(20)} == {(1, 2)}
    narrow = checking([Route(1, "992", (1, 2), 0, weights=(0, 9))])
    [(code, field, detail)] = refused(narrow, asked(sender_address="LongerSender"), BANK)
    assert (code, field) == (Code.SENDER_ADDRESS_TOO_LONG, Field.SENDER_ADDRESS)
    assert "operator 'megafon'" in detail and "at most 11" in detail


def test_operators_that_do_not_carry_the_sender_are_left_out() -> None:
    bank = replace(BANK, sender_operators={"longersender": frozenset({3, 1}), "bank": frozenset({9})})
    one = checking(
        [Route(1, "992", (2, 3, 1), 0), Route(2, "998", (2,), 0), Route(3, "7", (1, 2, 3), 0, weights=(50, 40, 10))],
        bank,
    )
    assert operators_of(one, asked(sender_address="longersender"), bank) == (3, 1), "and the first of these fits"
    assert refused(one, asked(sender_address="LongerSender", phone_number="998901234567"), bank) == [
        (
            Code.SENDER_ADDRESS_NOT_ALLOWED,
            Field.SENDER_ADDRESS,
            "SenderAddress 'LongerSender' is not allowed at any operator that carries this number (megafon).",
        )
    ]
    assert refused(one, asked(), bank)[0][0] is Code.SENDER_ADDRESS_NOT_ALLOWED
    assert operators_of(one, asked(sender_address="Shop"), SHOP) == (2, 3, 1), "others are not touched"
    drawn = Counter(
        operators_of(one, asked(sender_address="LongerSender", phone_number="79160000000"), bank) for _ in range(60)
    )
    assert drawn == {(1, 3): 50, (3, 1): 10}
