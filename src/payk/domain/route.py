"""Route choice: which operators carry a message.

A route is a rule with conditions. Of the rules that fit, one wins: first a rule that names the client, then one that
names the sender, then one that names the type; among rules with the same conditions the longest prefix.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from copy import copy
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from payk.domain.message import SmsType

__all__ = ["Carriers", "Route", "RouteTable", "by_cost", "kept_by", "lists_drawn", "ranked_by_weight"]

_Conditions = tuple[int | None, str | None, SmsType | None]
_Named = tuple[str | None, SmsType | None]
_NO_CONDITIONS: Final[_Conditions] = (None, None, None)


class Carriers(NamedTuple):
    """Operators in order, and the weight of each; no weights where the first gets all."""

    operators: tuple[int, ...]
    weights: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """A rule that picks operators: the first that is up carries, the rest are fallbacks."""

    route_id: int
    prefix: str
    operators: tuple[int, ...]
    queue_id: int
    enabled: bool = True
    price: int = 0
    """What a part costs a prepaid client, in 1/10,000 of the currency unit."""
    client_id: int | None = None
    """The client whose messages it is for; None = of every client."""
    sender: str | None = None
    """The sender that it is for, casefolded; None = every sender."""
    sms_type: SmsType | None = None
    """The type that it is for; None = every type."""
    weights: tuple[int, ...] = ()
    """The share of each of `operators` in what is sent; empty = the first gets all of it."""

    @property
    def conditions(self) -> _Conditions:
        """What it is for besides the prefix."""
        return self.client_id, self.sender, self.sms_type

    def fits(self, phone: str, client_id: int | None, sender: str | None, sms_type: SmsType | None) -> bool:
        """Whether a message meets all that it asks for; `sender` casefolded."""
        return (
            phone.startswith(self.prefix)
            and self.client_id in (None, client_id)
            and self.sender in (None, sender)
            and self.sms_type in (None, sms_type)
        )

    @property
    def precedence(self) -> tuple[bool, bool, bool, int]:
        """Of two rules that fit, the one with the higher precedence wins; no two that fit have the same."""
        return self.client_id is not None, self.sender is not None, self.sms_type is not None, len(self.prefix)


class _Prefixes:
    """Routes by prefix; the longest prefix that a number begins with wins."""

    __slots__ = ("_by_prefix", "_lengths")

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_prefix = {route.prefix: route for route in routes}
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix}, reverse=True)

    def choose(self, phone: str) -> Route | None:
        for length in self._lengths:
            route = self._by_prefix.get(phone[:length])
            if route is not None:
                return route
        return None

    def without(self, gone: Iterable[Route]) -> _Prefixes:
        """These but for some of them. A length that none is left of is still looked at, which finds nothing."""
        less = copy(self)
        less._by_prefix = self._by_prefix.copy()
        for route in gone:
            less._by_prefix.pop(route.prefix, None)
        return less


_FEW: Final = 4
"""Rules that are gone through one by one: quicker than to look them up, for less memory is touched."""


class _FewRules:
    """The routes with conditions of a client that has few of them, the first to win first."""

    __slots__ = ("_rows",)

    def __init__(self, routes: Iterable[Route]) -> None:
        ordered = sorted(routes, key=lambda route: route.precedence, reverse=True)
        self._rows = tuple((route.prefix, route.sender, route.sms_type, route) for route in ordered)

    def choose(self, phone: str, sender: str, sms_type: SmsType | None) -> Route | None:
        for prefix, of_sender, of_type, route in self._rows:
            if (
                (of_type is None or of_type == sms_type)
                and (of_sender is None or of_sender == sender)
                and phone.startswith(prefix)
            ):
                return route
        return None

    def without(self, gone: Iterable[Route]) -> _FewRules:
        """These but for some of them."""
        numbers = {route.route_id for route in gone}
        return _FewRules(row[-1] for row in self._rows if row[-1].route_id not in numbers)


class _Rules:
    """The routes with conditions of one client, or of none: by which of sender and type they name, the first to win
    first."""

    __slots__ = ("_by_shape",)

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_shape = [
            (*shape, {key: _Prefixes(group) for key, group in groups.items()})
            for shape, groups in sorted(self._shapes(routes).items(), reverse=True, key=lambda item: item[0])
        ]

    @staticmethod
    def _shapes(routes: Iterable[Route]) -> Mapping[tuple[bool, bool], Mapping[_Named, list[Route]]]:
        shapes: dict[tuple[bool, bool], dict[_Named, list[Route]]] = {}
        for route in routes:
            shape = route.sender is not None, route.sms_type is not None
            shapes.setdefault(shape, {}).setdefault((route.sender, route.sms_type), []).append(route)
        return shapes

    def choose(self, phone: str, sender: str, sms_type: SmsType | None) -> Route | None:
        for by_sender, by_type, found in self._by_shape:
            prefixes = found.get((sender if by_sender else None, sms_type if by_type else None))
            if prefixes is not None:
                route = prefixes.choose(phone)
                if route is not None:
                    return route
        return None

    def without(self, gone: Iterable[Route]) -> _Rules:
        """These but for some of them."""
        shapes = self._shapes(gone)
        less = copy(self)
        less._by_shape = [*self._by_shape]
        for number, (by_sender, by_type, found) in enumerate(self._by_shape):
            if groups := shapes.get((by_sender, by_type)):
                left = found | {key: found[key].without(group) for key, group in groups.items()}
                less._by_shape[number] = by_sender, by_type, left
        return less


def _sorted_out(routes: Iterable[Route]) -> tuple[list[Route], dict[int | None, list[Route]]]:
    """Those without conditions, and those with some by the client that they name."""
    plain: list[Route] = []
    conditional: dict[int | None, list[Route]] = {}
    for route in routes:
        if route.conditions == _NO_CONDITIONS:
            plain.append(route)
        else:
            conditional.setdefault(route.client_id, []).append(route)
    return plain, conditional


class RouteTable:
    """All routes; those that are enabled are found. It costs as much with thousands of them as with a few."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = list(routes)
        self._disabled: Set[int] = frozenset()
        """Those that `without` disabled."""
        plain, conditional = _sorted_out(route for route in self._routes if route.enabled)
        self.conditional = bool(conditional)
        """Whether more than the number decides; not looked at anew where routes are disabled."""
        self._plain = _Prefixes(plain)
        self._of_nobody = _Rules(conditional.pop(None, ()))
        self._of_client = {
            client_id: _FewRules(group) if len(group) <= _FEW else _Rules(group)
            for client_id, group in conditional.items()
        }

    def __iter__(self) -> Iterator[Route]:
        """Every route, the disabled ones too."""
        if not self._disabled:
            return iter(self._routes)
        return (replace(route, enabled=False) if route.route_id in self._disabled else route for route in self._routes)

    def without(self, route_ids: Set[int]) -> RouteTable:
        """The same with these routes disabled: much sooner made than a table of its own, and as quick."""
        new = route_ids - self._disabled
        gone = [route for route in self._routes if route.route_id in new and route.enabled]
        if not gone:
            return self
        plain, conditional = _sorted_out(gone)
        less = copy(self)
        less._disabled = self._disabled | new
        if plain:
            less._plain = self._plain.without(plain)
        less._of_nobody = self._of_nobody.without(conditional.pop(None, ()))
        less._of_client = self._of_client | {
            client_id: self._of_client[client_id].without(group) for client_id, group in conditional.items()
        }
        return less

    def choose(
        self, phone: str, client_id: int | None = None, sender: str = "", sms_type: SmsType | None = None
    ) -> Route | None:
        """The route of a message, None where no rule fits.

        `phone` is digits with the country code, `sender` as it is registered, in any case of letters.
        """
        route = None
        if self.conditional:
            folded = sender.casefold()
            rules = self._of_client.get(client_id)
            if rules is not None:
                route = rules.choose(phone, folded, sms_type)
            if route is None:
                route = self._of_nobody.choose(phone, folded, sms_type)
        return self._plain.choose(phone) if route is None else route


