"""Route choice: the longest prefix wins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.domain.route import Route, RouteTable

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
