"""Sharing what one route carries among its operators by weight.

Smooth weighted round robin: of a hundred messages in a row each operator gets as many as its weight says, well mixed.
Each process counts for itself; the shares of all of them add up to the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["Sharing"]

KEPT: Final = 10_000
"""Rounds that are kept at once; a round that is begun anew is off by less than one message."""

_Round = tuple[int, tuple[int, ...], tuple[int, ...]]


class Sharing:
    """The rounds of every route that shares, by its number and what it shares among."""

    def __init__(self) -> None:
        self._rounds: dict[_Round, list[int]] = {}

    def next(self, route_id: int, operators: Sequence[int], weights: Sequence[int]) -> int:
        """Which of `operators` the next message of this route is for. At least one weight is above 0."""
        key = route_id, tuple(operators), tuple(weights)
        credit = self._rounds.get(key)
        if credit is None:
            if len(self._rounds) >= KEPT:
                self._rounds.clear()
            credit = self._rounds[key] = [0] * len(weights)
        best = -1
        for index, weight in enumerate(weights):
            if weight:
                credit[index] += weight
                if best < 0 or credit[index] > credit[best]:
                    best = index
        credit[best] -= sum(weights)
        return operators[best]
