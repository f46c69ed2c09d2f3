"""Holds: which waiting messages may not be sent for now, and how long each was held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from payk.domain.message import Lane, SmsType, label_keys

__all__ = ["Hold", "Holds", "Selection", "client_author", "held_for", "lanes_of"]

_LANES = {
    SmsType.OTP: frozenset({Lane.OTP}),
    SmsType.COMMON: frozenset({Lane.COMMON_HIGH, Lane.COMMON_NORMAL, Lane.COMMON_LOW}),
    SmsType.BATCH: frozenset({Lane.BATCH}),
}


def lanes_of(sms_type: SmsType) -> frozenset[Lane]:
    """The lanes that messages of a type wait in."""
    return _LANES[sms_type]


def client_author(client: str) -> str:
    """The author of holds that a client places itself; no user or token has a name like that."""
    return f"client:{client}"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages are meant; what is None matches every one. ValueError where all is."""

    client_id: int | None = None
    label: str | None = None
    sms_type: SmsType | None = None
    operator_id: int | None = None
    """Messages whose route names this operator first, whether it is up or not."""
    label_keys: frozenset[int] | None = field(init=False)
    """The keys under which messages with this label wait."""

    def __post_init__(self) -> None:
        if self.client_id is None and self.label is None and self.sms_type is None and self.operator_id is None:
            raise ValueError("a client, a label, a type or an operator must be chosen")
        object.__setattr__(self, "label_keys", None if self.label is None else frozenset(label_keys(self.label)))

    def covers(self, client_id: int, lane: int, label_key: int, first_operator: int | None) -> bool:
        """Whether messages that wait so are meant: of a client, in a lane, under a key of their label, on a route that
        names this operator first."""
        return (
            (self.client_id is None or self.client_id == client_id)
            and (self.sms_type is None or lane in _LANES[self.sms_type])
            and (self.label_keys is None or label_key in self.label_keys)
            and (self.operator_id is None or self.operator_id == first_operator)
        )


@dataclass(frozen=True, slots=True)
class Hold:
    """A rule that holds messages back, from `placed_at` until `released_at` (UTC; None = it stands)."""

    hold_id: int
    selection: Selection
    placed_at: datetime
    released_at: datetime | None = None
    author: str = ""
    reason: str = ""
    cancels: bool = False
    """It also deletes what it finds waiting, and is released then."""


class Holds:
    """The holds in force."""

    __slots__ = ("_selections", "all", "labels")

    def __init__(self, holds: Iterable[Hold] = ()) -> None:
        self.all: Sequence[Hold] = tuple(holds)
        self._selections = list({hold.selection for hold in self.all})
        self.labels = sum(selection.label is not None for selection in self._selections)
        """Labels that are held: the flows of one client that a look may show in vain."""

    def stop(self, client_id: int, lane: int, label_key: int, operators: Sequence[int]) -> bool:
        """Whether messages that wait so, for the first of these operators that is up, are held."""
        if not self._selections:
            return False
        first = operators[0] if operators else None
        return any(selection.covers(client_id, lane, label_key, first) for selection in self._selections)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Holds) and self.all == other.all

    def __hash__(self) -> int:
        return hash(self.all)


def held_for(hold: Hold, since: datetime, others: Iterable[Hold]) -> timedelta:
    """How long a released hold kept a message that could be sent from `since` on: by so much its ExpiresIn moves on.

    `others` are the holds that kept the same message and were released before this one. What two of them kept together
    counts once: for the one that was released first. One that still stands will count from where this one ended.
    """
    assert hold.released_at is not None
    at = max(hold.placed_at, since)
    held = timedelta()
    for begin, end in sorted((other.placed_at, other.released_at) for other in others if other.released_at is not None):
        held += max(timedelta(), min(begin, hold.released_at) - at)
        at = max(at, end)
    return held + max(timedelta(), hold.released_at - at)
