"""Our requests that wait for answers: sequence numbers, window, time-outs, tombstones (SMPP 3.4 section 2.9, 3.2).

A request is added before its octets leave and completes exactly once: answered, expired or abandoned. The last two
leave a tombstone for the rest of the connection, so that a late answer still finds its request.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from payk.smpp.pdu import Request
from payk.value import value

__all__ = ["LAST_SEQUENCE_NUMBER", "Entry", "Pending"]

LAST_SEQUENCE_NUMBER: Final = 0x7FFFFFFF
_TOMBSTONES_KEPT: Final = 10_000


@value
class Entry:
    token: Any
    request: Request
    sent_at: float


class Pending:
    """``window``: requests that may wait at once. ``timeout``: seconds until one counts as unanswered."""

    __slots__ = ("_control", "_last", "_timeout", "_tombstones", "_waiting", "_window")

    def __init__(self, window: int, timeout: float) -> None:
        self._window = window
        self._timeout = timeout
        self._last = 0
        self._waiting: dict[int, Entry] = {}  # in the order of sending, thus of deadlines
        self._tombstones: OrderedDict[int, Entry] = OrderedDict()  # a dict is slow at giving up its oldest
        self._control: dict[int, Request] = {}  # bind, enquire_link, unbind: no slot of the window, timers of their own

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def free(self) -> int:
        return self._window - len(self._waiting)

    def sequence_number(self) -> int:
        """The next one, 1 to 0x7FFFFFFF in a ring; numbers that an answer may still come for are skipped."""
        number = self._last
        while True:
            number = number % LAST_SEQUENCE_NUMBER + 1
            if number not in self._waiting and number not in self._tombstones and number not in self._control:
                self._last = number
                return number

    def add(self, number: int, request: Request, token: Any, now: float) -> None:
        self._waiting[number] = Entry(token, request, now)

    def add_control(self, number: int, request: Request) -> None:
        self._control[number] = request

    def control(self, number: int) -> Request | None:
        return self._control.get(number)

    def settle_control(self, number: int) -> None:
        self._control.pop(number, None)

    def waiting(self, number: int) -> Entry | None:
        return self._waiting.get(number)

    def settle(self, number: int) -> None:
        """It is answered."""
        del self._waiting[number]

    def expire(self, now: float) -> list[Entry]:
        """Those whose time is over."""
        expired: list[int] = []
        for number, entry in self._waiting.items():
            if entry.sent_at + self._timeout > now:
                break
            expired.append(number)
        return [self.bury(number) for number in expired]

    def abandon(self) -> list[Entry]:
        """All of them: no answer is awaited any more."""
        return [self.bury(number) for number in list(self._waiting)]

    def bury(self, number: int) -> Entry:
        """Leave a tombstone in the place of one that waits; the oldest tombstone goes if there are too many."""
        entry = self._tombstones[number] = self._waiting.pop(number)
        if len(self._tombstones) > _TOMBSTONES_KEPT:
            self._tombstones.popitem(last=False)
        return entry

    def tombstone(self, number: int) -> Entry | None:
        return self._tombstones.get(number)

    def settle_tombstone(self, number: int) -> None:
        del self._tombstones[number]

    def next_deadline(self) -> float | None:
        for entry in self._waiting.values():
            return entry.sent_at + self._timeout
        return None
