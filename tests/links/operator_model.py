"""Operators on paper, and a link that always has something to send to them: no socket, no clock."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from payk.links.pacing import RateControl, Slowdown
from payk.smpp import CommandStatus

__all__ = ["Barring", "ByTheSecond", "Fussy", "Operator", "Queueing", "Run", "run"]

OK, THROTTLED, FULL = CommandStatus.ESME_ROK, CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RMSGQFUL

Operator = Callable[[float], tuple[int, int | None]]
"""Arrival of a submit -> command_status and congestion_state of the answer."""


class ByTheSecond:
    """Takes `capacity` submits (a number, or a function of the time) in any second, or in each second of its clock."""

    def __init__(
        self, capacity: float | Callable[[float], float], *, sliding: bool = True, tells: bool = False
    ) -> None:
        self._capacity = capacity if callable(capacity) else lambda now: capacity
        self._sliding = sliding
        self._tells = tells
        self._taken: deque[float] = deque()

    def __call__(self, now: float) -> tuple[int, int | None]:
        taken = self._taken
        while taken and (taken[0] <= now - 1 if self._sliding else int(taken[0]) < int(now)):
            taken.popleft()
        capacity = self._capacity(now)
        if len(taken) < capacity:
            taken.append(now)
            return OK, min(100, int(100 * len(taken) / capacity)) if self._tells else None
        return THROTTLED, 100 if self._tells else None


class Fussy:
    """Refuses a share at random, and asks `behind` about the rest."""

    def __init__(self, share: float, random: Random, behind: Operator = lambda now: (OK, None)) -> None:
        self._share, self._random, self._behind = share, random, behind

    def __call__(self, now: float) -> tuple[int, int | None]:
        return (THROTTLED, None) if self._random.random() < self._share else self._behind(now)


class Barring:
    """Takes `capacity` submits in any second; who sends more gets nothing through for `seconds`."""

    def __init__(self, capacity: float, seconds: float) -> None:
        self._behind, self._seconds, self._until = ByTheSecond(capacity), seconds, 0.0

    def __call__(self, now: float) -> tuple[int, int | None]:
        if now < self._until:
            return THROTTLED, None
        status, congestion = self._behind(now)
        if status != OK:
            self._until = now + self._seconds
        return status, congestion


class Queueing:
    """Has a queue of `places`, of which `drain` are freed each second."""

    def __init__(self, drain: float, places: int) -> None:
        self._drain, self._places = drain, places
        self._queued, self._at = 0.0, 0.0

    def __call__(self, now: float) -> tuple[int, int | None]:
        self._queued, self._at = max(0.0, self._queued - self._drain * (now - self._at)), now
        if self._queued + 1 > self._places:
            return FULL, None
        self._queued += 1
        return OK, None


@dataclass
class Run:
    """What came of it, in the order of the answers."""

    written: list[float] = field(default_factory=list)
    answers: list[tuple[float, int]] = field(default_factory=list)
    """When written, and the status."""
    slowdowns: list[tuple[float, Slowdown]] = field(default_factory=list)
    over: list[float] = field(default_factory=list)
    """When the link was back at its contract."""

    def refused(self, since: float = 0.0, until: float = math.inf) -> float:
        """Share of what was written in a time."""
        statuses = [status for at, status in self.answers if since <= at < until]
        return sum(status != OK for status in statuses) / len(statuses)

    def taken(self, since: float = 0.0, until: float = math.inf) -> float:
        """Accepted submits a second of those written in a time; it must be over."""
        count = sum(status == OK and since <= at < until for at, status in self.answers)
        return count / (min(until, self.written[-1]) - since)

    def busiest_second(self) -> int:
        """The most that was written in any second."""
        most = first = 0
        for last, at in enumerate(self.written):
            while self.written[first] <= at - 1.0:
                first += 1
            most = max(most, last - first + 1)
        return most


def run(
    control: RateControl,
    operator: Operator,
    *,
    seconds: float = math.inf,
    messages: float = math.inf,
    window: int = 100,
    round_trip: tuple[float, float] = (0.01, 0.03),
    random: Random,
) -> Run:
    """Submit for so long, or until so many are accepted; a refused message is sent again."""
    result = Run()
    events: list[tuple[float, int, float, tuple[int, int | None] | None]] = []  # an arrival has no answer yet
    now, in_flight, number, accepted = 0.0, 0, 0, 0
    while now < seconds and accepted < messages:
        while in_flight < window and control.take(now):
            number += 1
            in_flight += 1
            result.written.append(now)
            heappush(events, (now + random.uniform(*round_trip) / 2, number, now, None))
        ready = control.ready_at(1, now) if in_flight < window else math.inf
        if not events or ready < events[0][0]:
            now = max(ready, now + 1e-6)
            continue
        now, key, written_at, answer = heappop(events)
        if answer is None:
            heappush(events, (now + random.uniform(*round_trip) / 2, key, written_at, operator(now)))
            continue
        in_flight -= 1
        status, congestion = answer
        result.answers.append((written_at, status))
        slowdown = None
        if status == OK:
            accepted += 1
            if control.accepted(written_at=written_at, now=now):
                result.over.append(now)
        else:
            slowdown = control.refused(status, written_at=written_at, now=now)
        if congestion is not None:
            slowdown = control.congested(congestion, written_at=written_at, now=now) or slowdown
        if slowdown is not None:
            result.slowdowns.append((now, slowdown))
    return result
