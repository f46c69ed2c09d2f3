"""A figure, and what was read of it in one run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Figure", "Reading"]


@dataclass(frozen=True, slots=True)
class Figure:
    """``name`` ends in its unit; ``floor`` is what the best round has to reach, None where nothing is asked for."""

    name: str
    floor: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """``best`` and ``median`` of the rounds, in the unit of the figure."""

    figure: Figure
    best: float
    median: float

    @property
    def missed(self) -> bool:
        return self.figure.floor is not None and self.best < self.figure.floor
