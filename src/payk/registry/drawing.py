"""How a route draws the operators of a message, from what is stored of it; and the queues that this takes.

Every ordered list of operators that a message may get has a queue before the first message needs it: a change makes
those that follow from it, and whoever loads the registry makes those that are missing after a change by a version that
did not know of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from payk.domain.route import Carriers, by_cost, lists_drawn
from payk.store.registry import RegistryChange

__all__ = ["carriers_of", "keep_queues"]


def carriers_of(operators: Sequence[int], options: Mapping[str, Any], numbers: Mapping[str, int]) -> Carriers:
    """How a route with these options, in stored form, draws from `operators`; `numbers` is operator_id by name."""
    if options.get("order") == "price":
        costs = {numbers[name]: cost for name, cost in options.get("costs", {}).items()}
        return Carriers(by_cost(operators, costs), ())
    weights = {numbers[name]: weight for name, weight in options.get("weights", {}).items()}
    shares = tuple(weights.get(operator_id, 0) for operator_id in operators)
    return Carriers(tuple(operators), shares if any(shares) else ())


async def keep_queues(change: RegistryChange) -> None:
    """Make the queues that messages may need after a change of routes or senders; once that is written."""
    chosen = await change.chosen_lists()
    ways = {carriers_of(operators, options, chosen.numbers) for operators, options in chosen.routes}
    await change.add_queues(lists_drawn(ways, chosen.restrictions))
