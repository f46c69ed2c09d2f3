"""Why a message goes where it goes: the rule that wins, every other one whose prefix fits, and what becomes of the
operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from payk.domain.account import Client
from payk.domain.address import sender_fits
from payk.domain.directory import Directory
from payk.domain.message import SmsType
from payk.domain.operator import Operator
from payk.domain.route import Carriers, Route, kept_by

__all__ = ["Asked", "Explanation", "Judged", "Standing", "explain"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A message as far as a route asks for it; None = not said, which only routes for all of them fit.

    `phone` is digits with the country code, `sender` the name in any case of letters.
    """

    phone: str
    client: Client | None = None
    sender: str | None = None
    sms_type: SmsType | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A route whose prefix the number begins with, and why it wins or loses."""

    route: Route
    wins: bool
    why: str


@dataclass(frozen=True, slots=True)
class Standing:
    """An operator of the winner, in the order in which they are tried; `weight` is 0 where it has no share."""

    operator: Operator
    weight: int
    carries: bool
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of a message. Empty where no route leads to the number."""

    routes: tuple[Judged, ...]
    """The winner first, then those that fit, the best first, then the others."""
    operators: tuple[Standing, ...]

    @property
    def winner(self) -> Route | None:
        """The route that the message takes."""
        return next((judged.route for judged in self.routes if judged.wins), None)


def explain(directory: Directory, asked: Asked) -> Explanation:
    """Judge every route of the directory as RouteTable.choose does; it takes longer the more there are."""
    client_id = None if asked.client is None else asked.client.client_id
    folded = "" if asked.sender is None else asked.sender.casefold()
    winner = directory.routes.choose(asked.phone, client_id, folded, asked.sms_type)
    candidates = [route for route in directory.routes if asked.phone.startswith(route.prefix)]
    judged = []
    for route in candidates:
        hindrance = _hindrance(route, asked, directory.clients)
        why = _why_it_wins(route) if route is winner else hindrance or _why_it_loses(route, winner)
        judged.append((route is not winner, hindrance != "", _backwards(route), Judged(route, route is winner, why)))
    judged.sort(key=lambda row: row[:3])
    operators = () if winner is None else _standings(directory, winner, asked)
    return Explanation(tuple(row[3] for row in judged), operators)


def _backwards(route: Route) -> tuple[int, ...]:
    return (*(-int(part) for part in route.precedence), route.route_id)


def _hindrance(route: Route, asked: Asked, clients: Mapping[int, Client]) -> str:
    """What keeps a route whose prefix fits from being taken; "" where nothing does."""
    if not route.enabled:
        return "It is disabled."
    if route.client_id is not None and (asked.client is None or asked.client.client_id != route.client_id):
        known = clients.get(route.client_id)
        name = f"client {known.name}" if known else f"client number {route.client_id}"
        return _only(name, "client", said=asked.client is not None)
    if route.sender is not None and (asked.sender is None or asked.sender.casefold() != route.sender):
        return _only(f"sender {route.sender}", "sender", said=asked.sender is not None)
    if route.sms_type is not None and asked.sms_type is not route.sms_type:
        return _only(f"type {route.sms_type.name.lower()}", "type", said=asked.sms_type is not None)
    return ""


def _only(what: str, word: str, *, said: bool) -> str:
    return f"It is for {what} alone" + ("." if said else f", and no {word} was named.")


def _why_it_wins(route: Route) -> str:
    named = [word for word, is_named in zip(("client", "sender", "type"), route.precedence, strict=False) if is_named]
    if named:
        return f"It fits, and names the {' and the '.join(named)}; of the routes that do so its prefix is the longest."
    return "No route with conditions fits, and of the others that fit its prefix is the longest."


def _why_it_loses(route: Route, winner: Route | None) -> str:
    assert winner is not None  # this one fits
    for word, here, there in zip(("client", "sender", "type"), route.precedence, winner.precedence, strict=False):
        if here != there:
            return f"It fits, but the winner names the {word}."
    return "It fits, but the winner has the longer prefix."


def _standings(directory: Directory, winner: Route, asked: Asked) -> tuple[Standing, ...]:
    whole = Carriers(winner.operators, winner.weights)
    allowed = None
    if asked.client is not None and asked.sender is not None:
        allowed = asked.client.sender_operators.get(asked.sender.casefold())
    kept = whole if allowed is None else kept_by(whole, allowed)
    weights = dict(zip(kept.operators, kept.weights, strict=False))

    def turn(operator_id: int) -> tuple[bool, int]:
        return operator_id not in kept.operators, -weights.get(operator_id, 0)

    return tuple(
        _left_out(directory.operators[operator_id], asked)
        if operator_id not in kept.operators
        else _standing(
            directory.operators[operator_id],
            weights.get(operator_id, 0),
            is_first=not weights and operator_id == kept.operators[0],
            asked=asked,
        )
        for operator_id in sorted(winner.operators, key=turn)
    )


def _left_out(operator: Operator, asked: Asked) -> Standing:
    return Standing(operator, 0, False, f"It is left out: sender {asked.sender} is not allowed there.")


def _standing(operator: Operator, weight: int, *, is_first: bool, asked: Asked) -> Standing:
    sender = asked.sender or ""
    if not sender_fits(sender, operator.alnum_max) and (weight or is_first):
        why = f"It carries alphanumeric senders of {operator.alnum_max} characters at most"
        return Standing(operator, 0, False, why + (", and gets no share of this one." if weight else "."))
    if not operator.enabled:
        return Standing(operator, weight, False, "It is disabled.")
    if operator.draining:
        return Standing(operator, weight, False, "It is being drained.")
    return Standing(operator, weight, True, f"It has the share {weight}." if weight else "")
