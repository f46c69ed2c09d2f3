"""What looks at the database tell: that it is slow, does not answer, has its disk full, or that a clock jumped.

Pure: a look brings its times along. A condition is told in one line when it begins and in one when it ends, a jump in
one. Who looks, and writes the lines: payk.store.watch.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

__all__ = ["Answer", "Conditions", "Line", "Look"]

SLOW = 0.1
"""Seconds of a round trip; above it the database counts as slow. What a request writes takes two to four of them."""
AGREEING = 3
"""Looks in a row that make a database slow or quick: one alone may have met a checkpoint, or a busy moment of ours."""
JUMP = 1.0
"""Seconds that a clock may go wrong from one look to the next. Whoever keeps a clock right moves it by far less."""
VAGUE = 1.0
"""Seconds of a round trip that is too long to tell the time by."""
APART = 2.0
"""Seconds between this machine's clock and the database's that are worth a warning."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The database answered `round_trip` seconds after it was asked, with its `clock` in seconds of the epoch."""

    at: float
    """The middle of the round trip by CLOCK_BOOTTIME: `clock` is right for it within half a round trip."""
    round_trip: float
    clock: float

    @property
    def tells_time(self) -> bool:
        return self.round_trip <= VAGUE


@dataclass(frozen=True, slots=True)
class Look:
    """One look. `at` and `wall` are one moment by CLOCK_BOOTTIME and by this machine's clock, seconds of the epoch."""

    at: float
    wall: float
    answer: Answer | None
    error: str = ""
    """Why there is no answer."""
    unreachable: bool = False
    """Without an answer: that is sure. Else it may have been a moment."""
    disk_full: bool = False
    """The database refused something for lack of room since the look before."""
    has_room: bool = False
    """It was asked to write something that needs room, and did."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log; `level` as in logging."""

    level: int
    event: str
    fields: Mapping[str, object] = field(default_factory=dict)


class _Judge(Protocol):
    """Follows one condition."""

    def see(self, look: Look) -> Line | None:
        """What is to be told after this look."""

    @property
    def warning(self) -> str | None:
        """The condition in words, while it lasts."""


class Conditions:
    """What is the matter, as of the last look."""

    def __init__(self) -> None:
        self._disk = _Disk()
        self._judges: list[_Judge] = [_OwnClock(), self._disk, _Silence(), _Slowness(), _DatabaseClock(), _Clocks()]

    def see(self, look: Look) -> list[Line]:
        """Take a look in; the lines to be written."""
        return [line for judge in self._judges if (line := judge.see(look)) is not None]

    @property
    def disk_full(self) -> bool:
        """Until a look finds room."""
        return self._disk.since is not None

    @property
    def warnings(self) -> list[str]:
        """What lasts, in words. A database that does not answer is not among it: nobody is ready then."""
        return [warning for judge in self._judges if (warning := judge.warning) is not None]


class _Silence:
    """The database does not answer. One look without an answer may be a moment, unless it is unreachable."""

    warning = None

    def __init__(self) -> None:
        self._silent_since: float | None = None
        self._told = False

    def see(self, look: Look) -> Line | None:
        since, told = self._silent_since, self._told
        if look.answer is not None:
            self._silent_since, self._told = None, False
            if since is None or not told:
                return None
            return Line(logging.WARNING, "the database answers again", {"seconds": round(look.at - since, 1)})
        if since is None:
            self._silent_since = look.at
        if told or (since is None and not look.unreachable):
            return None
        self._told = True
        event = "the database does not answer: nothing is accepted or sent, links keep their sessions"
        return Line(logging.ERROR, event, {"error": look.error})


class _Disk:
    """The database's disk is full. It is over when what needs room was written."""

    def __init__(self) -> None:
        self.since: float | None = None

    @property
    def warning(self) -> str | None:
        return None if self.since is None else "the database's disk is full"

    def see(self, look: Look) -> Line | None:
        if self.since is None and look.disk_full:
            self.since = look.at
            event = "the database's disk is full: what needs room is refused, receipts too; links keep their sessions"
            return Line(logging.ERROR, event)
        if self.since is not None and look.has_room and not look.disk_full:
            seconds, self.since = look.at - self.since, None
            return Line(logging.WARNING, "the database's disk has room again", {"seconds": round(seconds, 1)})
        return None


class _Slowness:
    """Every round trip takes long. Looks without an answer say nothing here."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=AGREEING)
        self._since: float | None = None

    @property
    def _milliseconds(self) -> int:
        return round(median(self._last) * 1000)

    @property
    def warning(self) -> str | None:
        return None if self._since is None else f"the database is slow: {self._milliseconds} ms for a round trip"

    def see(self, look: Look) -> Line | None:
        if look.answer is None:
            return None
        self._last.append(look.answer.round_trip)
        slow = [round_trip > SLOW for round_trip in self._last]
        if self._since is None and slow == [True] * AGREEING:
            self._since = look.at
            event = "the database is slow: every round trip takes long, requests and messages wait for several"
            return Line(logging.WARNING, event, {"milliseconds": self._milliseconds})
        if self._since is not None and slow == [False] * AGREEING:
            seconds, self._since = look.at - self._since, None
            fields = {"milliseconds": self._milliseconds, "seconds": round(seconds, 1)}
            return Line(logging.WARNING, "the database is quick again", fields)
        return None


class _OwnClock:
    """This machine's clock jumped."""

    warning = None

    def __init__(self) -> None:
        self._ahead: float | None = None  # of CLOCK_BOOTTIME

    def see(self, look: Look) -> Line | None:
        before, self._ahead = self._ahead, look.wall - look.at
        if before is None or abs(self._ahead - before) <= JUMP:
            return None
        event = "this machine's clock jumped: leases, time-outs and what is due do not depend on it"
        return Line(logging.WARNING, event, {"seconds": round(self._ahead - before, 1)})


class _DatabaseClock:
    """The database's clock jumped, or another server with another clock took over."""

    warning = None

    def __init__(self) -> None:
        self._ahead: float | None = None  # of our CLOCK_BOOTTIME
        self._round_trip = 0.0

    def see(self, look: Look) -> Line | None:
        answer = look.answer
        if answer is None or not answer.tells_time:
            return None
        before, self._ahead = self._ahead, answer.clock - answer.at
        vague, self._round_trip = (self._round_trip + answer.round_trip) / 2, answer.round_trip
        if before is None or abs(self._ahead - before) <= JUMP + vague:
            return None
        event = "the database's clock jumped: messages are due and expire by it; leases and time-outs do not"
        return Line(logging.WARNING, event, {"seconds": round(self._ahead - before, 1)})


class _Clocks:
    """How far this machine's clock and the database's are apart."""

    def __init__(self) -> None:
        self._ahead = 0.0

    @property
    def warning(self) -> str | None:
        if abs(self._ahead) <= APART:
            return None
        where = "ahead of" if self._ahead > 0 else "behind"
        return f"this machine's clock is {abs(self._ahead):.0f} s {where} the database's"

    def see(self, look: Look) -> Line | None:
        if look.answer is not None and look.answer.tells_time:
            wall = look.wall + look.answer.at - look.at  # in the middle of the round trip
            self._ahead = wall - look.answer.clock
        return None
