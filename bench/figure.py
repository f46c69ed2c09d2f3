"""A figure, and what was read of it in one run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CannotRun", "Figure", "Reading"]


class CannotRun(Exception):
    """The benchmark cannot be run here; str() is one line that says why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """``name`` ends in its unit. ``floor`` is what the best round has to reach and ``aim`` what it should.

    Where ``less_is_better`` they are what it may be at most.
    """

    name: str
    floor: float | None = None
    aim: float | None = None
    less_is_better: bool = False
    digits: int = 0
    """Behind the point, where it is shown."""


@dataclass(frozen=True, slots=True)
class Reading:
    """``best`` and ``median`` of the rounds, in the unit of the figure."""

    figure: Figure
    best: float
    median: float

    @property
    def missed(self) -> bool:
        """Whether its floor is not reached."""
        return self._misses(self.figure.floor)

    @property
    def short_of_aim(self) -> bool:
        """Whether its aim is not reached."""
        return self._misses(self.figure.aim)

    def _misses(self, bound: float | None) -> bool:
        if bound is None:
            return False
        return self.best > bound if self.figure.less_is_better else self.best < bound
