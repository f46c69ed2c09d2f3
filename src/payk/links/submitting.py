"""Messages on their way: the outcomes of their parts are collected until the last one is known."""

from __future__ import annotations

from collections.abc import Iterable

from payk.domain.outcome import PartOutcome, Submission, SubmissionResult
from payk.links.parts import WirePart

__all__ = ["MessageOnItsWay", "PartOnItsWay"]


class MessageOnItsWay:
    """A submission and what is known of it."""

    __slots__ = ("_missing", "_outcomes", "submission", "written_at")

    def __init__(self, submission: Submission, parts: int) -> None:
        self.submission = submission
        self.written_at: float | None = None
        """When the last of its parts was written so far."""
        self._outcomes: list[PartOutcome] = []
        self._missing = parts

    def settle(self, outcomes: Iterable[PartOutcome]) -> bool:
        """Add the outcomes of further parts; True once none is missing."""
        before = len(self._outcomes)
        self._outcomes.extend(outcomes)
        self._missing -= len(self._outcomes) - before
        return self._missing == 0

    def result(self, link_id: int) -> SubmissionResult:
        outcomes = sorted(self._outcomes, key=lambda outcome: outcome.part)
        return SubmissionResult(self.submission, link_id, tuple(outcomes), self.written_at)


class PartOnItsWay:
    """One submit_sm of a message; the token of its request."""

    __slots__ = ("message", "wire", "written_at")

    def __init__(self, message: MessageOnItsWay, wire: WirePart) -> None:
        self.message = message
        self.wire = wire
        self.written_at = 0.0

    def written(self, now: float) -> None:
        self.written_at = self.message.written_at = now
