"""What Route is in reports: the operators of a route as it names them, whatever order was drawn for each message.

A message keeps the ordered list of operators that was drawn for it, and not its route. Lists of the same operators are
one row; unless routes have them in several orders and none draws by weights: then the list tells which one it was.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from payk.domain.route import by_cost
from payk.store.database import Connection
from payk.store.queries import sql

__all__ = ["RouteRows", "route_rows"]

_List = tuple[int, ...]


class _Way(NamedTuple):
    """How a route has its operators."""

    named: _List
    drawn: _List | None
    """What each of its messages gets; None where that is drawn by weights."""


class RouteRows(NamedTuple):
    """The lists of operators as rows of a report."""

    row_of: dict[int, int]
    """By queue_id: the lowest queue_id of its row."""
    names: dict[int, tuple[str, ...]]
    """The operators that a row is named by, by that."""

    def merged(self) -> list[tuple[int, int]]:
        """Queues that count as another one, and which."""
        return [(queue_id, row) for queue_id, row in self.row_of.items() if queue_id != row]

    def queues(self, wanted: tuple[str, ...]) -> list[int]:
        """The queues of the row that is named so; else of all that have these operators."""
        rows = {row for row, names in self.names.items() if names == wanted} or {
            row for row, names in self.names.items() if sorted(names) == sorted(wanted)
        }
        return [queue_id for queue_id, row in self.row_of.items() if row in rows]


async def route_rows(connection: Connection, operators: Mapping[int, str]) -> RouteRows:
    """The rows as routes are now; `operators` are names by operator_id."""
    numbers = {name: operator_id for operator_id, name in operators.items()}
    ways = [_way(tuple(row[0]), row[1], numbers) for row in await connection.fetch(sql("reports.ways"))]
    lists = {row[0]: tuple(row[1]) for row in await connection.fetch(sql("reports.lists"))}
    named = _as_named(lists, ways, operators)
    first: dict[_List, int] = {}
    for queue_id in sorted(named):
        first.setdefault(named[queue_id], queue_id)
    return RouteRows(
        {queue_id: first[of_queue] for queue_id, of_queue in named.items()},
        {row: tuple(operators[each] for each in of_row if each in operators) for of_row, row in first.items()},
    )


def _way(named: _List, options: str, numbers: Mapping[str, int]) -> _Way:
    stored = json.loads(options)
    if stored.get("order") == "price":
        costs = {numbers[name]: cost for name, cost in stored.get("costs", {}).items() if name in numbers}
        return _Way(named, by_cost(named, costs))
    return _Way(named, None if any(stored.get("weights", {}).values()) else named)


def _as_named(lists: Mapping[int, _List], ways: Iterable[_Way], operators: Mapping[int, str]) -> dict[int, _List]:
    """The operators in the order that the row of each queue is named in."""
    weighted: dict[frozenset[int], _List] = {}
    fixed: defaultdict[frozenset[int], dict[_List, _List]] = defaultdict(dict)
    for named, drawn in ways:
        if drawn is None:
            weighted.setdefault(frozenset(named), named)
        else:
            fixed[frozenset(named)].setdefault(drawn, named)
    orders = Counter(frozenset(each) for each in lists.values())
    found: dict[int, _List] = {}
    for queue_id, of_queue in lists.items():
        these = frozenset(of_queue)
        ways_of_these = fixed[these]
        if these in weighted:
            found[queue_id] = weighted[these]
        elif of_queue in ways_of_these:
            found[queue_id] = ways_of_these[of_queue]
        elif len(set(ways_of_these.values())) == 1:  # it was drawn when its route had another order, or weights
            [found[queue_id]] = set(ways_of_these.values())
        elif ways_of_these or orders[these] == 1:
            found[queue_id] = of_queue
        else:
            found[queue_id] = tuple(sorted(of_queue, key=lambda each: operators.get(each, "")))
    return found
