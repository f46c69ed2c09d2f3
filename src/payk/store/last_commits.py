"""What a process wrote last and was told is committed; looked for when the database is on a new line of history."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable

__all__ = ["LastCommits", "Submit"]

Submit = tuple[int, int, int]
"""Message id, part and number of the try."""

KEPT = 32
"""Transactions of either kind. Several are on their way at once, and their answers come in any order."""


class LastCommits:
    """One message of each of the last transactions stands for all of its transaction."""

    def __init__(self) -> None:
        self.messages: deque[int] = deque(maxlen=KEPT)
        """Taken in."""
        self.outcomes: deque[Submit] = deque(maxlen=KEPT)
        """Submits whose answer, or the lack of one, was recorded."""
        self.highest_id: int | None = None
        """That was given away here."""
        self.claims: Callable[[], Collection[int]] = tuple
        """The messages that this process holds claimed; whoever claims sets it."""

    def taken(self, message_ids: Collection[int]) -> None:
        """A transaction that stored these messages is committed."""
        highest = max(message_ids, default=None)
        if highest is not None:
            self.messages.append(highest)
            self.highest_id = highest if self.highest_id is None else max(highest, self.highest_id)

    def recorded(self, submits: Iterable[Submit]) -> None:
        """A transaction that recorded the outcomes of these submits is committed."""
        first = next(iter(submits), None)  # the others stand and fall with it
        if first is not None:
            self.outcomes.append(first)
