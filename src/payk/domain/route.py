"""Route choice: which operators carry a number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Route", "RouteTable"]


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


class RouteTable:
    """Routes by prefix; the longest prefix that a number begins with wins."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_prefix = {route.prefix: route for route in routes if route.enabled}
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix}, reverse=True)

    def choose(self, phone: str) -> Route | None:
        """The route of a number (digits with country code), None where no rule matches."""
        for length in self._lengths:
            route = self._by_prefix.get(phone[:length])
            if route is not None:
                return route
        return None
