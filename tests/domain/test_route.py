"""Route choice: conditions, then the longest prefix; and the operators of what wins."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.domain.message import SmsType
from payk.domain.route import Carriers, Route, RouteTable, by_cost, kept_by, lists_drawn, ranked_by_weight

TABLE = RouteTable(
    [
        Route(1, "992", (1, 2), 10),
        Route(2, "99290", (2,), 20),
        Route(3, "992901234567", (3,), 30),
        Route(4, "998", (4,), 40),
        Route(5, "9989", (5,), 50, enabled=False),
    ]
)


@pytest.mark.parametrize(
    ("phone", "route_id"),
    [
        ("992920000001", 1),
        ("992900000001", 2),
        ("992901234567", 3),
        ("992901234568", 2),
        ("998901234567", 4),  # the longer prefix is switched off
        ("79160000000", None),
        ("99", None),  # shorter than every prefix
        ("", None),
    ],
)
def test_the_longest_prefix_wins(phone: str, route_id: int | None) -> None:
    route = TABLE.choose(phone)
    assert (route and route.route_id) == route_id


def test_the_empty_prefix_is_for_all_others() -> None:
    table = RouteTable([Route(1, "", (1,), 1), Route(2, "992", (2,), 2)])
    assert [table.choose(phone).route_id for phone in ("79160000000", "992900000001")] == [1, 2]  # type: ignore[union-attr]


def test_without_routes_nothing_is_routable() -> None:
    assert RouteTable(()).choose("992900000001") is None


@given(st.sets(st.text("0129", max_size=5)), st.text("0129", max_size=8))
def test_every_number_goes_by_the_longest_of_its_prefixes(prefixes: set[str], phone: str) -> None:
    table = RouteTable(Route(number, prefix, (1,), 1) for number, prefix in enumerate(sorted(prefixes)))
    fitting = [prefix for prefix in prefixes if phone.startswith(prefix)]
    route = table.choose(phone)
    assert (route.prefix if route else None) == max(fitting, key=len, default=None)


# ---------------------------------------------------------------------------------------------------------- conditions

CLIENT_IDS, SENDERS, PREFIXES = (1, 2), ("bank", "shop"), ("", "9", "99", "98", "992")
ROUTES = st.builds(
    Route,
    st.just(0),
    st.sampled_from(PREFIXES),
    st.just((1,)),
    st.just(1),
    enabled=st.sampled_from((True, True, True, False)),
    client_id=st.sampled_from((None, *CLIENT_IDS)),
    sender=st.sampled_from((None, *SENDERS)),
    sms_type=st.sampled_from((None, *SmsType)),
)


def oracle(routes: list[Route], phone: str, client_id: int, sender: str, sms_type: SmsType) -> int | None:
    """The rule as the documentation says it, one sentence after the other."""
    fitting = [route for route in routes if route.enabled and phone.startswith(route.prefix)]
    for value, name in ((client_id, "client_id"), (sender.lower(), "sender"), (sms_type, "sms_type")):
        fitting = [route for route in fitting if getattr(route, name) in (None, value)]
    for name in ("client_id", "sender", "sms_type"):
        naming = [route for route in fitting if getattr(route, name) is not None]
        fitting = naming or fitting
    return max(fitting, key=lambda route: len(route.prefix)).route_id if fitting else None


@given(
    st.lists(ROUTES, max_size=12, unique_by=lambda route: (route.prefix, route.conditions)),
    st.sampled_from(("992", "981", "9", "1", "99")),
    st.sampled_from((*CLIENT_IDS, 3)),
    st.sampled_from((*SENDERS, "Bank", "Other")),
    st.sampled_from(SmsType),
)
def test_the_rule_that_the_documentation_says_wins(
    shapes: list[Route], phone: str, client_id: int, sender: str, sms_type: SmsType
) -> None:
    routes = [replace(route, route_id=number) for number, route in enumerate(shapes, start=1)]
    table = RouteTable(routes)
    found = table.choose(phone, client_id, sender, sms_type)
    assert (found and found.route_id) == oracle(routes, phone, client_id, sender, sms_type)
    assert table.conditional is any(route.enabled and route.conditions != (None, None, None) for route in routes)


@given(
    st.lists(ROUTES, max_size=40, unique_by=lambda route: (route.prefix, route.conditions)),
    st.lists(st.frozensets(st.integers(1, 45)), min_size=1, max_size=3),
    st.sampled_from(("992", "981", "9")),
    st.sampled_from((*CLIENT_IDS, 3)),
    st.sampled_from((*SENDERS, "Other")),
    st.sampled_from(SmsType),
)
def test_a_table_without_some_routes_is_as_if_they_had_been_disabled(
    shapes: list[Route], taken: list[frozenset[int]], phone: str, client_id: int, sender: str, sms_type: SmsType
) -> None:
    routes = [replace(route, route_id=number) for number, route in enumerate(shapes, start=1)]
    table = before = RouteTable(routes)
    for route_ids in taken:
        table = table.without(route_ids)
    gone = frozenset().union(*taken)
    left = [replace(route, enabled=route.enabled and route.route_id not in gone) for route in routes]
    assert [*table] == left
    found = table.choose(phone, client_id, sender, sms_type)
    assert (found and found.route_id) == oracle(left, phone, client_id, sender, sms_type)
    assert [*before] == routes
    found = before.choose(phone, client_id, sender, sms_type)
    assert (found and found.route_id) == oracle(routes, phone, client_id, sender, sms_type)


def test_of_half_a_million_routes_a_few_are_left_out_without_a_table_of_its_own() -> None:
    routes = [Route(number, str(10_000_000 + number), (1,), 1) for number in range(1, 500_001)]
    beside = [Route(10**9 + number, "992", (1,), 1, client_id=number) for number in range(1, 100_001)]
    began = process_time()
    table = RouteTable([*routes, *beside])
    whole = process_time() - began
    began = process_time()
    less = table.without({7, 10**9 + 7})
    assert process_time() - began < whole / 4  # measured: a fifteenth
    assert less.choose("10000007") is None and less.choose("992900000001", 7) is None
    assert less.choose("10000008") is not None and less.choose("992900000001", 8) is not None


def test_what_a_route_names_counts_before_how_long_its_prefix_is() -> None:
    table = RouteTable(
        [
            Route(1, "992900", (1,), 1),
            Route(2, "99290", (1,), 1, sms_type=SmsType.OTP),
            Route(3, "9929", (1,), 1, sender="bank", sms_type=SmsType.OTP),
            Route(4, "992", (1,), 1, client_id=1),
            Route(5, "", (1,), 1, client_id=1, sms_type=SmsType.OTP),
        ]
    )

    def chosen(client_id: int, sender: str, sms_type: SmsType) -> int | None:
        route = table.choose("992900000001", client_id, sender, sms_type)
        return route and route.route_id

    assert chosen(1, "Bank", SmsType.OTP) == 5
    assert chosen(1, "Bank", SmsType.BATCH) == 4
    assert chosen(2, "Bank", SmsType.OTP) == 3
    assert chosen(2, "Shop", SmsType.OTP) == 2
    assert chosen(2, "Bank", SmsType.COMMON) == 1


# ------------------------------------------------------------------------------------------------ the list of operators


def test_the_cheapest_come_first_and_those_without_a_cost_last() -> None:
    assert by_cost((1, 2, 3, 4), {2: 800, 4: 100, 3: 800}) == (4, 2, 3, 1)
    assert by_cost((3, 1, 2), {}) == (3, 1, 2)


def test_a_drawn_operator_is_followed_by_the_others_by_weight() -> None:
    assert ranked_by_weight(2, (1, 2, 3, 4), (10, 20, 0, 70)) == (2, 4, 1, 3)


OPERATORS = st.permutations((1, 2, 3, 4)).flatmap(lambda ids: st.integers(1, 4).map(lambda n: tuple(ids[:n])))
ALLOWED = st.frozensets(st.sampled_from((1, 2, 3, 4, 5)), min_size=1)


@given(OPERATORS, st.lists(st.integers(0, 3), min_size=4, max_size=4), ALLOWED, st.lists(ALLOWED, max_size=3))
def test_every_list_that_a_message_may_get_is_known_before(
    operators: tuple[int, ...], weights: list[int], allowed: frozenset[int], others: list[frozenset[int]]
) -> None:
    shares = tuple(weights[: len(operators)]) if any(weights[: len(operators)]) else ()
    whole = Carriers(operators, shares)
    known = lists_drawn([whole], [allowed, *others])
    for left in (whole, kept_by(whole, allowed)):
        drawn = [operator_id for operator_id, weight in zip(*left, strict=False) if weight]
        assert {ranked_by_weight(operator_id, *left) for operator_id in drawn} <= known
        assert left.operators == () or drawn or left.operators in known
        assert set(left.operators) <= set(operators)
    assert all(set(found) <= set(operators) and len(found) == len(set(found)) for found in known)
    assert () not in known


@pytest.mark.parametrize("count", [1, 4, 5, 12])
def test_few_rules_of_a_client_choose_as_many_do(count: int) -> None:
    """Whether they are gone through or looked up, of those that fit the one with the highest precedence wins."""
    every = [
        Route(number, prefix, (1,), 1, client_id=7, sender=sender, sms_type=sms_type)
        for number, (prefix, sender, sms_type) in enumerate(
            product(("", "992", "99290"), (None, "bank"), (None, SmsType.OTP)), start=1
        )
    ]
    routes = [*every[-count:], Route(99, "", (1,), 1)]
    table = RouteTable(routes)
    for phone, client_id, sender, sms_type in product(
        ("992900000001", "992930000001", "79000000001"), (7, 8), ("Bank", "Shop"), SmsType
    ):
        fitting = [route for route in routes if route.fits(phone, client_id, sender.casefold(), sms_type)]
        assert table.choose(phone, client_id, sender, sms_type) is max(fitting, key=lambda route: route.precedence)