def by_cost(operators: Sequence[int], costs: Mapping[int, int]) -> tuple[int, ...]:
    """Operators, the cheapest first; those whose cost is not known come last; else in the order given."""
    return tuple(sorted(operators, key=lambda operator_id: (operator_id not in costs, costs.get(operator_id, 0))))


def ranked_by_weight(first: int, operators: Sequence[int], weights: Sequence[int]) -> tuple[int, ...]:
    """The list of a message that was drawn for `first`: the others follow by weight, then in the order given."""
    rank = sorted(range(len(operators)), key=lambda index: -weights[index])
    return (first, *(operators[index] for index in rank if operators[index] != first))


def kept_by(whole: Carriers, allowed: Collection[int]) -> Carriers:
    """What is left of them for a sender that `allowed` operators carry."""
    kept = [index for index, operator_id in enumerate(whole.operators) if operator_id in allowed]
    weights = tuple(whole.weights[index] for index in kept) if whole.weights else ()
    return Carriers(tuple(whole.operators[index] for index in kept), weights if any(weights) else ())


def lists_drawn(ways: Iterable[Carriers], allowed: Iterable[Collection[int]]) -> set[tuple[int, ...]]:
    """Every ordered list of operators that a message may get.

    `ways` are the operators of routes, `allowed` the sets of operators that senders are restricted to: a list is
    drawn for each operator that has a weight, of all that are left for the sender.
    """
    restrictions = {frozenset(operators) for operators in allowed}
    found: set[tuple[int, ...]] = set()
    for whole in set(ways):
        for left in (whole, *(kept_by(whole, kept) for kept in restrictions)):
            drawn = [operator_id for operator_id, weight in zip(*left, strict=False) if weight]
            found |= {ranked_by_weight(operator_id, *left) for operator_id in drawn}
            if left.operators and not drawn:
                found.add(left.operators)
    return found
