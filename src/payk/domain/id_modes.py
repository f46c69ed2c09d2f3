"""Learning how the ids in a link's receipts relate to those in its answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from payk.domain.operator import IdMode

__all__ = ["LearnedIdModes"]

_ENOUGH: Final = 3
"""Receipts in a row that must show another mode: ids of a few digits may fit by chance."""


class LearnedIdModes:
    """The mode of each link as its matched receipts show it."""

    def __init__(self, known: Mapping[int, IdMode] | None = None) -> None:
        self._known = dict(known or {})
        self._doubts: dict[int, tuple[IdMode, int]] = {}

    @property
    def known(self) -> Mapping[int, IdMode]:
        """The mode of each link of which one is known, by link_id."""
        return self._known

    def shown(self, link_id: int, mode: IdMode) -> bool:
        """A receipt of a link was matched by a form of this mode. Returns whether that is news: the mode of the link
        became known, or another."""
        if self._known.get(link_id) is mode:
            self._doubts.pop(link_id, None)
            return False
        doubted, times = self._doubts.get(link_id, (mode, 0))
        times = times + 1 if doubted is mode else 1
        if link_id in self._known and times < _ENOUGH:
            self._doubts[link_id] = (mode, times)
            return False
        self._doubts.pop(link_id, None)
        self._known[link_id] = mode
        return True
