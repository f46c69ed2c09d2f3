"""What is said of routes is what is done."""

from __future__ import annotations

from dataclasses import replace

from payk.domain.account import Client
from payk.domain.directory import Directory
from payk.domain.message import SmsType
from payk.domain.operator import Link, Operator
from payk.domain.route import Route, RouteTable
from payk.domain.route_explanation import Asked, explain

BANK = Client(1, "bank", senders={"bank": "Bank"}, sender_operators={"bank": frozenset({2, 3})})
SHOP = Client(2, "shop")


def operator(number: int, name: str, **more: object) -> Operator:
    link = Link(number, number, f"{name}-1", "127.0.0.1", 2775, "x", b"", alnum_max=11)
    return replace(Operator(number, name, links=(link,)), **more)  # type: ignore[arg-type]


DIRECTORY = Directory(
    clients={1: BANK, 2: SHOP},
    operators={1: operator(1, "tcell"), 2: operator(2, "megafon"), 3: operator(3, "babilon", draining=True)},
    routes=RouteTable(
        [
            Route(1, "", (1,), 1),
            Route(2, "992", (1, 2), 2),
            Route(3, "998", (2,), 3),
            Route(4, "992", (1, 2, 3), 4, client_id=1, sms_type=SmsType.OTP, weights=(60, 30, 10)),
            Route(5, "9929", (1,), 1, client_id=1, enabled=False),
            Route(6, "992", (1,), 1, client_id=2),
            Route(7, "99290", (1,), 1, sender="bank"),
            Route(8, "99", (2,), 3, client_id=1, sms_type=SmsType.OTP),
        ]
    ),
)
PHONE = "992900000001"


def test_the_winner_and_why_every_other_one_lost() -> None:
    found = explain(DIRECTORY, Asked(PHONE, BANK, "BANK", SmsType.OTP))
    assert found.winner is not None
    assert [(judged.route.route_id, judged.wins, judged.why) for judged in found.routes] == [
        (4, True, "It fits, and names the client and the type; of the routes that do so its prefix is the longest."),
        (8, False, "It fits, but the winner has the longer prefix."),
        (7, False, "It fits, but the winner names the client."),
        (2, False, "It fits, but the winner names the client."),
        (1, False, "It fits, but the winner names the client."),
        (5, False, "It is disabled."),
        (6, False, "It is for client shop alone."),
    ]


def test_what_was_not_said_fits_only_what_is_for_all() -> None:
    found = explain(DIRECTORY, Asked(PHONE))
    assert [judged.route.route_id for judged in found.routes if judged.wins] == [2]
    whys = {judged.route.route_id: judged.why for judged in found.routes}
    assert whys[2] == "No route with conditions fits, and of the others that fit its prefix is the longest."
    assert whys[4] == "It is for client bank alone, and no client was named."
    assert whys[7] == "It is for sender bank alone, and no sender was named."
    of_type = explain(DIRECTORY, Asked(PHONE, BANK, None, SmsType.BATCH))
    assert "It is for type otp alone." in {judged.why for judged in of_type.routes}


def test_the_operators_in_the_order_in_which_they_are_tried() -> None:
    found = explain(DIRECTORY, Asked(PHONE, BANK, "Bank", SmsType.OTP))
    assert [(row.operator.name, row.weight, row.carries, row.why) for row in found.operators] == [
        ("megafon", 30, True, "It has the share 30."),
        ("babilon", 10, False, "It is being drained."),
        ("tcell", 0, False, "It is left out: sender Bank is not allowed there."),
    ]
    too_long = explain(DIRECTORY, Asked(PHONE, SHOP, "ShopOfTheTown", SmsType.OTP)).operators
    assert (too_long[0].carries, too_long[0].why) == (
        False,
        "It carries alphanumeric senders of 11 characters at most.",
    )


def test_a_number_without_a_route() -> None:
    found = explain(replace(DIRECTORY, routes=RouteTable([])), Asked(PHONE))
    assert (found.winner, found.routes, found.operators) == (None, (), ())
    none_fits = explain(replace(DIRECTORY, routes=RouteTable([Route(1, "", (1,), 1, client_id=1)])), Asked(PHONE, SHOP))
    assert none_fits.winner is None
    assert [judged.why for judged in none_fits.routes] == ["It is for client bank alone."]
