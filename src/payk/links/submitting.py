"""Messages on their way: the outcomes of their parts are collected until the last one is known."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from payk.domain.outcome import PartOutcome, Submission, SubmissionResult
from payk.links.parts import WirePart

__all__ = ["MessageOnItsWay", "PartOnItsWay"]


class MessageOnItsWay:
    """A submission and what is known of it."""

    __slots__ = ("_missing", "_outcomes", "_times", "submission", "written_at")

    def __init__(self, submission: Submission, parts: int) -> None:
        self.submission = submission
        self.written_at: float | None = None
        """When the last of its parts was written so far."""
        self._outcomes: list[PartOutcome] = []
        self._times: dict[int, tuple[float, float]] = {}
        self._missing = parts

    def settle(self, outcomes: Sequence[PartOutcome], times: tuple[float, float] | None = None) -> bool:
        """Add the outcomes of further parts; True once none is missing. `times`: when these were written, and over."""
        self._outcomes += outcomes
        if times is not None:
            for outcome in outcomes:
                self._times[outcome.part] = times
        self._missing -= len(outcomes)
        return self._missing == 0

    def result(self, link_id: int) -> SubmissionResult:
        if len(self._outcomes) > 1:
            self._outcomes.sort(key=attrgetter("part"))
        return SubmissionResult(self.submission, link_id, tuple(self._outcomes), self.written_at, self._times)


class PartOnItsWay:
    """One submit_sm of a message; the token of its request."""

    __slots__ = ("message", "wire", "written_at")

    def __init__(self, message: MessageOnItsWay, wire: WirePart) -> None:
        self.message = message
        self.wire = wire
        self.written_at = 0.0

    def written(self, now: float) -> None:
        self.written_at = self.message.written_at = now
